//! Pairs of kernels, one dispatch each: as bundles of their own, as one bundle, and as the scheduler has it.
//!
//! A blocker holds the device while the two come, so that both are there when the next bundle is formed.

use std::time::Duration;

use fascine::error::{Error, ErrorKind, Result};
use fascine::graph::builder::GraphBuilder;
use fascine::graph::{Attr, Graph};
use fascine::runtime::trace::{BundleRecord, Trace};
use fascine::runtime::{Model, Options, Request, Runtime};
use fascine::schedule::{self, Nanos, Policy};
use fascine::tensor::{DType, Tensor};
use indicatif::ProgressBar;
use serde::Serialize;

use super::super::rig::{Setup, median, warm_up};
use super::super::tenants::Tensors;
use super::{Args, HARMED};
use crate::inputs;
use crate::progress::bar;
use crate::table::{self, Align};

/// Rounds that are timed: short and full.
const ROUNDS: [u32; 2] = [5, 11];
/// Rounds in which the scheduler learns what the two take, alone and together.
const LEARNING: u32 = 8;
/// What the second kernel of a pair works on, in quarters of what the first does: a quarter, as much, four times as much.
const SCALES: [usize; 3] = [1, 4, 16];
const FIRST: usize = 1;
/// The device is to be held for so long at least.
const HELD: Nanos = 4_000_000;
/// Until the blocker is on its way to the device.
const SENT: Duration = Duration::from_micros(300);
/// Times that a pair is sent anew because it did not meet.
const TRIES: usize = 4;
/// A slice that no pair fills.
const SLICE: Nanos = 10_000_000_000;
/// Kernels of a short run.
const SHORT: [&str; 4] = ["large GEMM", "mat-vec", "convolution", "elementwise"];

/// A model of one dispatch, at a scale.
type Build = fn(usize) -> Result<(Graph, Tensors)>;

const KERNELS: [(&str, Build); 12] = [
    ("large GEMM", |scale| product([16 * scale, 512], [512, 512])),
    ("small GEMM", |scale| product([4 * scale, 128], [128, 128])),
    ("mat-vec", |scale| product([1, 512], [512, 128 * scale])),
    ("convolution", |scale| convolution([32, 28], [16 * scale, 32, 3], 1)),
    ("depthwise", |scale| convolution([32 * scale, 28], [32 * scale, 1, 3], 32 * scale)),
    ("pooling", |scale| {
        let ints = |value: i64| Attr::Ints(vec![value, value]);
        node("MaxPool", &[1, 32 * scale, 28, 28], Vec::new(), [("kernel_shape", ints(2)), ("strides", ints(2))])
    }),
    ("softmax", |scale| node("Softmax", &[32 * scale, 256], Vec::new(), [("axis", Attr::Int(-1))])),
    ("layer norm", |scale| {
        let vector = |name: &str| inputs::random(name, DType::F32, &[256], 1);
        node("LayerNormalization", &[32 * scale, 256], vec![vector("gain")?, vector("bias")?], [])
    }),
    ("elementwise", |scale| node("Tanh", &[16_384 * scale], Vec::new(), [])),
    ("reduction", |scale| node("ReduceMean", &[32 * scale, 1024], Vec::new(), [("axes", Attr::Ints(vec![1]))])),
    ("attention", attention),
    ("transpose", |scale| node("Transpose", &[32 * scale, 256], Vec::new(), [("perm", Attr::Ints(vec![1, 0]))])),
];

fn node<const N: usize>(
    op: &str,
    shape: &[usize],
    constants: Vec<Tensor>,
    attrs: [(&str, Attr); N],
) -> Result<(Graph, Tensors)> {
    let mut graph = GraphBuilder::new(17);
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    let x = graph.input("x", DType::F32, dims.iter().map(String::as_str));
    let inputs: Vec<_> = [x].into_iter().chain(constants.into_iter().map(|tensor| graph.constant(tensor))).collect();
    let y = graph.node(op, inputs, attrs);
    Ok((graph.finish([y]), vec![("x".to_owned(), inputs::random("x", DType::F32, shape, 1)?)]))
}

fn product(x: [usize; 2], w: [usize; 2]) -> Result<(Graph, Tensors)> {
    node("MatMul", &x, vec![inputs::random("w", DType::F32, &w, 1)?], [])
}

