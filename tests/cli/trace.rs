//! The trace that `--trace` writes: its schema, and one request's whole way in it.

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

/// A piece: from, to, name, arguments.
type Piece = (f64, f64, String, Value);

/// What a trace holds, by the format's rules.
#[derive(Default)]
struct Checked {
    processes: BTreeMap<u64, String>,
    threads: BTreeMap<(u64, u64), String>,
    pieces: BTreeMap<(u64, u64), Vec<Piece>>,
    /// By category and number: phase, time, thread.
    flows: BTreeMap<(String, u64), Vec<(String, f64, (u64, u64))>>,
    instants: Vec<Value>,
    counters: BTreeSet<String>,
}

/// Every event has what its phase needs and nothing that it does not know, no two pieces of a thread overlap, every process
/// and thread has one name, flows begin, go on and end in pieces, and times ascend.
fn check(events: &[Value]) -> Checked {
    let mut checked = Checked::default();
    let mut before = 0.0;
    for event in events {
        let fields = event.as_object().unwrap();
        let known = ["ph", "name", "cat", "pid", "tid", "ts", "dur", "args", "id", "bp", "s", "cname"];
        assert!(fields.keys().all(|key| known.contains(&key.as_str())), "{event}");
        let (pid, tid) = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        assert!(pid > 0 && pid <= u64::from(u32::MAX) && tid <= u64::from(u32::MAX), "{event}");
        let (ts, name) = (event["ts"].as_f64().unwrap(), event["name"].as_str().unwrap().to_owned());
        let phase = event["ph"].as_str().unwrap();
        assert!(ts >= before, "{event} after {before}");
        before = ts;
        assert!(phase == "M" || phase == "C" || event["cat"].is_string(), "{event}");
        match phase {
            "M" => {
                let value = match name.as_str() {
                    "process_name" => checked.processes.insert(pid, event["args"]["name"].as_str().unwrap().to_owned()),
                    "thread_name" => {
                        checked.threads.insert((pid, tid), event["args"]["name"].as_str().unwrap().to_owned())
                    }
                    "process_sort_index" | "thread_sort_index" => {
                        assert!(event["args"]["sort_index"].is_u64(), "{event}");
                        None
                    }
                    other => panic!("metadata {other}"),
                };
                assert!(value.is_none(), "named twice: {event}");
            }
            "X" => {
                let end = ts + event["dur"].as_f64().filter(|dur| *dur >= 0.0).unwrap();
                checked.pieces.entry((pid, tid)).or_default().push((ts, end, name, event["args"].clone()));
            }
            "C" => {
                assert!(event["args"].as_object().unwrap().values().all(Value::is_u64), "{event}");
                checked.counters.insert(name);
            }
            "i" => {
                assert!(["t", "p", "g"].contains(&event["s"].as_str().unwrap()), "{event}");
                checked.instants.push(event.clone());
            }
            "s" | "t" | "f" => {
                let key = (event["cat"].as_str().unwrap().to_owned(), event["id"].as_u64().unwrap());
                assert_eq!(event["bp"], "e", "bound to the piece that encloses it");
                checked.flows.entry(key).or_default().push((phase.to_owned(), ts, (pid, tid)));
            }
            other => panic!("phase {other}"),
        }
    }
    for (&(pid, tid), pieces) in &checked.pieces {
        assert!(checked.processes.contains_key(&pid), "process {pid}");
        assert!(checked.threads.contains_key(&(pid, tid)), "thread {pid} {tid}");
        for pair in pieces.windows(2) {
            assert!(pair[0].1 <= pair[1].0 + 1e-3, "{pid} {tid}: {pair:?}");
        }
    }
    let tids: BTreeSet<u64> = checked.threads.keys().map(|(_, tid)| *tid).collect();
    assert_eq!(tids.len(), checked.threads.len(), "a thread's number is its own");
    for (id, steps) in &checked.flows {
        let phases: Vec<&str> = steps.iter().map(|(phase, ..)| phase.as_str()).collect();
        assert!(phases.len() >= 2 && (phases[0], phases[phases.len() - 1]) == ("s", "f"), "{id:?} {phases:?}");
        assert!(phases[1..phases.len() - 1].iter().all(|phase| *phase == "t"), "{id:?} {phases:?}");
        for (_, ts, thread) in steps {
            assert!(checked.pieces[thread].iter().any(|(start, ..)| start == ts), "{id:?}: no piece begins at {ts}");
        }
    }
    checked
}

