//! The executor: runs [`Work`] on the device, one command buffer per submission.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::binding::BindGroups;
use super::cache::DiskCache;
use super::compile::{Notify, Tools};
use super::device::{Caps, Gpu};
use super::driver::driver;
use super::fault::scoped;
use super::memory::{Allocation, HeapLayout, Memory, MemoryStats};
use super::pipelines::PipelineStore;
use super::staging::{Direction, StagingPool, pieces, words_up};
use super::tables::{BundleTable, TableBuffers, TableWriter};
use super::timing::{Timer, Timers, Times};
use super::waiter::Waiter;
use super::work::{Download, Finished, Work};
use crate::error::{Error, ErrorKind, Result};
use crate::link::{Clamp, LinkedKernel, SegmentId, SegmentKind};
use crate::schedule::{KernelId, SubmissionId};

mod submit;

/// How long a thread sleeps between polls where it must not block on the device.
pub(super) const NAP: Duration = Duration::from_micros(200);

/// How an executor is set up.
#[derive(Clone, Default)]
pub struct ExecutorOptions {
    /// Limit on heap and weights in bytes; none means what the device gives. Staging comes on top, so that work that has its
    /// tensors can always run, but beyond the limit none is kept for later.
    pub memory_cap: Option<u64>,
    /// Folder for compiled pipelines; none means that they are not kept.
    pub cache_dir: Option<PathBuf>,
    /// Number of compile threads; 0 is a choice by the host's cores.
    pub compile_threads: usize,
    /// Whose indices are clamped.
    pub clamp: Clamp,
    /// Bound on a segment's bytes below the device's own: lets tests have many segments.
    pub segment_bytes: Option<u64>,
    /// Bound on the bytes of upload buffers, and on those of read-back buffers, below what the device gives: lets tests run out
    /// of them.
    pub staging_bytes: Option<u64>,
    /// How the heap is divided.
    pub heap: HeapLayout,
    /// Called when [`Executor::poll`] has something new: from a compile thread, when a pipeline is ready or has failed, and where
    /// the device is fascine's own, from a thread that waits for it, when a submission is done. Must not block. Without it
    /// nobody waits for the device.
    pub notify: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for ExecutorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_cap, cache_dir, compile_threads, clamp, segment_bytes, staging_bytes, heap, notify } = self;
        f.debug_struct("ExecutorOptions")
            .field("memory_cap", memory_cap)
            .field("cache_dir", cache_dir)
            .field("compile_threads", compile_threads)
            .field("clamp", clamp)
            .field("segment_bytes", segment_bytes)
            .field("staging_bytes", staging_bytes)
            .field("heap", heap)
            .field("notify", &notify.is_some())
            .finish()
    }
}

/// A submission that the device has not finished.
#[derive(Debug)]
struct Sent {
    id: SubmissionId,
    serial: u64,
    index: wgpu::SubmissionIndex,
    read_back: Vec<wgpu::Buffer>,
    timer: Option<Timer>,
    downloads: Vec<Download>,
    /// What has not been said to be done: each buffer that is read back.
    left: usize,
}

/// Staging that a request is sure of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// Bytes of uploads.
    pub uploads: u64,
    /// Bytes of downloads.
    pub downloads: u64,
}

impl Promise {
    /// What a submission takes of what was promised.
    pub fn of(work: &Work) -> Self {
        let uploads = work.uploads.iter().map(|upload| words_up(upload.bytes.len() as u64)).sum();
        Promise { uploads, downloads: work.downloads.iter().map(|download| words_up(download.bytes)).sum() }
    }
}

/// The one owner of a device's memory, pipelines and queue.
#[derive(Debug)]
pub struct Executor {
    // First, so that the threads end before what they use.
    waiter: Option<Waiter>,
    store: PipelineStore,
    pub(super) gpu: Gpu,
    pub(super) memory: Memory,
    pub(super) groups: BindGroups,
    tables: TableBuffers,
    writer: TableWriter,
    pub(super) uploads: StagingPool,
    read_backs: StagingPool,
    timers: Timers,
    in_flight: VecDeque<Sent>,
    serial: u64,
    send: mpsc::Sender<(u64, bool)>,
    done: mpsc::Receiver<(u64, bool)>,
    kernels: Vec<KernelId>,
    /// Memory that is used again.
    bundle_tables: Vec<BundleTable>,
    spare_downloads: Vec<Vec<Download>>,
    spare_results: Vec<Vec<(u64, Vec<u8>)>>,
    ticks: Vec<u64>,
}

