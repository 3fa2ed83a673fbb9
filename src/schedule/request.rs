//! The scoreboard of a request.

use std::sync::Arc;

use super::cost::CostModel;
use super::parts::{TIERS, Tier};
use super::plan::PlanInfo;
use super::{Nanos, Outcome, RequestDesc, SubmissionId};

/// How far a dispatch is.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Dependencies that have not been issued.
    waits: u32,
    /// Workgroups that have been issued.
    issued: u32,
    /// Predicted time alone.
    alone: f64,
    /// Predicted time of the longest path from its start to the request's end.
    path: f64,
    /// Whether it is in the bundle that is being formed.
    picked: bool,
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
pub(super) struct QueuedRequest {
    pub(super) id: u64,
    pub(super) desc: RequestDesc,
    pub(super) plan: Arc<PlanInfo>,
    /// Where its dispatches queue from now on.
    pub(super) tier: Tier,
    /// What it ends as once nothing of it is in flight; `None` while dispatches are left to issue.
    pub(super) ending: Option<Outcome>,
    /// Dispatches in the ready queues, by tier.
    pub(super) ready: [u32; TIERS],
    /// Submissions in flight that hold a lane of it.
    pub(super) in_flight: u32,
    /// The last of these, or of those before.
    pub(super) last: Option<SubmissionId>,
    /// Whether predictions for it rest on measurements.
    pub(super) predictable: bool,
    /// Predicted time of the request on a device of its own.
    pub(super) total: f64,
    /// Predicted time of the dispatches that are left, had each a bundle of its own.
    pub(super) work: f64,
    /// How long it was held back for company, by prediction.
    pub(super) held: f64,
    /// When it came.
    pub(super) arrived: Nanos,
    /// Whether it began when it could keep its deadline with a margin.
    promised: bool,
    /// Whether it has its memory.
    pub(super) begun: bool,
    /// The factor of its model that these rest on.
    factor: f64,
    unissued: u32,
    cells: Vec<Cell>,
}

impl QueuedRequest {
    /// A request with its scoreboard in the memory of an old one's.
    pub(super) fn new(
        id: u64,
        desc: RequestDesc,
        plan: Arc<PlanInfo>,
        tier: Tier,
        cost: &CostModel,
        Board(mut cells): Board,
        now: Nanos,
    ) -> Self {
        cells.clear();
        let cell = |waits| Cell { waits, issued: 0, alone: 0.0, path: 0.0, picked: false };
        cells.extend(plan.dispatches.iter().map(|info| cell(info.waits)));
        let unissued = cells.len() as u32;
        let ending = (unissued == 0).then_some(Outcome::Completed);
        let begun = desc.memory == 0;
        let mut request = QueuedRequest {
            id,
            desc,
            plan,
            tier,
            ending,
            ready: [0; TIERS],
            in_flight: 0,
            last: None,
            predictable: false,
            total: 0.0,
            work: 0.0,
            factor: 1.0,
            held: 0.0,
            arrived: now,
            promised: false,
            begun,
            unissued,
            cells,
        };
        request.predict(cost);
        request.total = request.cells.iter().map(|cell| cell.path).fold(0.0, f64::max);
        request
    }

    /// Predicts what is left by what is known now.
    pub(super) fn predict(&mut self, cost: &CostModel) {
        let (mut work, mut measured) = (0.0, 0.0);
        for dispatch in (0..self.cells.len()).rev() {
            let info = &self.plan.dispatches[dispatch];
            let alone = cost.alone(cost.load(&info.cost, info.workgroups));
            let after = self.plan.successors(dispatch as u32).iter().map(|&next| self.cells[next as usize].path);
            let path = alone + after.fold(0.0, f64::max);
            let cell = &mut self.cells[dispatch];
            (cell.alone, cell.path) = (alone, path);
            if cell.issued < info.workgroups {
                work += alone;
                measured += if cost.is_measured(&info.cost) { alone } else { 0.0 };
            }
        }
        self.work = work;
        self.factor = cost.factor(self.plan.model);
        // What a straggler takes tells nobody when it will be sound again.
        self.predictable = measured >= 0.5 * work && self.factor <= 1.0;
    }

    /// Whether `dispatch` waits for no other.
    pub(super) fn is_source(&self, dispatch: u32) -> bool {
        self.cells[dispatch as usize].waits == 0
    }

