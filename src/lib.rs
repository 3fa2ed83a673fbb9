//! fascine runs many neural networks at once on one GPU of any vendor.

pub mod error;
pub mod graph;
pub mod kernel;
pub mod link;
#[cfg(feature = "cli")]
pub mod npy;
pub mod ops;
pub mod plan;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod reference;
pub mod schedule;
pub mod tensor;