impl Executor {
    /// An executor for `gpu`, with its compile threads.
    ///
    /// # Errors
    /// `Io` if no thread can be started, `Device` if the device is lost.
    pub fn new(gpu: Gpu, options: ExecutorOptions) -> Result<Self> {
        let ExecutorOptions {
            memory_cap,
            cache_dir,
            compile_threads,
            clamp,
            segment_bytes,
            staging_bytes,
            heap,
            notify,
        } = options;
        let threads = match compile_threads {
            // Nothing runs before its pipeline is there, so that even two cores do better with both at it; and one more is at
            // work while others wait for the driver to write its cache (see `compile`).
            0 => std::thread::available_parallelism().map_or(1, |n| n.get().clamp(1, 4)) + 1,
            n => n.min(64),
        };
        let cache = cache_dir.and_then(|folder| DiskCache::open(&gpu, &folder));
        let notify: Option<Notify> = notify;
        let waiter = notify.clone().filter(|_| !gpu.is_shared());
        let waiter = waiter.map(|notify| Waiter::start(&gpu, notify)).transpose()?;
        let tools = Tools { gpu: gpu.clone(), cache, clamp, notify };
        let store = PipelineStore::new(&tools, gpu.caps(), threads)?;
        let (send, done) = mpsc::channel();
        let device = &gpu.device;
        let groups = scoped(device, "bind groups", || BindGroups::new(device.clone()))?;
        Ok(Executor {
            memory: Memory::new(&gpu, memory_cap, segment_bytes, heap),
            groups,
            tables: TableBuffers::new(device.clone()),
            writer: TableWriter::new(gpu.caps().runs()),
            uploads: StagingPool::new(device.clone(), Direction::Upload, staging_bytes),
            read_backs: StagingPool::new(device.clone(), Direction::ReadBack, staging_bytes),
            timers: Timers::new(device.clone(), &gpu.queue, gpu.caps().timestamps),
            in_flight: VecDeque::new(),
            serial: 0,
            send,
            done,
            kernels: Vec::new(),
            bundle_tables: Vec::new(),
            spare_downloads: Vec::new(),
            spare_results: Vec::new(),
            ticks: Vec::new(),
            waiter,
            store,
            gpu,
        })
    }

    /// What the device can do.
    pub fn caps(&self) -> &Caps {
        self.gpu.caps()
    }

    /// Whether the device belongs to an app.
    pub fn is_shared(&self) -> bool {
        self.gpu.is_shared()
    }

    pub(super) fn staging(&self) -> u64 {
        self.uploads.reserved() + self.read_backs.reserved() + self.tables.reserved()
    }

    /// Where the bytes are.
    pub fn memory(&self) -> MemoryStats {
        self.memory.stats(self.staging())
    }

    /// Takes heap memory in one piece, starting at a multiple of 256 bytes. It may hold bytes of earlier owners.
    ///
    /// # Errors
    /// `Limit` if no segment can be that large, `Memory` if there is no room now; see [`Executor::fits_ever`].
    pub fn allocate(&mut self, bytes: u64) -> Result<Allocation> {
        let allocation = self.memory.allocate(SegmentKind::Heap, bytes);
        self.relieve();
        self.groups.sync(&self.memory);
        allocation
    }