/// Of a square image of one batch, by a square filter.
fn convolution(
    [channels, size]: [usize; 2],
    [out, depth, filter]: [usize; 3],
    groups: usize,
) -> Result<(Graph, Tensors)> {
    let weight = inputs::random("w", DType::F32, &[out, depth, filter, filter], 1)?;
    let attrs = [("pads", Attr::Ints(vec![(filter / 2) as i64; 4])), ("group", Attr::Int(groups as i64))];
    node("Conv", &[1, channels, size, size], vec![weight], attrs)
}

/// Of four heads over 64 keys.
fn attention(scale: usize) -> Result<(Graph, Tensors)> {
    let mut graph = GraphBuilder::new(23);
    let rows = (16 * scale).to_string();
    let q = graph.input("q", DType::F32, ["1", "4", rows.as_str(), "64"]);
    let [k, v] = ["k", "v"].map(|name| graph.input(name, DType::F32, ["1", "4", "64", "64"]));
    let y = graph.node("Attention", [q, k, v], []);
    let tensor =
        |name: &str, rows: usize| Ok((name.to_owned(), inputs::random(name, DType::F32, &[1, 4, rows, 64], 1)?));
    Ok((graph.finish([y]), vec![tensor("q", 16 * scale)?, tensor("k", 64)?, tensor("v", 64)?]))
}

#[derive(Serialize)]
pub(super) struct KernelsReport {
    pairs: Vec<Pair>,
    summaries: Vec<Summary>,
}

/// Milliseconds on the device.
#[derive(Clone, Serialize)]
struct Pair {
    a: &'static str,
    b: &'static str,
    /// What the second works on, over what the first does.
    scale: f64,
    a_ms: f64,
    b_ms: f64,
    /// One after the other.
    apart_ms: f64,
    /// As one bundle; none if no pipeline has both.
    together_ms: Option<f64>,
    /// Whether the scheduler bundles them.
    chosen: bool,
}

impl Pair {
    /// The part of the shorter kernel's time that bundling saves.
    fn efficiency(&self) -> Option<f64> {
        Some((self.a_ms + self.b_ms - self.together_ms?) / self.a_ms.min(self.b_ms))
    }

    fn harmed(&self) -> bool {
        self.together_ms.is_some_and(|together| together > HARMED * self.apart_ms)
    }

    /// How much longer the chosen of both takes than the better one.
    fn regret(&self) -> Option<f64> {
        let together = self.together_ms?;
        let chosen = if self.chosen { together } else { self.apart_ms };
        Some(chosen / together.min(self.apart_ms) - 1.0)
    }
}

/// What the pairs of a ratio of sizes come to.
#[derive(Serialize)]
struct Summary {
    scale: String,
    pairs: usize,
    efficiency_median: f64,
    efficiency_worst: f64,
    /// Parts of the pairs: bundling takes longer than the mark allows; the scheduler bundles them; it does though that harms.
    harmed: f64,
    chosen: f64,
    chosen_harmed: f64,
    /// Means, and the largest, of the scheduler's choice; then of bundling always and never.
    regret: f64,
    regret_worst: f64,
    regret_always: f64,
    regret_never: f64,
}

/// A runtime of one policy.
struct Bench {
    runtime: Runtime,
    trace: Trace,
    schedule: schedule::Options,
    blocker: Job,
}

/// A model and its inputs.
#[derive(Clone)]
struct Job {
    model: Model,
    inputs: Tensors,
}

impl Job {
    fn new(runtime: &Runtime, (graph, inputs): (Graph, Tensors)) -> Result<Self> {
        Ok(Job { model: runtime.load_graph(graph)?, inputs })
    }

    fn submit(&self) -> Result<Request> {
        let request = self.model.request();
        self.inputs.iter().try_fold(request, |request, (name, tensor)| request.input(name, tensor.clone()))?.submit()
    }
}

/// What jobs took that were there at once.
struct Ran {
    device_ms: f64,
    /// Whether two of them shared a bundle.
    shared: bool,
    outputs: Vec<Tensor>,
}

