//! Binding a plan to memory: plan operands to segments and byte addresses, kernel variants to linked kernels.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::alike::{Alikes, Content};
use super::hold::Region;
use super::message::SharedPlan;
use crate::error::{Error, Result};
use crate::gpu::{Executor, HeapLayout, WeightLoad, WeightRange, WeightsId, linked_segments};
use crate::link::{LinkedKernel, SegmentId};
use crate::lower::{ModelWeights, WeightId};
use crate::plan::{Location, Operand};
use crate::schedule::{CoalesceDesc, DispatchDesc, KernelId, PlanDesc};

/// A model's weights on the device.
#[derive(Default)]
pub(super) struct Residency {
    ranges: BTreeMap<WeightId, WeightRange>,
    groups: Vec<WeightsId>,
    /// On their way, first come first served.
    loads: VecDeque<Load>,
    /// Requests in flight; the weights stay while there are any.
    pub(super) active: usize,
    /// Whether the model's last handle is gone.
    pub(super) unloaded: bool,
}

/// Weights on their way to the device.
struct Load {
    ids: Vec<WeightId>,
    weights: Arc<ModelWeights>,
    pieces: WeightLoad,
}

/// Whether the weights of a plan are on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Weights {
    Ready,
    Loading,
}

impl Residency {
    /// Begins to load the weights of `plan` that are not on the device yet.
    pub(super) fn ensure(&mut self, executor: &mut Executor, plan: &SharedPlan) -> Result<Weights> {
        let mut missing: Vec<WeightId> = plan
            .plan
            .dispatches
            .iter()
            .flat_map(|dispatch| &dispatch.operands)
            .filter_map(|operand| match operand.location {
                Location::Weight(id) if !self.ranges.contains_key(&id) => Some(id),
                _ => None,
            })
            .collect();
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            return Ok(Weights::Ready);
        }
        missing.retain(|id| !self.loads.iter().any(|load| load.ids.contains(id)));
        if !missing.is_empty() {
            let blobs = missing
                .iter()
                .map(|&id| {
                    plan.weights.bytes(id).ok_or_else(|| Error::internal(format!("weight {} has no bytes", id.0)))
                })
                .collect::<Result<Vec<Arc<[u8]>>>>()?;
            let pieces = executor.begin_weights(blobs)?;
            self.loads.push_back(Load { ids: missing, weights: plan.weights.clone(), pieces });
        }
        Ok(Weights::Loading)
    }

    /// Whether weights are on their way.
    pub(super) fn loading(&self) -> bool {
        !self.loads.is_empty()
    }

    /// Sends one piece of what is on its way; gives whether it did.
    pub(super) fn load(&mut self, executor: &mut Executor) -> Result<bool> {
        let Some(load) = self.loads.front_mut() else { return Ok(false) };
        let sent = executor.continue_weights(&mut load.pieces)?;
        if load.pieces.done()
            && let Some(Load { ids, weights, pieces }) = self.loads.pop_front()
        {
            ids.iter().for_each(|&id| weights.release(id));
            self.groups.push(pieces.id());
            self.ranges.extend(ids.into_iter().zip(pieces.ranges().iter().copied()));
        }
        Ok(sent)
    }

    /// Gives up what is on its way.
    pub(super) fn stop_loading(&mut self, executor: &mut Executor) {
        self.loads.drain(..).for_each(|load| executor.free_weights(load.pieces.id()));
    }

    pub(super) fn free(mut self, executor: &mut Executor) {
        self.stop_loading(executor);
        for group in self.groups {
            executor.free_weights(group);
        }
    }
}

/// An operand's address, but for where the request's regions lie.
#[derive(Clone, Copy)]
enum Address {
    Region { region: u16, offset: u64, bytes: u64 },
    Absolute { base: u64, bytes: u64 },
}

/// What a segment of a linked kernel is bound to.
#[derive(Clone, Copy)]
enum Bound {
    /// Where that region of the request does.
    Region(u16),
    Weights(SegmentId),
}

/// A plan bound to segments; shared by the requests whose regions lie in the same segments.
pub(super) struct Resolved {
    pub(super) desc: Arc<PlanDesc>,
    /// Where the regions lie.
    segments: Vec<SegmentId>,
    operands: Vec<Vec<Address>>,
    /// By dispatch: what the segments of its linked kernel are bound to, each once.
    bound: Vec<Vec<(SegmentId, Bound)>>,
    pub(super) params: Vec<Arc<[u32]>>,
    pub(super) workgroups: u64,
    /// The linked kernels that it cannot do without, sorted, each once.
    pub(super) kernels: Vec<KernelId>,
    /// What keeps the numbers by which other plans' dispatches are told to be like its own.
    _alike: Vec<Arc<Content>>,
}

impl Resolved {
    /// Whether it is for regions that lie in these segments: what runs as one lane with others has to lie as they do.
    pub(super) fn serves(&self, segments: impl Iterator<Item = SegmentId>) -> bool {
        self.segments.iter().copied().eq(segments)
    }

