//! `fascine-bench ablate`: what each rule of the scheduler is worth on a virtual device that does not obey its cost formula.

use std::path::PathBuf;
use std::sync::Arc;

use fascine::error::{Error, ErrorKind, Result};
use fascine::schedule::{Admission, Class, Coalesce, DeviceModel, HoldBack, Nanos, Options, Order, Policy};
use fascine_bench::simulator::{Arrivals, Front, Law, Rated, Scenario, Straggle, Stream, simulate};
use serde::Serialize;

use super::virtual_zoo::{Virtual, spread};
use crate::Answer;
use crate::progress::bar;
use crate::simulate::scenario;
use crate::table::{self, Align};

/// Before the requests that count.
const WARM_UP: Nanos = 500_000_000;
/// Deadlines in medians alone.
const TIMES: f64 = 3.0;
/// Requests of the backlog that capacity is measured by.
const BACKLOG: usize = 1_000;
/// Models that the scenarios name.
const FEWEST: usize = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Runs of each cell, each with a seed of its own
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(2..=1000))]
    seeds: u32,
    /// Requests of a run
    #[arg(long, value_name = "N", default_value_t = 1_500, value_parser = clap::value_parser!(u32).range(100..))]
    requests: u32,
    /// The folder of the models
    #[arg(long, value_name = "DIR", default_value = "tests/zoo")]
    zoo: PathBuf,
    /// A file of `calibrate` with five models at least: they take the times that were measured, on a device of the file's figures
    #[arg(long, value_name = "FILE", conflicts_with_all = ["zoo", "machine"])]
    calibration: Option<PathBuf>,
    /// Only arms whose names contain this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The device
    #[arg(long, value_name = "DEVICE", value_enum, default_value = "desktop")]
    machine: Kind,
}

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// 8 TFLOP/s, 400 GB/s, 192 workgroups resident; the scheduler is told 128
    Desktop,
    /// 50 TFLOP/s, 3 TB/s, 4,096 resident; the scheduler is told 256
    Large,
    /// As large, and the scheduler is told 4,096
    LargeKnown,
    /// Two cores: 20 GFLOP/s, 8 GB/s
    Cpu,
}

impl Kind {
    /// What is true, and what the scheduler is told.
    fn figures(self) -> (Rated, DeviceModel) {
        match self {
            Kind::Desktop => (
                Rated { resident: 192.0, flops: 8e12, bytes: 400e9, bundle: 7_000, lane: 150 },
                DeviceModel {
                    parallelism: 128,
                    flops: 8e12,
                    bytes: 400e9,
                    bundle: 6_000,
                    lane: 100,
                    submission: 15_000,
                },
            ),
            Kind::Large => (
                Rated { resident: 4_096.0, flops: 50e12, bytes: 3e12, bundle: 5_000, lane: 80 },
                DeviceModel::for_parallelism(256),
            ),
            Kind::LargeKnown => (
                Rated { resident: 4_096.0, flops: 50e12, bytes: 3e12, bundle: 5_000, lane: 80 },
                DeviceModel::for_parallelism(4_096),
            ),
            Kind::Cpu => (
                Rated { resident: 4.0, flops: 20e9, bytes: 8e9, bundle: 50_000, lane: 1_500 },
                DeviceModel::for_parallelism(2),
            ),
        }
    }
}

/// A scheduler with or without something.
#[derive(Clone)]
struct Arm {
    name: &'static str,
    change: fn(&mut Options),
}

fn arms() -> Vec<Arm> {
    vec![
        Arm { name: "all rules", change: |_| {} },
        Arm { name: "- coalescing", change: |options| options.coalesce = Coalesce::No },
        Arm { name: "+ hold-back", change: |options| options.hold_back = HoldBack::Yes },
        Arm { name: "arrival order", change: |options| options.order = Order::Arrival },
        Arm { name: "time-only", change: |options| options.policy = Policy::TimeOnly },
        Arm { name: "one-pass", change: |options| options.policy = Policy::OnePass },
    ]
}

