//! Forms one wave: a leader, the first of all ready dispatches, and riders that cost less with it than apart from it.

use std::cmp::Reverse;

use super::coalesce::Coalesced;
use super::core::Core;
use super::cost::{Share, WaveLoad, nanos};
use super::lead::{Leader, Room};
use super::parts::{TIERS, Tier};
use super::queue::{ArmIndex, Heap, Place, Rank};
use super::{ArmId, Lane, Pipelines, RequestId, Wave};

/// Candidates of one arm that may be passed over in a wave before the next arm is tried. Guessed: each costs a prediction.
const PASSES: usize = 4;

/// A lane chosen for a wave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) tier: Tier,
    /// Where it queues.
    pub(super) arm: ArmIndex,
    /// What runs it.
    pub(super) runs: ArmIndex,
    pub(super) rank: Rank,
    pub(super) count: u32,
    /// As [`Lane::gathered`].
    pub(super) gathered: u32,
}

/// The wave that is being formed, or was formed last. Its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Forming {
    pub(super) picks: Vec<Pick>,
    /// Of each lane that is no other's.
    pub(super) shares: Vec<Share>,
    /// Its arms, sorted.
    set: Vec<ArmId>,
    /// Slots of the requests of its lanes.
    pub(super) holders: Vec<u32>,
    /// Heaps that riders were taken from.
    taken: Vec<(Tier, ArmIndex, Heap)>,
    passed: Vec<Rank>,
    /// Lanes' memory.
    spare: Vec<Vec<Lane>>,
}

/// What came of forming a wave.
#[derive(Debug)]
#[must_use]
pub(super) enum Formed {
    /// A wave and its predicted duration.
    Wave(Wave, f64),
    /// The first dispatch does not fit the rest of the submission.
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
    /// Keeps to pipelines of its own arm.
    heavy: bool,
}

impl Forming {
    /// Takes back a wave's memory.
    pub(super) fn recycle(&mut self, mut wave: Wave) {
        wave.lanes.clear();
        self.spare.push(wave.lanes);
    }

    /// Whether a dispatch of a request is in it.
    pub(super) fn holds(&self, slot: u32) -> bool {
        self.picks.iter().any(|pick| pick.rank.slot == slot)
    }
}

impl Core {
    /// Forms the next wave and notes its lanes as issued; [`Core::wave`] then tells whose they are.
    pub(super) fn form(&mut self, pipelines: &mut dyn Pipelines, room: Room) -> Formed {
        let Some(leader) = self.leader(pipelines, room) else { return Formed::Nothing };
        if !self.may_lead(leader, room) {
            return Formed::Full;
        }
        let Some(mut wave) = self.fill(leader, room, pipelines) else { return Formed::Full };
        if let [_] = self.wave.picks[..]
            && let Some(other) = self.company(leader, pipelines)
        {
            self.undo(leader);
            match self.fill(other, room, pipelines) {
                Some(others) => wave = others,
                None => return Formed::Full,
            }
        }
        self.close(&wave)
    }

    /// Picks a leader and its riders; `None` if the leader does not fit.
    fn fill(&mut self, leader: Leader, room: Room, pipelines: &mut dyn Pipelines) -> Option<WaveLoad> {
        let Leader { tier, rank, arm } = leader;
        let budget = self.budget(leader, room);
        let count = self.leading(rank, budget)?;
        let request = self.queue.live(rank)?;
        let step = request.plan.steps[rank.dispatch as usize];
        let whole = request.issued(rank.dispatch) + count == step.workgroups;
        self.wave.shares.clear();
        self.wave.set.clear();
        let mut heap = self.queue.take(tier, arm);
        if heap.peek() == Some(&Reverse(rank)) {
            heap.pop();
        }
        let load = self.cost.load(&step.cost, count);
        let longest = self.longest(leader, self.cost.alone(load), budget);
        let mut wave = WaveLoad::default();
        if !whole || self.coalesce((tier, rank), &mut wave, longest, pipelines) == Coalesced::No {
            wave = self.cost.joined(&wave, load);
            self.wave.set.push(self.merging.id(arm));
            self.pick(Pick { tier, rank, arm, runs: arm, count, gathered: 1 });
            self.wave.shares.push(self.cost.share(&step.cost, load));
        }
        let merges = self.rules.lanes > 1;
        if merges {
            self.add_arm((tier, arm), &mut heap, &mut wave, longest, pipelines);
        }
        self.wave.taken.push((tier, arm, heap));
        let heavy = self.cost.is_heavy(&step.cost, count);
        for other in Tier::all().filter(|_| merges) {
            if other != tier {
                let mut heap = self.queue.take(other, arm);
                self.add_arm((other, arm), &mut heap, &mut wave, longest, pipelines);
                self.wave.taken.push((other, arm, heap));
            }
            if !heavy {
                self.add_others(other, &mut wave, longest, pipelines);
            }
        }
        Some(wave)
    }

    pub(super) fn pick(&mut self, pick: Pick) {
        if let Some(request) = self.queue.get_mut(pick.rank.slot) {
            request.pick(pick.rank.dispatch, pick.tier);
        }
        self.wave.picks.push(pick);
    }

    /// Undoes [`Core::fill`] for a leader without riders.
    fn undo(&mut self, leader: Leader) {
        self.put_back();
        self.wave.picks.clear();
        if let Some(request) = self.queue.get_mut(leader.rank.slot) {
            request.unpick(leader.rank.dispatch);
        }
        self.queue.push(leader.tier, leader.arm, leader.rank);
    }

    fn put_back(&mut self) {
        for (tier, arm, heap) in self.wave.taken.drain(..) {
            self.queue.put_back(tier, arm, heap);
        }
        self.move_demoted();
    }

