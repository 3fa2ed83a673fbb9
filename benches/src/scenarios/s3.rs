//! `fascine-bench s3`: urgent streams with deadlines beside saturating best-effort ones.

use clap::ValueEnum;
use fascine::error::Result;
use fascine::gpu::HeapLayout;
use fascine::schedule::{Admission, Class, Nanos};
use fascine_bench::simulator::Arrivals;
use indicatif::ProgressBar;
use serde::Serialize;

use super::Common;
use super::arm::Arm;
use super::batch::Batching;
use super::load::{self, Rules, Served, Source, Stream};
use super::rig::{BatchReport, PASS, Rig, Setup, StreamReport, median, millis, quantile, rules};
use super::tenants::Wanted;
use crate::inputs::Dims;
use crate::progress::bar;
use crate::table::{self, Align};
use crate::{Answer, chrome};

/// Part of the device's time that the urgent streams ask for together, unless their rate is given.
const URGENT_SHARE: f64 = 0.25;
/// Seconds of a run, and runs: short and full.
const SECONDS: [f64; 2] = [5.0, 20.0];
const RUNS: [u32; 2] = [1, 5];
/// Windows, in parts of the shortest time alone, and largest batches that the batching arm chooses from.
const WINDOWS: [f64; 2] = [0.0, 0.5];
const LARGEST: [usize; 2] = [4, 8];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Urgent streams, each to a copy of the model with weights of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=32))]
    urgent: u8,
    /// The model of the urgent streams: a name in the zoo or a path
    #[arg(long, value_name = "MODEL", default_value = "lstm_vad")]
    urgent_model: String,
    /// A best-effort model and how many copies of it, a stream each; may be given several times
    #[arg(
        long = "best-effort-model",
        value_name = "MODEL[:COPIES]",
        default_values = ["lstm_vad:2", "minilm:2", "squeezenet1_1"]
    )]
    best_effort: Vec<Wanted>,
    /// Requests that each best-effort stream keeps outstanding
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    outstanding: u16,
    /// Requests per second of each urgent stream; by default together a quarter of the device's time
    #[arg(long, value_name = "HZ", value_parser = super::parse_positive)]
    rate: Option<f64>,
    /// How urgent requests come
    #[arg(long, value_enum, default_value_t = Process::Periodic)]
    arrivals: Process,
    /// Deadline of urgent requests, in their median alone
    #[arg(long, value_name = "K", default_value = "2", value_parser = super::parse_positive)]
    deadline_x: f64,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Process {
    /// At a fixed rate, with a phase of its own
    Periodic,
    /// Independently of each other
    Poisson,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    #[serde(flatten)]
    setup: Setup,
    seed: u64,
    runs: u32,
    seconds: f64,
    urgent: UrgentReport,
    best_effort: Vec<StreamReport>,
    outstanding: u16,
    arms: Vec<ArmReport>,
}

#[derive(Serialize)]
struct UrgentReport {
    model: String,
    streams: u8,
    arrivals: Process,
    rate_per_s: f64,
    deadline_ms: f64,
    /// The same arrivals without best effort, one request at a time.
    alone: Alone,
}

#[derive(Clone, Copy, Serialize)]
struct Alone {
    requests: usize,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Serialize)]
struct ArmReport {
    arm: &'static str,
    /// What the batching arm chose.
    batch: Option<BatchReport>,
    urgent_requests: usize,
    p50_ms: f64,
    p99_ms: f64,
    p50_slowdown: f64,
    p99_slowdown: f64,
    in_time: f64,
    best_effort_per_s: f64,
    /// Time alone of the best-effort requests done, per time.
    best_effort_work: f64,
    work_to_b2: Option<f64>,
    work_to_b3: Option<f64>,
    worst_blocking_ms: Option<f64>,
    /// The longest by prediction; it need not be of the same request.
    predicted_blocking_ms: Option<f64>,
    /// For the arms that keep to a slice.
    longest_wait_ms: Option<f64>,
}

/// The runs of an arm.
#[derive(Default)]
struct Measured {
    urgent: Vec<Served>,
    /// Per run.
    per_s: Vec<f64>,
    work: Vec<f64>,
}

