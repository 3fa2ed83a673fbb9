//! The GPU: the only files that name wgpu.
//!
//! The engine hands over plain data ([`Work`]) and asks for what has [`Finished`]; this module owns everything between:
//!
//! - [`adapter`]: which adapters there are, and which one to take;
//! - [`device`]: an open device with its [`Caps`];
//! - `alloc`, `segment`, [`memory`]: the heap and the weight segments, every byte accounted for;
//! - `weights`: weights on their way into weight segments;
//! - `staging`: upload and read-back buffers, used again and again;
//! - `tables`: lane tables as the linked shaders read them;
//! - [`pipelines`], `compile`, `cache`: merged pipelines, linked and compiled on background threads and kept on disk;
//! - [`executor`]: one submission, from uploads to read-back;
//! - `timing`: timestamps of bundles;
//! - [`probe`]: what the device can do, measured;
//! - `waiter`: a thread that waits for the device where nobody else has to;
//! - `driver`: which allocations are wgpu's;
//! - `fault`: error scopes and device loss as typed errors;
//! - `trusted`: the `unsafe` code; beside it the crate has only the call that adds an exit handler, in `exit`.
//!
//! One thread owns the [`Executor`]. Nothing that it calls waits for the device, with one stated exception: [`Executor::wait`] and a
//! load of weights larger than the staging limit, and these only poll when the device belongs to an app. So does the probe, before there
//! is an executor.

pub mod adapter;
mod alloc;
mod binding;
mod cache;
mod compile;
pub mod device;
mod driver;
pub mod executor;
mod fault;
pub mod memory;
pub mod pipelines;
pub mod probe;
mod segment;
mod staging;
mod tables;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timing;
mod trusted;
mod waiter;
mod weights;
pub mod work;

pub use adapter::{AdapterOptions, AdapterReport, Select, adapters};
pub use device::{Caps, Gpu, Timestamps, Vendor};
pub use driver::in_driver;
pub use executor::{Executor, ExecutorOptions, Promise};
pub use memory::{Allocation, HeapLayout, MemoryStats, WeightRange, WeightsId, linked_segments};
pub use pipelines::{PipelineStats, PipelineStore};
pub use weights::WeightLoad;
pub use work::{Clear, Download, EncodedBundle, Finished, Upload, Work};