/// What is measured, and whether more is better.
const METRICS: [(&str, bool); 19] = [
    ("mix 0.4 in time %", true),
    ("mix 0.7 in time %", true),
    ("mix 1.0 goodput", true),
    ("mix 1.5 goodput", true),
    ("mix 3 goodput", true),
    ("mix 6 goodput", true),
    ("bursts 0.5 in time %", true),
    ("bursts 1.5 goodput", true),
    ("urgent p99 x alone", false),
    ("best effort /s, rel.", true),
    ("waited for p99 x alone", false),
    ("its best effort /s", true),
    ("32 tenants in time %", true),
    ("32 tenants goodput", true),
    ("32 tenants with slack", true),
    ("clients in time %", true),
    ("backlog, rel.", true),
    ("straggler's victims %", true),
    ("periodic in time %", true),
];

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    simulated: bool,
    machine: String,
    seeds: u32,
    metrics: Vec<&'static str>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    arm: &'static str,
    /// By metric: the mean (of the first row), or the mean difference from the first row.
    mean: Vec<f64>,
    /// The standard error of it.
    error: Vec<f64>,
    /// By seed, then metric.
    values: Vec<Vec<f64>>,
}

struct Bench {
    base: Scenario,
    tenants: Vec<Stream>,
    requests: u32,
    /// By seed, as kernels differ.
    known: Vec<Known>,
}

/// What is measured first: by tenant its median alone, and the requests a second of a backlog, one after the other.
#[derive(Default)]
struct Known {
    alone: Vec<Nanos>,
    load_1: f64,
}

impl Bench {
    fn scenario(&self, arm: &Arm, seed: u64) -> Scenario {
        let mut scenario = Scenario { warm_up: WARM_UP, seed, ..self.base.clone() };
        (arm.change)(&mut scenario.options);
        scenario
    }

    fn mix(&self, arm: &Arm, seed: u64, load: f64, cv: f64) -> (f64, f64) {
        let Known { alone, load_1 } = &self.known[seed as usize];
        let rate = load * load_1 / self.tenants.len() as f64;
        let mut scenario = self.scenario(arm, seed);
        scenario.duration = WARM_UP + (f64::from(self.requests) / (load * load_1) * 1e9) as Nanos;
        let tenants = self.tenants.iter().zip(alone);
        scenario.streams = tenants
            .map(|(tenant, &alone)| {
                let arrivals = if cv > 0.0 { Arrivals::Gamma { rate, cv } } else { Arrivals::Poisson { rate } };
                let deadline = Some((alone as f64 * TIMES) as Nanos);
                Stream { arrivals, deadline, admission: Admission::DropLate, ..tenant.clone() }
            })
            .collect();
        let total = simulate(&scenario).total;
        (100.0 * total.attainment(), total.in_time as f64 * 1e9 / (scenario.duration - WARM_UP) as f64 / load_1)
    }

    /// A stream that someone waits for beside best effort that never ends.
    fn urgent(&self, arm: &Arm, seed: u64, times: Option<Nanos>) -> (f64, f64) {
        let mut scenario = self.scenario(arm, seed);
        let alone = self.known[seed as usize].alone[0];
        scenario.duration = WARM_UP + (600.0 * alone as f64 * 4.0) as Nanos;
        let urgent = Stream {
            arrivals: Arrivals::Poisson { rate: 0.25e9 / alone as f64 },
            deadline: times.map(|times| times * alone),
            class: Class::Interactive,
            ..self.tenants[0].clone()
        };
        scenario.streams = std::iter::once(urgent)
            .chain(self.tenants[1..5].iter().map(|tenant| Stream {
                arrivals: Arrivals::Closed { outstanding: 2 },
                class: Class::Background,
                ..tenant.clone()
            }))
            .collect();
        let report = simulate(&scenario);
        let rest: f64 = report.streams[1..]
            .iter()
            .zip(&self.known[seed as usize].alone[1..])
            .map(|(stream, &alone)| stream.completed as f64 * alone as f64)
            .sum();
        (report.streams[0].latency(0.99) as f64 / alone as f64, rest / report.span.max(1) as f64)
    }

    /// Many tenants of one small model, each with a plan of its own (or, as `clients`, all with one).
    fn tenants(&self, arm: &Arm, seed: u64, clients: bool, (load, times): (f64, f64)) -> (f64, f64) {
        let (small, alone) = (&self.tenants[1], self.known[seed as usize].alone[1]);
        let count: u32 = 32;
        let rate = load / (alone as f64 / 1e9) / f64::from(count);
        let mut scenario = self.scenario(arm, seed);
        scenario.duration = WARM_UP + (f64::from(self.requests) / (rate * f64::from(count)) * 1e9) as Nanos;
        scenario.streams = (0..count)
            .map(|tenant| {
                let plan = if clients {
                    small.plan.clone()
                } else {
                    let mut plan = (*small.plan).clone();
                    plan.model = fascine::schedule::ModelId(1_000 + u64::from(tenant));
                    plan.dispatches.iter_mut().for_each(|dispatch| dispatch.coalesce = None);
                    Arc::new(plan)
                };
                Stream {
                    plan,
                    arrivals: Arrivals::Poisson { rate },
                    deadline: Some((alone as f64 * times) as Nanos),
                    admission: Admission::DropLate,
                    ..small.clone()
                }
            })
            .collect();
        let total = simulate(&scenario).total;
        let per_s = total.in_time as f64 * 1e9 / (scenario.duration - WARM_UP) as f64;
        (100.0 * total.attainment(), per_s * alone as f64 / 1e9)
    }

