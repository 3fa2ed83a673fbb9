//! What plain earliest deadline first would keep, so that bundles keep it too.
//!
//! All requests with deadlines, in the order of these. Were they to run from now on one dispatch at a time, the earliest deadline
//! first, each would end after the work of all up to it. Those who would then be in time are *kept*, and [`Edf::latest`] is the
//! time by which the next wave has to end for all of them to remain so. A wave of one lane takes what it takes off the work of its
//! own request; what riders stretch a wave by takes from those before them in the order what they have to spare, and no more.
//!
//! A request that comes when it is kept stays kept, unless ones with earlier deadlines come, work without a deadline goes first,
//! dispatches are divided, or predictions are wrong. A treap by deadline: every operation takes logarithmic time.

use std::cmp::Ordering;

use super::core::Core;
use super::cost::nanos;
use super::crowd::Place;
use super::options::Ranking;
use super::parts::Tier;
use super::request::Request;
use super::{Class, Nanos};

/// Deadline, class and number of a request.
pub(super) type Key = (Nanos, Class, u64);

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    key: Key,
    /// Predicted nanoseconds left, one dispatch at a time.
    work: f64,
    /// Whether it is in time by earliest deadline first.
    kept: bool,
    /// Of the whole subtree.
    sum: f64,
    /// When the subtree has to start for the kept ones in it.
    latest: f64,
    /// The greater is nearer to the root.
    height: u64,
    left: u32,
    right: u32,
}

/// See the [module](self). Nodes are where their requests are.
#[derive(Debug)]
pub(super) struct Edf {
    nodes: Vec<Option<Node>>,
    root: u32,
}

impl Default for Edf {
    fn default() -> Self {
        Edf { nodes: Vec::new(), root: NONE }
    }
}

impl Edf {
    /// Adds the request in `slot`. It and those behind it are kept if they would be in time from `start` on.
    pub(super) fn insert(&mut self, slot: u32, key: Key, work: f64, start: Nanos) {
        self.remove(slot);
        if self.nodes.len() <= slot as usize {
            self.nodes.resize(slot as usize + 1, None);
        }
        let node = Node { key, work, kept: true, sum: 0.0, latest: 0.0, height: mixed(key.2), left: NONE, right: NONE };
        self.nodes[slot as usize] = Some(node);
        self.pull(slot);
        let (before, behind) = self.split(self.root, key);
        let before = self.merge(before, slot);
        self.root = self.merge(before, behind);
        self.settle(start);
    }

    /// Removes the request in `slot`, if it is there.
    pub(super) fn remove(&mut self, slot: u32) {
        if let Some(node) = self.node(slot).copied() {
            self.root = self.without(self.root, node.key);
            self.nodes[slot as usize] = None;
        }
    }

    /// Notes that `work` nanoseconds of the request in `slot` are in the next wave; less than zero if they are not after all.
    pub(super) fn take(&mut self, slot: u32, work: f64) {
        if let Some(node) = self.node(slot) {
            let key = node.key;
            self.change(self.root, key, -work);
        }
    }

    /// Notes how many nanoseconds are left of the request in `slot`.
    pub(super) fn set(&mut self, slot: u32, work: f64) {
        if let Some(node) = self.node(slot) {
            let taken = node.work - work;
            self.take(slot, taken);
        }
    }

    /// The time by which the next wave has to end for those who are kept.
    pub(super) fn latest(&self) -> f64 {
        self.latest_of(self.root)
    }

    /// As [`Edf::latest`], were `work` nanoseconds of the request in `slot` in that wave too.
    pub(super) fn latest_with(&self, slot: u32, work: f64) -> f64 {
        match self.node(slot) {
            Some(node) => self.latest_less(self.root, node.key, work),
            None => self.latest(),
        }
    }

    /// Gives up those who are late if the next wave begins at `start`.
    pub(super) fn settle(&mut self, start: Nanos) {
        while self.latest() < start as f64 {
            self.give_up(self.root, start as f64);
        }
    }

