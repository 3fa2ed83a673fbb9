//! Memory layout: buffers whose lives do not meet share memory.
//!
//! Sharing memory orders dispatches: who overwrites a buffer waits for its readers. So a buffer first takes memory only
//! from buffers whose every user is an ancestor of its producer anyway, which costs no concurrency; only where that takes
//! much more memory does the order of the dispatches decide.

use crate::error::{Error, Result};

use super::Place;
use super::deps::Region;
use crate::lower::Target;
use crate::lower::builder::Touch;

/// What offsets are multiples of: the largest alignment that devices ask of storage bindings.
const ALIGN: u64 = 256;

/// Plans with more dispatches than this are laid out by order alone: the table of ancestors grows with the square.
const MAX_ANCESTRY: usize = 8192;

/// Bytes that a layout may spend, beside half of what the smallest takes, to keep branches concurrent. Guessed.
const CHEAP: u64 = 1 << 20;

/// How a buffer is used.
#[derive(Clone, Debug)]
pub(super) struct Use {
    bytes: u64,
    /// Who touches it, in order, each once.
    dispatches: Vec<u32>,
    /// Who touches which bytes of it, in order.
    touches: Vec<(u32, Touch)>,
    /// Filled before the first dispatch.
    pub(super) from_start: bool,
    /// Read after the last dispatch.
    pub(super) to_end: bool,
}

impl Use {
    pub(super) fn new(bytes: u64) -> Self {
        Use { bytes, dispatches: Vec::new(), touches: Vec::new(), from_start: false, to_end: false }
    }

    /// `touch` counts from the buffer's start. Dispatches come in order.
    pub(super) fn touch(&mut self, dispatch: u32, touch: Touch) {
        if self.dispatches.last() != Some(&dispatch) {
            self.dispatches.push(dispatch);
        }
        self.touches.push((dispatch, touch));
    }
}

/// Where every buffer lies.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    /// By buffer; `None` for those without a use.
    pub(super) places: Vec<Option<Place>>,
    /// Bytes of each region.
    pub(super) regions: Vec<u64>,
}

/// Row `d`: the dispatches that must finish before `d` whatever the layout.
pub(super) struct Ancestry {
    words: usize,
    bits: Vec<u64>,
}

impl Ancestry {
    pub(super) fn new(count: usize) -> Self {
        let words = count.div_ceil(64);
        Ancestry { words, bits: vec![0; words * count] }
    }

    /// Makes `earlier` and its ancestors ancestors of `later`. Rows must be completed in order.
    pub(super) fn add(&mut self, later: u32, earlier: u32) {
        let (before, after) = self.bits.split_at_mut(later as usize * self.words);
        let from = &before[earlier as usize * self.words..][..self.words];
        for (to, from) in after.iter_mut().zip(from) {
            *to |= from;
        }
        after[earlier as usize / 64] |= 1 << (earlier % 64);
    }

    pub(super) fn has(&self, later: u32, earlier: u32) -> bool {
        self.bits[later as usize * self.words + earlier as usize / 64] >> (earlier % 64) & 1 == 1
    }
}

/// Lays out the used buffers for a plan of `dispatches`.
///
/// # Errors
/// `Limit` if a buffer exceeds the binding limit; `Memory` if there are too many regions.
pub(super) fn lay_out(uses: &[Option<Use>], dispatches: usize, target: &Target) -> Result<Layout> {
    let ordered = place(uses, target, |a, b| match (a.dispatches.last(), b.dispatches.first()) {
        (Some(last), Some(first)) => last < first,
        _ => false,
    })?;
    if dispatches > MAX_ANCESTRY {
        return Ok(ordered);
    }
    let ancestry = ancestry(uses, dispatches);
    let concurrent = place(uses, target, |a, b| {
        let follows = |later: &u32| a.dispatches.iter().all(|&earlier| ancestry.has(*later, earlier));
        !a.dispatches.is_empty() && !b.dispatches.is_empty() && b.dispatches.iter().all(follows)
    })?;
    let total = |layout: &Layout| layout.regions.iter().sum::<u64>();
    let affordable = total(&ordered).saturating_add(total(&ordered) / 2).saturating_add(CHEAP);
    Ok(if total(&concurrent) <= affordable { concurrent } else { ordered })
}

fn ancestry(uses: &[Option<Use>], dispatches: usize) -> Ancestry {
    let mut edges: Vec<Vec<u32>> = vec![Vec::new(); dispatches];
    for slot in uses.iter().flatten() {
        let mut history = Region::default();
        for &(dispatch, Touch { region: _, start, end, access }) in &slot.touches {
            let edges = &mut edges[dispatch as usize];
            history.touch(start, end, dispatch, access, edges);
            edges.retain(|&earlier| earlier != dispatch);
        }
    }
    let mut ancestry = Ancestry::new(dispatches);
    for (later, edges) in edges.iter().enumerate() {
        for &earlier in edges {
            ancestry.add(later as u32, earlier);
        }
    }
    ancestry
}

