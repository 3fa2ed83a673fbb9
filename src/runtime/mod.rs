//! The public API and the engine that joins `schedule/`, `plan/` and `gpu/`.
//!
//! Callers' threads parse, plan and convert; then a message goes to the engine, which alone owns the device queue. The
//! engine is a plain object advanced by [`Runtime::poll`]; by default a thread of its own does that.

mod alike;
mod completion;
mod content;
mod costs;
mod device_tensor;
mod engine;
mod figures;
mod hold;
mod ids;
mod kept;
mod kernel;
mod message;
mod model;
mod options;
mod queue;
mod recent;
mod request;
mod residents;
mod resolve;
mod session;
mod stages;
#[cfg(test)]
mod tests;
mod thread;
mod tiles;
pub mod trace;
pub mod tune;
mod value;

use std::path::Path;
use std::sync::{Arc, Weak};

pub use completion::{Completion, Timing};
pub use device_tensor::{DeviceTensor, Download};
pub use figures::{Device, Figures, Source};
pub use kernel::{KernelRequest, UserKernel};
pub use model::{InputInfo, Model, OutputInfo, PlanSummary};
use options::Internals;
pub use options::{Clock, Drive, Options};
pub use request::{Request, RequestBuilder};
pub use session::{Session, SessionOptions};
pub use value::Value;

pub use crate::gpu::adapter::DeviceType;
pub use crate::gpu::{
    AdapterOptions, AdapterReport, Caps, MemoryStats, PipelineStats, Select, Timestamps, Vendor, adapters,
};
pub use crate::graph::{Dim, Kind};
#[cfg(feature = "unstable")]
pub use crate::schedule::Policy;
pub use crate::schedule::{
    Admission, Class, Coalesce, DeviceModel, HoldBack, Kept as SchedulerKept, Nanos, Options as ScheduleOptions, Order,
    Outcome, Parts, PredictionError,
};

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::exit::{self, AtExit};
use crate::gpu::{Executor, ExecutorOptions, Gpu, HeapLayout};
use crate::graph::Graph;
pub use crate::lower::Share;
use crate::lower::Target;
use crate::onnx::{self, LoadOptions};
use crate::schedule;
use crate::schedule::log::Recorder;
use completion::Answer;
use engine::Engine;
use message::{Message, Port};
use queue::Queue;
use thread::Driver;

/// Runs requests of many models on one device. Cheap to clone; every clone is the same runtime.
///
/// It ends when its last clone, model, kernel, request handle and tensor on the device are gone. One that is alive when the process ends, in a static for
/// instance, is ended then (on Unix, where drivers would otherwise be torn down under its threads): requests that are not done fail
/// with `Closed`, and the process waits for the device and for compiles in work, a minute at most.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

/// What every handle of a runtime shares.
pub(crate) struct Shared {
    port: Port,
    driver: Driver,
    queue: Queue,
    clock: Clock,
    target: Target,
    adapter: AdapterName,
    caps: Caps,
    device: Device,
    heap: HeapLayout,
    schedule: schedule::Options,
    plan_cache: usize,
    memory_cap: Option<u64>,
}

/// The adapter's name and driver.
#[derive(Clone, Debug)]
pub(crate) struct AdapterName {
    name: String,
    driver: String,
}

impl Runtime {
    /// Opens an adapter and starts a runtime on it.
    ///
    /// # Errors
    /// `NoAdapter` if none matches; `Device` if it cannot be opened; `Limit` if it lacks what fascine needs; `Input` if no
    /// request may be queued, or (with `unstable`) for bundles in a `HeapLayout::Apart` heap.
    pub fn new(options: Options) -> Result<Self> {
        let gpu = Gpu::open(&options.adapter)?;
        Self::start(gpu, options)
    }

    /// Starts a runtime on a device that the application owns and may render with. `options.adapter` is ignored.
    ///
    /// The runtime never blocks on the device, and leaves its error and loss handlers as they are. Here, though, a GPU of which
    /// `options.device` and `options.cache_dir` say nothing is measured, for a tenth of a second at most unless others keep it busy: best
    /// before the application renders.
    ///
    /// # Errors
    /// `Limit` if the device lacks what fascine needs; `Input` as [`Runtime::new`].
    pub fn from_device(
        adapter: wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        options: Options,
    ) -> Result<Self> {
        let gpu = Gpu::from_device(adapter, device, queue)?;
        Self::start(gpu, options)
    }

    fn start(gpu: Gpu, options: Options) -> Result<Self> {
        let executor = options.executor();
        Self::start_with(gpu, options, executor)
    }

