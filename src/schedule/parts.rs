//! Tiers of work, and the part of the device's time that each is owed.

use super::options::Parts;
use super::{Class, Nanos};

/// Work with a deadline that can be kept, then that with one that may be kept, then the rest by class, then stragglers.
pub(super) const TIERS: usize = 6;

/// The largest part of a class, so that the parts of all leave something for deadlines.
const MOST: f64 = 0.25;
/// The part of the device's time that stragglers get at least, while they have work: enough to tell that they are sound again.
/// Guessed.
const STRAGGLERS: f64 = 0.05;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tier(u8);

impl Tier {
    /// Work that can keep its deadline.
    pub(super) const DEADLINE: Tier = Tier(0);
    /// Work of models that straggle, whatever its deadline and class.
    pub(super) const STRAGGLER: Tier = Tier(5);

    /// Work that misses its deadline by prediction, though not by so much that it is sure.
    pub(super) const DOUBTFUL: Tier = Tier(1);

    /// Work of a class without a deadline, or that cannot keep it.
    pub(super) fn best_effort(class: Class) -> Tier {
        match class {
            Class::Interactive => Tier(2),
            Class::Normal => Tier(3),
            Class::Background => Tier(4),
        }
    }

    /// Whether its work goes by deadlines.
    pub(super) fn has_deadlines(self) -> bool {
        self <= Tier::DOUBTFUL
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// All, the first to be served first.
    pub(super) fn all() -> impl Iterator<Item = Tier> {
        (0..TIERS as u8).map(Tier)
    }
}

/// What each tier is owed, in nanoseconds of device time; negative where it had more than its part.
#[derive(Debug)]
pub(super) struct Fairness {
    parts: [f64; TIERS],
    owed: [f64; TIERS],
    /// The most that is owed either way.
    bound: f64,
}

impl Fairness {
    pub(super) fn new(parts: Parts, slice: Nanos) -> Self {
        let part = |part: f64| if part.is_finite() { part.clamp(0.0, MOST) } else { 0.0 };
        let parts = [0.0, 0.0, part(parts.interactive), part(parts.normal), part(parts.background), STRAGGLERS];
        Fairness { parts, owed: [0.0; TIERS], bound: slice as f64 }
    }

    /// Enters a bundle that took `time`, of which each tier had `used`, while the tiers in `waiting` had work ready.
    pub(super) fn enter(&mut self, time: f64, used: [f64; TIERS], waiting: [bool; TIERS]) {
        let all: f64 = used.iter().sum();
        for tier in 1..TIERS {
            let owed = &mut self.owed[tier];
            let had = if all > 0.0 { time * used[tier] / all } else { 0.0 };
            if waiting[tier] || had > 0.0 {
                *owed = (*owed + self.parts[tier] * time - had).clamp(-self.bound, self.bound);
            } else {
                *owed = owed.min(0.0);
            }
        }
    }

    /// Tiers in the order in which they may lead: one that is owed half the bound first. Stragglers only if they may lead at all.
    pub(super) fn order(&self, stragglers: bool) -> impl Iterator<Item = Tier> + use<> {
        let mut order: [Tier; TIERS] = std::array::from_fn(|tier| Tier(tier as u8));
        let tiers = if stragglers { TIERS } else { TIERS - 1 };
        let first = (1..tiers).filter(|&tier| self.owed[tier] >= self.bound / 2.0).max_by(|&a, &b| {
            let owed = |tier: usize| self.owed[tier];
            owed(a).total_cmp(&owed(b)).then(b.cmp(&a))
        });
        if let Some(first) = first {
            order[..=first].rotate_right(1);
        }
        order.into_iter().filter(move |&tier| stragglers || tier != Tier::STRAGGLER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(fairness: &Fairness) -> Tier {
        fairness.order(true).next().unwrap()
    }

    #[test]
    fn a_tier_that_waits_leads_by_its_part() {
        let mut fairness = Fairness::new(Parts { interactive: 0.0, normal: 0.1, background: 0.05 }, 1_000);
        let mut led = [0u32; TIERS];
        for _ in 0..10_000 {
            let tier = first(&fairness).index();
            led[tier] += 1;
            let mut used = [0.0; TIERS];
            used[tier] = 1.0;
            fairness.enter(100.0, used, [true; TIERS]);
        }
        assert!(led[3].abs_diff(1_000) < 10 && led[4].abs_diff(500) < 10 && led[5].abs_diff(500) < 10, "{led:?}");
        assert_eq!((led[1], led[2]), (0, 0));
    }

    #[test]
    fn idle_tiers_save_nothing_up() {
        let mut fairness = Fairness::new(Parts::default(), 1_000);
        for _ in 0..100 {
            fairness.enter(100.0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [true, false, false, false, false, false]);
        }
        assert_eq!(first(&fairness), Tier::DEADLINE);
        fairness.enter(4_000.0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [true, false, false, true, false, false]);
        assert_eq!(first(&fairness), Tier::DEADLINE);
        fairness.enter(1_000.0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], [true, false, false, true, false, false]);
        assert_eq!(first(&fairness), Tier::best_effort(Class::Normal));
    }
}
