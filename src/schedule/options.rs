//! What a scheduler is told when it is made.

use serde::{Deserialize, Serialize};

use super::Nanos;

/// How dispatches leave: the arms of the benchmarks, on one code path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Policy {
    /// Every dispatch is a submission of its own, one in flight.
    SubmitEach,
    /// One request at a time, first come first served; all of its dispatches in one submission, a bundle each.
    TimeOnly,
    /// All ready dispatches of all requests in turn, a bundle each, many bundles a submission.
    OnePass,
    /// Bundles of many lanes.
    #[default]
    Bundled,
    /// As [`Policy::Bundled`], and dispatches that are ready share bundles whether that pays or not: what its choice is held against.
    Together,
}

/// Which ready dispatch goes first under bundling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// First come, first served.
    Arrival,
    /// The earliest deadline; then best effort, by class and arrival.
    #[default]
    EarliestDeadline,
}

/// Whether a dispatch may wait for company.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldBack {
    /// Whatever is ready goes.
    #[default]
    No,
    /// A dispatch that would leave alone lets others go first that lead to dispatches of its kernel within a few steps, if company
    /// saves as much as it waits, and if its slack allows.
    Yes,
}

/// Whether requests of one plan that stand before the same dispatch run it as one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Coalesce {
    /// Each runs its own.
    No,
    /// Where it takes less time by prediction: weights are read once. No bit changes.
    #[default]
    Yes,
}

/// The parts of the device's time that work without a deadline gets at least, while there is some, by class.
///
/// Work that is late under [`Admission::RunLate`](super::Admission::RunLate) counts with its class. The oldest request of a
/// class with part `p` leads a bundle at the latest after `2 * slice / p` of device time. Models that straggle are out of their
/// classes, and have a part of 0.05 together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// Of [`Class::Interactive`](super::Class::Interactive).
    pub interactive: f64,
    /// Of [`Class::Normal`](super::Class::Normal).
    pub normal: f64,
    /// Of [`Class::Background`](super::Class::Background).
    pub background: f64,
}

impl Default for Parts {
    fn default() -> Self {
        Parts { interactive: 0.05, normal: 0.1, background: 0.02 }
    }
}

/// What the device can do, as far as predictions need it. Measured durations correct it as they come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceModel {
    /// Workgroups that run at the same time.
    pub parallelism: u32,
    /// Floating-point operations per second of the whole device.
    pub flops: f64,
    /// Bytes per second of the whole device.
    pub bytes: f64,
    /// Fixed cost of a bundle, in nanoseconds.
    pub bundle: Nanos,
    /// Fixed cost of a lane within a bundle, in nanoseconds.
    pub lane: Nanos,
    /// Fixed cost of a submission, in nanoseconds, seen where durations come from completion times alone.
    pub submission: Nanos,
}

/// Where nothing else tells, fewer workgroups at a time than this are a CPU.
const CPU_PARALLELISM: u32 = 64;
/// The slice on a CPU adapter. Measured on llvmpipe: a submission costs it 0.3 to 0.7 ms, and at 2 ms a slice the convolutions
/// of one model are cut so small that four models together take a third longer than one after another.
const CPU_SLICE: Nanos = 10_000_000;

impl DeviceModel {
    /// A guess for a CPU adapter that runs so many workgroups at the same time, from llvmpipe (Mesa 25.0.7) on two cores; what is
    /// measured corrects it.
    pub fn cpu(parallelism: u32) -> Self {
        let parallelism = parallelism.max(1);
        let units = f64::from(parallelism);
        let (flops, bytes) = (6e9 * units, 4e9 * units);
        DeviceModel { parallelism, flops, bytes, bundle: 60_000, lane: 1_000, submission: 70_000 }
    }

    /// A guess for a GPU that runs so many workgroups at the same time; what is measured corrects it.
    pub fn gpu(parallelism: u32) -> Self {
        let parallelism = parallelism.max(1);
        let units = f64::from(parallelism);
        let (flops, bytes) = (20e9 * units, 1e9 * units);
        DeviceModel { parallelism, flops, bytes, bundle: 6_000, lane: 100, submission: 20_000 }
    }

    /// A guess for a device of which no more is known: fewer than 64 workgroups at a time are a CPU's.
    pub fn for_parallelism(parallelism: u32) -> Self {
        if parallelism < CPU_PARALLELISM { DeviceModel::cpu(parallelism) } else { DeviceModel::gpu(parallelism) }
    }
}

