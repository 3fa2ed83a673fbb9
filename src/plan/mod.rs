//! Plans: one model at concrete input shapes as a list of dispatches with dependencies, memory layout and cost.

use std::sync::Arc;

use crate::kernel::Variant;
use crate::tensor::{DType, Tensor};

pub mod bind;
mod builder;
mod checks;
mod deps;
pub mod lower;
mod memory;
pub(crate) mod params;
mod planner;
pub mod repr;
mod span;
mod view;
mod weights;

pub use checks::{Check, Checks};
pub use planner::plan;
pub use view::{collapse, row_major};
pub use weights::ModelWeights;

/// A packed weight of a model; an index into the model's [`ModelWeights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightId(pub u32);

/// Where a tensor lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In a region of the request's own memory. Offsets are multiples of 16 bytes.
    Activation {
        /// Index into [`Plan::regions`].
        region: u16,
        /// Bytes from the region's start.
        offset: u64,
    },
    /// In the model's weights, which are never written.
    Weight(WeightId),
}

/// A tensor as a dispatch sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    /// Where it starts.
    pub place: Place,
    /// Its length in bytes on the heap, a multiple of 16.
    pub bytes: u64,
}

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
pub struct Gather {
    /// The variant that does. It gives each request the bits that [`Dispatch::variant`] gives, workgroup by workgroup, and
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

/// One kernel run of a plan.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The node (or fused nodes) that it computes.
    pub label: Arc<str>,
    /// What runs.
    pub variant: Variant,
    /// Workgroups in x, y, z; never zero.
    pub grid: [u32; 3],
    /// One per storage binding of the kernel, in its order.
    pub operands: Vec<Operand>,
    /// The parameter struct, word by word.
    pub params: Vec<u32>,
    /// Earlier dispatches that must have finished: producers, and readers of memory that this one overwrites. Sorted.
    pub deps: Vec<u32>,
    /// What it costs.
    pub cost: Cost,
    /// How it runs for several requests at once, if it can.
    pub gather: Option<Gather>,
}

impl Dispatch {
    /// Number of workgroups.
    pub fn workgroups(&self) -> u32 {
        self.grid.iter().product()
    }

    /// The bytes of weights among those that it moves; at most [`Cost::bytes`].
    pub fn weight_bytes(&self) -> u64 {
        let weights = self.operands.iter().filter(|operand| matches!(operand.place, Place::Weight(_)));
        weights.map(|operand| operand.bytes).fold(0, u64::saturating_add).min(self.cost.bytes)
    }
}

/// An input of a plan.
#[derive(Clone, Debug)]
pub struct PlanInput {
    /// The graph's name for it.
    pub name: String,
    /// Element type at the API.
    pub dtype: DType,
    /// Concrete shape.
    pub shape: Vec<usize>,
    /// Where the request's data goes; `None` if no dispatch and no output reads it.
    pub operand: Option<Operand>,
}

/// Where an output's value comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Read back from the device.
    Device(Operand),
    /// Known when the plan was made.
    Constant(Tensor),
    /// The input of this index, passed through.
    Input(usize),
}

/// An output of a plan.
#[derive(Clone, Debug)]
pub struct PlanOutput {
    /// The graph's name for it.
    pub name: String,
    /// Element type at the API.
    pub dtype: DType,
    /// Concrete shape.
    pub shape: Vec<usize>,
    /// Where it comes from.
    pub source: Source,
}

/// One model at concrete input shapes.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In an order that respects `deps`.
    pub dispatches: Vec<Dispatch>,
    /// Bytes of each region of request memory.
    pub regions: Vec<u64>,
    /// In graph order.
    pub inputs: Vec<PlanInput>,
    /// In graph order.
    pub outputs: Vec<PlanOutput>,
    /// What the device reports, if anything can go wrong there.
    pub checks: Option<Checks>,
}
