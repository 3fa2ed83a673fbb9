//! Model files, sound and damaged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_files;
mod functions;
mod zoo;
