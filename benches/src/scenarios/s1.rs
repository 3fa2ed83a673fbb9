//! `fascine-bench s1`: queued products, and whole models, each with weights of its own.

use std::time::{Duration, Instant};

use fascine::error::{Error, ErrorKind, Result};
use fascine::gpu::HeapLayout;
use fascine::graph::builder::GraphBuilder;
use fascine::runtime::{Model, Runtime};
use fascine::tensor::{DType, Tensor};
use indicatif::ProgressBar;
use serde::Serialize;

use super::Common;
use super::arm::Arm;
use super::rig::{self, Rig, Setup, geometric, median};
use super::tenants::{Tensors, Wanted};
use crate::Answer;
use crate::inputs::{self, Dims};
use crate::progress::bar;
use crate::table::{self, Align};

/// M, N, K as the papers give them; a request's input is K x N, the weights are M x K.
const SHAPES: [(&str, [usize; 3]); 3] =
    [("conv2_2", [256, 128, 1152]), ("RNN", [512, 1, 512]), ("256^3", [256, 256, 256])];
/// Queued requests.
const COUNTS: [usize; 7] = [2, 5, 10, 20, 40, 80, 120];
const SHORT_COUNTS: [usize; 3] = [2, 10, 40];
/// Copies of the model.
const COPIES: [usize; 3] = [2, 8, 32];
/// Rounds that are timed: short and full.
const ROUNDS: [u32; 2] = [5, 21];
/// The arms that this scenario is of.
const ARMS: [Arm; 3] = [Arm::TimeOnly, Arm::OnePass, Arm::Bundled];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model that is queued as a whole: a name in the zoo or a path
    #[arg(long, value_name = "MODEL", default_value = "resnet18")]
    model: String,
    /// How many copies of the model are queued; may be given several times. 2, 8 and 32 by default, 2 if short; 0 for none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=64))]
    copies: Vec<u8>,
    /// How many products are queued; may be given several times. 2, 5, 10, 20, 40, 80 and 120 by default; 0 for none
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u16).range(0..=1024))]
    queued: Vec<u16>,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    #[serde(flatten)]
    setup: Setup,
    rounds: u32,
    rows: Vec<Row>,
    /// Of bundled over each other arm, all rows together.
    geometric_means: Vec<Mean>,
    outputs_equal: bool,
}

#[derive(Serialize)]
struct Row {
    what: String,
    requests: usize,
    flops: u64,
    arms: Vec<ArmReport>,
}

#[derive(Serialize)]
struct ArmReport {
    arm: &'static str,
    /// Medians of the rounds: from the first submission to the last result, and what bundles took on the device.
    wall_ms: f64,
    device_ms: Option<f64>,
    gflops_wall: f64,
    gflops_device: Option<f64>,
    lanes_per_bundle: f64,
}

#[derive(Serialize)]
struct Mean {
    what: String,
    over: &'static str,
    wall: f64,
    device: Option<f64>,
}

/// Requests that are queued together, one a model.
struct Queue<'a> {
    what: String,
    jobs: &'a [Job],
    flops: u64,
}

