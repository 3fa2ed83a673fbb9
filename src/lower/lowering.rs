//! Lowering: what an operator sees while it emits its dispatches.
//!
//! Values live in buffers; a [`View`] is a strided window of one. Transposes, reshapes and slices become views without a
//! dispatch; an operator whose kernel needs row-major data asks for [`Lowering::contiguous`], which copies if it must.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::kernel::{Variant, library};
use crate::tensor::Tensor;

use super::builder::{Builder, Pending, Storage};
use super::grid::item_grid;
use super::repr::{heap_bytes, to_heap};
use super::span::spans;
use super::view::{View, collapse};
use super::{Check, Cost, Fact, Gather};

/// A buffer of the plan under construction: an activation, a weight, a scratch area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// The device that the plan is for, as far as lowering cares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Which kernel variants suit it.
    pub class: DeviceClass,
    /// Workgroups of 64 invocations that keep it busy.
    pub parallelism: u32,
    /// The largest tensor that can be bound.
    pub max_binding_bytes: u64,
    /// Lanes of every subgroup; 0 where it varies, or subgroup operations are missing.
    pub subgroup_size: u32,
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

/// How a dispatch may be run for several requests at once: by its kernel with the override `GATHER`.
#[derive(Debug)]
pub struct GatherBy<'a> {
    /// The fewest requests for which it takes less time than apart; at least two.
    pub least: u32,
    /// The most requests, not more than the kernel's parameter `gather` has words.
    pub width: u32,
    /// Override values other than the dispatch's own.
    pub constants: &'a [(&'a str, f64)],
    /// Which of the operands are the request's own; the kernel reads no other but weights.
    pub own: &'a [usize],
}

/// What an operator sees while it emits its dispatches.
pub struct Lowering<'a> {
    pub(crate) node: &'a Node,
    pub(crate) outputs: &'a [Fact],
    pub(crate) builder: &'a mut Builder,
}

impl<'a> Lowering<'a> {
    /// The node to lower.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The device that the plan is for.
    pub fn target(&self) -> &Target {
        &self.builder.target
    }

    /// Number of inputs, left-out ones included.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// What is known of input `i`; `None` if it is left out.
    pub fn input(&self, i: usize) -> Option<&Fact> {
        let id = (*self.node.inputs.get(i)?)?;
        self.builder.facts[id.0 as usize].as_ref()
    }

    /// What is known of output `i`.
    pub fn output_fact(&self, i: usize) -> &Fact {
        &self.outputs[i]
    }

    /// Whether output `i` is declared and used by anything.
    pub fn wants_output(&self, i: usize) -> bool {
        self.node.outputs.get(i).copied().flatten().is_some_and(|id| self.builder.needed[id.0 as usize])
    }

    /// The host value of input `i`, where it is known: a weight or a folded constant.
    pub fn constant(&self, i: usize) -> Option<&Tensor> {
        self.input(i)?.value.as_ref()
    }