impl Bench {
    fn new(args: &Args, policy: Policy) -> Result<Self> {
        let trace = Trace::default();
        let runtime = Runtime::new(Options {
            trace: Some(trace.clone()),
            compile_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            ..args.common.device.options()
        })?;
        let default = runtime.schedule().clone();
        let slice = if policy == Policy::Together { SLICE } else { default.slice };
        // One in flight: the blocker. Pipelines are made at the first loss: whether that pays is another question.
        let schedule = schedule::Options { policy, slice, in_flight: 1, want_after: 0, max_kernels: 2, ..default };
        let mut size = 128;
        let blocker = loop {
            let blocker = Job::new(&runtime, product([size, size], [size, size])?)?;
            blocker.submit()?.wait()?;
            trace.take();
            blocker.submit()?.wait()?;
            let held = trace.take().iter().map(|bundle| bundle.gpu).sum::<Option<Nanos>>();
            let held = held.ok_or_else(|| {
                Error::new(ErrorKind::Device, "kernels are timed on the device, which tells no times of bundles")
            })?;
            if held >= HELD || size >= 4096 {
                break blocker;
            }
            size *= 2;
        };
        Ok(Bench { runtime, trace, schedule, blocker })
    }

    /// Forgets what was learned of others.
    fn restart(&self) -> Result<()> {
        self.runtime.set_schedule(self.schedule.clone())
    }

    /// Runs jobs that come while the blocker runs.
    fn run(&self, jobs: &[&Job]) -> Result<Ran> {
        self.trace.take();
        let blocker = self.blocker.submit()?;
        std::thread::sleep(SENT);
        let requests = jobs.iter().map(|job| job.submit()).collect::<Result<Vec<Request>>>()?;
        let ids: Vec<u64> = requests.iter().map(Request::id).collect();
        let done = requests.into_iter().map(Request::wait).collect::<Result<Vec<_>>>()?;
        blocker.wait()?;
        let bundles = self.trace.take();
        let holds = |bundle: &BundleRecord, id: u64| bundle.lanes.iter().any(|lane| lane.request == id);
        let ours = || bundles.iter().filter(|bundle| ids.iter().any(|&id| holds(bundle, id)));
        Ok(Ran {
            device_ms: ours().filter_map(|bundle| bundle.gpu).sum::<Nanos>() as f64 / 1e6,
            shared: ids.len() > 1 && ours().any(|bundle| ids.iter().all(|&id| holds(bundle, id))),
            outputs: done.iter().flat_map(|done| done.outputs().map(|(_, tensor)| tensor.clone())).collect(),
        })
    }

    /// As [`Bench::run`], until they share a bundle, or for some times.
    fn run_together(&self, jobs: &[&Job]) -> Result<Ran> {
        let mut ran = self.run(jobs)?;
        for _ in 0..TRIES {
            if ran.shared {
                break;
            }
            ran = self.run(jobs)?;
        }
        Ok(ran)
    }
}

struct Benches {
    apart: Bench,
    together: Bench,
    bundled: Bench,
}

impl Benches {
    fn all(&self) -> [&Bench; 3] {
        [&self.apart, &self.together, &self.bundled]
    }
}

fn chosen(args: &Args) -> Result<Vec<(&'static str, Build)>> {
    let wanted = |name: &str| match &args.kernels[..] {
        [] => !args.common.short || SHORT.contains(&name),
        given => given.iter().any(|given| given == name),
    };
    if let Some(unknown) = args.kernels.iter().find(|given| KERNELS.iter().all(|(name, _)| name != given)) {
        let known: Vec<&str> = KERNELS.iter().map(|(name, _)| *name).collect();
        let what = format!("--kernel {unknown}: the kernels are {}", known.join(", "));
        return Err(Error::new(ErrorKind::Input, what));
    }
    Ok(KERNELS.into_iter().filter(|(name, _)| wanted(name)).collect())
}

