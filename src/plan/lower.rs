//! Lowering: what an operator sees while it emits its dispatches.
//!
//! Values live in buffers; a [`View`] is a strided window of one. Transposes, reshapes and slices become views without a
//! dispatch; an operator whose kernel needs row-major data asks for [`Lowering::contiguous`], which copies if it must.

use crate::error::Result;
use crate::graph::Node;
use crate::ops::Fact;
use crate::tensor::{DType, Tensor};

use super::Cost;

/// A buffer of the plan under construction: an activation, a weight, a scratch area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// A strided window of a buffer, in elements of the value's heap representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The buffer.
    pub buffer: BufferId,
    /// Element type.
    pub dtype: DType,
    /// First element.
    pub offset: usize,
    /// Shape.
    pub shape: Vec<usize>,
    /// Elements from one index to the next, per dimension; 0 broadcasts.
    pub strides: Vec<usize>,
}

/// The device that the plan is for, as far as lowering cares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Which kernel variants suit it.
    pub class: DeviceClass,
    /// Workgroups of 64 invocations that keep it busy.
    pub parallelism: u32,
    /// The largest tensor that can be bound.
    pub max_binding_bytes: u64,
}

/// Which family of kernel variants suits a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceClass {
    /// A CPU adapter such as llvmpipe: register tiles, no barriers.
    Cpu,
    /// Any GPU: workgroup-memory tiles.
    #[default]
    Gpu,
}

/// A dispatch to emit.
#[derive(Debug)]
pub struct Emit<'a> {
    /// Name in the kernel library.
    pub kernel: &'static str,
    /// Override values.
    pub constants: &'a [(&'a str, f64)],
    /// Workgroups.
    pub grid: [u32; 3],
    /// The buffers of the kernel's storage bindings in order; whole buffers (offsets go into the parameters).
    pub operands: &'a [BufferId],
    /// The parameter struct: `bytemuck::bytes_of` a `#[repr(C)]` Pod struct that mirrors the kernel's `Params`.
    pub params: &'a [u8],
    /// What it costs.
    pub cost: Cost,
}

/// What an operator sees while it emits its dispatches.
pub struct Lowering<'a> {
    node: &'a Node,
}

impl<'a> Lowering<'a> {
    /// The node to lower.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The device that the plan is for.
    pub fn target(&self) -> &Target {
        unreachable!("skeleton")
    }

    /// Number of inputs, left-out ones included.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// What is known of input `i`; `None` if it is left out.
    pub fn input(&self, i: usize) -> Option<&Fact> {
        let _ = i;
        unreachable!("skeleton")
    }

    /// What is known of output `i`.
    pub fn output_fact(&self, i: usize) -> &Fact {
        let _ = i;
        unreachable!("skeleton")
    }

    /// The host value of input `i`, where it is known: a weight or a folded constant.
    pub fn constant(&self, i: usize) -> Option<&Tensor> {
        let _ = i;
        unreachable!("skeleton")
    }

    /// Input `i` on the device, strided as it is. A host constant is uploaded with the model's weights, once.
    ///
    /// # Errors
    /// `Input` if an i64 constant does not fit an i32; `Unsupported` for types without a heap representation.
    pub fn view(&mut self, i: usize) -> Result<View> {
        let _ = i;
        unreachable!("skeleton")
    }

    /// Input `i` on the device, row-major from the start of its buffer; emits a copy if it is not.
    ///
    /// # Errors
    /// As [`Lowering::view`].
    pub fn contiguous(&mut self, i: usize) -> Result<View> {
        let _ = i;
        unreachable!("skeleton")
    }

    /// A constant derived from constant input `i` (packed, transposed, padded weights): made once per model and `key`,
    /// shared by all plans and nodes that ask for the same. `make` gives the bytes as they lie on the heap.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn packed(&mut self, i: usize, key: &str, make: impl FnOnce(&Tensor) -> Result<Vec<u8>>) -> Result<BufferId> {
        let _ = (i, key, make);
        unreachable!("skeleton")
    }

    /// A fresh row-major buffer for output `i`.
    pub fn output(&mut self, i: usize) -> View {
        let _ = i;
        unreachable!("skeleton")
    }

    /// Makes output `i` a view of an existing buffer; no data moves.
    pub fn alias(&mut self, i: usize, view: View) {
        let _ = (i, view);
        unreachable!("skeleton")
    }

    /// A buffer for intermediate results of this node.
    pub fn scratch(&mut self, bytes: u64) -> BufferId {
        let _ = bytes;
        unreachable!("skeleton")
    }

    /// Emits a dispatch. Dependencies follow from the operands: which the kernel writes is reflected.
    ///
    /// # Errors
    /// `Internal` if operands or parameters do not match the kernel's declaration; `Limit` if the grid is too large.
    pub fn emit(&mut self, dispatch: Emit<'_>) -> Result<()> {
        let _ = dispatch;
        unreachable!("skeleton")
    }
}
