//! The command line of fascine.

mod args;
mod arms;
mod check;
mod common;
mod demo;
mod devices;
mod generate;
mod link;
mod mix;
mod report;
mod run;
mod run_host;
mod run_steps;
mod suite;
mod tune;

use std::process::ExitCode;

use args::{Args, Command};
use common::{Answer, chrome, decoder, inputs, millis, policy, progress, state, table};

fn main() -> ExitCode {
    common::main(
        |args: &Args| &args.print,
        |args, json| match args.command {
            Command::Devices => devices::run(json),
            Command::Check(args) => check::run(&args, json),
            Command::Run(args) => run::run(&args, json),
            Command::Tune(args) => tune::run(&args, json),
            Command::Mix(args) => mix::run(&args, json),
            Command::Link(args) => link::run(&args, json),
            Command::Demo(args) => demo::run(&args, json),
            Command::Generate(args) => generate::run(&args, json),
            Command::Suite(args) => suite::run(&args, json),
        },
    )
}
