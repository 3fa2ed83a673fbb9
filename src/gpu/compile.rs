//! The background compiler: threads that link kernels, create pipelines and warm them up.
//!
//! # Warm-up
//!
//! Most drivers compile when a pipeline is created. llvmpipe compiles at the first dispatch, on the thread that also runs the
//! queue, so that a cold pipeline would hold up every other request for its whole compile. On CPU adapters each pipeline is
//! therefore first created and dispatched (with a table of no lanes) on a second device, whose queue nobody waits for. The
//! driver keeps the machine code in its disk cache, and the first dispatch on the real device only loads it.
//!
//! Measured on llvmpipe (Mesa 25.0.7, 2 busy cores) with a kernel of 48 vector multiply-adds: cold, the first dispatch took 1.3
//! to 1.5 s, and so would a throw-away dispatch on the same device, with nothing else running meanwhile. Warmed on a second
//! device, it took 1 to 16 ms, and the other requests' dispatches took at most 20 ms while the compile ran. Without a disk cache
//! (`MESA_SHADER_CACHE_DISABLE`, no writable home) the warm-up is wasted and the first dispatch pays as before.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::binding;
use super::cache::DiskCache;
use super::device::{Gpu, Vendor, request};
use super::fault::scoped;
use super::trusted;
use crate::error::{Error, ErrorKind, Result};
use crate::exit::{self, AtExit};
use crate::link::{Clamp, Language, Linked, LinkedKernel, SegmentBinding, SegmentKind, emit, link_with, table};
use crate::schedule::KernelId;

/// Called from a compile thread when a result is there.
pub(super) type Notify = Arc<dyn Fn() + Send + Sync>;

/// Merged sets that wait at most; what is still of use is wanted again.
const MAX_WAITING: usize = 32;
/// naga walks expressions recursively.
const STACK_BYTES: usize = 16 << 20;

/// A set of kernels to compile.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// The set, sorted.
    pub(super) key: Arc<[KernelId]>,
    /// The kernels in the linker's order.
    pub(super) kernels: Vec<LinkedKernel>,
}

/// A pipeline that can be dispatched.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) bindings: Arc<[SegmentBinding]>,
    /// Bytes of immediates: the first of the bundle's table.
    pub(super) immediate_bytes: u32,
    /// By position among the linked kernels, how many of a kernel's workgroups one of the pipeline's runs.
    pub(super) per_workgroup: Arc<[u32]>,
}

/// What became of a job.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) key: Arc<[KernelId]>,
    pub(super) result: Result<Compiled>,
    pub(super) took: Duration,
}

#[derive(Debug, Default)]
struct Waiting {
    singles: VecDeque<Job>,
    /// With how often each was wanted, and when last.
    merged: Vec<(Job, u64, u64)>,
    turn: u64,
    busy: usize,
    closing: bool,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Locked for as long as they are waited for.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AtExit for Shared {
    fn stop(&self) {
        self.lock().closing = true;
        self.wake.notify_all();
    }

    fn is_over(&self) -> bool {
        self.threads.try_lock().is_ok_and(|mut threads| {
            *threads = threads.drain(..).filter_map(|thread| exit::try_join(thread).err()).collect();
            threads.is_empty()
        })
    }
}

/// The threads and their queue.
#[derive(Debug)]
pub(super) struct Compiler {
    shared: Arc<Shared>,
    outcomes: mpsc::Receiver<Outcome>,
}

/// What the compile threads work with.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) gpu: Gpu,
    pub(super) cache: Option<DiskCache>,
    pub(super) clamp: Clamp,
    pub(super) notify: Option<Notify>,
}

