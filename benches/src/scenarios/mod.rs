//! `fascine-bench`: the scenarios of docs/benchmarks.md.

mod ablate;
mod arm;
mod batch;
mod conversations;
mod decode;
mod load;
mod rig;
mod s1;
mod s2;
mod s3;
mod s4;
mod s4_report;
mod s4_simulated;
mod s5;
mod tenants;
pub(crate) mod virtual_zoo;
mod watch;
pub(crate) mod zoo;

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use fascine::error::Result;

use crate::Answer;
use crate::args::DeviceArgs;

/// Seconds that an arm may take to warm up: short and full.
const WARM_UP: [f64; 2] = [10.0, 120.0];

#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// The models of a folder against their references, alone and under every arm, and their times alone
    Zoo(zoo::Args),
    /// Tokens a second of decoders, their cache on the device and through the host
    Decode(decode::Args),
    /// Queued products and whole models, each with weights of its own, all at once
    S1(s1::Args),
    /// Pairs of kernels, and pairs and copies of models: what sharing the device gains, and that it never loses
    S2(s2::Args),
    /// One urgent stream beside saturating best-effort ones
    S3(s3::Args),
    /// Independent streams with deadlines, at rising load
    S4(s4::Args),
    /// Several conversations of one decoder at once, alone and one with deadlines
    Conversations(conversations::Args),
    /// What each rule of the scheduler is worth, on a device that does not obey its cost formula; simulated
    Ablate(ablate::Args),
    /// Many tenants that come and go, with a straggler; simulated
    S5(s5::Args),
}

/// What the scenarios on a device have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// An arm to run; may be given several times. All of them by default
    #[arg(long = "arm", value_enum, value_name = "ARM")]
    arms: Vec<arm::Arm>,
    /// Seconds of a run
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    seconds: Option<f64>,
    /// Runs of each arm
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: Option<u32>,
    /// Fewer and shorter runs, for a CPU adapter
    #[arg(long)]
    short: bool,
    /// Seconds that an arm may take to warm up, until no pipeline is being made any more; 120, or 10 if short
    #[arg(long, value_name = "S", value_parser = parse_seconds)]
    warm_up: Option<f64>,
    /// Seed of arrivals and inputs
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
    /// The folder of the models
    #[arg(long, value_name = "DIR", default_value = "tests/zoo")]
    zoo: PathBuf,
    /// Size of a dimension that the models leave open; may be given several times
    #[arg(long = "dim", value_name = "NAME=N", value_parser = crate::args::parse_dim)]
    dims: Vec<(String, usize)>,
    /// Write a trace of the last run of the last arm, as far as it goes, that Perfetto opens
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Common {
    fn arms(&self) -> Vec<arm::Arm> {
        let mut arms: Vec<arm::Arm> = arm::Arm::ALL.to_vec();
        arms.retain(|arm| self.arms.is_empty() || self.arms.contains(arm));
        arms
    }

    /// Nanoseconds of a run: what was asked for, or the default for the length.
    fn nanos(&self, [short, long]: [f64; 2]) -> u64 {
        (self.seconds.unwrap_or(if self.short { short } else { long }) * 1e9) as u64
    }

    fn runs(&self, [short, long]: [u32; 2]) -> u32 {
        self.runs.unwrap_or(if self.short { short } else { long })
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up.unwrap_or(WARM_UP[usize::from(!self.short)]))
    }
}

fn parse_seconds(text: &str) -> std::result::Result<f64, String> {
    parse_within(text, 0.01..=86_400.0)
}

fn parse_positive(text: &str) -> std::result::Result<f64, String> {
    parse_within(text, 1e-3..=1e6)
}

fn parse_within(text: &str, range: RangeInclusive<f64>) -> std::result::Result<f64, String> {
    let number: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(format!("from {} to {} is possible", range.start(), range.end()))
    }
}

pub(crate) fn run(scenario: &Scenario, json: bool) -> Result<Answer> {
    match scenario {
        Scenario::Zoo(args) => zoo::run(args, json),
        Scenario::Decode(args) => decode::run(args, json),
        Scenario::S1(args) => s1::run(args, json),
        Scenario::S2(args) => s2::run(args, json),
        Scenario::S3(args) => s3::run(args, json),
        Scenario::S4(args) => s4::run(args, json),
        Scenario::Conversations(args) => conversations::run(args, json),
        Scenario::Ablate(args) => ablate::run(args, json),
        Scenario::S5(args) => s5::run(args, json),
    }
}