/// Options of the scheduler: those of a constructor, with fields set anew. Counts of zero are taken as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// How dispatches leave; anything but the default is for benchmarks.
    #[cfg(feature = "unstable")]
    pub policy: Policy,
    /// How dispatches leave.
    #[cfg(not(feature = "unstable"))]
    pub(crate) policy: Policy,
    /// Which goes first.
    pub order: Order,
    /// Whether a dispatch may wait for company.
    pub hold_back: HoldBack,
    /// Whether requests of one plan run dispatches together.
    pub coalesce: Coalesce,
    /// What is left for work without a deadline.
    pub parts: Parts,
    /// Predicted nanoseconds that a submission may not exceed, but for one that cannot be divided further.
    pub slice: Nanos,
    /// Most submissions in flight at the same time.
    pub in_flight: usize,
    /// Most lanes of a bundle.
    pub max_lanes: usize,
    /// Most bundles of a submission.
    pub max_bundles: usize,
    /// Most linked kernels of a pipeline to ask for.
    pub max_kernels: usize,
    /// Part of its own time, from 0 to 1, that a dispatch, or several that run as one, has to save to join a bundle. What fills the device by itself
    /// would only end later, and its leader too. Guessed.
    pub min_gain: f64,
    /// Predicted nanoseconds that must have been lost for want of a pipeline before it is asked for. Guessed.
    pub want_after: Nanos,
    /// First estimate of the device.
    pub device: DeviceModel,
}

impl Options {
    /// The default for a CPU adapter.
    pub fn cpu(device: DeviceModel) -> Self {
        Options { device, slice: CPU_SLICE, ..Options::default() }
    }

    /// The default for a GPU.
    pub fn gpu(device: DeviceModel) -> Self {
        Options { device, ..Options::default() }
    }

    /// The default for a device of which no more is known than how many workgroups it runs at the same time: fewer than 64 are a
    /// CPU's.
    pub fn for_parallelism(parallelism: u32) -> Self {
        let device = DeviceModel::for_parallelism(parallelism);
        if parallelism < CPU_PARALLELISM { Options::cpu(device) } else { Options::gpu(device) }
    }

    /// The longest that a request more urgent than all others waits for the device, by prediction.
    pub fn longest_wait(&self) -> Nanos {
        self.slice.saturating_mul(self.in_flight.max(1) as u64)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            policy: Policy::default(),
            order: Order::default(),
            hold_back: HoldBack::default(),
            coalesce: Coalesce::default(),
            parts: Parts::default(),
            slice: 2_000_000,
            in_flight: 2,
            max_lanes: 256,
            max_bundles: 64,
            max_kernels: 16,
            min_gain: 0.05,
            want_after: 200_000,
            device: DeviceModel::for_parallelism(256),
        }
    }
}

/// Which requests a submission draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Any,
    OneRequest,
}

/// In which order ready dispatches go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ranking {
    Arrival,
    /// In the order in which they became ready.
    Readiness,
    Deadline,
}

/// Whether a dispatch longer than a slice is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Split {
    Yes,
    No,
}

/// Which lanes may join a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joining {
    WherePays,
    Always,
}

/// A policy, spelt out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) ranking: Ranking,
    pub(super) scope: Scope,
    pub(super) split: Split,
    pub(super) hold_back: HoldBack,
    pub(super) slice: Nanos,
    pub(super) in_flight: usize,
    pub(super) lanes: usize,
    pub(super) bundles: usize,
    pub(super) min_gain: f64,
    pub(super) joining: Joining,
}

impl Rules {
    pub(super) fn new(options: &Options) -> Self {
        let each = Rules {
            ranking: Ranking::Arrival,
            scope: Scope::Any,
            split: Split::No,
            hold_back: HoldBack::No,
            slice: options.slice,
            in_flight: 1,
            lanes: 1,
            bundles: 1,
            min_gain: options.min_gain,
            joining: Joining::WherePays,
        };
        let in_flight = options.in_flight.max(1);
        let bundles = options.max_bundles.max(1);
        match options.policy {
            Policy::SubmitEach => each,
            Policy::TimeOnly => {
                Rules { scope: Scope::OneRequest, slice: Nanos::MAX, bundles: usize::MAX, in_flight, ..each }
            }
            Policy::OnePass => Rules { ranking: Ranking::Readiness, bundles, in_flight, ..each },
            Policy::Bundled | Policy::Together => Rules {
                ranking: match options.order {
                    Order::Arrival => Ranking::Arrival,
                    Order::EarliestDeadline => Ranking::Deadline,
                },
                split: Split::Yes,
                hold_back: options.hold_back,
                bundles,
                in_flight,
                lanes: options.max_lanes.max(1),
                joining: if options.policy == Policy::Together { Joining::Always } else { Joining::WherePays },
                ..each
            },
        }
    }
}
