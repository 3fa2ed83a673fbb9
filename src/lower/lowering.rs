//! Lowering: what an operator sees while it emits its dispatches.
//!
//! Values live in buffers; a [`View`] is a strided window of one. Transposes, reshapes and slices become views without a
//! dispatch; an operator whose kernel needs row-major data asks for [`Lowering::contiguous`], which copies if it must.

use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Node, ValueId};
use crate::kernel::{Variant, library};
use crate::size::{Size, estimates, sizes};
use crate::tensor::{DType, Tensor};

use super::builder::{BufferOperand, Builder, Emitted, EmittedCoalescing, Home, Reserved};
use super::grid::{item_groups, linear_grid};
use super::params::{params, words};
use super::storage::{Storage, heap_bytes, widened};
use super::tuning::Tuning;
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
    /// Invocations of every subgroup; 0 where it varies, or subgroup operations are missing.
    pub subgroup_size: u32,
    /// How tiles of products and convolutions were measured to be best.
    pub tuning: Tuning,
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

impl DeviceClass {
    /// Words behind each other that an invocation of a kernel which only moves them takes. On CPU adapters several: finding a word's place
    /// costs llvmpipe more than moving it. On GPUs one, so that neighbours read neighbours.
    pub fn run(self) -> usize {
        match self {
            DeviceClass::Cpu => 16,
            DeviceClass::Gpu => 1,
        }
    }
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

impl Work {
    /// Of so many operations, by a kernel that moves so many words.
    pub fn of_words(flops: impl Into<Size>, words: impl Into<Size>) -> Work {
        Work { flops: flops.into(), bytes: Storage::Word.bytes(words.into()) }
    }
}

/// How a dispatch may be run for several requests at once: by its kernel with the override `COALESCE`.
#[derive(Debug)]
pub struct CoalesceBy<'a> {
    /// The fewest requests for which it takes less time than apart; at least two.
    pub least: u32,
    /// The most requests, not more than the kernel's parameter `coalesced` has words.
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

    /// The key of input `i`, where it is a constant of the model.
    pub(super) fn constant_key(&self, i: usize) -> Option<u64> {
        self.builder.keys[self.value(i).ok()?]
    }

    /// The host value of input `i`, where it is known: a weight, a folded constant, or what follows from sizes, for which
    /// alone the plan is then.
    pub fn constant(&self, i: usize) -> Option<&Tensor> {
        self.input(i)?.value()
    }

    /// Input `i` on the device, strided as it is, a word an element: what kernels compute with. A constant of the model is uploaded
    /// with its weights, once; another value that the host knows goes up with each request. What lies packed is widened, once
    /// for all nodes.
    ///
    /// # Errors
    /// `Input` if an i64 constant does not fit an i32; `Unsupported` for types without a heap representation.
    pub fn view(&mut self, i: usize) -> Result<View> {
        let id = self.value(i)?;
        if let Some(words) = &self.builder.words[id] {
            return Ok(words.clone());
        }
        let words = match self.builder.views[id].clone() {
            Some(view) if view.storage == Storage::Word => return Ok(view),
            Some(view) if self.input(i).is_some_and(|fact| fact.known.is_none()) => self.widened(&view)?,
            _ => self.known(i, Storage::Word)?,
        };
        self.builder.words[id] = Some(words.clone());
        Ok(words)
    }

    /// Input `i` on the device as it lies, strided and perhaps packed: for kernels that read any storage, and for views.
    ///
    /// # Errors
    /// As [`Lowering::view`].
    pub fn stored(&mut self, i: usize) -> Result<View> {
        let id = self.value(i)?;
        if let Some(view) = &self.builder.views[id] {
            return Ok(view.clone());
        }
        let view = self.known(i, Storage::of(self.input(i).map_or(DType::F32, |fact| fact.dtype)))?;
        self.builder.views[id] = Some(view.clone());
        Ok(view)
    }

