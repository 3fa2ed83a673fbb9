//! The command line of fascine.

mod args;
mod arms;
mod bench;
mod calibrate;
mod check;
mod chrome;
mod demo;
mod devices;
mod inputs;
mod link;
mod log;
mod mix;
mod report;
mod run;
mod run_host;
mod simulate;
mod table;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use fascine::error::Error;

use args::{Args, Command};

/// What a subcommand leaves: text for stdout, and an error if the answer is no.
#[derive(Debug, Default)]
struct Answer {
    stdout: Vec<u8>,
    error: Option<Error>,
}

impl Answer {
    fn text(text: impl Into<String>) -> Self {
        Answer { stdout: text.into().into_bytes(), error: None }
    }

    fn json(value: &impl serde::Serialize) -> Self {
        let mut text = serde_json::to_string_pretty(value).expect("the structs have string keys only");
        text.push('\n');
        Self::text(text)
    }
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to stdout with 0, everything else to stderr with 2. A closed pipe changes neither.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let json = args.json;
    if args.markdown {
        table::in_markdown();
    }
    let result = log::start(args.log.as_deref()).and_then(|()| match args.command {
        Command::Devices => devices::run(json),
        Command::Check(args) => check::run(&args, json),
        Command::Run(args) => run::run(&args, json),
        Command::Mix(args) => mix::run(&args, json),
        Command::Link(args) => link::run(&args, json),
        Command::Demo(args) => demo::run(&args, json),
        Command::Simulate(args) => simulate::run(&args, json),
        Command::Calibrate(args) => calibrate::run(&args, json),
        Command::Bench(bench) => bench::run(&bench, json),
    });
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
