//! Forms one wave: a leader, the first of all ready dispatches, and riders that cost less with it than apart from it.

use std::cmp::Reverse;

use super::core::{Core, Pick};
use super::cost::{Share, WaveLoad, nanos};
use super::lead::{Leader, Room};
use super::parts::{TIERS, Tier};
use super::ready::{ArmIndex, Queue, Rank};
use super::request::Progress;
use super::{Lane, Pipelines, RequestId, Wave};

/// Candidates of one arm that may be passed over in a wave before the next arm is tried. Guessed.
const PASSES: usize = 4;
/// As [`PASSES`], of models that keep apart. Guessed.
const APART: usize = 16;
/// Heads of other arms that are looked at for the one that fits best. Guessed: each costs a prediction.
const PAIRS: usize = 4;
/// How much more of its time a dispatch has to save to go before its turn. Guessed.
const CLEARLY: f64 = 1.1;
/// How much riders of a lower tier may stretch a wave while others of the leader's tier wait. Guessed.
const CROWDED: f64 = 1.3;
/// Weight of a wave in what bundling saves of late. Guessed.
const RECENT: f64 = 0.02;

/// What came of forming a wave.
#[derive(Debug)]
#[must_use]
pub(super) enum Formed {
    /// A wave and its predicted duration.
    Wave(Wave, f64),
    /// The first dispatch does not fit the rest of the slice.
    Full,
    /// Nothing can issue now.
    Nothing,
}

/// A lane that may join, the wave with it, and what that saves.
struct Rider {
    joined: WaveLoad,
    pick: Pick,
    share: Share,
    gain: f64,
    /// Its time as a wave of its own.
    alone: f64,
    /// Keeps to pipelines of its own arm.
    heavy: bool,
}

impl Core {
    /// Forms the next wave and notes its lanes as issued; `shares` and `holders` then tell whose they are.
    pub(super) fn form(&mut self, pipelines: &mut dyn Pipelines, room: Room) -> Formed {
        self.edf.settle(self.start);
        let Some(leader) = self.leader(pipelines, room) else { return Formed::Nothing };
        if !self.may_lead(leader, room) {
            return Formed::Full;
        }
        let Some(mut wave) = self.gather(leader, room, pipelines) else { return Formed::Full };
        if self.picks.len() == 1 {
            if let Some(other) = self.company(leader, pipelines) {
                self.scatter(leader);
                match self.gather(other, room, pipelines) {
                    Some(others) => wave = others,
                    None => return Formed::Full,
                }
            } else if let Some(until) = self.awaits(leader, room.now) {
                self.scatter(leader);
                self.held_until = Some(until);
                return Formed::Nothing;
            }
        }
        self.close(&wave)
    }

    /// Picks a leader and its riders; `None` if the leader does not fit.
    fn gather(&mut self, leader: Leader, room: Room, pipelines: &mut dyn Pipelines) -> Option<WaveLoad> {
        let Leader { tier, rank, arm } = leader;
        let slot = self.slot(leader, room);
        let count = self.leading(rank, slot)?;
        let step = self.live(rank)?.plan.steps[rank.dispatch as usize];
        self.shares.clear();
        self.set.clear();
        let mut queue = self.ready[tier.index()].take(arm);
        if queue.peek() == Some(&Reverse(rank)) {
            queue.pop();
        }
        let load = self.cost.load(&step.cost, count);
        let alone = self.cost.alone(load);
        let mut longest = self.longest(leader, alone, slot);
        let mut wave = WaveLoad::default();
        let whole = self.live(rank).is_some_and(|request| request.issued(rank.dispatch) + count == step.workgroups);
        if !(whole && self.gathered((tier, rank), &mut wave, longest, pipelines)) {
            wave = self.cost.joined(&wave, load);
            self.set.push(self.arms.id(arm));
            self.pick(Pick { tier, rank, arm, runs: arm, count, gathered: 1 });
            self.shares.push(self.cost.share(&step.cost, load));
        }
        if self.rules.lanes > 1 {
            let heavy = self.cost.is_heavy(&step.cost, count);
            self.fill((tier, arm), &mut queue, &mut wave, longest, pipelines);
            self.taken.push((tier, arm, queue));
            for other in Tier::all() {
                if other > tier && self.others_wait(tier) {
                    longest = longest.min(alone * CROWDED);
                }
                if other != tier {
                    let mut queue = self.ready[other.index()].take(arm);
                    self.fill((other, arm), &mut queue, &mut wave, longest, pipelines);
                    self.taken.push((other, arm, queue));
                }
                if !heavy {
                    self.fill_others(other, &mut wave, longest, pipelines);
                }
            }
        } else {
            self.taken.push((tier, arm, queue));
        }
        Some(wave)
    }