impl Compiler {
    pub(super) fn start(tools: &Tools, threads: usize) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let (send, outcomes) = mpsc::channel();
        let compiler = Compiler { shared: shared.clone(), outcomes };
        let mut handles = shared.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for index in 0..threads.max(1) {
            let (shared, tools, send) = (shared.clone(), tools.clone(), send.clone());
            let thread = std::thread::Builder::new()
                .name(format!("fascine-compile-{index}"))
                .stack_size(STACK_BYTES)
                .spawn(move || run(&shared, &tools, &send))
                .map_err(|error| Error::new(ErrorKind::Io, format!("no compile thread: {error}")))?;
            handles.push(thread);
        }
        drop(handles);
        let weak: Weak<Shared> = Arc::downgrade(&shared);
        exit::register(weak);
        Ok(compiler)
    }

    /// Queues a set that is not queued yet. Gives back a merged set that had to make room.
    pub(super) fn push(&self, job: Job) -> Option<Arc<[KernelId]>> {
        let mut waiting = self.shared.lock();
        waiting.turn += 1;
        let turn = waiting.turn;
        let mut dropped = None;
        if job.key.len() == 1 {
            waiting.singles.push_back(job);
        } else {
            if waiting.merged.len() >= MAX_WAITING {
                let rank = |(_, (_, wants, turn)): &(usize, &(Job, u64, u64))| (*wants, *turn);
                let least = waiting.merged.iter().enumerate().min_by_key(rank).map(|(index, _)| index);
                dropped = least.map(|index| waiting.merged.swap_remove(index).0.key);
            }
            waiting.merged.push((job, 1, turn));
        }
        self.shared.wake.notify_one();
        dropped
    }

    /// Says that a queued set was wanted once more.
    pub(super) fn want_again(&self, key: &[KernelId]) {
        let mut waiting = self.shared.lock();
        waiting.turn += 1;
        let turn = waiting.turn;
        if let Some((_, wants, last)) = waiting.merged.iter_mut().find(|(job, ..)| *job.key == *key) {
            *wants += 1;
            *last = turn;
        }
    }

    /// Forgets the merged sets that wait.
    pub(super) fn forget_merged(&self) -> Vec<Arc<[KernelId]>> {
        self.shared.lock().merged.drain(..).map(|(job, ..)| job.key).collect()
    }

    /// What has been compiled since the last call.
    pub(super) fn finished(&self) -> impl Iterator<Item = Outcome> + '_ {
        self.outcomes.try_iter()
    }

    /// Sets that wait, and sets in work.
    pub(super) fn load(&self) -> (usize, usize) {
        let waiting = self.shared.lock();
        (waiting.singles.len() + waiting.merged.len(), waiting.busy)
    }
}

impl Drop for Compiler {
    /// Waits for the compiles in work: a driver must not be left compiling while the process ends.
    fn drop(&mut self) {
        self.shared.stop();
        for thread in self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = thread.join();
        }
    }
}

fn next(shared: &Shared) -> Option<Job> {
    let mut waiting = shared.lock();
    loop {
        if waiting.closing {
            return None;
        }
        // Without its single kernels a request cannot run at all; merged sets only make it faster.
        let job = waiting.singles.pop_front().or_else(|| {
            let rank = |(_, (_, wants, turn)): &(usize, &(Job, u64, u64))| (*wants, *turn);
            let best = waiting.merged.iter().enumerate().max_by_key(rank).map(|(index, _)| index)?;
            Some(waiting.merged.swap_remove(best).0)
        });
        if let Some(job) = job {
            waiting.busy += 1;
            return Some(job);
        }
        waiting = shared.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
    }
}

fn run(shared: &Shared, tools: &Tools, send: &mpsc::Sender<Outcome>) {
    let mut warmer = None;
    while let Some(job) = next(shared) {
        let start = Instant::now();
        let _span = tracing::debug_span!("compile", kernels = job.kernels.len(), name = label(&job.kernels)).entered();
        // A driver or front end that panics on one set of kernels must not take the others down.
        let result = catch_unwind(AssertUnwindSafe(|| compile(tools, &job, &mut warmer))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(Error::internal(format!("compiling {} panicked: {text}", label(&job.kernels))))
        });
        exit::go_first();
        let took = start.elapsed();
        tracing::debug!(?took, ok = result.is_ok(), "compiled");
        let compiled = result.is_ok();
        let sent = send.send(Outcome { key: job.key, result, took }).is_ok();
        let idle = {
            let mut waiting = shared.lock();
            waiting.busy -= 1;
            waiting.singles.is_empty() && waiting.merged.is_empty()
        };
        if let Some(notify) = tools.notify.as_ref().filter(|_| sent) {
            notify();
        }
        if let Some(cache) = tools.cache.as_ref().filter(|_| compiled && idle) {
            cache.save();
        }
    }
}

