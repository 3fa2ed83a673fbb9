//! `fascine-bench conversations`: several conversations of one decoder at once, each with a past of its own length.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use fascine::error::{Error, ErrorKind, Result};
use fascine::onnx::LoadOptions;
use fascine::runtime::trace::Trace;
use fascine::runtime::{Model, Options, Runtime, Stats};
use fascine::schedule::{Class, Coalesce, Nanos, Policy};
use serde::Serialize;

use super::rig::{median, millis, quantile};
use crate::args::DeviceArgs;
use crate::decoder::{Decoder, likeliest};
use crate::progress::bar;
use crate::table::{self, Align};
use crate::{Answer, chrome};

/// Tokens of a conversation in a run, and runs: short and full.
const TOKENS: [u32; 2] = [32, 128];
const RUNS: [u32; 2] = [2, 5];
/// Runs before measuring, at most: until no pipeline is being made any more.
const WARM_UP: usize = 6;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The decoder, a name in the zoo or a path, as `fascine generate` takes them
    #[arg(long, value_name = "MODEL", default_value = "gpt2_small_kv")]
    model: String,
    /// Conversations at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    conversations: u8,
    /// Tokens of the shortest prompt
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65536))]
    prompt: u32,
    /// Tokens that each further conversation's prompt is longer
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(0..=4096))]
    longer: u32,
    /// Tokens of each conversation in a run; 128, or 32 if short
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=65536))]
    tokens: Option<u32>,
    /// Runs of each arm
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: Option<u32>,
    /// Deadline of each token of the first conversation, where it has one, in the median alone
    #[arg(long, value_name = "K", default_value = "1.5", value_parser = super::parse_positive)]
    deadline_x: f64,
    /// An arm to run; may be given several times. All of them by default
    #[arg(long = "arm", value_enum, value_name = "ARM")]
    arms: Vec<Arm>,
    /// Fewer and shorter runs, for a CPU adapter
    #[arg(long)]
    short: bool,
    /// Seconds that an arm may take to warm up, until no pipeline is being made any more; 120, or 10 if short
    #[arg(long, value_name = "S", value_parser = super::parse_seconds)]
    warm_up: Option<f64>,
    /// Seed of the prompts
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The folder of the models
    #[arg(long, value_name = "DIR", default_value = "tests/zoo")]
    zoo: PathBuf,
    /// Write a trace of the last run, as far as it goes, that Perfetto opens
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// How the same conversations are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Arm {
    /// One token of one conversation at a time
    TimeOnly,
    /// Bundles, each lane of one conversation
    Apart,
    /// Bundles, and conversations that stand before the same dispatch run it as one lane
    Coalesced,
}

impl Arm {
    const ALL: [Arm; 3] = [Arm::TimeOnly, Arm::Apart, Arm::Coalesced];

    fn name(self) -> &'static str {
        match self {
            Arm::TimeOnly => "time-only",
            Arm::Apart => "apart",
            Arm::Coalesced => "coalesced",
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    scenario: &'static str,
    adapter: String,
    slice_ms: f64,
    model: String,
    conversations: usize,
    prompts: [usize; 2],
    tokens: u32,
    runs: u32,
    arms: Vec<ArmReport>,
}

#[derive(Serialize)]
struct ArmReport {
    arm: &'static str,
    /// Of one conversation by itself, the median over all of them.
    alone_per_s: f64,
    alone_p50_ms: f64,
    alone_p99_ms: f64,
    /// Of all conversations together, best effort.
    together_per_s: f64,
    times_alone: f64,
    /// The part of the lanes that ran as one with others.
    coalesced: f64,
    bundles_per_token: f64,
    /// The first conversation with deadlines beside the others without.
    deadline_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
    p99_times_alone: f64,
    in_time: f64,
    beside_per_s: f64,
}

/// A token's logits, time, and end.
struct Token {
    digest: u64,
    latency: Nanos,
    end: Instant,
}

/// A conversation takes further tokens; gives the token that is likeliest after them.
fn step(talk: &mut Decoder, tokens: &[u32], deadline: Option<Duration>) -> Result<(u32, Token)> {
    let start = Instant::now();
    let logits = talk.step_with(tokens, |request| match deadline {
        Some(deadline) => request.deadline(deadline).class(Class::Interactive),
        None => request,
    })?;
    let (latency, end) = (start.elapsed().as_nanos() as Nanos, Instant::now());
    let mut hasher = DefaultHasher::new();
    logits.iter().for_each(|logit| logit.to_bits().hash(&mut hasher));
    Ok((likeliest(&logits), Token { digest: hasher.finish(), latency, end }))
}

struct Scenario<'a> {
    args: &'a Args,
    runtime: Runtime,
    model: Model,
    /// By conversation: the digests of its logits alone.
    expected: Vec<Vec<u64>>,
    tokens: u32,
}

