//! The engine: the one owner of device, heap and scheduler. A plain object; each [`Engine::step`] takes messages, lets the
//! scheduler issue, and hands in what came back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::Duration;

use super::message::{Inbox, Message, Prepared};
use super::options::Clock;
use super::resolve::{Residency, Resolved};
use super::trace::{LaneRecord, Trace, WaveRecord};
use super::{Completion, Stats, Timing, closed};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Allocation, Download, Executor, Finished, LaneWork, Upload, WaveWork, Work};
use crate::plan::{Place, Source, repr};
use crate::schedule::{
    self, Ended, Nanos, Outcome, Pipelines as _, RequestDesc, RequestId, Scheduler, Submission, SubmissionId,
};
use crate::tensor::Tensor;

/// How long the engine's thread sleeps while something is under way: at first, and at most.
const NAP: (Duration, Duration) = (Duration::from_micros(20), Duration::from_micros(500));
/// Resolved plans kept; each is a few kilobytes.
const RESOLVED_PLANS: usize = 256;

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Step {
    /// Something changed; step again.
    Progress,
    /// Nothing to do until a message comes or the device gets on.
    Idle,
    /// Shut down, with nothing in flight.
    Stopped,
}

/// A request that has its memory and is known to the scheduler.
struct Active {
    prepared: Prepared,
    resolved: Arc<Resolved>,
    regions: Vec<Allocation>,
    /// Workgroups not issued yet; the submission with the last ones carries the read-backs.
    remaining: u64,
    uploaded: bool,
    started: Option<Nanos>,
    downloads: Vec<Option<Vec<u8>>>,
    timing: Timing,
}

/// A submission on the device.
struct InFlight {
    issued: Nanos,
    waves: Vec<schedule::Wave>,
}

pub(super) struct Engine {
    executor: Executor,
    scheduler: Scheduler,
    clock: Clock,
    inbox: Inbox,
    trace: Option<Trace>,
    models: BTreeMap<u64, Residency>,
    /// By plan and the slots of the request's regions; the most recently made last.
    resolved: VecDeque<((u64, Vec<u8>), Arc<Resolved>)>,
    active: BTreeMap<RequestId, Active>,
    /// Caller's identity to scheduler's, for cancelling.
    names: BTreeMap<u64, RequestId>,
    /// Requests that wait for memory, first come first served.
    waiting: VecDeque<Prepared>,
    in_flight: BTreeMap<SubmissionId, InFlight>,
    stats: Stats,
    nap: Duration,
    closing: bool,
    lost: Option<Error>,
}

impl Engine {
    pub(super) fn new(
        executor: Executor,
        schedule: schedule::Options,
        clock: Clock,
        inbox: Inbox,
        trace: Option<Trace>,
    ) -> Self {
        Engine {
            executor,
            scheduler: Scheduler::new(schedule),
            clock,
            inbox,
            trace,
            models: BTreeMap::new(),
            resolved: VecDeque::new(),
            active: BTreeMap::new(),
            names: BTreeMap::new(),
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            stats: Stats::default(),
            nap: NAP.0,
            closing: false,
            lost: None,
        }
    }

    /// The error that stopped the device, if one did.
    pub(super) fn health(&self) -> Result<()> {
        self.lost.clone().map_or(Ok(()), Err)
    }

    /// Advances as far as one round goes without waiting.
    pub(super) fn step(&mut self) -> Step {
        let mut progress = self.take_messages();
        match self.collect() {
            Ok(collected) => progress |= collected,
            Err(error) => self.lose(error),
        }
        progress |= self.fail_uncompilable();
        progress |= self.admit_waiting();
        match self.issue() {
            Ok(issued) => progress |= issued,
            Err(error) => self.lose(error),
        }
        if progress {
            self.nap = NAP.0;
            return Step::Progress;
        }
        if self.closing && self.active.is_empty() && self.waiting.is_empty() { Step::Stopped } else { Step::Idle }
    }

