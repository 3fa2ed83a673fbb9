//! Binding a plan to memory: plan operands to slots and byte addresses, kernel variants to arms.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::hold::Region;
use super::message::SharedPlan;
use crate::error::{Error, Result};
use crate::gpu::{Executor, WeightLoad, WeightPlace, WeightsId, linked_slots};
use crate::link::{Arm, Slot};
use crate::lower::{ModelWeights, WeightId};
use crate::plan::{Operand, Place};
use crate::schedule::{ArmId, DispatchDesc, GatherDesc, PlanDesc};

/// A model's weights on the device.
#[derive(Default)]
pub(super) struct Residency {
    places: BTreeMap<WeightId, WeightPlace>,
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
            .filter_map(|operand| match operand.place {
                Place::Weight(id) if !self.places.contains_key(&id) => Some(id),
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
            self.places.extend(ids.into_iter().zip(pieces.places().iter().copied()));
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

/// Where a slot of an arm lies.
#[derive(Clone, Copy)]
enum Segment {
    /// Where that region of the request does.
    Region(u16),
    Slab(Slot),
}

/// A plan bound to slots; shared by the requests whose regions lie in the same slots.
pub(super) struct Resolved {
    pub(super) desc: Arc<PlanDesc>,
    /// Where the regions lie.
    slots: Vec<Slot>,
    operands: Vec<Vec<Address>>,
    /// By dispatch: what the slots of its arm stand for, each once.
    segments: Vec<Vec<(Slot, Segment)>>,
    pub(super) params: Vec<Arc<[u32]>>,
    pub(super) workgroups: u64,
    /// The arms that it cannot do without, sorted, each once.
    pub(super) arms: Vec<ArmId>,
}

impl Resolved {
    /// Whether it is for regions that lie in these slots: what runs as one lane with others has to lie as they do.
    pub(super) fn serves(&self, slots: impl Iterator<Item = Slot>) -> bool {
        self.slots.iter().copied().eq(slots)
    }

    pub(super) fn new(
        plan: &SharedPlan,
        residency: &Residency,
        regions: &[Slot],
        executor: &mut Executor,
    ) -> Result<Self> {
        let mut dispatches = Vec::with_capacity(plan.plan.dispatches.len());
        let mut operands = Vec::with_capacity(plan.plan.dispatches.len());
        let mut segments = Vec::with_capacity(plan.plan.dispatches.len());
        for dispatch in &plan.plan.dispatches {
            let mut slots = Vec::with_capacity(dispatch.operands.len());
            let mut addresses = Vec::with_capacity(dispatch.operands.len());
            for operand in &dispatch.operands {
                let (slot, address) = address(operand, residency, regions)?;
                slots.push(slot);
                addresses.push(address);
            }
            let linked = linked_slots(&slots);
            let segment = |(&slot, address): (&Slot, &Address)| match *address {
                Address::Region { region, .. } => Segment::Region(region),
                Address::Absolute { .. } => Segment::Slab(slot),
            };
            let mut stand_for: Vec<(Slot, Segment)> =
                linked.iter().copied().zip(slots.iter().zip(&addresses).map(segment)).collect();
            stand_for.sort_by_key(|&(slot, _)| slot);
            stand_for.dedup_by_key(|&mut (slot, _)| slot);
            segments.push(stand_for);
            let slots = linked;
            operands.push(addresses);
            let gather = dispatch.gather.as_ref().map(|gather| GatherDesc {
                arm: executor.intern(Arm { variant: gather.variant.clone(), slots: slots.clone() }),
                least: gather.least,
                width: gather.width,
                shared: gather.shared,
            });
            dispatches.push(DispatchDesc {
                arm: executor.intern(Arm { variant: dispatch.variant.clone(), slots }),
                workgroups: dispatch.workgroups(),
                flops: dispatch.cost.flops,
                bytes: dispatch.cost.bytes,
                deps: dispatch.deps.to_vec(),
                gather,
            });
        }
        let mut arms: Vec<ArmId> = dispatches.iter().map(|dispatch| dispatch.arm).collect();
        arms.sort_unstable();
        arms.dedup();
        Ok(Resolved {
            slots: regions.to_vec(),
            arms,
            workgroups: dispatches.iter().map(|dispatch| u64::from(dispatch.workgroups)).sum(),
            params: plan.plan.dispatches.iter().map(|dispatch| dispatch.params.as_slice().into()).collect(),
            desc: Arc::new(PlanDesc { model: plan.model, dispatches }),
            operands,
            segments,
        })
    }

    /// Which segment or slab each slot of a dispatch's arm stands for.
    pub(super) fn segments<'a>(
        &'a self,
        dispatch: usize,
        regions: &'a [Region],
    ) -> impl Iterator<Item = (Slot, Slot)> + Clone + 'a {
        self.segments[dispatch].iter().map(|&(slot, segment)| match segment {
            Segment::Region(region) => (slot, regions[usize::from(region)].slot()),
            Segment::Slab(slab) => (slot, slab),
        })
    }

    /// The operands of a dispatch as bytes from the start of their slots: base and length.
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

fn address(operand: &Operand, residency: &Residency, regions: &[Slot]) -> Result<(Slot, Address)> {
    let bytes = operand.bytes;
    match operand.place {
        Place::Activation { region, offset } => {
            let slot = *regions
                .get(usize::from(region))
                .ok_or_else(|| Error::internal(format!("the plan has no region {region}")))?;
            Ok((slot, Address::Region { region, offset, bytes }))
        }
        Place::Weight(id) => {
            let place = residency
                .places
                .get(&id)
                .ok_or_else(|| Error::internal(format!("weight {} is not on the device", id.0)))?;
            Ok((place.slot, Address::Absolute { base: place.base, bytes }))
        }
    }
}