    /// Whether the request in `slot` is there and kept.
    pub(super) fn keeps(&self, slot: u32) -> bool {
        self.node(slot).is_some_and(|node| node.kept)
    }

    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(at as usize)?.as_ref()
    }

    fn node_mut(&mut self, at: u32) -> Option<&mut Node> {
        self.nodes.get_mut(at as usize)?.as_mut()
    }

    fn sum_of(&self, at: u32) -> f64 {
        self.node(at).map_or(0.0, |node| node.sum)
    }

    fn latest_of(&self, at: u32) -> f64 {
        self.node(at).map_or(f64::INFINITY, |node| node.latest)
    }

    /// What a node says of its subtree, from what its children say.
    fn pull(&mut self, at: u32) {
        let Some(&node) = self.node(at) else { return };
        let before = self.sum_of(node.left);
        let through = before + node.work;
        let latest = self.latest_of(node.left).min(node.own(through)).min(self.latest_of(node.right) - through);
        let sum = through + self.sum_of(node.right);
        if let Some(node) = self.node_mut(at) {
            (node.sum, node.latest) = (sum, latest);
        }
    }

    fn latest_less(&self, at: u32, key: Key, work: f64) -> f64 {
        let Some(node) = self.node(at) else { return f64::INFINITY };
        let through = self.sum_of(node.left) + node.work;
        let (left, own, right) = (self.latest_of(node.left), node.own(through), self.latest_of(node.right) - through);
        match key.cmp(&node.key) {
            Ordering::Less => self.latest_less(node.left, key, work).min(own + work).min(right + work),
            Ordering::Equal => left.min(own + work).min(right + work),
            Ordering::Greater => left.min(own).min(self.latest_less(node.right, key, work) - through),
        }
    }

    fn change(&mut self, at: u32, key: Key, by: f64) {
        let Some(node) = self.node_mut(at) else { return };
        let (left, right) = (node.left, node.right);
        match key.cmp(&node.key) {
            Ordering::Less => self.change(left, key, by),
            Ordering::Equal => node.work = (node.work + by).max(0.0),
            Ordering::Greater => self.change(right, key, by),
        }
        self.pull(at);
    }

    /// Gives up the first in the order who has to start before `start`.
    fn give_up(&mut self, at: u32, start: f64) {
        let Some(&node) = self.node(at) else { return };
        let through = self.sum_of(node.left) + node.work;
        if self.latest_of(node.left) < start {
            self.give_up(node.left, start);
        } else if node.own(through) < start {
            if let Some(node) = self.node_mut(at) {
                node.kept = false;
            }
        } else {
            self.give_up(node.right, start + through);
        }
        self.pull(at);
    }

    /// The nodes before `key`, and the others.
    fn split(&mut self, at: u32, key: Key) -> (u32, u32) {
        let Some(&node) = self.node(at) else { return (NONE, NONE) };
        let parts = if node.key < key {
            let (left, right) = self.split(node.right, key);
            self.link(at, node.left, left);
            (at, right)
        } else {
            let (left, right) = self.split(node.left, key);
            self.link(at, right, node.right);
            (left, at)
        };
        self.pull(at);
        parts
    }

    /// One tree of two, all of the first before the second.
    fn merge(&mut self, a: u32, b: u32) -> u32 {
        let (Some(&first), Some(&second)) = (self.node(a), self.node(b)) else {
            return if a == NONE { b } else { a };
        };
        if first.height > second.height {
            let right = self.merge(first.right, b);
            self.link(a, first.left, right);
            self.pull(a);
            a
        } else {
            let left = self.merge(a, second.left);
            self.link(b, left, second.right);
            self.pull(b);
            b
        }
    }

    /// The tree at `at` without `key`.
    fn without(&mut self, at: u32, key: Key) -> u32 {
        let Some(&node) = self.node(at) else { return NONE };
        match key.cmp(&node.key) {
            Ordering::Equal => return self.merge(node.left, node.right),
            Ordering::Less => {
                let left = self.without(node.left, key);
                self.link(at, left, node.right);
            }
            Ordering::Greater => {
                let right = self.without(node.right, key);
                self.link(at, node.left, right);
            }
        }
        self.pull(at);
        at
    }

    fn link(&mut self, at: u32, left: u32, right: u32) {
        if let Some(node) = self.node_mut(at) {
            (node.left, node.right) = (left, right);
        }
    }
}