    /// The value that is input `i`.
    fn value(&self, i: usize) -> Result<usize> {
        let id = self.node.inputs.get(i).copied().flatten();
        id.map(|id| id.0 as usize).ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))
    }

    /// The host's value of input `i`, uploaded.
    fn known(&mut self, i: usize, storage: Storage) -> Result<View> {
        let known = self.input(i).and_then(|fact| fact.known.clone());
        let known = known.ok_or_else(|| Error::internal(format!("input {i} has neither a value nor a buffer")))?;
        let tensor = known.estimate();
        let encode = |tensor: &Tensor| storage.encode(tensor);
        let buffer = match known.elements() {
            Some(elements) => {
                // Refuses what does not fit, as for any constant.
                encode(tensor)?;
                self.builder.bind(elements.to_vec())
            }
            None if self.builder.keys[self.value(i)?].is_some() => {
                let key = if storage == Storage::of(tensor.dtype()) { "" } else { "words" };
                let id = ValueId(self.value(i)? as u32);
                self.builder.weight(id, key, tensor, encode)?
            }
            None => self.builder.bind_bytes(encode(tensor)?),
        };
        Ok(View { storage, ..View::row_major(buffer, tensor.dtype(), &sizes(tensor.shape())) })
    }

    /// The elements of a packed view as words, row-major.
    fn widened(&mut self, view: &View) -> Result<View> {
        let words = self.words(view.dtype, &view.shape)?;
        let words = self.rounded(words);
        let (shape, strides) = collapse(&view.shape, &[&view.strides]);
        self.emit_packing("widen", view, &words, words.len(), (&shape, &strides[0]))?;
        Ok(words)
    }

    /// The elements of a view, row-major, as tensors of the type come and go.
    ///
    /// # Errors
    /// As [`Lowering::copy`].
    pub fn at_rest(&mut self, view: &View) -> Result<View> {
        if view.storage != Storage::Word {
            let words = self.widened(view)?;
            return self.at_rest(&words);
        }
        let packed = View::at_rest(self.scratch(heap_bytes(view.dtype, &view.shape)?), view.dtype, &view.shape);
        if packed.storage == Storage::Word {
            self.copy(view, &packed)?;
        } else {
            let words = packed.len().div_ceil(32 / packed.storage.bits());
            let (shape, strides) = collapse(&view.shape, &[&view.strides]);
            self.emit_packing("narrow", view, &packed, words, (&shape, &strides[0]))?;
        }
        Ok(packed)
    }

    /// Emits `widen` or `narrow`: from `source`, merged as given, to all of `target`.
    fn emit_packing(
        &mut self,
        kernel: &str,
        source: &View,
        target: &View,
        items: Size,
        (shape, strides): (&[Size], &[Size]),
    ) -> Result<()> {
        if target.is_empty() {
            return Ok(());
        }
        let packed = if source.storage == Storage::Word { target.storage } else { source.storage };
        let numbers = [
            ("len", target.len()),
            ("offset", source.offset),
            ("format", Size::from(packed as u32)),
            ("rank", Size::from(shape.len())),
        ];
        let lists: [(&str, &[Size]); 2] = [("sizes", &words::<8>(shape, 1)?), ("strides", &words::<8>(strides, 0)?)];
        let read = source.storage.bytes(target.len());
        self.emit(Emit {
            kernel,
            constants: &[],
            groups: item_groups(items),
            operands: &[source.buffer, target.buffer],
            params: params(kernel, &numbers, &lists)?,
            cost: Work { flops: Size::ZERO, bytes: read + target.bytes() },
        })
    }

    /// A fresh row-major buffer of words, for intermediate results.
    ///
    /// # Errors
    /// `Shape` if it is too large for any device.
    pub fn words(&mut self, dtype: DType, shape: &[Size]) -> Result<View> {
        let buffer = self.scratch(Storage::Word.heap_bytes(shape)?);
        Ok(View::row_major(buffer, dtype, shape))
    }

    /// Input `i` on the device, row-major from the start of its buffer; emits a copy if it is not, once for all nodes.
    ///
    /// # Errors
    /// As [`Lowering::view`].
    pub fn contiguous(&mut self, i: usize) -> Result<View> {
        let view = self.view(i)?;
        let whole = self.materialise(&view)?;
        if whole.buffer != view.buffer {
            let id = self.value(i)?;
            self.builder.words[id] = Some(whole.clone());
            if let Some(lies) = self.builder.views[id].as_mut().filter(|lies| lies.storage == Storage::Word) {
                *lies = whole.clone();
            }
        }
        Ok(whole)
    }

    /// The elements of a view, row-major from the start of a buffer; emits a copy if they do not lie so.
    ///
    /// # Errors
    /// As [`Lowering::copy`].
    pub fn materialise(&mut self, view: &View) -> Result<View> {
        if view.offset.is_zero() && view.is_row_major() {
            return Ok(view.clone());
        }
        let copy = self.words(view.dtype, &view.shape)?;
        // As its elements were.
        self.builder.buffers[copy.buffer.0 as usize].rounded = self.builder.buffer(view.buffer).rounded;
        self.copy(view, &copy)?;
        Ok(copy)
    }

    /// A constant derived from constant input `i` (packed, transposed, padded weights): made once per model and `key`,
    /// shared by all plans and nodes that ask for the same. `make` is given f16 and bf16 as f32, and gives the bytes as they lie on the heap.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn packed(&mut self, i: usize, key: &str, make: impl FnOnce(&Tensor) -> Result<Vec<u8>>) -> Result<BufferId> {
        let id = self.node.inputs.get(i).copied().flatten();
        match (id, self.constant(i).cloned()) {
            (Some(id), Some(tensor)) => self.builder.weight(id, key, &tensor, |tensor| make(&widened(tensor))),
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

    /// A fresh row-major buffer of words for output `i` (a scratch buffer if the node leaves it out). Results of f16 and bf16 are rounded
    /// behind the node, unless its kernels do that ([`Lowering::rounded`]).
    ///
    /// # Panics
    /// If the operator has no output `i`, or was asked for it twice.
    pub fn output(&mut self, i: usize) -> View {
        let Fact { dtype, shape, known: _ } = &self.outputs[i];
        let bytes = Storage::Word.heap_bytes(shape).expect("output sizes were checked before lowering");
        let view = View::row_major(self.builder.activation(bytes), *dtype, shape);
        self.alias(i, view.clone());
        view
    }

    /// As [`Lowering::output`], where output `i` has a place already, strided perhaps: it is a state that grows. Gives whether all that is
    /// the node's first input is there.
    pub fn reserved_output(&mut self, i: usize) -> Option<(View, bool)> {
        let id = self.node.outputs.get(i).copied().flatten()?;
        let Reserved { view, begun } = self.builder.reserved[id.0 as usize].clone()?;
        self.alias(i, view.clone());
        Some((view, begun))
    }

    /// A view of words that hold no more digits than their type has, f16 and bf16 too: rounded by the kernel, or moved from where they were.
    #[must_use]
    pub fn rounded(&mut self, view: View) -> View {
        self.builder.buffers[view.buffer.0 as usize].rounded = true;
        view
    }

    /// As [`Lowering::output`], for kernels that round to f16 or bf16 and may write it packed, as what leaves the device lies.
    pub fn packed_output(&mut self, i: usize) -> View {
        let id = self.node.outputs.get(i).copied().flatten();
        let leaves = id.is_some_and(|id| self.builder.delivered[id.0 as usize]);
        if !self.outputs[i].dtype.is_half() || !leaves {
            let view = self.output(i);
            return self.rounded(view);
        }
        self.resting_output(i)
    }

    /// As [`Lowering::output`], for elementwise kernels that write it as tensors of its type come and go, rounded and packed; of types
    /// of fewer than 8 bits, four of which do not fill a word, it is words.
    ///
    /// # Panics
    /// As [`Lowering::output`].
    pub fn resting_output(&mut self, i: usize) -> View {
        let Fact { dtype, shape, known: _ } = &self.outputs[i];
        if Storage::of(*dtype).bits() < 8 {
            let view = self.output(i);
            return self.rounded(view);
        }
        let bytes = heap_bytes(*dtype, shape).expect("output sizes were checked before lowering");
        let view = View::at_rest(self.builder.activation(bytes), *dtype, shape);
        let view = self.rounded(view);
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
        self.builder.dispatches.push(Emitted {
            label: self.builder.label.clone(),
            variant: Variant::new(kernel, constants.iter().copied()),
            groups,
            operands: operands.iter().map(|&buffer| BufferOperand { buffer, extent: None, part: None }).collect(),
            params,
            cost,
            coalesce: None,
        });
        Ok(())
    }

    /// As [`Lowering::emit`]; where only weights are shared, requests of the plan may run the dispatch together.
    ///
    /// # Errors
    /// As [`Lowering::emit`]; `Internal` if the kernel is not made for it.
    pub fn emit_coalesced(&mut self, dispatch: Emit<'_>, by: CoalesceBy<'_>) -> Result<()> {
        let before = self.builder.dispatches.len();
        let constants: Vec<(&str, f64)> = dispatch.constants.to_vec();
        self.emit(dispatch)?;
        let Some(emitted) = self.builder.dispatches.get(before) else { return Ok(()) };
        let kernel = emitted.variant.kernel().clone();
        let field = kernel.params.iter().flat_map(|params| &params.fields).find(|field| field.name == "coalesced");
        let word = match field {
            Some(field) if (2..=by.width).contains(&by.least) && field.size / 4 >= by.width => field.offset / 4,
            _ => return Err(Error::internal(format!("kernel {} cannot coalesce {} requests", kernel.name, by.width))),
        };
        let mut shared = Size::ZERO;
        for (position, &BufferOperand { buffer, .. }) in emitted.operands.iter().enumerate() {
            let bytes = self.builder.buffer(buffer).bytes;
            let (root, _) = self.builder.root(buffer);
            match (by.own.contains(&position), self.builder.buffer(root).home) {
                (true, Home::Activation) => {}
                // A kernel may have two bindings for one buffer.
                (false, Home::Weight(_)) if emitted.operands[..position].iter().any(|o| o.buffer == buffer) => {}
                (false, Home::Weight(_)) => shared += bytes,
                _ => return Ok(()),
            }
        }
        let kept = constants.iter().filter(|(name, _)| !by.constants.iter().any(|(other, _)| other == name));
        let constants = kept.chain(by.constants).copied().chain([("COALESCE", 1.0)]);
        let shared = shared.min(emitted.cost.bytes);
        let variant = Variant::new(kernel, constants);
        let coalesce = EmittedCoalescing { variant, least: by.least, width: by.width, word, shared };
        self.builder.dispatches[before].coalesce = Some(coalesce);
        Ok(())
    }
}
