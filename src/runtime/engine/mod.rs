//! The engine: the one owner of device, heap and scheduler. A plain object; each [`Engine::step`] takes messages, places
//! requests, lets the scheduler issue, and hands out what came back.

mod begin;
mod course;
mod delayed;
mod fetch;
mod issue;
mod load;
mod nap;
mod resident;
mod retire;
mod spare;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::Duration;

use super::alike::Alikes;
use super::completion::Answer;
use super::costs::CostFile;
use super::hold::{Holds, Region};
use super::ids::{CallId, PlanId};
use super::message::{Inbox, Message, Port, Prepared};
use super::options::Clock;
use super::recent::Recent;
use super::resolve::{Residency, Resolved};
use super::session::{self, SessionId};
use super::trace::Trace;
use super::{Kept, Now, Stats, Timing, closed};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Executor, Promise, Work};
use crate::schedule::log::Recorder;
use crate::schedule::{self, ModelId, Nanos, Outcome, RequestId, SubmissionId};
use course::Planner;
use fetch::Fetches;
use nap::Nap;
use spare::Spare;

/// Resolved plans kept; each is a few kilobytes.
const RESOLVED_PLANS: usize = 256;

/// The number that a read-back of the report has in place of an output's.
const REPORT: u64 = 0xffff;

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

/// A request that the scheduler knows.
struct Active {
    prepared: Prepared,
    resolved: Arc<Resolved>,
    /// From its beginning on.
    regions: Vec<Region>,
    /// Staging that it has not used yet.
    promise: Promise,
    /// Whether it has its memory and staging.
    begun: bool,
    /// Whether there was no room for it when its turn came.
    refused: bool,
    /// Workgroups not issued yet; the submission with the last ones carries the read-backs.
    remaining: u64,
    /// The submission that carries its uploads.
    first: Option<SubmissionId>,
    started: Option<Nanos>,
    /// Why it cannot go on, whatever the scheduler says of it.
    failed: Option<Error>,
    downloads: Vec<Option<Vec<u8>>>,
    /// What the dispatches reported, once it is read back.
    report: Option<Vec<u8>>,
    timing: Timing,
}

/// A submission on the device.
struct InFlight {
    issued: Nanos,
    bundles: Vec<schedule::Bundle>,
    /// How many dispatches each bundle takes.
    parts: Vec<usize>,
    /// Whether it waited for staging, so that the time since its issue tells nothing.
    delayed: bool,
}

pub(super) struct Engine {
    executor: Executor,
    scheduler: Recorder,
    clock: Clock,
    inbox: Inbox,
    /// To its own inbox.
    port: Port,
    holds: Holds,
    planner: Planner,
    trace: Option<Trace>,
    costs: Option<CostFile>,
    models: BTreeMap<ModelId, Residency>,
    /// By plan: for each way in which the regions of its requests lie.
    resolved: Recent<PlanId, Vec<Arc<Resolved>>>,
    /// What dispatches of several plans have in common.
    alikes: Alikes,
    active: BTreeMap<RequestId, Active>,
    /// Caller's identity to scheduler's, for cancelling.
    names: BTreeMap<CallId, RequestId>,
    /// Parts of requests that have begun and wait for memory, then requests whose weights do, first come first served.
    waiting: VecDeque<Prepared>,
    /// One that memory did not hold beside others: nobody else begins until it has ended.
    alone: Option<CallId>,
    /// The first of them, once its waiting has been told.
    stalled: Option<CallId>,
    /// Requests that wait for their model's weights.
    loading: VecDeque<Prepared>,
    /// Requests whose next part is planned elsewhere, and whether they were cancelled.
    between: BTreeMap<CallId, bool>,
    fetches: Fetches,
    sessions: BTreeMap<SessionId, session::State>,
    /// Sessions whose next request may begin.
    turns: Vec<SessionId>,
    in_flight: BTreeMap<SubmissionId, InFlight>,
    /// A submission that waits for staging. Nothing else is issued meanwhile.
    delayed: Option<Box<Work>>,
    spare: Spare,
    stats: Stats,
    /// How long it has slept since something last changed.
    slept: Nap,
    closing: bool,
    /// Whether the process ends.
    abandoned: bool,
    lost: Option<Error>,
}