    pub(super) fn new(
        plan: &SharedPlan,
        residency: &Residency,
        regions: &[SegmentId],
        executor: &mut Executor,
        alikes: &mut Alikes,
    ) -> Result<Self> {
        // Requests with segments of their own have no distance from each other.
        let coalesces = executor.heap_layout() == HeapLayout::Shared;
        let params: Vec<Arc<[u32]>> =
            plan.plan.dispatches.iter().map(|dispatch| dispatch.params.as_slice().into()).collect();
        let mut alike = Vec::new();
        let mut dispatches = Vec::with_capacity(plan.plan.dispatches.len());
        let mut operands = Vec::with_capacity(plan.plan.dispatches.len());
        let mut bound = Vec::with_capacity(plan.plan.dispatches.len());
        for (dispatch, params) in plan.plan.dispatches.iter().zip(&params) {
            let mut segments = Vec::with_capacity(dispatch.operands.len());
            let mut addresses = Vec::with_capacity(dispatch.operands.len());
            for operand in &dispatch.operands {
                let (segment, address) = address(operand, residency, regions)?;
                segments.push(segment);
                addresses.push(address);
            }
            let linked = linked_segments(&segments);
            let to = |(&segment, address): (&SegmentId, &Address)| match *address {
                Address::Region { region, .. } => Bound::Region(region),
                Address::Absolute { .. } => Bound::Weights(segment),
            };
            let mut bindings: Vec<(SegmentId, Bound)> =
                linked.iter().copied().zip(segments.iter().zip(&addresses).map(to)).collect();
            bindings.sort_by_key(|&(segment, _)| segment);
            bindings.dedup_by_key(|&mut (segment, _)| segment);
            bound.push(bindings);
            let coalesce = dispatch.coalesce.as_ref().filter(|_| coalesces);
            let by = coalesce.map(|coalesce| {
                let variant = coalesce.variant.clone();
                (coalesce, executor.intern(LinkedKernel { variant, segments: linked.clone() }))
            });
            let kernel = executor.intern(LinkedKernel { variant: dispatch.variant.clone(), segments: linked });
            let coalesce = by.map(|(by, coalesced)| {
                let lies = |(&segment, address): (&SegmentId, &Address)| match *address {
                    Address::Region { offset, bytes, .. } => (segment, offset, bytes),
                    Address::Absolute { base, bytes } => (segment, base, bytes),
                };
                let lies = segments.iter().zip(&addresses).map(lies).collect();
                let content = Content::new(plan.model, [kernel, coalesced], dispatch, by, params, lies);
                let (number, content) = alikes.number(content);
                alike.push(content);
                CoalesceDesc {
                    kernel: coalesced,
                    least: by.least,
                    width: by.width,
                    shared: by.shared,
                    alike: Some(number),
                }
            });
            operands.push(addresses);
            dispatches.push(DispatchDesc {
                kernel,
                workgroups: dispatch.workgroups(),
                flops: dispatch.cost.flops,
                bytes: dispatch.cost.bytes,
                deps: dispatch.deps.to_vec(),
                coalesce,
            });
        }
        let mut kernels: Vec<KernelId> = dispatches.iter().map(|dispatch| dispatch.kernel).collect();
        kernels.sort_unstable();
        kernels.dedup();
        Ok(Resolved {
            segments: regions.to_vec(),
            kernels,
            workgroups: dispatches.iter().map(|dispatch| u64::from(dispatch.workgroups)).sum(),
            params,
            desc: Arc::new(PlanDesc { model: plan.model, dispatches }),
            operands,
            bound,
            _alike: alike,
        })
    }

    /// Which segment of the memory each of a dispatch's linked kernel is bound to.
    pub(super) fn bound<'a>(
        &'a self,
        dispatch: usize,
        regions: &'a [Region],
    ) -> impl Iterator<Item = (SegmentId, SegmentId)> + Clone + 'a {
        self.bound[dispatch].iter().map(|&(segment, to)| match to {
            Bound::Region(region) => (segment, regions[usize::from(region)].segment()),
            Bound::Weights(weights) => (segment, weights),
        })
    }

    /// The operands of a dispatch as bytes from the start of their segments: base and length.
    pub(super) fn operands<'a>(
        &'a self,
        dispatch: usize,
        regions: &'a [Region],
    ) -> impl Iterator<Item = (u64, u64)> + 'a {
        self.operands[dispatch].iter().map(|address| match *address {
            Address::Region { region, offset, bytes } => (regions[usize::from(region)].base() + offset, bytes),
            Address::Absolute { base, bytes } => (base, bytes),
        })
    }
}

fn address(operand: &Operand, residency: &Residency, regions: &[SegmentId]) -> Result<(SegmentId, Address)> {
    let bytes = operand.bytes;
    match operand.location {
        Location::Activation { region, offset } => {
            let segment = *regions
                .get(usize::from(region))
                .ok_or_else(|| Error::internal(format!("the plan has no region {region}")))?;
            Ok((segment, Address::Region { region, offset, bytes }))
        }
        Location::Weight(id) => {
            let range = residency
                .ranges
                .get(&id)
                .ok_or_else(|| Error::internal(format!("weight {} is not on the device", id.0)))?;
            Ok((range.segment, Address::Absolute { base: range.base, bytes }))
        }
    }
}
