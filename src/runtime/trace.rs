//! A record of what ran with what, for timelines.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::schedule::Nanos;

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

/// Collects [`WaveRecord`]s. Cheap to clone; give one to [`Options::trace`](super::Options::trace).
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Vec<WaveRecord>>>);

impl Trace {
    /// Takes what was recorded so far, in order of issue within a submission and of retirement between them.
    pub fn take(&self) -> Vec<WaveRecord> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn extend(&self, waves: impl IntoIterator<Item = WaveRecord>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(waves);
    }
}
