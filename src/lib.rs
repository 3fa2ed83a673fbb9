//! fascine runs many neural networks at once on one GPU of any vendor.

pub mod error;
pub mod gpu;
pub mod kernel;
pub mod link;
pub mod plan;
pub mod schedule;
pub mod tensor;
