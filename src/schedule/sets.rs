//! Which sets of arms to ask pipelines for.
//!
//! Arms that would have shared a wave, had there been a pipeline, join a family, and it is the whole family that is asked
//! for: a pipeline serves every subset of its arms, so that one growing set takes the place of every combination that
//! comes up. A family is asked for when enough time has been lost for want of it since it last grew, so that it has gathered
//! its members first, and every time it takes twice as much, so that it is not compiled anew for each latecomer.

use super::ready::ArmIndex;

/// Guessed.
const MOST_DOUBLINGS: u32 = 10;

#[derive(Debug, Default)]
struct Family {
    arms: Vec<ArmIndex>,
    /// Predicted nanoseconds lost since it grew or was asked for.
    lost: f64,
    /// How often it, or what it grew from, was asked for.
    asked: u32,
}

#[derive(Debug, Default)]
pub(super) struct Sets {
    /// By arm, an index into `families`.
    family: Vec<usize>,
    families: Vec<Family>,
    touched: Vec<usize>,
}

/// Whether two arms are in one family now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Joined {
    Yes,
    /// The family would be too large, or has incompatible members.
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
        let (into, from) = (self.family_of(a), self.family_of(b));
        if into != from {
            let (left, right) = (&self.families[into].arms, &self.families[from].arms);
            let fits = left.len() + right.len() <= largest;
            if !fits || left.iter().any(|&a| right.iter().any(|&b| !compatible(a, b))) {
                return Joined::No;
            }
            let family = std::mem::take(&mut self.families[from]);
            for &arm in &family.arms {
                self.family[arm as usize] = into;
            }
            self.families[into].arms.extend(family.arms);
            self.families[into].arms.sort_unstable();
            self.families[into].lost = 0.0;
            self.families[into].asked = self.families[into].asked.max(family.asked);
        }
        self.families[into].lost += gain;
        if !self.touched.contains(&into) {
            self.touched.push(into);
        }
        Joined::Yes
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

    fn family_of(&mut self, arm: ArmIndex) -> usize {
        while self.family.len() <= arm as usize {
            self.family.push(self.families.len());
            self.families.push(Family { arms: vec![self.family.len() as ArmIndex - 1], ..Family::default() });
        }
        self.family[arm as usize]
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
        assert_eq!(sets.miss((0, 1), 1.0, 2, |_, _| true), Joined::Yes);
        assert_eq!(sets.miss((1, 2), 1.0, 2, |_, _| true), Joined::No);
        assert_eq!(sets.miss((2, 3), 1.0, 9, |_, _| true), Joined::Yes);
        assert_eq!(sets.miss((0, 2), 1.0, 9, |a, b| (a, b) != (1, 3)), Joined::No);
    }
}
