//! `fascine-bench s4`: independent streams with deadlines, at rising load.

use clap::ValueEnum;
use fascine::error::Result;
use fascine::gpu::HeapLayout;
use fascine::schedule::{self, Class, Nanos};
use fascine_bench::simulator::Arrivals;
use indicatif::ProgressBar;
use serde::Serialize;

use super::Common;
use super::arm::Arm;
use super::batch::Batching;
use super::load::{self, Rules, Served, Source, Stream};
use super::rig::{BatchReport, PASS, Rig, Setup, StreamReport, millis, quantile, rules};
use super::tenants::Wanted;
use super::{s4_report, s4_simulated};
use crate::progress::bar;
use crate::{Answer, chrome};

/// Seconds of a run, and runs of each point: short and full.
const SECONDS: [f64; 2] = [2.0, 30.0];
const RUNS: [u32; 2] = [1, 5];
const LOADS: [&[f64]; 2] = [&[0.4, 0.7, 1.0, 1.5], &[0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5]];
const DEADLINES: [&[f64]; 2] = [&[3.0], &[1.5, 2.0, 3.0, 5.0, 10.0]];
/// Part of a run whose arrivals do not count: until queues are as long as the load makes them.
const RAMP: f64 = 0.2;
/// Seconds of work, by the times alone, that the capacity is measured with.
const CAPACITY: f64 = 2.0;
const MAX_CAPACITY_REQUESTS: f64 = 100_000.0;
/// The load at which the batching arm's settings are tried, and arms are warmed up.
const TRIAL: f64 = 1.0;
/// Windows, in parts of the shortest time alone, and largest batches that the batching arm chooses from.
const WINDOWS: [f64; 2] = [0.0, 0.5];
const LARGEST: [usize; 2] = [4, 8];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A model and how many copies of it, a stream each; may be given several times
    #[arg(long = "model", value_name = "MODEL[:COPIES]", default_values = ["lstm_vad:4", "minilm:4"])]
    models: Vec<Wanted>,
    /// Offered loads, in parts of the capacity of time-only
    #[arg(long, value_name = "L,..", value_delimiter = ',', value_parser = super::parse_positive)]
    load: Vec<f64>,
    /// Deadlines, in the model's median alone
    #[arg(long, value_name = "K,..", value_delimiter = ',', value_parser = super::parse_positive)]
    k: Vec<f64>,
    /// Coefficient of variation of the gaps between arrivals: Gamma, or Poisson if it is 1
    #[arg(long, value_name = "CV", default_value = "1", value_parser = parse_cv)]
    cv: f64,
    /// Exponent of Zipf's law by which streams are asked; 0 asks all alike
    #[arg(long, value_name = "S", default_value = "0", value_parser = parse_zipf)]
    zipf: f64,
    /// What becomes of requests that cannot keep their deadlines, where these are known
    #[arg(long, value_enum, default_value_t = Admission::RunLate)]
    admission: Admission,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    simulated: s4_simulated::Simulated,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Admission {
    RunLate,
    DropLate,
    Reject,
}

