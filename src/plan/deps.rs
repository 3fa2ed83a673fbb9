//! Dependencies of dispatches, from the memory that they read and write.

use std::collections::BTreeMap;

use crate::kernel::Access;

use super::memory::Ancestry;
use super::{Dispatch, Place};

/// Plans with more dispatches than this keep dependencies that follow from others.
const MAX_REDUCED: usize = 8192;

/// A run of bytes with one history.
#[derive(Clone, Debug, Default)]
struct Segment {
    end: u64,
    writer: Option<u32>,
    readers: Vec<u32>,
}

/// Who touched which bytes of a region last.
#[derive(Debug, Default)]
struct Region {
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

    fn touch(&mut self, start: u64, end: u64, dispatch: u32, access: Access, deps: &mut Vec<u32>) {
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

/// Fills in [`Dispatch::deps`]: producers of what is read, readers and writers of what is overwritten, without those that
/// another one implies.
pub(super) fn find_deps(dispatches: &mut [Dispatch]) {
    let mut regions: BTreeMap<u16, Region> = BTreeMap::new();
    let mut ancestry = (dispatches.len() <= MAX_REDUCED).then(|| Ancestry::new(dispatches.len()));
    for (index, dispatch) in dispatches.iter_mut().enumerate() {
        let index = index as u32;
        let mut deps = Vec::new();
        let kernel = dispatch.variant.kernel().clone();
        for (operand, binding) in dispatch.operands.iter().zip(&kernel.bindings) {
            if let Place::Activation { region, offset } = operand.place {
                let region = regions.entry(region).or_default();
                region.touch(offset, offset + operand.bytes, index, binding.access, &mut deps);
            }
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
}
