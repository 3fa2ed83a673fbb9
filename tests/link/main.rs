//! The linker: what it writes, what it refuses, and that it changes no bit.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bits;
mod fuzz;
mod hostile;
#[path = "../link_common/mod.rs"]
mod link_common;
mod refusals;
mod snapshots;
