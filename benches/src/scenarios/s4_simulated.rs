//! `fascine-bench s4 --simulated`: the deadline sweep on a virtual device.

use std::path::PathBuf;
use std::sync::Arc;

use fascine::error::Result;
use fascine::schedule::{Admission, HoldBack, Nanos, Options, Order, Policy};
use fascine_bench::simulator::{Arrivals, Front, Scenario, Stream, simulate};
use indicatif::ProgressBar;
use serde::Serialize;

use super::Common;
use super::virtual_zoo::{Virtual, spread};
use crate::Answer;
use crate::progress::bar;
use crate::table::{self, Align};

/// Deadlines in medians alone.
const TIMES: [f64; 5] = [1.5, 2.0, 3.0, 5.0, 10.0];
/// Those of the headline.
const HEADLINE: f64 = 3.0;
/// Before the requests that count: the time to compile and to learn.
const WARM_UP: Nanos = 500_000_000;
/// Halvings of the interval of loads that holds a capacity, and the interval: to about a thirtieth, whatever the load.
const STEPS: usize = 8;
const INTERVAL: (f64, f64) = (0.0005, 2.0);
/// Requests of the backlog by which capacity is measured.
const BACKLOG: usize = 2_000;
/// Delay windows of the batching baseline, in microseconds, and its largest batch; the best window counts.
const WINDOWS: [u64; 3] = [0, 1_000, 4_000];
const BATCH: u32 = 16;

#[derive(Debug, clap::Args)]
pub(crate) struct Simulated {
    /// Run on a virtual device: all arms, loads and deadlines, for eight kinds of arrivals, or two if short
    #[arg(long)]
    pub(crate) simulated: bool,
    /// A file of `fascine-bench calibrate`: its device and models in place of the default GPU and the zoo
    #[arg(long, value_name = "FILE.toml", requires = "simulated")]
    calibration: Option<PathBuf>,
    /// Simulated requests of a run, in addition to those that warm up
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..))]
    requests: u32,
}

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    /// Coefficient of variation of the gaps; 0 is Poisson.
    cv: f64,
    zipf: f64,
}

impl Cell {
    fn name(self) -> String {
        let process = if self.cv > 0.0 { format!("Gamma CV {}", self.cv) } else { "Poisson".to_owned() };
        format!("{process}, {}", if self.zipf > 0.0 { "Zipf(1)" } else { "uniform" })
    }
}

const CELLS: [Cell; 8] = [
    Cell { cv: 0.0, zipf: 0.0 },
    Cell { cv: 4.0, zipf: 1.0 },
    Cell { cv: 2.0, zipf: 0.0 },
    Cell { cv: 4.0, zipf: 0.0 },
    Cell { cv: 8.0, zipf: 0.0 },
    Cell { cv: 0.0, zipf: 1.0 },
    Cell { cv: 2.0, zipf: 1.0 },
    Cell { cv: 8.0, zipf: 1.0 },
];

/// A way to run requests.
#[derive(Clone, Copy, Debug)]
struct Arm {
    name: &'static str,
    policy: Policy,
    front: Front,
    order: Order,
    hold_back: HoldBack,
    admission: Admission,
    /// Kernels of a merged pipeline, where it is not the default.
    max_kernels: Option<usize>,
}

const fn baseline(name: &'static str, policy: Policy, front: Front) -> Arm {
    Arm {
        name,
        policy,
        front,
        order: Order::Arrival,
        hold_back: HoldBack::No,
        admission: Admission::RunLate,
        max_kernels: None,
    }
}

const fn batching(window: u64) -> Arm {
    baseline("B4 batching", Policy::TimeOnly, Front::Batching { window: window * 1_000, most: BATCH })
}

const BUNDLED: Arm = baseline("O1 bundled", Policy::Bundled, Front::Direct);
const DEADLINES: Arm =
    Arm { name: "O2 + deadlines", order: Order::EarliestDeadline, admission: Admission::DropLate, ..BUNDLED };