fn label(kernels: &[LinkedKernel]) -> String {
    const SHOWN: usize = 6;
    let mut names: Vec<&str> = kernels.iter().take(SHOWN).map(|kernel| kernel.variant.kernel().name.as_str()).collect();
    let more = format!("{} more", kernels.len().saturating_sub(SHOWN));
    if kernels.len() > SHOWN {
        names.push(&more);
    }
    names.join("+")
}

fn compile(tools: &Tools, job: &Job, warmer: &mut Option<Warmer>) -> Result<Compiled> {
    let linked = tracing::debug_span!("link").in_scope(|| {
        let caps = tools.gpu.caps();
        link_with(&job.kernels, tools.clamp, caps.head(), caps.scalars(), caps.ahead())
    })?;
    let name = label(&job.kernels);
    if tracing::enabled!(target: "fascine::linked", tracing::Level::TRACE)
        && let Ok(text) = emit(&linked, Language::Wgsl)
    {
        tracing::trace!(target: "fascine::linked", name, wgsl = &*String::from_utf8_lossy(&text));
    }
    let caps = tools.gpu.caps();
    let limits = [
        ("storage buffers", linked.segments.len(), caps.max_segments),
        ("bytes of workgroup memory", linked.workgroup_bytes as usize, caps.workgroup_bytes as usize),
        ("invocations of a workgroup", linked.workgroup_size as usize, caps.workgroup_invocations as usize),
    ];
    if let Some((what, needs, has)) = limits.into_iter().find(|(_, needs, has)| needs > has) {
        return Err(Error::limit(format!("{name} needs {needs} {what}, the device has {has}")));
    }
    let features = [("f16", linked.needs.f16, caps.f16), ("subgroups", linked.needs.subgroups, caps.subgroups)];
    if let Some((what, ..)) = features.into_iter().find(|(_, needs, has)| *needs && !has) {
        return Err(Error::limit(format!("{name} needs {what} in shaders, which the device lacks")));
    }
    if caps.class == Vendor::Cpu {
        let warm = match warmer {
            Some(warmer) => Ok(warmer),
            None => Warmer::new(&tools.gpu).map(|new| warmer.insert(new)),
        };
        let span = tracing::debug_span!("warm_up");
        if let Err(error) = span.in_scope(|| warm.and_then(|warmer| warmer.keep(&name, &linked))) {
            tracing::debug!(%error, name, "not warmed up");
        }
    }
    let span = tracing::debug_span!("create_pipeline");
    span.in_scope(|| create(&tools.gpu.device, tools.cache.as_ref(), &name, &linked))
}

fn create(device: &wgpu::Device, cache: Option<&DiskCache>, name: &str, linked: &Linked) -> Result<Compiled> {
    let created = scoped(device, &format!("pipeline {name}"), || {
        let module = trusted::create_module(device, name, linked);
        let layout = binding::layout(device, &linked.bindings);
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: linked.immediate_bytes,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                // A user's kernel must not see what another tenant left there.
                zero_initialize_workgroup_memory: linked.has_user_kernel,
            },
            cache: cache.map(DiskCache::cache),
        });
        let per_workgroup = linked.per_workgroup.clone().into();
        let (bindings, immediate_bytes) = (linked.bindings.clone().into(), linked.immediate_bytes);
        Compiled { pipeline, layout, bindings, immediate_bytes, per_workgroup }
    });
    created.map_err(|error| match error.kind() {
        ErrorKind::Memory => error,
        _ => Error::kernel(error.message().to_owned()),
    })
}

/// A second device on which pipelines are dispatched for the first time.
struct Warmer {
    device: wgpu::Device,
    queue: wgpu::Queue,
    table: wgpu::Buffer,
    stand_ins: [wgpu::Buffer; 2],
    /// Pipelines in a row that the driver's cache did not keep.
    not_kept: u32,
}