    /// Sleeps until a message comes, or for a moment if the device or a compiler is at work.
    pub(super) fn sleep(&mut self) {
        let received = if self.active.is_empty() && self.in_flight.is_empty() && !self.closing {
            self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            let nap = self.nap;
            self.nap = (self.nap * 2).min(NAP.1);
            self.inbox.recv_timeout(nap)
        };
        match received {
            Ok(message) => self.take(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.closing = true,
        }
    }

    /// A short sleep on a caller's thread, for manual engines.
    pub(super) fn nap(&mut self) {
        std::thread::sleep(self.nap);
        self.nap = (self.nap * 2).min(NAP.1);
    }

    fn take_messages(&mut self) -> bool {
        let mut any = false;
        loop {
            match self.inbox.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => return any,
                Err(TryRecvError::Disconnected) => {
                    self.closing = true;
                    return any;
                }
            }
            any = true;
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Submit(prepared) => self.submit(*prepared),
            Message::Cancel(id) => self.cancel(id),
            Message::Unload(model) => {
                if let Some(residency) = self.models.get_mut(&model) {
                    residency.unloaded = true;
                }
                self.free_if_unused(model);
            }
            Message::Stats(reply) => {
                let pipelines = self.executor.pipelines().live();
                let stats = Stats { memory: self.executor.memory(), pipelines, ..self.stats.clone() };
                // The caller may have stopped waiting.
                let _ = reply.send(stats);
            }
            Message::Shutdown => self.closing = true,
        }
    }

    fn submit(&mut self, prepared: Prepared) {
        if let Some(error) = &self.lost {
            return self.reply(prepared, Err(error.clone()));
        }
        self.models.entry(prepared.plan.model).or_default().active += 1;
        // Those that wait go first, so that a stream of small requests cannot starve a large one.
        self.waiting.push_back(prepared);
        self.admit_waiting();
    }

    /// Places waiting requests as far as memory goes.
    fn admit_waiting(&mut self) -> bool {
        let mut any = false;
        while let Some(prepared) = self.waiting.pop_front() {
            match self.place(&prepared) {
                Ok((regions, resolved)) => {
                    any = true;
                    self.start(prepared, regions, resolved);
                }
                // Someone else's memory will come free.
                Err(error) if error.kind() == ErrorKind::Memory && self.may_fit_later(&prepared) => {
                    self.waiting.push_front(prepared);
                    return any;
                }
                Err(error) => {
                    any = true;
                    self.end(prepared, Err(error));
                }
            }
        }
        any
    }

    fn may_fit_later(&self, prepared: &Prepared) -> bool {
        !self.active.is_empty() && self.executor.fits_ever(&prepared.plan.plan.regions)
    }

    fn place(&mut self, prepared: &Prepared) -> Result<(Vec<Allocation>, Arc<Resolved>)> {
        let plan = &prepared.plan;
        let residency = self.models.entry(plan.model).or_default();
        residency.ensure(&mut self.executor, plan)?;
        let mut regions = Vec::with_capacity(plan.plan.regions.len());
        for &bytes in &plan.plan.regions {
            match self.executor.allocate(bytes) {
                Ok(allocation) => regions.push(allocation),
                Err(error) => {
                    regions.into_iter().for_each(|allocation| self.executor.free(allocation));
                    return Err(error);
                }
            }
        }
        let key = (plan.id, regions.iter().map(|allocation| allocation.slot.index).collect::<Vec<u8>>());
        if let Some((_, resolved)) = self.resolved.iter().find(|(known, _)| *known == key) {
            return Ok((regions, resolved.clone()));
        }
        let residency = self.models.entry(plan.model).or_default();
        match Resolved::new(plan, residency, &regions, &mut self.executor) {
            Ok(resolved) => {
                // Every kernel is compiled ahead of its turn, not when the request gets there.
                let mut arms: Vec<_> = resolved.desc.dispatches.iter().map(|dispatch| dispatch.arm).collect();
                arms.sort();
                arms.dedup();
                for arm in arms {
                    if !self.executor.pipelines().ready(&[arm]) {
                        self.executor.pipelines().want(&[arm]);
                    }
                }
                let resolved = Arc::new(resolved);
                if self.resolved.len() >= RESOLVED_PLANS {
                    self.resolved.pop_front();
                }
                self.resolved.push_back((key, resolved.clone()));
                Ok((regions, resolved))
            }
            Err(error) => {
                regions.into_iter().for_each(|allocation| self.executor.free(allocation));
                Err(error)
            }
        }
    }

