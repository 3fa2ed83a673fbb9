//! `fascine-bench s2`: pairs of kernels, and pairs and copies of models.

mod kernels;
mod models;

use clap::ValueEnum;
use fascine::error::{Error, ErrorKind, Result};
use serde::Serialize;

use self::kernels::KernelsReport;
use self::models::ModelsReport;
use super::Common;
use super::rig::Setup;
use crate::Answer;

/// How many times as long as the best of the others bundled may take.
const HARMED: f64 = 1.02;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Pairs of kernels, one dispatch each
    Kernels,
    /// Pairs and copies of models
    Models,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One part of it alone
    #[arg(long, value_enum, value_name = "PART")]
    part: Option<Part>,
    /// A kernel of the pairs; may be given several times. All by default, four if short
    #[arg(long = "kernel", value_name = "KERNEL")]
    kernels: Vec<String>,
    /// A model of the pairs and copies, a name in the zoo; may be given several times. Ten by default, three if short
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
    /// A pair of models; may be given several times. All pairs of the models by default, none with --copies alone
    #[arg(long = "pair", value_name = "A,B", value_parser = parse_pair)]
    pairs: Vec<(String, String)>,
    /// Copies of each model; may be given several times. 2, 4, 8 and 16 by default, 2 and 4 if short, none with --pair alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=64))]
    copies: Vec<u8>,
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
    kernels: Option<KernelsReport>,
    models: Option<ModelsReport>,
    outputs_equal: bool,
}

fn parse_pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once(',') {
        Some((a, b)) if !a.is_empty() && !b.is_empty() && !b.contains(',') => Ok((a.to_owned(), b.to_owned())),
        _ => Err("two names with a comma between them are wanted".into()),
    }
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    let wants = |part| args.part.is_none_or(|only| only == part);
    let (mut setup, mut kernels, mut models) = (None, None, None);
    if wants(Part::Kernels) {
        let (found, report) = kernels::run(args)?;
        (setup, kernels) = (Some(found), Some(report));
    }
    if wants(Part::Models) {
        let (found, report) = models::run(args)?;
        (setup, models) = (Some(found), Some(report));
    }
    let setup = setup.ok_or_else(|| Error::new(ErrorKind::Input, "nothing to measure"))?;
    let rounds = args.common.runs(models::ROUNDS);
    let report = Report { scenario: "s2", setup, rounds, kernels, models, outputs_equal: true };
    Ok(if json { Answer::json(&report) } else { Answer::text(text(&report)) })
}

fn text(report: &Report) -> String {
    let mut text = report.setup.text();
    text += &format!("medians of {} rounds, arms in turns within a round, warm\n", report.rounds);
    text.extend(report.kernels.as_ref().map(KernelsReport::text));
    text.extend(report.models.as_ref().map(ModelsReport::text));
    text += "\nthe outputs of all arms are equal to the bit\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_two_names() {
        assert_eq!(parse_pair("a,b"), Ok(("a".to_owned(), "b".to_owned())));
        for text in ["a", "a,", ",b", "a,b,c"] {
            assert!(parse_pair(text).is_err(), "{text}");
        }
    }
}