pub(super) fn run(args: &Args) -> Result<(Setup, KernelsReport)> {
    let kernels = chosen(args)?;
    let progress = bar((kernels.len() * (kernels.len().max(1) - 1) / 2 * SCALES.len()) as u64, "loading");
    let bench = |policy| Bench::new(args, policy);
    let benches = Benches {
        apart: bench(Policy::TimeOnly)?,
        together: bench(Policy::Together)?,
        bundled: bench(Policy::Bundled)?,
    };
    let mut jobs = Vec::with_capacity(kernels.len());
    for (_, build) in &kernels {
        let at = |scale: usize| {
            let job = |bench: &Bench| Job::new(&bench.runtime, build(scale)?);
            Ok([job(&benches.apart)?, job(&benches.together)?, job(&benches.bundled)?])
        };
        jobs.push(SCALES.into_iter().map(at).collect::<Result<Vec<[Job; 3]>>>()?);
    }
    let mut pairs = Vec::new();
    for (first, (a, _)) in kernels.iter().enumerate() {
        for (second, (b, _)) in kernels.iter().enumerate().skip(first + 1) {
            for (at, scale) in SCALES.into_iter().enumerate() {
                progress.set_message(format!("{a}, {b}"));
                let scale = scale as f64 / SCALES[FIRST] as f64;
                let times = measure(args, &benches, [&jobs[first][FIRST], &jobs[second][at]], &progress)?;
                pairs.push(Pair { a, b, scale, ..times });
            }
        }
    }
    progress.finish_and_clear();
    let summaries = summaries(&pairs);
    Ok((Setup::of(&benches.bundled.runtime), KernelsReport { pairs, summaries }))
}

/// The names and the scale are the caller's to fill in.
fn measure(args: &Args, benches: &Benches, jobs: [&[Job; 3]; 2], progress: &ProgressBar) -> Result<Pair> {
    let of = |bench: usize| [&jobs[0][bench], &jobs[1][bench]];
    let limit = args.common.warm_up();
    for (at, bench) in benches.all().into_iter().enumerate() {
        bench.restart()?;
        let [a, b] = of(at);
        warm_up(&bench.runtime, limit, || {
            for jobs in [&[a][..], &[b], &[a, b]] {
                bench.run(jobs)?;
            }
            Ok(())
        })?;
    }
    let [a, b] = of(2);
    for _ in 0..LEARNING {
        for jobs in [&[a][..], &[b], &[a, b]] {
            benches.bundled.run(jobs)?;
        }
    }
    let (mut alone, mut apart, mut together) = ([Vec::new(), Vec::new()], Vec::new(), Vec::new());
    let rounds = args.common.runs(ROUNDS);
    let mut bundled = 0;
    for _ in 0..rounds {
        let [a, b] = of(0);
        let found = [benches.apart.run(&[a])?, benches.apart.run(&[b])?];
        for (times, ran) in alone.iter_mut().zip(&found) {
            times.push(ran.device_ms);
        }
        let outputs: Vec<Tensor> = found.into_iter().flat_map(|ran| ran.outputs).collect();
        let ran = [benches.apart.run(&of(0))?, benches.together.run_together(&of(1))?, benches.bundled.run(&of(2))?];
        if ran.iter().any(|ran| !same(&ran.outputs, &outputs)) {
            let what = format!("{}: other bits together than alone", progress.message());
            return Err(Error::new(ErrorKind::Internal, what));
        }
        apart.push(ran[0].device_ms);
        together.extend(ran[1].shared.then_some(ran[1].device_ms));
        bundled += u32::from(ran[2].shared);
    }
    progress.inc(1);
    Ok(Pair {
        a: "",
        b: "",
        scale: 1.0,
        a_ms: median(&alone[0]),
        b_ms: median(&alone[1]),
        apart_ms: median(&apart),
        together_ms: (!together.is_empty()).then(|| median(&together)),
        chosen: 2 * bundled > rounds,
    })
}

fn same(a: &[Tensor], b: &[Tensor]) -> bool {
    let equal = |(a, b): (&Tensor, &Tensor)| a.shape() == b.shape() && a.bytes() == b.bytes();
    a.len() == b.len() && a.iter().zip(b).all(equal)
}

fn summaries(pairs: &[Pair]) -> Vec<Summary> {
    let scales = SCALES.map(|scale| Some(scale as f64 / SCALES[FIRST] as f64)).into_iter().chain([None]);
    scales.filter_map(|scale| summary(pairs, scale)).collect()
}