impl Node {
    /// When its subtree has to start for its own sake, if it ends `through` later.
    fn own(&self, through: f64) -> f64 {
        if self.kept { self.key.0 as f64 - through } else { f64::INFINITY }
    }
}

impl Core {
    /// Notes what is left of a request in a slot, if it goes by its deadline.
    pub(super) fn note_left(&mut self, slot: u32, request: &Request) {
        match request.desc.deadline {
            Some(deadline) if self.rules.ranking == Ranking::Deadline && request.tier != Tier::STRAGGLER => {
                let key = (deadline, request.desc.class, request.id);
                self.edf.insert(slot, key, request.serial_left(), self.start);
            }
            _ => self.edf.remove(slot),
        }
    }

    /// Whether a wave that takes `time` costs nobody the deadline whom earliest deadline first would keep in time, if the rest
    /// of these dispatches is in it.
    pub(super) fn harmless(&mut self, places: &[Place], time: f64) -> bool {
        let end = self.start.saturating_add(nanos(time)) as f64;
        if end <= self.edf.latest() {
            return true;
        }
        let Some((last, others)) = places.split_last() else { return false };
        let work =
            |core: &Core, (_, rank): &Place| core.live(*rank).map_or(0.0, |request| request.serial_rest(rank.dispatch));
        for place in others {
            let work = work(self, place);
            self.edf.take(place.1.slot, work);
        }
        let latest = self.edf.latest_with(last.1.slot, work(self, last));
        for place in others {
            let work = work(self, place);
            self.edf.take(place.1.slot, -work);
        }
        end <= latest
    }
}

/// A number whose bits all depend on those of `id`: the finisher of splitmix64.
fn mixed(id: u64) -> u64 {
    let id = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^ (id >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by looking at all of them.
    #[derive(Default)]
    struct Plain(Vec<(Key, u32, f64, bool)>);

    impl Plain {
        fn starts(&self) -> Vec<f64> {
            let starts = self.0.iter().scan(0.0, |sum, &(key, _, work, kept)| {
                *sum += work;
                Some(if kept { key.0 as f64 - *sum } else { f64::INFINITY })
            });
            starts.collect()
        }

        fn latest(&self) -> f64 {
            self.starts().into_iter().fold(f64::INFINITY, f64::min)
        }

        fn settle(&mut self, start: Nanos) {
            let starts = self.starts();
            for (entry, latest) in self.0.iter_mut().zip(starts) {
                entry.3 &= latest >= start as f64;
            }
        }

        fn take(&mut self, slot: u32, by: f64) {
            self.0.iter_mut().filter(|entry| entry.1 == slot).for_each(|entry| entry.2 = (entry.2 - by).max(0.0));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(ops in prop::collection::vec((0u32..5, 0u32..12, 0u64..400), 1..120)) {
            let (mut edf, mut plain) = (Edf::default(), Plain::default());
            let mut start = 0;
            for (number, &(op, slot, value)) in ops.iter().enumerate() {
                match op {
                    0 | 1 => {
                        let (key, work) = ((start + 3 * value, Class::Normal, number as u64), value as f64);
                        edf.insert(slot, key, work, start);
                        plain.0.retain(|entry| entry.1 != slot);
                        plain.0.push((key, slot, work, true));
                        plain.0.sort_by_key(|entry| entry.0);
                        plain.settle(start);
                    }
                    2 => {
                        edf.remove(slot);
                        plain.0.retain(|entry| entry.1 != slot);
                    }
                    3 => {
                        let left = plain.0.iter().find(|entry| entry.1 == slot).map_or(0.0, |entry| entry.2);
                        let work = (value as f64).min(left);
                        let with = edf.latest_with(slot, work);
                        edf.take(slot, work);
                        plain.take(slot, work);
                        prop_assert_eq!(with, edf.latest());
                    }
                    _ => {
                        start += value / 4;
                        edf.settle(start);
                        plain.settle(start);
                    }
                }
                prop_assert_eq!(edf.latest(), plain.latest());
                for slot in 0..12 {
                    let kept = plain.0.iter().any(|entry| entry.1 == slot && entry.3);
                    prop_assert_eq!(edf.keeps(slot), kept, "slot {}", slot);
                }
            }
        }
    }
}
