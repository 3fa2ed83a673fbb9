//! Requests that have not ended, and their ready dispatches: by tier a heap for each kernel, and the heads of all heaps in order.
//!
//! Entries of a request that issues nothing further stay behind, and are dropped when they surface.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::coalesce::Coalescer;
use super::options::Ranking;
use super::parts::{TIERS, Tier};
use super::request::{Board, Progress, QueuedRequest};
use super::{Class, Nanos, Outcome, RequestId};

/// A dispatch's rank among the ready ones; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) urgency: u64,
    pub(super) class: Class,
    pub(super) request: u64,
    pub(super) dispatch: u32,
    /// Where the request is kept.
    pub(super) index: u32,
}

/// Where a ready dispatch queues.
pub(super) type Position = (Tier, Rank);

/// A kernel, numbered densely by the scheduler.
pub(super) type KernelIndex = u32;

/// The ready dispatches of one kernel.
pub(super) type Heap = BinaryHeap<Reverse<Rank>>;

/// The ready dispatches of a tier.
#[derive(Debug, Default)]
struct Ready {
    heaps: Vec<Heap>,
    /// The first of each heap that has one and is not taken, sorted.
    heads: Vec<(Rank, KernelIndex)>,
    /// Of requests that go on.
    waiting: usize,
}

#[derive(Debug)]
pub(super) struct Queue {
    ranking: Ranking,
    requests: Vec<Option<QueuedRequest>>,
    free: Vec<u32>,
    /// Scoreboards' memory, to be used again.
    boards: Vec<Board>,
    indices: HashMap<RequestId, u32>,
    /// The latest request of each key.
    keys: HashMap<u64, RequestId>,
    ready: [Ready; TIERS],
    became_ready: u64,
    released: Vec<u32>,
}

impl Queue {
    pub(super) fn new(ranking: Ranking) -> Self {
        Queue {
            ranking,
            requests: Vec::new(),
            free: Vec::new(),
            boards: Vec::new(),
            indices: HashMap::new(),
            keys: HashMap::new(),
            ready: std::array::from_fn(|_| Ready::default()),
            became_ready: 0,
            released: Vec::new(),
        }
    }

    /// Memory for a scoreboard.
    pub(super) fn board(&mut self) -> Board {
        self.boards.pop().unwrap_or_default()
    }

    /// Takes back the memory of a request that was not let in.
    pub(super) fn turn_away(&mut self, request: QueuedRequest) {
        self.boards.push(request.into_board());
    }

