//! Who gets in, and who makes way: refusal of what is predicted to miss its deadline, and what becomes of those that are
//! predicted to miss it later.

use super::core::Core;
use super::parts::Tier;
use super::queue::{ArmIndex, Place, Rank};
use super::request::Request;
use super::{Admission, Nanos, Outcome};

/// The part of a predicted time that is sure to be needed. Guessed; were it 1, a model whose time is predicted a little too
/// long might be given up for ever.
const SURE: f64 = 0.8;

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
    /// `replaced` is the slot of a request that it takes the place of.
    pub(super) fn refuses(&self, request: &Request, start: Nanos, replaced: Option<u32>) -> bool {
        let Some(deadline) = request.desc.deadline else { return false };
        if request.desc.admission != Admission::RejectPredictedMiss || !request.predictable {
            return false;
        }
        let ahead = |(slot, other): (u32, &Request)| {
            let urgent = other.tier == Tier::DEADLINE && other.desc.deadline.is_some_and(|other| other <= deadline);
            let urgent = urgent || request.tier == Tier::STRAGGLER && other.tier == Tier::STRAGGLER;
            (other.ending.is_none() && urgent && replaced != Some(slot)).then_some(other.work * other.scale(&self.cost))
        };
        let ahead: f64 = self.queue.requests().filter_map(ahead).sum();
        start.saturating_add((ahead + request.total) as Nanos) > deadline
    }

    /// Whether a ready dispatch goes elsewhere, as its request straggles, or will not keep its deadline by what is predicted now:
    /// the request is dropped, or the entry is among those to be moved.
    pub(super) fn demotes(&mut self, place: Place, arm: ArmIndex) -> bool {
        let (from, rank) = place;
        match self.verdict(place) {
            Verdict::Stays => false,
            Verdict::Dropped => {
                self.queue.stop(rank.slot, Outcome::Dropped);
                self.dropped.push(rank.slot);
                true
            }
            Verdict::Goes(tier) => {
                self.queue.transfer(rank.slot, from, tier);
                let moved = Rank { urgency: if tier.has_deadlines() { rank.urgency } else { 0 }, ..rank };
                self.demoted.push((tier, arm, moved));
                let step = self.queue.get(rank.slot).map(|request| request.plan.steps[rank.dispatch as usize]);
                if let Some(group) = step.and_then(|step| step.group) {
                    self.coalescer.transfer(group, place, (tier, moved));
                }
                true
            }
        }
    }

    fn verdict(&mut self, (tier, rank): Place) -> Verdict {
        let start = self.start;
        let Some(request) = self.queue.get(rank.slot).filter(|_| self.queue.knows_deadlines()) else {
            return Verdict::Stays;
        };
        let straggles = self.stragglers.straggles(request.plan.model);
        let drops = request.desc.admission == Admission::DropLate;
        // Of those without a deadline to keep, and stragglers, nothing is asked.
        let judged = tier.has_deadlines() || drops;
        let sure = if tier == Tier::DEADLINE { 1.0 } else { SURE };
        let keeps = |request: &Request, scale: f64| !judged || request.can_keep(rank.dispatch, start, sure * scale);
        let mut in_time = keeps(request, request.scale(&self.cost));
        if in_time && (!straggles || tier == Tier::STRAGGLER) {
            return Verdict::Stays;
        }
        // One of which something goes with the present wave is judged the next time.
        if self.wave.holds(rank.slot) {
            return Verdict::Stays;
        }
        let mut late = false;
        if !in_time && let Some(request) = self.queue.get_mut(rank.slot) {
            // What was predicted when it came may be out of date.
            request.predict(&self.cost);
            in_time = keeps(request, 1.0);
            late = !in_time && !request.can_keep(rank.dispatch, start, SURE);
        }
        let Some(request) = self.queue.get(rank.slot) else { return Verdict::Stays };
        let to = match in_time {
            _ if late && drops => return Verdict::Dropped,
            _ if straggles => Tier::STRAGGLER,
            true => tier,
            false if late => Tier::best_effort(request.desc.class),
            false => Tier::DOUBTFUL,
        };
        if to == tier { Verdict::Stays } else { Verdict::Goes(to) }
    }

    /// Moves what was demoted, once all heaps are in their places.
    pub(super) fn move_demoted(&mut self) {
        for (tier, arm, rank) in self.demoted.drain(..) {
            self.queue.push(tier, arm, rank);
        }
    }
}
