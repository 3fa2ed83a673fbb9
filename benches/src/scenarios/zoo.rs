//! `fascine-bench zoo`: the models of a folder against their reference outputs, alone and under every arm, and their times alone.

use std::path::Path;

use fascine::error::{Error, ErrorKind, Result};
use fascine::gpu::HeapLayout;
use fascine::onnx::LoadOptions;
use fascine::reference::{Case, Suite};
use fascine::runtime::{Completion, Model, Request};
use fascine::schedule::{self, Policy};
use fascine::tensor::Tensor;
use indicatif::ProgressBar;
use serde::Serialize;

use super::Common;
use super::rig::{Rig, Setup, median};
use crate::progress::bar;
use crate::table::{self, Align};
use crate::{Answer, millis, policy};

/// Runs of a model's first case that are timed: short and full.
const RUNS: [u32; 2] = [5, 31];
/// Requests of each case in an arm.
const TIMES: usize = 2;
const POLICIES: [Policy; 4] = [Policy::SubmitEach, Policy::TimeOnly, Policy::OnePass, Policy::Bundled];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model of the folder; may be given several times. All that have cases, by default
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    #[serde(flatten)]
    setup: Setup,
    runs: u32,
    models: Vec<ModelReport>,
    /// Under which all cases at once gave the bits that they give alone.
    arms: Vec<&'static str>,
    pipelines: u64,
}

#[derive(Serialize)]
struct ModelReport {
    model: String,
    cases: usize,
    /// The worst element's difference over what is allowed.
    of_tolerance: f64,
    dispatches: usize,
    /// That a request alone takes.
    bundles: usize,
    variants: usize,
    /// With compiling.
    first_ms: f64,
    median_ms: f64,
    device_ms: Option<f64>,
    gflops: f64,
    /// What a request takes of the heap, and the most of it that is live at once.
    heap_bytes: u64,
    live_bytes: u64,
}

struct Subject {
    suite: Suite,
    model: Model,
    /// By case.
    alone: Vec<Vec<Tensor>>,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    if !args.common.dims.is_empty() || !args.common.arms.is_empty() {
        let what = "zoo takes sizes from the cases and runs every arm: --dim and --arm have no place";
        return Err(Error::new(ErrorKind::Input, what));
    }
    let names = if args.models.is_empty() { with_cases(&args.common.zoo)? } else { args.models.clone() };
    let progress = bar((names.len() + POLICIES.len()) as u64, "loading");
    let rig = Rig::new(&args.common, &[], HeapLayout::Shared)?;
    let runs = args.common.runs(RUNS);
    let (mut subjects, mut models) = (Vec::new(), Vec::new());
    for name in &names {
        progress.set_message(name.clone());
        let (subject, report) = measure(&rig, args, name, runs)?;
        subjects.push(subject);
        models.push(report);
        progress.inc(1);
    }
    for policy in POLICIES {
        together(&rig, &subjects, policy, &progress)?;
    }
    progress.finish_and_clear();
    let arms = POLICIES.iter().map(|&policy| policy::name(policy)).collect();
    let pipelines = rig.runtime.stats()?.pipelines.compiled;
    let report = Report { scenario: "zoo", setup: rig.setup(), runs, models, arms, pipelines };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

/// The models of the folder that have a file of cases, by name.
pub(crate) fn with_cases(folder: &Path) -> Result<Vec<String>> {
    let io = |error: std::io::Error| Error::new(ErrorKind::Io, error.to_string()).in_file(folder);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "onnx")
            && path.with_extension("io").join("cases.json").exists()
        {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    if names.is_empty() {
        return Err(Error::new(ErrorKind::Input, "no NAME.onnx with a NAME.io/cases.json is here").in_file(folder));
    }
    Ok(names)
}

fn submit(model: &Model, case: &Case) -> Result<Request> {
    let with =
        |request: fascine::RequestBuilder, (name, tensor): &(String, Tensor)| request.input(name, tensor.clone());
    case.inputs.iter().try_fold(model.request(), with)?.submit()
}

fn tensors(done: &Completion) -> Vec<Tensor> {
    done.outputs().map(|(_, tensor)| tensor.clone()).collect()
}

fn wrong(suite: &Suite, case: &Case, why: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("{}, {}: {why}", suite.name, case.name))
}

