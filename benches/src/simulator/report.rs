//! What came of a simulation.

use fascine::schedule::{KernelId, Nanos, Outcome, PredictionError};

/// What became of a stream's requests (those that came after the warm-up).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamReport {
    /// Requests that came.
    pub arrived: u64,
    /// Requests that completed by their deadlines, or had none.
    pub in_time: u64,
    /// Requests that completed at all.
    pub completed: u64,
    /// Requests that were dropped, rejected or superseded.
    pub refused: u64,
    /// Requests that failed with the device.
    pub failed: u64,
    /// From arrival to end of those that completed, sorted.
    pub latencies: Vec<Nanos>,
    /// By [`WINDOW`] of the time of arrival: those that came, and those of them that were in time.
    pub windows: Vec<[u32; 2]>,
}

/// The length of a window of [`StreamReport::windows`].
pub const WINDOW: Nanos = 50_000_000;

impl StreamReport {
    pub(super) fn add(&mut self, outcome: Outcome, arrived: Nanos, latency: Nanos) {
        self.arrived += 1;
        let window = (arrived / WINDOW) as usize;
        if self.windows.len() <= window {
            self.windows.resize(window + 1, [0; 2]);
        }
        self.windows[window][0] += 1;
        self.windows[window][1] += u32::from(outcome == Outcome::Completed);
        match outcome {
            Outcome::Completed | Outcome::CompletedLate => {
                self.completed += 1;
                self.in_time += u64::from(outcome == Outcome::Completed);
                self.latencies.push(latency);
            }
            Outcome::Failed => self.failed += 1,
            _ => self.refused += 1,
        }
    }

    /// The latency that a part `quantile` of those that completed did not exceed; 0 if there are none.
    pub fn latency(&self, quantile: f64) -> Nanos {
        let at = (self.latencies.len() as f64 * quantile).ceil() as usize;
        self.latencies.get(at.clamp(1, self.latencies.len().max(1)) - 1).copied().unwrap_or(0)
    }

    /// The part of those that came that were in time; 1 if none came.
    pub fn attainment(&self) -> f64 {
        if self.arrived == 0 { 1.0 } else { self.in_time as f64 / self.arrived as f64 }
    }
}

/// What came of a simulation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// By stream.
    pub streams: Vec<StreamReport>,
    /// All streams together.
    pub total: StreamReport,
    /// Time that was reported on: from the end of the warm-up to the last end.
    pub span: Nanos,
    /// Part of all time during which the device was busy.
    pub busy: f64,
    /// Submissions, bundles and lanes issued in all.
    pub issued: [u64; 3],
    /// Lanes issued that ran as one with others of the same plan.
    pub coalesced: u64,
    /// Pipelines compiled.
    pub compiled: u64,
    /// When the last of them was compiled.
    pub compiled_at: Nanos,
    /// How often the scheduler asked for a pipeline of several kernels, and how often there was one. It asks again with each
    /// candidate for each bundle while there is none, and not at all where the bundle's pipeline has the kernel already: this is no
    /// part of bundles.
    pub lookups: [u64; 2],
    /// The same since the last was compiled.
    pub settled: [u64; 2],
    /// Requests that came before each of their kernels was compiled.
    pub cold: u64,
    /// Time during which the device idled though something was ready, for want of pipelines.
    pub blocked: Nanos,
    /// The kernels of each pipeline that there was at the end.
    pub pipelines: Vec<Vec<KernelId>>,
    /// How far predictions were off at the end.
    pub error: PredictionError,
}

impl Report {
    pub(super) fn finish(&mut self) {
        for stream in &mut self.streams {
            stream.latencies.sort_unstable();
            self.total.arrived += stream.arrived;
            self.total.in_time += stream.in_time;
            self.total.completed += stream.completed;
            self.total.refused += stream.refused;
            self.total.failed += stream.failed;
            if self.total.windows.len() < stream.windows.len() {
                self.total.windows.resize(stream.windows.len(), [0; 2]);
            }
            for (total, window) in self.total.windows.iter_mut().zip(&stream.windows) {
                *total = [total[0] + window[0], total[1] + window[1]];
            }
            self.total.latencies.extend_from_slice(&stream.latencies);
        }
        self.total.latencies.sort_unstable();
    }

    /// Requests in time per second.
    pub fn goodput(&self) -> f64 {
        self.total.in_time as f64 * 1e9 / self.span.max(1) as f64
    }

    /// Requests completed per second.
    pub fn throughput(&self) -> f64 {
        self.total.completed as f64 * 1e9 / self.span.max(1) as f64
    }
}
