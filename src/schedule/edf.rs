//! What plain earliest deadline first would keep, so that bundles keep it too.
//!
//! All requests with deadlines, in the order of these. Were they to run from now on one dispatch at a time, the earliest deadline
//! first, each would end after the work of all up to it. Those who would then be in time are *kept*, and [`Edf::latest`] is the
//! time by which the next wave has to end for all of them to remain so. A wave of one lane takes what it takes off the work of its
//! own request; what riders stretch a wave by takes from those before them in the order what they have to spare, and no more.
//!
//! A request that comes when it is kept stays kept, unless ones with earlier deadlines come, work without a deadline goes first,
//! dispatches are divided, or predictions are wrong. A treap by deadline: every operation takes logarithmic time. Whole nanoseconds,
//! so that sums are exact whatever their order.

use std::cmp::Ordering;

use super::core::Core;
use super::cost::nanos;
use super::crowd::Place;
use super::options::Ranking;
use super::parts::Tier;
use super::ready::Rank;
use super::request::Request;
use super::{Class, Nanos};

/// Deadline, class and number of a request.
pub(super) type Key = (Nanos, Class, u64);

/// Nanoseconds of any sum and difference of times.
type Time = i128;

/// Later than any time: nobody has to start.
const NEVER: Time = Time::MAX / 2;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    key: Key,
    /// Predicted nanoseconds left, one dispatch at a time.
    work: Time,
    /// Whether it is in time by earliest deadline first.
    kept: bool,
    /// Of the whole subtree.
    sum: Time,
    /// When the subtree has to start for the kept ones in it.
    latest: Time,
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
    pub(super) fn insert(&mut self, slot: u32, key: Key, work: Nanos, start: Nanos) {
        self.remove(slot);
        if self.nodes.len() <= slot as usize {
            self.nodes.resize(slot as usize + 1, None);
        }
        let node = Node {
            key,
            work: work.into(),
            kept: true,
            sum: 0,
            latest: 0,
            height: mixed(key.2),
            left: NONE,
            right: NONE,
        };
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

    /// Notes that `work` nanoseconds of the request in `slot` are in the next wave.
    pub(super) fn take(&mut self, slot: u32, work: Nanos) {
        self.add(slot, -Time::from(work));
    }

    /// Undoes [`Edf::take`].
    pub(super) fn put_back(&mut self, slot: u32, work: Nanos) {
        self.add(slot, work.into());
    }

    /// Notes how many nanoseconds are left of the request in `slot`.
    pub(super) fn set(&mut self, slot: u32, work: Nanos) {
        if let Some(node) = self.node(slot) {
            let more = Time::from(work) - node.work;
            self.add(slot, more);
        }
    }

    /// Whether all who are kept remain so if the next wave ends at `end`.
    pub(super) fn allows(&self, end: Nanos) -> bool {
        Time::from(end) <= self.latest_of(self.root)
    }

    /// Gives up those who are late if the next wave begins at `start`.
    pub(super) fn settle(&mut self, start: Nanos) {
        while !self.allows(start) {
            self.give_up(self.root, start.into());
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

    fn sum_of(&self, at: u32) -> Time {
        self.node(at).map_or(0, |node| node.sum)
    }

    fn latest_of(&self, at: u32) -> Time {
        self.node(at).map_or(NEVER, |node| node.latest)
    }

    /// What a node says of its subtree, from what its children say.
    fn pull(&mut self, at: u32) {
        let Some(&node) = self.node(at) else { return };
        let before = self.sum_of(node.left);
        let through = before + node.work;
        let latest = self.latest_of(node.left).min(node.own(through)).min(earlier(self.latest_of(node.right), through));
        let sum = through + self.sum_of(node.right);
        if let Some(node) = self.node_mut(at) {
            (node.sum, node.latest) = (sum, latest);
        }
    }

    fn add(&mut self, slot: u32, work: Time) {
        if let Some(&Node { key, .. }) = self.node(slot) {
            self.change(self.root, key, work);
        }
    }

    fn change(&mut self, at: u32, key: Key, by: Time) {
        let Some(node) = self.node_mut(at) else { return };
        let (left, right) = (node.left, node.right);
        match key.cmp(&node.key) {
            Ordering::Less => self.change(left, key, by),
            Ordering::Equal => node.work += by,
            Ordering::Greater => self.change(right, key, by),
        }
        self.pull(at);
    }

    /// Gives up the first in the order who has to start before `start`.
    fn give_up(&mut self, at: u32, start: Time) {
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

/// A time `by` nanoseconds before another.
fn earlier(time: Time, by: Time) -> Time {
    if time == NEVER { NEVER } else { time - by }
}

impl Node {
    /// When its subtree has to start for its own sake, if it ends `through` later.
    fn own(&self, through: Time) -> Time {
        if self.kept { Time::from(self.key.0) - through } else { NEVER }
    }
}

impl Core {
    /// Notes what is left of a request in a slot, if it goes by its deadline.
    pub(super) fn note_left(&mut self, slot: u32, request: &Request) {
        match request.desc.deadline {
            Some(deadline)
                if !self.options.without.guard
                    && self.rules.ranking == Ranking::Deadline
                    && request.tier != Tier::STRAGGLER =>
            {
                let key = (deadline, request.desc.class, request.id);
                self.edf.insert(slot, key, request.serial_left(), self.start);
            }
            _ => self.edf.remove(slot),
        }
    }

    /// Whether a wave that takes `time` costs nobody the deadline whom earliest deadline first would keep in time, if the rest
    /// of these dispatches is in it.
    pub(super) fn harmless(&mut self, places: &[Place], time: f64) -> bool {
        let end = self.start.saturating_add(nanos(time));
        if self.edf.allows(end) {
            return true;
        }
        let work = |core: &Core, rank: Rank| core.live(rank).map_or(0, |request| request.serial_rest(rank.dispatch));
        for &(_, rank) in places {
            let work = work(self, rank);
            self.edf.take(rank.slot, work);
        }
        let allowed = self.edf.allows(end);
        for &(_, rank) in places {
            let work = work(self, rank);
            self.edf.put_back(rank.slot, work);
        }
        allowed
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
    struct Plain(Vec<(Key, u32, Nanos, bool)>);

    impl Plain {
        fn starts(&self) -> Vec<Time> {
            let starts = self.0.iter().scan(0, |sum, &(key, _, work, kept)| {
                *sum += Time::from(work);
                Some(if kept { Time::from(key.0) - *sum } else { NEVER })
            });
            starts.collect()
        }

        fn latest(&self) -> Time {
            self.starts().into_iter().fold(NEVER, Time::min)
        }

        fn settle(&mut self, start: Nanos) {
            let starts = self.starts();
            for (entry, latest) in self.0.iter_mut().zip(starts) {
                entry.3 &= latest >= start.into();
            }
        }

        fn take(&mut self, slot: u32, by: Nanos) {
            self.0.iter_mut().filter(|entry| entry.1 == slot).for_each(|entry| entry.2 -= by);
        }
    }

    #[test]
    fn the_longest_times_do_no_harm() {
        let mut edf = Edf::default();
        for slot in 0..9 {
            edf.insert(slot, (Nanos::MAX - Nanos::from(slot), Class::Normal, slot.into()), Nanos::MAX, 1 << 60);
        }
        edf.settle(Nanos::MAX);
        assert!((0..9).all(|slot| !edf.keeps(slot)));
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_list(ops in prop::collection::vec((0u32..5, 0u32..12, 0u64..400), 1..120)) {
            let (mut edf, mut plain) = (Edf::default(), Plain::default());
            let mut start = 0;
            for (number, &(op, slot, value)) in ops.iter().enumerate() {
                match op {
                    0 | 1 => {
                        let (key, work) = ((start + 3 * value, Class::Normal, number as u64), value);
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
                        let left = plain.0.iter().find(|entry| entry.1 == slot).map_or(0, |entry| entry.2);
                        let work = value.min(left);
                        let before = edf.latest_of(edf.root);
                        edf.take(slot, work);
                        edf.put_back(slot, work);
                        prop_assert_eq!(before, edf.latest_of(edf.root));
                        edf.take(slot, work);
                        plain.take(slot, work);
                    }
                    _ => {
                        start += value / 4;
                        edf.settle(start);
                        plain.settle(start);
                    }
                }
                prop_assert_eq!(edf.latest_of(edf.root), plain.latest());
                for slot in 0..12 {
                    let kept = plain.0.iter().any(|entry| entry.1 == slot && entry.3);
                    prop_assert_eq!(edf.keeps(slot), kept, "slot {}", slot);
                }
            }
        }
    }
}