/// Arms of one name are variants of which the best counts.
const ARMS: [Arm; 12] = [
    baseline("B1 time-only", Policy::TimeOnly, Front::Direct),
    baseline("B2 space-only", Policy::OnePass, Front::SpaceOnly),
    baseline("B3 one-pass", Policy::OnePass, Front::Direct),
    batching(WINDOWS[0]),
    batching(WINDOWS[1]),
    batching(WINDOWS[2]),
    BUNDLED,
    DEADLINES,
    Arm { name: "O3 + hold-back", hold_back: HoldBack::Yes, ..DEADLINES },
    Arm { name: "O2, 64 kernels", max_kernels: Some(64), ..DEADLINES },
    Arm { name: "O2, rejecting", admission: Admission::RejectPredictedMiss, ..DEADLINES },
    Arm { name: "O2, both", max_kernels: Some(64), admission: Admission::RejectPredictedMiss, ..DEADLINES },
];
const NAMES: [&str; 10] = [
    "B1 time-only",
    "B2 space-only",
    "B3 one-pass",
    "B4 batching",
    "O1 bundled",
    "O2 + deadlines",
    "O3 + hold-back",
    "O2, 64 kernels",
    "O2, rejecting",
    "O2, both",
];
/// Of the names, the first so many are baselines, and this is the full system as it is by default.
const BASELINES: usize = 4;
const SYSTEM: usize = 5;

/// What `--json` prints. All figures are simulated.
#[derive(Serialize)]
struct Report {
    simulated: bool,
    device: String,
    seed: u64,
    requests: u32,
    models: Vec<ModelReport>,
    capacities: Vec<CapacityReport>,
    capacity_99: Vec<Row>,
    goodput: Vec<Goodput>,
}

#[derive(Serialize)]
struct ModelReport {
    model: String,
    dispatches: usize,
    gflop: f64,
    alone_ms: f64,
}

/// Requests a second with which a backlog is worked off, by arm. Load 1 is the largest of a baseline's.
#[derive(Serialize)]
struct CapacityReport {
    zipf: f64,
    per_s: Vec<f64>,
    load_1_per_s: f64,
}

#[derive(Serialize)]
struct Row {
    arrivals: String,
    deadline_x: f64,
    /// By arm, as a part of load 1.
    load: Vec<f64>,
    /// The default system's over the best baseline's; none if no baseline keeps 99 % at any load.
    gain: Option<f64>,
}

/// At deadlines of three medians, Poisson, uniform.
#[derive(Serialize)]
struct Goodput {
    arm: &'static str,
    /// By load from 0.2 to 1.5, requests in time over those that load 1 offers.
    by_load: Vec<f64>,
    /// Goodput at load 1.5 over its peak.
    held: f64,
}

fn loads() -> Vec<f64> {
    (2..=15).map(|tenths| f64::from(tenths) / 10.0).collect()
}

/// What every run draws on.
struct Sweep {
    base: Scenario,
    /// By model, without arrivals and deadlines.
    tenants: Vec<Stream>,
    alone: Vec<Nanos>,
    requests: u32,
    /// Requests a second at load 1, uniform and by Zipf's law.
    load_1: [f64; 2],
}