    /// Input `i` on the device, strided as it is. A host constant is uploaded with the model's weights, once.
    ///
    /// # Errors
    /// `Input` if an i64 constant does not fit an i32; `Unsupported` for types without a heap representation.
    pub fn view(&mut self, i: usize) -> Result<View> {
        let id = self.node.inputs.get(i).copied().flatten();
        let id = id.ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))?;
        if let Some(view) = &self.builder.views[id.0 as usize] {
            return Ok(view.clone());
        }
        let tensor = self.constant(i).cloned();
        let tensor = tensor.ok_or_else(|| Error::internal(format!("input {i} has neither a value nor a buffer")))?;
        let buffer = self.packed(i, "", to_heap)?;
        let view = View::row_major(buffer, tensor.dtype(), tensor.shape());
        self.builder.views[id.0 as usize] = Some(view.clone());
        Ok(view)
    }

    /// Input `i` on the device, row-major from the start of its buffer; emits a copy if it is not.
    ///
    /// # Errors
    /// As [`Lowering::view`].
    pub fn contiguous(&mut self, i: usize) -> Result<View> {
        let view = self.view(i)?;
        self.materialise(&view)
    }

    /// The elements of a view, row-major from the start of a buffer; emits a copy if they do not lie so.
    ///
    /// # Errors
    /// As [`Lowering::copy`].
    pub fn materialise(&mut self, view: &View) -> Result<View> {
        if view.offset == 0 && view.is_row_major() {
            return Ok(view.clone());
        }
        let buffer = self.scratch(heap_bytes(&view.shape)?);
        let copy = View::row_major(buffer, view.dtype, &view.shape);
        self.copy(view, &copy)?;
        Ok(copy)
    }

    /// A constant derived from constant input `i` (packed, transposed, padded weights): made once per model and `key`,
    /// shared by all plans and nodes that ask for the same. `make` gives the bytes as they lie on the heap.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn packed(&mut self, i: usize, key: &str, make: impl FnOnce(&Tensor) -> Result<Vec<u8>>) -> Result<BufferId> {
        let id = self.node.inputs.get(i).copied().flatten();
        match (id, self.constant(i).cloned()) {
            (Some(id), Some(tensor)) => self.builder.weight(id, key, &tensor, make),
            _ => Err(Error::internal(format!("input {i} is no constant"))),
        }
    }

    /// Bytes known while planning, as a read-only buffer shared by all plans of the model that ask for the same.
    ///
    /// # Errors
    /// `Internal` if there are too many.
    pub fn constant_bytes(&mut self, bytes: Vec<u8>) -> Result<BufferId> {
        self.builder.constant_bytes(bytes)
    }

    /// A fresh row-major buffer for output `i` (a scratch buffer if the node leaves it out).
    ///
    /// # Panics
    /// If the operator has no output `i`, or was asked for it twice.
    pub fn output(&mut self, i: usize) -> View {
        let Fact { dtype, shape, value: _ } = &self.outputs[i];
        let bytes = heap_bytes(shape).expect("output sizes were checked before lowering");
        let view = View::row_major(self.builder.activation(bytes), *dtype, shape);
        self.alias(i, view.clone());
        view
    }

    /// Makes output `i` a view of an existing buffer; no data moves.
    pub fn alias(&mut self, i: usize, view: View) {
        debug_assert_eq!(view.shape, self.outputs[i].shape, "output {i} of {}", self.node.name);
        if let Some(id) = self.node.outputs.get(i).copied().flatten() {
            self.builder.views[id.0 as usize] = Some(view);
        }
    }

    /// A buffer for intermediate results of this node.
    pub fn scratch(&mut self, bytes: u64) -> BufferId {
        self.builder.activation(bytes)
    }

    /// Copies the elements of one view onto another of the same shape, in another buffer.
    ///
    /// # Errors
    /// `Limit` if it is too large; `Unsupported` if it has more than eight dimensions that cannot be merged.
    pub fn copy(&mut self, source: &View, target: &View) -> Result<()> {
        let len = source.len() as u64;
        if source.shape != target.shape {
            return Err(Error::internal(format!("copy from shape {:?} to {:?}", source.shape, target.shape)));
        }
        let (sizes, strides) = collapse(&source.shape, &[&source.strides, &target.strides]);
        let params = CopyParams::new(source, target, &sizes, &strides)?;
        self.emit(Emit {
            kernel: "copy_strided",
            constants: &[("RANK", sizes.len() as f64)],
            grid: item_grid(len)?,
            operands: &[source.buffer, target.buffer],
            params: bytemuck::bytes_of(&params),
            cost: Cost { flops: 0, bytes: len * 8 },
        })?;
        if let Some(copy) = self.builder.dispatches.last_mut().filter(|_| len > 0) {
            copy.spans = vec![Some(spans(source)), Some(spans(target))];
        }
        Ok(())
    }

    /// Lays `view` into `parent`, from byte `offset` on, so that its producer writes there and no copy is needed. Gives
    /// whether that is possible: the view must be all of a buffer that lies nowhere else.
    pub fn place_within(&mut self, view: &View, parent: BufferId, offset: u64) -> bool {
        self.builder.place_within(view, parent, offset)
    }

    /// A binding in which the node's kernel reports that `what` happened (a phrase): it stores 1 into the first word. The
    /// request then ends with an error of kind `Overflow` that names the node.
    pub fn check(&mut self, what: &'static str) -> BufferId {
        let (node, operator) = (self.node.name.clone(), self.node.operator());
        self.builder.check(Check { node, operator, what })
    }

    /// Emits a dispatch. Dependencies follow from the operands: which the kernel writes is reflected. A grid without
    /// workgroups emits nothing.
    ///
    /// # Errors
    /// `Internal` if operands or parameters do not match the kernel's declaration; `Limit` if the grid is too large.
    pub fn emit(&mut self, dispatch: Emit<'_>) -> Result<()> {
        let Emit { kernel: name, constants, grid, operands, params, cost } = dispatch;
        if grid.contains(&0) {
            return Ok(());
        }
        if grid.iter().any(|&n| n > 65535) {
            return Err(Error::limit(format!("kernel {name}: a grid of {grid:?} exceeds 65535 workgroups")));
        }
        let kernel = library::get(name);
        let wanted = kernel.params.as_ref().map_or(0, |p| p.size as usize);
        if kernel.bindings.len() != operands.len() || wanted != params.len() {
            return Err(Error::internal(format!(
                "kernel {name} has {} bindings and {wanted} bytes of parameters, not {} and {}",
                kernel.bindings.len(),
                operands.len(),
                params.len()
            )));
        }
        if let Some((unknown, _)) = constants.iter().find(|(c, _)| !kernel.overrides.iter().any(|o| o == c)) {
            return Err(Error::internal(format!("kernel {name} has no override named {unknown}")));
        }
        self.builder.dispatches.push(Pending {
            label: self.builder.label.clone(),
            variant: Variant::new(kernel, constants.iter().copied()),
            grid,
            operands: operands.to_vec(),
            spans: vec![None; operands.len()],
            params: params.chunks_exact(4).map(|c| u32::from_ne_bytes([c[0], c[1], c[2], c[3]])).collect(),
            cost,
            gather: None,
        });
        Ok(())
    }

    /// As [`Lowering::emit`]; where only weights are shared, requests of the plan may run the dispatch together.
    ///
    /// # Errors
    /// As [`Lowering::emit`]; `Internal` if the kernel is not made for it.
    pub fn emit_gathered(&mut self, dispatch: Emit<'_>, by: GatherBy<'_>) -> Result<()> {
        let before = self.builder.dispatches.len();
        let constants: Vec<(&str, f64)> = dispatch.constants.to_vec();
        self.emit(dispatch)?;
        let Some(pending) = self.builder.dispatches.get(before) else { return Ok(()) };
        let kernel = pending.variant.kernel().clone();
        let field = kernel.params.iter().flat_map(|params| &params.fields).find(|field| field.name == "gather");
        let word = match field {
            Some(field) if (2..=by.width).contains(&by.least) && field.size / 4 >= by.width => field.offset / 4,
            _ => return Err(Error::internal(format!("kernel {} cannot gather {} requests", kernel.name, by.width))),
        };
        let mut shared = 0;
        for (position, &buffer) in pending.operands.iter().enumerate() {
            let bytes = self.builder.buffer(buffer).bytes;
            let (root, _) = self.builder.root(buffer);
            match (by.own.contains(&position), self.builder.buffer(root).storage) {
                (true, Storage::Activation) => {}
                (false, Storage::Weight(_)) => shared += bytes,
                _ => return Ok(()),
            }
        }
        let kept = constants.iter().filter(|(name, _)| !by.constants.iter().any(|(other, _)| other == name));
        let constants = kept.chain(by.constants).copied().chain([("GATHER", 1.0)]);
        let shared = shared.min(pending.cost.bytes);
        let gather = Gather {
            variant: Variant::new(kernel, constants),
            least: by.least,
            width: by.width,
            word,
            region: 0,
            shared,
        };
        self.builder.dispatches[before].gather = Some(gather);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) const LAYOUTS: &[crate::ops::params::Layout] = &[
    crate::ops::params::layout!("copy_strided", CopyParams: len, source_offset, target_offset, pad, size, source, target),
];

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct CopyParams {
    len: u32,
    source_offset: u32,
    target_offset: u32,
    pad: u32,
    size: [u32; 8],
    source: [u32; 8],
    target: [u32; 8],
}

impl CopyParams {
    fn new(source: &View, target: &View, sizes: &[usize], strides: &[Vec<usize>]) -> Result<Self> {
        Ok(CopyParams {
            len: word(source.len())?,
            source_offset: word(source.offset)?,
            target_offset: word(target.offset)?,
            pad: 0,
            size: words(sizes, 1)?,
            source: words(&strides[0], 0)?,
            target: words(&strides[1], 0)?,
        })
    }
}

/// A size, offset or stride as kernels take it.
///
/// # Errors
/// `Limit` if it does not fit.
pub fn word(size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::limit(format!("{size} elements exceed what kernels can address")))
}

/// Up to `N` sizes or strides as kernels take them, filled up with `fill`.
///
/// # Errors
/// `Unsupported` if there are more; `Limit` if one does not fit.
pub fn words<const N: usize>(sizes: &[usize], fill: u32) -> Result<[u32; N]> {
    let mut out = [fill; N];
    if sizes.len() > N {
        return Err(Error::unsupported(format!("tensors with {} dimensions that cannot be merged", sizes.len())));
    }
    for (to, &from) in out.iter_mut().zip(sizes) {
        *to = word(from)?;
    }
    Ok(out)
}
