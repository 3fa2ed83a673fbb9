//! Chooses a bundle's leader, how much of it goes, and how far riders may stretch the bundle.

use super::core::Core;
use super::cost::ModelIndex;
use super::options::{Scope, Split};
use super::parts::Tier;
use super::queue::{KernelIndex, Rank};
use super::{Class, Pipelines};

/// The least part of a slice that a piece of a long dispatch fills behind other bundles. Guessed.
const PIECE: f64 = 0.25;
/// How much riders may stretch any bundle, short of costing its leader the deadline. Guessed.
const TIGHT: f64 = 1.02;
/// The part of the time to spare that riders may use up. Set by simulation: more delays the urgent, less wastes the device.
const SPARE: f64 = 0.15;

#[derive(Clone, Copy, Debug)]
pub(super) struct Leader {
    pub(super) tier: Tier,
    pub(super) rank: Rank,
    pub(super) kernel: KernelIndex,
}

/// What is left of a submission.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Predicted nanoseconds of its bundles so far.
    pub(super) used: f64,
    /// Predicted nanoseconds until it has to end for the deadlines of what ends with it.
    pub(super) due: f64,
    /// Whether the submission has no bundle yet.
    pub(super) empty: bool,
    /// The only request that may go.
    pub(super) only: Option<u64>,
    /// The only model that may go: one that needs submissions of its own.
    pub(super) model: Option<ModelIndex>,
    /// Whether stragglers may go: one submission of theirs at a time.
    pub(super) stragglers: bool,
}

/// Predicted nanoseconds that a bundle may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    slice: f64,
    left: f64,
    empty: bool,
}

impl Core {
    /// What is left for a bundle that `leader` leads.
    pub(super) fn budget(&self, leader: Leader, room: Room) -> Budget {
        let request = self.queue.live(leader.rank);
        // What someone waits for need not make way for others of its model.
        let own = request.filter(|request| leader.tier == Tier::DEADLINE || request.desc.class == Class::Interactive);
        let own = own.map(|request| request.plan.model);
        let slice = if leader.tier == Tier::STRAGGLER { self.quantum.least(own) } else { self.quantum.length(own) };
        let slice = self.slice_alone(leader, slice) as f64;
        Budget { slice, left: (slice - room.used).min(room.due), empty: room.empty }
    }

    /// The first ready dispatch whose kernel has a pipeline.
    pub(super) fn leader(&mut self, pipelines: &mut dyn Pipelines, room: Room) -> Option<Leader> {
        self.bundle.hurries = false;
        self.bundle.held.clear();
        loop {
            let mut moved = false;
            let found = self.leader_of(pipelines, room, &mut moved);
            // The device does not wait for company.
            let hurries = found.is_none() && !self.bundle.held.is_empty();
            if hurries {
                self.bundle.hurries = true;
                self.bundle.held.clear();
            }
            // What was moved behind may be in a tier that had its turn already.
            if found.is_some() || !(moved || hurries) {
                return found;
            }
        }
    }

    /// As [`Core::leader`], in one pass; `moved` tells whether it put something into another tier.
    fn leader_of(&mut self, pipelines: &mut dyn Pipelines, room: Room, moved: &mut bool) -> Option<Leader> {
        for tier in self.fairness.order(room.stragglers) {
            let mut at = 0;
            loop {
                let head = self.queue.heads(tier).get(at).copied();
                if self.readmit(tier, head.map(|(rank, _)| rank), pipelines, moved) {
                    continue;
                }
                let Some((rank, kernel)) = head else { break };
                if self.queue.live(rank).is_none() {
                    self.queue.drop_head(tier, kernel);
                } else if self.demotes((tier, rank), kernel) {
                    self.queue.drop_head(tier, kernel);
                    self.move_demoted();
                    *moved = true;
                } else if room.only.is_some_and(|only| only != rank.request) {
                    return None;
                } else if self.waits_for_company((tier, rank)) {
                    if let Some(other) = self.behind((tier, rank), pipelines) {
                        self.move_demoted();
                        return Some(other);
                    }
                    at += 1;
                } else if self.merging.has(kernel, pipelines) && !self.begins((tier, rank), pipelines) {
                    self.queue.drop_head(tier, kernel);
                    self.await_memory((tier, rank), kernel);
                } else if self.merging.has(kernel, pipelines) {
                    self.move_demoted();
                    return Some(Leader { tier, rank, kernel });
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
        let Some(model) = self.queue.live(leader.rank).map(|request| request.plan.model) else { return false };
        match room.model {
            Some(only) => only == model,
            None => room.empty || !self.submits_alone(model),
        }
    }

    /// How many workgroups of the leader go; `None` if the submission is to end before it.
    pub(super) fn leading(&self, rank: Rank, Budget { slice, left: budget, empty }: Budget) -> Option<u32> {
        let request = self.queue.live(rank)?;
        let info = &request.plan.dispatches[rank.dispatch as usize];
        let left = info.workgroups - request.issued(rank.dispatch);
        let whole = self.cost.alone(self.cost.load(&info.cost, left));
        if whole <= budget {
            return Some(left);
        }
        if self.rules.split == Split::No {
            return empty.then_some(left);
        }
        if !empty && (whole <= slice || budget < slice * PIECE) {
            return None;
        }
        let count = self.cost.fit(&info.cost, left, budget);
        let fits = empty || self.cost.alone(self.cost.load(&info.cost, count)) <= budget;
        fits.then_some(count)
    }

    /// The longest that a bundle may take whose leader alone takes `alone`, so that riders do not cost the leader its
    /// deadline. What the leader leaves free of the device is theirs in any case.
    pub(super) fn longest(&self, leader: Leader, alone: f64, Budget { left: budget, .. }: Budget) -> f64 {
        let tight = alone * TIGHT;
        let request = self.queue.live(leader.rank);
        let due = request.and_then(|request| Some((request, self.queue.deadline(leader.tier, request)?)));
        let stretched = match due {
            Some((request, deadline)) => {
                let path = (request.path(leader.rank.dispatch) * request.scale(&self.cost)).max(1.0);
                let spare = deadline.saturating_sub(self.start) as f64 - path;
                if spare < 0.0 { tight } else { (alone * (1.0 + SPARE * spare / path)).max(tight.min(alone + spare)) }
            }
            None => budget.max(tight),
        };
        stretched.min(if alone <= budget { budget } else { tight })
    }
}