pub(crate) fn run(args: &Simulated, common: &Common, json: bool) -> Result<Answer> {
    let progress = bar(0, "planning");
    let mut machine = Virtual::open(&common.zoo, args.calibration.as_deref())?;
    let seed = common.seed;
    let count = TENANTS.max(machine.models.len());
    let mut tenants = Vec::with_capacity(count);
    let mut alone = Vec::with_capacity(count);
    for at in 0..count {
        let model = at % machine.models.len();
        alone.push(machine.alone(model, seed)?);
        tenants.push(machine.models[model].stream(at as u32, &mut machine.kernels)?);
    }
    let base = machine.scenario(seed);
    let mut sweep = Sweep { base, tenants, alone, requests: args.requests, load_1: [1.0; 2] };
    let capacities = sweep.measure_load_1();
    let cells = if common.short { &CELLS[..2] } else { &CELLS[..] };
    let times = if common.short { &[HEADLINE][..] } else { &TIMES[..] };
    progress.set_length((cells.len() * times.len() * ARMS.len() + loads().len() * ARMS.len()) as u64);
    progress.set_message("simulating");
    let models = machine.models.iter().zip(&sweep.alone).map(|(model, &alone)| ModelReport {
        model: model.name.clone(),
        dispatches: model.dispatches.len(),
        gflop: model.dispatches.iter().map(|row| row.flops).sum::<u64>() as f64 / 1e9,
        alone_ms: alone as f64 / 1e6,
    });
    let report = Report {
        simulated: true,
        device: machine.label.clone(),
        seed,
        requests: args.requests,
        models: models.collect(),
        capacities,
        capacity_99: sweep.capacities_99(cells, times, &progress),
        goodput: sweep.goodput(&progress),
    };
    progress.finish_and_clear();
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

/// Tenants of the sweep, at least.
const TENANTS: usize = 8;

impl Sweep {
    fn weights(&self, zipf: f64) -> Vec<f64> {
        let weights: Vec<f64> = (1..=self.tenants.len()).map(|rank| (rank as f64).powf(-zipf)).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }

    fn scenario(&self, arm: &Arm) -> Scenario {
        let Arm { policy, order, hold_back, .. } = *arm;
        let max_kernels = arm.max_kernels.unwrap_or(self.base.options.max_kernels);
        let options = Options { policy, order, hold_back, max_kernels, ..self.base.options.clone() };
        Scenario { options, front: arm.front, warm_up: WARM_UP, ..self.base.clone() }
    }

    /// A run at a load, with deadlines of `times` medians: the part in time, and requests in time a second.
    fn at(&self, cell: Cell, arm: &Arm, load: f64, times: f64) -> (f64, f64) {
        let rate = load * self.load_1[usize::from(cell.zipf > 0.0)];
        let mut scenario = self.scenario(arm);
        scenario.duration = WARM_UP + (f64::from(self.requests) / rate * 1e9) as Nanos;
        let tenants = self.tenants.iter().zip(&self.alone).zip(self.weights(cell.zipf));
        scenario.streams = tenants
            .map(|((tenant, &alone), weight)| {
                let rate = rate * weight;
                let arrivals =
                    if cell.cv > 0.0 { Arrivals::Gamma { rate, cv: cell.cv } } else { Arrivals::Poisson { rate } };
                let deadline = Some((alone as f64 * times) as Nanos);
                Stream { arrivals, deadline, admission: arm.admission, ..tenant.clone() }
            })
            .collect();
        let total = simulate(&scenario).total;
        (total.attainment(), total.in_time as f64 * 1e9 / (scenario.duration - WARM_UP) as f64)
    }

    /// Requests a second with which an arm works off a backlog of the mix.
    fn backlog(&self, arm: &Arm, zipf: f64) -> f64 {
        let mut scenario = self.scenario(arm);
        scenario.duration = Nanos::MAX;
        let tenants = self.tenants.iter().zip(self.weights(zipf));
        scenario.streams = tenants
            .map(|(tenant, weight)| {
                let count = (BACKLOG as f64 * weight).round() as usize;
                // The first of them, before the rest, has the kernels compiled.
                let times: Arc<[Nanos]> = std::iter::once(0).chain(std::iter::repeat_n(WARM_UP, count)).collect();
                Stream { arrivals: Arrivals::Trace(times), ..tenant.clone() }
            })
            .collect();
        simulate(&scenario).throughput()
    }

    /// Measures capacity, and makes the best baseline's load 1.
    fn measure_load_1(&mut self) -> Vec<CapacityReport> {
        [0.0, 1.0]
            .map(|zipf| {
                let all = spread(ARMS.len(), |arm| self.backlog(&ARMS[arm], zipf));
                let per_s = best(&all);
                let load_1 = per_s[..BASELINES].iter().copied().fold(0.0, f64::max);
                self.load_1[usize::from(zipf > 0.0)] = load_1;
                CapacityReport { zipf, per_s, load_1_per_s: load_1 }
            })
            .into()
    }

    /// The highest load at which 99 % are in time.
    fn capacity_99(&self, cell: Cell, arm: &Arm, times: f64) -> f64 {
        let (mut low, mut high) = INTERVAL;
        for _ in 0..STEPS {
            let middle = (low * high).sqrt();
            *if self.at(cell, arm, middle, times).0 >= 0.99 { &mut low } else { &mut high } = middle;
        }
        if low > INTERVAL.0 { low } else { 0.0 }
    }

    fn capacities_99(&self, cells: &[Cell], times: &[f64], progress: &ProgressBar) -> Vec<Row> {
        let grid: Vec<(Cell, f64)> =
            cells.iter().flat_map(|&cell| times.iter().map(move |&times| (cell, times))).collect();
        let all = spread(grid.len() * ARMS.len(), |at| {
            let (cell, times) = grid[at / ARMS.len()];
            let capacity = self.capacity_99(cell, &ARMS[at % ARMS.len()], times);
            progress.inc(1);
            capacity
        });
        let row = |(&(cell, times), all): (&(Cell, f64), &[f64])| {
            let load = best(all);
            let baseline = load[..BASELINES].iter().copied().fold(0.0, f64::max);
            let gain = (baseline > 0.0).then(|| load[SYSTEM] / baseline);
            Row { arrivals: cell.name(), deadline_x: times, load, gain }
        };
        grid.iter().zip(all.chunks(ARMS.len())).map(row).collect()
    }

    fn goodput(&self, progress: &ProgressBar) -> Vec<Goodput> {
        let loads = loads();
        let all = spread(loads.len() * ARMS.len(), |at| {
            let goodput = self.at(CELLS[0], &ARMS[at % ARMS.len()], loads[at / ARMS.len()], HEADLINE).1;
            progress.inc(1);
            goodput / self.load_1[0]
        });
        let by_load: Vec<Vec<f64>> = all.chunks(ARMS.len()).map(best).collect();
        let arm = |(at, &arm): (usize, &&'static str)| {
            let by_load: Vec<f64> = by_load.iter().map(|arms| arms[at]).collect();
            let peak = by_load.iter().copied().fold(0.0, f64::max);
            let held = by_load.last().copied().unwrap_or(0.0) / peak.max(f64::MIN_POSITIVE);
            Goodput { arm, by_load, held }
        };
        NAMES.iter().enumerate().map(arm).collect()
    }
}

/// By name, the best of the arms of this name.
fn best(all: &[f64]) -> Vec<f64> {
    let variants = |name: &&'static str| {
        let of_name = ARMS.iter().zip(all).filter(|(arm, _)| arm.name == *name);
        of_name.map(|(_, &value)| value).fold(0.0, f64::max)
    };
    NAMES.iter().map(variants).collect()
}

