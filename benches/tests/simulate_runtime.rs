//! The simulator held against the runtime: what `calibrate` measures, `simulate` gives back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fascine::runtime::Request;
use fascine::{DType, LoadOptions, Model, Options, Runtime, Tensor};
use serde_json::Value;

/// Simulated and real medians are at most this many times as long as each other: the machine may be busy, and at other
/// times than while it was calibrated.
const FACTOR: f64 = 3.0;
const SECONDS: f64 = 4.0;
/// A machine that was busy with something else for a while is given another chance.
const ATTEMPTS: usize = 3;

/// A model of the zoo, the inputs of a request, and how many come a second.
struct Client {
    name: &'static str,
    rate: f64,
    inputs: Vec<(&'static str, Tensor)>,
}

fn clients() -> Vec<Client> {
    let tokens = |_| Tensor::zeros(DType::I64, [1, 16]).unwrap();
    let state = || Tensor::zeros(DType::F32, [2, 1, 64]).unwrap();
    let audio = Tensor::zeros(DType::F32, [1, 1600]).unwrap();
    let text = ["input_ids", "attention_mask", "token_type_ids"];
    vec![
        Client { name: "lstm_vad", rate: 5.0, inputs: vec![("audio", audio), ("h", state()), ("c", state())] },
        Client { name: "minilm", rate: 2.0, inputs: text.map(|name| (name, tokens(name))).into() },
    ]
}

fn zoo(name: &str) -> String {
    format!("{}/../tests/zoo/{name}.onnx", env!("CARGO_MANIFEST_DIR"))
}

fn fascine_bench(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_fascine-bench")).args(args).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn submit(model: &Model, client: &Client) -> Request {
    let mut request = model.request();
    for (name, tensor) in &client.inputs {
        request = request.input(name, tensor.clone()).unwrap();
    }
    request.submit().unwrap()
}

/// Median milliseconds of each client's requests on the runtime.
fn run(clients: &[Client]) -> Vec<f64> {
    let runtime = Runtime::new(Options::default()).unwrap();
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let load = |client: &Client| runtime.load_with(zoo(client.name), &options).unwrap();
    let models: Vec<Model> = clients.iter().map(load).collect();
    for _ in 0..3 {
        let warm: Vec<_> = models.iter().zip(clients).map(|(model, client)| submit(model, client)).collect();
        warm.into_iter().for_each(|request| drop(request.wait().unwrap()));
    }
    runtime.set_merging(false).unwrap();
    // What is being compiled would be measured with the requests.
    let compiling = || runtime.stats().map(|stats| stats.pipelines.compiling + stats.pipelines.waiting).unwrap();
    while compiling() > 0 {
        std::thread::sleep(Duration::from_millis(10));
    }

    let times = |(at, client): (usize, &Client)| {
        let rate = client.rate;
        (0..(SECONDS * rate) as u32).map(move |count| (f64::from(count) / rate, at))
    };
    let mut arrivals: Vec<(f64, usize)> = clients.iter().enumerate().flat_map(times).collect();
    arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let start = Instant::now();
    let mut requests = Vec::new();
    for (time, at) in arrivals {
        std::thread::sleep(Duration::from_secs_f64(time).saturating_sub(start.elapsed()));
        requests.push((at, submit(&models[at], &clients[at])));
    }
    let mut latencies = vec![Vec::new(); clients.len()];
    for (at, request) in requests {
        latencies[at].push(request.wait().unwrap().timing().total.as_secs_f64() * 1e3);
    }
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    latencies.into_iter().map(median).collect()
}

fn simulate(folder: &Path, clients: &[Client]) -> Vec<f64> {
    let mut text = format!("warm_up_s = 1.0\nduration_s = {SECONDS}\n[device]\ncalibration = 'device.toml'\n");
    for Client { name, rate, .. } in clients {
        text += &format!("[[stream]]\nname = '{name}'\nmodel = '{name}'\n");
        text += &format!("arrivals = {{ process = 'periodic', rate = {rate} }}\n");
    }
    let path = folder.join("scenario.toml");
    std::fs::write(&path, text).unwrap();
    let report = fascine_bench(&["simulate", path.to_str().unwrap()]);
    (0..clients.len()).map(|at| report["streams"][at]["latency_ms"][0].as_f64().unwrap()).collect()
}

/// Calibrates the adapter and the clients' models, and writes what was measured. Gives how many dispatches ran for several requests.
fn calibrate(file: &Path, clients: &[Client], tokens: usize) -> usize {
    let mut args = vec!["calibrate", "--synthetic-weights", "--runs", "5", "--out", file.to_str().unwrap()];
    let models: Vec<String> = clients.iter().map(|client| zoo(client.name)).collect();
    args.extend(models.iter().map(String::as_str));
    let sequence = format!("sequence={tokens}");
    args.extend(["--dim", "batch=1", "--dim", "samples=1600", "--dim", &sequence]);
    let calibration = fascine_bench(&args);
    assert!(["flops", "bytes"].iter().all(|rate| calibration[rate].as_f64().unwrap() > 1e6), "{calibration}");
    let mut measured = 0;
    for model in calibration["models"].as_array().or(calibration["model"].as_array()).unwrap() {
        for row in model["dispatches"].as_array().unwrap() {
            assert!(row["weights"].as_u64() <= row["bytes"].as_u64(), "{row}");
            if let Some(coalesce) = row["coalesce"].as_object() {
                assert!(coalesce["least"].as_u64() <= coalesce["width"].as_u64(), "{row}");
                measured += usize::from(coalesce["nanos"].is_u64());
            }
        }
    }
    measured
}

#[test]
fn medians_are_those_of_the_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let clients = clients();
    // The rows of few tokens fill a tile together.
    assert!(calibrate(&folder.path().join("few.toml"), &clients, 4) > 0, "no dispatch ran for several requests");
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        calibrate(&folder.path().join("device.toml"), &clients, 16);
        let (real, simulated) = (run(&clients), simulate(folder.path(), &clients));
        let ratios: Vec<f64> = simulated.iter().zip(&real).map(|(simulated, real)| simulated / real).collect();
        println!("p50 in ms on the runtime {real:.1?}, simulated {simulated:.1?}");
        if ratios.iter().all(|&ratio| ratio.max(1.0 / ratio) <= FACTOR) {
            return;
        }
        seen.push(ratios);
    }
    panic!("simulated over real medians: {seen:.2?}");
}
