//! What the runtime's trace tells: when requests got to the device; and, if asked for, the trace itself.

use std::collections::{HashMap, VecDeque};

use fascine::runtime::trace::{BundleRecord, Records, Trace};
use fascine::schedule::Nanos;

/// Lanes of a trace that are kept: Perfetto opens files of some hundred megabytes.
const MAX_LANES: usize = 200_000;
/// Requests whose starts are remembered: those that nobody asks for are forgotten.
const MAX_STARTS: usize = 100_000;
/// Bundles that are remembered: many more than run while one request is served.
const MAX_BUNDLES: usize = 50_000;

/// A bundle as it ran.
#[derive(Clone, Copy, Debug)]
struct Ran {
    from: Nanos,
    to: Nanos,
    predicted: Nanos,
}

/// Reads a trace as it grows, so that it stays small.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    trace: Trace,
    /// When the device was done with the submission before.
    free: Nanos,
    starts: HashMap<u64, Nanos>,
    /// In order.
    ran: VecDeque<Ran>,
    kept: Option<Records>,
    lanes: usize,
}

impl Watch {
    pub(crate) fn new(trace: Trace) -> Self {
        Watch { trace, ..Watch::default() }
    }

    /// Forgets what was seen, and keeps the trace from now on if that is wanted, as far as there is room for it.
    pub(crate) fn restart(&mut self, keep: bool) {
        self.trace.take_all();
        self.starts.clear();
        self.ran.clear();
        self.kept = keep.then(Records::default);
        self.lanes = 0;
    }

    /// Takes in what was recorded since the last look.
    pub(crate) fn look(&mut self) {
        let records = self.trace.take_all();
        for bundles in records.bundles.chunk_by(|a, b| a.submission == b.submission) {
            self.submission(bundles);
        }
        if self.lanes < MAX_LANES
            && let Some(kept) = &mut self.kept
        {
            self.lanes += records.bundles.iter().map(|bundle| bundle.lanes.len()).sum::<usize>();
            kept.bundles.extend(records.bundles);
            kept.requests.extend(records.requests);
            kept.levels.extend(records.levels);
        }
    }

    /// The device runs submissions in order. It tells how long bundles took, not when: they are laid end to end.
    fn submission(&mut self, bundles: &[BundleRecord]) {
        let Some(first) = bundles.first() else { return };
        let mut at = first.issued.max(self.free).min(first.retired);
        self.free = first.retired;
        if self.starts.len() > MAX_STARTS {
            self.starts.clear();
        }
        let each = first.retired.saturating_sub(at) / bundles.len() as u64;
        for bundle in bundles {
            for lane in &bundle.lanes {
                self.starts.entry(lane.request).or_insert(at);
            }
            let took = bundle.gpu.unwrap_or(each);
            if self.ran.len() == MAX_BUNDLES {
                self.ran.pop_front();
            }
            self.ran.push_back(Ran { from: at, to: at + took, predicted: bundle.predicted });
            at += took;
        }
    }

    /// When a request's first dispatch began on the device, on the runtime's clock, if that was seen.
    pub(crate) fn take_start(&mut self, request: u64) -> Option<Nanos> {
        self.starts.remove(&request)
    }

    /// How long the device was to be busy by prediction with what it did between two times.
    pub(crate) fn predicted(&self, from: Nanos, to: Nanos) -> Nanos {
        let first = self.ran.partition_point(|bundle| bundle.to <= from);
        let bundles = self.ran.range(first..).take_while(|bundle| bundle.from < to);
        let part = |bundle: &Ran| {
            let within = bundle.to.min(to).saturating_sub(bundle.from.max(from));
            bundle.predicted as f64 * within as f64 / (bundle.to - bundle.from).max(1) as f64
        };
        bundles.map(part).sum::<f64>() as Nanos
    }

    /// Takes over what another kept.
    pub(crate) fn adopt(&mut self, other: Watch) {
        self.kept = other.kept;
    }

    /// What was kept.
    pub(crate) fn take_records(&mut self) -> Records {
        self.kept.take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use fascine::runtime::trace::LaneRecord;

    use super::*;

    fn bundle(submission: u64, times: [Nanos; 3], requests: &[u64]) -> BundleRecord {
        let lane = |&request: &u64| LaneRecord {
            dispatch: 0,
            coalesced: 1,
            request,
            model: 0,
            name: "m".into(),
            label: "d".into(),
            kernel: "k".into(),
            first: 0,
            count: 1,
        };
        let [issued, retired, gpu] = times;
        BundleRecord {
            submission,
            issued,
            retired,
            gpu: Some(gpu),
            on_device: None,
            predicted: gpu,
            separate: gpu,
            lanes: requests.iter().map(lane).collect(),
        }
    }

    #[test]
    fn a_request_starts_with_its_first_bundle() {
        let mut watch = Watch::default();
        watch.submission(&[bundle(0, [10, 100, 30], &[1]), bundle(0, [10, 100, 40], &[2, 1])]);
        watch.submission(&[bundle(1, [20, 180, 50], &[2]), bundle(1, [20, 180, 10], &[3])]);
        assert_eq!([1, 2, 3, 4].map(|id| watch.take_start(id)), [Some(10), Some(40), Some(150), None]);
        watch.submission(&[bundle(2, [500, 600, 1], &[4])]);
        assert_eq!(watch.take_start(4), Some(500), "the device was idle");
    }

    #[test]
    fn a_wait_is_told_by_prediction_too() {
        let mut watch = Watch::default();
        let slow = BundleRecord { predicted: 10, ..bundle(0, [0, 110, 40], &[1]) };
        watch.submission(&[slow.clone(), bundle(0, [0, 110, 50], &[2]), slow]);
        for (from, to, expected) in [(0, 90, 60), (20, 40, 5), (20, 65, 30), (40, 1_000, 60), (200, 300, 0)] {
            assert_eq!(watch.predicted(from, to), expected, "{from} to {to}");
        }
    }
}
