//! A record of what ran with what, and when, for timelines.

mod align;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::schedule::{Nanos, Outcome};
use align::{Aligner, Flight};

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
    /// Index into the plan's dispatches.
    pub dispatch: u32,
    /// How many lanes ran as one, this one first: 1 for a lane of its own, 0 for those that follow the first.
    pub coalesced: u32,
    /// First workgroup of the dispatch's grid.
    pub first: u32,
    /// Number of workgroups.
    pub count: u32,
}

/// A bundle as it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleRecord {
    /// The submission that carried it.
    pub submission: u64,
    /// When the submission was issued, on the runtime's clock.
    pub issued: Nanos,
    /// When the host learned that the submission was done, on the same clock.
    pub retired: Nanos,
    /// Nanoseconds on the device, where it tells bundles apart.
    pub gpu: Option<Nanos>,
    /// When it was on the device, where the device has timestamps that fit the host's clock.
    pub on_device: Option<OnDevice>,
    /// Predicted nanoseconds.
    pub predicted: Nanos,
    /// Predicted nanoseconds had each lane been a bundle of its own.
    pub separate: Nanos,
    /// What ran.
    pub lanes: Vec<LaneRecord>,
}

/// A stretch of time on the device, brought to the runtime's clock.
///
/// The device has a clock of its own. Each submission bounds the difference between the two: its first bundle began after the
/// host issued it, its last ended before the host knew. The bounds of all submissions together, each loosened by the time
/// between them times the drift that two clocks may have (100 parts in a million), leave an interval; its middle is taken.
/// Of a device that times whole submissions only ([`BundleRecord::gpu`] is `None`), bundles share the time as was predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OnDevice {
    /// When the bundle began, on the runtime's clock.
    pub began: Nanos,
    /// When it ended.
    pub ended: Nanos,
    /// Nanoseconds by which both may be off, in the same direction.
    pub within: Nanos,
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

/// Levels when something came, was issued, retired or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LevelRecord {
    /// When, on the runtime's clock.
    pub at: Nanos,
    /// Requests that have come and not ended.
    pub requests: usize,
    /// Those of them of which nothing has been issued.
    pub queued: usize,
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
    pub bundles: Vec<BundleRecord>,
    /// In order of their ends.
    pub requests: Vec<RequestRecord>,
    /// In order of time.
    pub levels: Vec<LevelRecord>,
}

/// Collects [`Records`]. Cheap to clone; give one to [`Options::trace`](super::Options::trace).
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Collected>>);

#[derive(Debug, Default)]
struct Collected {
    records: Records,
    /// Of each submission that the device timed, in the order in which their bundles are recorded.
    flights: Vec<Flight>,
    aligner: Aligner,
}

impl Trace {
    /// Takes what was recorded so far, and returns the bundles.
    pub fn take(&self) -> Vec<BundleRecord> {
        self.take_all().bundles
    }

    /// Takes what was recorded so far.
    pub fn take_all(&self) -> Records {
        let mut collected = self.collected();
        let Collected { records, flights, aligner } = &mut *collected;
        let mut records = std::mem::take(records);
        aligner.locate(&mut records.bundles, std::mem::take(flights));
        records
    }

    /// Adds the bundles of a submission, with when the first began and the last ended on the device's clock.
    pub(super) fn extend(&self, bundles: Vec<BundleRecord>, span: Option<[Nanos; 2]>) {
        let mut collected = self.collected();
        if let (Some(device), Some(BundleRecord { submission, issued, retired, .. })) = (span, bundles.first()) {
            let flight = Flight { submission: *submission, host: [*issued, *retired], device };
            collected.flights.push(flight);
        }
        collected.records.bundles.extend(bundles);
    }

    pub(super) fn add_request(&self, request: RequestRecord) {
        self.collected().records.requests.push(request);
    }

    pub(super) fn add_level(&self, level: LevelRecord) {
        self.collected().records.levels.push(level);
    }

    fn collected(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
