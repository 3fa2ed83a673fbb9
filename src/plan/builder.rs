//! The plan under construction: buffers, dispatches that name them, and what is known of every value.

use std::sync::Arc;

use crate::error::Result;
use crate::graph::ValueId;
use crate::kernel::Variant;
use crate::ops::Fact;
use crate::tensor::Tensor;

use super::lower::{BufferId, Target};
use super::repr::GRANULE;
use super::view::View;
use super::weights::{ModelWeights, WeightSource};
use super::{Cost, Gather, WeightId};

/// Where a buffer will lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Activation,
    Weight(WeightId),
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
    /// Of the node that is being lowered.
    pub(super) label: Arc<str>,
}

impl Builder {
    pub(super) fn buffer(&self, id: BufferId) -> Buffer {
        self.buffers[id.0 as usize]
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
