//! Models and requests as an application uses them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod deadlines;
mod device_tensors;
mod loops;
mod memory;
mod models;
mod queue;
#[path = "../link_common/random.rs"]
mod random;
mod session_decoders;
mod session_growth;
mod sessions;
mod stages;
mod stress;
mod templates;
mod threads;
