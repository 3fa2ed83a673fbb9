//! A record of what ran with what, for timelines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::schedule::{Nanos, Outcome};

/// A lane as it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneRecord {
    /// The request, unique in its runtime.
    pub request: u64,
    /// The model, unique in its runtime.
    pub model: u64,
    /// The model's name.
    pub name: Arc<str>,
    /// The nodes that the dispatch computes.
    pub label: Arc<str>,
    /// The kernel.
    pub kernel: Arc<str>,
    /// First workgroup of the dispatch's grid.
    pub first: u32,
    /// Number of workgroups.
    pub count: u32,
}

/// A wave as it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaveRecord {
    /// The submission that carried it.
    pub submission: u64,
    /// When the submission was issued, on the runtime's clock.
    pub issued: Nanos,
    /// When the host learned that the submission was done.
    pub retired: Nanos,
    /// Nanoseconds on the device, where it has timestamps.
    pub gpu: Option<Nanos>,
    /// What ran.
    pub lanes: Vec<LaneRecord>,
}

/// A request from its coming to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// The request, unique in its runtime.
    pub request: u64,
    /// The model, unique in its runtime.
    pub model: u64,
    /// The model's name.
    pub name: Arc<str>,
    /// When it came, on the runtime's clock.
    pub submitted: Nanos,
    /// When its first lane was issued, if one was.
    pub started: Option<Nanos>,
    /// When it ended.
    pub ended: Nanos,
    /// When it should have.
    pub deadline: Option<Nanos>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Levels when a submission was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LevelRecord {
    /// When, on the runtime's clock.
    pub at: Nanos,
    /// Requests that have come and not ended.
    pub requests: usize,
    /// Lanes on the device.
    pub lanes: usize,
    /// Bytes of requests' memory in use on the device.
    pub heap_bytes: u64,
}

/// All that was recorded.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Records {
    /// In order of issue within a submission and of retirement between them.
    pub waves: Vec<WaveRecord>,
    /// In order of their ends. Those that ended while they waited for memory are not among them.
    pub requests: Vec<RequestRecord>,
    /// In order of time.
    pub levels: Vec<LevelRecord>,
}

/// Collects [`Records`]. Cheap to clone; give one to [`Options::trace`](super::Options::trace).
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Records>>);

impl Trace {
    /// Takes what was recorded so far, and returns the waves.
    pub fn take(&self) -> Vec<WaveRecord> {
        self.take_all().waves
    }

    /// Takes what was recorded so far.
    pub fn take_all(&self) -> Records {
        std::mem::take(&mut *self.records())
    }

    pub(super) fn extend(&self, waves: impl IntoIterator<Item = WaveRecord>) {
        self.records().waves.extend(waves);
    }

    pub(super) fn add_request(&self, request: RequestRecord) {
        self.records().requests.push(request);
    }

    pub(super) fn add_level(&self, level: LevelRecord) {
        self.records().levels.push(level);
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
