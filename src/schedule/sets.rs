//! Which sets of arms to ask pipelines for.
//!
//! Arms that would have shared a wave, had there been a pipeline, join a family, and it is the whole family that is asked
//! for: a pipeline serves every subset of its arms, so that one growing set takes the place of every combination that
//! comes up. An arm is in several families, where one would be too large. A family is asked for when enough time has been lost
//! for want of it since it last grew, so that it has gathered its members first, and every time it takes twice as much, so that
//! it is not compiled anew for each latecomer.

use super::ready::ArmIndex;

/// Guessed.
const MOST_DOUBLINGS: u32 = 10;
/// Families of an arm. Simulated, with eight models and 16 arms in a family at load 0.2: with one, 12 % of the questions for a
/// pipeline of several arms were answered yes, with 8 70 %, and goodput was as with a single family of all.
const MOST_FAMILIES: usize = 8;

#[derive(Debug, Default)]
struct Family {
    arms: Vec<ArmIndex>,
    /// Predicted nanoseconds lost since it grew or was asked for.
    lost: f64,
    /// How often it was asked for.
    asked: u32,
}

#[derive(Debug, Default)]
pub(super) struct Sets {
    /// By arm, indices into `families`.
    of: Vec<Vec<usize>>,
    families: Vec<Family>,
    touched: Vec<usize>,
    pub(super) single: bool,
}

/// Whether two arms are in one family now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Joined {
    Yes,
    /// There are too many families, or they would be too large, or the arms are incompatible.
    No,
}

impl Sets {
    /// Notes that `a` and `b` would have shared a wave and saved `gain` nanoseconds.
    pub(super) fn miss(
        &mut self,
        (a, b): (ArmIndex, ArmIndex),
        gain: f64,
        largest: usize,
        compatible: impl Fn(ArmIndex, ArmIndex) -> bool,
    ) -> Joined {
        while self.of.len() <= a.max(b) as usize {
            self.of.push(vec![self.families.len()]);
            self.families.push(Family { arms: vec![self.of.len() as ArmIndex - 1], ..Family::default() });
        }
        let fits = |family: &Family, others: &[ArmIndex]| {
            let more = others.iter().filter(|other| !family.arms.contains(other)).count();
            let all =
                || family.arms.iter().all(|&arm| others.iter().all(|&other| arm == other || compatible(arm, other)));
            family.arms.len() + more <= largest && all()
        };
        let (of_a, of_b) = (&self.of[a as usize], &self.of[b as usize]);
        let may_grow = |arm: ArmIndex| self.of[arm as usize].len() < if self.single { 1 } else { MOST_FAMILIES };
        let with_room =
            |of: &[usize], new: ArmIndex| of.iter().copied().find(|&family| fits(&self.families[family], &[new]));
        let pairs = || of_a.iter().flat_map(|&into| of_b.iter().map(move |&from| (into, from)));
        let index = if let Some(&common) = of_a.iter().find(|family| of_b.contains(family)) {
            common
        } else if let Some((into, from)) = pairs().find(|&(i, f)| fits(&self.families[i], &self.families[f].arms)) {
            self.merge(into, from);
            into
        } else if let Some(family) = with_room(of_a, b).filter(|_| may_grow(b)) {
            self.enter(family, b);
            family
        } else if let Some(family) = with_room(of_b, a).filter(|_| may_grow(a)) {
            self.enter(family, a);
            family
        } else if largest > 1 && compatible(a, b) && may_grow(a) && may_grow(b) {
            self.families.push(Family::default());
            let family = self.families.len() - 1;
            self.enter(family, a);
            self.enter(family, b);
            family
        } else {
            return Joined::No;
        };
        self.families[index].lost += gain;
        if !self.touched.contains(&index) {
            self.touched.push(index);
        }
        Joined::Yes
    }

    /// Joins two families; `from` is empty then.
    fn merge(&mut self, into: usize, from: usize) {
        let Family { arms, asked, .. } = std::mem::take(&mut self.families[from]);
        for arm in arms {
            self.of[arm as usize].retain(|&family| family != from);
            if !self.families[into].arms.contains(&arm) {
                self.enter(into, arm);
            }
        }
        let family = &mut self.families[into];
        family.lost = 0.0;
        family.asked = family.asked.max(asked);
    }

    fn enter(&mut self, family: usize, arm: ArmIndex) {
        self.of[arm as usize].push(family);
        let Family { arms, lost, .. } = &mut self.families[family];
        arms.push(arm);
        arms.sort_unstable();
        *lost = 0.0;
    }

    /// Calls `want` with each family that has lost enough: `after` nanoseconds the first time.
    pub(super) fn ask(&mut self, after: f64, mut want: impl FnMut(&[ArmIndex])) {
        for index in self.touched.drain(..) {
            let family = &mut self.families[index];
            if family.arms.len() > 1 && family.lost >= after * f64::from(1u32 << family.asked.min(MOST_DOUBLINGS)) {
                family.lost = 0.0;
                family.asked += 1;
                want(&family.arms);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sets: &mut Sets, after: f64) -> Vec<Vec<ArmIndex>> {
        let mut all = Vec::new();
        sets.ask(after, |arms| all.push(arms.to_vec()));
        all
    }

    #[test]
    fn families_grow_before_they_are_asked_for() {
        let mut sets = Sets::default();
        for pair in [(0, 3), (5, 1), (3, 1)] {
            assert_eq!(sets.miss(pair, 10.0, 4, |_, _| true), Joined::Yes);
            assert!(asked(&mut sets, 15.0).is_empty());
        }
        assert_eq!(sets.miss((0, 5), 10.0, 4, |_, _| true), Joined::Yes);
        assert_eq!(asked(&mut sets, 15.0), [[0, 1, 3, 5]]);
        assert_eq!(sets.miss((0, 5), 20.0, 4, |_, _| true), Joined::Yes);
        assert!(asked(&mut sets, 15.0).is_empty(), "twice as much the second time");
        assert_eq!(sets.miss((0, 5), 20.0, 4, |_, _| true), Joined::Yes);
        assert_eq!(asked(&mut sets, 15.0), [[0, 1, 3, 5]]);
        assert!(asked(&mut sets, 0.0).is_empty(), "asked once for one loss");
    }

    #[test]
    fn families_have_limits() {
        let mut sets = Sets::default();
        assert_eq!(sets.miss((0, 1), 1.0, 1, |_, _| true), Joined::No);
        assert_eq!(sets.miss((2, 3), 1.0, 9, |_, _| true), Joined::Yes);
        assert_eq!(sets.miss((0, 2), 1.0, 9, |a, b| a.abs_diff(b) != 2), Joined::No);
    }

    #[test]
    fn an_arm_whose_family_is_full_has_another() {
        let mut sets = Sets::default();
        for pair in [(0, 1), (1, 2), (2, 0), (0, 3)] {
            assert_eq!(sets.miss(pair, 1.0, 3, |_, _| true), Joined::Yes);
        }
        let mut all = asked(&mut sets, 0.0);
        all.sort();
        assert_eq!(all, [vec![0, 1, 2], vec![0, 3]]);
        let more = (4..50).filter(|&arm| sets.miss((0, arm), 1.0, 3, |_, _| true) == Joined::Yes).count();
        assert_eq!(more, 1 + 2 * (MOST_FAMILIES - 2), "two more arms a family");
    }
}
