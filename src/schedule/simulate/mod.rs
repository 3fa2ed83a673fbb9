//! The scheduler against a virtual device: seeded, deterministic, without a GPU.
//!
//! The very [`Scheduler`](super::Scheduler) of the runtime is driven by an event queue of arrivals, ends of submissions and
//! ends of compilations. The device runs submissions in order. A wave takes what the cost formula says for the device's true
//! rates, times a hidden factor for each kernel and noise for each wave; the scheduler knows neither factor nor noise and
//! has to learn them.

mod arrivals;
mod device;
mod dice;
mod report;
mod run;

pub use arrivals::Arrivals;
pub use report::{Report, StreamReport};
pub use run::simulate;

use std::sync::Arc;

use super::{Admission, Class, DeviceModel, Nanos, Options, PlanDesc};

/// A virtual device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VirtualDevice {
    /// Its true rates.
    pub model: DeviceModel,
    /// Spread of the hidden factor of each kernel: the standard deviation of its logarithm.
    pub skew: f64,
    /// Spread of the duration of each wave, likewise.
    pub noise: f64,
    /// Time to compile a pipeline, per kernel in it; compilations are done one after the other.
    pub compile: Nanos,
    /// Whether waves are timed on the device; otherwise only ends of submissions are known.
    pub timestamps: bool,
}

impl VirtualDevice {
    /// A device like `model`, somewhat unlike its prediction.
    pub fn new(model: DeviceModel) -> Self {
        VirtualDevice { model, skew: 0.3, noise: 0.05, compile: 300_000_000, timestamps: true }
    }
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
    /// Who asks.
    pub streams: Vec<Stream>,
}
