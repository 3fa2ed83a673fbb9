//! `fascine-bench simulate` on the repository's scenarios, and on files that are wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::Value;

fn simulate(args: &[&str]) -> Output {
    bench(&[&["simulate"], args].concat())
}

fn report(args: &[&str]) -> Value {
    let output = simulate(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_examples_run_and_repeat() {
    for (file, streams) in [("mixed", 8), ("camera", 5), ("tenants", 16), ("batching", 8)] {
        let path = format!("{}/scenarios/{file}.toml", env!("CARGO_MANIFEST_DIR"));
        let first = report(&[&path]);
        assert_eq!(first, report(&[&path]), "{file}");
        assert_eq!(first["streams"].as_array().unwrap().len(), streams, "{file}");
        assert!(first["requests"].as_u64().unwrap() > 500 && first["simulated"] == true, "{file}");
    }
}

#[test]
fn popularity_traces_and_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    let go = |text: &str| {
        std::fs::write(&path, text).unwrap();
        simulate(&[path.to_str().unwrap(), "--json"])
    };
    let stream = |arrivals: &str| {
        format!(
            "[[stream]]\nname = 'a'\ncount = 2\ndispatches = 5\nmicros = 10.0\nworkgroups = 8\narrivals = {arrivals}\n"
        )
    };
    let poisson = stream("{ process = 'poisson', rate = 500.0 }");
    let output = go(&format!("duration_s = 2.0\nzipf = 1.0\n{poisson}"));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let arrived = |at: usize| json["streams"][at]["arrived"].as_f64().unwrap();
    assert!((arrived(0) / arrived(1) - 2.0).abs() < 0.4, "{} {}", arrived(0), arrived(1));

    std::fs::write(folder.path().join("times"), "1.5\n1.75\n").unwrap();
    let output = go(&format!("duration_s = 2.0\n{}", stream("{ process = 'trace', file = 'times' }")));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["requests"], 4);

    for (text, word) in [
        ("duration_s = 1.0\nspeed = 3\nstream = []".to_owned(), "speed"),
        ("duration_s = -1.0\nstream = []".to_owned(), "duration"),
        ("duration_s = 1.0\nstream = []".to_owned(), "0 streams"),
        (format!("duration_s = 1.0\n{}", stream("{ process = 'poisson', rate = 0.0 }")), "rates"),
        (format!("duration_s = 1.0\n{}", stream("{ process = 'trace', file = 'none' }")), "none"),
        (format!("duration_s = 1.0\n{poisson}deadline_ms = 1.0\ndeadline_x = 2.0\n"), "not both"),
        (format!("duration_s = 1.0\n{poisson}[device]\nflops = 0.0\n"), "rates"),
    ] {
        let output = go(&text);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(word), "{text}: {stderr}");
    }
}