struct Job {
    model: Model,
    inputs: Tensors,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    let arms: Vec<Arm> = args.common.arms().into_iter().filter(|arm| ARMS.contains(arm)).collect();
    if arms.len() < args.common.arms.len() || arms.is_empty() {
        let what = "the arms of s1 are time-only, one-pass and bundled";
        return Err(Error::new(ErrorKind::Input, what));
    }
    let counts = chosen(&args.queued, if args.common.short { &SHORT_COUNTS } else { &COUNTS });
    let copies = chosen(&args.copies, if args.common.short { &COPIES[..1] } else { &COPIES });
    let rounds = args.common.runs(ROUNDS);
    let steps = arms.len() * (SHAPES.len() * counts.len() + copies.len());
    let progress = bar(steps as u64, "loading");
    let mut rows = Vec::new();
    let mut setup = None;
    if let Some(&most) = counts.iter().max() {
        for (index, (name, shape)) in SHAPES.iter().enumerate() {
            progress.set_message(format!("{name}: loading"));
            let rig = Rig::new(&args.common, &[], HeapLayout::Shared)?;
            let jobs =
                (0..most).map(|job| product(&rig.runtime, *shape, index * 4096 + job)).collect::<Result<Vec<_>>>()?;
            for &count in &counts {
                let flops = count as u64 * 2 * shape.iter().product::<usize>() as u64;
                let queue = Queue { what: (*name).to_owned(), jobs: &jobs[..count], flops };
                rows.push(measure(&rig, &arms, &queue, rounds, &args.common, &progress)?);
            }
            setup.get_or_insert_with(|| rig.setup());
        }
    }
    if let Some(&most) = copies.iter().max() {
        progress.set_message(format!("{}: loading", args.model));
        let wanted = Wanted { name: args.model.clone(), copies: most, dims: Dims::new() };
        let rig = Rig::new(&args.common, &[wanted], HeapLayout::Shared)?;
        let flops = rig.tenants.first().map_or(0, |tenant| tenant.summary.flops);
        let job = |tenant: &super::tenants::Tenant| Job {
            model: tenant.model.clone(),
            inputs: tenant.samples.first().map(|sample| sample.inputs.clone()).unwrap_or_default(),
        };
        let jobs: Vec<Job> = rig.tenants.iter().map(job).collect();
        for &count in &copies {
            let queue = Queue { what: args.model.clone(), jobs: &jobs[..count], flops: flops * count as u64 };
            rows.push(measure(&rig, &arms, &queue, rounds, &args.common, &progress)?);
        }
        setup.get_or_insert_with(|| rig.setup());
    }
    progress.finish_and_clear();
    let setup =
        setup.ok_or_else(|| Error::new(ErrorKind::Input, "--queued 0 and --copies 0 leave nothing to measure"))?;
    let geometric_means = means(&rows);
    let report = Report { scenario: "s1", setup, rounds, rows, geometric_means, outputs_equal: true };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

/// Ascending, each once, without the 0 that stands for none; the defaults if none are given.
fn chosen<T: Copy + Into<usize>>(given: &[T], defaults: &[usize]) -> Vec<usize> {
    let mut numbers: Vec<usize> = given.iter().map(|&number| number.into()).collect();
    if given.is_empty() {
        numbers = defaults.to_vec();
    }
    numbers.retain(|&number| number > 0);
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A product whose weights and input follow `seed`.
fn product(runtime: &Runtime, [m, n, k]: [usize; 3], seed: usize) -> Result<Job> {
    let seed = seed as u64;
    let mut graph = GraphBuilder::new(17);
    let (rows, columns) = (k.to_string(), n.to_string());
    let x = graph.input("x", DType::F32, [rows.as_str(), columns.as_str()]);
    let w = graph.constant(inputs::random("w", DType::F32, &[m, k], seed)?);
    let y = graph.node("MatMul", [w, x], []);
    let input = inputs::random("x", DType::F32, &[k, n], seed)?;
    Ok(Job { model: runtime.load_graph(graph.finish([y]))?, inputs: vec![("x".to_owned(), input)] })
}

/// What a round took, and what came of it.
struct Round {
    wall: Duration,
    device: Duration,
    outputs: Vec<Vec<Tensor>>,
}

fn round(runtime: &Runtime, jobs: &[Job]) -> Result<Round> {
    let before = runtime.stats()?.gpu_nanos;
    let start = Instant::now();
    let request = |job: &Job| {
        let with = |request: fascine::runtime::RequestBuilder, (name, tensor): &(String, Tensor)| {
            request.input(name, tensor.clone())
        };
        job.inputs.iter().try_fold(job.model.request(), with)?.submit()
    };
    let requests = jobs.iter().map(request).collect::<Result<Vec<_>>>()?;
    let done = requests.into_iter().map(fascine::Request::wait).collect::<Result<Vec<_>>>()?;
    let wall = start.elapsed();
    let outputs = done.iter().map(|done| done.outputs().map(|(_, tensor)| tensor.clone()).collect()).collect();
    let device = Duration::from_nanos(runtime.stats()?.gpu_nanos - before);
    Ok(Round { wall, device, outputs })
}

fn measure(
    rig: &Rig,
    arms: &[Arm],
    queue: &Queue<'_>,
    rounds: u32,
    common: &Common,
    progress: &ProgressBar,
) -> Result<Row> {
    let runtime = &rig.runtime;
    let requests = queue.jobs.len();
    let mut reference: Option<Vec<Vec<Tensor>>> = None;
    let mut reports = Vec::with_capacity(arms.len());
    for &arm in arms {
        progress.set_message(format!("{} x {requests}, {}", queue.what, arm.name()));
        rig.set(arm)?;
        rig::warm_up(runtime, common.warm_up(), || round(runtime, queue.jobs).map(drop))?;
        let before = runtime.stats()?;
        let (mut walls, mut devices) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let Round { wall, device, outputs } = round(runtime, queue.jobs)?;
            let want = reference.get_or_insert_with(|| outputs.clone());
            if !same(want, &outputs) {
                let what =
                    format!("{} x {requests}: {} gives other bits than {}", queue.what, arm.name(), arms[0].name());
                return Err(Error::new(ErrorKind::Internal, what));
            }
            walls.push(wall.as_secs_f64() * 1e3);
            devices.push(device.as_secs_f64() * 1e3);
        }
        let after = runtime.stats()?;
        let wall_ms = median(&walls);
        let device_ms = Some(median(&devices)).filter(|&ms| ms > 0.0);
        let rate = |ms: f64| queue.flops as f64 / (ms * 1e6);
        reports.push(ArmReport {
            arm: arm.name(),
            wall_ms,
            device_ms,
            gflops_wall: rate(wall_ms),
            gflops_device: device_ms.map(rate),
            lanes_per_bundle: (after.lanes - before.lanes) as f64 / (after.bundles - before.bundles).max(1) as f64,
        });
        progress.inc(1);
    }
    Ok(Row { what: queue.what.clone(), requests, flops: queue.flops, arms: reports })
}

/// To the bit.
fn same(a: &[Vec<Tensor>], b: &[Vec<Tensor>]) -> bool {
    let bits = |outputs: &[Vec<Tensor>]| -> Vec<(Vec<usize>, Vec<u8>)> {
        outputs.iter().flatten().map(|tensor| (tensor.shape().to_vec(), tensor.bytes().to_vec())).collect()
    };
    bits(a) == bits(b)
}

/// Geometric means of bundled over the other arms: of each kind of rows, and of all.
fn means(rows: &[Row]) -> Vec<Mean> {
    let mut kinds: Vec<&str> = rows.iter().map(|row| row.what.as_str()).collect();
    kinds.dedup();
    let mut means = Vec::new();
    for kind in kinds.iter().copied().map(Some).chain([None]) {
        for other in [Arm::TimeOnly, Arm::OnePass] {
            let of = |row: &Row, arm: Arm| row.arms.iter().position(|report| report.arm == arm.name());
            let ratios: Vec<(f64, Option<f64>)> = rows
                .iter()
                .filter(|row| kind.is_none_or(|kind| kind == row.what))
                .filter_map(|row| Some((&row.arms[of(row, other)?], &row.arms[of(row, Arm::Bundled)?])))
                .map(|(base, ours)| {
                    (base.wall_ms / ours.wall_ms, base.device_ms.zip(ours.device_ms).map(|(base, ours)| base / ours))
                })
                .collect();
            if ratios.is_empty() {
                continue;
            }
            let device: Option<Vec<f64>> = ratios.iter().map(|(_, device)| *device).collect();
            means.push(Mean {
                what: kind.unwrap_or("all").to_owned(),
                over: other.name(),
                wall: geometric(ratios.iter().map(|(wall, _)| *wall)),
                device: device.map(|ratios| geometric(ratios.into_iter())),
            });
        }
    }
    means
}

fn text(report: &Report) -> String {
    use Align::{Left, Right};
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let mut text = report.setup.text();
    text += &format!("medians of {} rounds, all requests of a round at once, warm\n\n", report.rounds);
    let arms: Vec<&str> = report.rows.first().iter().flat_map(|row| &row.arms).map(|arm| arm.arm).collect();
    type Rate = fn(&ArmReport) -> Option<f64>;
    let clocks: [(&str, Rate); 2] = [("wall", |arm| Some(arm.gflops_wall)), ("on the device", |arm| arm.gflops_device)];
    for (clock, rate) in clocks {
        text += &format!("GFLOP/s, {clock}:\n\n{}\n", rates(report, &arms, rate));
    }
    if !report.geometric_means.is_empty() {
        let rows: Vec<Vec<String>> = report
            .geometric_means
            .iter()
            .map(|mean| vec![mean.what.clone(), mean.over.to_owned(), number(Some(mean.wall)), number(mean.device)])
            .collect();
        text += "O1 bundled over the others, geometric means of the ratios:\n\n";
        text += &table::render(&[("of", Left), ("over", Left), ("wall", Right), ("device", Right)], &rows);
    }
    if arms.len() > 1 {
        text += "\nthe outputs of all arms are equal to the bit\n";
    }
    text
}

/// A table of rates: every arm's, and bundled over each of the others; at last the lanes of O1's bundles.
fn rates(report: &Report, arms: &[&str], rate: fn(&ArmReport) -> Option<f64>) -> String {
    use Align::{Left, Right};
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let ours = arms.iter().position(|arm| *arm == Arm::Bundled.name());
    let others: Vec<usize> = (0..arms.len()).filter(|&arm| ours.is_some_and(|ours| arm != ours)).collect();
    let mut titles = vec!["what".to_owned(), "requests".to_owned()];
    titles.extend(arms.iter().map(|arm| (*arm).to_owned()));
    let short = |arm: &str| arm.split(' ').next().unwrap_or(arm).to_owned();
    titles.extend(others.iter().map(|&arm| format!("O1 / {}", short(arms[arm]))));
    titles.extend(ours.map(|_| "O1 lanes/bundle".to_owned()));
    let mut header: Vec<(&str, Align)> = titles.iter().map(|title| (title.as_str(), Right)).collect();
    header[0].1 = Left;
    let row = |row: &Row| {
        let mut cells = vec![row.what.clone(), row.requests.to_string()];
        cells.extend(row.arms.iter().map(|arm| number(rate(arm))));
        if let Some(ours) = ours.and_then(|ours| row.arms.get(ours)) {
            let ratio = |&arm: &usize| Some(rate(ours)? / rate(row.arms.get(arm)?)?);
            cells.extend(others.iter().map(|arm| number(ratio(arm))));
            cells.push(number(Some(ours.lanes_per_bundle)));
        }
        cells
    };
    table::render(&header, &report.rows.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_and_0_is_none() {
        assert_eq!(chosen(&[8u8, 2, 8], &[1]), [2, 8]);
        assert_eq!(chosen::<u8>(&[], &[1, 3]), [1, 3]);
        assert_eq!(chosen(&[0u8], &[1]), [0usize; 0]);
    }

    #[test]
    fn means_are_by_kind_and_of_all() {
        let arm = |arm: Arm, ms: f64, device_ms: Option<f64>| ArmReport {
            arm: arm.name(),
            wall_ms: ms,
            device_ms,
            gflops_wall: 1.0,
            gflops_device: None,
            lanes_per_bundle: 1.0,
        };
        let row = |what: &str, b1: f64| Row {
            what: what.into(),
            requests: 2,
            flops: 1,
            arms: vec![arm(Arm::TimeOnly, b1, Some(3.0)), arm(Arm::Bundled, 1.0, (what == "a").then_some(1.5))],
        };
        let means = means(&[row("a", 2.0), row("a", 8.0), row("b", 4.0)]);
        let all: Vec<(&str, &str, f64, Option<f64>)> =
            means.iter().map(|mean| (mean.what.as_str(), mean.over, mean.wall.round(), mean.device)).collect();
        let b1 = Arm::TimeOnly.name();
        assert_eq!(all, [("a", b1, 4.0, Some(2.0)), ("b", b1, 4.0, None), ("all", b1, 4.0, None)]);
    }
}