    fn backlog(&self, arm: &Arm, seed: u64) -> f64 {
        let mut scenario = self.scenario(arm, seed);
        scenario.duration = Nanos::MAX;
        scenario.streams = self
            .tenants
            .iter()
            .map(|tenant| {
                let count = BACKLOG / self.tenants.len();
                let times: Arc<[Nanos]> = std::iter::once(0).chain(std::iter::repeat_n(WARM_UP, count)).collect();
                Stream { arrivals: Arrivals::Trace(times), ..tenant.clone() }
            })
            .collect();
        simulate(&scenario).throughput()
    }

    /// Those in time beside one that takes eight times as long.
    fn victims(&self, arm: &Arm, seed: u64) -> f64 {
        let Known { alone, load_1 } = &self.known[seed as usize];
        let rate = 0.3 * load_1 / self.tenants.len() as f64;
        let mut scenario = self.scenario(arm, seed);
        scenario.duration = WARM_UP + (f64::from(self.requests) / (0.3 * load_1) * 1e9) as Nanos;
        scenario.streams = self
            .tenants
            .iter()
            .zip(alone)
            .enumerate()
            .map(|(index, (tenant, &alone))| Stream {
                arrivals: Arrivals::Poisson { rate },
                deadline: Some((alone as f64 * TIMES) as Nanos),
                straggle: (index == 3).then_some(Straggle { from: WARM_UP, until: Nanos::MAX, factor: 8.0 }),
                ..tenant.clone()
            })
            .collect();
        let report = simulate(&scenario);
        let (mut came, mut kept) = (0, 0);
        for (_, stream) in report.streams.iter().enumerate().filter(|(index, _)| *index != 3) {
            came += stream.arrived;
            kept += stream.in_time;
        }
        100.0 * kept as f64 / came.max(1) as f64
    }

    /// Steady beats, deadlines at the next one.
    fn periodic(&self, arm: &Arm, seed: u64) -> f64 {
        let mut scenario = self.scenario(arm, seed);
        let share = 0.7 / self.tenants.len() as f64;
        scenario.duration = WARM_UP;
        let rate_of = |alone: Nanos| share * 1e9 / alone as f64;
        let alone = &self.known[seed as usize].alone;
        let all: f64 = alone.iter().map(|&alone| rate_of(alone)).sum();
        scenario.duration += (f64::from(self.requests) / all * 1e9) as Nanos;
        scenario.streams = self
            .tenants
            .iter()
            .zip(alone)
            .map(|(tenant, &alone)| Stream {
                arrivals: Arrivals::Periodic { rate: rate_of(alone) },
                deadline: Some((alone as f64 * 2.0) as Nanos),
                ..tenant.clone()
            })
            .collect();
        100.0 * simulate(&scenario).total.attainment()
    }