    pub(super) fn pick(&mut self, pick: Pick) {
        let Rank { slot, dispatch, .. } = pick.rank;
        if let Some(request) = self.requests[slot as usize].as_mut() {
            request.pick(dispatch, pick.tier);
            self.edf.take(slot, request.serial(dispatch, pick.count));
        }
        self.picks.push(pick);
    }

    /// Whether dispatches of a tier are ready that are not picked.
    fn others_wait(&self, tier: Tier) -> bool {
        self.waiting[tier.index()] > self.picks.iter().filter(|pick| pick.tier == tier).count()
    }

    /// Undoes `gather` for a leader without riders.
    fn scatter(&mut self, leader: Leader) {
        let Some(&Pick { count, .. }) = self.picks.first() else { return };
        for (tier, arm, queue) in self.taken.drain(..) {
            self.ready[tier.index()].put_back(arm, queue);
        }
        self.move_demoted();
        self.picks.clear();
        if let Some(request) = self.requests[leader.rank.slot as usize].as_mut() {
            request.unpick(leader.rank.dispatch);
            self.edf.put_back(leader.rank.slot, request.serial(leader.rank.dispatch, count));
        }
        self.ready[leader.tier.index()].push(leader.arm, leader.rank);
    }

    /// Adds riders of one arm.
    fn fill(
        &mut self,
        of: (Tier, ArmIndex),
        queue: &mut Queue,
        wave: &mut WaveLoad,
        longest: f64,
        pipelines: &mut dyn Pipelines,
    ) {
        let (mut passes, mut apart) = (0, 0);
        while self.picks.len() < self.rules.lanes && passes < PASSES && apart < APART {
            let Some(Reverse(rank)) = queue.pop() else { break };
            // One in this wave already goes whole: its entry is of no more use.
            let Some(request) = self.open(rank) else { continue };
            if !self.stragglers.may_share(request.plan.model, self.shares[0].model) {
                apart += 1;
                self.passed.push(rank);
                continue;
            }
            if self.demotes(of.0, rank, of.1) {
                continue;
            }
            if self.gathered((of.0, rank), wave, longest, pipelines) {
                continue;
            }
            let rider = self.rider(rank, of, wave, longest);
            let Some(rider) = rider.filter(|rider| self.allows(of.1, rider.gain, pipelines)) else {
                passes += 1;
                self.passed.push(rank);
                continue;
            };
            if !self.begins((of.0, rank), pipelines) {
                self.await_memory((of.0, rank), of.1);
                continue;
            }
            *wave = rider.joined;
            self.pick(rider.pick);
            self.shares.push(rider.share);
        }
        queue.extend(self.passed.drain(..).map(Reverse));
    }

    /// Adds riders of other arms than the leader's, where there is a pipeline for all. Of those next in order that stand
    /// alike, the one that saves most of its own time goes first: what is bound by memory beside what is bound by arithmetic.
    fn fill_others(&mut self, tier: Tier, wave: &mut WaveLoad, longest: f64, pipelines: &mut dyn Pipelines) {
        let mut at = 0;
        self.refused.clear();
        while self.picks.len() < self.rules.lanes && at < self.ready[tier.index()].heads().len() {
            let Some((arm, gain)) = self.best_of(at, tier, wave, longest) else {
                at += PAIRS;
                continue;
            };
            if !self.allows(arm, gain, pipelines) {
                self.refused.push(arm);
                continue;
            }
            let mut queue = self.ready[tier.index()].take(arm);
            self.fill((tier, arm), &mut queue, wave, longest, pipelines);
            self.taken.push((tier, arm, queue));
        }
    }

    /// Of the heads from `at` on that stand alike, the arm whose dispatch saves the most of its own time, and what it saves.
    fn best_of(&mut self, at: usize, tier: Tier, wave: &WaveLoad, longest: f64) -> Option<(ArmIndex, f64)> {
        let alike = self.rules.slice;
        let mut first: Option<Rank> = None;
        let mut best: Option<(f64, ArmIndex, f64)> = None;
        let mut next = at;
        while next < at + PAIRS {
            let Some(&(rank, arm)) = self.ready[tier.index()].heads().get(next) else { break };
            if self.open(rank).is_none() {
                self.ready[tier.index()].drop_head(arm);
                continue;
            }
            next += 1;
            // Those refused are of this window or of one before.
            if self.refused.iter().rev().take(PAIRS).any(|&refused| refused == arm) {
                continue;
            }
            let Some(rider) = self.rider(rank, (tier, arm), wave, longest).filter(|rider| !rider.heavy) else {
                continue;
            };
            if first.get_or_insert(rank).urgency.saturating_add(alike) < rank.urgency {
                break;
            }
            let saved = rider.gain / rider.alone;
            if best.is_none_or(|(most, ..)| saved > most * CLEARLY) {
                best = Some((saved, arm, rider.gain));
            }
        }
        best.map(|(_, arm, gain)| (arm, gain))
    }

