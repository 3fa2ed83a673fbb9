//! `fascine-bench calibrate`: what the adapter's dispatches cost, for the simulator.

mod coalesced;
mod probes;

use std::path::{Path, PathBuf};

use fascine::error::{Error, ErrorKind, Result};
use fascine::onnx::LoadOptions;
use fascine::runtime::trace::Trace;
use fascine::runtime::{InputInfo, Model, Options, Request, Runtime};
use fascine::schedule::{self, Nanos, Policy};
use fascine::tensor::Tensor;

use crate::Answer;
use crate::args::{DeviceArgs, ModelArgs};
use crate::inputs;
use crate::progress::bar;
use crate::simulate::calibration::{Calibration, ModelTable};
use crate::table::{self, Align};
use probes::median;

/// Runs of a model before those that count: kernels compile, caches fill.
const WARM_UP: usize = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// ONNX files whose dispatches are measured too, one by one, so that scenarios may name them
    #[arg(value_name = "MODEL")]
    models: Vec<PathBuf>,
    #[command(flatten)]
    load: ModelArgs,
    /// Runs of which the medians count
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Write the calibration here instead of printing it
    #[arg(long, value_name = "FILE.toml")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    let progress = bar(probes::STEPS + args.models.len() as u64, "opening the adapter");
    let dims = inputs::dims(&args.load.dims)?;
    let trace = Trace::default();
    let options = Options { trace: Some(trace.clone()), ..args.device.options() };
    let runtime = Runtime::new(options)?;
    let mut calibration = probes::device(&runtime, &trace, args.runs as usize, &progress)?;
    under(&runtime, Policy::TimeOnly)?;
    let mut known = Vec::new();
    for path in &args.models {
        progress.set_message(format!("measuring {}", path.display()));
        let options = LoadOptions { synthetic_weights: args.load.synthetic_weights, ..LoadOptions::default() };
        let model = runtime.load_with(path, &options)?;
        let info = model.inputs();
        known.extend(inputs::symbols(&info).into_iter().map(str::to_owned));
        let shapes = inputs::resolve(&info, &dims).map_err(|missing| inputs::unresolved(&missing).in_file(path))?;
        let subject = Subject { path, load: &options, shapes: &shapes, runs: args.runs as usize };
        let table = measure(&trace, &model, &subject, args).map_err(|error| error.in_file(path))?;
        if calibration.models.iter().any(|other| other.name == table.name) {
            let message = format!("two models are called '{}'", table.name);
            return Err(Error::new(ErrorKind::Input, message));
        }
        calibration.models.push(table);
        progress.inc(1);
    }
    inputs::check_names(&dims, &known.iter().map(String::as_str).collect::<Vec<_>>())?;
    progress.finish_and_clear();

    let toml = toml::to_string(&calibration)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the calibration has no TOML form: {error}")))?;
    if let Some(path) = &args.out {
        std::fs::write(path, &toml).map_err(|error| Error::new(ErrorKind::Io, error.to_string()).in_file(path))?;
    }
    Ok(match (json, &args.out) {
        (true, _) => Answer::json(&calibration),
        (false, Some(path)) => Answer::text(text(&calibration, path)),
        (false, None) => Answer::text(toml),
    })
}

/// Dispatches leave by this policy from now on.
fn under(runtime: &Runtime, policy: Policy) -> Result<()> {
    runtime.set_schedule(schedule::Options { policy, ..runtime.schedule().clone() })
}

/// What is measured, and how.
struct Subject<'a> {
    path: &'a Path,
    load: &'a LoadOptions,
    shapes: &'a [Vec<usize>],
    /// Of which the medians count.
    runs: usize,
}

/// Requests of a model with random inputs.
struct Requests<'a> {
    model: &'a Model,
    tensors: Vec<(String, Tensor)>,
}

impl<'a> Requests<'a> {
    fn new(model: &'a Model, shapes: &[Vec<usize>]) -> Result<Self> {
        let random = |(input, shape): (&InputInfo, &Vec<usize>)| {
            Ok((input.name.clone(), inputs::random(&input.name, input.dtype, shape, 0)?))
        };
        let tensors = model.inputs().iter().zip(shapes).map(random).collect::<Result<_>>()?;
        Ok(Requests { model, tensors })
    }

    fn submit(&self) -> Result<Request> {
        let mut request = self.model.request();
        for (name, tensor) in &self.tensors {
            request = request.input(name, tensor.clone())?;
        }
        request.submit()
    }
}

/// Runs a model alone, a bundle a dispatch, and notes how long each took.
fn measure(trace: &Trace, model: &Model, subject: &Subject<'_>, args: &Args) -> Result<ModelTable> {
    let &Subject { path, load: _, shapes, runs } = subject;
    let dispatches = model.dispatches(shapes)?;
    let requests = Requests::new(model, shapes)?;
    let mut times: Vec<Vec<Nanos>> = vec![Vec::with_capacity(runs); dispatches.len()];
    for run in 0..WARM_UP + runs {
        trace.take();
        requests.submit()?.wait()?;
        // One request at a time goes in its plan's order.
        let bundles = trace.take();
        if bundles.len() != dispatches.len() {
            return Err(Error::new(ErrorKind::Internal, "a request alone has not one bundle a dispatch"));
        }
        for (times, bundle) in times.iter_mut().zip(bundles).filter(|_| run >= WARM_UP) {
            times.extend(bundle.gpu);
        }
    }
    let nanos: Vec<Nanos> = times.into_iter().map_while(median).collect();
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let coalesced = coalesced::measure(subject, &dispatches, &args.device)?;
    let mut table = ModelTable::new(stem, &dispatches, &nanos, &coalesced);
    let summary = model.plan(shapes)?;
    (table.weight_bytes, table.heap_bytes) = (summary.weight_bytes, summary.heap_bytes);
    Ok(table)
}

fn text(calibration: &Calibration, path: &Path) -> String {
    let micros = |nanos: u64| format!("{:.1} us", nanos as f64 / 1e3);
    let mut text = format!("{}\n\n", calibration.adapter);
    text += &table::pairs(&[
        ("workgroups at a time", calibration.parallelism.to_string()),
        ("fused multiply-adds", format!("{:.1} GFLOP/s", calibration.flops / 1e9)),
        ("copies", format!("{:.1} GB/s", calibration.bytes / 1e9)),
        ("a bundle", micros(calibration.bundle_ns)),
        ("a lane", format!("{:.2} us", calibration.lane_ns as f64 / 1e3)),
        ("a submission", micros(calibration.submission_ns)),
    ]);
    if !calibration.models.is_empty() {
        let row = |model: &ModelTable| {
            let nanos: Option<u64> = model.dispatches.iter().map(|row| row.nanos).sum();
            let time = nanos.map_or_else(|| "no timestamps".to_owned(), |nanos| table::millis(nanos as f64 / 1e6));
            vec![model.name.clone(), model.dispatches.len().to_string(), time]
        };
        let header = [("model", Align::Left), ("dispatches", Align::Right), ("GPU ms", Align::Right)];
        text += &format!("\n{}", table::render(&header, &calibration.models.iter().map(row).collect::<Vec<_>>()));
    }
    text += &format!("\nwrote {}\n", path.display());
    text
}
