//! The device's clock against the host's.
//!
//! A submission that was issued at `i` and known to be done at `r`, whose bundles the device saw from `s` to `e`, says of the
//! difference `host - device` that it is at least `i - s` and at most `r - e`. Every other submission says the same of its
//! own time, and as the difference drifts slowly, of all times near it. What all of them leave is an interval.

use std::collections::BTreeMap;

use super::{BundleRecord, OnDevice};
use crate::schedule::Nanos;

/// Parts of a second by which the difference of the clocks may change in a second. Guessed: quartz clocks keep within 50
/// parts in a million, and there are two.
const DRIFT: f64 = 100e-6;

/// What both clocks say of one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) submission: u64,
    /// When it was issued, and when it was known to be done.
    pub(super) host: [Nanos; 2],
    /// When its first bundle began and its last ended.
    pub(super) device: [Nanos; 2],
}

/// Where the difference of the clocks is at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bounds {
    at: Nanos,
    low: f64,
    high: f64,
}

impl Bounds {
    fn of(flight: &Flight) -> Self {
        let Flight { host, device, .. } = flight;
        Bounds { at: host[1], low: host[0] as f64 - device[0] as f64, high: host[1] as f64 - device[1] as f64 }
    }

    /// What is left when both hold.
    fn and(self, other: Bounds) -> Bounds {
        let loose = self.at.abs_diff(other.at) as f64 * DRIFT;
        Bounds { low: self.low.max(other.low - loose), high: self.high.min(other.high + loose), ..self }
    }

    fn possible(&self) -> bool {
        self.low <= self.high
    }
}

/// Remembers the last bounds, as what is recorded is taken in parts.
#[derive(Debug, Default)]
pub(super) struct Aligner(Option<Bounds>);

impl Aligner {
    /// Says of bundles, which lie by submission, when they were on the device.
    pub(super) fn locate(&mut self, bundles: &mut [BundleRecord], mut flights: Vec<Flight>) {
        flights.sort_by_key(|flight| flight.submission);
        let bounds = self.bounds(&flights);
        let located: BTreeMap<u64, (Flight, Bounds)> =
            flights.into_iter().zip(bounds).map(|(flight, bounds)| (flight.submission, (flight, bounds))).collect();
        for bundles in bundles.chunk_by_mut(|a, b| a.submission == b.submission) {
            if let Some((flight, bounds)) = located.get(&bundles[0].submission).filter(|(_, bounds)| bounds.possible())
            {
                locate(bundles, flight, bounds);
            }
        }
    }

    /// The bounds that all submissions together leave for each of them; impossible ones for those that contradict
    /// themselves.
    fn bounds(&mut self, flights: &[Flight]) -> Vec<Bounds> {
        let mut bounds: Vec<Bounds> = flights.iter().map(Bounds::of).collect();
        let mut starts = vec![false; bounds.len()];
        let mut known = self.0;
        for (bound, start) in bounds.iter_mut().zip(&mut starts).filter(|(bound, _)| bound.possible()) {
            let joint = known.map_or(*bound, |known| bound.and(known));
            // A clock that was set anew begins anew.
            *start = !joint.possible();
            if !*start {
                *bound = joint;
            }
            known = Some(*bound);
        }
        self.0 = known;
        let mut later = None;
        for (bound, start) in bounds.iter_mut().zip(starts).rev().filter(|(bound, _)| bound.possible()) {
            *bound = later.map_or(*bound, |later| bound.and(later));
            later = (!start).then_some(*bound);
        }
        bounds
    }
}

