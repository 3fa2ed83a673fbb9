//! `fascine suite`: folders of test cases as ONNX's backend suite has them.

mod case;
mod passes;
mod refusals;

use std::collections::BTreeMap;

use fascine::error::{Error, ErrorKind, Result};
use fascine::runtime::{Options, Runtime};
use serde::Serialize;

use crate::Answer;
use crate::args::SuiteArgs;
use crate::inputs::shuffle;
use crate::progress::bar;

use passes::Merging;

/// Data sets that the cases of a company have together, at most.
const MOST_SETS: usize = 1024;

/// What became of a case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Passed,
    /// It ran and gave something else, or ended with an error that no valid model may end with.
    Failed(String),
    /// It is not supported, for this reason.
    Refused(String),
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    adapter: String,
    cases: Vec<Line>,
    passed: usize,
    failed: usize,
    refused: usize,
}

#[derive(Serialize)]
struct Line {
    name: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(crate) fn run(args: &SuiteArgs, json: bool) -> Result<Answer> {
    let mut cases = case::find(&args.folder)?;
    cases.retain(|case| selects(args, &case.name));
    if cases.is_empty() {
        return Err(Error::new(ErrorKind::Input, "no case of that name is there").in_file(&args.folder));
    }
    shuffle(&mut cases, args.seed);
    let runtime = Runtime::new(Options {
        // All copies of all cases of a company are submitted before any is waited for.
        max_queued: MOST_SETS.max(args.company).saturating_mul(passes::COPIES),
        compile_threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        ..args.device.options()
    })?;
    let merging = if args.merge { Merging::On } else { Merging::Off };
    let progress = bar(cases.len() as u64, "running");
    let mut outcomes = BTreeMap::new();
    for company in cases.chunks(args.company) {
        for (case, outcome) in company.iter().zip(passes::run(&runtime, company, merging)?) {
            outcomes.insert(case.name.clone(), outcome);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();

    if let Some(path) = &args.write_refusals {
        refusals::write(path, &outcomes)?;
    }
    let error = verdict(args, &outcomes)?;
    let report = report(runtime.adapter(), outcomes);
    let answer = if json { Answer::json(&report) } else { Answer::text(text(&report)) };
    Ok(Answer { error, ..answer })
}

/// Whether the case of that name is to run.
fn selects(args: &SuiteArgs, name: &str) -> bool {
    args.filter.is_empty() || args.filter.iter().any(|part| name.contains(part))
}

/// Why the answer is no, if it is.
fn verdict(args: &SuiteArgs, outcomes: &BTreeMap<String, Outcome>) -> Result<Option<Error>> {
    let failed = outcomes.values().filter(|outcome| matches!(outcome, Outcome::Failed(_))).count();
    if failed > 0 {
        return Ok(Some(Error::new(ErrorKind::Internal, format!("{failed} of {} cases failed", outcomes.len()))));
    }
    let Some(path) = &args.refusals else { return Ok(None) };
    let differences = refusals::differences(&refusals::read(path)?, outcomes, |name| selects(args, name));
    if differences.is_empty() {
        return Ok(None);
    }
    let what = format!("refusals differ from those expected:\n  {}", differences.join("\n  "));
    Ok(Some(Error::new(ErrorKind::Input, what).in_file(path)))
}

fn report(adapter: String, outcomes: BTreeMap<String, Outcome>) -> Report {
    let mut report = Report { adapter, cases: Vec::with_capacity(outcomes.len()), passed: 0, failed: 0, refused: 0 };
    for (name, outcome) in outcomes {
        let (outcome, count, reason) = match outcome {
            Outcome::Passed => ("passed", &mut report.passed, None),
            Outcome::Failed(why) => ("failed", &mut report.failed, Some(why)),
            Outcome::Refused(why) => ("refused", &mut report.refused, Some(why)),
        };
        *count += 1;
        report.cases.push(Line { name, outcome, reason });
    }
    report
}

fn text(report: &Report) -> String {
    let mut text = format!("{} cases on {}\n\n", report.cases.len(), report.adapter);
    for case in report.cases.iter().filter(|case| case.outcome != "passed") {
        text += &format!("{}  {}: {}\n", case.outcome, case.name, case.reason.as_deref().unwrap_or_default());
    }
    if report.passed < report.cases.len() {
        text.push('\n');
    }
    text + &format!("{} passed, {} failed, {} refused\n", report.passed, report.failed, report.refused)
}
