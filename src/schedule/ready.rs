//! Ready dispatches: a queue for each arm, and the heads of all queues in order.
//!
//! A cancelled request's entries stay behind and are dropped when they surface.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Class;

/// A dispatch's place among the ready ones; the least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) urgency: u64,
    pub(super) class: Class,
    pub(super) request: u64,
    pub(super) dispatch: u32,
    /// Where the request is kept.
    pub(super) slot: u32,
}

/// An arm, numbered densely by the scheduler.
pub(super) type ArmIndex = u32;

/// The ready dispatches of one arm.
pub(super) type Queue = BinaryHeap<Reverse<Rank>>;

#[derive(Debug, Default)]
pub(super) struct Ready {
    queues: Vec<Queue>,
    /// The first of each queue that has one and is not taken, sorted.
    heads: Vec<(Rank, ArmIndex)>,
}

impl Ready {
    pub(super) fn push(&mut self, arm: ArmIndex, rank: Rank) {
        let index = arm as usize;
        if self.queues.len() <= index {
            self.queues.resize_with(index + 1, Queue::new);
        }
        match self.queues[index].peek() {
            Some(&Reverse(first)) if first < rank => {}
            Some(&Reverse(first)) => {
                self.remove_head(first, arm);
                self.insert_head(rank, arm);
            }
            None => self.insert_head(rank, arm),
        }
        self.queues[index].push(Reverse(rank));
    }

    /// The heads in order.
    pub(super) fn heads(&self) -> &[(Rank, ArmIndex)] {
        &self.heads
    }

    /// Takes an arm's queue out. Nothing is pushed to it until it is put back.
    pub(super) fn take(&mut self, arm: ArmIndex) -> Queue {
        let Some(queue) = self.queues.get_mut(arm as usize) else { return Queue::new() };
        let queue = std::mem::take(queue);
        if let Some(&Reverse(first)) = queue.peek() {
            self.remove_head(first, arm);
        }
        queue
    }

    pub(super) fn put_back(&mut self, arm: ArmIndex, queue: Queue) {
        if let Some(&Reverse(first)) = queue.peek() {
            self.insert_head(first, arm);
        }
        if let Some(place) = self.queues.get_mut(arm as usize) {
            *place = queue;
        }
    }

    /// Drops an arm's first entry.
    pub(super) fn drop_head(&mut self, arm: ArmIndex) {
        let mut queue = self.take(arm);
        queue.pop();
        self.put_back(arm, queue);
    }

    fn insert_head(&mut self, rank: Rank, arm: ArmIndex) {
        let at = self.heads.partition_point(|&head| head < (rank, arm));
        self.heads.insert(at, (rank, arm));
    }

    fn remove_head(&mut self, rank: Rank, arm: ArmIndex) {
        if let Ok(at) = self.heads.binary_search(&(rank, arm)) {
            self.heads.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(urgency: u64) -> Rank {
        Rank { urgency, class: Class::Normal, request: urgency, dispatch: 0, slot: 0 }
    }

    fn order(ready: &Ready) -> Vec<(u64, u32)> {
        ready.heads().iter().map(|(rank, arm)| (rank.urgency, *arm)).collect()
    }

    #[test]
    fn heads_follow_their_queues() {
        let mut ready = Ready::default();
        for (arm, urgency) in [(0, 5), (1, 3), (0, 9), (2, 7), (0, 1)] {
            ready.push(arm, rank(urgency));
        }
        assert_eq!(order(&ready), [(1, 0), (3, 1), (7, 2)]);
        ready.drop_head(0);
        assert_eq!(order(&ready), [(3, 1), (5, 0), (7, 2)]);
        let queue = ready.take(1);
        assert_eq!(order(&ready), [(5, 0), (7, 2)]);
        ready.put_back(1, queue);
        ready.drop_head(1);
        assert_eq!(order(&ready), [(5, 0), (7, 2)]);
    }
}