/// Each bundle says what it holds and what was expected of it, and each of its requests leads there.
fn check_bundles(checked: &Checked) -> Vec<&Piece> {
    let (&device, _) = checked.processes.iter().find(|(_, name)| *name == "device").unwrap();
    let (&track, _) = checked.threads.iter().find(|((pid, _), name)| *pid == device && *name == "bundles").unwrap();
    let bundles = &checked.pieces[&track];
    let mut riders: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for ((category, _), steps) in &checked.flows {
        if category != "bundle" {
            continue;
        }
        let [(_, start, from), (_, end, to)] = &steps[..] else { panic!("{steps:?}") };
        assert_eq!((*to, end), (track, start));
        let (.., args) =
            checked.pieces[from].iter().find(|(at, _, _, args)| at == start && args["bundle"].is_u64()).unwrap();
        assert_eq!(checked.threads[from].split(' ').take(2).collect::<Vec<_>>(), ["on", "GPU"]);
        riders.entry(args["bundle"].as_u64().unwrap() as usize).or_default().insert(args["request"].as_u64().unwrap());
    }
    for (at, (start, end, _, args)) in bundles.iter().enumerate() {
        assert_eq!(args["bundle"], at);
        let requests: BTreeSet<u64> =
            args["requests"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
        assert_eq!(riders[&at], requests, "{args}");
        assert!(args["lanes"].as_array().unwrap().len() >= requests.len());
        let number = |key: &str| args[key].as_f64().unwrap();
        assert!(number("predicted_us") > 0.0 && number("separate_us") > 0.0, "{args}");
        // A device with timestamps: the piece is as long as was measured, and lies where the device's clock says.
        if let Some(measured) = args["measured_us"].as_f64() {
            assert!((end - start - measured).abs() < 0.1, "{args}: {start} to {end}");
            assert!(number("clock_error_us") >= 0.0);
        }
    }
    bundles.iter().collect()
}

#[test]
fn one_request_is_seen_from_queue_to_read_back() {
    let events = trace(&["run", VAD]);
    let checked = check(&events);
    check_bundles(&checked);
    let pieces: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    let stages: BTreeSet<&str> = pieces.iter().map(|event| event["cat"].as_str().unwrap()).collect();
    assert_eq!(Vec::from_iter(stages), ["bundle", "issued", "on GPU", "queued", "read back"]);
    let stage = |name| pieces.iter().filter(move |event| event["cat"] == name);
    let ends = |event: &Value| event["ts"].as_f64().unwrap() + event["dur"].as_f64().unwrap();
    let (queued, read) = (stage("queued").next().unwrap(), stage("read back").next().unwrap());
    for bundle in stage("on GPU") {
        assert!(ends(queued) <= bundle["ts"].as_f64().unwrap() + 1e-3, "{bundle}");
        assert!(ends(bundle) <= read["ts"].as_f64().unwrap() + 1e-3, "{bundle}");
        assert!(!bundle["args"]["lanes"].as_array().unwrap().is_empty());
    }
    assert_eq!(queued["args"]["outcome"], "Completed");
    let counters: Vec<&str> = checked.counters.iter().map(String::as_str).collect();
    assert_eq!(counters, ["heap bytes", "lanes in flight", "queue depth", "requests"]);
    let lanes: Vec<u64> = events
        .iter()
        .filter(|event| event["name"] == "lanes in flight")
        .map(|event| event["args"]["value"].as_u64().unwrap())
        .collect();
    assert!(lanes.iter().any(|lanes| *lanes > 0) && lanes.last() == Some(&0), "{lanes:?}");
    assert!(checked.instants.is_empty(), "no deadline, no instant");
}

#[test]
fn models_that_share_bundles_are_processes_of_their_own() {
    let copies = format!("{VAD}:2");
    let checked = check(&trace(&["mix", &copies, "--requests", "3", "--arm", "bundled"]));
    assert_eq!(checked.processes.len(), 3, "two models and the device");
    assert_eq!(checked.flows.keys().filter(|(category, _)| category == "request").count(), 6);
    let bundles = check_bundles(&checked);
    let shared: Vec<&&Piece> =
        bundles.iter().filter(|(.., args)| args["requests"].as_array().unwrap().len() > 1).collect();
    assert!(!shared.is_empty());
    for (.., args) in shared {
        let number = |key: &str| args[key].as_f64().unwrap();
        // One that runs several requests as one lane is tried a few times whatever is expected of it.
        let pays = number("separate_us") > number("predicted_us");
        assert!(pays || number("coalesced") > 0.0, "a bundle is expected to pay: {args}");
    }
}

#[test]
fn deadlines_and_misses_are_seen() {
    for (deadline, missed) in [("0.001", true), ("600000", false)] {
        let checked = check(&trace(&["mix", VAD, "--requests", "2", "--arm", "bundled", "--deadline", deadline]));
        assert_eq!(checked.instants.len(), 2);
        for instant in &checked.instants {
            assert_eq!(instant["args"]["kept"], !missed, "{instant}");
            assert_eq!(instant["name"].as_str().unwrap().starts_with("missed deadline of request "), missed);
        }
        let late = |(_, _, name, _): &&Piece| name.contains("late by");
        let pieces: Vec<&Piece> = checked.pieces.values().flatten().filter(late).collect();
        assert_eq!(pieces.len(), if missed { 2 } else { 0 });
        for (start, end, ..) in pieces {
            assert!(start < end && checked.instants.iter().any(|instant| instant["ts"] == *start));
        }
    }
}
