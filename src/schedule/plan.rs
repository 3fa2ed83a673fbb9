//! Plans as the scheduler keeps them.

use std::collections::HashMap;
use std::sync::Arc;

use super::coalesce::{Alike, Coalescer, GroupIndex};
use super::cost::{CostModel, DispatchCost, ModelIndex};
use super::queue::KernelIndex;
use super::{KernelId, PlanDesc};

/// Plans without requests that are kept for the next one. Guessed.
const IDLE_PLANS: usize = 64;

/// What the scheduler keeps of a dispatch.
#[derive(Clone, Copy, Debug)]
pub(super) struct DispatchInfo {
    pub(super) kernel: KernelIndex,
    pub(super) workgroups: u32,
    pub(super) cost: DispatchCost,
    /// Those who stand before it, if they can run it together.
    pub(super) group: Option<GroupIndex>,
    /// Number of dependencies.
    pub(super) waits: u32,
    successors: (u32, u32),
}

#[derive(Debug)]
pub(super) struct PlanInfo {
    /// Held, so that no other plan takes its address.
    desc: Arc<PlanDesc>,
    pub(super) model: ModelIndex,
    pub(super) dispatches: Vec<DispatchInfo>,
    successors: Vec<u32>,
}

/// Kernels in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Kernels {
    ids: Vec<KernelId>,
    indices: HashMap<KernelId, KernelIndex>,
    /// By kernel: whether it was first seen as one that only runs for several requests.
    coalesces: Vec<bool>,
}