    /// Takes a request in, with the dispatches that wait for no other.
    pub(super) fn insert(&mut self, request: QueuedRequest, coalescer: &mut Coalescer) {
        let (id, dispatches) = (RequestId(request.id), request.plan.dispatches.len() as u32);
        if let Some(key) = request.desc.key {
            self.keys.insert(key, id);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.requests.push(None);
            self.requests.len() as u32 - 1
        });
        coalescer.came(&request);
        self.requests[index as usize] = Some(request);
        self.indices.insert(id, index);
        for dispatch in 0..dispatches {
            if self.get(index).is_some_and(|request| request.is_source(dispatch)) {
                self.make_ready(index, dispatch, coalescer);
            }
        }
    }

    /// Removes a request that has ended.
    pub(super) fn remove(&mut self, index: u32, coalescer: &mut Coalescer) {
        let Some(request) = self.requests[index as usize].take() else { return };
        coalescer.companies.left(request.plan.model);
        let id = RequestId(request.id);
        if let Some(key) = request.desc.key
            && self.keys.get(&key) == Some(&id)
        {
            self.keys.remove(&key);
        }
        self.boards.push(request.into_board());
        self.free.push(index);
        self.indices.remove(&id);
    }

    pub(super) fn index(&self, id: RequestId) -> Option<u32> {
        self.indices.get(&id).copied()
    }

    /// The index of the request that one with this key takes the place of.
    pub(super) fn replaced_by(&self, key: Option<u64>) -> Option<u32> {
        let index = self.index(*self.keys.get(&key?)?)?;
        self.get(index).is_some_and(QueuedRequest::untouched).then_some(index)
    }

    pub(super) fn get(&self, index: u32) -> Option<&QueuedRequest> {
        self.requests.get(index as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut QueuedRequest> {
        self.requests.get_mut(index as usize)?.as_mut()
    }

    /// All requests with their indices.
    pub(super) fn requests(&self) -> impl Iterator<Item = (u32, &QueuedRequest)> {
        let indices = self.requests.iter().enumerate();
        indices.filter_map(|(index, request)| Some((index as u32, request.as_ref()?)))
    }

    /// Requests that have not ended.
    pub(super) fn len(&self) -> usize {
        self.indices.len()
    }

    /// Places for requests.
    pub(super) fn entries(&self) -> usize {
        self.requests.len()
    }

    /// The request of a rank, unless it issues nothing any more or nothing is left of the dispatch.
    pub(super) fn live(&self, rank: Rank) -> Option<&QueuedRequest> {
        let request = self.get(rank.index)?;
        let goes_on = request.id == rank.request && request.ending.is_none();
        (goes_on && request.has_left(rank.dispatch)).then_some(request)
    }

    /// As [`Queue::live`], unless the dispatch is in the bundle that is being formed.
    pub(super) fn open(&self, rank: Rank) -> Option<&QueuedRequest> {
        self.live(rank).filter(|request| !request.is_picked(rank.dispatch))
    }

    /// Ready dispatches of a tier, of requests that go on.
    pub(super) fn waiting(&self, tier: Tier) -> usize {
        self.ready[tier.index()].waiting
    }

    /// By tier, whether something is ready.
    pub(super) fn waits(&self) -> [bool; TIERS] {
        std::array::from_fn(|tier| self.ready[tier].waiting > 0)
    }

    /// The heads of a tier's heaps, in order.
    pub(super) fn heads(&self, tier: Tier) -> &[(Rank, KernelIndex)] {
        &self.ready[tier.index()].heads
    }

    /// Takes a kernel's heap out. Nothing is pushed to it until it is put back.
    pub(super) fn take(&mut self, tier: Tier, kernel: KernelIndex) -> Heap {
        self.ready[tier.index()].take(kernel)
    }

    pub(super) fn put_back(&mut self, tier: Tier, kernel: KernelIndex, heap: Heap) {
        self.ready[tier.index()].put_back(kernel, heap);
    }

    pub(super) fn push(&mut self, tier: Tier, kernel: KernelIndex, rank: Rank) {
        self.ready[tier.index()].push(kernel, rank);
    }

    /// Drops a kernel's first entry.
    pub(super) fn drop_head(&mut self, tier: Tier, kernel: KernelIndex) {
        let ready = &mut self.ready[tier.index()];
        let mut heap = ready.take(kernel);
        heap.pop();
        ready.put_back(kernel, heap);
    }

    /// Issues nothing further of a request that goes on.
    pub(super) fn stop(&mut self, index: u32, outcome: Outcome, coalescer: &mut Coalescer) {
        let Some(request) = self.requests[index as usize].as_mut() else { return };
        if request.stop(outcome) {
            coalescer.stopped(request);
            for (ready, count) in self.ready.iter_mut().zip(request.ready) {
                ready.waiting -= count as usize;
            }
        }
    }

    /// Notes that a ready dispatch queues elsewhere, as its request does from now on. The caller moves its entry.
    pub(super) fn transfer(&mut self, index: u32, from: Tier, to: Tier) {
        let Some(request) = self.requests[index as usize].as_mut() else { return };
        request.tier = to;
        request.ready[from.index()] -= 1;
        request.ready[to.index()] += 1;
        self.ready[from.index()].waiting -= 1;
        self.ready[to.index()].waiting += 1;
    }

    /// Notes that workgroups of a ready dispatch are issued, and makes ready what waited for all of them.
    pub(super) fn issue(&mut self, (tier, rank): Position, kernel: KernelIndex, count: u32, coalescer: &mut Coalescer) {
        let Some(request) = self.requests[rank.index as usize].as_mut() else { return };
        let goes_on = request.ending.is_none();
        match request.issue(rank.dispatch, count) {
            Progress::Partial => self.ready[tier.index()].push(kernel, rank),
            Progress::Whole => {
                let group = request.plan.dispatches[rank.dispatch as usize].group.filter(|_| goes_on);
                group.into_iter().for_each(|group| coalescer.passed(group));
                request.ready[tier.index()] -= 1;
                self.ready[tier.index()].waiting -= 1;
                let mut released = std::mem::take(&mut self.released);
                request.release(rank.dispatch, &mut released);
                for dispatch in released.drain(..) {
                    self.make_ready(rank.index, dispatch, coalescer);
                }
                self.released = released;
            }
        }
    }

    fn make_ready(&mut self, index: u32, dispatch: u32, coalescer: &mut Coalescer) {
        let Some(request) = self.requests[index as usize].as_mut() else { return };
        let tier = request.tier;
        request.ready[tier.index()] += 1;
        self.became_ready += 1;
        let (info, goes_on) = (request.plan.dispatches[dispatch as usize], request.ending.is_none());
        let Some(request) = self.get(index) else { return };
        let rank = self.rank(request, index, dispatch);
        let ready = &mut self.ready[tier.index()];
        ready.waiting += 1;
        ready.push(info.kernel, rank);
        if let Some(group) = info.group {
            if goes_on {
                coalescer.reached(group);
            }
            coalescer.join(group, (tier, rank), self);
        }
    }

    /// The rank that a dispatch of a request has, or would have, among the ready ones.
    pub(super) fn rank(&self, request: &QueuedRequest, index: u32, dispatch: u32) -> Rank {
        let by_deadline = request.desc.deadline.filter(|_| request.tier.has_deadlines());
        let (urgency, class) = match self.ranking {
            Ranking::Deadline => (by_deadline.unwrap_or(0), request.desc.class),
            Ranking::Arrival => (0, Class::Normal),
            Ranking::Readiness => (self.became_ready, Class::Normal),
        };
        Rank { urgency, class, request: request.id, dispatch, index }
    }

    /// Whether requests with and without deadlines are told apart.
    pub(super) fn knows_deadlines(&self) -> bool {
        self.ranking == Ranking::Deadline
    }

    /// The deadline of a request of a tier that goes by deadlines.
    pub(super) fn deadline(&self, tier: Tier, request: &QueuedRequest) -> Option<Nanos> {
        request.desc.deadline.filter(|_| tier.has_deadlines() && self.knows_deadlines())
    }
}

impl Ready {
    fn push(&mut self, kernel: KernelIndex, rank: Rank) {
        let index = kernel as usize;
        if self.heaps.len() <= index {
            self.heaps.resize_with(index + 1, Heap::new);
        }
        match self.heaps[index].peek() {
            Some(&Reverse(first)) if first < rank => {}
            Some(&Reverse(first)) => {
                self.remove_head(first, kernel);
                self.insert_head(rank, kernel);
            }
            None => self.insert_head(rank, kernel),
        }
        self.heaps[index].push(Reverse(rank));
    }

    fn take(&mut self, kernel: KernelIndex) -> Heap {
        let Some(heap) = self.heaps.get_mut(kernel as usize) else { return Heap::new() };
        let heap = std::mem::take(heap);
        if let Some(&Reverse(first)) = heap.peek() {
            self.remove_head(first, kernel);
        }
        heap
    }

    fn put_back(&mut self, kernel: KernelIndex, heap: Heap) {
        if let Some(&Reverse(first)) = heap.peek() {
            self.insert_head(first, kernel);
        }
        if let Some(own) = self.heaps.get_mut(kernel as usize) {
            *own = heap;
        }
    }

    fn insert_head(&mut self, rank: Rank, kernel: KernelIndex) {
        let at = self.heads.partition_point(|&head| head < (rank, kernel));
        self.heads.insert(at, (rank, kernel));
    }

    fn remove_head(&mut self, rank: Rank, kernel: KernelIndex) {
        if let Ok(at) = self.heads.binary_search(&(rank, kernel)) {
            self.heads.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(urgency: u64) -> Rank {
        Rank { urgency, class: Class::Normal, request: urgency, dispatch: 0, index: 0 }
    }

    fn order(ready: &Ready) -> Vec<(u64, u32)> {
        ready.heads.iter().map(|(rank, kernel)| (rank.urgency, *kernel)).collect()
    }

    #[test]
    fn heads_follow_their_heaps() {
        let mut ready = Ready::default();
        for (kernel, urgency) in [(0, 5), (1, 3), (0, 9), (2, 7), (0, 1)] {
            ready.push(kernel, rank(urgency));
        }
        assert_eq!(order(&ready), [(1, 0), (3, 1), (7, 2)]);
        let mut heap = ready.take(0);
        assert_eq!(order(&ready), [(3, 1), (7, 2)]);
        heap.pop();
        ready.put_back(0, heap);
        assert_eq!(order(&ready), [(3, 1), (5, 0), (7, 2)]);
    }
}
