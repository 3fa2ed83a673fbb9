//! Holding back a dispatch that would leave alone, until others of its kernel are there: those of requests that are some steps
//! behind, which go first meanwhile, or those of a request that has not come yet, by the rhythm of its model's requests.

use super::core::Core;
use super::cost::{ModelIndex, WaveLoad};
use super::lead::Leader;
use super::options::HoldBack;
use super::parts::Tier;
use super::ready::Rank;
use super::request::Request;
use super::{Class, Nanos, Pipelines};

/// Heads of each tier that are looked at for one that brings company. Guessed.
const LOOK: usize = 4;
/// Dispatches that one may be behind. Guessed.
const AHEAD: u32 = 8;
/// How long a dispatch may wait, over what company saves. The device does not idle meanwhile. Set by simulation: more costs
/// deadlines under overload.
const PATIENCE: f64 = 2.0;
/// The part of the time to spare that waiting behind others may use up in all. Set by simulation: more costs deadlines under
/// overload.
const HELD: f64 = 0.05;
/// The part of what is left of a request without a deadline that it may wait so in all. Guessed.
const HELD_BEST_EFFORT: f64 = 0.1;
/// The part of the time to spare that waiting for a request that has not come may use up. Guessed: half is left for a prediction
/// that is wrong.
const IDLE: f64 = 0.5;
/// Weight of a new gap in a rhythm. Guessed.
const WEIGHT: f64 = 0.2;
/// Gaps from which on there is a rhythm. Guessed.
const GAPS: u32 = 4;
/// Mean deviation of gaps, over their mean, up to which the next arrival can be told from the last. Guessed; that of
/// exponential gaps is 0.74.
const REGULAR: f64 = 0.25;

/// When a model's requests come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rhythm {
    last: Nanos,
    /// Mean gap, and mean deviation from it, of late.
    gap: f64,
    off: f64,
    seen: u32,
}

impl Rhythm {
    pub(super) fn note(&mut self, now: Nanos) {
        let gap = now.saturating_sub(self.last) as f64;
        match self.seen {
            0 => {}
            1 => self.gap = gap,
            _ => {
                self.off += WEIGHT * ((gap - self.gap).abs() - self.off);
                self.gap += WEIGHT * (gap - self.gap);
            }
        }
        (self.last, self.seen) = (now, self.seen.saturating_add(1));
    }

    /// Until when a request that came at `arrived` may expect another, if company is worth `worth` nanoseconds. Where gaps are
    /// regular, shortly after the next is due; where they are not, for a mean gap, if that is less than what company is worth.
    pub(super) fn expected(&self, arrived: Nanos, worth: f64) -> Option<Nanos> {
        if self.seen <= GAPS {
            return None;
        }
        if self.off <= REGULAR * self.gap {
            return Some(self.last.saturating_add((self.gap + self.off) as Nanos));
        }
        (self.gap < worth).then(|| arrived.saturating_add(self.gap as Nanos))
    }
}

impl Core {
    /// Notes that a request of a model came.
    pub(super) fn note_arrival(&mut self, model: ModelIndex, now: Nanos) {
        if self.rules.hold_back == HoldBack::Yes {
            let at = model.index();
            if self.rhythms.len() <= at {
                self.rhythms.resize(at + 1, Rhythm::default());
            }
            self.rhythms[at].note(now);
        }
    }

    /// For a leader that would leave alone: the dispatch to go before it, so that it leaves with others of its arm.
    pub(super) fn company(&mut self, leader: Leader, pipelines: &mut dyn Pipelines) -> Option<Leader> {
        let request = self.live(leader.rank)?;
        if self.rules.hold_back == HoldBack::No || self.stragglers.apart(request.plan.model) {
            return None;
        }
        let (other, wait, next) = self.bringer(leader, pipelines)?;
        let request = self.live(leader.rank)?;
        let part = if leader.tier.has_deadlines() { HELD } else { HELD_BEST_EFFORT };
        let room = self.to_spare(leader, request) * part - request.held;
        if wait > room || !self.harmless(&[(other.tier, other.rank)], next) {
            return None;
        }
        self.requests[leader.rank.slot as usize].as_mut()?.held += next;
        Some(other)
    }

    /// A ready dispatch of another arm that leads to one of the leader's arm: how long until then, by prediction, and how long
    /// it takes itself.
    fn bringer(&mut self, leader: Leader, pipelines: &mut dyn Pipelines) -> Option<(Leader, f64, f64)> {
        for tier in Tier::all() {
            for at in 0..LOOK {
                let Some(&(rank, arm)) = self.ready[tier.index()].heads().get(at) else { break };
                if arm == leader.arm || !self.has_begun(rank) {
                    continue;
                }
                let Some((wait, next)) = self.approach(rank, leader) else { continue };
                if self.has_pipeline(arm, pipelines) {
                    return Some((Leader { tier, rank, arm }, wait, next));
                }
            }
        }
        None
    }

