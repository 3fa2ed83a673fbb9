//! Requests of one model get into step: one that stands before a dispatch which others of its model are on the way to waits for
//! them, so that they go on as one. And where company is expected soon, a request alone is not sent far ahead of it.
//!
//! Conversations of one decoder are what this is for: each asks for its next token once it has the last, and so they come one
//! by one, though the device could serve all of them in little more time than one.

use super::coalesce::GroupIndex;
use super::core::Core;
use super::cost::ModelIndex;
use super::lead::Leader;
use super::parts::Tier;
use super::queue::{Position, Queue};
use super::{Class, Nanos, Pipelines};

/// How long a request may wait for others in all, in its own time alone. Guessed: in one and a half of that, several others come as far as
/// one by itself, and it is the most that a request loses by company.
const PATIENCE: f64 = 1.5;
/// The part of a request's own time that has to lie before it for others to be worth waiting for. Guessed: with less it is back sooner
/// than they are done.
const AHEAD: f64 = 0.25;
/// How long it is expected that as many requests come as last ran as one. Guessed: longer than applications take between tokens.
const COMPANY: Nanos = 500_000_000;
/// The part of a slice that goes of a request whose company is expected. Guessed.
const ALONE: u64 = 4;

/// Of a model: how many of its requests there are, and ran as one of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Company {
    present: u32,
    most: u32,
    seen: Nanos,
}

/// By model.
#[derive(Debug, Default)]
pub(super) struct Companies(Vec<Company>);

impl Companies {
    fn of(&mut self, model: ModelIndex) -> &mut Company {
        let index = model.index();
        if self.0.len() <= index {
            self.0.resize_with(index + 1, Company::default);
        }
        &mut self.0[index]
    }

    /// Notes that a request came.
    pub(super) fn came(&mut self, model: ModelIndex) {
        self.of(model).present += 1;
    }

    /// Notes that a request has ended.
    pub(super) fn left(&mut self, model: ModelIndex) {
        self.of(model).present -= 1;
    }

    /// Requests that have not ended.
    pub(super) fn present(&self, model: ModelIndex) -> u32 {
        self.0.get(model.index()).map_or(0, |company| company.present)
    }

    /// Notes that requests ran as one.
    pub(super) fn ran(&mut self, model: ModelIndex, members: u32, now: Nanos) {
        let company = self.of(model);
        if members >= company.most || now > company.seen.saturating_add(COMPANY) {
            (company.most, company.seen) = (members, now);
        }
    }

    /// Whether more requests are expected soon than there are.
    fn expects(&self, model: ModelIndex, now: Nanos) -> bool {
        let Some(company) = self.0.get(model.index()) else { return false };
        company.most > company.present && now <= company.seen.saturating_add(COMPANY)
    }
}

impl Core {
    /// Whether a ready dispatch waits for others that are on their way to it.
    pub(super) fn waits_for_company(&mut self, (tier, rank): Position) -> bool {
        if self.bundle.hurries || tier.has_deadlines() || tier == Tier::STRAGGLER || !self.queue.knows_deadlines() {
            return false;
        }
        let Some(request) = self.queue.live(rank) else { return false };
        let Some(group) = request.plan.dispatches[rank.dispatch as usize].group else { return false };
        let waits = request.desc.class != Class::Interactive
            && request.held < PATIENCE * request.total
            && request.path(rank.dispatch) >= AHEAD * request.total
            && self.coalescer.awaits(group, request.plan.model)
            && !self.stragglers.apart(request.plan.model);
        if waits && !self.bundle.held.contains(&rank.index) {
            self.bundle.held.push(rank.index);
        }
        waits
    }

    /// In the place of a leader that waits for company: the first of the others of its model that may go.
    pub(super) fn behind(&mut self, (tier, rank): Position, pipelines: &mut dyn Pipelines) -> Option<Leader> {
        let model = self.queue.live(rank)?.plan.model;
        let mut after = None;
        loop {
            let next = next_ready(&self.queue, tier, model, after)?;
            after = Some(next);
            let kernel = self.queue.live(next.1)?.plan.dispatches[next.1.dispatch as usize].kernel;
            if next.1.request != rank.request
                && !self.waits_for_company(next)
                && self.merging.has(kernel, pipelines)
                && self.begins(next, pipelines)
            {
                return Some(Leader { tier, rank: next.1, kernel });
            }
        }
    }

    /// The slice of a submission that `leader` leads, where its company is expected.
    pub(super) fn slice_alone(&self, leader: Leader, slice: Nanos) -> Nanos {
        let expects = |request: &super::request::QueuedRequest| {
            request.desc.class != Class::Interactive && self.coalescer.companies.expects(request.plan.model, self.start)
        };
        let best_effort = !leader.tier.has_deadlines() && leader.tier != Tier::STRAGGLER;
        if best_effort && self.coalescer.is_enabled() && self.queue.live(leader.rank).is_some_and(expects) {
            (slice / ALONE).max(self.quantum.shortest())
        } else {
            slice
        }
    }

    /// Notes how long those waited that let the bundle go before them.
    pub(super) fn note_held(&mut self, predicted: f64) {
        for index in self.bundle.held.drain(..) {
            if let Some(request) = self.queue.get_mut(index) {
                request.held += predicted;
            }
        }
    }
}

/// The first ready dispatch of a model in a tier behind `after`.
fn next_ready(queue: &Queue, tier: Tier, model: ModelIndex, after: Option<Position>) -> Option<Position> {
    let of_model = queue.requests().filter(|(_, request)| request.plan.model == model && request.tier == tier);
    let ready = of_model.flat_map(|(index, request)| {
        request.ready_dispatches().map(move |dispatch| (tier, queue.rank(request, index, dispatch)))
    });
    ready.filter(|&position| after.is_none_or(|after| position > after)).min()
}

/// Groups of dispatches that a request will come to; unknown to those that cannot coalesce.
pub(super) fn groups(request: &super::request::QueuedRequest) -> impl Iterator<Item = (u32, GroupIndex)> + '_ {
    let groups = request.plan.dispatches.iter().zip(0..);
    groups.filter_map(|(info, dispatch)| Some((dispatch, info.group?)))
}