impl Engine {
    pub(super) fn new(
        executor: Executor,
        mut scheduler: Recorder,
        clock: Clock,
        (port, inbox): (Port, Inbox),
        trace: Option<Trace>,
        costs: Option<CostFile>,
        threaded: bool,
    ) -> Self {
        if let Some(costs) = &costs {
            scheduler.teach(&costs.fixed());
        }
        Engine {
            executor,
            scheduler,
            clock,
            inbox,
            port,
            holds: Holds::default(),
            planner: Planner::new(threaded),
            trace,
            costs,
            models: BTreeMap::new(),
            resolved: Recent::new(RESOLVED_PLANS),
            alikes: Alikes::default(),
            active: BTreeMap::new(),
            names: BTreeMap::new(),
            waiting: VecDeque::new(),
            alone: None,
            stalled: None,
            loading: VecDeque::new(),
            between: BTreeMap::new(),
            fetches: Fetches::default(),
            sessions: BTreeMap::new(),
            turns: Vec::new(),
            in_flight: BTreeMap::new(),
            delayed: None,
            spare: Spare::default(),
            stats: Stats::default(),
            slept: Nap::default(),
            closing: false,
            abandoned: false,
            lost: None,
        }
    }

    /// The error that stopped the device, if one did.
    pub(super) fn health(&self) -> Result<()> {
        self.lost.clone().map_or(Ok(()), Err)
    }

    /// Advances as far as one round goes without waiting.
    pub(super) fn step(&mut self) -> Step {
        let start = self.clock.now();
        let step = self.advance();
        self.stats.longest_step_nanos = self.stats.longest_step_nanos.max(self.clock.now().saturating_sub(start));
        step
    }

    fn advance(&mut self) -> Step {
        let mut progress = self.take_messages();
        match self.collect() {
            Ok(collected) => progress |= collected,
            Err(error) => self.lose(error),
        }
        progress |= self.fail_uncompilable();
        progress |= self.load();
        progress |= self.take_turns();
        progress |= self.admit_waiting();
        let issued = self.send_fetches().and_then(|sent| Ok(self.issue()? || sent));
        match issued {
            Ok(issued) => progress |= issued,
            Err(error) => self.lose(error),
        }
        if progress {
            self.slept = Nap::default();
            return Step::Progress;
        }
        if self.closing && self.idle() { Step::Stopped } else { Step::Idle }
    }

    /// Whether no request is under way.
    fn idle(&self) -> bool {
        let turns = self.sessions.values().any(|state| !state.queue.is_empty());
        let unscheduled = self.waiting.is_empty() && self.loading.is_empty() && self.between.is_empty();
        self.active.is_empty() && unscheduled && !turns && self.fetches.len() == 0
    }

    /// Sleeps until a message comes. Where none tells that the device has finished something, for a moment only while it is at
    /// work.
    pub(super) fn sleep(&mut self) {
        let nothing = self.idle() && self.in_flight.is_empty() && !self.closing;
        let received = if nothing {
            self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            let nap = self.nap();
            self.inbox.recv_timeout(nap)
        };
        match received {
            Ok(message) => self.take(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.closing = true,
        }
    }

    /// How long to sleep before the next step, if no message comes.
    pub(super) fn nap(&mut self) -> Duration {
        let now = self.clock.now();
        let done = self.scheduler.next_retirement();
        if self.executor.notifies() { nap::UNTIL_TOLD } else { self.slept.next(now, done) }
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
            Message::Bell => self.port.heard(),
            Message::Submit(prepared) => self.submit(*prepared),
            Message::Continue(prepared, error) => self.go_on(*prepared, error),
            Message::Abandoned(request) => drop(self.between.remove(&request)),
            Message::Fetch(fetch) => self.fetch(*fetch),
            Message::Free(allocation) => {
                self.executor.free(allocation);
                self.holds.returned();
            }
            Message::EndSession(id) => self.end_session(id),
            Message::Cancel(id) => self.cancel(id),
            Message::Unload(model) => {
                if let Some(residency) = self.models.get_mut(&model) {
                    residency.unloaded = true;
                }
                self.free_if_unused(model);
            }
            Message::Stats(reply) => {
                // The caller may have stopped waiting.
                let _ = reply.send(self.stats());
            }
            Message::Schedule(options, reply) => {
                // The caller may have stopped waiting.
                let _ = reply.send(self.reschedule(*options));
            }
            Message::Merging(merging) => self.executor.pipelines().set_merging(merging),
            Message::Shutdown => self.closing = true,
            Message::Abandon => self.abandon(),
        }
    }

