//! What a straggler costs the others: runs with it beside runs of the same arrivals in which nobody straggles.
//!
//! A share in time says little by itself: some are late without a straggler too, and how many differs from one moment to the
//! next. So both runs are compared over the same time, over many seeds at once: a window then holds thousands of requests.

use fascine::schedule::Nanos;
use fascine_bench::simulator::{Report, WINDOW};

/// Windows of [`WINDOW`] that are looked at together: half a second.
const SPAN: usize = 10;
/// The others are back while the part in time is at most this much less than without a straggler. Guessed; what chance does is
/// less. At 8 tenants and 16 seeds half a second holds some 10,000 requests of which 3 % are late, in bursts of about ten, so
/// that the standard deviation is about half a point.
const MARGIN: f64 = 0.02;

/// Requests of all tenants but the straggler, by window of arrival from the start of the straggling to its end: those that
/// came, and those in time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Victims(Vec<[u32; 2]>);

impl Victims {
    /// Of the first `tenants` streams of all runs, whose arrivals from `from` to `until` count.
    pub(super) fn new<'a>(runs: impl Iterator<Item = &'a Report>, tenants: usize, from: Nanos, until: Nanos) -> Self {
        let first = (from / WINDOW) as usize;
        let mut all = vec![[0, 0]; (until / WINDOW) as usize - first];
        for stream in runs.flat_map(|report| &report.streams[..tenants]) {
            for (all, window) in all.iter_mut().zip(stream.windows.iter().skip(first)) {
                *all = [all[0] + window[0], all[1] + window[1]];
            }
        }
        Victims(all)
    }

    /// The part in time of those that came from so long after the start on.
    pub(super) fn in_time(&self, after: Nanos) -> f64 {
        part(&self.0[((after / WINDOW) as usize).min(self.0.len())..])
    }

    /// How long after the start the others are back: in each half second that begins then or later, while the straggler is
    /// slow, at most [`MARGIN`] less are in time than in the same half second of the undisturbed runs. None if not even the last
    /// half second is so.
    pub(super) fn back(&self, undisturbed: &Victims) -> Option<Nanos> {
        let spans = self.0.windows(SPAN).zip(undisturbed.0.windows(SPAN));
        let bad: Vec<bool> = spans.map(|(with, without)| part(with) < part(without) - MARGIN).collect();
        let after = bad.iter().rposition(|&bad| bad).map_or(0, |last| last + 1);
        (after < bad.len()).then_some(after as Nanos * WINDOW)
    }
}

/// The part in time; 1 if none came.
fn part(windows: &[[u32; 2]]) -> f64 {
    let [arrived, in_time] = windows.iter().fold([0, 0], |sum, window| [sum[0] + window[0], sum[1] + window[1]]);
    if arrived == 0 { 1.0 } else { f64::from(in_time) / f64::from(arrived) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many windows of 100 requests of which so many are in time.
    fn victims(runs: &[(usize, u32)]) -> Victims {
        Victims(runs.iter().flat_map(|&(count, in_time)| std::iter::repeat_n([100, in_time], count)).collect())
    }

    #[test]
    fn victims_are_back_when_they_are_as_well_off_as_without_a_straggler() {
        let undisturbed = victims(&[(60, 97)]);
        let cases: [(&[(usize, u32)], Option<u64>); 6] = [
            (&[(60, 96)], Some(0)),
            (&[(60, 94)], None),
            // The first span in which at most two of twenty windows are bad.
            (&[(20, 88), (40, 97)], Some(18)),
            // One bad window is chance.
            (&[(30, 97), (1, 80), (29, 97)], Some(0)),
            (&[(30, 97), (3, 80), (27, 97)], Some(32)),
            (&[(50, 97), (10, 90)], None),
        ];
        for (runs, windows) in cases {
            assert_eq!(victims(runs).back(&undisturbed), windows.map(|windows| windows * WINDOW), "{runs:?}");
        }
        // Who is late without a straggler too is no victim.
        assert_eq!(victims(&[(60, 60)]).back(&victims(&[(60, 61)])), Some(0));
    }

    #[test]
    fn the_part_in_time_counts_from_a_moment_on() {
        let victims = victims(&[(20, 50), (40, 100)]);
        assert!((victims.in_time(0) - 50.0 / 60.0).abs() < 1e-9);
        assert_eq!(victims.in_time(20 * WINDOW), 1.0);
    }
}
