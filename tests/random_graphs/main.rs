//! Random graphs of all families of operators, alone, in company and in small parts, against a plain interpreter.
//!
//! `FASCINE_GRAPHS=N` runs N graphs, from `FASCINE_SEED` on. A graph that fails is looked for among those with fewer nodes, and told by
//! its seed and number of nodes.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test fails by panicking; it is a crate of its own")]

mod generate;
mod host;
mod moves;
mod numbers;
mod quantised;

use std::collections::BTreeMap;

use fascine::runtime::{Model, Options, Runtime};
use fascine::schedule;
use fascine::tensor::{DType, Tensor};

use generate::{Case, generate};
use host::Value;

/// Graphs that are under way together.
const COMPANY: usize = 12;
/// Of so many companies one has pipelines that merge its kernels, which take a CPU's driver seconds each.
const MERGED: usize = 8;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn nodes_of(seed: u64) -> usize {
    2 + (seed % 11) as usize
}

fn difference(got: &[Tensor], want: &[Value]) -> Option<String> {
    if got.len() != want.len() {
        return Some(format!("{} outputs instead of {}", got.len(), want.len()));
    }
    for (k, (got, want)) in got.iter().zip(want).enumerate() {
        if (got.dtype(), got.shape()) != (want.dtype, &want.shape[..]) {
            return Some(format!(
                "output {k}: {}{:?} instead of {}{:?}",
                got.dtype(),
                got.shape(),
                want.dtype,
                want.shape
            ));
        }
        let values = fascine::reference::values(got);
        // The bound is a sum of worst cases, but for the driver's functions, of which WGSL promises less.
        let allowed = if matches!(want.dtype, DType::F32 | DType::F16 | DType::Bf16) { 8.0 * want.error } else { 0.0 };
        for (at, (got, want)) in values.iter().zip(&want.data).enumerate() {
            let close = (got - want).abs() <= allowed;
            if !close {
                return Some(format!("output {k}, element {at}: {got} instead of {want}, {allowed:e} apart at most"));
            }
        }
    }
    None
}

fn run(model: &Model, case: &Case) -> fascine::Result<fascine::Request> {
    let mut request = model.request();
    for input in model.inputs() {
        let (name, tensor) = case.inputs.iter().find(|(name, _)| *name == input.name).unwrap();
        request = request.input(name, tensor.clone())?;
    }
    request.submit()
}

fn outputs(request: fascine::Request) -> fascine::Result<Vec<Tensor>> {
    Ok(request.wait()?.outputs().map(|(_, tensor)| tensor.clone()).collect())
}

/// The model and what it gives alone, or why that is wrong.
fn alone(runtime: &Runtime, case: &Case) -> Result<(Model, Vec<Tensor>), String> {
    let model = runtime.load_graph(case.graph.clone()).map_err(|error| error.to_string())?;
    let got = run(&model, case).and_then(outputs).map_err(|error| error.to_string())?;
    match difference(&got, &case.outputs) {
        None => Ok((model, got)),
        Some(difference) => Err(difference),
    }
}

/// The fewest nodes of that seed that are wrong.
fn smallest(runtime: &Runtime, seed: u64, nodes: usize, why: String) -> String {
    for fewer in 1..nodes {
        let case = generate(seed, fewer);
        if let Err(why) = alone(runtime, &case) {
            return format!("seed {seed}, {fewer} of {nodes} nodes ({}): {why}", case.operators.join(", "));
        }
    }
    format!("seed {seed}, {nodes} nodes ({}): {why}", generate(seed, nodes).operators.join(", "))
}

/// Copies of all of them at once; what differs from `alone` in a bit is told.
fn together(ran: &[(u64, Case, Model, Vec<Tensor>)], how: &str, failures: &mut Vec<String>) {
    let submitted: Vec<_> = ran.iter().chain(ran).map(|(_, case, model, _)| run(model, case).unwrap()).collect();
    for (request, (seed, case, _, alone)) in submitted.into_iter().zip(ran.iter().chain(ran)) {
        let got = outputs(request).unwrap();
        if !got.iter().zip(alone).all(|(a, b)| a.bytes() == b.bytes()) {
            failures.push(format!("seed {seed} {how} ({}): other bits than alone", case.operators.join(", ")));
        }
    }
}

/// How often each operator ran.
type Seen = BTreeMap<&'static str, usize>;

/// Runs the companies, each with whether its kernels are merged. Gives what was wrong.
fn run_companies(companies: &[(&[u64], bool)]) -> (Vec<String>, Seen) {
    let runtime = Runtime::new(Options::default()).unwrap();
    let usual = runtime.schedule().clone();
    let (mut failures, mut seen) = (Vec::new(), Seen::new());
    for &(company, merged) in companies {
        runtime.set_merging(merged).unwrap();
        let mut ran = Vec::new();
        for &seed in company {
            let case = generate(seed, nodes_of(seed));
            case.operators.iter().for_each(|&operator| *seen.entry(operator).or_default() += 1);
            match alone(&runtime, &case) {
                Ok((model, got)) => ran.push((seed, case, model, got)),
                Err(why) => failures.push(smallest(&runtime, seed, nodes_of(seed), why)),
            }
        }
        together(&ran, "in company", &mut failures);
        runtime.set_schedule(schedule::Options { slice: 1, ..usual.clone() }).unwrap();
        together(&ran, "in parts", &mut failures);
        runtime.set_schedule(usual.clone()).unwrap();
    }
    (failures, seen)
}

#[test]
fn random_graphs_are_right_alone_in_company_and_in_parts() {
    let (first, count) = (number("FASCINE_SEED", 0), number("FASCINE_GRAPHS", 72));
    let seeds: Vec<u64> = (first..first + count).collect();
    let companies: Vec<_> = seeds.chunks(COMPANY).enumerate().map(|(at, seeds)| (seeds, at % MERGED == 0)).collect();
    // Two runtimes beside each other: a driver compiles for minutes.
    let halves = companies.split_at(companies.len() / 2);
    let [(mut failures, mut seen), (more, also)] = std::thread::scope(|scope| {
        [halves.0, halves.1].map(|half| scope.spawn(|| run_companies(half))).map(|thread| thread.join().unwrap())
    });
    failures.extend(more);
    also.into_iter().for_each(|(operator, times)| *seen.entry(operator).or_default() += times);
    println!("{count} graphs: {seen:?}");
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    assert!(count < 72 || seen.len() >= 50, "only {} operators", seen.len());
}
