//! Who gets in, and who makes way: refusal of what is predicted to miss its deadline, and what becomes of those that are
//! predicted to miss it later.

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
        let last = request.tier == Tier::STRAGGLER;
        let ahead = |(slot, other): (usize, &Option<Request>)| {
            let other = other.as_ref().filter(|other| other.ending.is_none())?;
            let urgent = other.tier == Tier::DEADLINE && other.desc.deadline.is_some_and(|other| other <= deadline);
            let urgent = urgent || last && [Tier::DEADLINE, Tier::STRAGGLER].contains(&other.tier);
            (urgent && replaced != Some(slot as u32)).then_some(other.work * other.scale(&self.cost))
        };
        let ahead: f64 = self.requests.iter().enumerate().filter_map(ahead).sum();
        let needed = ahead * if self.options.without.together { 1.0 } else { self.together } + request.total;
        start.saturating_add(needed as Nanos) > deadline
    }

    /// Whether a ready dispatch of a tier goes elsewhere, as its request straggles, or will not keep its deadline by what is
    /// predicted now: the request is dropped, or the entry is among those to be moved.
    pub(super) fn demotes(&mut self, from: Tier, rank: Rank, arm: ArmIndex) -> bool {
        if !self.rules.ranking.knows_deadlines() {
            return false;
        }
        let start = self.start;
        let Some(request) = self.requests[rank.slot as usize].as_ref() else { return false };
        let drops = request.desc.admission == Admission::DropLate;
        let straggles = self.stragglers.straggles(request.plan.model);
        let in_time = self.keeps(request, rank, from, request.scale(&self.cost));
        if in_time && (!straggles || from == Tier::STRAGGLER) {
            return false;
        }
        // One of which something goes with the present wave is judged the next time.
        if self.picks.iter().any(|pick| pick.rank.slot == rank.slot) {
            return false;
        }
        let Some(mut request) = self.requests[rank.slot as usize].take() else { return false };
        let in_time = in_time || {
            // What was predicted when it came may be out of date.
            request.predict(&self.cost);
            self.edf.set(rank.slot, request.serial_left());
            self.keeps(&request, rank, from, 1.0)
        };
        let late = !in_time && !request.can_keep(rank.dispatch, start, SURE);
        let tier = match in_time {
            _ if straggles => Tier::STRAGGLER,
            true => from,
            false if late => Tier::best_effort(request.desc.class),
            false if self.options.without.doubtful => Tier::best_effort(request.desc.class),
            false => Tier::DOUBTFUL,
        };
        if tier == from && !(late && drops) {
            self.requests[rank.slot as usize] = Some(request);
            return false;
        }
        if late {
            self.note_promise(&request, false);
            request.promised = false;
        }
        if !(late && drops) {
            request.tier = tier;
            if tier == Tier::STRAGGLER {
                self.edf.remove(rank.slot);
            }
            request.ready[from.index()] -= 1;
            request.ready[tier.index()] += 1;
            self.waiting[from.index()] -= 1;
            self.waiting[tier.index()] += 1;
        }
        let crowd = request.plan.steps[rank.dispatch as usize].crowd;
        self.requests[rank.slot as usize] = Some(request);
        if late && drops {
            self.stop(rank.slot, Outcome::Dropped);
            self.dropped.push(rank.slot);
            return true;
        }
        let moved = Rank { urgency: if tier.has_deadlines() { rank.urgency } else { 0 }, ..rank };
        self.demoted.push((tier, arm, moved));
        if let Some(crowd) = crowd {
            self.move_in_crowd(crowd, (from, rank), (tier, moved));
        }
        true
    }

    /// Whether a request keeps its deadline well enough for its tier, if it takes `scale` times as long as predicted.
    fn keeps(&self, request: &Request, rank: Rank, tier: Tier, scale: f64) -> bool {
        let sure = if tier == Tier::DEADLINE { 1.0 } else { SURE };
        let judged = tier.has_deadlines() || request.desc.admission == Admission::DropLate;
        let begins =
            || tier != Tier::DEADLINE || self.edf.keeps(rank.slot) || self.may_begin(request, self.start, scale);
        !judged || request.can_keep(rank.dispatch, self.start, sure * scale) && begins()
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
        if let Some(allowed) = request.allowed().filter(|_| request.promised && !self.options.without.margins) {
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