    /// The segments that a request's allocations lie in, as far as requests are told apart by them: in a [`HeapLayout::Apart`] heap,
    /// where each has a segment of its own, these are 0, 1 and so on for every request.
    pub fn segments_of<'a>(
        &self,
        allocations: impl IntoIterator<Item = &'a Allocation>,
    ) -> impl Iterator<Item = SegmentId> {
        let layout = self.memory.layout();
        allocations.into_iter().enumerate().map(move |(index, allocation)| match layout {
            HeapLayout::Shared => allocation.segment(),
            HeapLayout::Apart => SegmentId { index: index as u8, kind: SegmentKind::Heap },
        })
    }

    /// How the heap is divided.
    pub fn heap_layout(&self) -> HeapLayout {
        self.memory.layout()
    }

    /// Whether [`Executor::allocate`] could succeed once other heap memory is freed: whether waiting can help.
    pub fn fits_ever(&self, bytes: u64) -> bool {
        self.memory.fits_ever(bytes)
    }

    /// Why heap allocations of these lengths can never be had together, if that is so.
    pub fn never_fits(&self, lengths: impl Iterator<Item = u64>) -> Option<Error> {
        self.memory.never_fits(lengths)
    }

    /// Why so much staging can never be promised, if that is so.
    pub fn never_stages(&self, promise: Promise) -> Option<Error> {
        self.uploads.never_fits(promise.uploads).or_else(|| self.read_backs.never_fits(promise.downloads))
    }

    /// Whether so many bytes of the heap could be had now, as far as can be told without moving anything. If it says no, there is no
    /// room.
    pub fn may_have(&self, bytes: u64) -> bool {
        self.memory.may_have(bytes)
    }

    /// As [`Pipelines::compatible`](crate::schedule::Pipelines::compatible).
    pub fn kernels_compatible(&self, a: KernelId, b: KernelId) -> bool {
        crate::schedule::Pipelines::compatible(&self.store, a, b)
    }

    /// Gives back heap memory. Submissions that use it may still be in flight.
    pub fn free(&mut self, allocation: Allocation) {
        self.memory.free(allocation);
        self.groups.sync(&self.memory);
    }

    /// Beyond the cap, staging that nothing uses goes.
    pub(super) fn relieve(&mut self) {
        let MemoryStats { heap_reserved, weights_reserved, staging, cap, .. } = self.memory();
        if cap.is_some_and(|cap| heap_reserved + weights_reserved + staging > cap) {
            self.uploads.trim();
            self.read_backs.trim();
        }
    }

    /// Releases every segment and staging buffer that holds nothing.
    pub fn trim(&mut self) {
        self.memory.trim();
        self.uploads.trim();
        self.read_backs.trim();
        self.groups.sync(&self.memory);
    }

    /// A number for `kernel`: an equal one has the same number.
    pub fn intern(&mut self, kernel: LinkedKernel) -> KernelId {
        self.store.intern(kernel)
    }

    /// Which pipelines there are, for the scheduler.
    pub fn pipelines(&mut self) -> &mut PipelineStore {
        &mut self.store
    }

    /// Whether `notify` is called for whatever [`Executor::poll`] would find: then it need not be polled in the meantime.
    pub fn notifies(&self) -> bool {
        self.waiter.is_some()
    }

    /// Has the end of a submission notified. To be called when whatever is to be mapped behind it is known to wgpu.
    pub(super) fn watch(&self, index: wgpu::SubmissionIndex) {
        if let Some(waiter) = &self.waiter {
            waiter.watch(index);
        }
    }

    /// Submissions that have not come out of [`Executor::poll`].
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Sees to it that uploads and downloads of these bytes, whole words each, find room once nothing is in flight: what is
    /// submitted later counts towards it.
    ///
    /// # Errors
    /// `Memory` if there is no room. Nothing is promised then.
    pub fn promise(&mut self, promise: Promise) -> Result<()> {
        self.with_room(|this| this.uploads.promise(promise.uploads))?;
        let given = self.with_room(|this| this.read_backs.promise(promise.downloads));
        given.inspect_err(|_| self.uploads.release(promise.uploads))
    }

    /// Takes back what was promised and will not be submitted.
    pub fn release(&mut self, promise: Promise) {
        self.uploads.release(promise.uploads);
        self.read_backs.release(promise.downloads);
    }

    /// Whether the device has something to do, so that staging may come free.
    pub fn is_busy(&mut self) -> bool {
        self.uploads.collect();
        !self.in_flight.is_empty() || self.uploads.busy() > 0
    }

    /// Takes staging, if need be in place of memory that holds nothing.
    fn with_room<T>(&mut self, take: impl Fn(&mut Self) -> Result<T>) -> Result<T> {
        match take(self) {
            Err(error) if error.kind() == ErrorKind::Memory => {
                self.trim();
                take(self)
            }
            taken => taken,
        }
    }

    /// What the device has finished since the last call, in order of submission. Never waits.
    ///
    /// # Errors
    /// `Device` if the device failed: nothing in flight will finish.
    pub fn poll(&mut self) -> Result<Vec<Finished>> {
        let mut finished = Vec::new();
        self.poll_into(&mut finished)?;
        Ok(finished)
    }

    /// As [`Executor::poll`], into memory of the caller's.
    ///
    /// # Errors
    /// As [`Executor::poll`].
    pub fn poll_into(&mut self, finished: &mut Vec<Finished>) -> Result<()> {
        self.gpu.fault.poll(&self.gpu.device, wgpu::PollType::Poll)?;
        self.uploads.collect();
        self.store.turn();
        while let Ok((serial, good)) = self.done.try_recv() {
            if !good {
                self.gpu.fault.set(Error::device("a result could not be read back: the device was lost"));
            }
            if let Some(entry) = self.in_flight.iter_mut().find(|entry| entry.serial == serial) {
                entry.left = entry.left.saturating_sub(1);
            }
        }
        self.gpu.fault.check()?;
        while self.in_flight.front().is_some_and(|entry| entry.left == 0) {
            let Some(entry) = self.in_flight.pop_front() else { break };
            finished.push(self.read(entry)?);
        }
        Ok(())
    }

    /// Gives back the memory of a submission that was looked at, so that later ones need not allocate.
    pub fn recycle(&mut self, finished: Finished) {
        let Finished { bundle_nanos, mut downloads, .. } = finished;
        self.timers.recycle(bundle_nanos);
        downloads.clear();
        self.spare_results.push(downloads);
    }

    fn read(&mut self, entry: Sent) -> Result<Finished> {
        let Sent { id, read_back, timer, mut downloads, .. } = entry;
        let results = self.spare_results.pop().unwrap_or_default();
        let mut finished = Finished { id, bundle_nanos: None, span: None, downloads: results };
        let total = read_bytes(timer.as_ref(), &downloads);
        if total > 0 {
            let mut at = timer.as_ref().map_or(0, Timer::bytes);
            if let Some(timer) = timer {
                // Any buffer holds as much as that.
                let view = driver(|| read_back[0].get_mapped_range(..at)).map_err(unread)?;
                self.ticks.clear();
                self.ticks.extend(view.chunks_exact(8).map(bytemuck::pod_read_unaligned::<u64>));
                driver(|| drop(view));
                let Times { bundles, span } = self.timers.finish(timer, &self.ticks);
                (finished.bundle_nanos, finished.span) = (bundles, span);
            }
            for download in &downloads {
                let mut all = Vec::with_capacity(download.bytes as usize);
                for (index, offset, length) in pieces(&read_back, at, download.bytes) {
                    // Views begin at multiples of eight and are whole words.
                    let before = offset % wgpu::MAP_ALIGNMENT;
                    let range = offset - before..offset + words_up(length);
                    let view = driver(|| read_back[index].get_mapped_range(range)).map_err(unread)?;
                    all.extend_from_slice(&view[before as usize..(before + length) as usize]);
                    driver(|| drop(view));
                }
                finished.downloads.push((download.tag, all));
                at += words_up(download.bytes);
            }
            read_back.iter().for_each(|buffer| driver(|| buffer.unmap()));
        }
        self.read_backs.give_back_all(read_back);
        downloads.clear();
        self.spare_downloads.push(downloads);
        Ok(finished)
    }

    /// Waits up to `timeout` for the oldest submission in flight; [`Executor::poll`] then says what has finished. On a shared
    /// device, where waiting could block the app's `present`, it sleeps a fraction of a millisecond at most.
    ///
    /// # Errors
    /// `Device` if the device failed.
    pub fn wait(&mut self, timeout: Duration) -> Result<()> {
        let Some(oldest) = self.in_flight.front() else { return self.gpu.fault.check() };
        if self.gpu.shared {
            self.gpu.fault.poll(&self.gpu.device, wgpu::PollType::Poll)?;
            std::thread::sleep(timeout.min(NAP));
            return Ok(());
        }
        let how = wgpu::PollType::Wait { submission_index: Some(oldest.index.clone()), timeout: Some(timeout) };
        self.gpu.fault.poll(&self.gpu.device, how)
    }
}

/// Bytes that come back of a submission.
fn read_bytes(timer: Option<&Timer>, downloads: &[Download]) -> u64 {
    timer.map_or(0, Timer::bytes) + downloads.iter().map(|download| words_up(download.bytes)).sum::<u64>()
}

fn unread(error: wgpu::MapRangeError) -> Error {
    Error::device(format!("a result could not be read back: {error}"))
}
