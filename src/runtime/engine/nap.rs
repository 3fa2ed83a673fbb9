//! How long the engine sleeps while something is under way.
//!
//! On a device of its own a thread of the executor's waits for the device and sends a message. On an application's, which nobody
//! may wait for, and with an engine that the application advances: most of the way to the predicted end of the first submission
//! in flight, then in short naps.

use std::time::Duration;

use crate::schedule::Nanos;

/// The shortest nap. Guessed; operating systems add about 50 us.
const SHORTEST: Nanos = 20_000;
/// The longest nap beyond the predicted end, and where nothing is predicted, so that a device that stalls costs no core. Guessed.
const LONGEST: Nanos = 500_000;
/// The longest nap before the predicted end: what a prediction that is far too long costs at most. Guessed.
const LONGEST_AHEAD: Nanos = 2_000_000;

/// The longest sleep where messages tell what is done: what passes by the clock alone, such as deadlines of requests that have not
/// begun, is seen so often. Guessed.
pub(super) const UNTIL_TOLD: Duration = Duration::from_millis(10);

/// Naps since something last changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nap {
    /// The last one that did not go by a prediction.
    last: Option<Nanos>,
}

impl Nap {
    /// The next nap: up to seven eighths of the way to `done`.
    pub(super) fn next(&mut self, now: Nanos, done: Option<Nanos>) -> Duration {
        let ahead = done.and_then(|done| done.checked_sub(now)).map_or(0, |ahead| ahead / 8 * 7);
        let nap = if ahead > SHORTEST {
            self.last = None;
            ahead.min(LONGEST_AHEAD)
        } else {
            let nap = self.last.map_or(SHORTEST, |last| (last * 2).min(LONGEST));
            self.last = Some(nap);
            nap
        };
        Duration::from_nanos(nap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(nap: &mut Nap, now: u64, done: Option<u64>) -> u128 {
        let nanos = |micros: u64| micros * 1_000;
        nap.next(nanos(now), done.map(nanos)).as_micros()
    }

    #[test]
    fn naps_lead_up_to_the_predicted_end_and_grow_beyond_it() {
        let mut nap = Nap::default();
        let (mut now, mut naps) = (0, Vec::new());
        while now < 3_000 {
            let next = micros(&mut nap, now, Some(1_000));
            naps.push(next);
            now += next as u64;
        }
        assert_eq!(naps, [875, 109, 20, 40, 80, 160, 320, 500, 500, 500]);
    }

    #[test]
    fn a_prediction_that_is_far_too_long_is_not_slept_through() {
        assert_eq!(micros(&mut Nap::default(), 0, Some(u64::MAX / 1_000)), 2_000);
    }

    #[test]
    fn without_a_prediction_naps_double() {
        let mut nap = Nap::default();
        let naps: Vec<_> = (0..7).map(|_| micros(&mut nap, 0, None)).collect();
        assert_eq!(naps, [20, 40, 80, 160, 320, 500, 500]);
    }
}
