//! Plans as the scheduler keeps them, and the scoreboard of a request.

use std::collections::HashMap;
use std::sync::Arc;

use super::cost::{CostModel, DispatchCost};
use super::ready::ArmIndex;
use super::{ArmId, Class, Nanos, Outcome, PlanDesc, SubmissionId};

/// Plans without requests that are kept for the next one. Guessed.
const IDLE_PLANS: usize = 64;

/// A dispatch of a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) arm: ArmIndex,
    pub(super) workgroups: u32,
    pub(super) cost: DispatchCost,
    waits: u32,
    successors: (u32, u32),
}

#[derive(Debug)]
pub(super) struct PlanInfo {
    /// Held, so that no other plan takes its address.
    desc: Arc<PlanDesc>,
    pub(super) steps: Vec<Step>,
    successors: Vec<u32>,
}

/// Arms in the order in which they were first seen.
#[derive(Debug, Default)]
pub(super) struct Arms {
    ids: Vec<ArmId>,
    indices: HashMap<ArmId, ArmIndex>,
}

impl Arms {
    pub(super) fn id(&self, arm: ArmIndex) -> ArmId {
        self.ids[arm as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    fn index(&mut self, id: ArmId) -> ArmIndex {
        *self.indices.entry(id).or_insert_with(|| {
            self.ids.push(id);
            self.ids.len() as ArmIndex - 1
        })
    }
}

impl PlanInfo {
    /// `None` if the plan is malformed.
    fn new(desc: &Arc<PlanDesc>, arms: &mut Arms, cost: &mut CostModel) -> Option<Self> {
        let dispatches = &desc.dispatches;
        let well_formed = dispatches.iter().enumerate().all(|(index, dispatch)| {
            dispatch.workgroups > 0 && dispatch.deps.iter().all(|&dep| (dep as usize) < index)
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
        let steps = dispatches.iter().enumerate().map(|(index, dispatch)| Step {
            arm: arms.index(dispatch.arm),
            workgroups: dispatch.workgroups,
            cost: cost.dispatch(dispatch),
            waits: dispatch.deps.len() as u32,
            successors: (starts[index], ends[index]),
        });
        Some(PlanInfo { desc: desc.clone(), steps: steps.collect(), successors })
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
    pub(super) fn get(&mut self, desc: &Arc<PlanDesc>, arms: &mut Arms, cost: &mut CostModel) -> Option<Arc<PlanInfo>> {
        self.uses += 1;
        let address = Arc::as_ptr(desc) as usize;
        if let Some((info, used)) = self.by_address.get_mut(&address) {
            *used = self.uses;
            debug_assert!(Arc::ptr_eq(&info.desc, desc), "a kept plan's address is its own");
            return Some(info.clone());
        }
        let info = Arc::new(PlanInfo::new(desc, arms, cost)?);
        self.by_address.insert(address, (info.clone(), self.uses));
        if self.by_address.len() > IDLE_PLANS {
            self.forget_idle();
        }
        Some(info)
    }

    /// Forgets the longer-unused half of the plans that no request holds.
    fn forget_idle(&mut self) {
        let mut idle: Vec<u64> =
            self.by_address.values().filter(|(info, _)| Arc::strong_count(info) == 1).map(|(_, used)| *used).collect();
        if idle.len() < IDLE_PLANS / 2 {
            return;
        }
        idle.sort_unstable();
        let oldest_kept = idle[idle.len() / 2];
        self.by_address.retain(|_, (info, used)| Arc::strong_count(info) > 1 || *used >= oldest_kept);
    }
}

/// How far a dispatch is.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Dependencies that have not been issued.
    waits: u32,
    /// Workgroups that have been issued.
    issued: u32,
}

/// A scoreboard's memory, to be used again.
#[derive(Debug, Default)]
pub(super) struct Board(Vec<Cell>);

/// What issuing a lane did to its dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Progress {
    /// Workgroups are left.
    Partial,
    /// All its workgroups are issued: its successors are to be released.
    Whole,
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) plan: Arc<PlanInfo>,
    pub(super) deadline: Option<Nanos>,
    pub(super) class: Class,
    /// What it ends as once nothing of it is in flight; `None` while dispatches are left to issue.
    pub(super) ending: Option<Outcome>,
    /// Dispatches in the ready queues.
    pub(super) ready: u32,
    /// Submissions in flight that hold a lane of it.
    pub(super) in_flight: u32,
    /// The last of these.
    pub(super) last: Option<SubmissionId>,
    unissued: u32,
    cells: Vec<Cell>,
}

impl Request {
    /// A request with its scoreboard in the memory of an old one's.
    pub(super) fn new(
        id: u64,
        plan: Arc<PlanInfo>,
        deadline: Option<Nanos>,
        class: Class,
        Board(mut cells): Board,
    ) -> Self {
        cells.clear();
        cells.extend(plan.steps.iter().map(|step| Cell { waits: step.waits, issued: 0 }));
        let unissued = cells.len() as u32;
        let ending = (unissued == 0).then_some(Outcome::Completed);
        Request { id, plan, deadline, class, ending, ready: 0, in_flight: 0, last: None, unissued, cells }
    }

    /// Whether `dispatch` waits for no other.
    pub(super) fn is_source(&self, dispatch: u32) -> bool {
        self.cells[dispatch as usize].waits == 0
    }

    /// The workgroups of a dispatch that have been issued: the first of the next lane.
    pub(super) fn issued(&self, dispatch: u32) -> u32 {
        self.cells[dispatch as usize].issued
    }

    /// Notes that `count` further workgroups of a ready dispatch are issued.
    pub(super) fn issue(&mut self, dispatch: u32, count: u32) -> Progress {
        let cell = &mut self.cells[dispatch as usize];
        cell.issued += count;
        if cell.issued < self.plan.steps[dispatch as usize].workgroups {
            return Progress::Partial;
        }
        self.unissued -= 1;
        if self.unissued == 0 && self.ending.is_none() {
            self.ending = Some(Outcome::Completed);
        }
        Progress::Whole
    }

    /// Appends the successors of a wholly issued dispatch that became ready.
    pub(super) fn release(&mut self, dispatch: u32, into: &mut Vec<u32>) {
        let (start, end) = self.plan.steps[dispatch as usize].successors;
        for &successor in &self.plan.successors[start as usize..end as usize] {
            let cell = &mut self.cells[successor as usize];
            cell.waits -= 1;
            if cell.waits == 0 {
                into.push(successor);
            }
        }
    }

    pub(super) fn into_board(self) -> Board {
        Board(self.cells)
    }

    /// The outcome, if nothing more is to happen.
    pub(super) fn ended(&self) -> Option<Outcome> {
        self.ending.filter(|_| self.in_flight == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{DeviceModel, DispatchDesc};

    fn plan(deps: &[&[u32]]) -> Arc<PlanDesc> {
        let dispatches = deps
            .iter()
            .map(|deps| DispatchDesc { arm: ArmId(7), workgroups: 4, flops: 1, bytes: 1, deps: deps.to_vec() })
            .collect();
        Arc::new(PlanDesc { model: 0, dispatches })
    }

    fn info(desc: &Arc<PlanDesc>) -> Option<Arc<PlanInfo>> {
        let mut cost = CostModel::new(DeviceModel::for_parallelism(256));
        Plans::default().get(desc, &mut Arms::default(), &mut cost)
    }

    #[test]
    fn successors_are_released_by_their_last_dependency() {
        let info = info(&plan(&[&[], &[0, 0], &[0], &[1, 2]])).unwrap();
        let mut request = Request::new(0, info, None, Class::Normal, Board::default());
        assert!(request.is_source(0) && !request.is_source(1));
        let mut ready = Vec::new();
        assert_eq!(request.issue(0, 3), Progress::Partial);
        assert_eq!(request.issue(0, 1), Progress::Whole);
        request.release(0, &mut ready);
        assert_eq!(ready, [1, 2]);
        for dispatch in [2, 1] {
            assert_eq!(request.issue(dispatch, 4), Progress::Whole);
            request.release(dispatch, &mut ready);
        }
        assert_eq!(ready, [1, 2, 3]);
        assert_eq!(request.ended(), None);
        assert_eq!(request.issue(3, 4), Progress::Whole);
        assert_eq!(request.ended(), Some(Outcome::Completed));
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
        let (mut arms, mut cost) = (Arms::default(), CostModel::new(DeviceModel::for_parallelism(256)));
        for _ in 0..10 * IDLE_PLANS {
            plans.get(&plan(&[&[]]), &mut arms, &mut cost).unwrap();
        }
        assert!(plans.by_address.len() <= 2 * IDLE_PLANS);
    }
}