impl From<Admission> for schedule::Admission {
    fn from(admission: Admission) -> Self {
        match admission {
            Admission::RunLate => schedule::Admission::RunLate,
            Admission::DropLate => schedule::Admission::DropLate,
            Admission::Reject => schedule::Admission::RejectPredictedMiss,
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    #[serde(flatten)]
    pub(super) setup: Setup,
    pub(super) seed: u64,
    pub(super) runs: u32,
    pub(super) seconds: f64,
    pub(super) cv: f64,
    pub(super) zipf: f64,
    pub(super) admission: Admission,
    pub(super) streams: Vec<StreamReport>,
    /// Requests per second of this mix under time-only, all of them there at once.
    pub(super) capacity_per_s: f64,
    pub(super) loads: Vec<f64>,
    pub(super) k: Vec<f64>,
    pub(super) arms: Vec<ArmReport>,
}

#[derive(Serialize)]
pub(super) struct ArmReport {
    pub(super) arm: &'static str,
    #[serde(skip)]
    pub(super) baseline: bool,
    /// What the batching arm chose.
    pub(super) batch: Option<BatchReport>,
    pub(super) points: Vec<Point>,
    pub(super) by_k: Vec<Summary>,
}

/// An arm at a load and a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Point {
    pub(super) k: f64,
    pub(super) load: f64,
    pub(super) issued: usize,
    /// In time over issued.
    pub(super) attainment: f64,
    pub(super) goodput_per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// An arm at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) k: f64,
    /// The highest load with an attainment of at least 99 %, there and below; 0 if there is none.
    pub(super) capacity_at_99: f64,
    pub(super) peak_goodput_per_s: f64,
    /// Goodput at the highest load over its peak.
    pub(super) goodput_kept: f64,
}

struct Scenario<'a> {
    args: &'a Args,
    rig: Rig,
    /// By tenant.
    alone: Vec<Nanos>,
    /// By tenant, 1 in all.
    shares: Vec<f64>,
    capacity: f64,
    loads: Vec<f64>,
    k: Vec<f64>,
    until: Nanos,
    runs: u32,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    if args.simulated.simulated {
        return s4_simulated::run(&args.simulated, &args.common, json);
    }
    let arms = args.common.arms();
    let progress = bar(arms.len() as u64 + 1, "loading and compiling");
    let mut scenario = Scenario::new(args)?;
    progress.inc(1);
    let mut reports = Vec::new();
    for &arm in &arms {
        progress.set_message(format!("{}: loading and compiling", arm.name()));
        let shared = scenario.rig.enter(&args.common, &args.models, arm)?;
        reports.push(scenario.measure(&progress, arm)?);
        scenario.rig.leave(shared);
        progress.inc(1);
    }
    progress.finish_and_clear();
    if let Some(path) = &args.common.trace {
        chrome::write(path, &scenario.rig.watch.take_records())?;
    }
    let report = scenario.report(reports);
    Ok(if json { Answer::json(&report) } else { Answer::text(s4_report::text(&report)) })
}

