//! Memory layout: buffers whose lives do not meet share memory.
//!
//! Sharing memory orders dispatches: who overwrites a buffer waits for its readers. So a buffer first takes memory only
//! from buffers whose every user is an ancestor of its producer anyway, which costs no concurrency; only where that takes
//! much more memory does the order of the dispatches decide.
//!
//! The layout is found once, at the sizes that are traced. What it decides is which of two buffers that may not share lies
//! below the other; at any sizes a buffer then begins where the highest of those below it ends. Buffers whose size no symbol
//! decides lie below the others, so that they begin at the same place whatever the sizes are: dispatches on them alone are then the
//! same in plans of several sizes, which requests of these can run as one lane.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::lower::Target;
use crate::lower::builder::Touch;
use crate::size::Size;

use super::deps::{Ancestry, MAX_ANCESTRY, add_hazards};

/// Buffers begin at multiples of this many bytes.
const ALIGN: u64 = 256;

/// Memory that keeping branches apart may always cost. Guessed.
const CHEAP: u64 = 1 << 20;

/// How dispatches use a buffer.
#[derive(Clone, Debug)]
pub(super) struct Use {
    bytes: Size,
    /// The dispatches that touch it, ascending, each once.
    dispatches: Vec<u32>,
    touches: Vec<(u32, Touch)>,
    /// Whether it holds something before the first dispatch.
    pub(super) from_start: bool,
    /// Whether it is read after the last dispatch.
    pub(super) to_end: bool,
    /// Whether it has a region of its own, which may outlive the request.
    pub(super) apart: bool,
}

impl Use {
    pub(super) fn new(bytes: Size) -> Self {
        Use { bytes, dispatches: Vec::new(), touches: Vec::new(), from_start: false, to_end: false, apart: false }
    }

    pub(super) fn touch(&mut self, dispatch: u32, touch: Touch) {
        if self.dispatches.last() != Some(&dispatch) {
            self.dispatches.push(dispatch);
        }
        self.touches.push((dispatch, touch));
    }

    fn estimate(&self) -> u64 {
        u64::try_from(self.bytes.estimate()).unwrap_or(u64::MAX)
    }

    /// Whether it has that many bytes at any sizes.
    fn is_fixed(&self) -> bool {
        self.bytes.known().is_some()
    }
}

/// Where buffers lie, and what has to be waited for.
#[derive(Debug)]
pub(super) struct Layout {
    /// By buffer: region and byte.
    pub(super) locations: Vec<Option<(u16, Size)>>,
    /// By region: its bytes.
    pub(super) regions: Vec<Size>,
    /// By dispatch: earlier ones that touch the same memory, not reduced.
    pub(super) edges: Vec<Vec<u32>>,
}

/// A buffer at the traced sizes.
#[derive(Clone, Copy, Debug)]
struct Placed {
    index: usize,
    start: u64,
    end: u64,
}

/// Lays out the buffers that are used.
///
/// # Errors
/// `Limit` if a tensor exceeds the target's binding limit; `Memory` if there are too many regions.
pub(super) fn lay_out(uses: &[Option<Use>], dispatches: usize, target: &Target) -> Result<Layout> {
    let mut edges = vec![Vec::new(); dispatches];
    for used in uses.iter().flatten() {
        add_hazards(&used.touches, &mut edges);
    }
    let in_order = |a: &Use, b: &Use| match (a.dispatches.last(), b.dispatches.first()) {
        (Some(last), Some(first)) => last < first,
        _ => false,
    };
    let ordered = place(uses, target, in_order)?;
    let ancestry = (dispatches <= MAX_ANCESTRY).then(|| Ancestry::of(&edges));
    let descends = |a: &Use, b: &Use| {
        let Some(ancestry) = &ancestry else { return false };
        let follows = |later: &u32| a.dispatches.iter().all(|&earlier| ancestry.has(*later, earlier));
        !a.dispatches.is_empty() && !b.dispatches.is_empty() && b.dispatches.iter().all(follows)
    };
    let total = |regions: &[Vec<Placed>]| {
        regions.iter().map(|placed| placed.iter().map(|p| p.end).max().unwrap_or(0)).fold(0, u64::saturating_add)
    };
    if ancestry.is_some() {
        let concurrent = place(uses, target, descends)?;
        let affordable = total(&ordered).saturating_add(total(&ordered) / 2).saturating_add(CHEAP);
        if total(&concurrent) <= affordable {
            let conflict = |a: usize, b: usize| match (&uses[a], &uses[b]) {
                (Some(a), Some(b)) => !apart(a, b, descends),
                _ => false,
            };
            return resolve(uses, &concurrent, conflict, edges);
        }
    }
    // Buffers that share memory here alone order their users; others stay apart, whatever the sizes are.
    let mut shared = HashSet::new();
    for placed in &ordered {
        for (a, b) in placed.iter().flat_map(|a| placed.iter().map(move |b| (a, b))) {
            let (Some(first), Some(second)) = (&uses[a.index], &uses[b.index]) else { continue };
            if !overlap(a, b) || !in_order(first, second) {
                continue;
            }
            shared.extend([(a.index, b.index), (b.index, a.index)]);
            for &later in &second.dispatches {
                edges[later as usize].extend(&first.dispatches);
            }
        }
    }
    resolve(uses, &ordered, |a, b| !shared.contains(&(a, b)), edges)
}

