//! fascine runs many neural networks at once on one GPU of any vendor.
//!
//! What applications use is here, in [`runtime`], [`tensor`] and [`error`]. The feature `unstable` makes the other modules public
//! too, for the tools of the repository: what only it makes public may change in any version.
#![cfg_attr(
    not(feature = "unstable"),
    allow(dead_code, unreachable_pub, unused_imports, reason = "what only `unstable` makes public")
)]

pub mod error;
mod exit;
#[cfg(feature = "cli")]
pub mod npy;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod reference;
pub mod runtime;
pub mod tensor;

#[cfg(not(feature = "unstable"))]
mod gpu;
#[cfg(feature = "unstable")]
pub mod gpu;
#[cfg(not(feature = "unstable"))]
mod graph;
#[cfg(feature = "unstable")]
pub mod graph;
#[cfg(not(feature = "unstable"))]
mod kernel;
#[cfg(feature = "unstable")]
pub mod kernel;
#[cfg(not(feature = "unstable"))]
mod link;
#[cfg(feature = "unstable")]
pub mod link;
#[cfg(not(feature = "unstable"))]
mod lower;
#[cfg(feature = "unstable")]
pub mod lower;
#[cfg(not(feature = "unstable"))]
mod onnx;
#[cfg(feature = "unstable")]
pub mod onnx;
#[cfg(not(feature = "unstable"))]
mod ops;
#[cfg(feature = "unstable")]
pub mod ops;
#[cfg(not(feature = "unstable"))]
mod optimise;
#[cfg(feature = "unstable")]
pub mod optimise;
#[cfg(not(feature = "unstable"))]
mod plan;
#[cfg(feature = "unstable")]
pub mod plan;
#[cfg(not(feature = "unstable"))]
mod schedule;
#[cfg(feature = "unstable")]
pub mod schedule;
#[cfg(not(feature = "unstable"))]
mod size;
#[cfg(feature = "unstable")]
pub mod size;

pub use error::{Error, ErrorKind, Result};
pub use graph::{Dim, Kind};
pub use onnx::LoadOptions;
pub use runtime::{
    Completion, DeviceTensor, Download, InputInfo, KernelRequest, Model, Options, OutputInfo, Request, RequestBuilder,
    Runtime, Session, SessionOptions, Stats, Timing, UserKernel, Value,
};
pub use schedule::{Admission, Class};
pub use tensor::{DType, Tensor};
pub use wgpu;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
