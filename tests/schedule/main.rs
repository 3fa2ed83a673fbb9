//! The scheduler, without a device.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod coalesce;
mod decisions;
mod memory;
mod pipelines;
mod properties;
mod replay;
