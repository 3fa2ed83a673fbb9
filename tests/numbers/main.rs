//! Kernels against plain arithmetic, bit by bit or within bounds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod depthwise;
mod functions;
mod fused;
mod halves;
mod integers;
#[path = "../link_common/random.rs"]
mod random;
mod recurrent;
mod tiles;
