//! Forms one bundle: a leader, the first of all ready dispatches, and riders that cost less with it than apart from it.

use std::cmp::Reverse;

use super::coalesce::Coalesced;
use super::core::Core;
use super::cost::{BundleLoad, DispatchCost, Share, nanos};
use super::lead::{Leader, Room};
use super::options::Joining;
use super::parts::{TIERS, Tier};
use super::queue::{Heap, KernelIndex, Position, Rank};
use super::{Bundle, KernelId, Lane, Pipelines, RequestId};

/// Candidates of one kernel that may be passed over in a bundle before the next kernel is tried. Guessed: each costs a prediction.
const PASSES: usize = 4;

/// A lane chosen for a bundle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pick {
    pub(super) tier: Tier,
    /// Where it queues.
    pub(super) kernel: KernelIndex,
    /// What runs it.
    pub(super) runs: KernelIndex,
    pub(super) rank: Rank,
    pub(super) count: u32,
    /// As [`Lane::coalesced`].
    pub(super) coalesced: u32,
}

/// The bundle that is being formed, or was formed last. Its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Forming {
    pub(super) picks: Vec<Pick>,
    /// Of each lane that is no other's.
    pub(super) shares: Vec<Share>,
    /// Its kernels, sorted.
    set: Vec<KernelId>,
    /// Indices of the requests of its lanes.
    pub(super) holders: Vec<u32>,
    /// Heaps that riders were taken from.
    taken: Vec<(Tier, KernelIndex, Heap)>,
    passed: Vec<Rank>,
    /// Indices of requests that let the bundle go before them, to go on with others.
    pub(super) held: Vec<u32>,
    /// Whether nothing waits for company.
    pub(super) hurries: bool,
    /// Lanes' memory.
    spare: Vec<Vec<Lane>>,
}

/// What came of forming a bundle.
#[derive(Debug)]
#[must_use]
pub(super) enum Formed {
    /// A bundle and its predicted duration.
    Bundle(Bundle, f64),
    /// The first dispatch does not fit the rest of the submission.
    Full,
    /// Nothing can issue now.
    Nothing,
}

/// A lane that may join, the bundle with it, and what that saves.
struct Rider {
    joined: BundleLoad,
    pick: Pick,
    share: Share,
    gain: f64,
    /// Keeps to pipelines of its own kernel.
    heavy: bool,
}

impl Forming {
    /// Takes back a bundle's memory.
    pub(super) fn recycle(&mut self, mut bundle: Bundle) {
        bundle.lanes.clear();
        self.spare.push(bundle.lanes);
    }

    /// Whether a dispatch of a request is in it.
    pub(super) fn holds(&self, index: u32) -> bool {
        self.picks.iter().any(|pick| pick.rank.index == index)
    }
}

impl Core {
    /// Forms the next bundle and notes its lanes as issued; [`Core::bundle`] then tells whose they are.
    pub(super) fn form(&mut self, pipelines: &mut dyn Pipelines, room: Room) -> Formed {
        let Some(leader) = self.leader(pipelines, room) else { return Formed::Nothing };
        if !self.may_lead(leader, room) {
            return Formed::Full;
        }
        let Some(mut bundle) = self.fill(leader, room, pipelines) else { return Formed::Full };
        if let [_] = self.bundle.picks[..]
            && let Some(other) = self.company(leader, pipelines)
        {
            self.undo(leader);
            match self.fill(other, room, pipelines) {
                Some(others) => bundle = others,
                None => return Formed::Full,
            }
        }
        self.close(&bundle)
    }