    fn start_with(gpu: Gpu, options: Options, mut executor: ExecutorOptions) -> Result<Self> {
        let caps = gpu.caps();
        let given = options.schedule.as_ref().map(|schedule| schedule.device);
        let device = options.device.find(&gpu, given, options.cache_dir.as_deref(), options.memory_cap);
        let target = Target { tuning: options.tuning(caps), ..options.target(caps, &device.model) };
        let adapter = AdapterName { name: caps.name.clone(), driver: caps.driver.clone() };
        let (port, inbox) = message::channel();
        if options.drive == Drive::Thread {
            let bell = port.bell();
            executor.notify = Some(Arc::new(move || bell.ring()));
        }
        let schedule = options.scheduler(caps, device.model);
        let Internals { heap, schedule_log, .. } = options.internals();
        check_heap(heap, &schedule)?;
        let queue = Queue::new(options.max_queued)?;
        let caps = Caps { parallelism: device.model.parallelism, ..caps.clone() };
        let costs = options.cache_dir.as_deref();
        let costs = costs.map(|folder| costs::CostFile::open(folder, &adapter, &schedule.device));
        let executor = Executor::new(gpu, executor)?;
        let scheduler = Recorder::new(schedule.clone(), schedule_log);
        let engine = Engine::new(
            executor,
            scheduler,
            options.clock.clone(),
            (port.clone(), inbox),
            options.trace.clone(),
            costs,
            options.drive == Drive::Thread,
        );
        let driver = match options.drive {
            Drive::Thread => Driver::spawn(engine)?,
            Drive::Manual => Driver::manual(engine),
        };
        let shared = Shared {
            port,
            driver,
            queue,
            clock: options.clock,
            target,
            adapter,
            caps,
            device,
            heap,
            schedule,
            plan_cache: options.plan_cache.max(1),
            memory_cap: options.memory_cap,
        };
        let shared = Arc::new(shared);
        let weak: Weak<Shared> = Arc::downgrade(&shared);
        exit::register(weak);
        Ok(Runtime { shared })
    }

    /// Loads a model from an ONNX file.
    ///
    /// # Errors
    /// `Io`, `InvalidModel`, `Unsupported` (naming every node that cannot run) or `Memory`.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Model> {
        self.load_with(path, &LoadOptions::default())
    }

    /// As [`Runtime::load`], with options.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn load_with(&self, path: impl AsRef<Path>, options: &LoadOptions) -> Result<Model> {
        let path = path.as_ref();
        let _span = tracing::debug_span!("load", path = %path.display()).entered();
        let mut options = options.clone();
        if let Some(cap) = self.shared.memory_cap {
            options.max_weight_bytes = options.max_weight_bytes.min(cap);
        }
        let graph = onnx::load(path, &options)?;
        Model::new(self.shared.clone(), graph).map_err(|error| error.in_file(path))
    }

    /// Loads a model from a graph made by [`onnx::load`] or by a [`GraphBuilder`](crate::graph::builder::GraphBuilder).
    ///
    /// # Errors
    /// `InvalidModel` or `Unsupported` (naming every node that cannot run).
    #[cfg(feature = "unstable")]
    pub fn load_graph(&self, graph: Graph) -> Result<Model> {
        Model::new(self.shared.clone(), graph)
    }

    /// Loads a kernel of the caller's own: WGSL text with one compute entry point.
    ///
    /// # Errors
    /// `Kernel`, naming what does not parse, validate or relocate.
    pub fn load_kernel(&self, text: &str) -> Result<UserKernel> {
        UserKernel::new(self.shared.clone(), text)
    }

    /// Advances the engine as far as it goes without waiting; for [`Drive::Manual`], otherwise does nothing.
    ///
    /// # Errors
    /// `Device` when the device is lost.
    pub fn poll(&self) -> Result<()> {
        self.shared.driver.poll()
    }

    /// The adapter's name and driver, for instance to print beside measurements.
    pub fn adapter(&self) -> String {
        let AdapterName { name, driver } = &self.shared.adapter;
        if driver.is_empty() || name.contains(driver.as_str()) { name.clone() } else { format!("{name}, {driver}") }
    }

    /// What the device can do.
    pub fn caps(&self) -> &Caps {
        &self.shared.caps
    }

    /// What the device was taken to do at the start, and where that is from.
    pub fn device(&self) -> Device {
        self.shared.device
    }

    /// How dispatches were grouped at the start: what [`Options::schedule`] gave, or the default for the device.
    pub fn schedule(&self) -> &schedule::Options {
        &self.shared.schedule
    }

    /// Groups dispatches by other rules from now on. What was learned of their durations is forgotten.
    ///
    /// # Errors
    /// `Input` while requests are in flight, or (with `unstable`) for bundles in a `HeapLayout::Apart` heap; `Closed` if the engine has stopped.
    pub fn set_schedule(&self, options: schedule::Options) -> Result<()> {
        check_heap(self.shared.heap, &options)?;
        let (reply, answer) = futures::channel::oneshot::channel();
        self.shared.port.send(Message::Schedule(Box::new(options), reply))?;
        self.shared.driver.wait(answer)?.ok_or_else(closed)?
    }

    /// Whether merged pipelines that would pay are compiled in the background, as they are by default. Turned off, bundles
    /// make do with the pipelines that are ready, and the host's cores are left to others.
    ///
    /// # Errors
    /// `Closed` if the engine has stopped.
    pub fn set_merging(&self, merging: bool) -> Result<()> {
        self.shared.port.send(Message::Merging(merging))
    }

    /// GPU memory in use, as of now.
    ///
    /// # Errors
    /// `Closed` if the engine has stopped.
    pub fn memory(&self) -> Result<MemoryStats> {
        Ok(self.stats()?.memory)
    }

    /// Counters since the start.
    ///
    /// # Errors
    /// `Closed` if the engine has stopped.
    pub fn stats(&self) -> Result<Stats> {
        let (reply, answer) = futures::channel::oneshot::channel();
        self.shared.port.send(Message::Stats(reply))?;
        self.shared.driver.wait(answer)?.ok_or_else(closed)
    }
}

