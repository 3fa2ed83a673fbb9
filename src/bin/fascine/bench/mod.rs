//! `fascine bench`: the scenarios of docs/benchmarks.md.

mod s3;
mod s4;
mod s4_simulated;
mod s5;
mod virtual_zoo;

use clap::Subcommand;
use fascine::error::Result;

use crate::Answer;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// One urgent stream beside saturating best-effort ones
    S3(s3::Args),
    /// Independent streams with deadlines, at rising load
    S4(s4::Args),
    /// Many tenants that come and go, with a straggler; simulated
    S5(s5::Args),
}

pub(crate) fn run(bench: &Bench, json: bool) -> Result<Answer> {
    match bench {
        Bench::S3(args) => s3::run(args, json),
        Bench::S4(args) => s4::run(args, json),
        Bench::S5(args) => s5::run(args, json),
    }
}
