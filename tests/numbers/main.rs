//! Kernels against plain arithmetic, bit by bit or within bounds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod functions;
mod fused;
mod halves;
mod integers;
mod recurrent;
mod tiles;
