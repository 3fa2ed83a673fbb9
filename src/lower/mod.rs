//! Lowering: from an operator at known shapes to dispatches on buffers.
//!
//! An operator sees a [`Lowering`]: facts about its inputs, [`View`]s of the buffers that hold them, and `emit` for what it
//! does. What it emits collects in a builder, from which `plan/` makes a plan. How elements lie in memory is said in [`storage`].

use crate::kernel::Variant;

pub(crate) mod builder;
mod copies;
mod fact;
pub mod grid;
mod halves;
mod lowering;
mod params;
pub mod storage;
pub mod tuning;
mod view;
mod weights;

pub use fact::{Fact, Known};
pub use halves::WeightForm;
pub(crate) use halves::rounding;
pub use lowering::{BufferId, CoalesceBy, DeviceClass, Emit, Lowering, Target, Work};
pub(crate) use params::{bits, params, word, words};
pub use tuning::{Share, Tuning};
pub use view::{View, collapse, row_major};
pub use weights::ModelWeights;

/// A packed weight of a model; an index into the model's [`ModelWeights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightId(pub u32);

/// What a dispatch costs, whatever the device.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations (a multiply-add is two).
    pub flops: u64,
    /// Bytes that must move: operands read once and results written once.
    pub bytes: u64,
}

/// How a dispatch runs for several requests of its plan at once, so that what they share is read once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coalescing {
    /// The variant that does. It gives each request the bits that the single dispatch's variant gives, workgroup by workgroup, and
    /// has the same bindings and parameters.
    pub variant: Variant,
    /// The fewest requests for which it takes less time than apart; at least two.
    pub least: u32,
    /// The most requests.
    pub width: u32,
    /// The first of `width` parameter words: the number of requests, then how far the memory of each further one lies
    /// from the first's, in units of 16 bytes. All of what is not shared lies in this region.
    pub word: u32,
    /// The region that the requests' own operands lie in.
    pub region: u16,
    /// Bytes that are read once for all: of weights, at most [`Cost::bytes`].
    pub shared: u64,
}

/// A dispatch that may report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The node concerned.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// The kind of error that it is.
    pub kind: crate::error::ErrorKind,
    /// What has happened if it reports: a phrase.
    pub what: &'static str,
}
