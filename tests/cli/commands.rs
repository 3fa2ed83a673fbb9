//! The command line: what it prints, what it writes, and how it fails.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use fascine::Tensor;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const VAD: &str = "tests/zoo/lstm_vad.onnx";
const VAD_DIMS: [&str; 5] = ["--synthetic-weights", "--dim", "batch=1", "--dim", "samples=1600"];

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fascine"));
    command.current_dir(ROOT).args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn text(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

fn json(args: &[&str]) -> Value {
    let args = [args, &["--json"]].concat();
    serde_json::from_str(&text(&args)).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Runs to failure: code 2, nothing like a panic, and one message that holds all of `words`.
fn fails(args: &[&str], words: &[&str]) {
    let output = run(args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
    assert_eq!(message.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{args:?}: {message}");
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    for word in words {
        assert!(message.contains(word), "{args:?}: no '{word}' in: {message}");
    }
}

fn vad<'a>(before: &[&'a str], after: &[&'a str]) -> Vec<&'a str> {
    [before, &VAD_DIMS, after].concat()
}

#[test]
fn devices_lists_adapters() {
    assert!(text(&["devices"]).contains("largest buffer"));
    let devices = json(&["devices"]);
    let adapters = devices["adapters"].as_array().unwrap();
    assert!(!adapters.is_empty());
    assert_eq!(adapters[0]["index"], 0);
    assert!(adapters[0]["caps"]["name"].is_string() && adapters[0]["missing"].is_array());
    let fit = adapters.iter().find(|adapter| adapter["unfit"].is_null()).unwrap();
    assert!(fit["measured"]["parallelism"].is_null() || fit["measured"]["parallelism"].as_u64() > Some(0), "{fit}");
}

#[test]
fn check_says_what_a_model_needs() {
    let report = json(&vad(&["check", VAD], &[]));
    assert_eq!(report["runs"], true);
    assert_eq!(report["inputs"][0]["name"], "audio");
    assert_eq!(report["inputs"][0]["dtype"], "f32");
    assert_eq!(report["inputs"][0]["shape"][0], "batch");
    assert_eq!(report["outputs"].as_array().unwrap().len(), 3);
    assert_eq!(report["unsupported"].as_array().unwrap().len(), 0);
    let operators = report["operators"].as_array().unwrap();
    assert!(operators.iter().any(|o| o["operator"] == "LSTM" && o["nodes"] == 2 && o["supported"] == true));
    for figure in ["dispatches", "bundles", "variants", "weight_bytes", "peak_heap_bytes", "flops"] {
        assert!(report[figure].as_u64().unwrap() > 0, "{figure}");
    }
    let text = text(&vad(&["check", VAD], &[]));
    assert!(text.contains("LSTM") && text.contains("heap of a request, peak"), "{text}");
}

#[test]
fn check_without_sizes_names_the_open_dimensions() {
    let report = json(&["check", VAD, "--synthetic-weights"]);
    assert_eq!(report["open_dims"], serde_json::json!(["batch", "samples"]));
    assert!(report["dispatches"].is_null());
    let hop = "(((samples - 1)/5 - 3)/4 - 1)/2 + 1";
    assert_eq!(report["outputs"][0]["shape"], serde_json::json!(["batch", hop]));
    assert!(text(&["check", VAD, "--synthetic-weights"]).contains("--dim samples=N"));
}

/// A model of these nodes, each from `x` (f32[2]) to an output of its own.
fn model(nodes: &[(&str, &str)]) -> Vec<u8> {
    use fascine::onnx::proto::{
        DataType, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, TensorType,
        TypeProto, TypeValue, ValueInfoProto,
    };
    use prost::Message as _;
    let some = |text: &str| Some(text.to_owned());
    let info = |name: &str| {
        let dim = vec![Dimension { dim_value: Some(2), dim_param: None }];
        let tensor = TensorType { elem_type: Some(DataType::Float.into()), shape: Some(TensorShapeProto { dim }) };
        ValueInfoProto { name: some(name), r#type: Some(TypeProto { value: Some(TypeValue::Tensor(tensor)) }) }
    };
    let node = |&(name, op): &(&str, &str)| NodeProto {
        name: some(name),
        op_type: some(op),
        input: vec!["x".to_owned()],
        output: vec![format!("{name}_out")],
        ..NodeProto::default()
    };
    let graph = GraphProto {
        node: nodes.iter().map(node).collect(),
        input: vec![info("x")],
        output: nodes.iter().map(|(name, _)| info(&format!("{name}_out"))).collect(),
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: some(""), version: Some(17) }];
    ModelProto { ir_version: Some(8), opset_import, graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
}

#[test]
fn check_without_sizes_says_no_to_what_none_can_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flat.onnx");
    std::fs::write(&path, model(&[("fine", "Relu"), ("flat", "GlobalAveragePool")])).unwrap();
    fails(&["check", path.to_str().unwrap()], &["flat.onnx", "1 nodes"]);
}

#[test]
fn every_node_without_support_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("strange.onnx");
    std::fs::write(&path, model(&[("first", "Nonesuch"), ("fine", "Relu"), ("second", "Einsum")])).unwrap();
    let path = path.to_str().unwrap();
    fails(&["check", path], &["strange.onnx", "2 nodes"]);
    for command in ["run", "mix"] {
        fails(&[command, path], &["strange.onnx", "first", "Nonesuch"]);
    }
    let output = run(&["check", path]);
    let text = stdout(&output) + &stderr(&output);
    for word in ["first", "Nonesuch", "second", "Einsum", "17", "f32[2]"] {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let output = run(&["check", path, "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unsupported = report["unsupported"].as_array().unwrap();
    assert_eq!(unsupported.len(), 2, "{report}");
    assert_eq!(report["runs"], false);
}

#[test]
fn check_says_what_was_unfolded() {
    let case = |name: &str| Path::new(ROOT).join("tests/cases").join(name).join("model.onnx").display().to_string();
    let report = json(&["check", &case("function-nested")]);
    assert_eq!(report["functions"][1], serde_json::json!({"function": "test.Outer", "calls": 2}));
    let report = json(&["check", &case("if-constant")]);
    assert_eq!(report["branches"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["branches"][0]["branch"], "then");
    let table = text(&["check", &case("group-normalization")]);
    assert!(table.contains("GroupNormalization (1 calls)"), "{table}");
}

#[test]
fn run_writes_outputs_of_their_true_type() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/er");
    let more = ["--out", out.to_str().unwrap(), "--repeat", "3", "--seed", "7", "--vary", "batch"];
    let report = json(&vad(&["run", VAD], &more));
    let all = ["adapter", "bundles", "dispatches", "first_ms", "heap_bytes", "host", "median_ms", "model", "outputs"];
    assert_eq!(keys(&report), [&all[..], &["pipelines", "variants", "weight_bytes"]].concat());
    let host = &report["host"];
    assert_eq!(keys(host), ["load_ms", "new_shape", "peak_bytes", "plan_ms", "queued_ms", "submit_ms"]);
    assert_eq!(host["new_shape"]["requests"], 8);
    assert!(host["new_shape"]["submit_ms"].is_f64() && host["submit_ms"].is_f64(), "{host}");
    assert!(report["pipelines"]["at_first"].as_u64().unwrap() > 0, "{report}");
    let outputs = report["outputs"].as_array().unwrap();
    assert_eq!(keys(&outputs[0]), ["dtype", "file", "name", "shape"]);
    let names: Vec<_> = outputs.iter().map(|output| output["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["probability", "h_out", "c_out"]);
    for (k, output) in outputs.iter().enumerate() {
        let file = out.join(format!("output_{k}.npy"));
        assert_eq!(output["file"], file.to_str().unwrap());
        let tensor = fascine::npy::read(&file).unwrap();
        assert_eq!(output["dtype"], tensor.dtype().name());
        assert_eq!(output["shape"], serde_json::json!(tensor.shape()));
    }
    let first = report["first_ms"].as_f64().unwrap();
    assert!(first > 0.0 && report["median_ms"].as_f64().unwrap() <= first);
    assert!(report["dispatches"].as_u64().unwrap() > 0 && report["bundles"].as_u64().unwrap() > 0);
}

#[test]
fn run_takes_inputs_and_gives_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let suite = fascine::reference::Suite::open(Path::new(ROOT).join("tests/zoo"), "lstm_vad").unwrap();
    let case = &suite.cases[0];
    let mut args = vec!["run".to_owned(), VAD.to_owned(), "--synthetic-weights".to_owned()];
    for (name, tensor) in &case.inputs {
        let path = folder.path().join(format!("{name}.npy"));
        fascine::npy::write(&path, tensor).unwrap();
        args.extend(["--input".to_owned(), format!("{name}={}", path.display())]);
    }
    args.extend(["--out".to_owned(), folder.path().display().to_string()]);
    let table = text(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(table.contains("probability") && table.contains("mean") && table.contains("f32"), "{table}");
    let outputs: Vec<_> = case
        .outputs
        .iter()
        .enumerate()
        .map(|(k, expected)| {
            (expected.name.as_str(), fascine::npy::read(folder.path().join(format!("output_{k}.npy"))).unwrap())
        })
        .collect();
    case.check(outputs.iter().map(|(name, tensor)| (*name, tensor))).unwrap();
}

/// What `--state` ends with is what as many runs end with whose state goes through the host, to the bit.
fn steps_are_runs(
    path: &str,
    states: &[(&str, &str)],
    given: &[(&str, Tensor)],
    each: &[(&str, Tensor)],
    more: &[&str],
    start: impl Fn(&fascine::InputInfo) -> Tensor,
    changing: impl Fn(usize, &fascine::InputInfo) -> Tensor,
) {
    let folder = tempfile::tempdir().unwrap();
    let steps = each[0].1.shape()[0];
    let mut args: Vec<String> = ["run", path, "--synthetic-weights", "--steps"].map(str::to_owned).to_vec();
    args.push(steps.to_string());
    for (flag, list) in [("--input", given), ("--each", each)] {
        for (name, tensor) in list {
            let file = folder.path().join(format!("{name}.npy"));
            fascine::npy::write(&file, tensor).unwrap();
            args.extend([flag.to_owned(), format!("{name}={}", file.display())]);
        }
    }
    args.extend(states.iter().flat_map(|(input, output)| ["--state".to_owned(), format!("{input}={output}")]));
    args.extend(more.iter().map(|&arg| arg.to_owned()));
    args.extend(["--out".to_owned(), folder.path().display().to_string()]);
    let report = json(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(report["steps"], steps);

    let runtime = fascine::Runtime::new(fascine::Options::default()).unwrap();
    let options = fascine::LoadOptions { synthetic_weights: true, ..Default::default() };
    let model = runtime.load_with(Path::new(ROOT).join(path), &options).unwrap();
    let find = |list: &[(&str, Tensor)], name: &str| {
        list.iter().find(|(known, _)| *known == name).map(|(_, tensor)| tensor.clone())
    };
    let output_of = |name: &str| {
        states.iter().find_map(|(input, output)| match input.split_once('*') {
            None => (*input == name).then(|| (*output).to_owned()),
            Some((before, after)) => Some(output.replace('*', name.strip_prefix(before)?.strip_suffix(after)?)),
        })
    };
    let mut last: Option<fascine::Completion> = None;
    for step in 0..steps {
        let mut request = model.request();
        for input in model.inputs() {
            let state = output_of(&input.name);
            let tensor = match (&last, state, find(given, &input.name), find(each, &input.name)) {
                (Some(last), Some(output), ..) => last.output(&output).unwrap().clone(),
                (_, _, Some(tensor), _) => tensor,
                (_, _, _, Some(tensor)) => tensor.entry(step).unwrap(),
                (None, Some(_), ..) => start(&input),
                (_, None, None, None) => changing(step, &input),
            };
            request = request.input(&input.name, tensor).unwrap();
        }
        last = Some(request.submit().unwrap().wait().unwrap());
    }
    for (k, (name, expected)) in last.unwrap().outputs().enumerate() {
        assert_eq!(report["outputs"][k]["name"], name);
        let got = fascine::npy::read(folder.path().join(format!("output_{k}.npy"))).unwrap();
        assert_eq!(got, *expected, "{name}");
    }
}

#[test]
fn steps_of_a_detector_are_runs_with_its_state() {
    let audio = (0..4 * 512).map(|i| ((i * 7919) % 1013) as f32 / 1013.0 - 0.5).collect::<Vec<f32>>();
    let h = (0..128).map(|i| i as f32 / 128.0).collect::<Vec<f32>>();
    steps_are_runs(
        VAD,
        &[("h", "h_out"), ("c", "c_out")],
        &[("h", Tensor::new([2, 1, 64], h).unwrap())],
        &[("audio", Tensor::new([4, 1, 512], audio).unwrap())],
        &[],
        |input| Tensor::zeros(input.dtype, [2, 1, 64]).unwrap(),
        |_, input| panic!("{} is given", input.name),
    );
}

#[test]
fn steps_of_a_decoder_are_runs_with_its_cache() {
    steps_are_runs(
        "tests/zoo/gpt2_small_kv.onnx",
        &[("past_key_values.*", "present.*")],
        &[],
        &[
            ("input_ids", Tensor::new([3, 1, 1], vec![11i64, 500, 7]).unwrap()),
            ("position_ids", Tensor::new([3, 1, 1], vec![0i64, 1, 2]).unwrap()),
        ],
        &["--dim", "total=1", "--grow", "total=1"],
        |input| Tensor::zeros(input.dtype, [1, 6, 0, 64]).unwrap(),
        |step, _| Tensor::new([1, step + 1], vec![1i64; step + 1]).unwrap(),
    );
}

#[test]
fn steps_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, tensor: Tensor| {
        let path = folder.path().join(name);
        fascine::npy::write(&path, &tensor).unwrap();
        path.display().to_string()
    };
    let audio = format!("audio={}", file("audio.npy", Tensor::zeros(fascine::DType::F32, [3, 1, 512]).unwrap()));
    let h = format!("h={}", file("h.npy", Tensor::zeros(fascine::DType::F32, [4, 2, 1, 64]).unwrap()));
    let cases: [(&[&str], &[&str]); 10] = [
        (&["--state", "past.*=present.*"], &["past.*=present.*", "no such input", "audio"]),
        (&["--state", "h=h_in"], &["h=h_in", "'h_in'", "h_out"]),
        (&["--state", "h=h_out", "--state", "h=c_out"], &["'h'", "another"]),
        (&["--state", "h"], &["--state"]),
        (&["--state", "h=*"], &["--state"]),
        (&["--steps", "3"], &["--state"]),
        (&["--state", "h=h_out", "--repeat", "2"], &["--repeat"]),
        (&["--state", "h=probability", "--steps", "2"], &["step 2", "'h'", "[2, batch, 64]"]),
        (&["--state", "h=h_out", "--steps", "4", "--each", &audio], &["--each audio", "[3, 1, 512]", "--steps 4"]),
        (&["--state", "h=h_out", "--steps", "4", "--each", &h], &["--each h", "state"]),
    ];
    for (more, words) in cases {
        fails(
            &[&["run", VAD, "--synthetic-weights", "--dim", "batch=1", "--dim", "samples=512"], more].concat(),
            words,
        );
    }
    fails(&vad(&["run", VAD], &["--state", "h=h_out", "--steps", "2", "--grow", "typo=1"]), &["--grow typo"]);
    fails(&vad(&["run", VAD], &["--state", "h=h_out", "--steps", "2", "--grow", "batch=1"]), &["step 2", "batch"]);
}

#[test]
fn mix_compares_the_arms() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("mix.html");
    let model = format!("{VAD}:2");
    let report = json(&vad(&["mix", &model], &["--requests", "2", "--report", page.to_str().unwrap()]));
    assert_eq!(keys(&report), ["adapter", "arms", "outputs_equal"]);
    assert_eq!(report["outputs_equal"], true);
    let arms = report["arms"].as_array().unwrap();
    let names: Vec<_> = arms.iter().map(|arm| arm["arm"].as_str().unwrap()).collect();
    assert_eq!(names, ["submit-each", "time-only", "one-pass", "bundled"]);
    for arm in arms {
        assert_eq!(
            keys(arm),
            [
                "arm",
                "bundles",
                "dispatches",
                "gpu_ms",
                "host_us_per_bundle",
                "latency_ms",
                "mean_lanes",
                "requests",
                "submissions",
                "throughput_per_s",
                "wall_ms"
            ]
        );
        assert_eq!(keys(&arm["latency_ms"]), ["max", "p50", "p99"]);
        assert_eq!(arm["requests"], 4);
        assert!(arm["bundles"].as_u64() >= arm["submissions"].as_u64());
    }
    assert_eq!(arms[0]["submissions"], arms[0]["bundles"]);
    assert_eq!(arms[0]["bundles"], arms[0]["dispatches"]);
    // How many bundles there are depends on what they were measured to take, as long ones are divided.
    assert!(arms[3]["mean_lanes"].as_f64().unwrap() > 1.0, "{report}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("lstm_vad #1") && page.contains("\"bundled\"") && !page.contains("{{data}}"));
}

#[test]
fn mix_runs_one_arm() {
    let text = text(&vad(&["mix", VAD], &["--requests", "1", "--arm", "time-only"]));
    assert!(text.contains("time-only") && !text.contains("one-pass"), "{text}");
}

#[test]
fn link_shows_and_emits() {
    let kernel = "shaders/copy.wgsl";
    assert!(text(&["link", kernel]).contains("copy"));
    let report = json(&["link", kernel, "--emit", "wgsl"]);
    assert_eq!(report["kernels"][0]["kernel"], "copy");
    assert!(report["text"].as_str().unwrap().contains("@compute"));
    for (language, word) in [("wgsl", "@workgroup_size"), ("msl", "kernel void"), ("hlsl", "numthreads")] {
        assert!(text(&["link", kernel, "--emit", language]).contains(word), "{language}");
    }
    let clamped = |arguments: &[&str]| {
        let text = text(&[&["link", kernel, "--emit", "wgsl"], arguments].concat());
        (text.contains("min("), text.contains("var<immediate>"))
    };
    assert_eq!(clamped(&[]), (true, false));
    assert_eq!(clamped(&["--project", "--immediates"]), (false, true));
    let spirv = run(&["link", kernel, "--emit", "spirv"]);
    assert_eq!(spirv.stdout[..4], 0x0723_0203u32.to_le_bytes());
}

#[test]
fn demo_checks_itself_and_writes_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("new/demo.html");
    let report = json(&["demo", "--report", page.to_str().unwrap()]);
    assert_eq!(report["outputs_equal"], true);
    assert_eq!(report["models"].as_array().unwrap().len(), 4);
    for model in report["models"].as_array().unwrap() {
        assert!(model["worst"].as_f64().unwrap() <= 1.0 && model["requests"].as_u64().unwrap() > 1, "{model}");
        assert!(model["deadline_ms"].as_f64().unwrap() > 0.0);
    }
    assert!(std::fs::metadata(page).unwrap().len() > 10_000);
}

/// A case of a suite, made of one in `tests/cases`: its model with `from` in place of `to`, its inputs, its outputs times `factor`.
fn suite_case(folder: &Path, case: &str, (from, to): (&str, &str), factor: f32) {
    use prost::Message;
    let source = Path::new(ROOT).join("tests/cases").join(case);
    let mut model = std::fs::read(source.join("model.onnx")).unwrap();
    while !from.is_empty()
        && let Some(at) = model.windows(from.len()).position(|part| part == from.as_bytes())
    {
        model.splice(at..at + from.len(), to.bytes());
    }
    let set = folder.join("test_data_set_0");
    std::fs::create_dir_all(&set).unwrap();
    std::fs::write(folder.join("model.onnx"), model).unwrap();
    for (kind, factor) in [("input", 1.0), ("output", factor)] {
        for k in 0.. {
            let path = source.join(format!("{kind}_{k}.npy"));
            if !path.exists() {
                break;
            }
            let tensor = fascine::npy::read(path).unwrap();
            let proto = fascine::onnx::proto::TensorProto {
                dims: tensor.shape().iter().map(|&size| size as i64).collect(),
                data_type: Some(1),
                float_data: tensor.as_slice::<f32>().unwrap().iter().map(|x| x * factor).collect(),
                ..Default::default()
            };
            std::fs::write(set.join(format!("{kind}_{k}.pb")), proto.encode_to_vec()).unwrap();
        }
    }
}

#[test]
fn suite_tells_what_passes_fails_and_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (root, list) = (folder.path().join("cases"), folder.path().join("refusals.txt"));
    suite_case(&root.join("node/right"), "swish", ("", ""), 1.0);
    suite_case(&root.join("node/unknown"), "swish", ("Swish", "Swash"), 1.0);
    let (root, list) = (root.to_str().unwrap(), list.to_str().unwrap());
    let report = json(&["suite", root, "--write-refusals", list]);
    assert_eq!(keys(&report), ["adapter", "cases", "failed", "passed", "refused"]);
    assert_eq!([&report["passed"], &report["failed"], &report["refused"]], [1, 0, 1]);
    let cases = report["cases"].as_array().unwrap();
    assert_eq!([&cases[0]["name"], &cases[0]["outcome"]], ["node/right", "passed"]);
    assert!(cases[1]["reason"].as_str().unwrap().contains("Swash"), "{report}");
    // The list that was written is what is expected; without its line, or where a case passes that it names, the answer is no.
    assert!(text(&["suite", root, "--refusals", list, "--merge"]).ends_with("1 passed, 0 failed, 1 refused\n"));
    assert!(json(&["suite", root, "--filter", "right"])["passed"] == 1);
    std::fs::write(list, "node/right: never\n").unwrap();
    fails(&["suite", root, "--refusals", list], &["node/right passes", "node/unknown is refused"]);
    // Wrong numbers, and an expectation of more outputs than there are.
    suite_case(&Path::new(root).join("node/wrong"), "swish", ("", ""), 1.01);
    let output = run(&["suite", root, "--json"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((output.status.code(), &report["failed"]), (Some(2), &Value::from(1)), "{report}");
    assert!(report["cases"][2]["reason"].as_str().unwrap().contains("instead of"), "{report}");
    fails(&["suite", root, "--filter", "nobody"], &["no case", "cases"]);
    fails(&["suite", "nowhere"], &["nowhere"]);
}

#[test]
fn bad_arguments_and_files_get_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let text = file("text.onnx", b"this is no model at all");
    let npy = file("bad.npy", b"\x93NUMPY\x01\x00");
    let atomics = file(
        "atomics.wgsl",
        b"@group(0) @binding(0) var<storage, read_write> hits: array<atomic<u32>>;
          @compute @workgroup_size(64) fn main() { atomicAdd(&hits[0], 1u); }",
    );
    let broken = file("broken.wgsl", b"fn main( {");
    let short = folder.path().join("short.npy");
    fascine::npy::write(&short, &fascine::Tensor::zeros(fascine::DType::F32, [2, 1, 63]).unwrap()).unwrap();
    let (bad, short) = (format!("h={npy}"), format!("h={}", short.display()));
    let cases: [(Vec<&str>, &[&str]); 20] = [
        (vec!["nonsense"], &["nonsense"]),
        (vec!["run"], &["MODEL"]),
        (vec!["check", "absent.onnx"], &["absent.onnx"]),
        (vec!["check", &text], &["text.onnx"]),
        (vec!["check", "tests/zoo"], &["tests/zoo"]),
        (vec!["check", VAD], &["lstm_vad.bin"]),
        (vec!["run", VAD], &["lstm_vad.bin"]),
        (vec!["run", VAD, "--synthetic-weights"], &["batch", "--dim samples=N"]),
        (vad(&["run", VAD], &["--dim", "typo=3"]), &["typo", "batch"]),
        (vad(&["run", VAD], &["--dim", "batch=2"]), &["batch", "twice"]),
        (vec!["run", VAD, "--dim", "batch=x"], &["batch=x"]),
        (vad(&["run", VAD], &["--input", "nobody=x.npy"]), &["x.npy"]),
        (vad(&["run", VAD], &["--input", &bad]), &["bad.npy"]),
        (vad(&["run", VAD], &["--input", &short]), &["'h'"]),
        (vad(&["run", VAD], &["--repeat", "0"]), &["--repeat"]),
        (vad(&["run", VAD], &["--device", "no such adapter"]), &["no such adapter"]),
        (vec!["mix", VAD, "--requests", "0"], &["--requests"]),
        (vec!["link", &atomics], &["hits", "atomic"]),
        (vec!["link", &broken], &["broken.wgsl"]),
        (vec!["demo", "--zoo", "nowhere"], &["nowhere", "--zoo"]),
    ];
    for (args, words) in cases {
        fails(&args, words);
    }
}

#[test]
fn a_dimension_that_fits_no_memory_is_an_error() {
    for size in ["99999999999", "18446744073709551615"] {
        let samples = format!("samples={size}");
        fails(&["run", VAD, "--synthetic-weights", "--dim", "batch=1", "--dim", &samples], &["lstm_vad.onnx"]);
    }
}

#[test]
fn help_and_version_succeed_and_a_closed_pipe_is_quiet() {
    assert!(text(&["--help"]).contains("Usage"));
    assert!(text(&["--version"]).contains(env!("CARGO_PKG_VERSION")));
    let mut child = command(&["link", "shaders/copy.wgsl", "--emit", "hlsl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

/// The commands in the README's shell blocks, as they stand there.
#[test]
fn the_readme_commands_run() {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let (mut inside, mut commands) = (false, 0);
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if let (true, Some(command)) = (inside, line.split('#').next().map(str::trim)) {
            let words: Vec<&str> = command.split_whitespace().collect();
            match words.as_slice() {
                // What the tests here and CI run already.
                ["fascine", "demo" | "tune", ..] | [] => {}
                ["fascine", args @ ..] => {
                    text(args);
                    commands += 1;
                }
                ["cargo", "run", .., "--example", name] => {
                    assert!(Path::new(ROOT).join(format!("examples/{name}.rs")).is_file(), "{command}");
                }
                ["cargo", "run", "--release", "-p", "fascine-bench", "--", ..] => {}
                ["cargo", "install", ..] => {}
                [script, ..] => assert!(Path::new(ROOT).join(script).is_file(), "{command}"),
            }
        }
    }
    assert!(commands >= 5, "only {commands} commands in the README");
}

#[test]
fn tune_keeps_what_it_measures() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ["--cache-dir", folder.path().to_str().unwrap()];
    fails(&["tune", "--short"], &["CPU adapter", "--gpu-kernels"]);
    fails(&["tune", "--share", "2"], &["--share"]);
    let tune = |more: &[&'static str]| [&["tune", "--short", "--gpu-kernels"], &cache[..], more].concat();
    let report = json(&tune(&[]));
    let points = report["points"].as_array().unwrap();
    let of = |kernel: &str, share: &str| points.iter().filter(|p| p["kernel"] == kernel && p["share"] == share).count();
    for kernel in ["product", "row", "conv"] {
        assert!(of(kernel, "whole") > of(kernel, "eighth") && of(kernel, "eighth") > 0, "{kernel}");
    }
    assert_eq!((report["skipped"].as_u64(), report["faults"].as_array().map(Vec::len)), (Some(0), Some(0)));
    for point in points {
        let times = point["times"].as_array().unwrap();
        let time = |choice: &Value| times.iter().find(|t| t["side"] == choice["side"] && t["parts"] == choice["parts"]);
        assert!(time(&point["best"]).unwrap()["nanos"].as_u64().unwrap() > 0 && time(&point["rule"]).is_some());
    }
    let file = std::fs::read_to_string(report["file"].as_str().unwrap()).unwrap();
    assert_eq!(file.lines().filter(|line| line.contains(':')).count(), points.len(), "{file}");
}
