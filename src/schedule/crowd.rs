//! Requests of one plan whose next dispatch is the same: they may run it as one lane.

use super::core::{Core, Pick};
use super::cost::{GatherCost, WaveLoad};
use super::options::Coalesce;
use super::parts::Tier;
use super::ready::{ArmIndex, Rank};
use super::sets::Joined;
use super::{GatherDesc, Pipelines};

/// A dispatch of a plan that can be gathered.
pub(super) type CrowdIndex = u32;

/// Where a ready dispatch queues.
pub(super) type Place = (Tier, Rank);

#[derive(Debug)]
struct Crowd {
    arm: ArmIndex,
    least: usize,
    width: usize,
    cost: GatherCost,
    /// Of requests that stand before the dispatch, the first to go last. Some may have gone on, or ended.
    waiting: Vec<Place>,
}

/// The crowds of all plans.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    crowds: Vec<Crowd>,
    free: Vec<CrowdIndex>,
}

impl Crowds {
    pub(super) fn add(&mut self, arm: ArmIndex, desc: &GatherDesc, cost: GatherCost) -> CrowdIndex {
        let crowd = Crowd { arm, least: desc.least as usize, width: desc.width as usize, cost, waiting: Vec::new() };
        match self.free.pop() {
            Some(index) => {
                self.crowds[index as usize] = crowd;
                index
            }
            None => {
                self.crowds.push(crowd);
                self.crowds.len() as CrowdIndex - 1
            }
        }
    }

    /// Of a plan that is forgotten.
    pub(super) fn remove(&mut self, crowd: CrowdIndex) {
        self.crowds[crowd as usize].waiting = Vec::new();
        self.free.push(crowd);
    }
}

impl Core {
    /// Whether requests run dispatches together at all.
    pub(super) fn coalesces(&self) -> bool {
        self.options.coalesce == Coalesce::Yes && self.rules.lanes > 1
    }

    /// Notes that a request stands before a dispatch.
    pub(super) fn join_crowd(&mut self, crowd: CrowdIndex, place: Place) {
        let mut waiting = std::mem::take(&mut self.crowds.crowds[crowd as usize].waiting);
        if waiting.len() == waiting.capacity() {
            waiting.retain(|(_, rank)| self.live(*rank).is_some());
        }
        let at = waiting.partition_point(|other| *other > place);
        waiting.insert(at, place);
        self.crowds.crowds[crowd as usize].waiting = waiting;
    }

    /// Notes that a dispatch of a crowd queues elsewhere.
    pub(super) fn move_in_crowd(&mut self, crowd: CrowdIndex, from: Place, to: Place) {
        let waiting = &mut self.crowds.crowds[crowd as usize].waiting;
        if let Some(at) = waiting.iter().position(|place| *place == from) {
            waiting.remove(at);
            self.join_crowd(crowd, to);
        }
    }

    /// Adds what is left of a ready dispatch to the wave as one lane with others who stand before the same, if there are any
    /// and this takes less time than lanes of their own.
    pub(super) fn gathered(
        &mut self,
        first: Place,
        wave: &mut WaveLoad,
        longest: f64,
        pipelines: &mut dyn Pipelines,
    ) -> bool {
        if !self.coalesces() {
            return false;
        }
        let (_, Rank { dispatch, .. }) = first;
        let Some(crowd) = self.live(first.1).and_then(|request| request.plan.steps[dispatch as usize].crowd) else {
            return false;
        };
        if !self.begins(first, pipelines) {
            return false;
        }
        let mut mates = std::mem::take(&mut self.mates);
        self.find_mates(crowd, first, &mut mates, pipelines);
        let members = if mates.len() > 1 { self.worthwhile(crowd, &mates, wave, longest, pipelines) } else { 0 };
        if members > 0 {
            self.pick_mates(crowd, &mates[..members], wave);
        }
        // Whoever does not go waits on, in the old order.
        let waiting = &mut self.crowds.crowds[crowd as usize].waiting;
        for place in mates.drain(members..) {
            let at = waiting.partition_point(|other| *other > place);
            waiting.insert(at, place);
        }
        mates.clear();
        self.mates = mates;
        members > 0
    }

