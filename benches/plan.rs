//! What the host takes for a model's first plan, and for one at a new input shape: traced anew, or a template bound to it.
//! Nothing runs on the device.
//!
//! `cargo bench --bench plan -- MODEL.onnx DIM[+N]...`: the open dimensions that grow together, each larger by N than the
//! first; others are 1. Weights may be synthetic. Without arguments: minilm of tests/zoo over its `sequence`, and lstm_vad over
//! its `samples`.

mod common;

use std::collections::BTreeMap;
use std::time::Instant;

use common::{Table, arguments, median};
use fascine::graph::Dim;
use fascine::plan::bind::resolve_shapes;
use fascine::runtime::Drive;
use fascine::{LoadOptions, Options, Result, Runtime};

/// Further shapes.
const SHAPES: usize = 200;

fn measure(table: &mut Table, path: &str, grows: &[(&str, usize)], from: usize) -> Result<()> {
    // Plans alone are made: no thread of the engine's stands by.
    let runtime = Runtime::new(Options { drive: Drive::Manual, ..Options::default() })?;
    let model = runtime.load_with(path, &LoadOptions { synthetic_weights: true, ..LoadOptions::default() })?;
    let graph = model.graph();
    let dims = graph.inputs.iter().flat_map(|&id| graph.value(id).shape.iter().flatten());
    let open: Vec<&String> =
        dims.filter_map(|dim| if let Dim::Symbol(name) = dim { Some(name) } else { None }).collect();
    let plan = |step: usize| -> Result<(f64, u64)> {
        let size =
            |name: &str| grows.iter().find(|(grows, _)| *grows == name).map_or(1, |(_, more)| from + step + more);
        let sizes: BTreeMap<String, usize> = open.iter().map(|&name| (name.clone(), size(name))).collect();
        let shapes = resolve_shapes(graph, &sizes)?;
        let start = Instant::now();
        let summary = model.plan(&shapes)?;
        Ok((start.elapsed().as_secs_f64() * 1e6, summary.dispatches as u64))
    };
    let (first, dispatches) = plan(0)?;
    let mut times = (1..=SHAPES).map(|step| Ok(plan(step)?.0)).collect::<Result<Vec<f64>>>()?;
    let slowest = times.iter().copied().fold(0.0, f64::max);
    let new = median(&mut times);
    let tenth = times[times.len() * 9 / 10];
    let numbers = [first, new, tenth, slowest].map(|micros| format!("{micros:.0}"));
    table.row([model.name().to_owned(), dispatches.to_string()].into_iter().chain(numbers));
    Ok(())
}

fn main() -> Result<()> {
    let arguments = arguments();
    let mut table =
        Table::new(["model", "dispatches", "first us", "new shape, median us", "90th percentile", "slowest"]);
    let Some((path, dims)) = arguments.split_first() else {
        let zoo = |name: &str| format!("{}/../tests/zoo/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
        measure(&mut table, &zoo("minilm"), &[("sequence", 0)], 20)?;
        measure(&mut table, &zoo("lstm_vad"), &[("samples", 0)], 1600)?;
        table.print();
        return Ok(());
    };
    let grows: Vec<(&str, usize)> = (dims.iter())
        .map(|dim| dim.split_once('+').map_or((dim.as_str(), 0), |(name, more)| (name, more.parse().unwrap_or(0))))
        .collect();
    measure(&mut table, path, &grows, 20)?;
    table.print();
    Ok(())
}