/// What conversations did at once.
struct Run {
    /// By conversation.
    tokens: Vec<Vec<Token>>,
    start: Instant,
}

impl Run {
    /// Tokens a second of some of the conversations, until the first of all was done.
    fn rate(&self, conversations: std::ops::Range<usize>) -> f64 {
        let Some(end) = self.tokens.iter().filter_map(|tokens| tokens.last()).map(|token| token.end).min() else {
            return 0.0;
        };
        let done = self.tokens[conversations].iter().flatten().filter(|token| token.end <= end).count();
        done as f64 / end.duration_since(self.start).as_secs_f64().max(1e-9)
    }
}

impl<'a> Scenario<'a> {
    fn new(args: &'a Args, trace: &Trace) -> Result<Self> {
        let path = match args.model.ends_with(".onnx") {
            true => PathBuf::from(&args.model),
            false => args.zoo.join(format!("{}.onnx", args.model)),
        };
        let runtime = Runtime::new(Options {
            trace: args.trace.is_some().then(|| trace.clone()),
            // Nothing else runs here while pipelines are compiled.
            compile_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            ..args.device.options()
        })?;
        let load = LoadOptions { synthetic_weights: true, ..LoadOptions::default() };
        let model = runtime.load_with(&path, &load)?;
        let tokens = args.tokens.unwrap_or(TOKENS[usize::from(!args.short)]);
        Ok(Scenario { args, runtime, model, expected: Vec::new(), tokens })
    }

    fn set(&self, arm: Arm) -> Result<()> {
        let device = self.runtime.schedule();
        let (policy, coalesce) = match arm {
            Arm::TimeOnly => (Policy::TimeOnly, Coalesce::No),
            Arm::Apart => (Policy::Bundled, Coalesce::No),
            Arm::Coalesced => (Policy::Bundled, Coalesce::Yes),
        };
        self.runtime.set_schedule(fascine::schedule::Options { policy, coalesce, ..device.clone() })
    }

    fn prompt(&self, conversation: usize) -> Vec<u32> {
        let length = self.args.prompt as usize + conversation * self.args.longer as usize;
        let token = |at: usize| {
            let mut hasher = DefaultHasher::new();
            (self.args.seed, conversation, at).hash(&mut hasher);
            (hasher.finish() % 1000) as u32
        };
        (0..length).map(token).collect()
    }

    /// One conversation, from its prompt to all of its tokens or to the end of another's.
    fn converse(
        &self,
        conversation: usize,
        deadline: Option<Duration>,
        (ready, over): (&Barrier, &AtomicBool),
    ) -> Result<Vec<Token>> {
        let mut talk = Decoder::new(&self.model, None, Vec::new(), false);
        let prompted = talk.as_mut().map_err(|error| error.clone()).and_then(|talk| {
            let prompt = self.prompt(conversation);
            step(talk, &prompt, None)
        });
        // All wait for each other, whatever came of it.
        ready.wait();
        let (mut talk, (mut next, _)) = (talk?, prompted?);
        let mut tokens = Vec::with_capacity(self.tokens as usize);
        while tokens.len() < self.tokens as usize && !over.load(Ordering::Relaxed) {
            let (following, token) = step(&mut talk, &[next], deadline)?;
            let expected = self.expected.get(conversation).map(|expected| expected[tokens.len()]);
            if expected.is_some_and(|expected| expected != token.digest) {
                let message =
                    format!("token {} of conversation {conversation} has other bits than alone", tokens.len());
                return Err(Error::new(ErrorKind::Internal, message));
            }
            next = following;
            tokens.push(token);
        }
        over.store(true, Ordering::Relaxed);
        Ok(tokens)
    }

