//! The trace that `--trace` writes: its schema, and one request's whole way in it.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

const VAD: &str = "tests/zoo/lstm_vad.onnx";

fn trace(args: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/trace.json");
    let sizes = ["--synthetic-weights", "--dim", "batch=1", "--dim", "samples=512"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_fascine"));
    let output = command.args(args).args(sizes).arg("--trace").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let Value::Array(events) = json["traceEvents"].take() else { panic!("no events") };
    events
}

/// Every event has what its phase needs, no two pieces of a thread overlap, and every name is given once.
fn check(events: &[Value]) {
    let mut named: BTreeSet<(u64, u64, String)> = BTreeSet::new();
    let mut threads: BTreeMap<(u64, u64), Vec<(f64, f64)>> = BTreeMap::new();
    let mut flows: BTreeMap<u64, Vec<(f64, String, (u64, u64))>> = BTreeMap::new();
    for event in events {
        let (pid, tid) = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let ts = event["ts"].as_f64().unwrap();
        assert!(event["name"].is_string() && ts >= 0.0, "{event}");
        match event["ph"].as_str().unwrap() {
            "M" => assert!(named.insert((pid, tid, event["name"].to_string())), "{event}"),
            "X" => threads.entry((pid, tid)).or_default().push((ts, event["dur"].as_f64().unwrap())),
            "C" => assert!(event["args"]["value"].is_u64(), "{event}"),
            phase @ ("s" | "t" | "f") => {
                flows.entry(event["id"].as_u64().unwrap()).or_default().push((ts, phase.to_owned(), (pid, tid)));
            }
            other => panic!("phase {other}"),
        }
    }
    for (&(pid, tid), pieces) in &mut threads {
        assert!(named.contains(&(pid, 0, "\"process_name\"".into())), "process {pid}");
        assert!(named.contains(&(pid, tid, "\"thread_name\"".into())), "thread {pid} {tid}");
        pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
        for pair in pieces.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0 + 1e-3, "{pid} {tid}: {pair:?}");
        }
    }
    assert!(!flows.is_empty());
    for (id, steps) in &flows {
        let phases: Vec<&str> = steps.iter().map(|(_, phase, _)| phase.as_str()).collect();
        assert_eq!((phases[0], *phases.last().unwrap()), ("s", "f"), "{id}");
        assert!(phases[1..phases.len() - 1].iter().all(|phase| *phase == "t"), "{id} {phases:?}");
        assert!(steps.is_sorted_by(|a, b| a.0 <= b.0), "{id}");
        for (ts, _, thread) in steps {
            assert!(threads[thread].iter().any(|(start, _)| start == ts), "{id}: no piece begins at {ts}");
        }
    }
}

#[test]
fn one_request_is_seen_from_queue_to_read_back() {
    let events = trace(&["run", VAD]);
    check(&events);
    let pieces: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    let stages: BTreeSet<&str> = pieces.iter().map(|event| event["cat"].as_str().unwrap()).collect();
    assert_eq!(Vec::from_iter(stages), ["issued", "on GPU", "queued", "read back"]);
    let stage = |name| pieces.iter().filter(move |event| event["cat"] == name);
    let ends = |event: &Value| event["ts"].as_f64().unwrap() + event["dur"].as_f64().unwrap();
    let (queued, read) = (stage("queued").next().unwrap(), stage("read back").next().unwrap());
    for wave in stage("on GPU") {
        assert!(ends(queued) <= wave["ts"].as_f64().unwrap() + 1e-3, "{wave}");
        assert!(ends(wave) <= read["ts"].as_f64().unwrap() + 1e-3, "{wave}");
        assert!(!wave["args"]["lanes"].as_array().unwrap().is_empty());
    }
    assert_eq!(queued["args"]["outcome"], "Completed");
    let counters: BTreeSet<&str> =
        events.iter().filter(|event| event["ph"] == "C").map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(Vec::from_iter(counters), ["heap bytes", "lanes in flight", "queue depth"]);
}

#[test]
fn models_that_share_waves_are_processes_of_their_own() {
    let copies = format!("{VAD}:2");
    let events = trace(&["mix", &copies, "--requests", "3", "--arm", "bundled"]);
    check(&events);
    let processes = events.iter().filter(|event| event["name"] == "process_name").count();
    assert_eq!(processes, 3, "two models and the device");
    let flows: BTreeSet<u64> =
        events.iter().filter(|event| event["ph"] == "s").map(|event| event["id"].as_u64().unwrap()).collect();
    assert_eq!(flows.len(), 6);
    let shared = |event: &Value| event["args"]["lanes of all"].as_u64() > Some(1);
    assert!(events.iter().any(shared));
}