    /// The rest of a ready dispatch as one more lane, if that saves enough.
    fn rider(&mut self, rank: Rank, (tier, arm): (Tier, ArmIndex), wave: &WaveLoad, longest: f64) -> Option<Rider> {
        let request = self.open(rank)?;
        if !self.stragglers.may_share(request.plan.model, self.shares[0].model) {
            return None;
        }
        let step = request.plan.steps[rank.dispatch as usize];
        let count = step.workgroups - request.issued(rank.dispatch);
        let load = self.cost.load(&step.cost, count);
        let joined = self.cost.joined(wave, load);
        let (together, alone) = (self.cost.wave(&joined), self.cost.alone(load));
        let gain = self.cost.wave(wave) + alone - together;
        // More of the same costs no pipeline, and keeps in step what will gain by it later.
        let same = self.set.binary_search(&self.arms.id(arm)).is_ok();
        let later = same && request.is_short_steps(self.cost.fixed(1));
        let least = if later { 0.0 } else { self.options.min_gain * alone };
        let pays = together <= longest && gain > 0.0 && gain >= least;
        let pick = Pick { tier, rank, arm, runs: arm, count, gathered: 1 };
        let heavy = self.cost.is_heavy(&step.cost, count);
        let pays = pays && (together <= self.cost.wave(wave) || self.harmless(&[(tier, rank)], together));
        pays.then(|| Rider { joined, pick, share: self.cost.share(&step.cost, load), gain, alone, heavy })
    }

    /// Notes the picked lanes as issued, and makes ready what waited for them.
    fn close(&mut self, wave: &WaveLoad) -> Formed {
        for (tier, arm, queue) in self.taken.drain(..) {
            self.ready[tier.index()].put_back(arm, queue);
        }
        self.move_demoted();
        let predicted = self.cost.wave(wave);
        self.cost.close(wave, &mut self.shares);
        let waiting = self.waiting.map(|waiting| waiting > 0);
        let mut used = [0.0; TIERS];
        let mut lanes = self.spare.pop().unwrap_or_default();
        lanes.reserve(self.picks.len());
        self.holders.clear();
        let mut picks = std::mem::take(&mut self.picks);
        let mut shares = self.shares.iter();
        let mut each = 0.0;
        for &Pick { tier, rank, arm: _, runs, count, gathered } in &picks {
            if gathered > 0 {
                each = shares.next().map_or(0.0, |share| share.body) / f64::from(gathered);
            }
            used[tier.index()] += each;
            self.holders.push(rank.slot);
            let request = self.requests[rank.slot as usize].as_ref().expect("a picked lane's request goes on");
            let first = request.issued(rank.dispatch);
            lanes.push(Lane {
                request: RequestId(rank.request),
                dispatch: rank.dispatch,
                arm: self.arms.id(runs),
                first,
                count,
                gathered,
            });
        }
        for pick in picks.drain(..) {
            self.issued(pick);
        }
        self.picks = picks;
        self.account.enter(predicted, used, waiting);
        let separate = wave.separate();
        self.together += RECENT * (predicted / (separate as f64).max(1.0) - self.together);
        self.start = self.start.saturating_add(nanos(predicted));
        Formed::Wave(Wave { lanes, predicted: nanos(predicted), separate }, predicted)
    }

    /// Notes a lane as issued.
    fn issued(&mut self, Pick { tier, rank, arm, count, .. }: Pick) {
        let Some(request) = self.requests[rank.slot as usize].as_mut() else { return };
        match request.issue(rank.dispatch, count) {
            Progress::Partial => self.ready[tier.index()].push(arm, rank),
            Progress::Whole => {
                request.ready[tier.index()] -= 1;
                self.waiting[tier.index()] -= 1;
                if request.ending.is_some() {
                    self.edf.remove(rank.slot);
                }
                request.release(rank.dispatch, &mut self.released);
                let mut released = std::mem::take(&mut self.released);
                for dispatch in released.drain(..) {
                    self.make_ready(rank.slot, dispatch);
                }
                self.released = released;
            }
        }
    }
}
