//! Requests whose next dispatch is the same may run it as one lane: what they share is read once.

use std::collections::HashMap;

use super::bundle::Pick;
use super::catch_up::{Companies, groups};
use super::core::Core;
use super::cost::{BundleLoad, CoalescedCost, ModelIndex};
use super::queue::{KernelIndex, Position, Queue};
use super::request::QueuedRequest;
use super::{CoalesceDesc, DispatchDesc, KernelId, Pipelines};

/// Dispatches that can be coalesced with each other: one of a plan, or of several plans those that are alike.
pub(super) type GroupIndex = u32;

/// What the dispatches of a group have in common. The caller's number alone is not relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Alike {
    model: ModelIndex,
    kernel: KernelId,
    workgroups: u32,
    flops: u64,
    bytes: u64,
    coalesce: CoalesceDesc,
}

impl Alike {
    /// `None` for a dispatch that is like those of its own plan's requests alone, or cannot be coalesced.
    pub(super) fn of(model: ModelIndex, desc: &DispatchDesc) -> Option<Self> {
        let &DispatchDesc { kernel, workgroups, flops, bytes, coalesce, .. } = desc;
        let coalesce = coalesce.filter(|coalesce| coalesce.alike.is_some())?;
        Some(Alike { model, kernel, workgroups, flops, bytes, coalesce })
    }
}

/// The requests that stand before dispatches that are alike.
#[derive(Debug)]
struct Group {
    alike: Option<Alike>,
    /// How many dispatches of plans are in it.
    dispatches: u32,
    kernel: KernelIndex,
    least: usize,
    width: usize,
    cost: CoalescedCost,
    /// Requests that have not come to it yet, and will unless they are stopped.
    coming: u32,
    /// Requests that have come to it and not gone on.
    standing: u32,
    /// The first to go last. Some may have gone on, or ended.
    waiting: Vec<Position>,
}

/// What came of coalescing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Coalesced {
    /// Several requests are one lane of the bundle.
    Yes,
    /// There is no company, or it does not pay, or there is no pipeline.
    No,
}

/// The groups of all plans.
#[derive(Debug)]
pub(super) struct Coalescer {
    enabled: bool,
    groups: Vec<Group>,
    /// Those that dispatches of other plans may enter.
    by_alike: HashMap<Alike, GroupIndex>,
    free: Vec<GroupIndex>,
    /// Who runs together, by model.
    pub(super) companies: Companies,
    /// The group's first, while it is seen whether they go.
    chosen: Vec<Position>,
}

impl Coalescer {
    pub(super) fn new(enabled: bool) -> Self {
        Coalescer {
            enabled,
            groups: Vec::new(),
            by_alike: HashMap::new(),
            free: Vec::new(),
            companies: Companies::default(),
            chosen: Vec::new(),
        }
    }

    /// The group of those like it that a dispatch of a new plan enters.
    pub(super) fn known(&mut self, alike: Option<Alike>) -> Option<GroupIndex> {
        let index = *self.by_alike.get(&alike?)?;
        self.groups[index as usize].dispatches += 1;
        Some(index)
    }

    /// A group for a dispatch of a new plan.
    pub(super) fn add(
        &mut self,
        alike: Option<Alike>,
        kernel: KernelIndex,
        desc: &CoalesceDesc,
        cost: CoalescedCost,
    ) -> GroupIndex {
        let (least, width) = (desc.least as usize, desc.width as usize);
        let group =
            Group { alike, dispatches: 1, kernel, least, width, cost, coming: 0, standing: 0, waiting: Vec::new() };
        let index = match self.free.pop() {
            Some(index) => {
                self.groups[index as usize] = group;
                index
            }
            None => {
                self.groups.push(group);
                self.groups.len() as GroupIndex - 1
            }
        };
        alike.and_then(|alike| self.by_alike.insert(alike, index));
        index
    }