    /// How long a request is from a dispatch of the leader's arm, if that is worth waiting for, and the time of its next step.
    fn approach(&self, rank: Rank, leader: Leader) -> Option<(f64, f64)> {
        let (other, held) = (self.live(rank)?, self.live(leader.rank)?);
        if other.id == held.id || self.stragglers.apart(other.plan.model) {
            return None;
        }
        let ahead =
            (rank.dispatch + 1..).take(AHEAD as usize).take_while(|&next| (next as usize) < other.plan.steps.len());
        let next = ahead.clone().find(|&next| other.plan.steps[next as usize].arm == leader.arm)?;
        let (from, to) = (other.path(rank.dispatch), other.path(next));
        let wait = from - to;
        let in_step = std::ptr::eq(&*other.plan, &*held.plan) && next == leader.rank.dispatch;
        let steps = if in_step { held.left() } else { 1 };
        let worth = self.pair_gain(held, leader.rank.dispatch, other, next) * f64::from(steps);
        let step = &other.plan.steps[rank.dispatch as usize];
        let alone = self.cost.alone(self.cost.load(&step.cost, step.workgroups - other.issued(rank.dispatch)));
        (wait > 0.0 && wait <= PATIENCE * worth).then_some((wait, alone))
    }

    /// What two dispatches save in one wave.
    fn pair_gain(&self, a: &Request, of_a: u32, b: &Request, of_b: u32) -> f64 {
        let load = |request: &Request, dispatch: u32| {
            let step = &request.plan.steps[dispatch as usize];
            self.cost.load(&step.cost, step.workgroups - request.issued(dispatch))
        };
        let (a, b) = (load(a, of_a), load(b, of_b));
        let wave = self.cost.joined(&self.cost.joined(&WaveLoad::default(), a), b);
        self.cost.alone(a) + self.cost.alone(b) - self.cost.wave(&wave)
    }

    /// The time that a request has to spare if it goes on now.
    fn to_spare(&self, leader: Leader, request: &Request) -> f64 {
        let path = request.path(leader.rank.dispatch) * request.scale(&self.cost);
        match request.desc.deadline.filter(|_| leader.tier == Tier::DEADLINE) {
            Some(deadline) => deadline.saturating_sub(self.start) as f64 - path,
            // Someone waits for it, but not by a deadline.
            None if request.desc.class == Class::Interactive => 0.0,
            None => path,
        }
    }

    /// Until when a request that would begin alone, with nothing else to do, waits for another of its model, if that is
    /// predicted to save more than the device idles meanwhile.
    pub(super) fn awaits(&self, leader: Leader, now: Nanos) -> Option<Nanos> {
        let request = self.live(leader.rank)?;
        let ready: u32 = request.ready.iter().sum();
        let others = self.waiting.iter().sum::<usize>() > ready as usize;
        let model = request.plan.model;
        if self.rules.hold_back == HoldBack::No || others || !request.untouched() || self.stragglers.apart(model) {
            return None;
        }
        let rhythm = self.rhythms.get(model.index())?;
        let gain = |dispatch: u32| self.pair_gain(request, dispatch, request, dispatch);
        let worth = (0..request.plan.steps.len() as u32).map(gain).sum();
        let until = rhythm.expected(request.arrived, worth)?;
        let idle = until.saturating_sub(self.start) as f64;
        (until > now && idle < worth && idle <= IDLE * self.to_spare(leader, request)).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(times: &[Nanos]) -> Rhythm {
        let mut rhythm = Rhythm::default();
        times.iter().for_each(|&time| rhythm.note(time));
        rhythm
    }

    #[test]
    fn a_steady_beat_tells_the_next() {
        let steady = rhythm(&[1_000, 2_000, 3_010, 4_000, 5_000, 6_000]);
        let next = steady.expected(6_000, 0.0).unwrap();
        assert!((6_990..7_050).contains(&next), "{next}");
        assert_eq!(rhythm(&[1_000, 2_000, 3_000]).expected(3_000, 1e9), None, "too few to tell");
    }

    #[test]
    fn without_a_beat_the_mean_gap_counts_if_company_is_worth_it() {
        let uneven = rhythm(&[0, 100, 4_000, 4_100, 4_200, 9_000, 9_100, 12_000]);
        assert_eq!(uneven.expected(12_000, 10.0), None);
        let until = uneven.expected(12_000, 1e6).unwrap();
        assert!((12_800..15_000).contains(&until), "{until}");
    }
}