impl<'a> Scenario<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let mut rig = Rig::new(&args.common, &args.models, HeapLayout::Shared)?;
        let alone = rig.alone()?;
        let weights: Vec<f64> = (1..=alone.len()).map(|rank| (rank as f64).powf(-args.zipf)).collect();
        let sum: f64 = weights.iter().sum();
        let or = |given: &[f64], [short, full]: [&[f64]; 2]| {
            let mut values = match given {
                [] if args.common.short => short.to_vec(),
                [] => full.to_vec(),
                given => given.to_vec(),
            };
            values.sort_by(f64::total_cmp);
            values.dedup();
            values
        };
        let mut scenario = Scenario {
            shares: weights.iter().map(|weight| weight / sum).collect(),
            capacity: 0.0,
            loads: or(&args.load, LOADS),
            k: or(&args.k, DEADLINES),
            until: args.common.nanos(SECONDS),
            runs: args.common.runs(RUNS),
            args,
            rig,
            alone,
        };
        scenario.capacity = scenario.measure_capacity()?;
        let highest = scenario.loads.iter().copied().fold(TRIAL, f64::max);
        load::check_size(highest * scenario.capacity, scenario.until)?;
        Ok(scenario)
    }

    /// Requests per second of the mix, one at a time, when all of them are there at once.
    fn measure_capacity(&mut self) -> Result<f64> {
        self.rig.set(Arm::TimeOnly)?;
        let mean: f64 = self.shares.iter().zip(&self.alone).map(|(share, &alone)| share * alone as f64 / 1e9).sum();
        let total = (CAPACITY / mean.max(1e-9)).min(MAX_CAPACITY_REQUESTS);
        let stream = |(tenant, share): (usize, &f64)| {
            let count = (total * share).round().max(1.0) as usize;
            Stream { tenant, source: Source::Open(vec![0; count]), deadline: None, class: Class::Normal }
        };
        let streams: Vec<Stream> = self.shares.iter().enumerate().map(stream).collect();
        let served = self.rig.drive(&streams, Rules::default(), 0)?;
        let last = served.iter().filter_map(Served::done).max().unwrap_or(0);
        Ok(served.len() as f64 * 1e9 / last.max(1) as f64)
    }

    /// Streams at a load; with deadlines if `k` is given.
    fn streams(&self, load: f64, k: Option<f64>, run: u32, until: Nanos) -> Vec<Stream> {
        let stream = |(tenant, (share, &alone)): (usize, (&f64, &Nanos))| {
            let rate = load * self.capacity * share;
            let arrivals = match self.args.cv {
                1.0 => Arrivals::Poisson { rate },
                cv => Arrivals::Gamma { rate, cv },
            };
            // The same arrivals for every arm and deadline.
            let seed = self.args.common.seed << 32 | u64::from(run) << 16 | tenant as u64;
            let source = Source::Open(arrivals.times(seed, until));
            Stream { tenant, source, deadline: k.map(|k| (k * alone as f64) as Nanos), class: Class::Normal }
        };
        self.shares.iter().zip(&self.alone).enumerate().map(stream).collect()
    }

    fn measure(&mut self, progress: &ProgressBar, arm: Arm) -> Result<ArmReport> {
        progress.set_message(format!("{}: warming up", arm.name()));
        self.rig.set(arm)?;
        let middle = self.k[self.k.len() / 2];
        let batching = self.choose_batching(progress, arm, middle)?;
        let rules = rules(arm, self.args.admission.into(), batching);
        let k = arm.knows_deadlines().then_some(middle);
        let pass = PASS.min(self.until);
        self.rig.warm_up(&self.streams(TRIAL, k, 0, pass), rules, pass)?;
        let mut points = Vec::new();
        // Deadlines that nobody knows of change nothing: one run tells for all.
        let known: Vec<Option<f64>> =
            if arm.knows_deadlines() { self.k.iter().copied().map(Some).collect() } else { vec![None] };
        for k in known {
            for load in self.loads.clone() {
                let mut served = Vec::new();
                for run in 0..self.runs {
                    let what = k.map_or(String::new(), |k| format!(", k {k}"));
                    progress.set_message(format!("{}: load {load}{what}, run {}", arm.name(), run + 1));
                    self.rig.watch.restart(self.args.common.trace.is_some());
                    served.extend(self.rig.drive(&self.streams(load, k, run, self.until), rules, self.until)?);
                }
                let ks = k.map_or_else(|| self.k.clone(), |k| vec![k]);
                points.extend(ks.into_iter().map(|k| self.point(k, load, self.runs, self.until, &served)));
            }
        }
        let by_k = self.k.iter().map(|&k| summary(k, &points)).collect();
        Ok(ArmReport {
            arm: arm.name(),
            baseline: arm.is_baseline(),
            batch: (arm == Arm::Batching).then(|| BatchReport::of(batching)),
            points,
            by_k,
        })
    }

    /// Of the windows and largest batches the one that keeps the most deadlines at the trial's load.
    fn choose_batching(&mut self, progress: &ProgressBar, arm: Arm, k: f64) -> Result<Batching> {
        let shortest = self.alone.iter().copied().min().unwrap_or(0);
        let mut best = (Batching { window: 0, largest: LARGEST[0] }, -1.0);
        if arm != Arm::Batching {
            return Ok(best.0);
        }
        let largest = if self.args.common.short { &LARGEST[1..] } else { &LARGEST[..] };
        self.rig.warm_batches(LARGEST[1])?;
        for (&window, &largest) in WINDOWS.iter().flat_map(|window| largest.iter().map(move |size| (window, size))) {
            let batching = Batching { window: (shortest as f64 * window) as Nanos, largest };
            progress.set_message(format!("{}: trying {} ms, {largest}", arm.name(), millis(batching.window)));
            let rules = rules(arm, self.args.admission.into(), batching);
            let served = self.rig.drive(&self.streams(TRIAL, None, 0, self.until), rules, self.until)?;
            let attainment = self.point(k, TRIAL, 1, self.until, &served).attainment;
            if attainment > best.1 {
                best = (batching, attainment);
            }
        }
        Ok(best.0)
    }

    fn point(&self, k: f64, load: f64, runs: u32, until: Nanos, served: &[Served]) -> Point {
        let ramp = (until as f64 * RAMP) as Nanos;
        let counted: Vec<&Served> = served.iter().filter(|served| served.scheduled >= ramp).collect();
        let kept = |served: &&&Served| served.within((k * self.alone[served.stream] as f64) as Nanos);
        let in_time = counted.iter().filter(kept).count();
        let mut latencies: Vec<Nanos> = counted.iter().filter_map(|served| served.latency).collect();
        latencies.sort_unstable();
        let seconds = f64::from(runs) * (until - ramp) as f64 / 1e9;
        Point {
            k,
            load,
            issued: counted.len(),
            attainment: if counted.is_empty() { 1.0 } else { in_time as f64 / counted.len() as f64 },
            goodput_per_s: in_time as f64 / seconds,
            p50_ms: millis(quantile(&latencies, 0.5)),
            p99_ms: millis(quantile(&latencies, 0.99)),
        }
    }

    fn report(&self, arms: Vec<ArmReport>) -> Report {
        Report {
            scenario: "s4",
            setup: self.rig.setup(),
            seed: self.args.common.seed,
            runs: self.runs,
            seconds: self.until as f64 / 1e9,
            cv: self.args.cv,
            zipf: self.args.zipf,
            admission: self.args.admission,
            streams: StreamReport::of(&self.rig.tenants, &self.alone),
            capacity_per_s: self.capacity,
            loads: self.loads.clone(),
            k: self.k.clone(),
            arms,
        }
    }
}

