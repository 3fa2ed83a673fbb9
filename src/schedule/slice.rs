//! How long a submission may be: the configured slice, or less while requests come that leave less slack.

use super::{DeviceModel, Nanos};

/// How long the least slack is remembered: one to two of these. Guessed.
const MEMORY: Nanos = 500_000_000;
/// Fixed costs that a shortened slice holds at least, so that they do not eat it up. Guessed.
const FIXED_COSTS: Nanos = 4;

#[derive(Debug)]
pub(super) struct Slice {
    longest: Nanos,
    shortest: Nanos,
    /// Parts into which slack is divided: the submissions in flight, and the request's own.
    parts: Nanos,
    /// The least slack of the present period, and of that before.
    least: [Nanos; 2],
    period: Nanos,
}

impl Slice {
    pub(super) fn new(longest: Nanos, in_flight: usize, device: &DeviceModel) -> Self {
        let shortest = device.wave.saturating_add(device.submission).saturating_mul(FIXED_COSTS).min(longest);
        Slice { longest, shortest, parts: in_flight as Nanos + 1, least: [Nanos::MAX; 2], period: 0 }
    }

    /// Notes that a request came that leaves so much slack.
    pub(super) fn note(&mut self, slack: Nanos, now: Nanos) {
        self.turn(now);
        self.least[0] = self.least[0].min(slack);
    }

    /// The longest predicted duration of a submission now.
    pub(super) fn now(&mut self, now: Nanos) -> Nanos {
        self.turn(now);
        let least = self.least[0].min(self.least[1]);
        (least / self.parts).clamp(self.shortest, self.longest)
    }

    fn turn(&mut self, now: Nanos) {
        let period = now / MEMORY;
        if period > self.period {
            let before = if period == self.period + 1 { self.least[0] } else { Nanos::MAX };
            self.least = [Nanos::MAX, before];
            self.period = period;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_least_slack_for_a_while() {
        let mut slice =
            Slice::new(2_000, 2, &DeviceModel { wave: 10, submission: 15, ..DeviceModel::for_parallelism(1) });
        assert_eq!(slice.now(0), 2_000);
        slice.note(1_500, 10);
        slice.note(9_000, 20);
        for (now, expected) in [(30, 500), (MEMORY + 1, 500), (2 * MEMORY + 1, 2_000)] {
            assert_eq!(slice.now(now), expected, "at {now}");
        }
        slice.note(3, 3 * MEMORY);
        assert_eq!(slice.now(3 * MEMORY), 100, "not all of it fixed costs");
        assert_eq!(slice.now(9 * MEMORY), 2_000);
    }
}
