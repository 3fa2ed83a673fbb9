//! Which merged pipelines there are, and which to ask for.
//!
//! Kernels that would have shared a bundle, had there been a pipeline, join a family, and it is the whole family that is asked
//! for: a pipeline serves every subset of its kernels, so that one growing set takes the place of every combination that
//! comes up. A kernel is in several families, where one would be too large. A family is asked for when enough time has been lost
//! for want of it since it last grew, so that it has its members first, and every time it takes twice as much, so that
//! it is not compiled anew for each latecomer.

use super::plan::Kernels;
use super::queue::KernelIndex;
use super::{KernelId, Nanos, Pipelines};

/// How often what has to be lost doubles. Guessed.
const DOUBLINGS: u32 = 10;
/// Families of a kernel. With one, goodput at high load falls by a twentieth (docs/benchmarks.md, ablation).
const FAMILIES: usize = 8;

#[derive(Debug, Default)]
struct Family {
    kernels: Vec<KernelIndex>,
    /// Predicted nanoseconds lost since it grew or was asked for.
    lost: f64,
    /// How often it was asked for.
    asked: u32,
}

#[derive(Debug)]
pub(super) struct Merging {
    pub(super) kernels: Kernels,
    /// Kernels of a family.
    largest: usize,
    /// Nanoseconds lost from which on a family is asked for.
    after: f64,
    /// By kernel, indices into `families`.
    of: Vec<Vec<usize>>,
    families: Vec<Family>,
    touched: Vec<usize>,
    /// By kernel: whether it has a pipeline, as asked since [`Merging::begin`].
    single: Vec<Option<bool>>,
    ids: Vec<KernelId>,
}

impl Merging {
    pub(super) fn new(largest: usize, after: Nanos) -> Self {
        Merging {
            kernels: Kernels::default(),
            largest,
            after: after as f64,
            of: Vec::new(),
            families: Vec::new(),
            touched: Vec::new(),
            single: Vec::new(),
            ids: Vec::new(),
        }
    }

    pub(super) fn id(&self, kernel: KernelIndex) -> KernelId {
        self.kernels.id(kernel)
    }

    /// Forgets what pipelines there were, and asks for those of kernels that are new, ahead of their turn.
    pub(super) fn begin(&mut self, pipelines: &mut dyn Pipelines) {
        let known = self.single.len();
        self.single.clear();
        self.single.resize(self.kernels.len(), None);
        for kernel in known..self.kernels.len() {
            if !self.kernels.coalesces(kernel as KernelIndex) {
                self.has(kernel as KernelIndex, pipelines);
            }
        }
    }

    /// Whether a kernel has a pipeline; if not, it is asked for.
    pub(super) fn has(&mut self, kernel: KernelIndex, pipelines: &mut dyn Pipelines) -> bool {
        let id = self.id(kernel);
        *self.single[kernel as usize].get_or_insert_with(|| {
            let ready = pipelines.ready(&[id]);
            if !ready {
                pipelines.want(&[id]);
            }
            ready
        })
    }

    /// Whether a kernel is known to have no pipeline.
    pub(super) fn lacks(&self, kernel: KernelIndex) -> bool {
        self.single[kernel as usize] == Some(false)
    }

    /// Whether the kernels of `set`, which is sorted, and `kernel` have a pipeline; if so, `kernel` is one of them from now on.
    pub(super) fn extends(&self, set: &mut Vec<KernelId>, kernel: KernelIndex, pipelines: &mut dyn Pipelines) -> bool {
        let id = self.id(kernel);
        let Err(at) = set.binary_search(&id) else { return true };
        set.insert(at, id);
        let ready = pipelines.ready(set);
        if !ready {
            set.remove(at);
        }
        ready
    }

    /// Notes that `a` and `b` would have shared a bundle and saved `gain` nanoseconds.
    pub(super) fn miss(&mut self, (a, b): (KernelIndex, KernelIndex), gain: f64, pipelines: &dyn Pipelines) {
        let compatible = |a: KernelIndex, b: KernelIndex| pipelines.compatible(self.kernels.id(a), self.kernels.id(b));
        if !compatible(a, b) {
            return;
        }
        while self.of.len() <= a.max(b) as usize {
            self.of.push(vec![self.families.len()]);
            self.families.push(Family { kernels: vec![self.of.len() as KernelIndex - 1], ..Family::default() });
        }
        let fits = |family: &Family, others: &[KernelIndex]| {
            let more = others.iter().filter(|other| !family.kernels.contains(other)).count();
            let all = || {
                family
                    .kernels
                    .iter()
                    .all(|&kernel| others.iter().all(|&other| kernel == other || compatible(kernel, other)))
            };
            family.kernels.len() + more <= self.largest && all()
        };
        let (of_a, of_b) = (&self.of[a as usize], &self.of[b as usize]);
        let may_grow = |kernel: KernelIndex| self.of[kernel as usize].len() < FAMILIES;
        let with_room =
            |of: &[usize], new: KernelIndex| of.iter().copied().find(|&family| fits(&self.families[family], &[new]));
        let pairs = || of_a.iter().flat_map(|&into| of_b.iter().map(move |&from| (into, from)));
        let index = if let Some(&common) = of_a.iter().find(|family| of_b.contains(family)) {
            common
        } else if let Some((into, from)) = pairs().find(|&(i, f)| fits(&self.families[i], &self.families[f].kernels)) {
            self.merge(into, from);
            into
        } else if let Some(family) = with_room(of_a, b).filter(|_| may_grow(b)) {
            self.enter(family, b);
            family
        } else if let Some(family) = with_room(of_b, a).filter(|_| may_grow(a)) {
            self.enter(family, a);
            family
        } else if self.largest > 1 && may_grow(a) && may_grow(b) {
            self.families.push(Family::default());
            let family = self.families.len() - 1;
            self.enter(family, a);
            self.enter(family, b);
            family
        } else {
            return;
        };
        self.families[index].lost += gain;
        if !self.touched.contains(&index) {
            self.touched.push(index);
        }
    }

