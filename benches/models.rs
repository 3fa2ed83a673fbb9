//! Single models, batch 1: time to the first result, steady median, and the floor of this adapter: for each dispatch the
//! larger of its operations at the measured peak of multiply-adds and its bytes at the measured rate of copies, added up.
//!
//! Set `MESA_SHADER_CACHE_DISABLE=true` for cold first results on Mesa.

mod common;

use std::time::Instant;

use common::floor::Floor;
use common::{Table, arguments, median};
use fascine::{DType, LoadOptions, Model, Options, Result, Runtime, Tensor};

const RUNS: usize = 15;
/// Model, sizes of its symbols, and the best peer's median on llvmpipe in ms where one was measured.
const MODELS: &[(&str, &[(&str, usize)], Option<f64>)] = &[
    ("squeezenet1_1", &[], Some(127.0)),
    ("resnet18", &[("batch", 1), ("height", 224), ("width", 224)], Some(361.0)),
    ("mobilenet_v2", &[("batch", 1)], Some(257.0)),
    ("minilm", &[("batch", 1), ("sequence", 12)], None),
    ("lstm_vad", &[("batch", 1), ("samples", 1600)], None),
];

fn inputs(model: &Model, sizes: &[(&str, usize)]) -> Result<(Vec<(String, Tensor)>, Vec<Vec<usize>>)> {
    let sizes = sizes.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    let shapes = fascine::plan::bind::resolve_shapes(model.graph(), &sizes)?;
    let mut tensors = Vec::new();
    for (info, shape) in model.inputs().into_iter().zip(&shapes) {
        let len: usize = shape.iter().product();
        let tensor = match info.dtype {
            DType::F32 => Tensor::new(shape.clone(), (0..len).map(|i| (i % 251) as f32 / 251.0 - 0.5).collect())?,
            _ => Tensor::new(shape.clone(), vec![1i64; len])?,
        };
        tensors.push((info.name, tensor));
    }
    Ok((tensors, shapes))
}

fn main() -> Result<()> {
    let arguments = arguments();
    let only = arguments.first().map_or("", String::as_str);
    println!("## Single models, batch 1, f32\n");
    let floor = {
        let runtime = Runtime::new(Options::default())?;
        println!("Adapter: {}. Median of {RUNS} runs after the first, wall time.\n", runtime.adapter());
        Floor::measure(&runtime)?
    };
    println!("Floor: {floor}.\n");
    let mut table = Table::new([
        "model",
        "first ms",
        "median ms",
        "GFLOP/s",
        "floor ms",
        "floor / ours",
        "best peer ms",
        "peer / ours",
    ]);
    for &(name, sizes, peer) in MODELS.iter().filter(|(name, _, _)| name.contains(only)) {
        let runtime = Runtime::new(Options::default())?;
        let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
        let model = runtime.load_with(format!("{}/../tests/zoo/{name}.onnx", env!("CARGO_MANIFEST_DIR")), &options)?;
        let (inputs, shapes) = inputs(&model, sizes)?;
        let run = || -> Result<f64> {
            let start = Instant::now();
            let mut request = model.request();
            for (name, tensor) in &inputs {
                request = request.input(name, tensor.clone())?;
            }
            request.submit()?.wait()?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        };
        let first = run()?;
        let mut times = (0..RUNS).map(|_| run()).collect::<Result<Vec<f64>>>()?;
        let steady = median(&mut times);
        let flops = model.plan(&shapes)?.flops as f64;
        let dispatches = model.dispatches(&shapes)?;
        let least: f64 = dispatches.iter().map(|d| floor.seconds(d.cost.flops as f64, d.cost.bytes as f64) * 1e3).sum();
        let or_dash = |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
        table.row([
            name.into(),
            format!("{first:.0}"),
            format!("{steady:.1}"),
            format!("{:.1}", flops / steady / 1e6),
            format!("{least:.2}"),
            format!("{:.2}", least / steady),
            or_dash(peer, 0),
            or_dash(peer.map(|peer| peer / steady), 2),
        ]);
    }
    table.print();
    Ok(())
}
