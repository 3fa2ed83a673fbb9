//! The plan under construction: buffers, dispatches that name them, and what is known of every value.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::ValueId;
use crate::kernel::{Access, Variant};
use crate::tensor::Tensor;

use super::lowering::{BufferId, Target};
use super::repr::GRANULE;
use super::span::Spans;
use super::view::View;
use super::weights::{ModelWeights, WeightSource};
use super::{Check, Cost, Fact, Gather, WeightId};

/// Where a buffer will lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    Activation,
    Weight(WeightId),
    /// Part of another buffer, from a multiple of [`GRANULE`] on.
    Window {
        parent: BufferId,
        offset: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub(crate) storage: Storage,
    pub(crate) bytes: u64,
}

/// Bytes of a region that a dispatch touches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Touch {
    pub(crate) region: u16,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) access: Access,
}

/// A dispatch whose operands have no addresses yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) label: Arc<str>,
    pub(crate) variant: Variant,
    pub(crate) grid: [u32; 3],
    pub(crate) operands: Vec<BufferId>,
    /// By operand: the bytes that the kernel touches, where that is not all of them.
    pub(crate) spans: Vec<Option<Spans>>,
    pub(crate) params: Vec<u32>,
    pub(crate) cost: Cost,
    /// Whether all of its own operands lie in one region is not known yet.
    pub(crate) gather: Option<Gather>,
}

pub(crate) struct Builder {
    pub(crate) target: Target,
    pub(crate) weights: Arc<ModelWeights>,
    /// By value id.
    pub(crate) facts: Vec<Option<Fact>>,
    /// By value id: where the value lies on the device, once it does.
    pub(crate) views: Vec<Option<View>>,
    /// By value id: whether a dispatch or an output needs it on the device.
    pub(crate) needed: Vec<bool>,
    /// By value id: whether its value is a constant of the graph, the same for every plan.
    pub(crate) fixed: Vec<bool>,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) dispatches: Vec<Pending>,
    /// Buffers of the graph's inputs.
    pub(crate) fed: Vec<BufferId>,
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
    pub(crate) fn root(&self, mut id: BufferId) -> (BufferId, u64) {
        let mut at = 0;
        while let Storage::Window { parent, offset } = self.buffer(id).storage {
            at += offset;
            id = parent;
        }
        (id, at)
    }

    /// What a dispatch touches of activations, from the start of the buffers whose memory it is.
    pub(crate) fn touches(&self, pending: &Pending) -> Vec<(BufferId, Touch)> {
        let mut touches = Vec::with_capacity(pending.operands.len());
        let bindings = &pending.variant.kernel().bindings;
        for ((&buffer, spans), binding) in pending.operands.iter().zip(&pending.spans).zip(bindings) {
            let (root, offset) = self.root(buffer);
            if self.buffer(root).storage != Storage::Activation {
                continue;
            }
            let whole = [(0, self.buffer(buffer).bytes)];
            for &(start, end) in spans.as_deref().unwrap_or(&whole) {
                let (start, end) = (offset + start, offset + end);
                touches.push((root, Touch { region: 0, start, end, access: binding.access }));
            }
        }
        touches
    }

    /// Lays a whole buffer that nothing has placed yet into part of another one. Gives whether it could.
    pub(crate) fn place_within(&mut self, view: &View, parent: BufferId, offset: u64) -> bool {
        let Buffer { storage, bytes } = self.buffer(view.buffer);
        let room = self.buffer(parent).bytes;
        let len = view.len() as u64 * 4;
        let whole = view.offset == 0 && view.is_row_major() && len.next_multiple_of(GRANULE) == bytes;
        let fits = offset.is_multiple_of(GRANULE) && (len == bytes || offset + bytes == room) && offset + bytes <= room;
        let free = storage == Storage::Activation && view.buffer != parent && !self.fed.contains(&view.buffer);
        if whole && fits && free {
            self.buffers[view.buffer.0 as usize].storage = Storage::Window { parent, offset };
        }
        whole && fits && free
    }

    /// A granule in which a dispatch reports what went wrong.
    pub(crate) fn check(&mut self, check: Check) -> BufferId {
        let parent = *self.report.get_or_insert(BufferId(self.buffers.len() as u32));
        if parent.0 as usize == self.buffers.len() {
            self.push(Buffer { storage: Storage::Activation, bytes: 0 });
        }
        let offset = self.checks.len() as u64 * GRANULE;
        self.checks.push(check);
        self.buffers[parent.0 as usize].bytes = offset + GRANULE;
        self.push(Buffer { storage: Storage::Window { parent, offset }, bytes: GRANULE })
    }

    pub(crate) fn activation(&mut self, bytes: u64) -> BufferId {
        self.push(Buffer { storage: Storage::Activation, bytes: bytes.max(1).next_multiple_of(GRANULE) })
    }

    /// A buffer of weights: value `id` laid out by `make`.
    pub(crate) fn weight(
        &mut self,
        id: ValueId,
        layout: &str,
        tensor: &Tensor,
        make: impl FnOnce(&Tensor) -> Result<Vec<u8>>,
    ) -> Result<BufferId> {
        let source = if self.fixed[id.0 as usize] {
            WeightSource::Value(id.0)
        } else {
            let type_and_shape = format!("{}{:?}", tensor.dtype(), tensor.shape());
            WeightSource::Bytes([type_and_shape.as_bytes(), tensor.bytes()].concat().into())
        };
        let weight = self.weights.intern(source, layout, || make(tensor))?;
        Ok(self.weight_buffer(weight))
    }

    pub(crate) fn constant_bytes(&mut self, bytes: Vec<u8>) -> Result<BufferId> {
        let weight = self.weights.intern(WeightSource::Bytes(bytes.as_slice().into()), "bytes", || Ok(bytes))?;
        Ok(self.weight_buffer(weight))
    }

    fn weight_buffer(&mut self, weight: WeightId) -> BufferId {
        let bytes = self.weights.len_of(weight);
        self.push(Buffer { storage: Storage::Weight(weight), bytes })
    }

    fn push(&mut self, buffer: Buffer) -> BufferId {
        self.buffers.push(buffer);
        BufferId(u32::try_from(self.buffers.len() - 1).expect("fewer than 2^32 buffers"))
    }
}