struct Scenario<'a> {
    args: &'a Args,
    wanted: Vec<Wanted>,
    rig: Rig,
    /// By tenant.
    alone: Vec<Nanos>,
    rate: f64,
    deadline: Nanos,
    until: Nanos,
    runs: u32,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    let arms = args.common.arms();
    let progress = bar(arms.len() as u64 + 1, "loading and compiling");
    let mut scenario = Scenario::new(args)?;
    progress.inc(1);
    let mut urgent_alone = Vec::new();
    let mut measured = Vec::new();
    for &arm in &arms {
        urgent_alone.extend(scenario.urgent_alone(&progress, arm)?);
        let batching = scenario.choose_batching(&progress, arm)?;
        progress.set_message(format!("{}: loading and compiling", arm.name()));
        let shared = scenario.rig.enter(&args.common, &scenario.wanted, arm)?;
        measured.push((arm, batching, scenario.measure(&progress, arm, batching)?));
        scenario.rig.leave(shared);
        progress.inc(1);
    }
    progress.finish_and_clear();
    if let Some(path) = &args.common.trace {
        chrome::write(path, &scenario.rig.watch.take_records())?;
    }
    let report = scenario.report(&urgent_alone, &measured);
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

impl<'a> Scenario<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let mut wanted =
            vec![Wanted { name: args.urgent_model.clone(), copies: args.urgent.into(), dims: Dims::new() }];
        wanted.extend(args.best_effort.iter().cloned());
        let mut rig = Rig::new(&args.common, &wanted, HeapLayout::Shared)?;
        let alone = rig.alone()?;
        let each = alone[0].max(1) as f64;
        let rate = args.rate.unwrap_or(URGENT_SHARE * 1e9 / (each * f64::from(args.urgent)));
        let until = args.common.nanos(SECONDS);
        load::check_size(rate * f64::from(args.urgent), until)?;
        Ok(Scenario {
            rate,
            deadline: (each * args.deadline_x) as Nanos,
            until,
            runs: args.common.runs(RUNS),
            args,
            wanted,
            rig,
            alone,
        })
    }

    fn urgent(&self, run: u32, until: Nanos) -> Vec<Stream> {
        let arrivals = match self.args.arrivals {
            Process::Periodic => Arrivals::Periodic { rate: self.rate },
            Process::Poisson => Arrivals::Poisson { rate: self.rate },
        };
        let stream = |tenant: usize| {
            let seed = self.args.common.seed << 32 | u64::from(run) << 16 | tenant as u64;
            let source = Source::Open(arrivals.times(seed, until));
            Stream { tenant, source, deadline: Some(self.deadline), class: Class::Interactive }
        };
        (0..usize::from(self.args.urgent)).map(stream).collect()
    }

    fn streams(&self, run: u32, until: Nanos) -> Vec<Stream> {
        let mut streams = self.urgent(run, until);
        let source = Source::Closed(self.args.outstanding.into());
        streams.extend((streams.len()..self.rig.tenants.len()).map(|tenant| Stream {
            tenant,
            source: source.clone(),
            deadline: None,
            class: Class::Normal,
        }));
        streams
    }

    /// Latencies of the urgent streams by themselves.
    fn urgent_alone(&mut self, progress: &ProgressBar, arm: Arm) -> Result<Vec<Nanos>> {
        progress.set_message(format!("{}: urgent alone", arm.name()));
        self.rig.set(Arm::TimeOnly)?;
        let streams = self.urgent(0, self.until);
        let served = self.rig.drive(&streams, Rules::default(), self.until)?;
        Ok(served.iter().filter_map(|served| served.latency).collect())
    }

    /// Of the windows and largest batches the one that keeps the most deadlines; among equals the one with the most work.
    fn choose_batching(&mut self, progress: &ProgressBar, arm: Arm) -> Result<Batching> {
        let shortest = self.alone.iter().copied().min().unwrap_or(0);
        let mut best = (Batching { window: 0, largest: LARGEST[0] }, (0.0, -1.0));
        if arm != Arm::Batching {
            return Ok(best.0);
        }
        self.rig.set(arm)?;
        let largest = if self.args.common.short { &LARGEST[1..] } else { &LARGEST[..] };
        self.rig.warm_batches(LARGEST[1])?;
        for (&window, &largest) in
            WINDOWS.iter().flat_map(|window| largest.iter().map(move |largest| (window, largest)))
        {
            let batching = Batching { window: (shortest as f64 * window) as Nanos, largest };
            progress.set_message(format!("{}: trying {} ms, {largest}", arm.name(), millis(batching.window)));
            let rules = rules(arm, Admission::RunLate, batching);
            let until = (self.until / 2).max(1);
            let measured = self.once(0, until, rules)?;
            let score = (in_time(&measured.urgent, self.deadline), measured.work[0]);
            if score > best.1 {
                best = (batching, score);
            }
        }
        Ok(best.0)
    }

    fn measure(&mut self, progress: &ProgressBar, arm: Arm, batching: Batching) -> Result<Measured> {
        progress.set_message(format!("{}: warming up", arm.name()));
        self.rig.set(arm)?;
        let rules = rules(arm, Admission::RunLate, batching);
        let pass = PASS.min(self.until);
        self.rig.warm_up(&self.streams(0, pass), rules, pass)?;
        let mut all = Measured::default();
        for run in 0..self.runs {
            progress.set_message(format!("{}: run {} of {}", arm.name(), run + 1, self.runs));
            self.rig.watch.restart(self.args.common.trace.is_some());
            let Measured { urgent, per_s, work } = self.once(run, self.until, rules)?;
            all.urgent.extend(urgent);
            all.per_s.extend(per_s);
            all.work.extend(work);
        }
        Ok(all)
    }

    fn once(&mut self, run: u32, until: Nanos, rules: Rules) -> Result<Measured> {
        let streams = self.streams(run, until);
        let served = self.rig.drive(&streams, rules, until)?;
        let urgent = usize::from(self.args.urgent);
        let seconds = until as f64 / 1e9;
        let done =
            served.iter().filter(|served| served.stream >= urgent && served.done().is_some_and(|at| at <= until));
        let (mut count, mut work) = (0.0, 0.0);
        for served in done {
            count += 1.0;
            work += self.alone[streams[served.stream].tenant] as f64 / 1e9;
        }
        let urgent = served.into_iter().filter(|served| served.stream < urgent).collect();
        Ok(Measured { urgent, per_s: vec![count / seconds], work: vec![work / seconds] })
    }

    fn report(&self, alone: &[Nanos], measured: &[(Arm, Batching, Measured)]) -> Report {
        let Scenario { args, rig, .. } = self;
        let mut sorted = alone.to_vec();
        sorted.sort_unstable();
        let alone = [quantile(&sorted, 0.5), quantile(&sorted, 0.99)];
        let work = |arm: Arm| {
            let found = measured.iter().find(|(other, ..)| *other == arm);
            found.map(|(.., measured)| median(&measured.work)).filter(|work| *work > 0.0)
        };
        let arm = |(arm, batching, measured): &(Arm, Batching, Measured)| {
            let mut latencies: Vec<Nanos> = measured.urgent.iter().filter_map(|served| served.latency).collect();
            latencies.sort_unstable();
            let [p50, p99] = [quantile(&latencies, 0.5), quantile(&latencies, 0.99)];
            let own = median(&measured.work);
            ArmReport {
                arm: arm.name(),
                batch: (*arm == Arm::Batching).then(|| BatchReport::of(*batching)),
                urgent_requests: measured.urgent.len(),
                p50_ms: millis(p50),
                p99_ms: millis(p99),
                p50_slowdown: ratio(p50 as f64, alone[0] as f64),
                p99_slowdown: ratio(p99 as f64, alone[1] as f64),
                in_time: in_time(&measured.urgent, self.deadline),
                best_effort_per_s: median(&measured.per_s),
                best_effort_work: own,
                work_to_b2: work(Arm::SpaceOnly).map(|b2| own / b2),
                work_to_b3: work(Arm::OnePass).map(|b3| own / b3),
                worst_blocking_ms: measured.urgent.iter().filter_map(|served| served.blocked).max().map(millis),
                predicted_blocking_ms: {
                    let predicted = measured.urgent.iter().filter_map(|served| served.blocked_by_prediction);
                    predicted.max().filter(|_| arm.knows_deadlines()).map(millis)
                },
                longest_wait_ms: arm.knows_deadlines().then(|| millis(rig.runtime.schedule().longest_wait())),
            }
        };
        let urgent = usize::from(args.urgent);
        Report {
            scenario: "s3",
            setup: rig.setup(),
            seed: args.common.seed,
            runs: self.runs,
            seconds: self.until as f64 / 1e9,
            urgent: UrgentReport {
                model: args.urgent_model.clone(),
                streams: args.urgent,
                arrivals: args.arrivals,
                rate_per_s: self.rate,
                deadline_ms: millis(self.deadline),
                alone: Alone { requests: sorted.len(), p50_ms: millis(alone[0]), p99_ms: millis(alone[1]) },
            },
            best_effort: StreamReport::of(&rig.tenants[urgent..], &self.alone[urgent..]),
            outstanding: args.outstanding,
            arms: measured.iter().map(arm).collect(),
        }
    }
}

