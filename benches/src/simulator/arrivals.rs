//! When requests come.

use std::sync::Arc;

use super::dice::Dice;
use fascine::schedule::Nanos;

/// A process of arrivals. Rates are per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Independent arrivals.
    Poisson {
        /// Per second.
        rate: f64,
    },
    /// Gaps from a Gamma distribution: bursts if `cv` is above 1.
    Gamma {
        /// Per second.
        rate: f64,
        /// Coefficient of variation of the gaps.
        cv: f64,
    },
    /// Gaps from a log-normal distribution.
    LogNormal {
        /// Per second.
        rate: f64,
        /// Standard deviation of the logarithm of the gaps.
        sigma: f64,
    },
    /// At a fixed rate, as a camera.
    Periodic {
        /// Per second.
        rate: f64,
    },
    /// So many outstanding at any time.
    Closed {
        /// How many.
        outstanding: u32,
    },
    /// At the given times.
    Trace(Arc<[Nanos]>),
}

impl Arrivals {
    /// The process with its rate multiplied; closed and traced ones are as they were.
    #[must_use]
    pub fn scaled(&self, by: f64) -> Self {
        match *self {
            Arrivals::Poisson { rate } => Arrivals::Poisson { rate: rate * by },
            Arrivals::Gamma { rate, cv } => Arrivals::Gamma { rate: rate * by, cv },
            Arrivals::LogNormal { rate, sigma } => Arrivals::LogNormal { rate: rate * by, sigma },
            Arrivals::Periodic { rate } => Arrivals::Periodic { rate: rate * by },
            Arrivals::Closed { .. } | Arrivals::Trace(_) => self.clone(),
        }
    }

    /// The times of the arrivals before `until`, in order; the same seed gives the same. Of a closed process those at the start.
    pub fn times(&self, seed: u64, until: Nanos) -> Vec<Nanos> {
        let mut dice = Dice::new(seed);
        let mut times: Vec<Nanos> = Vec::new();
        while let Some(at) = self.next(times.last().copied().unwrap_or(0), times.len(), &mut dice) {
            if at >= until {
                break;
            }
            times.push(at);
        }
        times
    }

    /// The time of arrival number `count` (from 0), given that of the one before; `None` if there is none, or if it comes
    /// when another ends.
    pub(super) fn next(&self, last: Nanos, count: usize, dice: &mut Dice) -> Option<Nanos> {
        let (rate, gap) = match *self {
            Arrivals::Poisson { rate } => (rate, dice.exponential()),
            Arrivals::Gamma { rate, cv } => (rate, dice.gamma(cv)),
            Arrivals::LogNormal { rate, sigma } => (rate, dice.log_normal(sigma) / (sigma * sigma / 2.0).exp()),
            Arrivals::Periodic { rate } => (rate, if count == 0 { dice.unit() } else { 1.0 }),
            Arrivals::Closed { outstanding } => return (count < outstanding as usize).then_some(0),
            Arrivals::Trace(ref times) => return times.get(count).copied(),
        };
        (rate > 0.0).then(|| last.saturating_add((gap * 1e9 / rate) as Nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_order_and_follow_the_seed() {
        for arrivals in [
            Arrivals::Poisson { rate: 100.0 },
            Arrivals::Gamma { rate: 100.0, cv: 4.0 },
            Arrivals::LogNormal { rate: 100.0, sigma: 1.0 },
            Arrivals::Periodic { rate: 100.0 },
        ] {
            let times = arrivals.times(7, 10_000_000_000);
            assert!(
                times.is_sorted() && times.len() > 100 && times.iter().all(|&at| at < 10_000_000_000),
                "{arrivals:?}"
            );
            assert_eq!(times, arrivals.times(7, 10_000_000_000), "{arrivals:?}");
            assert_ne!(times, arrivals.times(8, 10_000_000_000), "{arrivals:?}");
        }
        assert_eq!(Arrivals::Closed { outstanding: 3 }.times(0, 1), [0, 0, 0]);
        assert_eq!(Arrivals::Trace([1, 5, 9].into()).times(0, 9), [1, 5]);
    }

    #[test]
    fn rates_are_kept() {
        for arrivals in [
            Arrivals::Poisson { rate: 100.0 },
            Arrivals::Gamma { rate: 50.0, cv: 2.0 },
            Arrivals::LogNormal { rate: 100.0, sigma: 0.7 },
            Arrivals::Periodic { rate: 50.0 },
        ] {
            let arrivals = arrivals.scaled(2.0);
            let rate = match arrivals {
                Arrivals::Poisson { rate } | Arrivals::LogNormal { rate, .. } => rate,
                _ => 100.0,
            };
            let mut dice = Dice::new(3);
            let last = (0..20_000).fold(0, |last, count| arrivals.next(last, count, &mut dice).unwrap());
            assert!((20_000e9 / last as f64 / rate - 1.0).abs() < 0.1, "{arrivals:?}");
        }
    }
}