/// First-fit of the largest first; `may_follow(a, b)` says whether `b` may take the memory of `a`, which is dead by then.
fn place(uses: &[Option<Use>], target: &Target, may_follow: impl Fn(&Use, &Use) -> bool) -> Result<Layout> {
    let apart = |a: &Use, b: &Use| {
        (!a.to_end && !b.from_start && may_follow(a, b)) || (!b.to_end && !a.from_start && may_follow(b, a))
    };
    let limit = target.max_binding_bytes;
    let mut order: Vec<(usize, &Use)> = uses.iter().enumerate().filter_map(|(i, u)| Some((i, u.as_ref()?))).collect();
    order.sort_by_key(|&(index, slot)| (std::cmp::Reverse(slot.bytes), index));
    let mut places = vec![None; uses.len()];
    // Per region, what was placed there: start, end, use.
    let mut regions: Vec<Vec<(u64, u64, &Use)>> = Vec::new();
    for (index, slot) in order {
        if slot.bytes > limit {
            return Err(Error::limit(format!("a tensor of {} bytes exceeds the binding limit of {limit}", slot.bytes)));
        }
        let found = regions.iter().enumerate().find_map(|(region, placed)| {
            let mut blocked: Vec<(u64, u64)> = placed
                .iter()
                .filter(|(_, _, other)| !apart(other, slot))
                .map(|&(start, end, _)| (start, end))
                .collect();
            blocked.sort_unstable();
            let mut at = 0u64;
            for (start, end) in blocked {
                if at + slot.bytes <= start {
                    break;
                }
                at = at.max(end.next_multiple_of(ALIGN));
            }
            (at.checked_add(slot.bytes)? <= limit).then_some((region, at))
        });
        let (region, offset) = found.unwrap_or((regions.len(), 0));
        if region == regions.len() {
            regions.push(Vec::new());
        }
        regions[region].push((offset, offset + slot.bytes, slot));
        let region = u16::try_from(region).map_err(|_| Error::memory("the plan needs more than 65536 regions"))?;
        places[index] = Some(Place::Activation { region, offset });
    }
    let sizes = regions.iter().map(|placed| placed.iter().map(|&(_, end, _)| end).max().unwrap_or(0)).collect();
    Ok(Layout { places, regions: sizes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Access;
    use crate::lower::DeviceClass;

    fn target(limit: u64) -> Target {
        Target { class: DeviceClass::Cpu, parallelism: 2, max_binding_bytes: limit, subgroup_size: 8 }
    }

    fn slot(bytes: u64, touches: &[(u32, bool)]) -> Option<Use> {
        let mut slot = Use::new(bytes);
        for &(dispatch, writes) in touches {
            let access = if writes { Access::ReadWrite } else { Access::Read };
            slot.touch(dispatch, Touch { region: 0, start: 0, end: bytes, access });
        }
        Some(slot)
    }

    /// A chain: dispatch d reads buffer d and writes buffer d + 1.
    fn chain(n: u32, bytes: u64) -> Vec<Option<Use>> {
        let mut uses: Vec<Option<Use>> = (0..=n)
            .map(|b| {
                slot(
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
        assert_eq!(layout.regions, [1024]);
        let mut with_gap = chain(2, 512);
        with_gap.push(None);
        assert_eq!(lay_out(&with_gap, 2, &target(1 << 20)).unwrap().places[3], None);
    }

    #[test]
    fn branches_do_not_share_what_would_order_them() {
        // 0 writes a; 1: a -> b, 2: b -> c; 3: a -> d, 4: d -> e; 5: c, e -> f. b is dead when 3 runs, but unordered.
        let uses = [
            slot(256, &[(0, true), (1, false), (3, false)]),
            slot(256, &[(1, true), (2, false)]),
            slot(256, &[(2, true), (5, false)]),
            slot(256, &[(3, true), (4, false)]),
            slot(256, &[(4, true), (5, false)]),
            slot(256, &[(5, true)]),
        ];
        let places = lay_out(&uses, 6, &target(1 << 20)).unwrap().places;
        assert_ne!(places[1], places[3]);
        assert_ne!(places[1], places[4]);
    }

    #[test]
    fn regions_keep_to_the_binding_limit() {
        let layout = lay_out(&chain(4, 512), 4, &target(600)).unwrap();
        assert_eq!(layout.regions, [512, 512]);
        assert!(lay_out(&chain(4, 512), 4, &target(500)).is_err());
    }
}
