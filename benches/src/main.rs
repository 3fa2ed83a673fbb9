//! The command line of the benchmarks.

mod calibrate;
#[path = "../../src/bin/fascine/common/mod.rs"]
mod common;
mod modules;
mod scenarios;
mod simulate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use common::args::PrintArgs;
use common::{Answer, args, chrome, decoder, inputs, millis, policy, progress, table};

/// Baselines beside fascine, on a device and on a virtual one.
#[derive(Debug, Parser)]
#[command(name = "fascine-bench", version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    print: PrintArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Scenario(scenarios::Scenario),
    /// Run the scheduler against a virtual device
    Simulate(simulate::Args),
    /// Write the SPIR-V of what models run on a GPU, for scripts/gpu-stats.sh
    Modules(modules::Args),
    /// Measure what the adapter's dispatches cost, for `simulate`, `s4` and `s5`
    Calibrate(calibrate::Args),
}

fn main() -> ExitCode {
    common::main(
        |args: &Args| &args.print,
        |args, json| match args.command {
            Command::Scenario(scenario) => scenarios::run(&scenario, json),
            Command::Simulate(args) => simulate::run(&args, json),
            Command::Modules(args) => modules::run(&args, json),
            Command::Calibrate(args) => calibrate::run(&args, json),
        },
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }
}