/// Two models of long dispatches on a small device, so that a run takes few of them.
fn calibration(folder: &std::path::Path) -> String {
    let dispatch = |kernel: &str, deps: &str, nanos: u32| {
        format!(
            "{{ kernel = '{kernel}', workgroups = 2, flops = {}, bytes = 1000, weights = 800, deps = {deps}, nanos = {nanos} }}",
            nanos / 4
        )
    };
    let model = |name: &str, nanos: u32| {
        let dispatches =
            [dispatch("a", "[]", nanos), dispatch("b", "[0]", nanos), dispatch("a", "[1]", nanos)].join(", ");
        format!("[[model]]\nname = '{name}'\nweight_bytes = 2048\nheap_bytes = 1024\ndispatches = [{dispatches}]\n")
    };
    let text = format!(
        "adapter = 'none'\nparallelism = 8\nflops = 1e9\nbytes = 1e9\nbundle_ns = 6000\nlane_ns = 100\nsubmission_ns = 15000\n{}{}",
        model("long", 3_000_000),
        model("short", 600_000)
    );
    let path = folder.join("device.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn bench(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fascine-bench"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(args).output().unwrap()
}

#[test]
fn the_benchmarks_run_on_a_calibrated_device() {
    let folder = tempfile::tempdir().unwrap();
    let file = calibration(folder.path());
    let json = |args: &[&str]| -> Value {
        let output = bench(&[args, &["--calibration", &file, "--json"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let s4 = json(&["s4", "--simulated", "--short", "--requests", "200"]);
    assert_eq!(s4["simulated"], true);
    assert_eq!(s4["capacity_99"].as_array().unwrap().len(), 2);
    let goodput = |arm: usize| {
        let by_load = s4["goodput"][arm]["by_load"].as_array().unwrap();
        assert_eq!(by_load.len(), 14);
        by_load[13].as_f64().unwrap()
    };
    // Under overload, first come first served completes hardly anything in time.
    assert!(goodput(5) > 2.0 * goodput(0), "{} {}", goodput(5), goodput(0));

    let s5 = json(&["s5", "--model", "short", "--tenants", "2,6", "--requests", "200"]);
    let [few, many] = &s5["tenants"].as_array().unwrap()[..] else { panic!("{s5}") };
    assert!(few["blocked_ms"].as_f64().unwrap() > 0.0 && few["cold_requests"].as_u64().unwrap() > 0, "{few}");
    assert!(many["gap"].as_f64().unwrap() >= 1.0 && many["host_us_per_lane"].as_f64().unwrap() > 0.0, "{many}");
    assert_eq!((many["tenants"].as_u64(), many["weight_bytes"].as_u64()), (Some(6), Some(2048)));

    for (args, word) in [
        (vec!["s5", "--model", "none", "--calibration", &file], "long, short"),
        (vec!["s5", "--load", "0", "--calibration", &file], "--load"),
        (vec!["s5", "--tenants", "0"], "tenants"),
        (vec!["s5", "--zoo", "nowhere"], "--zoo"),
    ] {
        let output = bench(&args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(word), "{args:?}: {stderr}");
    }
}

#[test]
fn streams_replay_models_of_a_calibration_file() {
    let folder = tempfile::tempdir().unwrap();
    calibration(folder.path());
    let path = folder.path().join("s.toml");
    let go = |text: &str| {
        std::fs::write(&path, format!("duration_s = 5.0\n[device]\ncalibration = 'device.toml'\nnoise = 0.0\n{text}"))
            .unwrap();
        simulate(&[path.to_str().unwrap(), "--json"])
    };
    let stream = |model: &str| {
        format!("[[stream]]\nname = 's'\nmodel = '{model}'\narrivals = {{ process = 'periodic', rate = 10.0 }}\n")
    };
    let json: Value = serde_json::from_slice(&go(&stream("short")).stdout).unwrap();
    let p50 = json["streams"][0]["latency_ms"][0].as_f64().unwrap();
    assert!((1.8..2.0).contains(&p50), "three dispatches of 0.6 ms: {p50}");
    for (text, word) in [
        (stream("none"), "no model 'none'"),
        (stream("short") + "from_s = -1.0\n", "times"),
        (stream("short") + "[[loss]]\nat_s = -1.0\nlasts_s = 1.0\n", "loss"),
    ] {
        let output = go(&text);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(word), "{text}: {stderr}");
    }
}

#[test]
fn what_a_calibration_says_of_coalescing_is_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let (device, path) = (folder.path().join("device.toml"), folder.path().join("s.toml"));
    let text =
        "duration_s = 2.0\n[device]\ncalibration = 'device.toml'\nnoise = 0.0\n[[stream]]\nname = 's'\nmodel = 'm'
        arrivals = { process = 'closed', outstanding = 8 }\n";
    std::fs::write(&path, text).unwrap();
    let go = |coalesce: &str| {
        let row = "kernel = 'k', workgroups = 8, flops = 1000, bytes = 100000, weights = 99000, nanos = 106100";
        let rows = [0; 2].map(|_| format!("{{ {row}{coalesce} }}")).join(", ");
        let text = format!(
            "adapter = 'none'\nparallelism = 8\nflops = 1e9\nbytes = 1e9\nbundle_ns = 6000\nlane_ns = 100\nsubmission_ns = 15000
            [[model]]\nname = 'm'\ndispatches = [{rows}]\n"
        );
        std::fs::write(&device, text).unwrap();
        let report = report(&[path.to_str().unwrap()]);
        (report["lanes_coalesced"].as_u64().unwrap(), report["throughput_per_s"].as_f64().unwrap())
    };
    let coalesce =
        |nanos: &str| format!(", coalesce = {{ kernel = 'g', least = 2, width = 8, shared = 99000{nanos} }}");
    let (none, apart) = go("");
    let (estimated, together) = go(&coalesce(""));
    let (measured, slower) = go(&coalesce(", nanos = 200000"));
    assert_eq!(none, 0);
    assert!(estimated > 1_000 && measured > 1_000, "{estimated} {measured}");
    // Weights, nearly all of what moves, are read once for eight; unless its kernel takes twice as long.
    assert!(together > 2.0 * apart, "{together} {apart}");
    assert!(slower > 1.2 * apart && slower < 0.85 * together, "{slower} {apart} {together}");
}
