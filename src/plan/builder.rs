//! The plan under construction: buffers, dispatches that name them, and what is known of every value.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::ValueId;
use crate::kernel::Variant;
use crate::ops::Fact;
use crate::tensor::Tensor;

use super::deps::Touch;
use super::lower::{BufferId, Target};
use super::repr::GRANULE;
use super::span::Spans;
use super::view::View;
use super::weights::{ModelWeights, WeightSource};
use super::{Check, Cost, Gather, WeightId};

/// Where a buffer will lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Activation,
    Weight(WeightId),
    /// Part of another buffer, from a multiple of [`GRANULE`] on.
    Window {
        parent: BufferId,
        offset: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Buffer {
    pub(super) storage: Storage,
    pub(super) bytes: u64,
}

/// A dispatch whose operands have no addresses yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) label: Arc<str>,
    pub(super) variant: Variant,
    pub(super) grid: [u32; 3],
    pub(super) operands: Vec<BufferId>,
    /// By operand: the bytes that the kernel touches, where that is not all of them.
    pub(super) spans: Vec<Option<Spans>>,
    pub(super) params: Vec<u32>,
    pub(super) cost: Cost,
    /// Whether all of its own operands lie in one region is not known yet.
    pub(super) gather: Option<Gather>,
}

pub(super) struct Builder {
    pub(super) target: Target,
    pub(super) weights: Arc<ModelWeights>,
    /// By value id.
    pub(super) facts: Vec<Option<Fact>>,
    /// By value id: where the value lies on the device, once it does.
    pub(super) views: Vec<Option<View>>,
    /// By value id: whether a dispatch or an output needs it on the device.
    pub(super) needed: Vec<bool>,
    /// By value id: whether its value is a constant of the graph, the same for every plan.
    pub(super) fixed: Vec<bool>,
    pub(super) buffers: Vec<Buffer>,
    pub(super) dispatches: Vec<Pending>,
    /// Buffers of the graph's inputs.
    pub(super) fed: Vec<BufferId>,
    /// What may go wrong, and the buffer with a granule for each.
    pub(super) checks: Vec<Check>,
    pub(super) report: Option<BufferId>,
    /// Of the node that is being lowered.
    pub(super) label: Arc<str>,
}

impl Builder {
    pub(super) fn buffer(&self, id: BufferId) -> Buffer {
        self.buffers[id.0 as usize]
    }

    /// The buffer of its own memory that holds this one, and how many bytes from its start.
    pub(super) fn root(&self, mut id: BufferId) -> (BufferId, u64) {
        let mut at = 0;
        while let Storage::Window { parent, offset } = self.buffer(id).storage {
            at += offset;
            id = parent;
        }
        (id, at)
    }

    /// What a dispatch touches of activations, from the start of the buffers whose memory it is.
    pub(super) fn touches(&self, pending: &Pending) -> Vec<(BufferId, Touch)> {
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
    pub(super) fn place_within(&mut self, view: &View, parent: BufferId, offset: u64) -> bool {
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
    pub(super) fn check(&mut self, check: Check) -> BufferId {
        let parent = *self.report.get_or_insert(BufferId(self.buffers.len() as u32));
        if parent.0 as usize == self.buffers.len() {
            self.push(Buffer { storage: Storage::Activation, bytes: 0 });
        }
        let offset = self.checks.len() as u64 * GRANULE;
        self.checks.push(check);
        self.buffers[parent.0 as usize].bytes = offset + GRANULE;
        self.push(Buffer { storage: Storage::Window { parent, offset }, bytes: GRANULE })
    }

    pub(super) fn activation(&mut self, bytes: u64) -> BufferId {
        self.push(Buffer { storage: Storage::Activation, bytes: bytes.max(1).next_multiple_of(GRANULE) })
    }

    /// A buffer of weights: value `id` laid out by `make`.
    pub(super) fn weight(
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

    pub(super) fn constant_bytes(&mut self, bytes: Vec<u8>) -> Result<BufferId> {
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
