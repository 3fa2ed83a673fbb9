//! The arms: the baselines, and what fascine adds to them.

use clap::ValueEnum;
use fascine::gpu::HeapLayout;
use fascine::schedule::{HoldBack, Options, Order, Policy};

/// How the same requests are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Arm {
    /// B1: one request at a time, first come first served
    TimeOnly,
    /// B2: all ready dispatches of all requests in one pass, each request on buffers of its own
    SpaceOnly,
    /// B3: all ready dispatches of all requests in one pass, on the shared heap
    OnePass,
    /// B4: requests to one model batched within a delay window; one batch at a time on the device
    Batching,
    /// O1: bundles, first come first served
    Bundled,
    /// O2: bundles, deadlines known
    Deadlines,
    /// O3: as O2, and dispatches that fit badly are held back while slack allows
    HoldBack,
}

impl Arm {
    pub(crate) const ALL: &[Arm] =
        &[Arm::TimeOnly, Arm::SpaceOnly, Arm::OnePass, Arm::Batching, Arm::Bundled, Arm::Deadlines, Arm::HoldBack];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Arm::TimeOnly => "B1 time-only",
            Arm::SpaceOnly => "B2 space-only",
            Arm::OnePass => "B3 one-pass",
            Arm::Batching => "B4 batching",
            Arm::Bundled => "O1 bundled",
            Arm::Deadlines => "O2 + deadlines",
            Arm::HoldBack => "O3 + hold-back",
        }
    }

    /// The scheduler's options, from those for the device.
    pub(crate) fn options(self, device: &Options) -> Options {
        let (policy, order, hold_back) = match self {
            Arm::TimeOnly | Arm::Batching => (Policy::TimeOnly, Order::Arrival, HoldBack::No),
            Arm::SpaceOnly | Arm::OnePass => (Policy::OnePass, Order::Arrival, HoldBack::No),
            Arm::Bundled => (Policy::Bundled, Order::Arrival, HoldBack::No),
            Arm::Deadlines => (Policy::Bundled, device.order, HoldBack::No),
            Arm::HoldBack => (Policy::Bundled, device.order, HoldBack::Yes),
        };
        Options { policy, order, hold_back, ..device.clone() }
    }

    /// Where requests' tensors lie. wgpu tracks hazards by buffer: on buffers of their own it puts no barrier between
    /// dispatches of different requests, as it must on a shared heap.
    pub(crate) fn heap(self) -> HeapLayout {
        if self == Arm::SpaceOnly { HeapLayout::Apart } else { HeapLayout::Shared }
    }

    /// Whether it is what fascine is compared with.
    pub(crate) fn is_baseline(self) -> bool {
        matches!(self, Arm::TimeOnly | Arm::SpaceOnly | Arm::OnePass | Arm::Batching)
    }

    /// Whether requests carry their deadlines and classes.
    pub(crate) fn knows_deadlines(self) -> bool {
        matches!(self, Arm::Deadlines | Arm::HoldBack)
    }
}