/// Every case against its reference, and the first one's times.
fn measure(rig: &Rig, args: &Args, name: &str, runs: u32) -> Result<(Subject, ModelReport)> {
    let suite = Suite::open(&args.common.zoo, name)?;
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let model = rig.runtime.load_with(&suite.model, &options)?;
    let Some(first) = suite.cases.first() else {
        return Err(Error::new(ErrorKind::Input, "no cases").in_file(&suite.model));
    };
    let shapes: Vec<Vec<usize>> = first.inputs.iter().map(|(_, tensor)| tensor.shape().to_vec()).collect();
    let summary = model.plan(&shapes).map_err(|error| error.in_file(&suite.model))?;
    let (mut alone, mut of_tolerance, mut first_ms) = (Vec::new(), 0.0, None);
    for case in &suite.cases {
        let done = submit(&model, case)?.wait()?;
        first_ms.get_or_insert(millis(done.timing().total));
        let deviation = case.check(done.outputs()).map_err(|why| wrong(&suite, case, &why))?;
        of_tolerance = f64::max(of_tolerance, deviation.worst);
        alone.push(tensors(&done));
    }
    let (mut walls, mut devices) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let timing = submit(&model, first)?.wait()?.timing();
        walls.push(millis(timing.total));
        devices.extend(timing.gpu.map(millis));
    }
    let (median_ms, device_ms) = (median(&walls), (!devices.is_empty()).then(|| median(&devices)));
    let report = ModelReport {
        model: name.to_owned(),
        cases: suite.cases.len(),
        of_tolerance,
        dispatches: summary.dispatches,
        bundles: summary.bundles,
        variants: summary.variants,
        first_ms: first_ms.unwrap_or(0.0),
        median_ms,
        device_ms,
        gflops: summary.flops as f64 / (device_ms.unwrap_or(median_ms) * 1e6),
        heap_bytes: summary.heap_bytes,
        live_bytes: summary.live_bytes,
    };
    Ok((Subject { suite, model, alone }, report))
}

/// All cases of all models in flight together: as alone, to the bit.
fn together(rig: &Rig, subjects: &[Subject], policy: Policy, progress: &ProgressBar) -> Result<()> {
    progress.set_message(policy::name(policy));
    let runtime = &rig.runtime;
    runtime.set_schedule(schedule::Options { policy, ..runtime.schedule().clone() })?;
    let mut flights = Vec::new();
    for _ in 0..TIMES {
        for subject in subjects {
            for (case, alone) in subject.suite.cases.iter().zip(&subject.alone) {
                flights.push((subject, case, alone, submit(&subject.model, case)?));
            }
        }
    }
    for (subject, case, alone, request) in flights {
        let got = tensors(&request.wait()?);
        let same = |(a, b): (&Tensor, &Tensor)| a.shape() == b.shape() && a.bytes() == b.bytes();
        if got.len() != alone.len() || !got.iter().zip(alone).all(same) {
            let why = format!("{} gives other bits than a request alone", policy::name(policy));
            return Err(wrong(&subject.suite, case, &why));
        }
    }
    progress.inc(1);
    Ok(())
}

fn text(report: &Report) -> String {
    use Align::{Left, Right};
    let header = [
        ("model", Left),
        ("cases", Right),
        ("of tolerance", Right),
        ("dispatches", Right),
        ("bundles", Right),
        ("variants", Right),
        ("first ms", Right),
        ("median ms", Right),
        ("device ms", Right),
        ("GFLOP/s", Right),
        ("heap MiB", Right),
        ("of live", Right),
    ];
    let row = |model: &ModelReport| {
        vec![
            model.model.clone(),
            model.cases.to_string(),
            format!("{:.2}", model.of_tolerance),
            model.dispatches.to_string(),
            model.bundles.to_string(),
            model.variants.to_string(),
            table::millis(model.first_ms),
            table::millis(model.median_ms),
            model.device_ms.map_or_else(|| "-".to_owned(), table::millis),
            format!("{:.1}", model.gflops),
            format!("{:.2}", model.heap_bytes as f64 / f64::from(1 << 20)),
            format!("{:.2}", model.heap_bytes as f64 / model.live_bytes.max(1) as f64),
        ]
    };
    let rows: Vec<Vec<String>> = report.models.iter().map(row).collect();
    let mut text = report.setup.text();
    text += &format!("every case is within its tolerance; medians of {} runs alone, batch 1\n\n", report.runs);
    text += &table::render(&header, &rows);
    text += &format!(
        "\nall cases at once, {TIMES} requests each: equal to the bit to a request alone under {}; {} pipelines compiled\n",
        report.arms.join(", "),
        report.pipelines
    );
    text
}