    /// Adds riders of one arm.
    fn add_arm(
        &mut self,
        (tier, arm): (Tier, ArmIndex),
        heap: &mut Heap,
        wave: &mut WaveLoad,
        longest: f64,
        pipelines: &mut dyn Pipelines,
    ) {
        let mut passes = 0;
        while self.wave.picks.len() < self.rules.lanes && passes < PASSES {
            let Some(Reverse(rank)) = heap.pop() else { break };
            // One in this wave already goes whole: its entry is of no more use.
            let Some(request) = self.queue.open(rank) else { continue };
            let shares = self.may_share(request.plan.model);
            if shares && self.demotes((tier, rank), arm) {
                continue;
            }
            if shares && self.coalesce((tier, rank), wave, longest, pipelines) == Coalesced::Yes {
                continue;
            }
            let rider = self.rider((tier, rank), arm, wave, longest);
            let Some(rider) = rider.filter(|rider| self.allows(arm, rider.gain, pipelines)) else {
                passes += 1;
                self.wave.passed.push(rank);
                continue;
            };
            if !self.begins((tier, rank), pipelines) {
                self.await_memory((tier, rank), arm);
                continue;
            }
            *wave = rider.joined;
            self.pick(rider.pick);
            self.wave.shares.push(rider.share);
        }
        heap.extend(self.wave.passed.drain(..).map(Reverse));
    }

    /// Adds riders of other arms than the leader's, in order, where there is a pipeline for all.
    fn add_others(&mut self, tier: Tier, wave: &mut WaveLoad, longest: f64, pipelines: &mut dyn Pipelines) {
        let mut at = 0;
        while self.wave.picks.len() < self.rules.lanes {
            let Some(&(rank, arm)) = self.queue.heads(tier).get(at) else { break };
            if self.queue.open(rank).is_none() {
                self.queue.drop_head(tier, arm);
                continue;
            }
            let rider = self.rider((tier, rank), arm, wave, longest).filter(|rider| !rider.heavy);
            if !rider.is_some_and(|rider| self.allows(arm, rider.gain, pipelines)) {
                at += 1;
                continue;
            }
            let mut heap = self.queue.take(tier, arm);
            self.add_arm((tier, arm), &mut heap, wave, longest, pipelines);
            self.wave.taken.push((tier, arm, heap));
        }
    }

    /// The rest of a ready dispatch as one more lane, if that saves enough.
    fn rider(&mut self, (tier, rank): Place, arm: ArmIndex, wave: &WaveLoad, longest: f64) -> Option<Rider> {
        let request = self.queue.open(rank).filter(|request| self.may_share(request.plan.model))?;
        let step = request.plan.steps[rank.dispatch as usize];
        let count = step.workgroups - request.issued(rank.dispatch);
        let load = self.cost.load(&step.cost, count);
        let joined = self.cost.joined(wave, load);
        let (together, alone) = (self.cost.wave(&joined), self.cost.alone(load));
        let gain = self.cost.wave(wave) + alone - together;
        let pays = together <= longest && gain > 0.0 && gain >= self.rules.min_gain * alone;
        let pick = Pick { tier, rank, arm, runs: arm, count, gathered: 1 };
        let heavy = self.cost.is_heavy(&step.cost, count);
        pays.then(|| Rider { joined, pick, share: self.cost.share(&step.cost, load), gain, heavy })
    }

    /// Whether lanes of a model may join the wave.
    fn may_share(&self, model: super::cost::ModelIndex) -> bool {
        self.wave.shares.first().is_none_or(|first| self.stragglers.may_share(model, first.model))
    }

    /// Whether there is a pipeline for the wave with `arm`; if so, it is one of the wave's arms. If not, one is asked for in time.
    pub(super) fn allows(&mut self, arm: ArmIndex, gain: f64, pipelines: &mut dyn Pipelines) -> bool {
        if self.merging.extends(&mut self.wave.set, arm, pipelines) {
            return true;
        }
        if let Some(lead) = self.wave.picks.first() {
            self.merging.miss((lead.runs, arm), gain, pipelines);
        }
        false
    }

    /// Notes the picked lanes as issued, and makes ready what waited for them.
    fn close(&mut self, wave: &WaveLoad) -> Formed {
        self.put_back();
        let predicted = self.cost.wave(wave);
        self.cost.close(wave, &mut self.wave.shares);
        let waits = self.queue.waits();
        let mut used = [0.0; TIERS];
        let mut lanes = self.wave.spare.pop().unwrap_or_default();
        self.wave.holders.clear();
        let mut shares = self.wave.shares.iter();
        let mut each = 0.0;
        for &Pick { tier, rank, runs, count, gathered, .. } in &self.wave.picks {
            if gathered > 0 {
                each = shares.next().map_or(0.0, |share| share.body) / f64::from(gathered);
            }
            used[tier.index()] += each;
            self.wave.holders.push(rank.slot);
            let first = self.queue.get(rank.slot).map_or(0, |request| request.issued(rank.dispatch));
            let (request, dispatch, arm) = (RequestId(rank.request), rank.dispatch, self.merging.id(runs));
            lanes.push(Lane { request, dispatch, arm, first, count, gathered });
        }
        for Pick { tier, rank, arm, count, .. } in self.wave.picks.drain(..) {
            self.queue.issue((tier, rank), arm, count, &mut self.coalescer);
        }
        self.fairness.enter(predicted, used, waits);
        self.start = self.start.saturating_add(nanos(predicted));
        Formed::Wave(Wave { lanes, predicted: nanos(predicted), separate: wave.separate() }, predicted)
    }
}