    /// Picks a leader and its riders; `None` if the leader does not fit.
    fn fill(&mut self, leader: Leader, room: Room, pipelines: &mut dyn Pipelines) -> Option<BundleLoad> {
        let Leader { tier, rank, kernel } = leader;
        let budget = self.budget(leader, room);
        let count = self.leading(rank, budget)?;
        let request = self.queue.live(rank)?;
        let info = request.plan.dispatches[rank.dispatch as usize];
        let whole = request.issued(rank.dispatch) + count == info.workgroups;
        self.bundle.shares.clear();
        self.bundle.set.clear();
        let mut heap = self.queue.take(tier, kernel);
        if heap.peek() == Some(&Reverse(rank)) {
            heap.pop();
        }
        let load = self.cost.load(&info.cost, count);
        let longest = self.longest(leader, self.cost.alone(load), budget);
        let mut bundle = BundleLoad::default();
        if !whole || self.coalesce((tier, rank), &mut bundle, longest, pipelines) == Coalesced::No {
            bundle = self.cost.joined(&bundle, load);
            self.bundle.set.push(self.merging.id(kernel));
            self.pick(Pick { tier, rank, kernel, runs: kernel, count, coalesced: 1 });
            self.bundle.shares.push(self.cost.share(&info.cost, load));
        }
        let merges = self.rules.lanes > 1;
        if merges {
            self.add_kernel((tier, kernel), &mut heap, &mut bundle, longest, pipelines);
        }
        self.bundle.taken.push((tier, kernel, heap));
        let heavy = self.keeps_apart(&info.cost, count);
        for other in Tier::all().filter(|_| merges) {
            if other != tier {
                let mut heap = self.queue.take(other, kernel);
                self.add_kernel((other, kernel), &mut heap, &mut bundle, longest, pipelines);
                self.bundle.taken.push((other, kernel, heap));
            }
            if !heavy {
                self.add_others(other, &mut bundle, longest, pipelines);
            }
        }
        Some(bundle)
    }

    pub(super) fn pick(&mut self, pick: Pick) {
        if let Some(request) = self.queue.get_mut(pick.rank.index) {
            request.pick(pick.rank.dispatch, pick.tier);
        }
        self.bundle.picks.push(pick);
    }

    /// Undoes [`Core::fill`] for a leader without riders.
    fn undo(&mut self, leader: Leader) {
        self.put_back();
        self.bundle.picks.clear();
        if let Some(request) = self.queue.get_mut(leader.rank.index) {
            request.unpick(leader.rank.dispatch);
        }
        self.queue.push(leader.tier, leader.kernel, leader.rank);
    }

    fn put_back(&mut self) {
        for (tier, kernel, heap) in self.bundle.taken.drain(..) {
            self.queue.put_back(tier, kernel, heap);
        }
        self.move_demoted();
    }

    /// Adds riders of one kernel.
    fn add_kernel(
        &mut self,
        (tier, kernel): (Tier, KernelIndex),
        heap: &mut Heap,
        bundle: &mut BundleLoad,
        longest: f64,
        pipelines: &mut dyn Pipelines,
    ) {
        let mut passes = 0;
        while self.bundle.picks.len() < self.rules.lanes && passes < PASSES {
            let Some(Reverse(rank)) = heap.pop() else { break };
            // One in this bundle already goes whole: its entry is of no more use.
            let Some(request) = self.queue.open(rank) else { continue };
            let shares = self.may_share(request.plan.model);
            if self.waits_for_company((tier, rank)) {
                self.bundle.passed.push(rank);
                continue;
            }
            if shares && self.demotes((tier, rank), kernel) {
                continue;
            }
            if shares && self.coalesce((tier, rank), bundle, longest, pipelines) == Coalesced::Yes {
                continue;
            }
            let rider = self.rider((tier, rank), kernel, bundle, longest);
            let Some(rider) = rider.filter(|rider| self.allows(kernel, rider.gain, pipelines)) else {
                passes += 1;
                self.bundle.passed.push(rank);
                continue;
            };
            if !self.begins((tier, rank), pipelines) {
                self.await_memory((tier, rank), kernel);
                continue;
            }
            *bundle = rider.joined;
            self.pick(rider.pick);
            self.bundle.shares.push(rider.share);
        }
        heap.extend(self.bundle.passed.drain(..).map(Reverse));
    }

    /// Adds riders of other kernels than the leader's, in order, where there is a pipeline for all.
    fn add_others(&mut self, tier: Tier, bundle: &mut BundleLoad, longest: f64, pipelines: &mut dyn Pipelines) {
        let mut at = 0;
        while self.bundle.picks.len() < self.rules.lanes {
            let Some(&(rank, kernel)) = self.queue.heads(tier).get(at) else { break };
            if self.queue.open(rank).is_none() {
                self.queue.drop_head(tier, kernel);
                continue;
            }
            if self.waits_for_company((tier, rank)) {
                at += 1;
                continue;
            }
            let rider = self.rider((tier, rank), kernel, bundle, longest).filter(|rider| !rider.heavy);
            if !rider.is_some_and(|rider| self.allows(kernel, rider.gain, pipelines)) {
                at += 1;
                continue;
            }
            let mut heap = self.queue.take(tier, kernel);
            self.add_kernel((tier, kernel), &mut heap, bundle, longest, pipelines);
            self.bundle.taken.push((tier, kernel, heap));
        }
    }

