//! fascine runs many neural networks at once on one GPU of any vendor.

pub mod error;
mod exit;
pub mod gpu;
pub mod graph;
pub mod kernel;
pub mod link;
pub mod lower;
#[cfg(feature = "cli")]
pub mod npy;
pub mod onnx;
pub mod ops;
pub mod optimise;
pub mod plan;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod reference;
pub mod runtime;
pub mod schedule;
pub mod size;
pub mod tensor;

pub use error::{Error, ErrorKind, Result};
pub use onnx::LoadOptions;
pub use runtime::{Completion, Model, Options, Request, RequestBuilder, Runtime, Timing, UserKernel};
pub use tensor::{DType, Tensor};
pub use wgpu;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
