//! `fascine demo`: four models of the repository, several requests each, with deadlines, under every arm.

use std::path::Path;
use std::time::{Duration, Instant};

use fascine::error::{Error, ErrorKind, Result};
use fascine::onnx::{self, LoadOptions};
use fascine::reference::{Case, Deviation, Suite};
use fascine::schedule::Policy;
use serde::Serialize;

use crate::Answer;
use crate::args::{ArmChoice, DemoArgs};
use crate::arms::{self, ArmReport, Bench, Job, Measured, Tenant, Timeline, Workload};
use crate::progress::bar;
use crate::table::{self, Align};
use crate::{chrome, millis, report};

/// What a model is asked in the demo.
struct Part {
    model: &'static str,
    /// Of its reference cases, in turn.
    cases: &'static [&'static str],
    requests: usize,
    /// Deadline as a part of the time that all requests need one after another.
    share: f64,
}

/// An assistant that listens, reads and sees: the shorter a model, the sooner its answer is wanted.
const PARTS: &[Part] = &[
    Part { model: "mobilenet_v2", cases: &["case0"], requests: 3, share: 1.0 },
    Part { model: "squeezenet1_1", cases: &["case0"], requests: 3, share: 0.9 },
    Part { model: "minilm", cases: &["case0", "case1"], requests: 4, share: 0.6 },
    Part { model: "lstm_vad", cases: &["case0", "case1"], requests: 4, share: 0.25 },
];

/// Time from the start after which no more pipelines are compiled: a CPU adapter can spend minutes on the first run. What
/// is compiled is kept by most drivers, so that the next run gets further.
const WARM: Duration = Duration::from_secs(30);
/// Even then the bundled arm gets this long.
const LEAST_WARM: Duration = Duration::from_secs(3);

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    adapter: &'a str,
    models: Vec<ModelReport>,
    arms: Vec<&'a ArmReport>,
    outputs_equal: bool,
    report: String,
}

#[derive(Serialize)]
struct ModelReport {
    model: String,
    requests: usize,
    deadline_ms: f64,
    /// The largest difference of an element from the reference over what is allowed; above 1 is an error.
    worst: f64,
    /// The rms of the differences over the rms of the output.
    nrmse: f64,
    in_time: Vec<InTime>,
}

#[derive(Serialize)]
struct InTime {
    arm: &'static str,
    requests: usize,
}

pub(crate) fn run(args: &DemoArgs, json: bool) -> Result<Answer> {
    let progress = bar(ArmChoice::All.policies().len() as u64 + 1, "loading");
    let suites = PARTS.iter().map(|part| open(&args.zoo, part)).collect::<Result<Vec<Suite>>>()?;
    let (mut workload, cases) = workload(&suites)?;

    let start = Instant::now();
    let bench = Bench::new(&workload, args.device.options(), Timeline::Record)?;
    let alone = bench.measure(&workload, Policy::TimeOnly, None, &progress)?;
    let whole = Duration::from_secs_f64(alone.report.wall_ms * 1e-3);
    for job in &mut workload.jobs {
        let millis = whole.mul_f64(PARTS[job.tenant].share).as_millis();
        job.deadline = Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX).max(1)));
    }
    let mut measured = Vec::new();
    for &policy in ArmChoice::All.policies() {
        let warm = WARM.saturating_sub(start.elapsed()).max(LEAST_WARM);
        measured.push(bench.measure(&workload, policy, Some(warm), &progress)?);
    }
    progress.finish_and_clear();

    report::write(&args.report, "fascine demo", &workload, &measured)?;
    if let (Some(path), Some(last)) = (&args.trace, measured.last()) {
        chrome::write(path, &last.records)?;
    }
    let deviations = check(&workload, &cases, &measured)?;
    if let Some(difference) = measured[1..].iter().find_map(|arm| arms::difference(&workload, &measured[0], arm)) {
        return Err(Error::new(ErrorKind::Internal, difference));
    }
    let models = models(&workload, &deviations, &measured);
    let name = &measured[0].adapter;
    Ok(if json {
        let arms = measured.iter().map(|arm| &arm.report).collect();
        let report = args.report.display().to_string();
        Answer::json(&Report { adapter: name, models, arms, outputs_equal: true, report })
    } else {
        Answer::text(text(name, &workload, &models, &measured, args))
    })
}

