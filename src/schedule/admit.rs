//! Who gets in: latest wins, and refusal of what is predicted to miss its deadline.

use super::core::Core;
use super::parts::Tier;
use super::ready::{ArmIndex, Rank};
use super::request::Request;
use super::{Admission, Nanos, Outcome};

/// The part of a predicted time that is sure to be needed. Guessed; were it 1, a model whose time is predicted a little too
/// long might be given up for ever.
const SURE: f64 = 0.8;

impl Core {
    /// Whether a new request is to be refused, if it could start behind the more urgent ones from `start` on.
    /// `replaced` is the slot of a request that it takes the place of.
    pub(super) fn refuses(&self, request: &Request, start: Nanos, replaced: Option<u32>) -> bool {
        let Some(deadline) = request.desc.deadline else { return false };
        if request.desc.admission != Admission::RejectPredictedMiss || !request.predictable {
            return false;
        }
        let ahead = |(slot, other): (usize, &Option<Request>)| {
            let other = other.as_ref().filter(|other| other.tier == Tier::DEADLINE && other.ending.is_none())?;
            let urgent = other.desc.deadline.is_some_and(|other| other <= deadline);
            (urgent && replaced != Some(slot as u32)).then_some(other.work * other.scale(&self.cost))
        };
        let ahead: f64 = self.requests.iter().enumerate().filter_map(ahead).sum();
        let needed = ahead * self.together + request.total;
        start.saturating_add(needed as Nanos) > deadline
    }
    /// Whether a ready dispatch of a tier goes elsewhere, as by what is predicted now its request will not keep its deadline:
    /// the request is dropped, or the entry is among those to be moved.
    pub(super) fn demotes(&mut self, from: Tier, rank: Rank, arm: ArmIndex) -> bool {
        if !self.rules.ranking.knows_deadlines() || !from.has_deadlines() {
            return false;
        }
        let start = self.start;
        let Some(mut request) = self.requests[rank.slot as usize].take() else { return false };
        let sure = if from == Tier::DEADLINE { 1.0 } else { SURE };
        let keeps = |request: &Request, scale: f64| {
            request.can_keep(rank.dispatch, start, sure * scale)
                && (from != Tier::DEADLINE || self.may_begin(request, start, scale))
        };
        let stays = keeps(&request, request.scale(&self.cost)) || {
            // What was predicted when it came may be out of date.
            request.predict(&self.cost);
            keeps(&request, 1.0)
        };
        // One of which something goes with the present wave is judged the next time.
        if stays || self.picks.iter().any(|pick| pick.rank.slot == rank.slot) {
            self.requests[rank.slot as usize] = Some(request);
            return false;
        }
        let doubtful = request.can_keep(rank.dispatch, start, SURE);
        let tier = if doubtful { Tier::DOUBTFUL } else { Tier::best_effort(request.desc.class) };
        if !doubtful {
            self.note_promise(&request, false);
            request.promised = false;
        }
        let drops = !doubtful && request.desc.admission == Admission::DropLate;
        if !drops {
            request.tier = tier;
            request.ready[from.index()] -= 1;
            request.ready[tier.index()] += 1;
            self.waiting[from.index()] -= 1;
            self.waiting[tier.index()] += 1;
        }
        let crowd = request.plan.steps[rank.dispatch as usize].crowd;
        self.requests[rank.slot as usize] = Some(request);
        if drops {
            self.stop(rank.slot, Outcome::Dropped);
            self.dropped.push(rank.slot);
            return true;
        }
        let moved = Rank { urgency: if doubtful { rank.urgency } else { 0 }, ..rank };
        self.demoted.push((tier, arm, moved));
        if let Some(crowd) = crowd {
            self.move_in_crowd(crowd, (from, rank), (tier, moved));
        }
        true
    }

    /// Whether a request that has not begun has the time for it.
    fn may_begin(&self, request: &Request, start: Nanos, scale: f64) -> bool {
        let (Some(deadline), Some(allowed)) = (request.desc.deadline, request.allowed()) else { return true };
        // Alone there is nobody to make way for.
        let alone = self.waiting[Tier::DEADLINE.index()] <= request.ready[Tier::DEADLINE.index()] as usize;
        if alone || !request.untouched() || !request.predictable {
            return true;
        }
        let needed = self.margins.needed(request.total * scale, allowed);
        start.saturating_add(needed as Nanos) <= deadline
    }

    /// Notes what became of a request, if it began when it could keep its deadline.
    pub(super) fn note_promise(&mut self, request: &Request, kept: bool) {
        if let Some(allowed) = request.allowed().filter(|_| request.promised) {
            self.margins.note(allowed, kept);
        }
    }

    /// Moves what was demoted, once all queues are in their places.
    pub(super) fn move_demoted(&mut self) {
        for (tier, arm, rank) in self.demoted.drain(..) {
            self.ready[tier.index()].push(arm, rank);
        }
    }
}