    fn start(&mut self, prepared: Prepared, regions: Vec<Allocation>, resolved: Arc<Resolved>) {
        let now = self.clock.now();
        let desc =
            RequestDesc {
            plan: resolved.desc.clone(),
            deadline: prepared.deadline,
            class: prepared.class,
            ..RequestDesc::default()
        };
        let outputs = prepared.outputs().len();
        let active = Active {
            remaining: resolved.workgroups,
            resolved,
            regions,
            uploaded: false,
            started: None,
            downloads: vec![None; outputs],
            timing: Timing::default(),
            prepared,
        };
        if active.remaining == 0 {
            return self.finish(active, Outcome::Completed, now);
        }
        let caller = active.prepared.id;
        let id = self.scheduler.submit(desc, now);
        self.names.insert(caller, id);
        self.active.insert(id, active);
    }

    fn cancel(&mut self, caller: u64) {
        if let Some(at) = self.waiting.iter().position(|prepared| prepared.id == caller) {
            if let Some(prepared) = self.waiting.remove(at) {
                self.end(prepared, Err(cancelled()));
            }
        } else if let Some(&id) = self.names.get(&caller) {
            let now = self.clock.now();
            self.scheduler.cancel(id, now);
            self.take_ended();
        }
    }

    /// Ends the requests whose kernels the driver refused.
    fn fail_uncompilable(&mut self) -> bool {
        let failures = self.executor.pipelines().take_failures();
        for (arm, error) in &failures {
            let stuck: Vec<RequestId> = self
                .active
                .iter()
                .filter(|(_, active)| active.resolved.desc.dispatches.iter().any(|dispatch| dispatch.arm == *arm))
                .map(|(&id, _)| id)
                .collect();
            for id in stuck {
                let now = self.clock.now();
                if let Some(active) = self.active.get_mut(&id) {
                    let _ = std::mem::replace(&mut active.prepared.reply, futures::channel::oneshot::channel().0)
                        .send(Err(error.clone()));
                }
                self.scheduler.cancel(id, now);
            }
        }
        self.take_ended();
        !failures.is_empty()
    }

    fn issue(&mut self) -> Result<bool> {
        if self.lost.is_some() {
            return Ok(false);
        }
        let mut any = false;
        loop {
            let now = self.clock.now();
            let Some(submission) = self.scheduler.issue(now, self.executor.pipelines()) else {
                self.take_ended();
                return Ok(any);
            };
            any = true;
            let work = self.work(&submission, now)?;
            self.stats.submissions += 1;
            self.stats.waves += submission.waves.len() as u64;
            self.stats.lanes += submission.waves.iter().map(|wave| wave.lanes.len() as u64).sum::<u64>();
            self.in_flight.insert(submission.id, InFlight { issued: now, waves: submission.waves });
            self.executor.submit(work)?;
            self.stats.host_nanos += self.clock.now().saturating_sub(now);
        }
    }