fn parse_cv(text: &str) -> std::result::Result<f64, String> {
    super::parse_within(text, 0.1..=16.0)
}

fn parse_zipf(text: &str) -> std::result::Result<f64, String> {
    super::parse_within(text, 0.0..=10.0)
}

/// What an arm's points at a deadline come to; they are in order of load.
pub(super) fn summary(k: f64, points: &[Point]) -> Summary {
    let own: Vec<&Point> = points.iter().filter(|point| point.k == k).collect();
    let peak = own.iter().map(|point| point.goodput_per_s).fold(0.0, f64::max);
    let last = own.last().map_or(0.0, |point| point.goodput_per_s);
    Summary {
        k,
        capacity_at_99: own.iter().take_while(|point| point.attainment >= 0.99).last().map_or(0.0, |point| point.load),
        peak_goodput_per_s: peak,
        goodput_kept: if peak > 0.0 { last / peak } else { 0.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_ends_at_the_first_load_that_misses() {
        let point = |load, attainment, goodput_per_s| Point {
            k: 3.0,
            load,
            issued: 100,
            attainment,
            goodput_per_s,
            p50_ms: 0.0,
            p99_ms: 0.0,
        };
        let points = [point(0.5, 1.0, 50.0), point(0.8, 0.99, 79.0), point(1.0, 0.9, 90.0), point(1.2, 0.995, 45.0)];
        let expected = Summary { k: 3.0, capacity_at_99: 0.8, peak_goodput_per_s: 90.0, goodput_kept: 0.5 };
        assert_eq!(summary(3.0, &points), expected);
        let none = Summary { k: 2.0, capacity_at_99: 0.0, peak_goodput_per_s: 0.0, goodput_kept: 0.0 };
        assert_eq!(summary(2.0, &points), none);
    }
}