    /// Takes a dispatch of a plan that is forgotten out of its group.
    pub(super) fn remove(&mut self, index: GroupIndex) {
        let group = &mut self.groups[index as usize];
        group.dispatches -= 1;
        if group.dispatches == 0 {
            group.waiting = Vec::new();
            group.alike.and_then(|alike| self.by_alike.remove(&alike));
            self.free.push(index);
        }
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Notes that a request came.
    pub(super) fn came(&mut self, request: &QueuedRequest) {
        self.companies.came(request.plan.model);
        groups(request).for_each(|(_, group)| self.groups[group as usize].coming += 1);
    }

    /// Notes that a request that went on issues nothing further.
    pub(super) fn stopped(&mut self, request: &QueuedRequest) {
        for (dispatch, group) in groups(request) {
            let Group { coming, standing, .. } = &mut self.groups[group as usize];
            if !request.is_source(dispatch) {
                *coming -= 1;
            } else if request.has_left(dispatch) {
                *standing -= 1;
            }
        }
    }

    /// Notes that a request that goes on has come to a dispatch.
    pub(super) fn reached(&mut self, group: GroupIndex) {
        let Group { coming, standing, .. } = &mut self.groups[group as usize];
        *coming -= 1;
        *standing += 1;
    }

    /// Notes that a request that goes on has issued all of a dispatch.
    pub(super) fn passed(&mut self, group: GroupIndex) {
        self.groups[group as usize].standing -= 1;
    }

    /// Whether further requests of the model are on their way to a group: as many as make a run with those that stand there, which are
    /// too few to fill one. Where there are many requests, company comes by itself.
    pub(super) fn awaits(&self, group: GroupIndex, model: ModelIndex) -> bool {
        let &Group { coming, standing, least, width, .. } = &self.groups[group as usize];
        let [coming, standing, present] = [coming, standing, self.companies.present(model)].map(|count| count as usize);
        self.enabled && coming > 0 && standing < width && standing + coming >= least && present <= 2 * width
    }

    /// Notes that a request stands before a dispatch.
    pub(super) fn join(&mut self, group: GroupIndex, position: Position, queue: &Queue) {
        if !self.enabled {
            return;
        }
        let waiting = &mut self.groups[group as usize].waiting;
        if waiting.len() == waiting.capacity() {
            waiting.retain(|(_, rank)| queue.live(*rank).is_some());
        }
        insert(waiting, position);
    }

    /// Notes that a request of a group queues elsewhere.
    pub(super) fn transfer(&mut self, group: GroupIndex, from: Position, to: Position) {
        let waiting = &mut self.groups[group as usize].waiting;
        if let Some(at) = waiting.iter().position(|position| *position == from) {
            waiting.remove(at);
            insert(waiting, to);
        }
    }

    /// Takes the next of a group that stands before its dispatch with `issued` workgroups gone; `false` if there is none.
    fn choose(&mut self, group: GroupIndex, issued: u32, queue: &Queue) -> bool {
        let Group { waiting, width, .. } = &mut self.groups[group as usize];
        while self.chosen.len() < *width {
            let Some(position) = waiting.pop() else { break };
            // A plan may have two dispatches that are alike.
            if self.chosen.iter().any(|(_, rank)| rank.index == position.1.index) {
                waiting.push(position);
                break;
            }
            match queue.open(position.1).map(|request| request.issued(position.1.dispatch)) {
                None => {}
                Some(other) if other == issued => {
                    self.chosen.push(position);
                    return true;
                }
                Some(_) => {
                    waiting.push(position);
                    break;
                }
            }
        }
        false
    }

    /// Puts those who do not go back, and forgets those who do.
    fn settle(&mut self, group: GroupIndex, members: usize) {
        let waiting = &mut self.groups[group as usize].waiting;
        self.chosen.drain(members..).for_each(|position| insert(waiting, position));
        self.chosen.clear();
    }
}

/// Keeps the first to go last.
fn insert(waiting: &mut Vec<Position>, position: Position) {
    let at = waiting.partition_point(|other| *other > position);
    waiting.insert(at, position);
}

impl Core {
    /// Adds what is left of a ready dispatch to the bundle as one lane with others who stand before the same, if there are any
    /// and this takes less time than lanes of their own.
    pub(super) fn coalesce(
        &mut self,
        first: Position,
        bundle: &mut BundleLoad,
        longest: f64,
        pipelines: &mut dyn Pipelines,
    ) -> Coalesced {
        let dispatch = first.1.dispatch as usize;
        let group = self.queue.live(first.1).and_then(|request| request.plan.dispatches[dispatch].group);
        let Some(group) = group.filter(|_| self.coalescer.enabled) else { return Coalesced::No };
        if !self.begins(first, pipelines) {
            return Coalesced::No;
        }
        self.find_company(group, first, pipelines);
        let members = self.worthwhile(group, bundle, longest, pipelines);
        if members > 0 {
            self.pick_group(group, members, bundle);
        }
        self.coalescer.settle(group, members);
        if members > 0 { Coalesced::Yes } else { Coalesced::No }
    }