fn text(report: &Report) -> String {
    use Align::{Left, Right};
    let mut text = format!("simulated: no device ran anything\n{}\nseed {}\n\n", report.device, report.seed);
    let header = [("model", Left), ("dispatches", Right), ("GFLOP", Right), ("alone ms", Right)];
    let row = |model: &ModelReport| {
        let alone = format!("{:.3}", model.alone_ms);
        vec![model.model.clone(), model.dispatches.to_string(), format!("{:.3}", model.gflop), alone]
    };
    text += &table::render(&header, &report.models.iter().map(row).collect::<Vec<_>>());

    let mut header = vec![("backlog worked off, requests/s", Left)];
    header.extend(NAMES.map(|name| (name, Right)));
    let row = |capacity: &CapacityReport| {
        let mut row = vec![if capacity.zipf > 0.0 { "Zipf(1)" } else { "uniform" }.to_owned()];
        row.extend(capacity.per_s.iter().map(|rate| format!("{rate:.0}")));
        row
    };
    text += &format!("\n{}", table::render(&header, &report.capacities.iter().map(row).collect::<Vec<_>>()));
    text += "load 1 is the best baseline's\n\n";

    let mut header = vec![("Capacity@99 in loads", Left), ("deadline", Right)];
    header.extend(NAMES.map(|name| (name, Right)));
    header.push(("O2 / best B", Right));
    let row = |row: &Row| {
        let mut cells = vec![row.arrivals.clone(), format!("{} x", row.deadline_x)];
        cells.extend(row.load.iter().map(|load| format!("{load:.3}")));
        cells.push(row.gain.map_or_else(|| "-".to_owned(), |gain| format!("{gain:.2}")));
        cells
    };
    text += &table::render(&header, &report.capacity_99.iter().map(row).collect::<Vec<_>>());
    text += &format!("{} requests a run\n\n", report.requests);

    let loads: Vec<String> = loads().iter().map(|load| format!("{load:.1}")).collect();
    let mut header = vec![("goodput, in loads, at load", Left)];
    header.extend(loads.iter().map(|load| (load.as_str(), Right)));
    header.push(("at 1.5 / peak", Right));
    let row = |goodput: &Goodput| {
        let mut cells = vec![goodput.arm.to_owned()];
        cells.extend(goodput.by_load.iter().map(|part| format!("{part:.2}")));
        cells.push(format!("{:.2}", goodput.held));
        cells
    };
    text += &table::render(&header, &report.goodput.iter().map(row).collect::<Vec<_>>());
    text += "Poisson, uniform, deadlines of 3 medians\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_has_a_column_and_the_best_variant_counts() {
        assert!(ARMS.iter().all(|arm| NAMES.contains(&arm.name)));
        let all: Vec<f64> = (0..ARMS.len()).map(|at| if at == 4 { 9.0 } else { 1.0 }).collect();
        assert_eq!(best(&all), [1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    }
}
