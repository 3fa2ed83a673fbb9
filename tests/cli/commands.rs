//! The other commands: what they print, what they write, and how they fail.

use std::path::Path;
use std::process::Stdio;

use crate::process::{ROOT, VAD, command, fails, json, keys, run, stderr, stdout, text, vad};
use serde_json::Value;

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
