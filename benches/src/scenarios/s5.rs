//! `fascine-bench s5`: many tenants on a virtual device.

mod host;
mod victims;

use std::path::PathBuf;

use fascine::error::{Error, ErrorKind, Result};
use fascine::schedule::{Admission, ModelId, Nanos};
use fascine_bench::simulator::{Arrivals, Report as Simulated, Scenario, Straggle, Stream, VirtualDevice, simulate};
use serde::Serialize;

use self::victims::Victims;
use super::virtual_zoo::{Virtual, spread};
use crate::Answer;
use crate::progress::bar;
use crate::simulate::calibration::ModelTable;
use crate::simulate::gap;
use crate::table::{self, Align};

const SECOND: Nanos = 1_000_000_000;
/// Time to compile a kernel on the virtual device where the cache is cold. Guessed: a small kernel on a desktop's driver.
const COMPILE: Nanos = 20_000_000;
/// Before what counts, where compiling does not.
const WARM_UP: Nanos = SECOND;
/// Deadlines in medians alone.
const TIMES: f64 = 5.0;
/// From when the straggler's dispatches take longer, and for how long.
const SLOW_FROM: Nanos = 3 * SECOND;
const SLOW_FOR: Nanos = 3 * SECOND;
/// When the others are to be back in deadline.
const BACK: Nanos = SECOND;
/// Seeds over which the straggler's victims are counted.
const RUNS: u64 = 16;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder of the models whose plans the virtual device runs
    #[arg(long, value_name = "DIR", default_value = "tests/zoo")]
    zoo: PathBuf,
    /// A file of `fascine-bench calibrate`: its device and models in place of the default GPU and the zoo
    #[arg(long, value_name = "FILE.toml")]
    calibration: Option<PathBuf>,
    /// Numbers of tenants
    #[arg(long, value_delimiter = ',', default_value = "8,16,32,64,128", value_parser = clap::value_parser!(u32).range(1..=4096))]
    tenants: Vec<u32>,
    /// The model that each tenant runs, with weights of its own
    #[arg(long, default_value = "squeezenet1_1")]
    model: String,
    /// What all tenants ask for, as a part of the rate at which a backlog of their requests is worked off
    #[arg(long, default_value_t = 0.2)]
    load: f64,
    /// Requests of each tenant behind its p99
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(10..))]
    requests: u32,
    /// How many times as long the straggler's dispatches take
    #[arg(long, default_value_t = 8.0)]
    slow: f64,
    /// Seed; the straggler's victims are counted over this and the next 15
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What `--json` prints. All but the host's cost is simulated.
#[derive(Serialize)]
struct Report {
    simulated: bool,
    device: String,
    model: String,
    alone_ms: f64,
    load: f64,
    requests_per_s: f64,
    slow: f64,
    seed: u64,
    tenants: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    tenants: u32,
    /// With a cold cache: how long the device idled for want of pipelines, requests that came before their kernels were
    /// compiled, pipelines compiled in five seconds, when the last of them was there, and how often a pipeline of several
    /// kernels was asked for after that in vain.
    blocked_ms: f64,
    cold_requests: u64,
    compiled: u64,
    compiled_ms: f64,
    misses: u64,
    /// After the warm-up: the same. None of them is to be above zero.
    warm_blocked_ms: f64,
    warm_cold_requests: u64,
    warm_misses: u64,
    /// Requests in time of all tenants.
    attainment: f64,
    /// Of the tenants that stay throughout: the least and the greatest p99.
    p99_ms: [f64; 2],
    gap: f64,
    /// From the straggler's first slow dispatch until the others are back in deadline; none if they are not while it lasts.
    /// See [`Victims::back`].
    recovery_ms: Option<f64>,
    /// The others' requests in time while it is slow: of all that came, and of those that came after its first second.
    victims_in_time: [f64; 2],
    /// The same requests where nobody straggles.
    undisturbed_in_time: [f64; 2],
    /// On the device.
    weight_bytes: u64,
    heap_bytes: u64,
    /// Measured on this host, not simulated.
    host_us_per_lane: f64,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    if !(args.load > 0.0 && args.load <= 10.0) {
        return Err(Error::new(ErrorKind::Input, "--load is above 0 and at most 10"));
    }
    if !(args.slow >= 1.0 && args.slow <= 1_000.0) {
        return Err(Error::new(ErrorKind::Input, "--slow is at least 1 and at most 1000"));
    }
    let each = 2 + 2 * RUNS as usize;
    let progress = bar(((each + 1) * args.tenants.len()) as u64, "planning");
    let mut machine = Virtual::open(&args.zoo, args.calibration.as_deref())?;
    let model = machine.models.iter().position(|model| model.name == args.model).ok_or_else(|| {
        let known: Vec<&str> = machine.models.iter().map(|model| model.name.as_str()).collect();
        Error::new(ErrorKind::Input, format!("there is no model '{}'; there are {}", args.model, known.join(", ")))
    })?;
    let sweeps = (0..RUNS).map(|run| Sweep::new(&mut machine, model, args, args.seed.wrapping_add(run)));
    let sweeps = sweeps.collect::<Result<Vec<_>>>()?;
    let sweep = &sweeps[0];
    progress.set_message("simulating");
    let simulated = spread(each * args.tenants.len(), |at| {
        let (tenants, job) = (args.tenants[at / each], at % each);
        let report = match job {
            0 => simulate(&sweep.cold(tenants)),
            1 => simulate(&sweep.warm(tenants)),
            _ => simulate(&sweeps[job / 2 - 1].straggling(tenants, if job % 2 == 0 { args.slow } else { 1.0 })),
        };
        progress.inc(1);
        report
    });
    // The host's cost is measured when nothing else runs.
    progress.set_message("measuring the scheduler");
    let table = &machine.models[model];
    let rows = args.tenants.iter().zip(simulated.chunks(each)).map(|(&tenants, reports)| {
        let host = host::micros_per_lane(&sweep.tenant, tenants, &sweep.base.options);
        progress.inc(1);
        row(tenants, table, reports, host)
    });
    let report = Report {
        simulated: true,
        tenants: rows.collect(),
        device: machine.label.clone(),
        model: args.model.clone(),
        alone_ms: sweep.alone as f64 / 1e6,
        load: args.load,
        requests_per_s: sweep.rate,
        slow: args.slow,
        seed: args.seed,
    };
    progress.finish_and_clear();
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

/// Requests a second with which the scheduler works off a backlog of one tenant a request.
fn backlog(machine: &Virtual, tenant: &Stream, seed: u64) -> f64 {
    const REQUESTS: usize = 1_000;
    let times = std::iter::once(0).chain(std::iter::repeat_n(WARM_UP, REQUESTS)).collect();
    let stream = Stream { arrivals: Arrivals::Trace(times), ..tenant.clone() };
    let scenario = Scenario { warm_up: WARM_UP, duration: Nanos::MAX, streams: vec![stream], ..machine.scenario(seed) };
    simulate(&scenario).throughput()
}

struct Sweep {
    base: Scenario,
    /// Without arrivals and deadline.
    tenant: Stream,
    /// Its median latency where it has the device for itself.
    alone: Nanos,
    deadline: Nanos,
    /// Requests a second of all tenants.
    rate: f64,
    requests: u32,
}

impl Sweep {
    /// With hidden factors and arrivals of a seed, and deadlines and rate that fit them.
    fn new(machine: &mut Virtual, model: usize, args: &Args, seed: u64) -> Result<Self> {
        let alone = machine.alone(model, seed)?;
        let tenant = machine.models[model].stream(0, &mut machine.kernels)?;
        Ok(Sweep {
            base: machine.scenario(seed),
            alone,
            deadline: (alone as f64 * TIMES) as Nanos,
            rate: args.load * backlog(machine, &tenant, seed),
            tenant,
            requests: args.requests,
        })
    }