    /// Turns what the scheduler decided into addresses, uploads and read-backs.
    fn work(&mut self, submission: &Submission, now: Nanos) -> Result<Work> {
        let mut work = Work { id: submission.id, ..Work::default() };
        work.waves.reserve(submission.waves.len());
        for wave in &submission.waves {
            let mut lanes = Vec::with_capacity(wave.lanes.len());
            for lane in &wave.lanes {
                let active = self
                    .active
                    .get_mut(&lane.request)
                    .ok_or_else(|| Error::internal("the scheduler issued a request that has ended"))?;
                if !active.uploaded {
                    active.uploaded = true;
                    active.started = Some(now);
                    for input in &active.prepared.uploads {
                        let region = &active.regions[usize::from(input.region)];
                        work.uploads.push(Upload {
                            slot: region.slot,
                            offset: region.offset + input.offset,
                            bytes: input.bytes.clone(),
                        });
                    }
                }
                let dispatch = lane.dispatch as usize;
                lanes.push(LaneWork {
                    arm: lane.arm,
                    grid: active.prepared.plan.plan.dispatches[dispatch].grid,
                    first: lane.first,
                    count: lane.count,
                    operands: active.resolved.operands(dispatch, &active.regions).collect(),
                    params: active.resolved.params[dispatch].clone(),
                });
                active.remaining -= u64::from(lane.count);
                if active.remaining == 0 {
                    downloads(lane.request, active, &mut work.downloads);
                }
            }
            work.waves.push(WaveWork { lanes });
        }
        Ok(work)
    }

    fn collect(&mut self) -> Result<bool> {
        if self.lost.is_some() {
            return Ok(false);
        }
        let finished = self.executor.poll()?;
        let any = !finished.is_empty();
        for finished in finished {
            self.retire(finished);
        }
        Ok(any)
    }

    fn retire(&mut self, finished: Finished) {
        let now = self.clock.now();
        let Finished { id, wave_nanos, gpu_nanos, downloads } = finished;
        for (tag, bytes) in downloads {
            let (request, output) = (RequestId(tag >> 16), (tag & 0xffff) as usize);
            if let Some(active) = self.active.get_mut(&request) {
                active.downloads[output] = Some(bytes);
            }
        }
        self.stats.gpu_nanos += gpu_nanos.unwrap_or(0);
        if let Some(flight) = self.in_flight.remove(&id) {
            for (index, wave) in flight.waves.iter().enumerate() {
                let gpu = wave_nanos.as_ref().and_then(|nanos| nanos.get(index).copied());
                self.account(wave, gpu);
            }
            if let Some(trace) = &self.trace {
                trace.extend(self.records(id, &flight, wave_nanos.as_deref(), now));
            }
        }
        self.scheduler.retire(id, wave_nanos.as_deref(), now);
        self.take_ended();
    }

    /// Adds a wave to the timing of the requests that had lanes in it.
    fn account(&mut self, wave: &schedule::Wave, gpu: Option<Nanos>) {
        let all = wave.lanes.len() as u32;
        let mut own: BTreeMap<RequestId, u32> = BTreeMap::new();
        for lane in &wave.lanes {
            *own.entry(lane.request).or_default() += 1;
        }
        for (request, lanes) in own {
            let Some(active) = self.active.get_mut(&request) else { continue };
            let timing = &mut active.timing;
            timing.bundles += 1;
            timing.lanes += lanes;
            timing.lanes_shared += all - lanes;
            timing.shared_bundles += u32::from(all > lanes);
            if let Some(gpu) = gpu {
                timing.gpu = Some(timing.gpu.unwrap_or_default() + Duration::from_nanos(gpu));
            }
        }
    }

    fn records(
        &self,
        id: SubmissionId,
        flight: &InFlight,
        nanos: Option<&[Nanos]>,
        retired: Nanos,
    ) -> Vec<WaveRecord> {
        let lane_record = |lane: &schedule::Lane| {
            let active = self.active.get(&lane.request)?;
            let dispatch = &active.prepared.plan.plan.dispatches[lane.dispatch as usize];
            Some(LaneRecord {
                request: active.prepared.id,
                model: active.prepared.plan.model,
                name: active.prepared.plan.name.clone(),
                label: dispatch.label.clone(),
                kernel: dispatch.variant.kernel().name.as_str().into(),
                first: lane.first,
                count: lane.count,
            })
        };
        let wave_record = |(index, wave): (usize, &schedule::Wave)| WaveRecord {
            submission: id.0,
            issued: flight.issued,
            retired,
            gpu: nanos.and_then(|nanos| nanos.get(index).copied()),
            lanes: wave.lanes.iter().filter_map(lane_record).collect(),
        };
        flight.waves.iter().enumerate().map(wave_record).collect()
    }