    /// Conversations at once; the first with a deadline for each token, if there is one.
    fn run(&self, conversations: std::ops::Range<usize>, deadline: Option<Duration>) -> Result<Run> {
        let (ready, over) = (Barrier::new(conversations.len() + 1), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let first = conversations.start;
            let shared = (&ready, &over);
            let start = |conversation: usize| {
                let deadline = deadline.filter(|_| conversation == first);
                scope.spawn(move || self.converse(conversation, deadline, shared))
            };
            let threads: Vec<_> = conversations.map(start).collect();
            ready.wait();
            let start = Instant::now();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Vec<Token>>>| {
                thread.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a conversation panicked")))
            };
            let tokens: Vec<Result<Vec<Token>>> = threads.into_iter().map(join).collect();
            Ok(Run { tokens: tokens.into_iter().collect::<Result<_>>()?, start })
        })
    }

    /// Runs until no pipeline is being made any more, or until the time is up, and lets none be made from then on.
    fn warm_up(&self) -> Result<()> {
        let limit = self.args.warm_up.unwrap_or(super::WARM_UP[usize::from(!self.args.short)]);
        let (start, limit) = (Instant::now(), Duration::from_secs_f64(limit));
        self.runtime.set_merging(true)?;
        let count = usize::from(self.args.conversations);
        let mut last = None;
        for _ in 0..WARM_UP {
            self.run(0..count, None)?;
            let mut stats = self.runtime.stats()?;
            while stats.pipelines.compiling + stats.pipelines.waiting > 0 {
                if start.elapsed() >= limit {
                    self.runtime.set_merging(false)?;
                }
                std::thread::sleep(Duration::from_millis(10));
                stats = self.runtime.stats()?;
            }
            let same = last.replace(stats.pipelines.compiled) == Some(stats.pipelines.compiled);
            if same || start.elapsed() >= limit {
                break;
            }
        }
        self.runtime.set_merging(false)
    }

    fn measure(&self, arm: Arm, runs: u32) -> Result<ArmReport> {
        let count = usize::from(self.args.conversations);
        self.set(arm)?;
        self.warm_up()?;
        let (mut alone, mut latencies) = (Vec::new(), Vec::new());
        let (mut together, mut urgent, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        let (mut lanes, mut coalesced, mut bundles, mut tokens) = (0, 0, 0, 0);
        let mut deadline = Duration::ZERO;
        // In turns, so that what else the machine does falls on all.
        for run in 0..runs {
            for conversation in [0, run as usize % count] {
                let one = self.run(conversation..conversation + 1, None)?;
                alone.push(one.rate(0..1));
                if conversation == 0 {
                    latencies.extend(one.tokens.iter().flatten().map(|token| token.latency));
                }
            }
            latencies.sort_unstable();
            let before: Stats = self.runtime.stats()?;
            let all = self.run(0..count, None)?;
            let after = self.runtime.stats()?;
            lanes += after.lanes - before.lanes;
            coalesced += after.coalesced - before.coalesced;
            bundles += after.bundles - before.bundles;
            tokens += all.tokens.iter().map(Vec::len).sum::<usize>();
            together.push(all.rate(0..count));
            deadline = Duration::from_nanos((quantile(&latencies, 0.5) as f64 * self.args.deadline_x) as u64);
            let with = self.run(0..count, Some(deadline))?;
            beside.push(with.rate(1..count));
            urgent.extend(with.tokens[0].iter().map(|token| token.latency));
        }
        urgent.sort_unstable();
        let kept = urgent.iter().filter(|&&latency| u128::from(latency) <= deadline.as_nanos()).count();
        let p99 = quantile(&urgent, 0.99);
        let (alone, together) = (median(&alone), median(&together));
        Ok(ArmReport {
            arm: arm.name(),
            alone_per_s: alone,
            alone_p50_ms: millis(quantile(&latencies, 0.5)),
            alone_p99_ms: millis(quantile(&latencies, 0.99)),
            together_per_s: together,
            times_alone: together / alone.max(1e-9),
            coalesced: coalesced as f64 / (lanes as f64).max(1.0),
            bundles_per_token: bundles as f64 / (tokens as f64).max(1.0),
            deadline_ms: millis(deadline.as_nanos() as Nanos),
            p50_ms: millis(quantile(&urgent, 0.5)),
            p99_ms: millis(p99),
            p99_times_alone: p99 as f64 / (quantile(&latencies, 0.99) as f64).max(1.0),
            in_time: kept as f64 / (urgent.len() as f64).max(1.0),
            beside_per_s: median(&beside),
        })
    }
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    let arms: Vec<Arm> = Arm::ALL.into_iter().filter(|arm| args.arms.is_empty() || args.arms.contains(arm)).collect();
    let (count, runs) = (usize::from(args.conversations), args.runs.unwrap_or(RUNS[usize::from(!args.short)]));
    let progress = bar(arms.len() as u64 + 1, "loading and compiling");
    let trace = Trace::default();
    let mut scenario = Scenario::new(args, &trace)?;
    scenario.set(Arm::TimeOnly)?;
    for conversation in 0..count {
        let alone = scenario.run(conversation..conversation + 1, None)?;
        scenario.expected.push(alone.tokens[0].iter().map(|token| token.digest).collect());
    }
    progress.inc(1);
    let mut reports = Vec::new();
    for &arm in &arms {
        progress.set_message(arm.name());
        reports.push(scenario.measure(arm, runs)?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    if let Some(path) = &args.trace {
        chrome::write(path, &trace.take_all())?;
    }
    let report = Report {
        scenario: "conversations",
        adapter: scenario.runtime.adapter(),
        slice_ms: millis(scenario.runtime.schedule().slice),
        model: args.model.clone(),
        conversations: count,
        prompts: [0, count - 1].map(|conversation| scenario.prompt(conversation).len()),
        tokens: scenario.tokens,
        runs,
        arms: reports,
    };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

fn text(report: &Report) -> String {
    use Align::{Left, Right};
    let Report { adapter, slice_ms, model, conversations, prompts: [shortest, longest], tokens, runs, arms, .. } =
        report;
    let mut text = format!(
        "{conversations} conversations of {model} at once on {adapter}, slice {} ms\n{tokens} tokens each behind prompts of {shortest} to {longest}, \
         {runs} runs; logits compared: equal to the bit\n\n",
        table::millis(*slice_ms),
    );
    let header = [
        ("arm", Left),
        ("alone tokens/s", Right),
        ("together tokens/s", Right),
        ("x alone", Right),
        ("lanes coalesced", Right),
        ("bundles/token", Right),
        ("alone p50 ms", Right),
        ("alone p99 ms", Right),
        ("deadline ms", Right),
        ("p50 ms", Right),
        ("p99 ms", Right),
        ("p99 x alone", Right),
        ("in time", Right),
        ("others tokens/s", Right),
    ];
    let row = |arm: &ArmReport| {
        vec![
            arm.arm.to_owned(),
            format!("{:.1}", arm.alone_per_s),
            format!("{:.1}", arm.together_per_s),
            format!("{:.2}", arm.times_alone),
            format!("{:.0} %", arm.coalesced * 100.0),
            format!("{:.1}", arm.bundles_per_token),
            table::millis(arm.alone_p50_ms),
            table::millis(arm.alone_p99_ms),
            table::millis(arm.deadline_ms),
            table::millis(arm.p50_ms),
            table::millis(arm.p99_ms),
            format!("{:.2}", arm.p99_times_alone),
            format!("{:.0} %", arm.in_time * 100.0),
            format!("{:.1}", arm.beside_per_s),
        ]
    };
    text += &table::render(&header, &arms.iter().map(row).collect::<Vec<_>>());
    text
}
