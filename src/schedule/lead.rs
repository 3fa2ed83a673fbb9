//! Chooses a wave's leader, how much of it goes, and how far riders may stretch the wave.

use super::core::Core;
use super::cost::ModelIndex;
use super::options::{Scope, Split};
use super::parts::Tier;
use super::ready::{ArmIndex, Rank};
use super::request::Request;
use super::{Class, Nanos, Pipelines};

/// The least part of a slice that a piece of a long dispatch fills behind other waves. Guessed.
const PIECE: f64 = 0.25;
/// How much riders may stretch any wave, short of costing its leader the deadline. Guessed.
const TIGHT: f64 = 1.02;
/// The part of the time to spare that riders may use up. Set by simulation: more delays the urgent, less wastes the device.
const SPARE: f64 = 0.15;

#[derive(Clone, Copy, Debug)]
pub(super) struct Leader {
    pub(super) tier: Tier,
    pub(super) rank: Rank,
    pub(super) arm: ArmIndex,
}

/// What is left of a submission.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) now: Nanos,
    /// Predicted nanoseconds of its waves so far.
    pub(super) used: f64,
    /// Predicted nanoseconds until it has to end for the deadlines of what ends with it.
    pub(super) due: f64,
    /// Whether the submission has no wave yet.
    pub(super) empty: bool,
    /// The only request that may go.
    pub(super) only: Option<u64>,
    /// The only model that may go: one that needs submissions of its own.
    pub(super) model: Option<ModelIndex>,
    /// Whether stragglers may go: one submission of theirs at a time.
    pub(super) stragglers: bool,
}

/// The slice of a submission, and predicted nanoseconds left of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    slice: f64,
    budget: f64,
    empty: bool,
}

impl Core {
    /// What is left for a wave that `leader` leads.
    pub(super) fn slot(&self, leader: Leader, room: Room) -> Slot {
        let request = self.live(leader.rank);
        // What someone waits for need not make way for others of its model.
        let own = request.filter(|request| leader.tier == Tier::DEADLINE || request.desc.class == Class::Interactive);
        let own = own.map(|request| request.plan.model);
        let slice = if leader.tier == Tier::STRAGGLER { self.slice.least(own) } else { self.slice.length(own) } as f64;
        Slot { slice, budget: (slice - room.used).min(room.due), empty: room.empty }
    }

    /// The first ready dispatch whose arm has a pipeline.
    pub(super) fn leader(&mut self, pipelines: &mut dyn Pipelines, room: Room) -> Option<Leader> {
        loop {
            let mut moved = false;
            let found = self.leader_of(pipelines, room, &mut moved);
            // What was moved behind may be in a tier that had its turn already.
            if found.is_some() || !moved {
                return found;
            }
        }
    }

    /// As [`Core::leader`], in one pass; `moved` tells whether it put something into another tier.
    fn leader_of(&mut self, pipelines: &mut dyn Pipelines, room: Room, moved: &mut bool) -> Option<Leader> {
        for tier in self.account.order(room.stragglers) {
            let mut at = 0;
            loop {
                let head = self.ready[tier.index()].heads().get(at).copied();
                if self.readmit(tier, head.map(|(rank, _)| rank), pipelines, moved) {
                    continue;
                }
                let Some((rank, arm)) = head else { break };
                if self.live(rank).is_none() {
                    self.ready[tier.index()].drop_head(arm);
                } else if self.demotes(tier, rank, arm) {
                    self.ready[tier.index()].drop_head(arm);
                    self.move_demoted();
                    *moved = true;
                } else if room.only.is_some_and(|only| only != rank.request) {
                    return None;
                } else if self.has_pipeline(arm, pipelines) && !self.begins((tier, rank), pipelines) {
                    self.ready[tier.index()].drop_head(arm);
                    self.await_memory((tier, rank), arm);
                } else if self.has_pipeline(arm, pipelines) {
                    self.move_demoted();
                    return Some(Leader { tier, rank, arm });
                } else if self.rules.scope == Scope::OneRequest {
                    return None;
                } else {
                    at += 1;
                }
            }
        }
        None
    }

    /// Whether a leader may go in this submission, as far as models keep apart.
    pub(super) fn may_lead(&self, leader: Leader, room: Room) -> bool {
        let Some(model) = self.live(leader.rank).map(|request| request.plan.model) else { return false };
        match room.model {
            Some(only) => only == model,
            None => room.empty || !self.submits_alone(model),
        }
    }

    /// How many workgroups of the leader go; `None` if the submission is to end before it.
    pub(super) fn leading(&self, rank: Rank, Slot { slice, budget, empty }: Slot) -> Option<u32> {
        let request = self.live(rank)?;
        let step = &request.plan.steps[rank.dispatch as usize];
        let left = step.workgroups - request.issued(rank.dispatch);
        let whole = self.cost.alone(self.cost.load(&step.cost, left));
        if whole <= budget {
            return Some(left);
        }
        if self.hurts_to_split(request, rank.dispatch, left, whole, slice) {
            return empty.then_some(left);
        }
        if self.rules.split == Split::No {
            return empty.then_some(left);
        }
        if !empty && (whole <= slice || budget < slice * PIECE) {
            return None;
        }
        let count = self.cost.fit(&step.cost, left, budget);
        let fits = empty || self.cost.alone(self.cost.load(&step.cost, count)) <= budget;
        fits.then_some(count)
    }

    /// Whether a dispatch that fits a slice, though not one shortened for others' sake, would cost its own request the
    /// deadline if it were divided: pieces have fixed costs, and their last rounds do not fill the device.
    fn hurts_to_split(&self, request: &Request, dispatch: u32, left: u32, whole: f64, slice: f64) -> bool {
        let Some(deadline) = request.desc.deadline.filter(|_| request.tier == Tier::DEADLINE) else { return false };
        if whole > self.rules.slice as f64 || !self.rules.ranking.knows_deadlines() {
            return false;
        }
        let cost = &request.plan.steps[dispatch as usize].cost;
        let count = self.cost.fit(cost, left, slice);
        let alone = |count: u32| self.cost.alone(self.cost.load(cost, count));
        let (pieces, rest) = (left / count.max(1), left % count.max(1));
        let divided = f64::from(pieces) * alone(count) + if rest > 0 { alone(rest) } else { 0.0 };
        let time = deadline.saturating_sub(self.start) as f64;
        let path = request.path(dispatch) * request.scale(&self.cost);
        path <= time && path - whole + divided > time
    }

    /// The longest that a wave may take whose leader alone takes `alone`, so that riders do not cost the leader its
    /// deadline. What the leader leaves free of the device is theirs in any case.
    pub(super) fn longest(&self, leader: Leader, alone: f64, Slot { budget, .. }: Slot) -> f64 {
        let request = self.live(leader.rank).filter(|_| leader.tier.has_deadlines());
        let deadline = request.and_then(|request| request.desc.deadline);
        let tight = alone * TIGHT;
        let stretched = match (request, deadline.filter(|_| self.rules.ranking.knows_deadlines())) {
            (Some(request), Some(deadline)) => {
                let path = (request.path(leader.rank.dispatch) * request.scale(&self.cost)).max(1.0);
                let time = deadline.saturating_sub(self.start) as f64;
                let spare = time - path;
                if spare < 0.0 { tight } else { (alone * (1.0 + SPARE * spare / path)).max(tight.min(alone + spare)) }
            }
            _ => budget.max(tight),
        };
        stretched.min(if alone <= budget { budget } else { tight })
    }
}
