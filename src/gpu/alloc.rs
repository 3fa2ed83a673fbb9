//! An offset allocator: best fit with coalescing over one run of bytes.

use std::collections::{BTreeMap, BTreeSet};

/// Every allocation starts at a multiple of this and is a whole number of it: enough for vec4 accesses, copies and cache lines,
/// and coarse enough that fragments stay useful.
pub(super) const GRAIN: u64 = 256;

/// `bytes` rounded up to whole grains, at least one; `None` on overflow.
pub(super) fn grains(bytes: u64) -> Option<u64> {
    bytes.max(1).checked_next_multiple_of(GRAIN)
}

/// The free ranges of one segment. Neighbouring free ranges are always merged.
#[derive(Debug)]
pub(super) struct RangeAllocator {
    capacity: u64,
    used: u64,
    /// Offset to length.
    by_offset: BTreeMap<u64, u64>,
    /// Length and offset.
    by_length: BTreeSet<(u64, u64)>,
}

impl RangeAllocator {
    /// All of `capacity` is free; it must be whole grains.
    pub(super) fn new(capacity: u64) -> Self {
        debug_assert!(capacity.is_multiple_of(GRAIN));
        let mut this = RangeAllocator { capacity, used: 0, by_offset: BTreeMap::new(), by_length: BTreeSet::new() };
        if capacity > 0 {
            this.insert(0, capacity);
        }
        this
    }

    /// Takes the start of the smallest free range that holds `bytes` (whole grains); among equals the lowest.
    pub(super) fn allocate(&mut self, bytes: u64) -> Option<u64> {
        debug_assert!(bytes > 0 && bytes.is_multiple_of(GRAIN));
        let &(length, offset) = self.by_length.range((bytes, 0)..).next()?;
        self.remove(offset, length);
        if length > bytes {
            self.insert(offset + bytes, length - bytes);
        }
        self.used += bytes;
        Some(offset)
    }

    /// Gives back what [`RangeAllocator::allocate`] took.
    pub(super) fn free(&mut self, offset: u64, bytes: u64) {
        self.used -= bytes;
        let (mut start, mut length) = (offset, bytes);
        if let Some((&before, &len)) = self.by_offset.range(..offset).next_back() {
            debug_assert!(before + len <= offset, "freed twice");
            if before + len == offset {
                self.remove(before, len);
                (start, length) = (before, len + length);
            }
        }
        if let Some((&after, &len)) = self.by_offset.range(offset..).next() {
            debug_assert!(offset + bytes <= after, "freed twice");
            if offset + bytes == after {
                self.remove(after, len);
                length += len;
            }
        }
        self.insert(start, length);
    }

    fn insert(&mut self, offset: u64, length: u64) {
        self.by_offset.insert(offset, length);
        self.by_length.insert((length, offset));
    }

    fn remove(&mut self, offset: u64, length: u64) {
        self.by_offset.remove(&offset);
        self.by_length.remove(&(length, offset));
    }

    /// Makes it that large or small. Nothing may be handed out beyond the new end.
    pub(super) fn resize(&mut self, capacity: u64) {
        debug_assert!(capacity.is_multiple_of(GRAIN) && capacity >= self.end());
        let end = self.end();
        if end < self.capacity {
            self.remove(end, self.capacity - end);
        }
        if end < capacity {
            self.insert(end, capacity - end);
        }
        self.capacity = capacity;
    }

    /// Where the last range that is handed out ends.
    pub(super) fn end(&self) -> u64 {
        match self.by_offset.last_key_value() {
            Some((&offset, &length)) if offset + length == self.capacity => offset,
            _ => self.capacity,
        }
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// The largest allocation that would succeed.
    pub(super) fn largest_free(&self) -> u64 {
        self.by_length.last().map_or(0, |&(length, _)| length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Allocate(u64),
        /// Frees one of the live allocations.
        Free(prop::sample::Index),
        /// Resizes to where the last allocation ends and so many grains on.
        Resize(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let bytes = prop_oneof![Just(0u64), 1u64..2_000, 2_000u64..40_000];
        let free = any::<prop::sample::Index>().prop_map(Step::Free);
        let step = prop_oneof![5 => bytes.prop_map(Step::Allocate), 4 => free, 1 => (0u64..300).prop_map(Step::Resize)];
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn ranges_are_disjoint_counted_and_coalesce(steps in steps()) {
            let mut capacity = 256 * GRAIN;
            let mut ranges = RangeAllocator::new(capacity);
            let mut live: Vec<(u64, u64)> = Vec::new();
            for step in steps {
                match step {
                    Step::Allocate(bytes) => {
                        let bytes = grains(bytes).unwrap();
                        let fits = ranges.largest_free() >= bytes;
                        let got = ranges.allocate(bytes);
                        prop_assert_eq!(got.is_some(), fits);
                        if let Some(offset) = got {
                            prop_assert!(offset.is_multiple_of(GRAIN) && offset + bytes <= capacity);
                            for &(other, len) in &live {
                                prop_assert!(offset + bytes <= other || other + len <= offset);
                            }
                            live.push((offset, bytes));
                        }
                    }
                    Step::Free(pick) if !live.is_empty() => {
                        let (offset, bytes) = live.swap_remove(pick.index(live.len()));
                        ranges.free(offset, bytes);
                    }
                    Step::Free(_) => {}
                    Step::Resize(more) => {
                        capacity = ranges.end() + more * GRAIN;
                        ranges.resize(capacity);
                    }
                }
                prop_assert_eq!(ranges.end(), live.iter().map(|&(offset, len)| offset + len).max().unwrap_or(0));
                let used: u64 = live.iter().map(|&(_, len)| len).sum();
                let free: u64 = ranges.by_offset.values().sum();
                prop_assert_eq!(ranges.used(), used);
                prop_assert_eq!(used + free, capacity);
                prop_assert_eq!(ranges.by_offset.len(), ranges.by_length.len());
                prop_assert!(ranges.by_offset.len() <= live.len() + 1, "free ranges are not merged");
            }
            for (offset, bytes) in live {
                ranges.free(offset, bytes);
            }
            prop_assert!(ranges.is_empty());
            prop_assert_eq!(ranges.largest_free(), capacity);
        }
    }

    #[test]
    fn best_fit_keeps_the_large_range() {
        let mut ranges = RangeAllocator::new(10 * GRAIN);
        let first = ranges.allocate(2 * GRAIN).unwrap();
        let second = ranges.allocate(GRAIN).unwrap();
        ranges.free(first, 2 * GRAIN);
        assert_eq!(ranges.allocate(2 * GRAIN), Some(first));
        assert_eq!(ranges.largest_free(), 7 * GRAIN);
        ranges.free(second, GRAIN);
    }

    #[test]
    fn sizes_round_up_without_overflow() {
        assert_eq!((grains(0), grains(1), grains(256), grains(257)), (Some(256), Some(256), Some(256), Some(512)));
        assert_eq!(grains(u64::MAX), None);
    }
}
