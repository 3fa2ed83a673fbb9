//! What a runtime is made with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::figures::Figures;
use super::tiles::TileFile;
use super::trace::Trace;
use crate::gpu::adapter::DeviceType;
use crate::gpu::{AdapterOptions, Caps, ExecutorOptions, HeapLayout};
use crate::link::Clamp;
use crate::lower::{DeviceClass, Share, Target, Tuning};
use crate::schedule::log::ScheduleLog;
use crate::schedule::{self, DeviceModel, Nanos, Policy};

/// Who advances the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drive {
    /// A thread of the runtime's own.
    #[default]
    Thread,
    /// The application, by [`Runtime::poll`](super::Runtime::poll), for instance once a frame.
    Manual,
}

/// A monotonic clock in nanoseconds.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Nanos + Send + Sync>);

impl Clock {
    /// A clock that reads `now`.
    pub fn new(now: impl Fn() -> Nanos + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    /// Nanoseconds since the clock's origin.
    pub fn now(&self) -> Nanos {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        let origin = Instant::now();
        Clock::new(move || u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// What a [`Runtime`](super::Runtime) is made with. The default suits an application that leaves the choice to fascine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which adapter to open.
    pub adapter: AdapterOptions,
    /// Who advances the engine.
    pub drive: Drive,
    /// The most GPU memory to use, in bytes; `None` leaves it to the device.
    pub memory_cap: Option<u64>,
    /// A folder for what is kept between runs: compiled pipelines, where the adapter allows it, what was measured of the device, and
    /// what was learned of durations; `None` keeps none.
    pub cache_dir: Option<PathBuf>,
    /// How much of a GPU plans reckon that a request has beside others, where [`tune`](super::tune::tune) has measured it and `cache_dir`
    /// has what it found: with company larger tiles, which do more with the same time of the device, pay earlier. It is the plan's, so that no
    /// result depends on who else is there.
    pub share: Share,
    /// Plans kept per model, one for each combination of input shapes.
    pub plan_cache: usize,
    /// The most requests of all models and users' kernels that are submitted and have not ended; `submit` refuses more with
    /// `QueueFull`, so that one who submits faster than the device works does not exhaust the host. At least 1. A refused request
    /// takes nothing, and one that is cancelled keeps its seat until the engine has heard of it: with [`Drive::Manual`] somebody
    /// has to poll or wait before there is room again. The default, 4096, is guessed: longer queues than that are of no use to
    /// anybody who waits for an answer, and requests of a few kilobytes then keep some megabytes of the host. Those of megabytes
    /// want fewer.
    pub max_queued: usize,
    /// Threads that compile pipelines; 0 is one more than the host has cores, up to five.
    pub compile_threads: usize,
    /// How dispatches leave, with everything else as the device wants it; anything but the default is for benchmarks.
    #[cfg(feature = "unstable")]
    pub policy: Policy,
    /// How dispatches are grouped, in full; `None` takes the default for the device.
    pub schedule: Option<schedule::Options>,
    /// Where the first estimates of what the device can do are from; anything but the default goes before those in `schedule`.
    pub device: Figures,
    /// How the heap is divided among requests; anything but the default is for benchmarks.
    #[cfg(feature = "unstable")]
    pub heap: HeapLayout,
    /// Whose kernels get their indices clamped.
    #[cfg(feature = "unstable")]
    pub clamp: Clamp,
    /// Overrides the kernel variants that the device would get.
    #[cfg(feature = "unstable")]
    pub class: Option<DeviceClass>,
    /// Where to record what ran with what.
    pub trace: Option<Trace>,
    /// Where to record everything that the scheduler is told and decides, for
    /// [`schedule::replay`]. A log is of one runtime, and grows as it works.
    #[cfg(feature = "unstable")]
    pub schedule_log: Option<ScheduleLog>,
    /// The clock that deadlines are measured on.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            adapter: AdapterOptions::default(),
            drive: Drive::default(),
            memory_cap: None,
            cache_dir: None,
            share: Share::default(),
            plan_cache: 16,
            max_queued: 4096,
            compile_threads: 0,
            #[cfg(feature = "unstable")]
            policy: Policy::default(),
            schedule: None,
            device: Figures::default(),
            #[cfg(feature = "unstable")]
            heap: HeapLayout::default(),
            #[cfg(feature = "unstable")]
            clamp: Clamp::default(),
            #[cfg(feature = "unstable")]
            class: None,
            trace: None,
            #[cfg(feature = "unstable")]
            schedule_log: None,
            clock: Clock::default(),
        }
    }
}

/// What only `unstable` lets one choose.
#[derive(Default)]
pub(super) struct Internals {
    pub(super) policy: Policy,
    pub(super) heap: HeapLayout,
    pub(super) clamp: Clamp,
    pub(super) class: Option<DeviceClass>,
    pub(super) schedule_log: Option<ScheduleLog>,
}

impl Options {
    #[cfg(feature = "unstable")]
    pub(super) fn internals(&self) -> Internals {
        let Options { policy, heap, clamp, class, schedule_log, .. } = self;
        Internals { policy: *policy, heap: *heap, clamp: *clamp, class: *class, schedule_log: schedule_log.clone() }
    }

    #[cfg(not(feature = "unstable"))]
    pub(super) fn internals(&self) -> Internals {
        Internals::default()
    }

    /// Plans are made for `parallelism` to the nearest power of two, so that they, and with them results to the last bit, are mostly
    /// the same whenever the device is measured.
    pub(super) fn target(&self, caps: &Caps, device: &DeviceModel) -> Target {
        let class = self.internals().class.unwrap_or(match caps.device_type {
            DeviceType::Cpu => DeviceClass::Cpu,
            _ => DeviceClass::Gpu,
        });
        let [least, most] = caps.subgroup_size;
        let subgroup_size = if caps.subgroups && least == most { least } else { 0 };
        let parallelism = f64::from(device.parallelism.max(1)).log2().round().exp2() as u32;
        Target { class, parallelism, max_binding_bytes: caps.max_segment_bytes, subgroup_size, tuning: Tuning::NONE }
    }

    /// What [`tune`](super::tune::tune) left of the adapter.
    pub(super) fn tuning(&self, caps: &Caps) -> Tuning {
        match &self.cache_dir {
            Some(folder) => Tuning::new(Arc::new(TileFile::new(folder, caps).read()), self.share),
            None => Tuning::NONE,
        }
    }

    pub(super) fn scheduler(&self, caps: &Caps, device: DeviceModel) -> schedule::Options {
        if let Some(schedule) = &self.schedule {
            return schedule::Options { device, ..schedule.clone() };
        }
        let default = match caps.device_type {
            DeviceType::Cpu => schedule::Options::cpu(device),
            _ => schedule::Options::gpu(device),
        };
        schedule::Options { policy: self.internals().policy, ..default }
    }

    pub(super) fn executor(&self) -> ExecutorOptions {
        let Internals { heap, clamp, .. } = self.internals();
        ExecutorOptions {
            memory_cap: self.memory_cap,
            cache_dir: self.cache_dir.clone(),
            clamp,
            compile_threads: self.compile_threads,
            heap,
            ..ExecutorOptions::default()
        }
    }
}