fn open(zoo: &Path, part: &Part) -> Result<Suite> {
    Suite::open(zoo, part.model).map_err(|error| {
        let hint = "give the folder of the models with --zoo, or run in the repository's root";
        match error.kind() {
            ErrorKind::Io => {
                Error::new(ErrorKind::Io, format!("{}; {hint}", error.message())).in_file(zoo.join(part.model))
            }
            _ => error,
        }
    })
}

/// The requests round robin, each with the case that it must reproduce.
fn workload(suites: &[Suite]) -> Result<(Workload, Vec<&Case>)> {
    let options = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
    let tenants = suites
        .iter()
        .map(|suite| Ok(Tenant { label: suite.name.clone(), graph: onnx::load(&suite.model, &options)? }))
        .collect::<Result<Vec<Tenant>>>()?;
    let (mut jobs, mut cases) = (Vec::new(), Vec::new());
    for request in 0..PARTS.iter().map(|part| part.requests).max().unwrap_or(0) {
        for (tenant, (part, suite)) in PARTS.iter().zip(suites).enumerate() {
            if request >= part.requests {
                continue;
            }
            let wanted = part.cases[request % part.cases.len()];
            let case = suite.cases.iter().find(|case| case.name == wanted).ok_or_else(|| {
                Error::new(ErrorKind::InvalidModel, format!("there is no {wanted}")).in_file(&suite.model)
            })?;
            jobs.push(Job { tenant, inputs: case.inputs.clone(), deadline: None });
            cases.push(case);
        }
    }
    Ok((Workload { tenants, jobs }, cases))
}

/// Compares every output of every arm with its reference. Returns the worst deviation of each model.
fn check(workload: &Workload, cases: &[&Case], measured: &[Measured]) -> Result<Vec<Deviation>> {
    let mut worst = vec![Deviation { worst: 0.0, nrmse: 0.0 }; workload.tenants.len()];
    for arm in measured {
        for ((job, case), outputs) in workload.jobs.iter().zip(cases).zip(&arm.outputs) {
            let outputs = outputs.iter().map(|(name, tensor)| (name.as_str(), tensor));
            let deviation = case.check(outputs).map_err(|why| {
                let label = &workload.tenants[job.tenant].label;
                Error::new(ErrorKind::Internal, format!("{label}, {}, arm {}: {why}", case.name, arm.report.arm))
            })?;
            let model = &mut worst[job.tenant];
            model.worst = model.worst.max(deviation.worst);
            model.nrmse = model.nrmse.max(deviation.nrmse);
        }
    }
    Ok(worst)
}

fn models(workload: &Workload, deviations: &[Deviation], measured: &[Measured]) -> Vec<ModelReport> {
    let model = |(tenant, deviation): (usize, &Deviation)| {
        let jobs: Vec<usize> = (0..workload.jobs.len()).filter(|&job| workload.jobs[job].tenant == tenant).collect();
        let kept = |arm: &Measured| InTime {
            arm: arm.report.arm,
            requests: jobs.iter().filter(|&&job| arm.timings[job].in_time == Some(true)).count(),
        };
        ModelReport {
            model: workload.tenants[tenant].label.clone(),
            requests: jobs.len(),
            deadline_ms: jobs.first().and_then(|&job| workload.jobs[job].deadline).map_or(0.0, millis),
            worst: deviation.worst,
            nrmse: deviation.nrmse,
            in_time: measured.iter().map(kept).collect(),
        }
    };
    deviations.iter().enumerate().map(model).collect()
}

fn text(adapter: &str, workload: &Workload, models: &[ModelReport], measured: &[Measured], args: &DemoArgs) -> String {
    use Align::{Left, Right};
    let mut text =
        format!("{} requests to {} models at once on {adapter}, warm\n\n", workload.jobs.len(), workload.tenants.len());
    text += &arms::table(measured);
    let mut header = vec![("model", Left), ("requests", Right), ("deadline ms", Right), ("of the tolerance", Right)];
    header.extend(measured.iter().map(|arm| (arm.report.arm, Right)));
    let rows: Vec<Vec<String>> = models
        .iter()
        .map(|model| {
            let mut row = vec![
                model.model.clone(),
                model.requests.to_string(),
                table::millis(model.deadline_ms),
                format!("{:.1} %", model.worst * 100.0),
            ];
            row.extend(model.in_time.iter().map(|kept| format!("{}/{} in time", kept.requests, model.requests)));
            row
        })
        .collect();
    text += &format!("\n{}", table::render(&header, &rows));
    text += "\nevery output matches its reference, and the outputs of all arms are equal to the bit\n";
    text + &format!("timeline: {}\n", args.report.display())
}