    fn stats(&mut self) -> Stats {
        let pipelines = self.executor.pipelines().stats();
        let memory = self.executor.memory();
        let prediction = self.scheduler.prediction_error();
        let schedule::Stats { stragglers, straggled, .. } = self.scheduler.stats();
        Stats {
            now: self.now(),
            memory,
            pipelines,
            prediction,
            stragglers,
            straggled,
            loading: self.loading.len(),
            held_bytes: self.holds.bytes(),
            kept: Kept { plans: self.resolved.len(), names: self.names.len(), scheduler: self.scheduler.kept() },
            ..self.stats.clone()
        }
    }

    /// What is under way.
    pub(super) fn now(&self) -> Now {
        let unstarted = self.active.values().filter(|active| active.started.is_none()).count();
        let turns: usize = self.sessions.values().map(|state| state.queue.len()).sum();
        let unscheduled = self.waiting.len() + self.loading.len() + turns;
        let requests = self.active.len() + self.between.len() + unscheduled + self.fetches.len();
        let bundles = || self.in_flight.values().flat_map(|flight| &flight.bundles);
        Now {
            requests,
            queued: unstarted + unscheduled,
            waiting_for_memory: self.waiting.len() + self.refused(),
            models: self.models.len(),
            submissions: self.in_flight.len(),
            bundles: bundles().count(),
            lanes: bundles().map(|bundle| bundle.lanes.len()).sum(),
        }
    }

    /// Requests that have not begun while there is no room for the first of them.
    fn refused(&self) -> usize {
        let waits = self.active.values().any(|active| active.refused && !active.begun);
        if waits { self.active.values().filter(|active| !active.begun).count() } else { 0 }
    }

    fn reschedule(&mut self, options: schedule::Options) -> Result<()> {
        if !(self.idle() && self.in_flight.is_empty()) {
            return Err(Error::input("the schedule cannot change while requests are in flight"));
        }
        self.scheduler.restart(options);
        Ok(())
    }

    fn cancel(&mut self, caller: CallId) {
        if let Some(prepared) = self.take_unscheduled(|prepared| prepared.id == caller) {
            self.end_unscheduled(prepared, Outcome::Cancelled, ended(Outcome::Cancelled));
        } else if let Some(&id) = self.names.get(&caller) {
            let now = self.clock.now();
            self.scheduler.cancel(id, now);
            self.take_ended();
        } else {
            self.cancel_in_course(caller);
        }
    }

    /// Ends the requests whose kernels the driver refused.
    fn fail_uncompilable(&mut self) -> bool {
        let failures = self.executor.pipelines().take_failures();
        for (kernel, error) in &failures {
            let stuck: Vec<RequestId> = self
                .active
                .iter()
                .filter(|(_, active)| active.resolved.desc.dispatches.iter().any(|dispatch| dispatch.kernel == *kernel))
                .map(|(&id, _)| id)
                .collect();
            for id in stuck {
                self.fail(id, error.clone());
            }
        }
        self.take_ended();
        !failures.is_empty()
    }

    /// Issues nothing further of a request: it ends with the error once nothing of it is in flight.
    fn fail(&mut self, id: RequestId, error: Error) {
        if let Some(active) = self.active.get_mut(&id) {
            active.failed.get_or_insert(error);
        }
        self.scheduler.fail(id, self.clock.now());
    }

