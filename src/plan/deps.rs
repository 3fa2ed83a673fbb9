//! Dependencies of dispatches, from the memory that they read and write.

use std::collections::BTreeMap;

use crate::kernel::Access;
use crate::lower::builder::Touch;

use super::Dispatch;
use super::memory::Ancestry;

/// Plans with more dispatches than this keep dependencies that follow from others.
const MAX_REDUCED: usize = 8192;

/// A run of bytes with one history.
#[derive(Clone, Debug, Default)]
struct Segment {
    end: u64,
    writer: Option<u32>,
    readers: Vec<u32>,
}

/// Who touched which bytes of a region (or of a buffer) last.
#[derive(Debug, Default)]
pub(super) struct Region {
    segments: BTreeMap<u64, Segment>,
}

impl Region {
    /// Ends a segment at `at`, so that none straddles it.
    fn split(&mut self, at: u64) {
        if let Some((&start, segment)) = self.segments.range_mut(..at).next_back()
            && start < at
            && segment.end > at
        {
            let rest = segment.clone();
            segment.end = at;
            self.segments.insert(at, rest);
        }
    }

    /// Adds to `deps` who must have finished before `dispatch` touches these bytes, and remembers that it does.
    pub(super) fn touch(&mut self, start: u64, end: u64, dispatch: u32, access: Access, deps: &mut Vec<u32>) {
        if start >= end {
            return;
        }
        self.split(start);
        self.split(end);
        let mut at = start;
        let mut gaps = Vec::new();
        for (&from, segment) in self.segments.range_mut(start..end) {
            if at < from {
                gaps.push((at, from));
            }
            at = segment.end;
            deps.extend(segment.writer);
            match access {
                Access::Read => segment.readers.push(dispatch),
                Access::ReadWrite => {
                    deps.append(&mut segment.readers);
                    segment.writer = Some(dispatch);
                }
            }
        }
        if at < end {
            gaps.push((at, end));
        }
        for (from, end) in gaps {
            let segment = match access {
                Access::Read => Segment { end, writer: None, readers: vec![dispatch] },
                Access::ReadWrite => Segment { end, writer: Some(dispatch), readers: Vec::new() },
            };
            self.segments.insert(from, segment);
        }
    }
}

/// Fills in [`Dispatch::deps`] from what each dispatch touches: producers of what is read, readers and writers of what is
/// overwritten, without those that another one implies.
pub(super) fn find_deps(dispatches: &mut [Dispatch], touches: &[Vec<Touch>]) {
    let mut regions: BTreeMap<u16, Region> = BTreeMap::new();
    let mut ancestry = (dispatches.len() <= MAX_REDUCED).then(|| Ancestry::new(dispatches.len()));
    for (index, (dispatch, touches)) in dispatches.iter_mut().zip(touches).enumerate() {
        let index = index as u32;
        let mut deps = Vec::new();
        for touch in touches {
            let region = regions.entry(touch.region).or_default();
            region.touch(touch.start, touch.end, index, touch.access, &mut deps);
        }
        deps.sort_unstable();
        deps.dedup();
        deps.retain(|&dep| dep != index);
        if let Some(ancestry) = &mut ancestry {
            // The latest first: what they imply is known when the earlier ones are looked at.
            let mut kept = Vec::with_capacity(deps.len());
            for &dep in deps.iter().rev() {
                if !ancestry.has(index, dep) {
                    ancestry.add(index, dep);
                    kept.push(dep);
                }
            }
            kept.reverse();
            deps = kept;
        }
        dispatch.deps = deps;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_of_any_kind_are_found() {
        let mut region = Region::default();
        let mut touch = |start, end, dispatch, access| {
            let mut deps = Vec::new();
            region.touch(start, end, dispatch, access, &mut deps);
            deps.sort_unstable();
            deps.dedup();
            deps
        };
        assert_eq!(touch(0, 100, 0, Access::ReadWrite), Vec::<u32>::new());
        assert_eq!(touch(200, 300, 1, Access::ReadWrite), Vec::<u32>::new());
        assert_eq!(touch(50, 250, 2, Access::Read), [0, 1]);
        assert_eq!(touch(100, 200, 3, Access::ReadWrite), [2], "write after read");
        assert_eq!(touch(0, 50, 4, Access::Read), [0]);
        assert_eq!(touch(0, 300, 5, Access::ReadWrite), [0, 1, 2, 3, 4]);
        assert_eq!(touch(0, 1, 6, Access::Read), [5]);
    }
    /// Against every pair of touched words: dispatches that collide are ordered, others only through those that do.
    #[test]
    fn every_hazard_has_an_edge_and_nothing_else_has() {
        let mut state = 99u32;
        let mut random = move |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % n
        };
        let kernel = crate::kernel::library::get("copy");
        for _ in 0..400 {
            let count = 2 + random(14) as usize;
            let touches: Vec<Vec<Touch>> = (0..count)
                .map(|_| {
                    (0..1 + random(4))
                        .map(|_| {
                            let start = u64::from(random(24));
                            let access = if random(2) == 0 { Access::Read } else { Access::ReadWrite };
                            Touch { region: random(2) as u16, start, end: start + u64::from(random(9)), access }
                        })
                        .collect()
                })
                .collect();
            let dispatch = Dispatch {
                label: "".into(),
                variant: crate::kernel::Variant::new(kernel.clone(), []),
                grid: [1; 3],
                operands: Vec::new(),
                params: Vec::new(),
                deps: Vec::new(),
                cost: crate::lower::Cost::default(),
                gather: None,
            };
            let mut dispatches = vec![dispatch; count];
            find_deps(&mut dispatches, &touches);
            let collide = |a: &Vec<Touch>, b: &Vec<Touch>| {
                a.iter().any(|a| {
                    b.iter().any(|b| {
                        let written = a.access == Access::ReadWrite || b.access == Access::ReadWrite;
                        written && a.region == b.region && (a.start..a.end).any(|byte| b.start <= byte && byte < b.end)
                    })
                })
            };
            let mut reached = vec![vec![false; count]; count];
            for later in 0..count {
                for &dep in &dispatches[later].deps {
                    let dep = dep as usize;
                    assert!(dep < later && collide(&touches[dep], &touches[later]), "{dep} {later} {touches:?}");
                    assert!(!reached[later][dep], "implied by another: {dep} {later} {touches:?}");
                    let implied = reached[dep].clone();
                    reached[later].iter_mut().zip(implied).for_each(|(to, from)| *to |= from);
                    reached[later][dep] = true;
                }
                for earlier in 0..later {
                    let ordered = reached[later][earlier];
                    assert!(ordered || !collide(&touches[earlier], &touches[later]), "{earlier} {later} {touches:?}");
                }
            }
        }
    }
}