    fn take_ended(&mut self) {
        for Ended { request, outcome, at } in self.scheduler.take_ended() {
            if let Some(active) = self.active.remove(&request) {
                self.names.remove(&active.prepared.id);
                self.finish(active, outcome, at);
            }
        }
    }

    fn finish(&mut self, active: Active, outcome: Outcome, at: Nanos) {
        let Active { prepared, resolved: _, regions, remaining: _, uploaded: _, started, downloads, mut timing } = active;
        regions.into_iter().for_each(|allocation| self.executor.free(allocation));
        timing.queued = Duration::from_nanos(started.unwrap_or(at).saturating_sub(prepared.submitted));
        timing.total = Duration::from_nanos(at.saturating_sub(prepared.submitted));
        timing.in_time = prepared.deadline.map(|deadline| at <= deadline);
        let result = match outcome {
            Outcome::Completed | Outcome::CompletedLate => outputs(&prepared, downloads).map(|outputs| Completion { outputs, timing }),
            _ => Err(cancelled()),
        };
        self.end(prepared, result);
    }

    /// Replies and lets go of the model.
    fn end(&mut self, prepared: Prepared, result: Result<Completion>) {
        let model = prepared.plan.model;
        self.stats.requests += 1;
        self.reply(prepared, result);
        if let Some(residency) = self.models.get_mut(&model) {
            residency.active -= 1;
        }
        self.free_if_unused(model);
    }

    fn reply(&self, prepared: Prepared, result: Result<Completion>) {
        // The caller may have dropped the handle.
        let _ = prepared.reply.send(result);
    }

    fn free_if_unused(&mut self, model: u64) {
        if self.models.get(&model).is_some_and(|residency| residency.unloaded && residency.active == 0)
            && let Some(residency) = self.models.remove(&model)
        {
            residency.free(&mut self.executor);
            let stale = u32::try_from(model).unwrap_or(u32::MAX);
            self.resolved.retain(|(_, resolved)| resolved.desc.model != stale);
        }
    }

    /// The device is gone: everything that waits for it ends with the error.
    fn lose(&mut self, error: Error) {
        tracing::error!(%error, "the device is lost");
        self.lost = Some(error.clone());
        self.in_flight.clear();
        self.names.clear();
        for (_, active) in std::mem::take(&mut self.active) {
            self.end(active.prepared, Err(error.clone()));
        }
        for prepared in std::mem::take(&mut self.waiting) {
            self.end(prepared, Err(error.clone()));
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for (_, active) in std::mem::take(&mut self.active) {
            self.reply(active.prepared, Err(closed()));
        }
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the request was cancelled")
}

/// The read-backs of a request whose last workgroups are being issued.
fn downloads(request: RequestId, active: &Active, downloads: &mut Vec<Download>) {
    for (index, output) in active.prepared.outputs().iter().enumerate() {
        let Source::Device(operand) = &output.source else { continue };
        let Place::Activation { region, offset } = operand.place else { continue };
        let region = &active.regions[usize::from(region)];
        downloads.push(Download {
            slot: region.slot,
            offset: region.offset + offset,
            bytes: operand.bytes,
            tag: (request.0 << 16) | index as u64,
        });
    }
}

fn outputs(prepared: &Prepared, downloads: Vec<Option<Vec<u8>>>) -> Result<Vec<(String, Tensor)>> {
    let mut outputs = Vec::with_capacity(downloads.len());
    for (output, bytes) in prepared.outputs().iter().zip(downloads) {
        let tensor = match &output.source {
            Source::Constant(tensor) => tensor.clone(),
            Source::Input(index) => prepared.inputs[*index].clone(),
            Source::Device(_) => {
                let bytes = bytes.ok_or_else(|| Error::internal(format!("output '{}' was not read back", output.name)))?;
                repr::from_heap(&bytes, output.dtype, &output.shape)?
            }
        };
        outputs.push((output.name.clone(), tensor));
    }
    Ok(outputs)
}
