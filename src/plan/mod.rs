//! Plans: one model as a list of dispatches with dependencies, memory layout and cost.
//!
//! A [`Template`] is traced once for all shapes that decide alike; binding it to shapes gives a [`Plan`].

use std::sync::Arc;

use crate::kernel::Variant;
use crate::lower::storage::Storage;
use crate::lower::{Coalescing, Cost, WeightId};
use crate::tensor::{DType, Tensor};

pub mod bind;
mod checks;
mod deps;
mod facts;
mod live;
mod memory;
mod planner;
pub mod stage;
mod state;
mod template;

pub use checks::Checks;
pub use live::live_bytes;
pub use planner::{Traced, plan, template, traced};
pub use state::{Room, State, maker};
pub use template::Template;

/// Where a tensor lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
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
    pub location: Location,
    /// Its length in bytes on the heap, a multiple of 16.
    pub bytes: u64,
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
    pub deps: Arc<[u32]>,
    /// What it costs.
    pub cost: Cost,
    /// How it runs for several requests at once, if it can.
    pub coalesce: Option<Coalescing>,
}

impl Dispatch {
    /// Number of workgroups.
    pub fn workgroups(&self) -> u32 {
        self.grid.iter().product()
    }

    /// The bytes of weights among those that it moves; at most [`Cost::bytes`].
    pub fn weight_bytes(&self) -> u64 {
        let weights = self.operands.iter().filter(|operand| matches!(operand.location, Location::Weight(_)));
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
    /// How it lies on the device.
    pub storage: Storage,
    /// Concrete shape.
    pub shape: Vec<usize>,
    /// Where the request's data goes; `None` if no dispatch and no output reads it.
    pub operand: Option<Operand>,
    /// Whether that is a region of its own, from its start, which may hold the data already.
    pub resident: bool,
    /// For how many rows the region has room, if it is a state that grows where it lies.
    pub room: Option<usize>,
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
    /// How it lies on the device.
    pub storage: Storage,
    /// Concrete shape.
    pub shape: Vec<usize>,
    /// Where it comes from.
    pub source: Source,
    /// What becomes of it.
    pub keep: Keep,
    /// For how many rows there is room, if it is a state that grows where it lies.
    pub room: Option<usize>,
}

/// What becomes of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is read back.
    Read,
    /// It stays on the device, in a region of its own that outlives the request.
    Resident,
    /// Both.
    Both,
}

impl Keep {
    /// Whether it is read back.
    pub fn is_read(self) -> bool {
        self != Keep::Resident
    }

    /// Whether it stays on the device.
    pub fn is_resident(self) -> bool {
        self != Keep::Read
    }
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
    /// What goes up with the inputs of every request: values that follow from the shapes.
    pub constants: Vec<(Operand, Arc<[u8]>)>,
    /// What the device reports, if anything can go wrong there.
    pub checks: Option<Checks>,
}
