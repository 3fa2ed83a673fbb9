//! `fascine-bench` on the device, with very small settings: what it prints, and how it fails.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::Value;

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fascine-bench"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(args).output().unwrap()
}

fn json(args: &[&str]) -> Value {
    let small = ["--short", "--seconds", "0.3", "--warm-up", "0.3", "--dim", "samples=512", "--json"];
    let output = run(&[args, &small].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn names(report: &Value) -> Vec<&str> {
    report["arms"].as_array().unwrap().iter().map(|arm| arm["arm"].as_str().unwrap()).collect()
}

#[test]
fn s1_measures_queued_products_and_models() {
    let args = ["s1", "--queued", "3", "--queued", "2", "--model", "lstm_vad", "--copies", "2", "--arm", "time-only"];
    let report = json(&[&args[..], &["--arm", "bundled", "--runs", "2"]].concat());
    assert_eq!((&report["scenario"], &report["outputs_equal"]), (&"s1".into(), &true.into()));
    let rows = report["rows"].as_array().unwrap();
    let what: Vec<(&str, u64)> =
        rows.iter().map(|row| (row["what"].as_str().unwrap(), row["requests"].as_u64().unwrap())).collect();
    let shapes = ["conv2_2", "RNN", "256^3"];
    let products = shapes.iter().flat_map(|shape| [(*shape, 2), (*shape, 3)]);
    assert_eq!(what, products.chain([("lstm_vad", 2)]).collect::<Vec<_>>());
    assert_eq!(rows[0]["flops"], 2 * 2 * 256 * 128 * 1152);
    for row in rows {
        assert_eq!(names(row), ["B1 time-only", "O1 bundled"]);
        for arm in row["arms"].as_array().unwrap() {
            assert!(arm["wall_ms"].as_f64().unwrap() > 0.0 && arm["gflops_wall"].as_f64().unwrap() > 0.0, "{arm}");
        }
    }
    // Each shape's, the model's, and all rows', over the one other arm.
    assert_eq!(report["geometric_means"].as_array().unwrap().len(), 5);
}

#[test]
fn s2_measures_pairs_of_kernels_and_pairs_and_copies_of_models() {
    let mut args = vec!["s2", "--kernel", "mat-vec", "--kernel", "elementwise", "--runs", "2"];
    args.extend(["--model", "lstm_vad", "--pair", "lstm_vad,minilm", "--copies", "2"]);
    let report = json(&[&args[..], &["--arm", "time-only", "--arm", "deadlines"]].concat());
    assert_eq!((&report["scenario"], &report["outputs_equal"]), (&"s2".into(), &true.into()));
    let positive =
        |of: &Value, key: &str| assert!(of[key].as_f64().unwrap_or_else(|| panic!("{key}: {of}")) > 0.0, "{of}");
    let pairs = report["kernels"]["pairs"].as_array().unwrap();
    assert_eq!(pairs.iter().map(|pair| pair["scale"].as_f64().unwrap()).collect::<Vec<_>>(), [0.25, 1.0, 4.0]);
    for pair in pairs {
        assert_eq!((&pair["a"], &pair["b"]), (&"mat-vec".into(), &"elementwise".into()));
        ["a_ms", "b_ms", "apart_ms", "together_ms"].iter().for_each(|key| positive(pair, key));
    }
    assert_eq!(report["kernels"]["summaries"].as_array().unwrap().len(), 4);
    let rows = report["models"]["rows"].as_array().unwrap();
    let what: Vec<&str> = rows.iter().map(|row| row["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["lstm_vad + minilm", "lstm_vad x 2"]);
    for row in rows {
        assert_eq!(names(row), ["B1 time-only", "O2 + deadlines"]);
        positive(row, "bundled_to_best");
        row["arms"].as_array().unwrap().iter().for_each(|arm| positive(arm, "wall_ms"));
    }
}

#[test]
fn conversations_are_measured_alone_and_together() {
    let args = ["conversations", "--short", "--conversations", "3", "--tokens", "2", "--runs", "1", "--warm-up", "0.3"];
    let output = run(&[&args[..], &["--arm", "apart", "--arm", "coalesced", "--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((names(&report), &report["prompts"]), (vec!["apart", "coalesced"], &serde_json::json!([16, 30])));
    for arm in report["arms"].as_array().unwrap() {
        let number = |key: &str| arm[key].as_f64().unwrap_or_else(|| panic!("{key}: {arm}"));
        assert!(number("alone_per_s") > 0.0 && number("together_per_s") > 0.0 && number("p99_ms") > 0.0, "{arm}");
        assert!((0.0..=1.0).contains(&number("in_time")) && number("coalesced") <= 1.0, "{arm}");
    }
    assert_eq!(report["arms"][0]["coalesced"], 0.0);
}

#[test]
fn the_zoo_is_checked_under_every_arm() {
    let output = run(&["zoo", "--model", "lstm_vad", "--model", "squeezenet1_1", "--runs", "1", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["arms"].as_array().unwrap().len(), 4);
    for model in report["models"].as_array().unwrap() {
        let number = |key: &str| model[key].as_f64().unwrap_or_else(|| panic!("{key}: {model}"));
        assert!((0.0..=1.0).contains(&number("of_tolerance")), "{model}");
        assert!(number("cases") > 0.0 && number("variants") > 0.0 && number("median_ms") > 0.0, "{model}");
    }
    assert!(report["pipelines"].as_u64().unwrap() > 0);
}

#[test]
fn decode_compares_caches_on_the_device_and_through_the_host() {
    let output = run(&["decode", "--model", "llama_tiny_kv", "--past", "3", "--runs", "2", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &report["rows"][0];
    assert_eq!((&row["model"], &row["past"], &report["tokens"]), (&"llama_tiny_kv".into(), &15.into(), &2.into()));
    for of_arms in ["prompt_ms", "token_ms", "tokens_per_s"] {
        assert!((0..2).all(|arm| row[of_arms][arm].as_f64().unwrap() > 0.0), "{row}");
    }
    let ratio = row["tokens_per_s"][0].as_f64().unwrap() / row["tokens_per_s"][1].as_f64().unwrap();
    assert_eq!(row["ratio"].as_f64().unwrap(), ratio);
}

#[test]
fn s3_measures_urgent_streams_beside_best_effort() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.json");
    let mut args =
        vec!["s3", "--urgent", "2", "--best-effort-model", "lstm_vad:2", "--outstanding", "2", "--rate", "20"];
    args.extend(["--arm", "time-only", "--arm", "space-only", "--arm", "one-pass", "--arm", "deadlines"]);
    args.extend(["--trace", trace.to_str().unwrap()]);
    let report = json(&args);
    assert_eq!(report["scenario"], "s3");
    assert!(report["adapter"].is_string() && report["limits"]["max_segments"].as_u64().unwrap() > 0);
    assert_eq!(report["urgent"]["streams"], 2);
    assert!(report["urgent"]["alone"]["p50_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(report["best_effort"].as_array().unwrap().len(), 2);
    assert_eq!(names(&report), ["B1 time-only", "B2 space-only", "B3 one-pass", "O2 + deadlines"]);
    for arm in report["arms"].as_array().unwrap() {
        let number = |key: &str| arm[key].as_f64().unwrap_or_else(|| panic!("{key}: {arm}"));
        assert!((10.0..=14.0).contains(&number("urgent_requests")), "{arm}");
        assert!(number("p99_ms") >= number("p50_ms") && number("p50_ms") > 0.0, "{arm}");
        assert!((0.0..=1.0).contains(&number("in_time")) && number("worst_blocking_ms") >= 0.0, "{arm}");
        assert!(number("p99_slowdown") > 0.0 && number("best_effort_work") >= 0.0, "{arm}");
        for key in ["longest_wait_ms", "predicted_blocking_ms"] {
            assert_eq!(arm[key].is_f64(), arm["arm"] == "O2 + deadlines", "{key}: {arm}");
        }
    }
    let events: Value = serde_json::from_slice(&std::fs::read(&trace).unwrap()).unwrap();
    assert!(events["traceEvents"].as_array().unwrap().len() > 100);
}

#[test]
fn s4_measures_attainment_at_rising_load() {
    let mut args = vec!["s4", "--model", "lstm_vad:2", "--load", "1.5,0.5", "--k", "3,20", "--cv", "2", "--zipf", "1"];
    args.extend(["--arm", "batching", "--arm", "one-pass", "--arm", "hold-back"]);
    let report = json(&args);
    assert_eq!(report["scenario"], "s4");
    assert!(report["adapter"].is_string() && report["capacity_per_s"].as_f64().unwrap() > 0.0);
    assert_eq!((&report["loads"], &report["k"]), (&serde_json::json!([0.5, 1.5]), &serde_json::json!([3.0, 20.0])));
    assert_eq!(report["streams"].as_array().unwrap().len(), 2);
    assert_eq!(names(&report), ["B3 one-pass", "B4 batching", "O3 + hold-back"], "in the arms' order");
    for arm in report["arms"].as_array().unwrap() {
        assert_eq!(arm["batch"].is_object(), arm["arm"] == "B4 batching", "{arm}");
        let points = arm["points"].as_array().unwrap();
        assert_eq!(points.len(), 4, "{arm}");
        for point in points {
            assert!((0.0..=1.0).contains(&point["attainment"].as_f64().unwrap()), "{point}");
            assert!(point["issued"].is_u64() && point["goodput_per_s"].is_f64(), "{point}");
        }
        assert_eq!(arm["by_k"].as_array().unwrap().len(), 2, "{arm}");
    }
}

#[test]
fn wrong_arguments_get_one_message() {
    for (args, word) in [
        (&["s1", "--arm", "batching"] as &[&str], "the arms of s1"),
        (&["s1", "--queued", "0", "--copies", "0"], "nothing to measure"),
        (&["s2", "--arm", "batching", "--part", "models"], "the arms of s2"),
        (&["s2", "--kernel", "nosuch"], "nosuch"),
        (&["s2", "--pair", "lstm_vad"], "--pair"),
        (&["zoo", "--model", "nosuch"], "nosuch"),
        (&["zoo", "--dim", "batch=1"], "--dim"),
        (&["decode", "--dim", "batch=1"], "--dim"),
        (&["decode", "--model", "squeezenet1_1"], "squeezenet1_1"),
        (&["s3", "--urgent-model", "nosuch"], "nosuch"),
        (&["s3", "--urgent", "0"], "--urgent"),
        (&["s3", "--best-effort-model", "lstm_vad:0"], "copies"),
        (&["s3", "--urgent-model", "lstm_vad", "--dim", "nosuch=3"], "nosuch"),
        (&["s4", "--load", "0"], "--load"),
        (&["s4", "--k", "1,x"], "--k"),
        (&["s4", "--cv", "1e9"], "--cv"),
        (&["s4", "--zipf", "nan"], "--zipf"),
        (&["s3", "--rate", "1e6", "--seconds", "80000"], "too many"),
        (&["s4", "--zoo", "nosuch"], "nosuch"),
    ] {
        let output = run(args);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert_eq!(message.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{args:?}: {message}");
        assert!(message.contains(word) && !message.contains("panicked"), "{args:?}: {message}");
    }
}
