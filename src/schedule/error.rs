//! How far predictions were off.

/// Bins of a twentieth of the prediction, the last without an end.
const BINS: usize = 80;
const WIDTH: f64 = 0.05;
/// When so many have been counted, all counts are halved, so that old errors fade.
const FADE: u32 = 4_096;

/// Relative errors of the predicted durations of bundles, of late: |measured - predicted| / measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct PredictionError {
    /// Half are no greater, to a twentieth.
    pub median: f64,
    /// Ninety-five in a hundred are no greater, to a twentieth; 4 stands for anything from there.
    pub p95: f64,
    /// Bundles measured.
    pub bundles: u64,
}

#[derive(Debug)]
pub(super) struct Errors {
    bins: [u32; BINS],
    total: u32,
    bundles: u64,
}

impl Default for Errors {
    fn default() -> Self {
        Errors { bins: [0; BINS], total: 0, bundles: 0 }
    }
}

impl Errors {
    pub(super) fn add(&mut self, predicted: f64, measured: f64) {
        let error = (measured - predicted).abs() / measured.max(1.0);
        self.bins[((error / WIDTH) as usize).min(BINS - 1)] += 1;
        self.total += 1;
        self.bundles += 1;
        if self.total >= FADE {
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.total = self.bins.iter().sum();
        }
    }

    pub(super) fn summary(&self) -> PredictionError {
        PredictionError { median: self.quantile(0.5), p95: self.quantile(0.95), bundles: self.bundles }
    }

    fn quantile(&self, part: f64) -> f64 {
        let mut left = f64::from(self.total) * part;
        for (bin, &count) in self.bins.iter().enumerate() {
            left -= f64::from(count);
            if left <= 0.0 && self.total > 0 {
                return (bin + 1) as f64 * WIDTH;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_errors() {
        let mut errors = Errors::default();
        assert_eq!(errors.summary(), PredictionError::default());
        for error in 0..100 {
            errors.add(100.0 - f64::from(error), 100.0);
        }
        let summary = errors.summary();
        assert!((summary.median - 0.5).abs() <= WIDTH && (summary.p95 - 0.95).abs() <= WIDTH, "{summary:?}");
        for _ in 0..10 * FADE {
            errors.add(100.0, 100.0);
        }
        assert_eq!(errors.summary().p95, WIDTH);
    }
}
