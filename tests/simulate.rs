//! `fascine simulate` on the repository's scenarios, and on files that are wrong.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::Value;

fn simulate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fascine")).arg("simulate").args(args).output().unwrap()
}

fn report(args: &[&str]) -> Value {
    let output = simulate(&[args, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_examples_run_and_repeat() {
    for (file, streams) in [("examples/scenarios/mixed.toml", 8), ("examples/scenarios/camera.toml", 5)] {
        let first = report(&[file]);
        assert_eq!(first, report(&[file]), "{file}");
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