/// Longest wait for one warm-up; beyond it the first dispatch pays.
const WARM_LIMIT: Duration = Duration::from_secs(120);
/// How often, while the driver compiles, this crate's exit handler is put before its own. Guessed.
const GO_FIRST_EVERY: Duration = Duration::from_millis(5);
/// A warm-up that takes no longer was served from the driver's cache. Guessed, from 1 to 16 ms against seconds that were measured for
/// first dispatches on llvmpipe.
const FROM_CACHE: Duration = Duration::from_millis(60);
/// How long to wait before each time that it is asked whether the cache has what was compiled. Guessed: the driver writes it on a
/// thread of low priority; and asking in vain compiles anew.
const ASK_AFTER: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// Pipelines in a row that the cache did not keep after which it is not asked any more: there is none. Guessed.
const NOT_KEPT: u32 = 2;

impl Warmer {
    fn new(gpu: &Gpu) -> Result<Self> {
        let (device, queue) = request(&gpu.adapter, gpu.device.features(), gpu.device.limits())?;
        let buffer = || {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("fascine warm-up"),
                size: 256,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        };
        let (table, stand_ins) = (buffer(), [buffer(), buffer()]);
        Ok(Warmer { device, queue, table, stand_ins, not_kept: 0 })
    }

    /// Warms up until the driver's cache has what it compiled: without that, the first dispatch would compile it again, on the
    /// thread that runs everything.
    fn keep(&mut self, name: &str, linked: &Linked) -> Result<()> {
        let timed = || {
            let start = Instant::now();
            self.warm(name, linked).map(|()| start.elapsed())
        };
        let first = timed()?;
        tracing::debug!(?first, name, "warmed up");
        if first <= FROM_CACHE || self.not_kept >= NOT_KEPT {
            return Ok(());
        }
        for wait in ASK_AFTER {
            std::thread::sleep(wait);
            let again = timed()?;
            tracing::debug!(?again, name, "asked the driver's cache");
            if again <= FROM_CACHE.max(first / 4) {
                self.not_kept = 0;
                return Ok(());
            }
        }
        self.not_kept += 1;
        Err(Error::device(format!("the driver's cache does not keep {name}")))
    }

    fn warm(&self, name: &str, linked: &Linked) -> Result<()> {
        let Compiled { pipeline, layout, bindings, immediate_bytes, per_workgroup: _ } =
            create(&self.device, None, name, linked)?;
        let submitted = scoped(&self.device, "warm-up", || {
            let table = wgpu::BufferBinding { buffer: &self.table, offset: 0, size: std::num::NonZero::new(256) };
            let table = wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(table) };
            let bindings = bindings.iter().map(|bound| wgpu::BindGroupEntry {
                binding: bound.binding,
                resource: self.stand_ins[usize::from(bound.segment.kind == SegmentKind::Weights)].as_entire_binding(),
            });
            let entries: Vec<_> = std::iter::once(table).chain(bindings).collect();
            let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries };
            let group = self.device.create_bind_group(&descriptor);
            let mut encoder = self.device.create_command_encoder(&Default::default());
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                pass.set_pipeline(&pipeline);
                pass.set_bind_group(0, &group, &[0]);
                if immediate_bytes > 0 {
                    pass.set_immediates(0, &[0; table::HEAD_BYTES as usize][..immediate_bytes as usize]);
                }
                pass.dispatch_workgroups(1, 1, 1);
            }
            self.queue.submit([encoder.finish()])
        })?;
        let until = Instant::now() + WARM_LIMIT;
        loop {
            let wait =
                wgpu::PollType::Wait { submission_index: Some(submitted.clone()), timeout: Some(GO_FIRST_EVERY) };
            match self.device.poll(wait) {
                Ok(_) => return Ok(()),
                Err(wgpu::PollError::Timeout) if Instant::now() < until => exit::go_first(),
                Err(error) => return Err(Error::device(format!("warm-up of {name}: {error}"))),
            }
        }
    }
}
