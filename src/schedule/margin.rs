//! How much more than its predicted time a request must have left before its deadline to begin.
//!
//! Under overload the earliest deadline first begins everything and ends little: what has waited longest goes first, and most of
//! it is given up half way. So each request that began and missed raises the margin of those with deadlines like its own, and
//! each that kept its deadline lowers it. With a high margin only those that have just come begin.

use super::Nanos;

/// How much a request that missed its deadline after it began raises the margin, and how much one that kept it lowers it. Two in
/// seven may miss before margins rise. Set by simulation, with [`FRESH`].
const MISSED: f64 = 0.05;
const KEPT: f64 = 0.02;
/// The part of the time from arrival to deadline that is always enough to begin with.
const FRESH: f64 = 0.9;
/// The greatest margin: it takes so many requests to get down again.
const MOST: f64 = 4.0;

/// Margins by the binary logarithm of the time from arrival to deadline.
#[derive(Debug)]
pub(super) struct Margins([f64; Nanos::BITS as usize]);

impl Default for Margins {
    fn default() -> Self {
        Margins([1.0; Nanos::BITS as usize])
    }
}

impl Margins {
    /// The time that must be left for a request to begin that takes `total` by prediction and was allowed `allowed`.
    pub(super) fn needed(&self, total: f64, allowed: Nanos) -> f64 {
        let margin = self.0[class(allowed)];
        (total * margin).min(FRESH * allowed as f64).max(total)
    }

    /// Notes what became of a request that began.
    pub(super) fn note(&mut self, allowed: Nanos, kept: bool) {
        let change = if kept { -KEPT } else { MISSED };
        let margin = &mut self.0[class(allowed)];
        *margin = (*margin + change).clamp(1.0, MOST);
    }
}

fn class(allowed: Nanos) -> usize {
    allowed.max(1).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_leave_only_the_fresh() {
        let mut margins = Margins::default();
        let (total, allowed) = (1e6, 3_000_000);
        assert_eq!(margins.needed(total, allowed), total);
        for _ in 0..20 {
            margins.note(allowed, false);
        }
        assert!((margins.needed(total, allowed) / total - 2.0).abs() < 1e-6);
        for _ in 0..100 {
            margins.note(allowed, false);
        }
        assert_eq!(margins.needed(total, allowed), FRESH * 3e6);
        assert_eq!(margins.needed(total, 10 * allowed), total, "other deadlines, other margins");
        for _ in 0..150 {
            margins.note(allowed, true);
        }
        assert_eq!(margins.needed(total, allowed), total);
        assert_eq!(margins.needed(total, 0), total);
    }
}