    /// Joins two families; `from` is empty then.
    fn merge(&mut self, into: usize, from: usize) {
        let Family { kernels, asked, .. } = std::mem::take(&mut self.families[from]);
        for kernel in kernels {
            self.of[kernel as usize].retain(|&family| family != from);
            if !self.families[into].kernels.contains(&kernel) {
                self.enter(into, kernel);
            }
        }
        let family = &mut self.families[into];
        family.asked = family.asked.max(asked);
    }

    fn enter(&mut self, family: usize, kernel: KernelIndex) {
        self.of[kernel as usize].push(family);
        let Family { kernels, lost, .. } = &mut self.families[family];
        kernels.push(kernel);
        kernels.sort_unstable();
        *lost = 0.0;
    }

    /// Asks for each family that has lost enough.
    pub(super) fn ask(&mut self, pipelines: &mut dyn Pipelines) {
        for index in self.touched.drain(..) {
            let family = &mut self.families[index];
            let enough = self.after * f64::from(1u32 << family.asked.min(DOUBLINGS));
            if family.kernels.len() > 1 && family.lost >= enough {
                family.lost = 0.0;
                family.asked += 1;
                self.ids.clear();
                self.ids.extend(family.kernels.iter().map(|&kernel| self.kernels.id(kernel)));
                self.ids.sort_unstable();
                pipelines.want(&self.ids);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pipelines for nothing; kernels whose numbers differ by two do not go together if `picky`.
    #[derive(Default)]
    struct Shop {
        wanted: Vec<Vec<u32>>,
        picky: bool,
    }

    impl Pipelines for Shop {
        fn ready(&mut self, _: &[KernelId]) -> bool {
            false
        }
        fn want(&mut self, kernels: &[KernelId]) {
            self.wanted.push(kernels.iter().map(|kernel| kernel.0).collect());
        }
        fn compatible(&self, a: KernelId, b: KernelId) -> bool {
            !(self.picky && a.0.abs_diff(b.0) == 2)
        }
    }

    fn merging(largest: usize, after: Nanos) -> Merging {
        let mut merging = Merging::new(largest, after);
        for kernel in 0..64 {
            merging.kernels.index(KernelId(kernel), false);
        }
        merging
    }

    fn asked(merging: &mut Merging) -> Vec<Vec<u32>> {
        let mut shop = Shop::default();
        merging.ask(&mut shop);
        shop.wanted
    }

    #[test]
    fn families_grow_before_they_are_asked_for() {
        let mut merging = merging(4, 15);
        let shop = Shop::default();
        for pair in [(0, 3), (5, 1), (3, 1)] {
            merging.miss(pair, 10.0, &shop);
            assert!(asked(&mut merging).is_empty());
        }
        merging.miss((0, 5), 10.0, &shop);
        assert_eq!(asked(&mut merging), [[0, 1, 3, 5]]);
        merging.miss((0, 5), 20.0, &shop);
        assert!(asked(&mut merging).is_empty(), "twice as much the second time");
        merging.miss((0, 5), 20.0, &shop);
        assert_eq!(asked(&mut merging), [[0, 1, 3, 5]]);
        assert!(asked(&mut merging).is_empty(), "asked once for one loss");
    }

    #[test]
    fn families_have_limits() {
        let mut alone = merging(1, 0);
        alone.miss((0, 1), 1.0, &Shop::default());
        assert!(asked(&mut alone).is_empty());
        let mut merging = merging(9, 0);
        let picky = Shop { picky: true, ..Shop::default() };
        merging.miss((2, 3), 1.0, &picky);
        merging.miss((0, 2), 1.0, &picky);
        assert_eq!(asked(&mut merging), [[2, 3]]);
    }

    #[test]
    fn a_kernel_whose_family_is_full_has_another() {
        let mut merging = merging(3, 0);
        let shop = Shop::default();
        for pair in [(0, 1), (1, 2), (2, 0), (0, 3)] {
            merging.miss(pair, 1.0, &shop);
        }
        let mut all = asked(&mut merging);
        all.sort();
        assert_eq!(all, [vec![0, 1, 2], vec![0, 3]]);
        (4..50).for_each(|kernel| merging.miss((0, kernel), 1.0, &shop));
        assert!(merging.of[0].len() <= FAMILIES);
    }
}
