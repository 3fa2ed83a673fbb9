//! Who gets in, and who makes way: refusal of what is predicted to miss its deadline, and what becomes of those that are
//! predicted to miss it later.

use super::core::Core;
use super::parts::Tier;
use super::queue::{KernelIndex, Position, Rank};
use super::request::QueuedRequest;
use super::{Admission, Nanos, Outcome};

/// The part of a predicted time that is sure to be needed. Guessed; were it 1, a model whose time is predicted a little too
/// long might be given up for ever.
const SURE: f64 = 0.8;

/// How much a request that missed its deadline after it began raises the margin, and how much one that kept it lowers it. Set by
/// simulation, with [`FRESH`].
const MISSED: f64 = 0.05;
const KEPT: f64 = 0.02;
/// The part of the time from arrival to deadline that is always enough to begin with.
const FRESH: f64 = 0.9;
/// The greatest margin: it takes so many requests to get down again.
const MOST: f64 = 4.0;

/// How much more than its predicted time a request must have left before its deadline to begin as one that can keep it.
///
/// Under overload the earliest deadline first begins everything and ends little: what has waited longest goes first, and most of
/// it is given up half way. With a high margin only those begin that have just come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margin(f64);

impl Default for Margin {
    fn default() -> Self {
        Margin(1.0)
    }
}

impl Margin {
    /// Notes what became of a request that began as one that could keep its deadline.
    pub(super) fn note(&mut self, kept: bool) {
        self.0 = (self.0 + if kept { -KEPT } else { MISSED }).clamp(1.0, MOST);
    }

    /// The time that must be left for a request to begin that takes `total` by prediction and was allowed `allowed`.
    fn needed(self, total: f64, allowed: Nanos) -> f64 {
        (total * self.0).min(FRESH * allowed as f64).max(total)
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
enum Verdict {
    /// It stays where it is.
    Stays,
    /// It queues in another tier.
    Goes(Tier),
    /// It is dropped.
    Dropped,
}

impl Core {
    /// Whether a new request is to be refused, if it could start behind the more urgent ones from `start` on.
    /// `replaced` is the index of a request that it takes the place of.
    pub(super) fn refuses(&self, request: &QueuedRequest, start: Nanos, replaced: Option<u32>) -> bool {
        let Some(deadline) = request.desc.deadline else { return false };
        if request.desc.admission != Admission::RejectPredictedMiss || !request.predictable {
            return false;
        }
        let ahead = |(index, other): (u32, &QueuedRequest)| {
            let urgent = other.tier == Tier::DEADLINE && other.desc.deadline.is_some_and(|other| other <= deadline);
            let urgent = urgent || request.tier == Tier::STRAGGLER && other.tier == Tier::STRAGGLER;
            (other.ending.is_none() && urgent && replaced != Some(index))
                .then_some(other.work * other.scale(&self.cost))
        };
        let ahead: f64 = self.queue.requests().filter_map(ahead).sum();
        start.saturating_add((ahead + request.total) as Nanos) > deadline
    }

    /// Whether a ready dispatch goes elsewhere, as its request straggles, or will not keep its deadline by what is predicted now:
    /// the request is dropped, or the entry is among those to be moved.
    pub(super) fn demotes(&mut self, position: Position, kernel: KernelIndex) -> bool {
        let (from, rank) = position;
        match self.verdict(position) {
            Verdict::Stays => false,
            Verdict::Dropped => {
                self.queue.stop(rank.index, Outcome::Dropped, &mut self.coalescer);
                self.dropped.push(rank.index);
                true
            }
            Verdict::Goes(tier) => {
                self.queue.transfer(rank.index, from, tier);
                let moved = Rank { urgency: if tier.has_deadlines() { rank.urgency } else { 0 }, ..rank };
                self.demoted.push((tier, kernel, moved));
                let info = self.queue.get(rank.index).map(|request| request.plan.dispatches[rank.dispatch as usize]);
                if let Some(group) = info.and_then(|info| info.group) {
                    self.coalescer.transfer(group, position, (tier, moved));
                }
                true
            }
        }
    }

    fn verdict(&mut self, (tier, rank): Position) -> Verdict {
        let start = self.start;
        let Some(request) = self.queue.get(rank.index).filter(|_| self.queue.knows_deadlines()) else {
            return Verdict::Stays;
        };
        let straggles = self.stragglers.straggles(request.plan.model);
        let drops = request.desc.admission == Admission::DropLate;
        let in_time = self.keeps(request, (tier, rank), request.scale(&self.cost));
        // One of which something goes with the present bundle is judged the next time.
        if in_time && (!straggles || tier == Tier::STRAGGLER) || self.bundle.holds(rank.index) {
            return Verdict::Stays;
        }
        let mut late = false;
        let mut in_time = in_time;
        if !in_time && let Some(request) = self.queue.get_mut(rank.index) {
            // What was predicted when it came may be out of date.
            request.predict(&self.cost);
            late = !request.can_keep(rank.dispatch, start, SURE);
            if late && request.breaks_promise() {
                self.margin.note(false);
            }
        }
        let Some(request) = self.queue.get(rank.index) else { return Verdict::Stays };
        in_time |= self.keeps(request, (tier, rank), 1.0);
        let to = match in_time {
            _ if late && drops => return Verdict::Dropped,
            _ if straggles => Tier::STRAGGLER,
            true => tier,
            false if late => Tier::best_effort(request.desc.class),
            false => Tier::DOUBTFUL,
        };
        if to == tier { Verdict::Stays } else { Verdict::Goes(to) }
    }

    /// Whether a request keeps its deadline well enough for its tier, if it takes `scale` times as long as predicted.
    fn keeps(&self, request: &QueuedRequest, (tier, rank): Position, scale: f64) -> bool {
        if !tier.has_deadlines() && request.desc.admission != Admission::DropLate {
            return true;
        }
        let sure = if tier == Tier::DEADLINE { 1.0 } else { SURE };
        request.can_keep(rank.dispatch, self.start, sure * scale)
            && (tier != Tier::DEADLINE || self.may_begin(request, scale))
    }

    /// Whether a request that has not begun has the time for it.
    fn may_begin(&self, request: &QueuedRequest, scale: f64) -> bool {
        let Some(deadline) = request.desc.deadline.filter(|_| request.predictable && request.untouched()) else {
            return true;
        };
        // Alone there is nobody to make way for.
        let alone = self.queue.waiting(Tier::DEADLINE) <= request.ready[Tier::DEADLINE.index()] as usize;
        let needed = self.margin.needed(request.total * scale, deadline.saturating_sub(request.arrived));
        alone || self.start.saturating_add(needed as Nanos) <= deadline
    }

    /// Moves what was demoted, once all heaps are back.
    pub(super) fn move_demoted(&mut self) {
        for (tier, kernel, rank) in self.demoted.drain(..) {
            self.queue.push(tier, kernel, rank);
        }
    }
}