/// In time over issued; 1 if nothing was.
pub(super) fn in_time(served: &[Served], deadline: Nanos) -> f64 {
    let kept = served.iter().filter(|served| served.within(deadline)).count();
    if served.is_empty() { 1.0 } else { kept as f64 / served.len() as f64 }
}

fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

fn text(report: &Report) -> String {
    use Align::{Left, Right};
    let Report { setup, urgent, best_effort, outstanding, runs, seconds, seed, .. } = report;
    let mut text = format!("S3, urgent beside best effort, on {}", setup.text());
    let UrgentReport { model, streams, rate_per_s, deadline_ms, alone, arrivals } = urgent;
    let arrivals = format!("{arrivals:?}").to_lowercase();
    text += &format!(
        "urgent: {streams} x {model}, {arrivals}, {rate_per_s:.1} per second each, deadline {} ms; alone p50 {} ms, p99 {} ms \
         ({} requests)\nbest effort, {outstanding} outstanding each:",
        table::millis(*deadline_ms),
        table::millis(alone.p50_ms),
        table::millis(alone.p99_ms),
        alone.requests,
    );
    for StreamReport { model, alone_ms, dispatches } in best_effort {
        text += &format!(" {model} ({} ms alone, {dispatches} dispatches)", table::millis(*alone_ms));
    }
    text += &format!(
        "\n{runs} runs of {seconds} s, seed {seed}; outputs compared: equal to the bit, in batches within 1e-4\n\n"
    );
    let header = [
        ("arm", Left),
        ("urgent", Right),
        ("p50 ms", Right),
        ("p99 ms", Right),
        ("p50 x alone", Right),
        ("p99 x alone", Right),
        ("in time", Right),
        ("best effort/s", Right),
        ("work", Right),
        ("to B2", Right),
        ("to B3", Right),
        ("worst blocking ms", Right),
        ("by prediction", Right),
        ("stated ms", Right),
    ];
    let some = |value: Option<f64>, show: &dyn Fn(f64) -> String| value.map_or_else(|| "-".to_owned(), show);
    let two = |value: f64| format!("{value:.2}");
    let row = |arm: &ArmReport| {
        vec![
            arm.arm.to_owned(),
            arm.urgent_requests.to_string(),
            table::millis(arm.p50_ms),
            table::millis(arm.p99_ms),
            two(arm.p50_slowdown),
            two(arm.p99_slowdown),
            format!("{:.1} %", arm.in_time * 100.0),
            format!("{:.1}", arm.best_effort_per_s),
            format!("{:.3}", arm.best_effort_work),
            some(arm.work_to_b2, &two),
            some(arm.work_to_b3, &two),
            some(arm.worst_blocking_ms, &table::millis),
            some(arm.predicted_blocking_ms, &table::millis),
            some(arm.longest_wait_ms, &table::millis),
        ]
    };
    text += &table::render(&header, &report.arms.iter().map(row).collect::<Vec<_>>());
    if let Some(BatchReport { window_ms, largest }) = report.arms.iter().find_map(|arm| arm.batch) {
        text += &format!(
            "\nB4: best of the settings tried: a window of {} ms, at most {largest}\n",
            table::millis(window_ms)
        );
    }
    text
}