fn overlap(a: &Placed, b: &Placed) -> bool {
    a.start < b.end && b.start < a.end
}

/// Whether the lives of two buffers do not meet, one after the other by `may_follow`.
fn apart(a: &Use, b: &Use, may_follow: impl Fn(&Use, &Use) -> bool) -> bool {
    (!a.to_end && !b.from_start && may_follow(a, b)) || (!b.to_end && !a.from_start && may_follow(b, a))
}

/// Those of fixed size first, and of each kind the largest, each at the lowest place that is free of all that it may not share memory
/// with; those of open size above all of fixed size. By region.
fn place(
    uses: &[Option<Use>],
    target: &Target,
    may_follow: impl Fn(&Use, &Use) -> bool + Copy,
) -> Result<Vec<Vec<Placed>>> {
    let limit = target.max_binding_bytes;
    let mut order: Vec<(usize, &Use)> = uses.iter().enumerate().filter_map(|(i, u)| Some((i, u.as_ref()?))).collect();
    order.sort_by_key(|&(index, used)| (!used.is_fixed(), Reverse(used.estimate()), index));
    let mut regions: Vec<Vec<(Placed, &Use)>> = Vec::new();
    for (index, used) in order {
        let bytes = used.estimate();
        if bytes > limit {
            return Err(Error::limit(format!("a tensor of {bytes} bytes exceeds the binding limit of {limit}")));
        }
        let found = regions.iter().enumerate().find_map(|(region, placed)| {
            if used.apart || placed.iter().any(|(_, other)| other.apart) {
                return None;
            }
            let mut blocked: Vec<(u64, u64)> = placed
                .iter()
                .filter(|(_, other)| !apart(other, used, may_follow))
                .map(|(placed, _)| (placed.start, placed.end))
                .collect();
            blocked.sort_unstable();
            let fixed = placed.iter().filter(|(_, other)| other.is_fixed() && !used.is_fixed());
            let mut at = fixed.map(|(placed, _)| placed.end.next_multiple_of(ALIGN)).max().unwrap_or(0);
            for (start, end) in blocked {
                if at.saturating_add(bytes) <= start {
                    break;
                }
                at = at.max(end.next_multiple_of(ALIGN));
            }
            (at.checked_add(bytes)? <= limit).then_some((region, at))
        });
        let (region, start) = found.unwrap_or((regions.len(), 0));
        if region == regions.len() {
            regions.push(Vec::new());
        }
        regions[region].push((Placed { index, start, end: start + bytes }, used));
    }
    Ok(regions.into_iter().map(|placed| placed.into_iter().map(|(placed, _)| placed).collect()).collect())
}

