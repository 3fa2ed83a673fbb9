//! `fascine run`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fascine::Kind;
use fascine::error::{Error, ErrorKind, Result};
use fascine::npy;
use fascine::onnx::LoadOptions;
use fascine::reference;
use fascine::runtime::trace::Trace;
use fascine::runtime::{Completion, InputInfo, Model, Options, PlanSummary, Runtime};
use fascine::tensor::Tensor;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::args::RunArgs;
use crate::progress::bar;
use crate::run_host::{self, Host, Times, once};
use crate::table::{self, Align};
use crate::{Answer, chrome, inputs, millis, run_steps};

/// What was run.
pub(crate) struct Ran {
    /// Of the first run.
    pub(crate) summary: PlanSummary,
    pub(crate) plan: Duration,
    /// Pipelines that there were after the first run.
    pub(crate) at_first: u64,
    /// By run; not empty.
    pub(crate) times: Vec<Times>,
    /// Of the last.
    pub(crate) completion: Completion,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    adapter: String,
    model: String,
    /// With `--state`; the outputs and `bundles` are the last one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    outputs: Vec<Output>,
    /// From `submit` to the results, with planning, upload of weights and compiling.
    first_ms: f64,
    /// Over the runs after the first; the first if there is only one.
    median_ms: f64,
    dispatches: usize,
    /// Of the last run.
    bundles: u32,
    /// Different kernel variants of the plan.
    variants: usize,
    weight_bytes: u64,
    /// Of one request, on the device.
    heap_bytes: u64,
    pipelines: Pipelines,
    host: Host,
}

#[derive(Serialize)]
struct Pipelines {
    /// When the first results were there.
    at_first: u64,
    /// In the end, with those of several kernels and of new shapes.
    compiled: u64,
    /// Linking and compiling, all threads together.
    compile_ms: f64,
}

#[derive(Serialize)]
struct Output {
    name: String,
    dtype: &'static str,
    shape: Vec<usize>,
    file: Option<String>,
}

pub(crate) fn run(args: &RunArgs, json: bool) -> Result<Answer> {
    let mut given = Vec::with_capacity(args.inputs.len());
    for (name, file) in &args.inputs {
        given.push((name.clone(), npy::read(file)?));
    }
    let trace = args.trace.is_some().then(Trace::default);
    let options = Options { trace: trace.clone(), ..args.device.options() };
    let runtime = Runtime::new(options)?;
    let progress = bar(args.repeat.max(args.steps) as u64, "loading");
    let options = LoadOptions { synthetic_weights: args.load.synthetic_weights, ..LoadOptions::default() };
    let start = Instant::now();
    let model = runtime.load_with(&args.model, &options)?;
    let load = start.elapsed();
    let runs = if args.state.is_empty() { repeat } else { run_steps::run };
    let Ran { summary, plan, at_first, times, completion } = runs(&runtime, &model, args, given, &progress)?;
    let first = times[0];
    let steady = if times.len() > 1 { &times[1..] } else { &times[..] };
    let new_shape = run_host::new_shapes(&runtime, &model, args)?;
    progress.finish_and_clear();
    let pipelines = runtime.stats()?.pipelines;
    let files = match &args.out {
        None => vec![None; completion.outputs().len()],
        Some(folder) => save(folder, &completion)?.into_iter().map(Some).collect(),
    };
    if let (Some(path), Some(trace)) = (&args.trace, trace) {
        chrome::write(path, &trace.take_all())?;
    }
    let report = Report {
        adapter: runtime.adapter(),
        model: args.model.display().to_string(),
        steps: (!args.state.is_empty()).then_some(args.steps),
        outputs: completion
            .outputs()
            .zip(files)
            .map(|((name, tensor), file)| Output {
                name: name.to_owned(),
                dtype: tensor.dtype().name(),
                shape: tensor.shape().to_vec(),
                file: file.map(|path: PathBuf| path.display().to_string()),
            })
            .collect(),
        first_ms: millis(first.whole),
        median_ms: median(&steady.iter().map(|times| times.whole).collect::<Vec<_>>()),
        dispatches: summary.dispatches,
        bundles: completion.timing().bundles,
        variants: summary.variants,
        weight_bytes: summary.weight_bytes,
        heap_bytes: summary.heap_bytes,
        pipelines: Pipelines {
            at_first,
            compiled: pipelines.compiled,
            compile_ms: millis(Duration::from_nanos(pipelines.compile_nanos)),
        },
        host: Host::of(load, plan, steady, new_shape),
    };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report, &completion)) })
}

/// Runs the model as often as wanted, each time with the same inputs.
fn repeat(
    runtime: &Runtime,
    model: &Model,
    args: &RunArgs,
    given: Vec<(String, Tensor)>,
    progress: &ProgressBar,
) -> Result<Ran> {
    let (tensors, summary, plan) = prepare(model, args, given)?;
    progress.set_message("compiling and running");
    let (first, mut completion) = once(model, &tensors)?;
    let at_first = runtime.stats()?.pipelines.compiled;
    progress.set_message("running");
    progress.inc(1);
    let mut times = vec![first];
    for _ in 1..args.repeat {
        let (time, again) = once(model, &tensors)?;
        times.push(time);
        completion = again;
        progress.inc(1);
    }
    Ok(Ran { summary, plan, at_first, times, completion })
}