    /// Tenants that share the rate. Every other one is there for half the time only: the first of these from the start, the
    /// last until the end.
    fn streams(&self, tenants: u32, duration: Nanos) -> Vec<Stream> {
        let rate = self.rate / f64::from(tenants);
        let half = duration / 2;
        let stream = |tenant: u32| {
            let from = if tenant % 2 == 1 { half / u64::from(tenants) * u64::from(tenant) } else { 0 };
            let until = if tenant % 2 == 1 { from + half } else { Nanos::MAX };
            let mut plan = (*self.tenant.plan).clone();
            plan.model = ModelId(tenant.into());
            Stream {
                plan: plan.into(),
                arrivals: Arrivals::Poisson { rate },
                deadline: Some(self.deadline),
                admission: Admission::RunLate,
                from,
                until,
                ..self.tenant.clone()
            }
        };
        (0..tenants).map(stream).collect()
    }

    fn cold(&self, tenants: u32) -> Scenario {
        let duration = 5 * SECOND;
        let device = VirtualDevice { compile: COMPILE, ..self.base.device };
        Scenario { device, duration, streams: self.streams(tenants, duration), ..self.base.clone() }
    }

    fn warm(&self, tenants: u32) -> Scenario {
        let time = f64::from(self.requests) * f64::from(tenants) / self.rate;
        let duration = WARM_UP + (time * 1e9) as Nanos;
        Scenario { warm_up: WARM_UP, duration, streams: self.streams(tenants, duration), ..self.base.clone() }
    }

