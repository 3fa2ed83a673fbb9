//! `fascine run`: inputs and outputs, and models step by step.

use std::path::Path;

use crate::process::{ROOT, VAD, fails, json, keys, text, vad};
use fascine::Tensor;

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
