//! How long a submission may be: the configured slice, or less while requests come that leave less slack, or that someone
//! waits for and that are short themselves. What a model's own requests want does not shorten their own submissions.

use super::cost::ModelIndex;
use super::{Class, DeviceModel, Nanos};

/// How long the least slack is remembered: one to two of these. Guessed: whoever asks every few seconds should not find the longest
/// submissions each time.
const MEMORY: Nanos = 5_000_000_000;
/// Fixed costs that a shortened slice holds at least, so that they do not eat it up. Guessed.
const FIXED_COSTS: Nanos = 4;
/// The part of its own time that a request of [`Class::Interactive`] may wait for submissions in flight. Guessed: three tenths are
/// little felt, and shorter slices cost throughput.
const FELT: f64 = 0.3;

#[derive(Debug)]
pub(super) struct Quantum {
    longest: Nanos,
    shortest: Nanos,
    in_flight: Nanos,
    /// What was wanted in the present period, and in that before.
    wanted: [Wanted; 2],
    period: Nanos,
}

/// The shortest slice that was wanted, by which model, and the shortest that another wanted.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    least: Nanos,
    by: ModelIndex,
    others: Nanos,
}

impl Wanted {
    const NOTHING: Wanted = Wanted { least: Nanos::MAX, by: ModelIndex::NONE, others: Nanos::MAX };

    fn add(&mut self, slice: Nanos, by: ModelIndex) {
        if self.by == by {
            self.least = self.least.min(slice);
        } else if slice < self.least {
            *self = Wanted { least: slice, by, others: self.least };
        } else {
            self.others = self.others.min(slice);
        }
    }

    fn but_for(&self, model: Option<ModelIndex>) -> Nanos {
        if model == Some(self.by) { self.others } else { self.least }
    }
}

impl Quantum {
    pub(super) fn new(longest: Nanos, in_flight: usize, device: &DeviceModel) -> Self {
        let shortest = device.bundle.saturating_add(device.submission).saturating_mul(FIXED_COSTS).min(longest);
        Quantum { longest, shortest, in_flight: in_flight.max(1) as Nanos, wanted: [Wanted::NOTHING; 2], period: 0 }
    }

    /// Notes that a request of `model` and `class` came that takes `total` by itself and leaves so much slack, if it has a
    /// deadline.
    pub(super) fn note(&mut self, model: ModelIndex, class: Class, total: Nanos, slack: Option<Nanos>, now: Nanos) {
        self.turn(now);
        // Slack is divided between the submissions in flight and the request's own.
        let by_slack = slack.map_or(Nanos::MAX, |slack| slack / (self.in_flight + 1));
        let by_class = match class {
            Class::Interactive => (total as f64 * FELT) as Nanos / self.in_flight,
            Class::Normal | Class::Background => Nanos::MAX,
        };
        self.wanted[0].add(by_slack.min(by_class), model);
    }

    /// The longest predicted duration of a submission, not counting what `model` wanted.
    pub(super) fn length(&self, model: Option<ModelIndex>) -> Nanos {
        let wanted = self.wanted[0].but_for(model).min(self.wanted[1].but_for(model));
        wanted.clamp(self.shortest, self.longest)
    }

    /// The shortest that a submission is made.
    pub(super) fn shortest(&self) -> Nanos {
        self.shortest
    }

    /// As [`Quantum::length`], for work that is to be in nobody's way: as short as can be while anyone wants shorter ones.
    pub(super) fn least(&self, model: Option<ModelIndex>) -> Nanos {
        if self.length(model) < self.longest { self.shortest } else { self.longest }
    }

    /// Notes the time: what was wanted long ago is forgotten.
    pub(super) fn turn(&mut self, now: Nanos) {
        let period = now / MEMORY;
        if period > self.period {
            let before = if period == self.period + 1 { self.wanted[0] } else { Wanted::NOTHING };
            self.wanted = [Wanted::NOTHING, before];
            self.period = period;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantum() -> Quantum {
        Quantum::new(2_000, 2, &DeviceModel { bundle: 10, submission: 15, ..DeviceModel::for_parallelism(1) })
    }

    fn at(quantum: &mut Quantum, now: Nanos) -> Nanos {
        quantum.turn(now);
        quantum.length(None)
    }

    #[test]
    fn follows_the_least_slack_for_a_while() {
        let mut quantum = quantum();
        let model = ModelIndex::at(0);
        assert_eq!(at(&mut quantum, 0), 2_000);
        quantum.note(model, Class::Normal, 50, Some(1_500), 10);
        quantum.note(model, Class::Normal, 50, Some(9_000), 20);
        for (now, expected) in [(30, 500), (MEMORY + 1, 500), (2 * MEMORY + 1, 2_000)] {
            assert_eq!(at(&mut quantum, now), expected, "at {now}");
        }
        quantum.note(model, Class::Normal, 50, Some(3), 3 * MEMORY);
        assert_eq!(at(&mut quantum, 3 * MEMORY), 100, "not all of it fixed costs");
        quantum.note(model, Class::Interactive, 8_000, Some(9_000), 6 * MEMORY);
        assert_eq!(at(&mut quantum, 6 * MEMORY), 1_200, "three tenths of its own time in two submissions");
    }

    #[test]
    fn nobody_shortens_his_own() {
        let mut quantum = quantum();
        let [a, b, c] = [0, 1, 2].map(ModelIndex::at);
        for (model, slack) in [(a, 1_500), (b, 900), (a, 1_200), (c, 3_000)] {
            quantum.note(model, Class::Normal, 50, Some(slack), 10);
        }
        assert_eq!([Some(a), Some(b), Some(c), None].map(|model| quantum.length(model)), [300, 400, 300, 300]);
    }

    #[test]
    fn what_is_to_be_in_nobodys_way_is_as_short_as_can_be() {
        let mut quantum = quantum();
        assert_eq!(quantum.least(None), 2_000, "nobody wants it shorter");
        quantum.note(ModelIndex::at(0), Class::Normal, 50, Some(1_500), 10);
        assert_eq!([None, Some(ModelIndex::at(0))].map(|model| quantum.least(model)), [100, 2_000]);
    }
}
