//! What the runtime's trace tells: when requests got to the device; and, if asked for, the trace itself.

use std::collections::{HashMap, VecDeque};

use fascine::runtime::trace::{Records, Trace, WaveRecord};
use fascine::schedule::Nanos;

/// Lanes of a trace that are kept: Perfetto opens files of some hundred megabytes.
const MAX_LANES: usize = 200_000;
/// Requests whose starts are remembered: those that nobody asks for are forgotten.
const MAX_STARTS: usize = 100_000;
/// Waves that are remembered: many more than run while one request is served.
const MAX_WAVES: usize = 50_000;

/// A wave as it ran.
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
        for waves in records.waves.chunk_by(|a, b| a.submission == b.submission) {
            self.submission(waves);
        }
        if self.lanes < MAX_LANES
            && let Some(kept) = &mut self.kept
        {
            self.lanes += records.waves.iter().map(|wave| wave.lanes.len()).sum::<usize>();
            kept.waves.extend(records.waves);
            kept.requests.extend(records.requests);
            kept.levels.extend(records.levels);
        }
    }

    /// The device runs submissions in order. It tells how long waves took, not when: they are laid end to end.
    fn submission(&mut self, waves: &[WaveRecord]) {
        let Some(first) = waves.first() else { return };
        let mut at = first.issued.max(self.free).min(first.retired);
        self.free = first.retired;
        if self.starts.len() > MAX_STARTS {
            self.starts.clear();
        }
        let each = first.retired.saturating_sub(at) / waves.len() as u64;
        for wave in waves {
            for lane in &wave.lanes {
                self.starts.entry(lane.request).or_insert(at);
            }
            let took = wave.gpu.unwrap_or(each);
            if self.ran.len() == MAX_WAVES {
                self.ran.pop_front();
            }
            self.ran.push_back(Ran { from: at, to: at + took, predicted: wave.predicted });
            at += took;
        }
    }

    /// When a request's first dispatch began on the device, on the runtime's clock, if that was seen.
    pub(crate) fn take_start(&mut self, request: u64) -> Option<Nanos> {
        self.starts.remove(&request)
    }

    /// How long the device was to be busy by prediction with what it did between two times.
    pub(crate) fn predicted(&self, from: Nanos, to: Nanos) -> Nanos {
        let first = self.ran.partition_point(|wave| wave.to <= from);
        let waves = self.ran.range(first..).take_while(|wave| wave.from < to);
        let part = |wave: &Ran| {
            let within = wave.to.min(to).saturating_sub(wave.from.max(from));
            wave.predicted as f64 * within as f64 / (wave.to - wave.from).max(1) as f64
        };
        waves.map(part).sum::<f64>() as Nanos
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

    fn wave(submission: u64, times: [Nanos; 3], requests: &[u64]) -> WaveRecord {
        let lane = |&request: &u64| LaneRecord {
            dispatch: 0,
            gathered: 1,
            request,
            model: 0,
            name: "m".into(),
            label: "d".into(),
            kernel: "k".into(),
            first: 0,
            count: 1,
        };
        let [issued, retired, gpu] = times;
        WaveRecord {
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
    fn a_request_starts_with_its_first_wave() {
        let mut watch = Watch::default();
        watch.submission(&[wave(0, [10, 100, 30], &[1]), wave(0, [10, 100, 40], &[2, 1])]);
        watch.submission(&[wave(1, [20, 180, 50], &[2]), wave(1, [20, 180, 10], &[3])]);
        assert_eq!([1, 2, 3, 4].map(|id| watch.take_start(id)), [Some(10), Some(40), Some(150), None]);
        watch.submission(&[wave(2, [500, 600, 1], &[4])]);
        assert_eq!(watch.take_start(4), Some(500), "the device was idle");
    }

    #[test]
    fn a_wait_is_told_by_prediction_too() {
        let mut watch = Watch::default();
        let slow = WaveRecord { predicted: 10, ..wave(0, [0, 110, 40], &[1]) };
        watch.submission(&[slow.clone(), wave(0, [0, 110, 50], &[2]), slow]);
        for (from, to, expected) in [(0, 90, 60), (20, 40, 5), (20, 65, 30), (40, 1_000, 60), (200, 300, 0)] {
            assert_eq!(watch.predicted(from, to), expected, "{from} to {to}");
        }
    }
}