    /// The dispatches that wait for no other, and are neither issued nor in the bundle that is being formed.
    pub(super) fn ready_dispatches(&self) -> impl Iterator<Item = u32> + '_ {
        let cells = self.cells.iter().zip(&self.plan.dispatches).zip(0..);
        let ready = |cell: &Cell, workgroups| cell.waits == 0 && cell.issued < workgroups && !cell.picked;
        let goes_on = self.ending.is_none();
        cells.filter_map(move |((cell, info), index)| (goes_on && ready(cell, info.workgroups)).then_some(index))
    }

    /// The workgroups of a dispatch that have been issued: the first of the next lane.
    pub(super) fn issued(&self, dispatch: u32) -> u32 {
        self.cells[dispatch as usize].issued
    }

    /// Predicted time of the longest path from what is left of `dispatch` to the request's end.
    pub(super) fn path(&self, dispatch: u32) -> f64 {
        let cell = &self.cells[dispatch as usize];
        let issued = f64::from(cell.issued) / f64::from(self.plan.dispatches[dispatch as usize].workgroups);
        cell.path - cell.alone * issued
    }

    /// The time to spare before its deadline, if it has one that it can keep by prediction.
    pub(super) fn slack(&self, now: Nanos) -> Option<Nanos> {
        self.desc.deadline?.checked_sub(now)?.checked_sub(self.total as Nanos)
    }

    /// How many times as long it takes as was predicted when it came, by its model's present factor.
    pub(super) fn scale(&self, cost: &CostModel) -> f64 {
        cost.factor(self.plan.model) / self.factor
    }

    /// Whether nothing has been issued.
    pub(super) fn untouched(&self) -> bool {
        self.last.is_none()
    }

    /// Whether it can still keep its deadline, if `dispatch` starts at `start`, nothing delays it, and it takes `scale` times
    /// as long as predicted when it came.
    pub(super) fn can_keep(&self, dispatch: u32, start: Nanos, scale: f64) -> bool {
        let path = if self.predictable { (self.path(dispatch) * scale) as Nanos } else { 0 };
        self.desc.deadline.is_none_or(|deadline| start.saturating_add(path) <= deadline)
    }

    /// Whether workgroups of a dispatch are left.
    pub(super) fn has_left(&self, dispatch: u32) -> bool {
        self.cells[dispatch as usize].issued < self.plan.dispatches[dispatch as usize].workgroups
    }

    /// Whether it began as one that could keep its deadline; from now on nothing is expected of it.
    pub(super) fn breaks_promise(&mut self) -> bool {
        std::mem::take(&mut self.promised)
    }

    /// Whether it began as one that could keep its deadline, and nothing has changed that.
    pub(super) fn promised(&self) -> bool {
        self.promised
    }

    /// Notes that a dispatch is in the bundle that is being formed, out of a tier.
    pub(super) fn pick(&mut self, dispatch: u32, tier: Tier) {
        self.promised |= self.untouched() && tier == Tier::DEADLINE && self.desc.deadline.is_some();
        self.cells[dispatch as usize].picked = true;
    }

    /// Undoes [`QueuedRequest::pick`].
    pub(super) fn unpick(&mut self, dispatch: u32) {
        self.cells[dispatch as usize].picked = false;
    }

    /// Whether a dispatch is in the bundle that is being formed.
    pub(super) fn is_picked(&self, dispatch: u32) -> bool {
        self.cells[dispatch as usize].picked
    }

    /// Dispatches of which something is left to issue.
    pub(super) fn left(&self) -> u32 {
        self.unissued
    }

    /// Notes that `count` further workgroups of a ready dispatch are issued.
    pub(super) fn issue(&mut self, dispatch: u32, count: u32) -> Progress {
        let cell = &mut self.cells[dispatch as usize];
        cell.picked = false;
        cell.issued += count;
        if cell.issued < self.plan.dispatches[dispatch as usize].workgroups {
            return Progress::Partial;
        }
        self.work -= cell.alone;
        self.unissued -= 1;
        if self.unissued == 0 && self.ending.is_none() {
            self.ending = Some(Outcome::Completed);
        }
        Progress::Whole
    }

    /// Appends the successors of a wholly issued dispatch that became ready.
    pub(super) fn release(&mut self, dispatch: u32, into: &mut Vec<u32>) {
        for &successor in self.plan.successors(dispatch) {
            let cell = &mut self.cells[successor as usize];
            cell.waits -= 1;
            if cell.waits == 0 {
                into.push(successor);
            }
        }
    }

    /// Issues nothing further of it. Whether there was something to issue.
    pub(super) fn stop(&mut self, outcome: Outcome) -> bool {
        let goes_on = self.ending.is_none();
        // All of one may have been issued that fails none the less: not all of it ran.
        if goes_on || outcome == Outcome::Failed && self.ending == Some(Outcome::Completed) {
            self.ending = Some(outcome);
        }
        goes_on
    }

    pub(super) fn into_board(self) -> Board {
        Board(self.cells)
    }

    /// The outcome, if nothing more is to happen.
    pub(super) fn ended(&self, now: Nanos) -> Option<Outcome> {
        match self.ending.filter(|_| self.in_flight == 0)? {
            Outcome::Completed if self.desc.deadline.is_some_and(|deadline| now > deadline) => {
                Some(Outcome::CompletedLate)
            }
            outcome => Some(outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::plan::tests::{info, plan};

    fn request(deps: &[&[u32]]) -> QueuedRequest {
        let (info, cost) = info(&plan(deps)).unwrap();
        QueuedRequest::new(0, RequestDesc::default(), info, Tier::DEADLINE, &cost, Board::default(), 0)
    }

    #[test]
    fn successors_are_released_by_their_last_dependency() {
        let mut request = request(&[&[], &[0, 0], &[0], &[1, 2]]);
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
        assert_eq!(request.ended(0), None);
        assert_eq!(request.issue(3, 4), Progress::Whole);
        assert_eq!(request.ended(0), Some(Outcome::Completed));
        assert!(request.work.abs() < 1e-3);
    }

    #[test]
    fn the_longest_path_counts() {
        let request = request(&[&[], &[0], &[1], &[0], &[]]);
        let one = request.path(4);
        for (dispatch, length) in [(0, 3.0), (1, 2.0), (2, 1.0), (3, 1.0)] {
            assert!((request.path(dispatch) - length * one).abs() < 1e-6, "{dispatch}");
        }
        assert_eq!(request.total, request.path(0));
    }

    #[test]
    fn a_deadline_is_late_the_nanosecond_after() {
        let mut request = request(&[&[]]);
        request.desc.deadline = Some(10);
        assert_eq!(request.issue(0, 4), Progress::Whole);
        assert_eq!(request.ended(10), Some(Outcome::Completed));
        assert_eq!(request.ended(11), Some(Outcome::CompletedLate));
    }
}