    /// As warm, but with one more tenant, whose dispatches take `factor` times as long for a while.
    fn straggling(&self, tenants: u32, factor: f64) -> Scenario {
        let duration = SLOW_FROM + SLOW_FOR + 2 * SECOND;
        let mut streams = self.streams(tenants, duration);
        let mut plan = (*self.tenant.plan).clone();
        plan.model = ModelId(tenants.into());
        streams.push(Stream {
            plan: plan.into(),
            arrivals: Arrivals::Poisson { rate: self.rate / f64::from(tenants) },
            deadline: Some(self.deadline),
            straggle: Some(Straggle { from: SLOW_FROM, until: SLOW_FROM + SLOW_FOR, factor }),
            ..self.tenant.clone()
        });
        Scenario { warm_up: WARM_UP, duration, streams, ..self.base.clone() }
    }
}

fn row(tenants: u32, table: &ModelTable, reports: &[Simulated], host_us_per_lane: f64) -> Row {
    let [cold, warm, straggling @ ..] = reports else { unreachable!("many runs for each number of tenants") };
    let p99: Vec<f64> = warm.streams.iter().step_by(2).map(|stream| stream.latency(0.99) as f64 / 1e6).collect();
    let (least, most) = p99.iter().fold((f64::MAX, 0.0f64), |(least, most), &p99| (least.min(p99), most.max(p99)));
    let victims = |first: usize| {
        let runs = straggling.iter().skip(first).step_by(2);
        Victims::new(runs, tenants as usize, SLOW_FROM, SLOW_FROM + SLOW_FOR)
    };
    let (disturbed, undisturbed) = (victims(0), victims(1));
    let in_time = |victims: &Victims| [victims.in_time(0), victims.in_time(BACK)];
    Row {
        tenants,
        blocked_ms: cold.blocked as f64 / 1e6,
        cold_requests: cold.cold,
        compiled: cold.compiled,
        compiled_ms: cold.compiled_at as f64 / 1e6,
        misses: cold.settled[0] - cold.settled[1],
        warm_blocked_ms: warm.blocked as f64 / 1e6,
        warm_cold_requests: warm.cold,
        warm_misses: warm.settled[0] - warm.settled[1],
        attainment: warm.total.attainment(),
        p99_ms: [least, most],
        gap: gap(&p99),
        recovery_ms: disturbed.back(&undisturbed).map(|after| after as f64 / 1e6),
        victims_in_time: in_time(&disturbed),
        undisturbed_in_time: in_time(&undisturbed),
        weight_bytes: table.weight_bytes,
        heap_bytes: table.heap_bytes,
        host_us_per_lane,
    }
}

fn text(report: &Report) -> String {
    use Align::Right;
    let mut text = format!("simulated, but for the host's cost: no device ran anything\n{}\n", report.device);
    text += &format!(
        "{} with weights of its own for each tenant, {:.3} ms alone, deadlines of {TIMES} times that\n",
        report.model, report.alone_ms
    );
    text += &format!(
        "{:.0} requests/s in all ({} of what a backlog is worked off with); every other tenant is there half the time\n",
        report.requests_per_s, report.load
    );
    if let Some(row) = report.tenants.first() {
        let (weights, heap) = (table::bytes(row.weight_bytes), table::bytes(row.heap_bytes));
        text += &format!("on the device: {weights} of weights a tenant, {heap} a request that has begun\n");
    }
    text += &format!(
        "one more tenant's dispatches take {} times as long for {} s; the others' requests in time from {} s after that began on, \
         without and with it, over {RUNS} seeds\n",
        report.slow,
        SLOW_FOR / SECOND,
        BACK / SECOND
    );
    text += "back: in each half second from then on at most 2 points less are in time than without it\n";
    text += &format!("seed {}\n\n", report.seed);
    let header = [
        ("tenants", Right),
        ("cold: blocked ms", Right),
        ("cold requests", Right),
        ("compiled", Right),
        ("all there after ms", Right),
        ("misses after that", Right),
        ("warm: blocked ms", Right),
        ("cold requests", Right),
        ("misses", Right),
        ("in time", Right),
        ("p99 ms", Right),
        ("slowest / fastest", Right),
        ("others in time", Right),
        ("beside a straggler", Right),
        ("its first second too", Right),
        ("back after ms", Right),
        ("host us/lane", Right),
    ];
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let row = |row: &Row| {
        vec![
            row.tenants.to_string(),
            table::millis(row.blocked_ms),
            row.cold_requests.to_string(),
            row.compiled.to_string(),
            table::millis(row.compiled_ms),
            row.misses.to_string(),
            table::millis(row.warm_blocked_ms),
            row.warm_cold_requests.to_string(),
            row.warm_misses.to_string(),
            percent(row.attainment),
            format!("{} to {}", table::millis(row.p99_ms[0]), table::millis(row.p99_ms[1])),
            format!("{:.2}", row.gap),
            percent(row.undisturbed_in_time[1]),
            percent(row.victims_in_time[1]),
            percent(row.victims_in_time[0]),
            row.recovery_ms.map_or_else(|| "not".to_owned(), |ms| format!("{ms:.0}")),
            format!("{:.2}", row.host_us_per_lane),
        ]
    };
    text += &table::render(&header, &report.tenants.iter().map(row).collect::<Vec<_>>());
    text
}