fn locate(bundles: &mut [BundleRecord], flight: &Flight, bounds: &Bounds) {
    let offset = (bounds.low + bounds.high) / 2.0;
    let within = ((bounds.high - bounds.low) / 2.0) as Nanos;
    let host = |device: f64| (device + offset).max(0.0) as Nanos;
    let [start, end] = flight.device.map(|at| at as f64);
    let predicted: f64 = bundles.iter().map(|bundle| bundle.predicted.max(1) as f64).sum();
    let mut at = start;
    for bundle in bundles {
        let share = bundle.predicted.max(1) as f64 / predicted * (end - start);
        let next = (at + bundle.gpu.map_or(share, |gpu| gpu as f64)).min(end);
        bundle.on_device = Some(OnDevice { began: host(at), ended: host(next), within });
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The device's clock is `device(host)`; a submission takes `way` nanoseconds there, `gpu` on it and `back` to be known.
    fn flight(submission: u64, issued: u64, [way, gpu, back]: [u64; 3], device: impl Fn(u64) -> u64) -> Flight {
        let start = issued + way;
        let host = [issued, start + gpu + back];
        Flight { submission, host, device: [device(start), device(start + gpu)] }
    }

    fn bundles(flights: &[Flight], gpu: Option<u64>) -> Vec<BundleRecord> {
        let bundle = |flight: &Flight| BundleRecord {
            submission: flight.submission,
            issued: flight.host[0],
            retired: flight.host[1],
            gpu,
            on_device: None,
            predicted: 1000,
            separate: 2000,
            lanes: Vec::new(),
        };
        flights.iter().flat_map(|flight| [bundle(flight), bundle(flight)]).collect()
    }

    #[test]
    fn the_tightest_bounds_of_all_submissions_hold_for_each() {
        // The clock runs 40 parts in a million too fast.
        let device = |host: u64| 7_000_000 + host + host / 25_000;
        let ways = [[90_000, 1_000_000, 500_000], [2_000, 3_000_000, 400_000], [70_000, 2_000_000, 1_000]];
        let flights: Vec<_> = (0..30).map(|n| flight(n, n * 10_000_000, ways[n as usize % 3], device)).collect();
        let mut bundles = bundles(&flights, Some(1_000_000));
        // Bundles are recorded in order of retirement.
        bundles.reverse();
        Aligner::default().locate(&mut bundles, flights.iter().rev().copied().collect());
        for bundle in &bundles[2..] {
            let [way, ..] = ways[bundle.submission as usize % 3];
            let OnDevice { began, ended, within } = bundle.on_device.unwrap();
            assert!(bundle.issued <= began && ended <= bundle.retired, "{bundle:?}");
            assert!(within < 5_000, "{bundle:?}");
            let first = bundles.iter().find(|other| other.submission == bundle.submission).unwrap();
            let truth = bundle.issued + way;
            let off = first.on_device.unwrap().began.abs_diff(truth);
            assert!(off <= within + 1, "{off} of {bundle:?}");
        }
    }

    #[test]
    fn a_clock_that_starts_anew_and_one_that_is_wrong() {
        let early = (0..3).map(|n| flight(n, n * 1_000_000, [10_000, 500_000, 10_000], |host| 900_000_000 + host));
        let late = (3..6).map(|n| flight(n, n * 1_000_000, [10_000, 500_000, 10_000], |host| host - 2_500_000));
        let mut flights: Vec<_> = early.chain(late).collect();
        // More time on the device than on the host.
        flights[4].device[1] += 2_000_000;
        let mut bundles = bundles(&flights, None);
        Aligner::default().locate(&mut bundles, flights);
        for pair in bundles.chunks(2) {
            let bundle = &pair[0];
            let Some(OnDevice { began, within, .. }) = bundle.on_device else {
                assert_eq!(bundle.submission, 4);
                continue;
            };
            assert!(within <= 10_000 && began.abs_diff(bundle.issued + 10_000) <= within, "{bundle:?}");
            // Nobody told the bundles apart: each gets its predicted part.
            assert_eq!(pair[1].on_device.unwrap().began - began, 250_000);
        }
        assert_eq!(bundles.iter().filter(|bundle| bundle.on_device.is_none()).count(), 2);
    }

    #[test]
    fn what_was_learned_holds_for_what_is_taken_later() {
        let tight = flight(0, 0, [1_000, 500_000, 1_000], |host| host);
        let wide = flight(1, 1_000_000, [800_000, 500_000, 800_000], |host| host);
        let mut aligner = Aligner::default();
        aligner.locate(&mut bundles(&[tight], None), vec![tight]);
        let mut later = bundles(&[wide], None);
        aligner.locate(&mut later, vec![wide]);
        assert!(later[0].on_device.unwrap().within < 2_000, "{later:?}");
    }
}
