//! Lowering: what an operator sees while it emits its dispatches.
//!
//! Values live in buffers; a [`View`] is a strided window of one. Transposes, reshapes and slices become views without a
//! dispatch; an operator whose kernel needs row-major data asks for [`Lowering::contiguous`], which copies if it must.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::kernel::{Variant, library};
use crate::size::{Size, estimates, same_shape, sizes};
use crate::tensor::Tensor;

use super::builder::{Builder, Home, Part, Pending, PendingGather};
use super::grid::{item_groups, linear_grid};
use super::params::{params, words};
use super::repr::{heap_bytes, to_heap};
use super::view::{View, collapse};
use super::{Check, Fact};

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
    pub kernel: &'a str,
    /// Override values.
    pub constants: &'a [(&'a str, f64)],
    /// Workgroups, along one dimension.
    pub groups: Size,
    /// The buffers of the kernel's storage bindings in order; whole buffers (offsets go into the parameters).
    pub operands: &'a [BufferId],
    /// The words of the kernel's parameter struct, as `by_name` lays them out.
    pub params: Vec<Size>,
    /// What it costs.
    pub cost: Work,
}

/// What a dispatch costs, whatever the device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Floating-point operations (a multiply-add is two).
    pub flops: Size,
    /// Bytes that must move: operands read once and results written once.
    pub bytes: Size,
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

    /// What is known of all inputs, as an operator's rules take it.
    pub fn facts(&self) -> Vec<Option<&Fact>> {
        (0..self.inputs()).map(|i| self.input(i)).collect()
    }

    /// What is known of output `i`.
    pub fn output_fact(&self, i: usize) -> &Fact {
        &self.outputs[i]
    }

    /// Whether output `i` is declared and used by anything.
    pub fn wants_output(&self, i: usize) -> bool {
        self.node.outputs.get(i).copied().flatten().is_some_and(|id| self.builder.needed[id.0 as usize])
    }

    /// The host value of input `i`, where it is known: a weight, a folded constant, or what follows from sizes, for which
    /// alone the plan is then.
    pub fn constant(&self, i: usize) -> Option<&Tensor> {
        self.input(i)?.value()
    }

    /// Input `i` on the device, strided as it is. A constant of the model is uploaded with its weights, once; another value that the
    /// host knows goes up with each request.
    ///
    /// # Errors
    /// `Input` if an i64 constant does not fit an i32; `Unsupported` for types without a heap representation.
    pub fn view(&mut self, i: usize) -> Result<View> {
        let id = self.node.inputs.get(i).copied().flatten();
        let id = id.ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))?;
        if let Some(view) = &self.builder.views[id.0 as usize] {
            return Ok(view.clone());
        }
        let fact = self.input(i).cloned();
        let known = fact.and_then(|fact| fact.known);
        let known = known.ok_or_else(|| Error::internal(format!("input {i} has neither a value nor a buffer")))?;
        let tensor = known.estimate();
        let buffer = match known.elements() {
            Some(elements) => {
                // Refuses what does not fit, as for any constant.
                to_heap(tensor)?;
                self.builder.bind(elements.to_vec())
            }
            None if self.builder.keys[id.0 as usize].is_some() => self.packed(i, "", to_heap)?,
            None => self.builder.bind_bytes(to_heap(tensor)?),
        };
        let view = View::row_major(buffer, tensor.dtype(), &sizes(tensor.shape()));
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
        if view.offset.is_zero() && view.is_row_major() {
            return Ok(view.clone());
        }
        let buffer = self.scratch(heap_bytes(view.dtype, &view.shape)?);
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

    /// Bytes that follow from sizes, in a buffer that goes up with each request.
    pub fn plan_bytes(&mut self, bytes: Vec<u8>) -> BufferId {
        self.builder.bind_bytes(bytes)
    }

    /// Bytes that no size changes, as a read-only buffer shared by all plans of the model that ask for the same.
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
        let Fact { dtype, shape, known: _ } = &self.outputs[i];
        let bytes = heap_bytes(*dtype, shape).expect("output sizes were checked before lowering");
        let view = View::row_major(self.builder.activation(bytes), *dtype, shape);
        self.alias(i, view.clone());
        view
    }

    /// Makes output `i` a view of an existing buffer; no data moves.
    pub fn alias(&mut self, i: usize, view: View) {
        debug_assert_eq!(estimates(&view.shape), estimates(&self.outputs[i].shape), "output {i} of {}", self.node.name);
        if let Some(id) = self.node.outputs.get(i).copied().flatten() {
            self.builder.views[id.0 as usize] = Some(view);
        }
    }

    /// A buffer for intermediate results of this node.
    pub fn scratch(&mut self, bytes: Size) -> BufferId {
        self.builder.activation(bytes)
    }

    /// Copies the elements of one view onto another of the same shape, in another buffer.
    ///
    /// # Errors
    /// `Limit` if it is too large; `Unsupported` if it has more than eight dimensions that cannot be merged.
    pub fn copy(&mut self, source: &View, target: &View) -> Result<()> {
        self.copy_part(source, target, None)
    }

    /// Begins to write a buffer in parts that have no element in common; gives what names them to
    /// [`copy_to`](Lowering::copy_to).
    pub fn divide(&mut self) -> u32 {
        self.builder.wholes += 1;
        self.builder.wholes
    }

    /// As [`copy`](Lowering::copy), where `target` is part `index` of a buffer that was divided: parts do not wait for each
    /// other.
    ///
    /// # Errors
    /// As [`copy`](Lowering::copy).
    pub fn copy_to(&mut self, source: &View, target: &View, whole: u32, index: usize) -> Result<()> {
        self.copy_part(source, target, Some(Part { whole, index: index as u32 }))
    }

    fn copy_part(&mut self, source: &View, target: &View, part: Option<Part>) -> Result<()> {
        let len = source.len();
        if !same_shape(&source.shape, &target.shape) {
            return Err(Error::internal(format!("copy from shape {:?} to {:?}", source.shape, target.shape)));
        }
        if len.is_zero() {
            return Ok(());
        }
        let (shape, strides) = collapse(&source.shape, &[&source.strides, &target.strides]);
        let (size, from, to) = (words::<8>(&shape, 1)?, words::<8>(&strides[0], 0)?, words::<8>(&strides[1], 0)?);
        let params = params(
            "copy_strided",
            &[
                ("len", len),
                ("source_offset", source.offset),
                ("target_offset", target.offset),
                ("rank", Size::from(shape.len())),
            ],
            &[("sizes", &size), ("source_strides", &from), ("target_strides", &to)],
        )?;
        self.emit(Emit {
            kernel: "copy_strided",
            constants: &[],
            groups: item_groups(len),
            operands: &[source.buffer, target.buffer],
            params,
            cost: Work { flops: Size::ZERO, bytes: len * 8 },
        })?;
        if let Some(copy) = self.builder.dispatches.last_mut() {
            copy.extents = vec![Some(source.extent()), Some(target.extent())];
            copy.part = part;
        }
        Ok(())
    }

    /// Lays `view` into `parent`, from byte `offset` on, so that its producer writes there and no copy is needed. Gives
    /// whether that is possible: the view must be all of a buffer that lies nowhere else.
    pub fn place_within(&mut self, view: &View, parent: BufferId, offset: Size) -> bool {
        self.builder.place_within(view, parent, offset)
    }

    /// A binding in which the node's kernel reports that `what` happened (a phrase): it stores 1 into the first word. The
    /// request then ends with an error of that kind that names the node.
    pub fn check(&mut self, kind: ErrorKind, what: &'static str) -> BufferId {
        let (node, operator) = (self.node.name.clone(), self.node.operator());
        self.builder.check(Check { node, operator, kind, what })
    }

    /// Emits a dispatch. Dependencies follow from the operands: which the kernel writes is reflected. A grid without
    /// workgroups emits nothing.
    ///
    /// # Errors
    /// `Internal` if operands or parameters do not match the kernel's declaration; `Limit` if the grid is too large.
    pub fn emit(&mut self, dispatch: Emit<'_>) -> Result<()> {
        let Emit { kernel: name, constants, groups, operands, params, cost } = dispatch;
        if groups.is_zero() {
            return Ok(());
        }
        linear_grid(u64::try_from(groups.estimate()).unwrap_or(u64::MAX))?;
        let kernel = library::get(name);
        let wanted = kernel.params.as_ref().map_or(0, |p| p.size as usize / 4);
        if kernel.bindings.len() != operands.len() || wanted != params.len() {
            return Err(Error::internal(format!(
                "kernel {name} has {} bindings and {wanted} words of parameters, not {} and {}",
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
            groups,
            operands: operands.to_vec(),
            extents: vec![None; operands.len()],
            part: None,
            params,
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
        let mut shared = Size::ZERO;
        for (position, &buffer) in pending.operands.iter().enumerate() {
            let bytes = self.builder.buffer(buffer).bytes;
            let (root, _) = self.builder.root(buffer);
            match (by.own.contains(&position), self.builder.buffer(root).home) {
                (true, Home::Activation) => {}
                (false, Home::Weight(_)) => shared += bytes,
                _ => return Ok(()),
            }
        }
        let kept = constants.iter().filter(|(name, _)| !by.constants.iter().any(|(other, _)| other == name));
        let constants = kept.chain(by.constants).copied().chain([("GATHER", 1.0)]);
        let shared = shared.min(pending.cost.bytes);
        let variant = Variant::new(kernel, constants);
        let gather = PendingGather { variant, least: by.least, width: by.width, word, shared };
        self.builder.dispatches[before].gather = Some(gather);
        Ok(())
    }
}
