//! What the command lines of `fascine` and `fascine-bench` share.
#![allow(dead_code, reason = "each of the two uses a part")]

pub(crate) mod args;
pub(crate) mod chrome;
pub(crate) mod decoder;
pub(crate) mod inputs;
mod log;
pub(crate) mod policy;
pub(crate) mod progress;
pub(crate) mod state;
pub(crate) mod table;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use fascine::error::{Error, Result};

use args::PrintArgs;

/// What a subcommand leaves: text for stdout, and an error if the answer is no.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) stdout: Vec<u8>,
    pub(crate) error: Option<Error>,
}

impl Answer {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Answer { stdout: text.into().into_bytes(), error: None }
    }

    pub(crate) fn json(value: &impl serde::Serialize) -> Self {
        let mut text = serde_json::to_string_pretty(value).expect("the structs have string keys only");
        text.push('\n');
        Self::text(text)
    }
}

/// Milliseconds, to the microsecond: as far as these clocks mean anything.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Parses the arguments, runs what they ask for, and prints the answer.
pub(crate) fn main<A: clap::Parser>(
    print: impl Fn(&A) -> &PrintArgs,
    run: impl FnOnce(A, bool) -> Result<Answer>,
) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to stdout with 0, everything else to stderr with 2. A closed pipe changes neither.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let PrintArgs { json, markdown, log } = print(&args);
    let json = *json;
    if *markdown {
        table::in_markdown();
    }
    let result = log::start(log.as_deref()).and_then(|()| run(args, json));
    let answer = result.unwrap_or_else(|error| Answer { error: Some(error), ..Answer::default() });
    let mut stdout = std::io::stdout().lock();
    if let Err(error) = stdout.write_all(&answer.stdout).and_then(|()| stdout.flush())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        let _ = writeln!(std::io::stderr(), "error: cannot write the results: {error}");
        return ExitCode::from(2);
    }
    match answer.error {
        None => ExitCode::SUCCESS,
        Some(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}