/// Refuses names that no input has or that are given twice, and models whose inputs are not all tensors.
pub(crate) fn check_given(info: &[InputInfo], given: &[(String, Tensor)]) -> Result<()> {
    if let Some(input) = info.iter().find(|input| input.kind != Kind::Tensor) {
        let message = format!("input '{}' is {}; this command gives tensors only", input.name, input.kind);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    for (at, (name, _)) in given.iter().enumerate() {
        let wrong = |why: String| Err(Error::new(ErrorKind::Input, format!("--input {name}: {why}")));
        if !info.iter().any(|input| input.name == *name) {
            let known: Vec<&str> = info.iter().map(|input| input.name.as_str()).collect();
            return wrong(format!("the model has no such input; its inputs are {}", known.join(", ")));
        }
        if given[..at].iter().any(|(other, _)| other == name) {
            return wrong("given twice".to_owned());
        }
    }
    Ok(())
}

/// All inputs in graph order, and the plan for their shapes.
fn prepare(
    model: &Model,
    args: &RunArgs,
    given: Vec<(String, Tensor)>,
) -> Result<(Vec<(String, Tensor)>, PlanSummary, Duration)> {
    let info = model.inputs();
    check_given(&info, &given)?;
    let mut dims = inputs::dims(&args.load.dims)?;
    inputs::check_names(&dims, &inputs::symbols(&info))?;
    if let Some(name) = args.vary.iter().find(|name| !inputs::symbols(&info).contains(&name.as_str())) {
        return Err(Error::new(ErrorKind::Input, format!("--vary {name}: no input has such an open dimension")));
    }
    inputs::learn(&mut dims, &info, &given)?;
    let mut shapes = inputs::resolve(&info, &dims).map_err(|missing| inputs::unresolved(&missing))?;
    for (input, shape) in info.iter().zip(&mut shapes) {
        if let Some((_, tensor)) = given.iter().find(|(name, _)| *name == input.name) {
            *shape = tensor.shape().to_vec();
        }
    }
    // A plan first: it refuses shapes that no device could hold before the host tries to.
    let start = Instant::now();
    let summary = model.plan(&shapes).map_err(|error| error.in_file(&args.model))?;
    let plan = start.elapsed();
    let tensors = info.iter().zip(&shapes).map(|(input, shape)| {
        let tensor = match given.iter().find(|(name, _)| *name == input.name) {
            Some((_, tensor)) => tensor.clone(),
            None => inputs::random(&input.name, input.dtype, shape, args.seed)?,
        };
        Ok((input.name.clone(), tensor))
    });
    Ok((tensors.collect::<Result<_>>()?, summary, plan))
}

fn save(folder: &Path, completion: &Completion) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).map_err(|error| Error::new(ErrorKind::Io, error.to_string()).in_file(folder))?;
    completion
        .outputs()
        .enumerate()
        .map(|(k, (_, tensor))| {
            let path = folder.join(format!("output_{k}.npy"));
            npy::write(&path, tensor)?;
            Ok(path)
        })
        .collect()
}

pub(crate) fn median(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort();
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { millis(sorted[middle]) } else { millis((sorted[middle - 1] + sorted[middle]) / 2) }
}

fn text(report: &Report, completion: &Completion) -> String {
    use Align::{Left, Right};
    let mut text = format!("{} on {}\n\n", report.model, report.adapter);
    let header = [("output", Left), ("type", Left), ("shape", Left), ("min", Right), ("max", Right), ("mean", Right)];
    let rows: Vec<Vec<String>> = completion
        .outputs()
        .map(|(name, tensor)| {
            let mut row = vec![name.to_owned(), tensor.dtype().to_string(), table::shape(tensor.shape())];
            row.extend(statistics(&reference::values(tensor)));
            row
        })
        .collect();
    text += &table::render(&header, &rows);
    for file in report.outputs.iter().filter_map(|output| output.file.as_ref()) {
        text += &format!("wrote {file}\n");
    }
    text.push('\n');
    let mut pairs = vec![
        ("first run, with compiling", format!("{} ms", table::millis(report.first_ms))),
        ("median of the others", format!("{} ms", table::millis(report.median_ms))),
        ("dispatches", report.dispatches.to_string()),
        ("bundles", report.bundles.to_string()),
        ("kernel variants", report.variants.to_string()),
        ("pipelines compiled", report.pipelines.compiled.to_string()),
    ];
    pairs.extend(report.steps.map(|steps| ("steps, each with the state of the last", steps.to_string())));
    pairs.extend(run_host::pairs(&report.host));
    text + &table::pairs(&pairs)
}

fn statistics(values: &[f64]) -> [String; 3] {
    if values.is_empty() {
        return ["-", "-", "-"].map(str::to_owned);
    }
    // NaN anywhere shows in all three.
    let fold = |pick: fn(f64, f64) -> f64| {
        values.iter().copied().reduce(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { pick(a, b) })
    };
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    [fold(f64::min).unwrap_or(f64::NAN), fold(f64::max).unwrap_or(f64::NAN), mean].map(|value| format!("{value:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_and_medians() {
        assert_eq!(statistics(&[1.0, -2.0, 4.0]), ["-2.000000", "4.000000", "1.000000"]);
        assert_eq!(statistics(&[1.0, f64::NAN, 4.0]), ["NaN", "NaN", "NaN"]);
        assert_eq!(statistics(&[]), ["-", "-", "-"]);
        let times = [3, 1, 2, 10].map(Duration::from_millis);
        assert_eq!(median(&times), 2.5);
        assert_eq!(median(&times[..3]), 2.0);
    }
}