    /// Chooses `first` and those of its group that could go with it, in order.
    fn find_company(&mut self, group: GroupIndex, first: Position, pipelines: &mut dyn Pipelines) {
        let waiting = &mut self.coalescer.groups[group as usize].waiting;
        if let Ok(at) = waiting.binary_search_by(|position| first.cmp(position)) {
            waiting.remove(at);
        }
        self.coalescer.chosen.push(first);
        let Some(request) = self.queue.open(first.1) else { return };
        let issued = request.issued(first.1.dispatch);
        let room = self.rules.lanes - self.bundle.picks.len();
        while self.coalescer.chosen.len() < room && self.coalescer.choose(group, issued, &self.queue) {
            let last = self.coalescer.chosen[self.coalescer.chosen.len() - 1];
            if !self.begins(last, pipelines) {
                self.coalescer.chosen.pop();
                insert(&mut self.coalescer.groups[group as usize].waiting, last);
                break;
            }
        }
    }

    /// How many of those chosen go as one lane; 0 if that does not pay or there is no pipeline.
    fn worthwhile(
        &mut self,
        group: GroupIndex,
        bundle: &BundleLoad,
        longest: f64,
        pipelines: &mut dyn Pipelines,
    ) -> usize {
        let Group { kernel, cost, least, .. } = self.coalescer.groups[group as usize];
        let mut members = self.coalescer.chosen.len();
        if members < least || self.merging.lacks(kernel) {
            return 0;
        }
        let rank = self.coalescer.chosen[0].1;
        let Some(request) = self.queue.live(rank) else { return 0 };
        let info = request.plan.dispatches[rank.dispatch as usize];
        let count = info.workgroups - request.issued(rank.dispatch);
        let single = self.cost.load(&info.cost, count);
        let alone = self.cost.alone(single);
        let before = if self.bundle.picks.is_empty() { 0.0 } else { self.cost.bundle(bundle) };
        let gain = loop {
            if members < least {
                return 0;
            }
            let together = self.cost.coalesced(&cost, members as u32);
            let load = self.cost.load(&together, count);
            let time = |load| self.cost.bundle(&self.cost.joined_by(bundle, load, members as u32, single));
            let (together, hoped) = (time(load), time(self.cost.hoped(&cost, load)));
            let apart = (0..members).fold(*bundle, |bundle, _| self.cost.joined(&bundle, single));
            let all = members as f64 * alone;
            let (gain, least_gain) = (before + all - hoped, self.rules.min_gain * all);
            if hoped < self.cost.bundle(&apart) && gain >= least_gain && together <= longest {
                break gain;
            }
            members -= 1;
        };
        let ready = self.merging.has(kernel, pipelines) && self.allows(kernel, gain, pipelines);
        if ready { members } else { 0 }
    }

    fn pick_group(&mut self, group: GroupIndex, members: usize, bundle: &mut BundleLoad) {
        let Group { kernel: runs, cost, .. } = self.coalescer.groups[group as usize];
        for index in 0..members {
            let (tier, rank) = self.coalescer.chosen[index];
            let Some(request) = self.queue.get(rank.index) else { continue };
            let info = request.plan.dispatches[rank.dispatch as usize];
            let count = info.workgroups - request.issued(rank.dispatch);
            let coalesced = if index == 0 { members as u32 } else { 0 };
            let model = request.plan.model;
            self.pick(Pick { tier, rank, kernel: info.kernel, runs, count, coalesced });
            if index == 0 {
                self.coalescer.companies.ran(model, coalesced, self.start);
                let together = self.cost.coalesced(&cost, coalesced);
                let load = self.cost.load(&together, count);
                *bundle = self.cost.joined_by(bundle, load, coalesced, self.cost.load(&info.cost, count));
                self.bundle.shares.push(self.cost.share(&together, load));
            }
        }
    }
}