/// Of the pairs of a scale that a pipeline has, or of all.
fn summary(pairs: &[Pair], scale: Option<f64>) -> Option<Summary> {
    let of_scale = |pair: &&Pair| scale.is_none_or(|scale| scale == pair.scale) && pair.together_ms.is_some();
    let pairs: Vec<&Pair> = pairs.iter().filter(of_scale).collect();
    let efficiencies: Vec<f64> = pairs.iter().filter_map(|pair| pair.efficiency()).collect();
    let part = |wanted: fn(&Pair) -> bool| pairs.iter().filter(|pair| wanted(pair)).count() as f64 / pairs.len() as f64;
    let regrets = |choose: fn(&Pair) -> bool| -> Vec<f64> {
        pairs.iter().filter_map(|pair| Pair { chosen: choose(pair), ..(*pair).clone() }.regret()).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    (!pairs.is_empty()).then(|| Summary {
        scale: scale.map_or_else(|| "all".to_owned(), |scale| scale.to_string()),
        pairs: pairs.len(),
        efficiency_median: median(&efficiencies),
        efficiency_worst: efficiencies.iter().copied().fold(f64::INFINITY, f64::min),
        harmed: part(Pair::harmed),
        chosen: part(|pair| pair.chosen),
        chosen_harmed: part(|pair| pair.chosen && pair.harmed()),
        regret: mean(&regrets(|pair| pair.chosen)),
        regret_worst: regrets(|pair| pair.chosen).into_iter().fold(0.0, f64::max),
        regret_always: mean(&regrets(|_| true)),
        regret_never: mean(&regrets(|_| false)),
    })
}

impl KernelsReport {
    pub(super) fn text(&self) -> String {
        use Align::{Left, Right};
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        let header = [
            ("kernels", Left),
            ("size of the second", Right),
            ("first ms", Right),
            ("second ms", Right),
            ("one after the other ms", Right),
            ("bundled ms", Right),
            ("overlap efficiency", Right),
            ("bundled by the scheduler", Right),
            ("regret", Right),
        ];
        let row = |pair: &Pair| {
            let ms = |ms: f64| format!("{ms:.3}");
            let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            vec![
                format!("{}, {}", pair.a, pair.b),
                pair.scale.to_string(),
                ms(pair.a_ms),
                ms(pair.b_ms),
                ms(pair.apart_ms),
                known(pair.together_ms.map(ms)),
                known(pair.efficiency().map(|efficiency| format!("{efficiency:.2}"))),
                if pair.chosen { "yes" } else { "no" }.to_owned(),
                known(pair.regret().map(percent)),
            ]
        };
        let mut text = "\nPairs of kernels, on the device:\n\n".to_owned();
        text += &table::render(&header, &self.pairs.iter().map(row).collect::<Vec<_>>());
        let header = [
            ("size of the second", Left),
            ("pairs", Right),
            ("overlap efficiency, median", Right),
            ("worst", Right),
            ("harmed", Right),
            ("bundled by the scheduler", Right),
            ("though harmed", Right),
            ("regret, mean", Right),
            ("worst", Right),
            ("of always", Right),
            ("of never", Right),
        ];
        let row = |summary: &Summary| {
            vec![
                summary.scale.clone(),
                summary.pairs.to_string(),
                format!("{:.2}", summary.efficiency_median),
                format!("{:.2}", summary.efficiency_worst),
                percent(summary.harmed),
                percent(summary.chosen),
                percent(summary.chosen_harmed),
                percent(summary.regret),
                percent(summary.regret_worst),
                percent(summary.regret_always),
                percent(summary.regret_never),
            ]
        };
        text + "\n" + &table::render(&header, &self.summaries.iter().map(row).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(together_ms: Option<f64>, chosen: bool) -> Pair {
        Pair { a: "a", b: "b", scale: 1.0, a_ms: 1.0, b_ms: 3.0, apart_ms: 4.0, together_ms, chosen }
    }

    #[test]
    fn pairs_are_judged_by_the_better_of_both() {
        let (gains, harmed) = (pair(Some(3.5), false), pair(Some(5.0), true));
        assert_eq!((gains.efficiency(), harmed.efficiency()), (Some(0.5), Some(-1.0)));
        assert_eq!((gains.harmed(), harmed.harmed()), (false, true));
        assert!((gains.regret().unwrap() - 0.5 / 3.5).abs() < 1e-9);
        assert_eq!(harmed.regret(), Some(0.25));
        assert_eq!(pair(None, false).regret(), None);
        let all = summary(&[gains, harmed, pair(None, false)], None).unwrap();
        assert_eq!((all.pairs, all.harmed, all.chosen, all.chosen_harmed), (2, 0.5, 0.5, 0.5));
        assert_eq!((all.efficiency_median, all.efficiency_worst, all.regret_worst), (-0.25, -1.0, 0.25));
        assert!((all.regret_always - 0.125).abs() < 1e-9 && (all.regret_never - 0.5 / 7.0).abs() < 1e-9);
    }
}
