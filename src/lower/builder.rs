//! The plan under construction: buffers, dispatches that name them, and what is known of every value.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::ValueId;
use crate::kernel::{Access, Variant};
use crate::tensor::Tensor;

use super::lowering::{BufferId, Target};
use super::storage::{GRANULE, Storage};
use super::view::View;
use super::weights::{ModelWeights, WeightSource};
use super::{Check, Fact, WeightId, Work};
use crate::size::Size;

/// Where a buffer will lie.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Home {
    Activation,
    Weight(WeightId),
    /// Part of another buffer, from a multiple of [`GRANULE`] on.
    Window {
        parent: BufferId,
        offset: Size,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub(crate) home: Home,
    pub(crate) bytes: Size,
    /// Whether words of f16 in it have no more digits than f16.
    pub(crate) rounded: bool,
}

/// Bytes of a buffer that a dispatch touches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    pub(crate) start: Size,
    pub(crate) end: Size,
    pub(crate) access: Access,
    pub(crate) part: Option<Part>,
}

/// One of several parts of a buffer that have no byte in common, though they may lie between each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The node that divides the buffer.
    pub(crate) whole: u32,
    pub(crate) index: u32,
}

/// A dispatch as an operator emitted it. Its operands are buffers, and later, in a template, addresses.
#[derive(Debug)]
pub(crate) struct Emitted<Operand = BufferOperand> {
    pub(crate) label: Arc<str>,
    pub(crate) variant: Variant,
    /// Workgroups.
    pub(crate) groups: Size,
    pub(crate) operands: Vec<Operand>,
    pub(crate) params: Vec<Size>,
    pub(crate) cost: Work,
    /// Good only where all operands of the request's own lie in one region.
    pub(crate) coalesce: Option<EmittedCoalescing>,
}

/// An operand that has no address yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BufferOperand {
    pub(crate) buffer: BufferId,
    /// The bytes that the kernel touches, from and to, where that is not all of them.
    pub(crate) extent: Option<(Size, Size)>,
    /// The part that it writes.
    pub(crate) part: Option<Part>,
}

impl<Operand> Emitted<Operand> {
    pub(crate) fn with_operands<Other>(self, operands: Vec<Other>) -> Emitted<Other> {
        let Emitted { label, variant, groups, operands: _, params, cost, coalesce } = self;
        Emitted { label, variant, groups, operands, params, cost, coalesce }
    }
}

/// How a dispatch may run for several requests, before the plan knows where its operands lie.
#[derive(Clone, Debug)]
pub(crate) struct EmittedCoalescing {
    pub(crate) variant: Variant,
    pub(crate) least: u32,
    pub(crate) width: u32,
    pub(crate) word: u32,
    pub(crate) shared: Size,
}

/// Where a value is to lie, from before it is lowered.
#[derive(Clone, Debug)]
pub(crate) struct Reserved {
    pub(crate) view: View,
    /// Whether its beginning, all that the node's first input is, is there already.
    pub(crate) begun: bool,
}

/// A buffer with values that follow from the sizes of the symbols, or that were computed for some of them alone. They go up with the
/// request, and nothing of them stays with the model.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) buffer: BufferId,
    pub(crate) content: Content,
}

/// What goes up.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A word for each.
    Integers(Vec<Size>),
    /// As it lies on the heap, a multiple of [`GRANULE`].
    Bytes(Arc<[u8]>),
}

pub(crate) struct Builder {
    pub(crate) target: Target,
    pub(crate) weights: Arc<ModelWeights>,
    /// By value id.
    pub(crate) facts: Vec<Option<Fact>>,
    /// By value id: where the value lies on the device, once it does.
    pub(crate) views: Vec<Option<View>>,
    /// By value id: where the value is to lie, if that is settled before it is lowered.
    pub(crate) reserved: Vec<Option<Reserved>>,
    /// By value id: the same elements as words, where it lies packed and a kernel has asked for them.
    pub(crate) words: Vec<Option<View>>,
    /// By value id: whether a dispatch or an output needs it on the device.
    pub(crate) needed: Vec<bool>,
    /// By value id: whether the caller or a later request takes it.
    pub(crate) delivered: Vec<bool>,
    /// By value id: the key of a value that is a constant of the model, the same for every plan.
    pub(crate) keys: Vec<Option<u64>>,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) dispatches: Vec<Emitted>,
    /// Buffers of the graph's inputs.
    pub(crate) fed: Vec<BufferId>,
    /// Buffers of values that follow from the sizes of symbols.
    pub(crate) bound: Vec<Bound>,
    /// Nodes that have divided buffers into parts.
    pub(crate) wholes: u32,
    /// What may go wrong, and the buffer with a granule for each.
    pub(crate) checks: Vec<Check>,
    pub(crate) report: Option<BufferId>,
    /// Of the node that is being lowered.
    pub(crate) label: Arc<str>,
}

impl Builder {
    pub(crate) fn buffer(&self, id: BufferId) -> Buffer {
        self.buffers[id.0 as usize]
    }

    /// The buffer of its own memory that holds this one, and how many bytes from its start.
    pub(crate) fn root(&self, mut id: BufferId) -> (BufferId, Size) {
        let mut at = Size::ZERO;
        while let Home::Window { parent, offset } = self.buffer(id).home {
            at += offset;
            id = parent;
        }
        (id, at)
    }