/// Addresses at any sizes, from what lies below what at the traced ones.
fn resolve(
    uses: &[Option<Use>],
    regions: &[Vec<Placed>],
    conflict: impl Fn(usize, usize) -> bool,
    edges: Vec<Vec<u32>>,
) -> Result<Layout> {
    let mut locations = vec![None; uses.len()];
    let mut ends = Vec::with_capacity(regions.len());
    for (region, placed) in regions.iter().enumerate() {
        let region = u16::try_from(region).map_err(|_| Error::memory("the plan needs more than 65536 regions"))?;
        let mut order: Vec<&Placed> = placed.iter().collect();
        order.sort_by_key(|p| (p.start, p.end, p.index));
        // By position in that order.
        let mut below = Ancestry::new(order.len());
        let mut tops: Vec<Size> = Vec::with_capacity(order.len());
        let mut end = Size::ZERO;
        for (at, p) in order.iter().enumerate() {
            let mut under: Vec<usize> =
                (0..at).filter(|&other| order[other].end <= p.start && conflict(order[other].index, p.index)).collect();
            under.sort_by_key(|&other| (Reverse(order[other].end), other));
            let mut start = Size::ZERO;
            for other in under {
                if !below.has(at as u32, other as u32) {
                    start = start.max(tops[other]);
                    below.add(at as u32, other as u32);
                }
            }
            let bytes = uses[p.index].as_ref().map_or(Size::ZERO, |used| used.bytes);
            locations[p.index] = Some((region, start));
            end = end.max(start + bytes);
            tops.push((start + bytes).next_multiple_of(ALIGN));
        }
        ends.push(end);
    }
    Ok(Layout { locations, regions: ends, edges })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Access;
    use crate::lower::{DeviceClass, Tuning};

    fn numbers(sizes: &[Size]) -> Vec<i64> {
        sizes.iter().map(|size| size.estimate()).collect()
    }

    fn target(limit: u64) -> Target {
        Target {
            class: DeviceClass::Cpu,
            parallelism: 2,
            max_binding_bytes: limit,
            subgroup_size: 8,
            tuning: Tuning::NONE,
        }
    }

    fn used(bytes: u64, touches: &[(u32, bool)]) -> Option<Use> {
        let mut used = Use::new(Size::from(bytes));
        for &(dispatch, writes) in touches {
            let access = if writes { Access::ReadWrite } else { Access::Read };
            used.touch(dispatch, Touch { start: Size::ZERO, end: Size::from(bytes), access, part: None });
        }
        Some(used)
    }

    /// A chain: dispatch d reads buffer d and writes buffer d + 1.
    fn chain(n: u32, bytes: u64) -> Vec<Option<Use>> {
        let mut uses: Vec<Option<Use>> = (0..=n)
            .map(|b| {
                used(
                    bytes,
                    &[(b.wrapping_sub(1), true), (b, false)].into_iter().filter(|t| t.0 < n).collect::<Vec<_>>(),
                )
            })
            .collect();
        uses[0].as_mut().unwrap().from_start = true;
        uses[n as usize].as_mut().unwrap().to_end = true;
        uses
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let layout = lay_out(&chain(6, 512), 6, &target(1 << 20)).unwrap();
        assert_eq!(numbers(&layout.regions), [1024]);
        let mut with_gap = chain(2, 512);
        with_gap.push(None);
        assert!(lay_out(&with_gap, 2, &target(1 << 20)).unwrap().locations[3].is_none());
    }

    #[test]
    fn branches_do_not_share_what_would_order_them() {
        // 0 writes a; 1: a -> b, 2: b -> c; 3: a -> d, 4: d -> e; 5: c, e -> f. b is dead when 3 runs, but unordered.
        let uses = [
            used(256, &[(0, true), (1, false), (3, false)]),
            used(256, &[(1, true), (2, false)]),
            used(256, &[(2, true), (5, false)]),
            used(256, &[(3, true), (4, false)]),
            used(256, &[(4, true), (5, false)]),
            used(256, &[(5, true)]),
        ];
        let locations = lay_out(&uses, 6, &target(1 << 20)).unwrap().locations;
        let locations: Vec<_> =
            locations.iter().map(|location| location.map(|(region, at)| (region, at.estimate()))).collect();
        assert_ne!(locations[1], locations[3]);
        assert_ne!(locations[1], locations[4]);
    }

    #[test]
    fn regions_keep_to_the_binding_limit() {
        let layout = lay_out(&chain(4, 512), 4, &target(600)).unwrap();
        assert_eq!(numbers(&layout.regions), [512, 512]);
        assert!(lay_out(&chain(4, 512), 4, &target(500)).is_err());
    }
}
