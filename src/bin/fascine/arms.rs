//! The same work under one policy after another, measured.

use std::time::{Duration, Instant};

use fascine::error::Result;
use fascine::graph::Graph;
use fascine::runtime::trace::{Records, Trace};
use fascine::runtime::{Model, Options, Request, Runtime, Stats, Timing};
use fascine::schedule::{self, Policy};
use fascine::tensor::Tensor;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::millis;
use crate::policy::name;
use crate::table::{self, Align};

/// Passes before the measured one: at most this many, until no pipeline is being made any more.
const MAX_WARM_UP: usize = 12;

/// Models and the requests to them.
pub(crate) struct Workload {
    pub(crate) tenants: Vec<Tenant>,
    /// In the order in which they are submitted, all at once.
    pub(crate) jobs: Vec<Job>,
}

/// A model with weights of its own.
pub(crate) struct Tenant {
    pub(crate) label: String,
    pub(crate) graph: Graph,
}

/// A request.
pub(crate) struct Job {
    pub(crate) tenant: usize,
    pub(crate) inputs: Vec<(String, Tensor)>,
    pub(crate) deadline: Option<Duration>,
}

/// An arm as `--json` prints it.
#[derive(Serialize)]
pub(crate) struct ArmReport {
    pub(crate) arm: &'static str,
    pub(crate) requests: usize,
    pub(crate) wall_ms: f64,
    pub(crate) throughput_per_s: f64,
    pub(crate) latency_ms: Latency,
    pub(crate) submissions: u64,
    pub(crate) bundles: u64,
    pub(crate) dispatches: usize,
    pub(crate) mean_lanes: f64,
    pub(crate) gpu_ms: Option<f64>,
    pub(crate) host_us_per_bundle: f64,
}

#[derive(Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// An arm as it ran.
pub(crate) struct Measured {
    pub(crate) report: ArmReport,
    /// Per job.
    pub(crate) timings: Vec<Timing>,
    /// Per job, in graph order.
    pub(crate) outputs: Vec<Vec<(String, Tensor)>>,
    /// Empty unless asked for.
    pub(crate) records: Records,
    pub(crate) adapter: String,
}

/// Whether to record who shared what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Timeline {
    Record,
    Skip,
}

/// A runtime with the models of a workload, for one arm after another.
pub(crate) struct Bench {
    runtime: Runtime,
    models: Vec<Model>,
    trace: Option<Trace>,
    dispatches: usize,
}

impl Bench {
    pub(crate) fn new(workload: &Workload, options: Options, timeline: Timeline) -> Result<Self> {
        let trace = (timeline == Timeline::Record).then(Trace::default);
        let runtime = Runtime::new(Options {
            trace: trace.clone(),
            // A pass submits all of them before it waits.
            max_queued: workload.jobs.len().max(1),
            // Nothing else runs here while pipelines are compiled.
            compile_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            ..options
        })?;
        let models = workload
            .tenants
            .iter()
            .map(|tenant| runtime.load_graph(tenant.graph.clone()).map_err(|error| error.in_file(&tenant.label)))
            .collect::<Result<Vec<Model>>>()?;
        let dispatches = dispatches(workload, &models)?;
        Ok(Bench { runtime, models, trace, dispatches })
    }

    /// Runs the workload under one policy: some passes to warm up, for about as long as `warm` if that is given, then one
    /// that counts.
    pub(crate) fn measure(
        &self,
        workload: &Workload,
        policy: Policy,
        warm: Option<Duration>,
        progress: &ProgressBar,
    ) -> Result<Measured> {
        let Bench { runtime, models, trace, dispatches } = self;
        runtime.set_schedule(schedule::Options { policy, ..runtime.schedule().clone() })?;
        progress.set_message(format!("{}: warming up", name(policy)));
        warm_up(runtime, workload, models, warm)?;
        if let Some(trace) = trace {
            trace.take();
        }

        progress.set_message(format!("{}: measuring", name(policy)));
        let before = runtime.stats()?;
        let start = Instant::now();
        let pass = pass(workload, models)?;
        let wall = start.elapsed();
        let after = runtime.stats()?;
        runtime.set_merging(true)?;
        progress.inc(1);
        Ok(Measured {
            report: report(policy, wall, *dispatches, &pass.timings, &before, &after),
            timings: pass.timings,
            outputs: pass.outputs,
            records: trace.as_ref().map(Trace::take_all).unwrap_or_default(),
            adapter: runtime.adapter(),
        })
    }
}

fn dispatches(workload: &Workload, models: &[Model]) -> Result<usize> {
    let plan = |job: &Job| {
        let shapes: Vec<Vec<usize>> = job.inputs.iter().map(|(_, tensor)| tensor.shape().to_vec()).collect();
        let file = |error: fascine::error::Error| error.in_file(&workload.tenants[job.tenant].label);
        Ok(models[job.tenant].plan(&shapes).map_err(file)?.dispatches)
    };
    workload.jobs.iter().map(plan).sum()
}

/// Until a pass neither made nor asked for a pipeline. Bundles choose their pipelines by what is ready, so the sets that
/// are wanted settle after a few passes. When the time is up, those that wait are given up.
fn warm_up(runtime: &Runtime, workload: &Workload, models: &[Model], limit: Option<Duration>) -> Result<()> {
    let start = Instant::now();
    let late = || limit.is_some_and(|limit| start.elapsed() >= limit);
    let mut last = None;
    for _ in 0..MAX_WARM_UP {
        pass(workload, models)?;
        let mut stats = runtime.stats()?;
        while stats.pipelines.compiling + stats.pipelines.waiting > 0 {
            if late() {
                runtime.set_merging(false)?;
            }
            std::thread::sleep(Duration::from_millis(20));
            stats = runtime.stats()?;
        }
        if late() || last == Some(stats.pipelines.compiled) {
            break;
        }
        last = Some(stats.pipelines.compiled);
    }
    // Compiling beside the pass that counts would be measured with it.
    runtime.set_merging(false)
}