    /// What a dispatch touches of activations, from the start of the buffers whose memory it is.
    pub(crate) fn touches(&self, emitted: &Emitted) -> Vec<(BufferId, Touch)> {
        let mut touches = Vec::with_capacity(emitted.operands.len());
        let bindings = &emitted.variant.kernel().bindings;
        for (&BufferOperand { buffer, extent, part }, binding) in emitted.operands.iter().zip(bindings) {
            let (root, offset) = self.root(buffer);
            if !matches!(self.buffer(root).home, Home::Activation) {
                continue;
            }
            let (start, end) = extent.unwrap_or((Size::ZERO, self.buffer(buffer).bytes));
            touches.push((root, Touch { start: offset + start, end: offset + end, access: binding.access, part }));
        }
        touches
    }

    /// Lays a whole buffer that nothing has placed yet into part of another one. Gives whether it could.
    pub(crate) fn place_within(&mut self, view: &View, parent: BufferId, offset: Size) -> bool {
        let Buffer { home, bytes, .. } = self.buffer(view.buffer);
        let free = matches!(home, Home::Activation)
            && view.buffer != parent
            && !self.fed.contains(&view.buffer)
            && !self.reserved.iter().flatten().any(|reserved| reserved.view.buffer == view.buffer)
            && !self.bound.iter().any(|bound| bound.buffer == view.buffer);
        if !(free && view.offset.is_zero() && view.is_row_major()) {
            return false;
        }
        let room = self.buffer(parent).bytes;
        let len = view.bytes();
        let whole = len.next_multiple_of(GRANULE) == bytes;
        let fits = whole
            && offset.is_multiple_of(GRANULE)
            && (len == bytes || offset + bytes == room)
            && offset + bytes <= room;
        if fits {
            self.buffers[view.buffer.0 as usize].home = Home::Window { parent, offset };
        }
        fits
    }

    /// A granule in which a dispatch reports what went wrong.
    pub(crate) fn check(&mut self, check: Check) -> BufferId {
        let parent = *self.report.get_or_insert(BufferId(self.buffers.len() as u32));
        if parent.0 as usize == self.buffers.len() {
            self.push(Buffer { home: Home::Activation, bytes: Size::ZERO, rounded: false });
        }
        let offset = Size::from(self.checks.len() as u64 * GRANULE);
        self.checks.push(check);
        self.buffers[parent.0 as usize].bytes = offset + GRANULE;
        self.push(Buffer { home: Home::Window { parent, offset }, bytes: Size::from(GRANULE), rounded: false })
    }

    pub(crate) fn activation(&mut self, bytes: Size) -> BufferId {
        let bytes = bytes.next_multiple_of(GRANULE).max(GRANULE);
        self.push(Buffer { home: Home::Activation, bytes, rounded: false })
    }

    /// A buffer of words that follow from the sizes of symbols.
    pub(crate) fn bind(&mut self, elements: Vec<Size>) -> BufferId {
        let buffer = self.activation(Storage::Word.bytes(Size::from(elements.len())));
        self.bound.push(Bound { buffer, content: Content::Integers(elements) });
        buffer
    }

    /// A buffer of bytes that this plan alone has.
    pub(crate) fn bind_bytes(&mut self, mut bytes: Vec<u8>) -> BufferId {
        bytes.resize(bytes.len().max(1).next_multiple_of(GRANULE as usize), 0);
        let buffer = self.activation(Size::from(bytes.len()));
        self.bound.push(Bound { buffer, content: Content::Bytes(bytes.into()) });
        buffer
    }

    /// A buffer of weights: value `id` laid out by `make`.
    pub(crate) fn weight(
        &mut self,
        id: ValueId,
        layout: &str,
        tensor: &Tensor,
        make: impl FnOnce(&Tensor) -> Result<Vec<u8>>,
    ) -> Result<BufferId> {
        let source = match self.keys[id.0 as usize] {
            Some(key) => WeightSource::Value(key),
            None => {
                let type_and_shape = format!("{}{:?}", tensor.dtype(), tensor.shape());
                WeightSource::Bytes([type_and_shape.as_bytes(), tensor.bytes()].concat().into())
            }
        };
        let weight = self.weights.intern(source, layout, || make(tensor))?;
        Ok(self.weight_buffer(weight))
    }

    pub(crate) fn constant_bytes(&mut self, bytes: Vec<u8>) -> Result<BufferId> {
        let weight = self.weights.intern(WeightSource::Bytes(bytes.as_slice().into()), "bytes", || Ok(bytes))?;
        Ok(self.weight_buffer(weight))
    }

    fn weight_buffer(&mut self, weight: WeightId) -> BufferId {
        let bytes = Size::from(self.weights.len_of(weight));
        self.push(Buffer { home: Home::Weight(weight), bytes, rounded: true })
    }

    fn push(&mut self, buffer: Buffer) -> BufferId {
        self.buffers.push(buffer);
        BufferId(u32::try_from(self.buffers.len() - 1).expect("fewer than 2^32 buffers"))
    }
}