    /// The rest of a ready dispatch as one more lane, if that saves enough.
    fn rider(
        &mut self,
        (tier, rank): Position,
        kernel: KernelIndex,
        bundle: &BundleLoad,
        longest: f64,
    ) -> Option<Rider> {
        let request = self.queue.open(rank).filter(|request| self.may_share(request.plan.model))?;
        let info = request.plan.dispatches[rank.dispatch as usize];
        let count = info.workgroups - request.issued(rank.dispatch);
        let load = self.cost.load(&info.cost, count);
        let joined = self.cost.joined(bundle, load);
        let (together, alone) = (self.cost.bundle(&joined), self.cost.alone(load));
        let gain = self.cost.bundle(bundle) + alone - together;
        let pays = gain > 0.0 && gain >= self.rules.min_gain * alone || self.rules.joining == Joining::Always;
        let pick = Pick { tier, rank, kernel, runs: kernel, count, coalesced: 1 };
        let heavy = self.keeps_apart(&info.cost, count);
        (pays && together <= longest).then(|| Rider {
            joined,
            pick,
            share: self.cost.share(&info.cost, load),
            gain,
            heavy,
        })
    }

    /// Whether workgroups of a dispatch share bundles with their own kernel alone.
    fn keeps_apart(&self, cost: &DispatchCost, count: u32) -> bool {
        self.rules.joining == Joining::WherePays && self.cost.is_heavy(cost, count)
    }

    /// Whether lanes of a model may join the bundle.
    fn may_share(&self, model: super::cost::ModelIndex) -> bool {
        self.bundle.shares.first().is_none_or(|first| self.stragglers.may_share(model, first.model))
    }

    /// Whether there is a pipeline for the bundle with `kernel`; if so, it is one of the bundle's kernels. If not, one is asked for in time.
    pub(super) fn allows(&mut self, kernel: KernelIndex, gain: f64, pipelines: &mut dyn Pipelines) -> bool {
        if self.merging.extends(&mut self.bundle.set, kernel, pipelines) {
            return true;
        }
        if let Some(lead) = self.bundle.picks.first() {
            self.merging.miss((lead.runs, kernel), gain.max(0.0), pipelines);
        }
        false
    }

    /// Notes the picked lanes as issued, and makes ready what waited for them.
    fn close(&mut self, bundle: &BundleLoad) -> Formed {
        self.put_back();
        let predicted = self.cost.bundle(bundle);
        self.note_held(predicted);
        self.cost.close(bundle, &mut self.bundle.shares);
        let waits = self.queue.waits();
        let mut used = [0.0; TIERS];
        let mut lanes = self.bundle.spare.pop().unwrap_or_default();
        self.bundle.holders.clear();
        let mut shares = self.bundle.shares.iter();
        let mut each = 0.0;
        for &Pick { tier, rank, runs, count, coalesced, .. } in &self.bundle.picks {
            if coalesced > 0 {
                each = shares.next().map_or(0.0, |share| share.body) / f64::from(coalesced);
            }
            used[tier.index()] += each;
            self.bundle.holders.push(rank.index);
            let first = self.queue.get(rank.index).map_or(0, |request| request.issued(rank.dispatch));
            let (request, dispatch, kernel) = (RequestId(rank.request), rank.dispatch, self.merging.id(runs));
            lanes.push(Lane { request, dispatch, kernel, first, count, coalesced });
        }
        for Pick { tier, rank, kernel, count, .. } in self.bundle.picks.drain(..) {
            self.queue.issue((tier, rank), kernel, count, &mut self.coalescer);
        }
        self.fairness.enter(predicted, used, waits);
        self.start = self.start.saturating_add(nanos(predicted));
        Formed::Bundle(Bundle { lanes, predicted: nanos(predicted), separate: bundle.separate() }, predicted)
    }
}