    /// Replies and lets go of the model.
    fn end(&mut self, prepared: Prepared, result: Result<Answer>) {
        let model = prepared.plan.model;
        self.stats.requests += 1;
        self.stats.outcomes.add(&result);
        self.end_turn(&prepared, &result);
        if self.alone == Some(prepared.id) {
            self.alone = None;
        }
        self.reply(prepared, result);
        if let Some(residency) = self.models.get_mut(&model) {
            residency.active -= 1;
        }
        self.free_if_unused(model);
    }

    fn reply(&self, prepared: Prepared, result: Result<Answer>) {
        let Prepared { seat, reply, .. } = prepared;
        drop(seat);
        // The caller may have dropped the handle.
        let _ = reply.send(result);
    }

    fn free_if_unused(&mut self, model: ModelId) {
        if self.models.get(&model).is_some_and(|residency| residency.unloaded && residency.active == 0)
            && let Some(residency) = self.models.remove(&model)
        {
            residency.free(&mut self.executor);
            self.resolved.retain(|all| all.iter().all(|resolved| resolved.desc.model != model));
            self.alikes.sweep();
            self.scheduler.forget(model);
        }
    }

    /// Tells the scheduler what an earlier run learned of kernels that are new in this one.
    fn teach(&mut self) {
        if let Some(costs) = &mut self.costs {
            let store = self.executor.pipelines();
            let learned = costs.recall(|id| store.kernel(id));
            self.scheduler.teach(&learned);
        }
    }

    fn keep_costs(&mut self) {
        if let Some(costs) = &mut self.costs {
            let learned = self.scheduler.learned();
            let store = self.executor.pipelines();
            costs.save(&learned, |id| store.kernel(id));
        }
    }

    /// Ends every request that is not done, and refuses those that come.
    fn abandon(&mut self) {
        self.closing = true;
        self.abandoned = true;
        self.fail_unscheduled(&closed());
        for id in self.active.keys().copied().collect::<Vec<_>>() {
            self.fail(id, closed());
        }
        self.take_ended();
    }

    /// The device is gone: everything that waits for it ends with the error.
    fn lose(&mut self, error: Error) {
        tracing::error!(%error, active = self.active.len(), waiting = self.waiting.len(), "the device is lost");
        self.lost = Some(error.clone());
        self.in_flight.clear();
        self.delayed = None;
        self.names.clear();
        let now = self.clock.now();
        for (_, active) in std::mem::take(&mut self.active) {
            self.record(&active.prepared, active.started, now, Outcome::Failed);
            self.end(active.prepared, Err(error.clone()));
        }
        self.fail_unscheduled(&error);
    }

    /// Fails the requests that the scheduler does not know of.
    fn fail_unscheduled(&mut self, error: &Error) {
        self.fail_fetches(error);
        let turns = self.sessions.values_mut().flat_map(|state| std::mem::take(&mut state.queue)).collect::<Vec<_>>();
        let unscheduled = std::mem::take(&mut self.waiting).into_iter().chain(std::mem::take(&mut self.loading));
        for prepared in unscheduled.chain(turns) {
            self.end_unscheduled(prepared, Outcome::Failed, error.clone());
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.keep_costs();
        for (_, active) in std::mem::take(&mut self.active) {
            self.reply(active.prepared, Err(closed()));
        }
    }
}

/// The error of a request that ended without results.
fn ended(outcome: Outcome) -> Error {
    let (kind, message) = match outcome {
        Outcome::Dropped => (ErrorKind::Dropped, "the request was dropped, as it could no longer keep its deadline"),
        Outcome::Rejected => (ErrorKind::Rejected, "the request was refused, as it was predicted to miss its deadline"),
        Outcome::Superseded => (ErrorKind::Superseded, "a later request with the same key took the request's place"),
        Outcome::Cancelled => (ErrorKind::Cancelled, "the request was cancelled"),
        Outcome::Failed => (ErrorKind::Internal, "the scheduler could not take the request's plan"),
        Outcome::Completed | Outcome::CompletedLate => (ErrorKind::Internal, "the request ended without results"),
    };
    Error::new(kind, message)
}
