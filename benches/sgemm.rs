//! S1, the paper's replay: R queued f32 SGEMMs with different weights, all submitted at once, under each arm.
//!
//! `cargo bench --bench sgemm -- --short` runs fewer R and shapes at a tenth of the repetitions, for CPU adapters.

mod common;

use std::time::Instant;

use common::{Table, arguments, geometric_mean, median};
use fascine::graph::builder::GraphBuilder;
use fascine::schedule::{self, Policy};
use fascine::{Completion, DType, Model, Options, Result, Runtime, Tensor};

/// M, N, K as the papers give them; the request's input is K x N, the weights are M x K.
const SHAPES: &[(&str, [usize; 3])] =
    &[("conv2_2", [256, 128, 1152]), ("RNN", [512, 1, 512]), ("256^3", [256, 256, 256])];
const ARMS: &[(&str, Policy)] =
    &[("B0", Policy::SubmitEach), ("B1", Policy::TimeOnly), ("B3", Policy::OnePass), ("O1", Policy::Bundled)];

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

fn model(runtime: &Runtime, [m, n, k]: [usize; 3], seed: u32) -> Result<Model> {
    let mut graph = GraphBuilder::new(17);
    let (rows, columns) = (k.to_string(), n.to_string());
    let x = graph.input("x", DType::F32, [rows.as_str(), columns.as_str()]);
    let w = graph.floats([m, k], noise(seed, m * k));
    let y = graph.node("MatMul", [w, x], []);
    runtime.load_graph(graph.finish([y]))
}

/// Submits one request to each model and waits for all.
fn round(models: &[Model], inputs: &[Tensor]) -> Result<(f64, Vec<Completion>)> {
    let start = Instant::now();
    let requests = models
        .iter()
        .zip(inputs)
        .map(|(model, input)| model.request().input("x", input.clone())?.submit())
        .collect::<Result<Vec<_>>>()?;
    let done = requests.into_iter().map(|request| request.wait()).collect::<Result<Vec<_>>>()?;
    Ok((start.elapsed().as_secs_f64(), done))
}

fn main() -> Result<()> {
    let short = arguments().iter().any(|argument| argument == "--short");
    let (counts, runs): (&[usize], usize) = if short { (&[2, 10, 40], 5) } else { (&[2, 5, 10, 20, 40, 80, 120], 21) };
    println!("## S1: queued SGEMMs with different weights\n");
    println!("Adapter: {}. Median of {runs} runs, wall time.\n", Runtime::new(Options::default())?.adapter());
    let mut table =
        Table::new(["shape", "R", "B0 GFLOP/s", "B1 GFLOP/s", "B3 GFLOP/s", "O1 GFLOP/s", "O1 / B1", "O1 / B3"]);
    let mut gains: Vec<[f64; 2]> = Vec::new();
    for &(name, shape) in SHAPES {
        for &count in counts {
            let mut rates = Vec::new();
            let mut reference: Option<Vec<Vec<u8>>> = None;
            for &(_, policy) in ARMS {
                let default = Runtime::new(Options::default())?;
                let schedule = schedule::Options { policy, ..default.schedule().clone() };
                let runtime = Runtime::new(Options { schedule: Some(schedule), ..Options::default() })?;
                let models =
                    (0..count).map(|seed| model(&runtime, shape, seed as u32 + 1)).collect::<Result<Vec<_>>>()?;
                let [m, n, k] = shape;
                let inputs = (0..count)
                    .map(|seed| Tensor::new([k, n], noise(seed as u32 + 1000, k * n)))
                    .collect::<Result<Vec<_>>>()?;
                let (_, done) = round(&models, &inputs)?;
                let bytes = done.iter().map(|done| done.outputs().flat_map(|(_, y)| y.bytes().to_vec()).collect());
                let bytes: Vec<Vec<u8>> = bytes.collect();
                assert!(reference.get_or_insert_with(|| bytes.clone()) == &bytes, "the arms differ");
                let mut times = Vec::new();
                for _ in 0..runs {
                    times.push(round(&models, &inputs)?.0);
                }
                rates.push(2.0 * (m * n * k * count) as f64 / median(&mut times) / 1e9);
            }
            let gain = [rates[3] / rates[1], rates[3] / rates[2]];
            gains.push(gain);
            let mut row = vec![name.to_owned(), count.to_string()];
            row.extend(rates.iter().map(|rate| format!("{rate:.2}")));
            row.extend(gain.iter().map(|gain| format!("{gain:.2}")));
            table.row(row);
        }
    }
    table.print();
    println!(
        "Geometric mean of O1 over B1: {:.2}, over B3: {:.2}. Outputs of all arms are equal to the bit.",
        geometric_mean(gains.iter().map(|gain| gain[0])),
        geometric_mean(gains.iter().map(|gain| gain[1]))
    );
    Ok(())
}