    /// Takes `first` and those out of the crowd that could go with it, in order.
    fn find_mates(&mut self, crowd: CrowdIndex, first: Place, mates: &mut Vec<Place>, pipelines: &mut dyn Pipelines) {
        let mut waiting = std::mem::take(&mut self.crowds.crowds[crowd as usize].waiting);
        let width = self.crowds.crowds[crowd as usize].width.min(self.rules.lanes - self.picks.len());
        let issued = |core: &Core, rank: Rank| core.open(rank).map(|request| request.issued(rank.dispatch));
        let whole = issued(self, first.1);
        if let Ok(at) = waiting.binary_search_by(|place| first.cmp(place)) {
            waiting.remove(at);
        }
        mates.push(first);
        while mates.len() < width.max(1) {
            let Some(place) = waiting.pop() else { break };
            match issued(self, place.1) {
                None => {}
                other if other == whole && self.begins(place, pipelines) => mates.push(place),
                _ => {
                    waiting.push(place);
                    break;
                }
            }
        }
        self.crowds.crowds[crowd as usize].waiting = waiting;
    }

    /// How many of the mates go as one lane; 0 if that does not pay or there is no pipeline.
    fn worthwhile(
        &mut self,
        crowd: CrowdIndex,
        mates: &[Place],
        wave: &WaveLoad,
        longest: f64,
        pipelines: &mut dyn Pipelines,
    ) -> usize {
        let Crowd { arm, cost, least, .. } = &self.crowds.crowds[crowd as usize];
        let (arm, cost, least) = (*arm, *cost, *least);
        if self.lacks_pipeline(arm) {
            return 0;
        }
        let Some(request) = self.live(mates[0].1) else { return 0 };
        let step = request.plan.steps[mates[0].1.dispatch as usize];
        let count = step.workgroups - request.issued(mates[0].1.dispatch);
        let single = self.cost.load(&step.cost, count);
        let alone = self.cost.alone(single);
        let before = if self.picks.is_empty() { 0.0 } else { self.cost.wave(wave) };
        let mut members = mates.len();
        let gain = loop {
            if members < least {
                return 0;
            }
            let load = {
                let together = self.cost.gathered(&cost, members as u32);
                self.cost.load(&together, count)
            };
            let time = |load| self.cost.wave(&self.cost.joined_by(wave, load, members as u32, single));
            let (together, hoped) = (time(load), time(self.cost.hoped(&cost, load)));
            let apart = (0..members).fold(*wave, |wave, _| self.cost.joined(&wave, single));
            let gain = before + members as f64 * alone - hoped;
            let pays = hoped < self.cost.wave(&apart) && gain >= self.options.min_gain * members as f64 * alone;
            if pays && together <= longest && (together <= before || self.harmless(&mates[..members], together)) {
                break gain;
            }
            members -= 1;
        };
        if !self.has_pipeline(arm, pipelines) {
            return 0;
        }
        if self.allows(arm, gain, pipelines) { members } else { 0 }
    }

    /// Whether there is a pipeline for the wave with `arm`; if so, it is one of the wave's arms.
    pub(super) fn allows(&mut self, arm: ArmIndex, gain: f64, pipelines: &mut dyn Pipelines) -> bool {
        if self.has_pipeline_with(arm, pipelines) {
            return true;
        }
        let Some(lead) = self.picks.first().map(|pick| pick.runs) else { return false };
        let arms = &self.arms;
        let compatible = |a, b| pipelines.compatible(arms.id(a), arms.id(b));
        if compatible(lead, arm) {
            let _: Joined = self.sets.miss((lead, arm), gain, self.options.max_arms, compatible);
        }
        false
    }

    fn pick_mates(&mut self, crowd: CrowdIndex, mates: &[Place], wave: &mut WaveLoad) {
        let Crowd { arm, cost, .. } = &self.crowds.crowds[crowd as usize];
        let (runs, cost) = (*arm, *cost);
        let members = mates.len() as u32;
        for (index, &(tier, rank)) in mates.iter().enumerate() {
            let Some(request) = self.requests[rank.slot as usize].as_ref() else { continue };
            let step = request.plan.steps[rank.dispatch as usize];
            let count = step.workgroups - request.issued(rank.dispatch);
            let gathered = if index == 0 { members } else { 0 };
            self.pick(Pick { tier, rank, arm: step.arm, runs, count, gathered });
            if index == 0 {
                let together = self.cost.gathered(&cost, members);
                let load = self.cost.load(&together, count);
                *wave = self.cost.joined_by(wave, load, members, self.cost.load(&step.cost, count));
                self.shares.push(self.cost.share(&together, load));
            }
        }
    }
}
