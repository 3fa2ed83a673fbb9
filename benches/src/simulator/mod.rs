//! The scheduler against a virtual device: seeded, deterministic, without a GPU.
//!
//! The very [`Scheduler`](fascine::schedule::Scheduler) of the runtime is driven by an event queue of arrivals, ends of submissions and
//! ends of compilations. The device runs submissions in order. A bundle takes what the cost formula says for the device's true
//! rates, times a hidden factor for each kernel and noise for each bundle; the scheduler knows neither factor nor noise and
//! has to learn them.

mod arrivals;
mod batch;
mod compiler;
mod device;
mod dice;
mod jobs;
mod machine;
mod report;
mod run;

pub use arrivals::Arrivals;
pub use machine::Rated;
pub use report::{Report, StreamReport, WINDOW};
pub use run::simulate;

use std::sync::Arc;

use fascine::schedule::{Admission, Class, DeviceModel, Nanos, Options, PlanDesc};

/// A virtual device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VirtualDevice {
    /// Its true rates.
    pub model: DeviceModel,
    /// Spread of the hidden factor of each kernel: the standard deviation of its logarithm.
    pub skew: f64,
    /// Spread of the duration of each bundle, likewise.
    pub noise: f64,
    /// Time to compile a pipeline, per kernel in it; compilations are done one after the other.
    pub compile: Nanos,
    /// Whether bundles are timed on the device; otherwise only ends of submissions are known.
    pub timestamps: bool,
    /// From the end of a submission on the device until the host knows, and from the host to an idle device.
    pub notice: Nanos,
    /// Cost of a dispatch that follows another without a barrier; only [`Front::SpaceOnly`] has such.
    pub dispatch: Nanos,
    /// What bundles take.
    pub law: Law,
}

/// What decides how long bundles take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Law {
    /// The scheduler's own formula at true rates.
    #[default]
    Formula,
    /// A law of its own, which the scheduler does not know.
    Machine(Rated),
}

/// From the end of a submission until the host knows. Guessed.
const NOTICE: Nanos = 20_000;
/// The part of a bundle's fixed cost that a dispatch without a barrier costs. Guessed.
const DISPATCH: Nanos = 4;

impl VirtualDevice {
    /// A device like `model`, somewhat unlike its prediction.
    pub fn new(model: DeviceModel) -> Self {
        VirtualDevice {
            model,
            skew: 0.3,
            noise: 0.05,
            compile: 300_000_000,
            timestamps: true,
            notice: NOTICE,
            dispatch: model.bundle / DISPATCH,
            law: Law::Formula,
        }
    }
}

/// What stands between the streams and the device besides the scheduler: the baselines that are no policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Front {
    /// Nothing.
    #[default]
    Direct,
    /// B2, space-only: dispatches of a submission that do not depend on each other overlap on the device, as dispatches
    /// without a barrier between them do, each at a cost of its own. For [`Policy::OnePass`](fascine::schedule::Policy::OnePass).
    SpaceOnly,
    /// B4: requests of a stream go as batches, as those of a server with a dynamic batcher. For
    /// [`Policy::TimeOnly`](fascine::schedule::Policy::TimeOnly). Streams' classes, admission and latest-wins do not apply; requests
    /// whose deadlines have passed when their batch is made are refused.
    Batching {
        /// How long the first request of a batch waits for others at most.
        window: Nanos,
        /// Requests of a batch.
        most: u32,
    },
}

/// The device is gone for a while: what has begun fails, what waits goes on waiting, and every pipeline is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// When.
    pub at: Nanos,
    /// For how long.
    pub lasts: Nanos,
}

/// A time during which a stream's dispatches take longer than they should.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Straggle {
    /// From when.
    pub from: Nanos,
    /// Until when.
    pub until: Nanos,
    /// How many times as long.
    pub factor: f64,
}

/// A source of requests.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What each request runs.
    pub plan: Arc<PlanDesc>,
    /// When requests come.
    pub arrivals: Arrivals,
    /// Time from arrival to deadline.
    pub deadline: Option<Nanos>,
    /// Rank.
    pub class: Class,
    /// What becomes of requests that cannot keep their deadlines.
    pub admission: Admission,
    /// Whether a request takes the place of the stream's last one where that has not begun.
    pub latest_wins: bool,
    /// A fault.
    pub straggle: Option<Straggle>,
    /// When the tenant comes: no requests before.
    pub from: Nanos,
    /// When it goes: no requests after.
    pub until: Nanos,
    /// By dispatch, its true duration as a bundle of its own, in place of the estimate and hidden factors.
    pub measured: Option<Arc<[Nanos]>>,
    /// By dispatch, its true duration as a bundle of its own for as many requests as its `coalesce` takes at most, where it is known.
    pub coalesced: Option<Arc<[Option<Nanos>]>>,
    /// By dispatch, the bytes of weights among those that it moves: a batch moves them once.
    pub weights: Option<Arc<[u64]>>,
}

impl Stream {
    /// Requests of normal class that are run even if late.
    pub fn new(plan: Arc<PlanDesc>, arrivals: Arrivals, deadline: Option<Nanos>) -> Self {
        Stream {
            plan,
            arrivals,
            deadline,
            class: Class::Normal,
            admission: Admission::RunLate,
            latest_wins: false,
            straggle: None,
            from: 0,
            until: Nanos::MAX,
            measured: None,
            coalesced: None,
            weights: None,
        }
    }
}

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The same seed gives the same report.
    pub seed: u64,
    /// Arrivals before this are not reported: the time to learn and to compile.
    pub warm_up: Nanos,
    /// No arrivals after this. What has arrived is run to its end.
    pub duration: Nanos,
    /// The device.
    pub device: VirtualDevice,
    /// The scheduler's options.
    pub options: Options,
    /// What stands before the scheduler.
    pub front: Front,
    /// Losses of the device.
    pub losses: Vec<Loss>,
    /// Who asks.
    pub streams: Vec<Stream>,
}
