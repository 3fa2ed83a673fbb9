//! How long a submission may be: the configured slice, or less while requests come that leave less slack, or that someone
//! waits for and that are short themselves.

use super::{Class, DeviceModel, Nanos};

/// How long the least slack is remembered: one to two of these. Guessed.
const MEMORY: Nanos = 500_000_000;
/// Fixed costs that a shortened slice holds at least, so that they do not eat it up. Guessed.
const FIXED_COSTS: Nanos = 4;

/// The part of its own time that a request of [`Class::Interactive`] may wait for submissions in flight. Guessed: a fifth is
/// hardly felt, and shorter slices cost throughput.
const FELT: f64 = 0.2;

#[derive(Debug)]
pub(super) struct Slice {
    longest: Nanos,
    shortest: Nanos,
    in_flight: Nanos,
    /// The shortest slice that was wanted in the present period, and in that before.
    least: [Nanos; 2],
    period: Nanos,
}

impl Slice {
    pub(super) fn new(longest: Nanos, in_flight: usize, device: &DeviceModel) -> Self {
        let shortest = device.wave.saturating_add(device.submission).saturating_mul(FIXED_COSTS).min(longest);
        Slice { longest, shortest, in_flight: in_flight.max(1) as Nanos, least: [Nanos::MAX; 2], period: 0 }
    }

    /// Notes that a request of `class` came that takes `total` by itself and leaves so much slack, if it has a deadline.
    pub(super) fn note(&mut self, class: Class, total: Nanos, slack: Option<Nanos>, now: Nanos) {
        self.turn(now);
        // Slack is divided between the submissions in flight and the request's own.
        let by_slack = slack.map_or(Nanos::MAX, |slack| slack / (self.in_flight + 1));
        let by_class = match class {
            Class::Interactive => (total as f64 * FELT) as Nanos / self.in_flight,
            Class::Normal | Class::Background => Nanos::MAX,
        };
        self.least[0] = self.least[0].min(by_slack).min(by_class);
    }

    /// The longest predicted duration of a submission now.
    pub(super) fn now(&mut self, now: Nanos) -> Nanos {
        self.turn(now);
        self.least[0].min(self.least[1]).clamp(self.shortest, self.longest)
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
        slice.note(Class::Normal, 50, Some(1_500), 10);
        slice.note(Class::Normal, 50, Some(9_000), 20);
        for (now, expected) in [(30, 500), (MEMORY + 1, 500), (2 * MEMORY + 1, 2_000)] {
            assert_eq!(slice.now(now), expected, "at {now}");
        }
        slice.note(Class::Normal, 50, Some(3), 3 * MEMORY);
        assert_eq!(slice.now(3 * MEMORY), 100, "not all of it fixed costs");
        slice.note(Class::Interactive, 8_000, Some(9_000), 6 * MEMORY);
        assert_eq!(slice.now(6 * MEMORY), 800, "a fifth of its own time in two submissions");
        assert_eq!(slice.now(9 * MEMORY), 2_000);
    }
}
