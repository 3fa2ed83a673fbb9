//! The command line.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod commands;
mod generate;
mod process;
mod run;
mod trace;