/// Counters of a runtime since its start, and what is under way now.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// What is under way.
    pub now: Now,
    /// Requests that ended, however they did.
    pub requests: u64,
    /// Submissions to the queue.
    pub submissions: u64,
    /// Those of them that waited for others to end, as there was no room for their uploads and results beside these.
    pub short_of_staging: u64,
    /// Bundles: dispatches of the device, each of one or more lanes.
    pub bundles: u64,
    /// Lanes: ranges of workgroups of requests' dispatches. Over `bundles` it is how many a bundle has on average.
    pub lanes: u64,
    /// Lanes issued that ran as one with others of the same plan.
    pub coalesced: u64,
    /// Bundles that took more than one dispatch, as their lanes lie in different segments of a kind.
    pub parted_bundles: u64,
    /// Bundles that carried lanes of more than one request.
    pub shared_bundles: u64,
    /// Nanoseconds on the host spent issuing and submitting.
    pub host_nanos: u64,
    /// Nanoseconds on the device, where it has timestamps.
    pub gpu_nanos: u64,
    /// How requests ended.
    pub outcomes: Outcomes,
    /// Requests that came before each of their kernels was compiled; none in steady state.
    pub blocked: u64,
    /// Models that take far longer than predicted at present, and so get bundles of their own.
    pub stragglers: u64,
    /// How often a model became one.
    pub straggled: u64,
    /// Requests that wait for their model's weights, which go to the device piece by piece.
    pub loading: usize,
    /// The longest that the engine worked without looking up, in nanoseconds.
    pub longest_step_nanos: u64,
    /// How far the predicted durations of bundles were off, of late.
    pub prediction: schedule::PredictionError,
    /// GPU memory now.
    pub memory: MemoryStats,
    /// Bytes of [`MemoryStats::heap_used`] that outlive requests: tensors kept on the device, the states of sessions, and what parts of requests
    /// leave to the next.
    pub held_bytes: u64,
    /// Pipelines and compiles.
    pub pipelines: PipelineStats,
    /// How much the engine remembers of plans: in a steady state it does not grow.
    pub kept: Kept,
}

/// Entries of an engine's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Kept {
    /// Plans bound to memory.
    pub plans: usize,
    /// Requests by name.
    pub names: usize,
    /// What the scheduler keeps.
    pub scheduler: schedule::Kept,
}

/// What is under way in a runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Now {
    /// Requests and downloads that have come and not ended: what [`Options::max_queued`] bounds.
    pub requests: usize,
    /// Those of them of which nothing has been issued: the depth of the queue.
    pub queued: usize,
    /// Those of the queued that have not begun while there is no memory for the first of them.
    pub waiting_for_memory: usize,
    /// Models and kernels with memory on the device or requests.
    pub models: usize,
    /// Submissions on the device.
    pub submissions: usize,
    /// Bundles on the device.
    pub bundles: usize,
    /// Lanes on the device.
    pub lanes: usize,
}

/// How many requests ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outcomes {
    /// With results, in time or without a deadline.
    pub completed: u64,
    /// With results, late.
    pub late: u64,
    /// Dropped, as they could no longer keep their deadlines.
    pub dropped: u64,
    /// Refused when they came.
    pub rejected: u64,
    /// Replaced by a later one with the same key.
    pub superseded: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Failed.
    pub failed: u64,
}

impl Outcomes {
    fn add(&mut self, result: &Result<Answer>) {
        let kind = result.as_ref().map(|answer| answer.timing.in_time).map_err(Error::kind);
        *match kind {
            Ok(Some(false)) => &mut self.late,
            Ok(_) => &mut self.completed,
            Err(ErrorKind::Dropped) => &mut self.dropped,
            Err(ErrorKind::Rejected) => &mut self.rejected,
            Err(ErrorKind::Superseded) => &mut self.superseded,
            Err(ErrorKind::Cancelled) => &mut self.cancelled,
            Err(_) => &mut self.failed,
        } += 1;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // An engine that has stopped by itself needs no telling.
        let _ = self.port.send(Message::Shutdown);
    }
}

impl AtExit for Shared {
    fn stop(&self) {
        // As above.
        let _ = self.port.send(Message::Abandon);
    }

    fn is_over(&self) -> bool {
        self.driver.is_over()
    }
}

/// A bundle binds the buffers of one request only, if each has its own.
fn check_heap(heap: HeapLayout, schedule: &schedule::Options) -> Result<()> {
    let bundles = schedule.policy == schedule::Policy::Bundled && schedule.max_lanes > 1;
    if heap == HeapLayout::Apart && bundles {
        return Err(Error::input("bundles need a shared heap; with buffers apart take another policy"));
    }
    Ok(())
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the runtime has stopped")
}