impl Kernels {
    pub(super) fn id(&self, kernel: KernelIndex) -> KernelId {
        self.ids[kernel as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether a kernel is of use only where requests run together.
    pub(super) fn coalesces(&self, kernel: KernelIndex) -> bool {
        self.coalesces[kernel as usize]
    }

    pub(super) fn index(&mut self, id: KernelId, coalesces: bool) -> KernelIndex {
        *self.indices.entry(id).or_insert_with(|| {
            self.ids.push(id);
            self.coalesces.push(coalesces);
            self.ids.len() as KernelIndex - 1
        })
    }
}

impl PlanInfo {
    /// `None` if the plan is malformed.
    fn new(
        desc: &Arc<PlanDesc>,
        kernels: &mut Kernels,
        cost: &mut CostModel,
        coalescer: &mut Coalescer,
    ) -> Option<Self> {
        let dispatches = &desc.dispatches;
        let well_formed = dispatches.iter().enumerate().all(|(index, dispatch)| {
            dispatch.workgroups > 0
                && dispatch.coalesce.is_none_or(|coalesce| (2..=coalesce.width).contains(&coalesce.least))
                && dispatch.deps.iter().all(|&dep| (dep as usize) < index)
        });
        if !well_formed || u32::try_from(dispatches.iter().map(|d| d.deps.len() + 1).sum::<usize>()).is_err() {
            return None;
        }
        let mut ends = vec![0u32; dispatches.len()];
        for &dep in dispatches.iter().flat_map(|dispatch| &dispatch.deps) {
            ends[dep as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            total += *end;
            *end = total;
        }
        let mut starts = ends.clone();
        let mut successors = vec![0; total as usize];
        for (index, dispatch) in dispatches.iter().enumerate().rev() {
            for &dep in &dispatch.deps {
                let start = &mut starts[dep as usize];
                *start -= 1;
                successors[*start as usize] = index as u32;
            }
        }
        let model = cost.model(desc.model);
        let infos = dispatches.iter().enumerate().map(|(index, dispatch)| DispatchInfo {
            kernel: kernels.index(dispatch.kernel, false),
            workgroups: dispatch.workgroups,
            cost: cost.dispatch(dispatch).of(model),
            group: dispatch.coalesce.map(|coalesce| {
                let alike = Alike::of(model, dispatch);
                coalescer.known(alike).unwrap_or_else(|| {
                    let together = cost.coalesce(dispatch, &coalesce).of(model);
                    coalescer.add(alike, kernels.index(coalesce.kernel, true), &coalesce, together)
                })
            }),
            waits: dispatch.deps.len() as u32,
            successors: (starts[index], ends[index]),
        });
        Some(PlanInfo { desc: desc.clone(), model, dispatches: infos.collect(), successors })
    }
}

impl PlanInfo {
    /// Gives up its groups, as it is forgotten.
    fn leave(&self, coalescer: &mut Coalescer) {
        self.dispatches.iter().filter_map(|info| info.group).for_each(|group| coalescer.remove(group));
    }

    /// The dispatches that depend on one; as often as they name it.
    pub(super) fn successors(&self, dispatch: u32) -> &[u32] {
        let (start, end) = self.dispatches[dispatch as usize].successors;
        &self.successors[start as usize..end as usize]
    }
}

/// Plans by identity, so that a plan's tables are made once.
#[derive(Debug, Default)]
pub(super) struct Plans {
    by_address: HashMap<usize, (Arc<PlanInfo>, u64)>,
    uses: u64,
}

impl Plans {
    /// `None` if the plan is malformed.
    pub(super) fn get(
        &mut self,
        desc: &Arc<PlanDesc>,
        kernels: &mut Kernels,
        cost: &mut CostModel,
        coalescer: &mut Coalescer,
    ) -> Option<Arc<PlanInfo>> {
        self.uses += 1;
        let address = Arc::as_ptr(desc) as usize;
        if let Some((info, used)) = self.by_address.get_mut(&address) {
            *used = self.uses;
            debug_assert!(Arc::ptr_eq(&info.desc, desc), "a kept plan's address is its own");
            return Some(info.clone());
        }
        let info = Arc::new(PlanInfo::new(desc, kernels, cost, coalescer)?);
        self.by_address.insert(address, (info.clone(), self.uses));
        if self.by_address.len() > IDLE_PLANS {
            self.forget_idle(coalescer);
        }
        Some(info)
    }

    /// Forgets the plans of a model, unless requests hold some of them. Whether it did.
    pub(super) fn forget_model(&mut self, model: ModelIndex, coalescer: &mut Coalescer) -> bool {
        let of_model = |info: &Arc<PlanInfo>| info.model == model;
        if self.by_address.values().any(|(info, _)| of_model(info) && Arc::strong_count(info) > 1) {
            return false;
        }
        self.by_address.retain(|_, (info, _)| {
            let gone = of_model(info);
            if gone {
                info.leave(coalescer);
            }
            !gone
        });
        true
    }

    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    /// Forgets the longer-unused half of the plans that no request holds.
    fn forget_idle(&mut self, coalescer: &mut Coalescer) {
        let mut idle: Vec<u64> =
            self.by_address.values().filter(|(info, _)| Arc::strong_count(info) == 1).map(|(_, used)| *used).collect();
        if idle.len() < IDLE_PLANS / 2 {
            return;
        }
        idle.sort_unstable();
        let oldest_kept = idle[idle.len() / 2];
        self.by_address.retain(|_, (info, used)| {
            let kept = Arc::strong_count(info) > 1 || *used >= oldest_kept;
            if !kept {
                info.leave(coalescer);
            }
            kept
        });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::schedule::{DeviceModel, DispatchDesc, ModelId};

    pub(in super::super) fn plan(deps: &[&[u32]]) -> Arc<PlanDesc> {
        let dispatches = deps
            .iter()
            .map(|deps| DispatchDesc {
                kernel: KernelId(7),
                workgroups: 4,
                flops: 1,
                bytes: 1,
                deps: deps.to_vec(),
                coalesce: None,
            })
            .collect();
        Arc::new(PlanDesc { model: ModelId(0), dispatches })
    }

    pub(in super::super) fn info(desc: &Arc<PlanDesc>) -> Option<(Arc<PlanInfo>, CostModel)> {
        let mut cost = CostModel::new(DeviceModel::for_parallelism(256));
        let info = Plans::default().get(desc, &mut Kernels::default(), &mut cost, &mut Coalescer::new(true))?;
        Some((info, cost))
    }

    #[test]
    fn malformed_plans_are_refused() {
        for deps in [&[&[0u32] as &[u32]] as &[&[u32]], &[&[1], &[]], &[&[9]]] {
            assert!(info(&plan(deps)).is_none(), "{deps:?}");
        }
        let mut desc = (*plan(&[&[]])).clone();
        desc.dispatches[0].workgroups = 0;
        assert!(info(&Arc::new(desc)).is_none());
    }

    #[test]
    fn idle_plans_are_forgotten() {
        let mut plans = Plans::default();
        let (mut kernels, mut cost) = (Kernels::default(), CostModel::new(DeviceModel::for_parallelism(256)));
        let mut coalescer = Coalescer::new(true);
        for _ in 0..10 * IDLE_PLANS {
            plans.get(&plan(&[&[]]), &mut kernels, &mut cost, &mut coalescer).unwrap();
        }
        assert!(plans.by_address.len() <= 2 * IDLE_PLANS);
    }
}