struct Pass {
    timings: Vec<Timing>,
    outputs: Vec<Vec<(String, Tensor)>>,
}

fn pass(workload: &Workload, models: &[Model]) -> Result<Pass> {
    let mut requests: Vec<Request> = Vec::with_capacity(workload.jobs.len());
    for job in &workload.jobs {
        let mut request = models[job.tenant].request();
        for (name, tensor) in &job.inputs {
            request = request.input(name, tensor.clone())?;
        }
        if let Some(deadline) = job.deadline {
            request = request.deadline(deadline);
        }
        requests.push(request.submit().map_err(|error| error.in_file(&workload.tenants[job.tenant].label))?);
    }
    let mut pass = Pass { timings: Vec::with_capacity(requests.len()), outputs: Vec::with_capacity(requests.len()) };
    for request in requests {
        let completion = request.wait()?;
        pass.timings.push(completion.timing());
        pass.outputs.push(completion.outputs().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect());
    }
    Ok(pass)
}

fn report(
    policy: Policy,
    wall: Duration,
    dispatches: usize,
    timings: &[Timing],
    before: &Stats,
    after: &Stats,
) -> ArmReport {
    let mut latencies: Vec<f64> = timings.iter().map(|timing| millis(timing.total)).collect();
    latencies.sort_by(f64::total_cmp);
    let bundles = after.bundles - before.bundles;
    let per_bundle = |n: u64| n as f64 / bundles.max(1) as f64;
    let timed = timings.iter().any(|timing| timing.gpu.is_some());
    ArmReport {
        arm: name(policy),
        requests: timings.len(),
        wall_ms: millis(wall),
        throughput_per_s: round(timings.len() as f64 / wall.as_secs_f64().max(1e-9), 1e3),
        latency_ms: Latency {
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            max: percentile(&latencies, 100),
        },
        submissions: after.submissions - before.submissions,
        bundles,
        dispatches,
        mean_lanes: round(per_bundle(after.lanes - before.lanes), 1e3),
        gpu_ms: timed.then(|| millis(Duration::from_nanos(after.gpu_nanos - before.gpu_nanos))),
        host_us_per_bundle: round(per_bundle(after.host_nanos - before.host_nanos) / 1e3, 1e3),
    }
}

fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// The nearest rank in sorted values.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

/// The first difference between the outputs of two arms, to the bit.
pub(crate) fn difference(workload: &Workload, a: &Measured, b: &Measured) -> Option<String> {
    for (at, (left, right)) in a.outputs.iter().zip(&b.outputs).enumerate() {
        let same = |((name, x), (other, y)): (&(String, Tensor), &(String, Tensor))| {
            name == other && x.dtype() == y.dtype() && x.shape() == y.shape() && x.bytes() == y.bytes()
        };
        if left.len() != right.len() || !left.iter().zip(right).all(same) {
            let differing = left.iter().zip(right).find(|pair| !same(*pair));
            let output = differing.map_or("?", |((name, _), _)| name);
            let label = &workload.tenants[workload.jobs[at].tenant].label;
            return Some(format!(
                "arms {} and {} disagree on output '{output}' of request {at} ({label})",
                a.report.arm, b.report.arm
            ));
        }
    }
    None
}

/// The arms side by side.
pub(crate) fn table(arms: &[Measured]) -> String {
    use Align::{Left, Right};
    let mut header = vec![
        ("arm", Left),
        ("wall ms", Right),
        ("requests/s", Right),
        ("p50 ms", Right),
        ("p99 ms", Right),
        ("max ms", Right),
        ("submissions", Right),
        ("bundles", Right),
        ("dispatches", Right),
        ("lanes/bundle", Right),
        ("GPU ms", Right),
        ("host us/bundle", Right),
    ];
    let deadlines = arms.iter().flat_map(|arm| &arm.timings).any(|timing| timing.in_time.is_some());
    if deadlines {
        header.push(("in time", Right));
    }
    let row = |arm: &Measured| {
        let ArmReport { latency_ms, .. } = &arm.report;
        let mut row = vec![
            arm.report.arm.to_owned(),
            table::millis(arm.report.wall_ms),
            format!("{:.1}", arm.report.throughput_per_s),
            table::millis(latency_ms.p50),
            table::millis(latency_ms.p99),
            table::millis(latency_ms.max),
            arm.report.submissions.to_string(),
            arm.report.bundles.to_string(),
            arm.report.dispatches.to_string(),
            format!("{:.2}", arm.report.mean_lanes),
            arm.report.gpu_ms.map_or_else(|| "-".to_owned(), table::millis),
            format!("{:.1}", arm.report.host_us_per_bundle),
        ];
        if deadlines {
            row.push(in_time(arm.timings.iter()));
        }
        row
    };
    table::render(&header, &arms.iter().map(row).collect::<Vec<_>>())
}

/// `3/4`: how many of those with a deadline kept it.
pub(crate) fn in_time<'a>(timings: impl Iterator<Item = &'a Timing>) -> String {
    let known: Vec<bool> = timings.filter_map(|timing| timing.in_time).collect();
    format!("{}/{}", known.iter().filter(|kept| **kept).count(), known.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|p| percentile(&sorted, p)), [100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[7.0], 50), 7.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
