//! Dependencies of dispatches, from the memory that they read and write.

use crate::kernel::Access;
use crate::lower::builder::Touch;

/// Ancestors are kept as a matrix of bits up to this many dispatches (8 MiB). Guessed.
pub(super) const MAX_ANCESTRY: usize = 8192;

/// Which of some things, each numbered, come before which: dispatches, whatever runs beside them, or buffers that lie below.
pub(super) struct Ancestry {
    words: usize,
    bits: Vec<u64>,
}

impl Ancestry {
    pub(super) fn new(count: usize) -> Self {
        let words = count.div_ceil(64);
        Ancestry { words, bits: vec![0; words * count] }
    }

    /// The ancestry that the edges (by later dispatch, its earlier ones) give.
    pub(super) fn of(edges: &[Vec<u32>]) -> Self {
        let mut ancestry = Ancestry::new(edges.len());
        for (later, edges) in edges.iter().enumerate() {
            for &earlier in edges {
                ancestry.add(later as u32, earlier);
            }
        }
        ancestry
    }

    /// `later` comes after `earlier` and all its ancestors.
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

/// Whether two touches of one buffer may not happen in any order.
fn collide(a: &Touch, b: &Touch) -> bool {
    let written = a.access == Access::ReadWrite || b.access == Access::ReadWrite;
    let apart = match (a.part, b.part) {
        (Some(a), Some(b)) => a.whole == b.whole && a.index != b.index,
        _ => false,
    };
    written && !apart && a.start < b.end && b.start < a.end && a.start < a.end && b.start < b.end
}

/// Adds an edge to each later dispatch from each earlier one that touches the same bytes of a buffer, if one of them writes.
/// `touches` are of one buffer, in the order of the dispatches.
pub(super) fn add_hazards(touches: &[(u32, Touch)], edges: &mut [Vec<u32>]) {
    for (k, (later, touch)) in touches.iter().enumerate() {
        for (earlier, other) in &touches[..k] {
            if earlier != later && collide(other, touch) {
                edges[*later as usize].push(*earlier);
            }
        }
    }
}

/// The edges without those that others imply, each list sorted.
pub(super) fn reduce(mut edges: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    let mut ancestry = (edges.len() <= MAX_ANCESTRY).then(|| Ancestry::new(edges.len()));
    for (index, list) in edges.iter_mut().enumerate() {
        list.sort_unstable();
        list.dedup();
        if let Some(ancestry) = &mut ancestry {
            // The latest first: what they imply is known when the earlier ones are looked at.
            let mut kept = Vec::with_capacity(list.len());
            for &dep in list.iter().rev() {
                if !ancestry.has(index as u32, dep) {
                    ancestry.add(index as u32, dep);
                    kept.push(dep);
                }
            }
            kept.reverse();
            *list = kept;
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::builder::Part;
    use crate::size::Size;

    fn touch(start: u32, end: u32, access: Access, part: Option<Part>) -> Touch {
        Touch { start: Size::from(start), end: Size::from(end), access, part }
    }

    #[test]
    fn overlaps_of_any_kind_are_found() {
        let touches = [
            (0, touch(0, 100, Access::ReadWrite, None)),
            (1, touch(200, 300, Access::ReadWrite, None)),
            (2, touch(50, 250, Access::Read, None)),
            (3, touch(100, 200, Access::ReadWrite, None)),
            (4, touch(0, 50, Access::Read, None)),
            (5, touch(0, 300, Access::ReadWrite, None)),
        ];
        let mut edges = vec![Vec::new(); 6];
        add_hazards(&touches, &mut edges);
        assert_eq!(edges, [vec![], vec![], vec![0, 1], vec![2], vec![0], vec![0, 1, 2, 3, 4]]);
        assert_eq!(reduce(edges)[5], [3, 4]);
    }

    #[test]
    fn parts_of_a_whole_do_not_collide() {
        let part = |whole, index| touch(0, 100, Access::ReadWrite, Some(Part { whole, index }));
        assert!(!collide(&part(1, 0), &part(1, 1)));
        assert!(collide(&part(1, 0), &part(1, 0)));
        assert!(collide(&part(1, 0), &part(2, 1)));
        assert!(collide(&part(1, 0), &touch(40, 41, Access::Read, None)));
    }

    /// Random touches of one buffer: dependencies order all that collide, and nothing is there twice.
    #[test]
    fn every_hazard_has_an_edge_and_nothing_else_has() {
        let mut state = 99u32;
        let mut random = move |n: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % n
        };
        for _ in 0..400 {
            let count = 2 + random(14);
            let mut touches = Vec::new();
            for dispatch in 0..count {
                for _ in 0..1 + random(4) {
                    let start = random(24);
                    let access = if random(2) == 0 { Access::Read } else { Access::ReadWrite };
                    touches.push((dispatch, touch(start, start + random(9), access, None)));
                }
            }
            let mut edges = vec![Vec::new(); count as usize];
            add_hazards(&touches, &mut edges);
            let edges = reduce(edges);
            let collide = |a: u32, b: u32| {
                let of = |d| touches.iter().filter(move |(dispatch, _)| *dispatch == d);
                of(a).any(|(_, a)| {
                    of(b).any(|(_, b)| {
                        let written = a.access == Access::ReadWrite || b.access == Access::ReadWrite;
                        let bytes = |t: &Touch| t.start.estimate()..t.end.estimate();
                        written && bytes(a).any(|byte| bytes(b).contains(&byte))
                    })
                })
            };
            let mut reached = vec![vec![false; count as usize]; count as usize];
            for later in 0..count as usize {
                for &dep in &edges[later] {
                    let dep = dep as usize;
                    assert!(dep < later && collide(dep as u32, later as u32), "{dep} {later} {touches:?}");
                    let implied = reached[dep].clone();
                    reached[later].iter_mut().zip(implied).for_each(|(to, from)| *to |= from);
                    reached[later][dep] = true;
                }
                for (earlier, &ordered) in reached[later].iter().enumerate().take(later) {
                    assert!(ordered || !collide(earlier as u32, later as u32), "{earlier} {later} {touches:?}");
                }
            }
        }
    }
}
