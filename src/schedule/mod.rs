//! The scheduler: which ready dispatches of which requests go together, and when.
//!
//! A pure state machine. It has no clock (every call is told the time), no GPU (the caller runs what it issues and reports
//! back), no thread, and no randomness: the same calls give the same decisions.
//!
//! A request's dispatches are a scoreboard: one is ready when those that it depends on have been issued in earlier bundles,
//! because the device runs bundles in order of issue. Ready dispatches wait in a queue for each kernel, ordered by urgency.
//! [`Scheduler::issue`] forms one bundle after the other until the slice is full: the most urgent dispatch leads, and others
//! join where the cost model predicts that this takes less time than going apart and there is a pipeline for all kernels.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod admission;
mod bundle;
mod catch_up;
mod coalesce;
mod core;
mod cost;
mod error;
mod formula;
mod hold;
mod lead;
pub mod log;
mod memory;
mod merging;
mod options;
mod parts;
mod plan;
mod quantum;
mod queue;
mod replay;
mod request;
mod scheduler;
mod straggler;

pub use cost::Learned;
pub use error::PredictionError;
pub use formula::{BundleEstimate, CoalescedEstimate, Estimate, Formula};
pub use options::{Coalesce, DeviceModel, HoldBack, Options, Order, Parts, Policy};
pub use replay::{Difference, Replayed, replay};
pub use scheduler::{Cancelled, Kept, Retired, Scheduler, Stats};

/// Nanoseconds on the caller's clock.
pub type Nanos = u64;

/// A linked kernel (a variant with the segments of its bindings), interned by the caller. The scheduler says kernel for short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KernelId(pub u32);

/// A model. A number is never used for another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelId(pub u64);

/// A request, unique for the scheduler's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A submission, unique for the scheduler's life and ascending in order of issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SubmissionId(pub u64);

/// How a request ranks beside others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Someone waits for it.
    Interactive,
    /// The default.
    #[default]
    Normal,
    /// Whenever nothing else wants the device.
    Background,
}

/// How requests run a dispatch as one lane: weights are then read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CoalesceDesc {
    /// What runs: as many workgroups as for one request, each doing the work of all.
    pub kernel: KernelId,
    /// The fewest requests, at least two.
    pub least: u32,
    /// The most requests.
    pub width: u32,
    /// The part of [`DispatchDesc::bytes`] that is moved once for all.
    pub shared: u64,
    /// Dispatches of the model's plans that have the same number here are the same but for where the memory of their requests lies,
    /// and run as one lane whichever plans they are of. Without a number requests of one plan alone do.
    #[serde(default)]
    pub alike: Option<u64>,
}

/// A dispatch as the scheduler sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchDesc {
    /// What runs.
    pub kernel: KernelId,
    /// Workgroups of its grid; never zero.
    pub workgroups: u32,
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Indices of earlier dispatches of the same request.
    pub deps: Vec<u32>,
    /// How it runs for several requests at once, if it can.
    pub coalesce: Option<CoalesceDesc>,
}

/// What the scheduler knows of a request's plan. Shared by all requests of the plan with the same segments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDesc {
    /// The model that it belongs to, for fairness and statistics.
    pub model: ModelId,
    /// In an order that respects `deps`.
    pub dispatches: Vec<DispatchDesc>,
}

/// What becomes of a request that cannot keep its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Admission {
    /// It runs none the less, behind those that can keep theirs, as best effort of its class.
    #[default]
    RunLate,
    /// It is dropped as soon as it can no longer keep it by prediction.
    DropLate,
    /// It is refused when it comes, if it is predicted to miss; once admitted, it runs even if late.
    RejectPredictedMiss,
}

/// A request to schedule.
#[derive(Clone, Debug, Default)]
pub struct RequestDesc {
    /// Its dispatches.
    pub plan: Arc<PlanDesc>,
    /// When it should be done, on the caller's clock; `None` is best effort.
    pub deadline: Option<Nanos>,
    /// Its rank.
    pub class: Class,
    /// What becomes of it if it cannot keep its deadline.
    pub admission: Admission,
    /// It takes the place of an earlier request with the same key of which nothing has been issued.
    pub key: Option<u64>,
    /// Bytes of device memory that it takes when it begins, from [`Pipelines::begin`] to its end; 0 is none, and then nobody asks.
    pub memory: u64,
}

/// A range of workgroups of one dispatch of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    /// Whose.
    pub request: RequestId,
    /// Index into the plan's dispatches.
    pub dispatch: u32,
    /// What runs.
    pub kernel: KernelId,
    /// First workgroup of the dispatch's grid.
    pub first: u32,
    /// Number of workgroups.
    pub count: u32,
    /// How many lanes run as one, this one first: 1 for a lane of its own, 0 for those that follow the first.
    pub coalesced: u32,
}

/// Lanes that the device runs at the same time, as one dispatch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// At least one.
    pub lanes: Vec<Lane>,
    /// Predicted duration.
    pub predicted: Nanos,
    /// Predicted duration had each lane been a bundle of its own.
    pub separate: Nanos,
}

impl Bundle {
    /// Its lanes in runs of those that run as one.
    pub fn runs(&self) -> impl Iterator<Item = &[Lane]> {
        self.lanes.chunk_by(|_, next| next.coalesced == 0)
    }

    /// Its kernels, sorted, without duplicates.
    pub fn kernels(&self) -> Vec<KernelId> {
        let mut kernels: Vec<_> = self.lanes.iter().map(|lane| lane.kernel).collect();
        kernels.sort_unstable();
        kernels.dedup();
        kernels
    }
}

/// Bundles that go to the device together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Its name, for [`Scheduler::retire`].
    pub id: SubmissionId,
    /// In order; each sees the memory that earlier ones wrote.
    pub bundles: Vec<Bundle>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// Every dispatch ran, by the deadline if there was one.
    Completed,
    /// Every dispatch ran, but the deadline had passed.
    CompletedLate,
    /// It could not keep its deadline, and [`Admission::DropLate`] was asked for.
    Dropped,
    /// It was predicted to miss its deadline when it came, and [`Admission::RejectPredictedMiss`] was asked for.
    Rejected,
    /// A later request with the same key took its place.
    Superseded,
    /// It was cancelled before every dispatch was issued.
    Cancelled,
    /// The caller could not make a pipeline for it, or its plan was malformed.
    Failed,
}

/// A request that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub request: RequestId,
    /// How.
    pub outcome: Outcome,
    /// When the last submission that holds a lane of it retired (or at once, where nothing was issued).
    pub at: Nanos,
}

/// Which pipelines and what memory there is. The scheduler issues a bundle only when [`Pipelines::ready`] says yes for its kernels.
pub trait Pipelines {
    /// Whether a bundle of `kernels` (sorted, no duplicates) could issue now, on its own pipeline or a superset's.
    fn ready(&mut self, kernels: &[KernelId]) -> bool;
    /// Says that this set would have been used, had it been ready.
    fn want(&mut self, kernels: &[KernelId]);
    /// Whether the two kernels may share a pipeline at all (same workgroup size, and so on). Symmetric.
    fn compatible(&self, a: KernelId, b: KernelId) -> bool;
    /// Takes the memory of a request that is about to issue for the first time, all or nothing. `false` if there is no room for it
    /// now, or less than `spare` further bytes would be left: it waits then, and is asked about again in a later call of
    /// [`Scheduler::issue`].
    fn begin(&mut self, request: RequestId, spare: u64) -> bool {
        let _ = (request, spare);
        true
    }
}
