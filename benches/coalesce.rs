//! Eight requests of one model at once, with and without coalescing: `cargo bench --bench coalesce`.
//!
//! Both runtimes are warm before anything is timed, and rounds alternate between them, so that a busy machine disturbs
//! both alike.

mod common;

use std::collections::BTreeMap;
use std::time::Instant;

use common::{Table, arguments, median};
use fascine::graph::builder::GraphBuilder;
use fascine::plan::bind::resolve_shapes;
use fascine::schedule::{self, Coalesce};
use fascine::{DType, LoadOptions, Model, Options, Result, Runtime, Tensor};

const VAD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/zoo/lstm_vad.onnx");
const REQUESTS: usize = 8;
/// Seconds after which rounds count though pipelines are still compiled.
const LONGEST: u64 = 60;

/// Deterministic numbers in -1..1.
fn noise(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(next).collect()
}

fn product(runtime: &Runtime) -> Result<(Model, Vec<Vec<usize>>)> {
    let mut graph = GraphBuilder::new(17);
    let x = graph.input("x", DType::F32, ["1", "512"]);
    let w = graph.floats([512, 512], noise(1, 512 * 512));
    let y = graph.node("MatMul", [x, w], []);
    Ok((runtime.load_graph(graph.finish([y]))?, vec![vec![1, 512]]))
}

fn vad(runtime: &Runtime) -> Result<(Model, Vec<Vec<usize>>)> {
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = runtime.load_with(VAD, &options)?;
    let sizes = BTreeMap::from([("batch".to_owned(), 1), ("samples".to_owned(), 1600)]);
    let shapes = resolve_shapes(model.graph(), &sizes)?;
    Ok((model, shapes))
}

/// Seconds from the first submission to the last result.
fn round(model: &Model, shapes: &[Vec<usize>], seed: u32) -> Result<f64> {
    let graph = model.graph();
    let names: Vec<String> = graph.inputs.iter().map(|&id| graph.value(id).name.clone()).collect();
    let start = Instant::now();
    let mut requests = Vec::with_capacity(REQUESTS);
    for index in 0..REQUESTS as u32 {
        let mut request = model.request();
        for (name, shape) in names.iter().zip(shapes) {
            let data = noise(seed + index, shape.iter().product());
            request = request.input(name, Tensor::new(shape.clone(), data)?)?;
        }
        requests.push(request.submit()?);
    }
    requests.into_iter().try_for_each(|request| request.wait().map(drop))?;
    Ok(start.elapsed().as_secs_f64())
}

/// Rounds until nothing has been compiled for some of them.
fn settle(runtime: &Runtime, model: &Model, shapes: &[Vec<usize>], rounds: u32) -> Result<()> {
    let start = Instant::now();
    let (mut quiet, mut compiled) = (0, 0);
    while quiet < rounds && start.elapsed().as_secs() < LONGEST {
        round(model, shapes, quiet)?;
        let pipelines = runtime.stats()?.pipelines;
        let same = pipelines.waiting + pipelines.compiling == 0 && pipelines.compiled == compiled;
        (quiet, compiled) = (if same { quiet + 1 } else { 0 }, pipelines.compiled);
    }
    Ok(())
}

fn runtime(coalesce: Coalesce) -> Result<Runtime> {
    let schedule = schedule::Options { coalesce, ..Runtime::new(Options::default())?.schedule().clone() };
    Runtime::new(Options { schedule: Some(schedule), ..Options::default() })
}

fn main() -> Result<()> {
    let short = arguments().iter().any(|argument| argument == "--short");
    let (warm, rounds) = if short { (20, 60) } else { (100, 300) };
    let runtimes = [runtime(Coalesce::Yes)?, runtime(Coalesce::No)?];
    println!("## {REQUESTS} requests of one model at once, coalesced and not\n");
    println!("Adapter: {}. Median of {rounds} rounds, wall time.\n", runtimes[0].adapter());
    let mut table = Table::new(["model", "coalesced ms", "apart ms", "apart / coalesced", "coalesced lanes"]);
    type Load = fn(&Runtime) -> Result<(Model, Vec<Vec<usize>>)>;
    for (name, load) in [("matmul 1x512x512", product as Load), ("lstm_vad 1x1600", vad)] {
        let models = [load(&runtimes[0])?, load(&runtimes[1])?];
        for (runtime, (model, shapes)) in runtimes.iter().zip(&models) {
            settle(runtime, model, shapes, warm)?;
        }
        let before = runtimes[0].stats()?;
        let mut times = [Vec::new(), Vec::new()];
        for index in 0..rounds {
            for ((model, shapes), times) in models.iter().zip(&mut times) {
                times.push(round(model, shapes, index)?);
            }
        }
        let after = runtimes[0].stats()?;
        let part = (after.coalesced - before.coalesced) as f64 / (after.lanes - before.lanes) as f64;
        let [with, without] = times.map(|mut times| median(&mut times) * 1e3);
        table.row([
            name.to_owned(),
            format!("{with:.3}"),
            format!("{without:.3}"),
            format!("{:.2}", without / with),
            format!("{:.0} %", part * 100.0),
        ]);
    }
    table.print();
    Ok(())
}