    /// By metric.
    fn measure(&self, arm: &Arm, seed: u64) -> Vec<f64> {
        let (mix_4, _) = self.mix(arm, seed, 0.4, 0.0);
        let (mix_7, _) = self.mix(arm, seed, 0.7, 0.0);
        let (_, mix_10) = self.mix(arm, seed, 1.0, 0.0);
        let (_, mix_15) = self.mix(arm, seed, 1.5, 0.0);
        let (_, mix_30) = self.mix(arm, seed, 3.0, 0.0);
        let (_, mix_60) = self.mix(arm, seed, 6.0, 0.0);
        let (bursts, _) = self.mix(arm, seed, 0.5, 4.0);
        let (_, bursts_15) = self.mix(arm, seed, 1.5, 4.0);
        let (p99, best_effort) = self.urgent(arm, seed, Some(2));
        let (waited, its_best_effort) = self.urgent(arm, seed, None);
        let (tenants, _) = self.tenants(arm, seed, false, (1.0, TIMES));
        let (_, tenants_2) = self.tenants(arm, seed, false, (3.0, TIMES));
        let (_, slack) = self.tenants(arm, seed, false, (6.0, 12.0));
        let (clients, _) = self.tenants(arm, seed, true, (1.5, TIMES));
        vec![
            mix_4,
            mix_7,
            mix_10,
            mix_15,
            mix_30,
            mix_60,
            bursts,
            bursts_15,
            p99,
            best_effort,
            waited,
            its_best_effort,
            tenants,
            tenants_2,
            slack,
            clients,
            self.backlog(arm, seed) / self.known[seed as usize].load_1,
            self.victims(arm, seed),
            self.periodic(arm, seed),
        ]
    }
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    let mut machine = Virtual::open(&args.zoo, args.calibration.as_deref())?;
    let (rated, told) = match &args.calibration {
        None => args.machine.figures(),
        Some(file) => {
            if machine.models.len() < FEWEST {
                let what = format!("{} models; at least {FEWEST} are needed", machine.models.len());
                return Err(Error::new(ErrorKind::Input, what).in_file(file));
            }
            let told = machine.device.model;
            let DeviceModel { parallelism, flops, bytes, bundle, lane, .. } = told;
            (Rated { resident: f64::from(parallelism), flops, bytes, bundle, lane }, told)
        }
    };
    machine.device.model = told;
    machine.device.law = Law::Machine(rated);
    let mut base = machine.scenario(0);
    base.device.law = Law::Machine(rated);
    base.front = Front::Direct;
    let mut tenants = Vec::new();
    for model in 0..machine.models.len() {
        tenants.push(machine.models[model].stream(model as u32, &mut machine.kernels)?);
    }
    let seeds = args.seeds as usize;
    let mut bench = Bench { base, tenants, requests: args.requests, known: Vec::new() };
    let time_only = Arm { name: "", change: |options| options.policy = Policy::TimeOnly };
    bench.known = spread(seeds, |seed| {
        let base = Scenario { seed: seed as u64, ..bench.base.clone() };
        let alone = bench.tenants.iter().map(|tenant| scenario::alone(&base, tenant.clone()).max(1)).collect();
        Known { alone, load_1: bench.backlog(&time_only, seed as u64) }
    });
    let mut arms = arms();
    arms.retain(|arm| {
        arm.name == "all rules" || args.only.as_ref().is_none_or(|only| arm.name.contains(only.as_str()))
    });
    let progress = bar((arms.len() * seeds) as u64, "simulating");
    let all = spread(arms.len() * seeds, |at| {
        let values = bench.measure(&arms[at / seeds], (at % seeds) as u64);
        progress.inc(1);
        values
    });
    progress.finish_and_clear();
    let full = &all[..seeds];
    let rows = arms.iter().zip(all.chunks(seeds)).enumerate().map(|(index, (arm, values))| {
        let of = |metric: usize| {
            let differences: Vec<f64> = values
                .iter()
                .zip(full)
                .map(|(own, full)| own[metric] - if index == 0 { 0.0 } else { full[metric] })
                .collect();
            let mean = differences.iter().sum::<f64>() / seeds as f64;
            let variance = differences.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (seeds - 1) as f64;
            (mean, (variance / seeds as f64).sqrt())
        };
        let (mean, error) = (0..METRICS.len()).map(of).unzip();
        Row { arm: arm.name, mean, error, values: values.to_vec() }
    });
    let report = Report {
        simulated: true,
        machine: if args.calibration.is_some() { machine.label } else { format!("{:?}", args.machine) },
        seeds: args.seeds,
        metrics: METRICS.iter().map(|(name, _)| *name).collect(),
        rows: rows.collect(),
    };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

fn text(report: &Report) -> String {
    let mut header = vec![("arm", Align::Left)];
    header.extend(METRICS.map(|(name, _)| (name, Align::Right)));
    let row = |(index, row): (usize, &Row)| {
        let mut cells = vec![row.arm.to_owned()];
        cells.extend(row.mean.iter().zip(&row.error).zip(METRICS).map(|((mean, error), (_, more))| {
            if index == 0 {
                return format!("{mean:.3} ± {error:.3}");
            }
            let worse = if more { -mean } else { *mean };
            let mark = match worse / error.max(1e-9) {
                far if far > 3.0 => " worse",
                far if far < -3.0 => " better",
                _ => "",
            };
            format!("{mean:+.3} ± {error:.3}{mark}")
        }));
        cells
    };
    let mut text =
        format!("simulated, device {}, {} seeds; differences from all rules\n", report.machine, report.seeds);
    text += &table::render(&header, &report.rows.iter().enumerate().map(row).collect::<Vec<_>>());
    text
}
