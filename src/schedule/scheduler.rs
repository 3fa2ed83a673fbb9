//! The scheduler's transitions.

use serde::Serialize;

use super::bundle::Formed;
use super::core::Core;
use super::cost::{Learned, Share, nanos};
use super::error::{Errors, PredictionError};
use super::lead::Room;
use super::options::{Options, Scope};
use super::plan::Plans;
use super::request::QueuedRequest;
use super::straggler::Verdict;
use super::{Bundle, Ended, ModelId, Nanos, Outcome, Pipelines, RequestDesc, RequestId, Submission, SubmissionId};

/// What came of [`Scheduler::cancel`] and [`Scheduler::fail`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Cancelled {
    /// Nothing of it is in flight: it has ended.
    Ended,
    /// Nothing further of it issues; it ends when what is in flight has retired. Until then its memory is in use.
    Draining,
    /// There is no such request, or it has ended already.
    Unknown,
}

/// What came of [`Scheduler::retire`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Retired {
    /// It was in flight, and is no longer.
    Done,
    /// There is no such submission in flight.
    Unknown,
}

/// Counts since the scheduler was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Submissions issued.
    pub submissions: u64,
    /// Bundles issued.
    pub bundles: u64,
    /// Lanes issued.
    pub lanes: u64,
    /// Lanes issued that ran as one with others.
    pub coalesced: u64,
    /// Requests that completed in time or had no deadline.
    pub completed: u64,
    /// Requests that completed late.
    pub late: u64,
    /// Requests that were dropped because they could no longer keep their deadline.
    pub dropped: u64,
    /// Requests that were refused because they were predicted to miss.
    pub rejected: u64,
    /// Requests whose place a later one took.
    pub superseded: u64,
    /// Requests that were cancelled.
    pub cancelled: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Models that take far longer than predicted at present, and so go behind others in submissions of their own.
    pub stragglers: u64,
    /// How often a model became one.
    pub straggled: u64,
}

/// Entries of a scheduler's tables. In a steady state none of them grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Models, with entries of those that are gone.
    pub models: usize,
    /// Plans.
    pub plans: usize,
    /// Kernels.
    pub kernels: usize,
    /// Learned ratios of measured to estimated time.
    pub ratios: usize,
    /// Requests, with entries of those that have ended.
    pub requests: usize,
}

#[derive(Debug)]
struct Outstanding {
    id: SubmissionId,
    issued: Nanos,
    record: Record,
}

impl Outstanding {
    /// Whether it is of a model that straggles: these have submissions of their own.
    fn is_straggler(&self, core: &Core) -> bool {
        self.record.shares.first().is_some_and(|share| core.stragglers.straggles(share.model))
    }
}

/// What retiring a submission needs to know. Its memory is used again.
#[derive(Debug, Default)]
struct Record {
    /// Per bundle: the end of its run of `shares`, and its predicted duration.
    bundles: Vec<(usize, f64)>,
    shares: Vec<Share>,
    /// Indices of the requests that it holds lanes of, each once.
    requests: Vec<u32>,
}

/// Decides which ready dispatches of which requests go together, and when. See the [module](super).
#[derive(Debug)]
pub struct Scheduler {
    core: Core,
    plans: Plans,
    in_flight: Vec<Outstanding>,
    /// Models that are gone, but for what is on the device of them.
    leaving: Vec<ModelId>,
    records: Vec<Record>,
    /// Submissions' memory, to be used again.
    spare: Vec<Vec<Bundle>>,
    ended: Vec<Ended>,
    next_request: u64,
    next_submission: u64,
    last_retired: Nanos,
    /// When the device will be done with what is in flight, by prediction.
    horizon: Nanos,
    errors: Errors,
    stats: Stats,
}

impl Scheduler {
    /// A scheduler without requests.
    pub fn new(options: Options) -> Self {
        Scheduler {
            core: Core::new(options),
            plans: Plans::default(),
            in_flight: Vec::new(),
            leaving: Vec::new(),
            records: Vec::new(),
            spare: Vec::new(),
            ended: Vec::new(),
            next_request: 0,
            next_submission: 0,
            last_retired: 0,
            horizon: 0,
            errors: Errors::default(),
            stats: Stats::default(),
        }
    }

    /// Takes a request.
    ///
    /// One without dispatches has completed at once; one whose plan is malformed (a dispatch without workgroups, or that
    /// depends on itself or a later one) has failed at once. [`Scheduler::take_ended`] tells.
    pub fn submit(&mut self, desc: RequestDesc, now: Nanos) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let Core { merging, cost, coalescer, .. } = &mut self.core;
        let Some(plan) = self.plans.get(&desc.plan, &mut merging.kernels, cost, coalescer) else {
            self.end(id, Outcome::Failed, now);
            return id;
        };
        let core = &mut self.core;
        let straggles = core.stragglers.straggles(plan.model);
        let tier = core.tier(desc.deadline, desc.class, straggles);
        let replaced = core.queue.replaced_by(desc.key);
        let board = core.queue.board();
        let request = QueuedRequest::new(id.0, desc, plan, tier, &core.cost, board, now);
        let refused = core.refuses(&request, now.max(self.horizon), replaced).then_some(Outcome::Rejected);
        if let Some(outcome) = refused.or_else(|| request.ended(now)) {
            core.queue.turn_away(request);
            self.end(id, outcome, now);
            return id;
        }
        if let Some(index) = replaced {
            self.core.queue.stop(index, Outcome::Superseded, &mut self.core.coalescer);
            self.end_if_over(index, now);
        }
        let core = &mut self.core;
        if core.queue.knows_deadlines() && request.predictable {
            core.quantum.note(request.plan.model, request.desc.class, request.total as Nanos, request.slack(now), now);
        }
        if core.queue.knows_deadlines() && request.desc.deadline.is_some() {
            core.memory.note(request.desc.memory, now);
        }
        core.queue.insert(request, &mut core.coalescer);
        id
    }

    /// What to submit to the device next, if anything.
    ///
    /// May drop requests that can no longer keep their deadline; [`Scheduler::take_ended`] tells. Ask again until there is
    /// nothing, and whenever a request came, a submission retired, or a pipeline became ready.
    pub fn issue(&mut self, now: Nanos, pipelines: &mut dyn Pipelines) -> Option<Submission> {
        if self.in_flight.len() >= self.core.rules.in_flight {
            return None;
        }
        self.core.begin(now, now.max(self.horizon), pipelines);
        let id = SubmissionId(self.next_submission);
        let mut record = self.records.pop().unwrap_or_default();
        let mut bundles = self.spare.pop().unwrap_or_default();
        let stragglers = !self.in_flight.iter().any(|flight| flight.is_straggler(&self.core));
        let mut room = Room { used: 0.0, due: f64::INFINITY, empty: true, only: None, model: None, stragglers };
        while bundles.len() < self.core.rules.bundles {
            let Formed::Bundle(bundle, predicted) = self.core.form(pipelines, room) else { break };
            self.hold(id, &mut record);
            record.shares.extend_from_slice(&self.core.bundle.shares);
            record.bundles.push((record.shares.len(), predicted));
            self.stats.lanes += bundle.lanes.len() as u64;
            self.stats.coalesced += bundle.lanes.iter().filter(|lane| lane.coalesced != 1).count() as u64;
            if self.core.rules.scope == Scope::OneRequest {
                room.only = Some(bundle.lanes[0].request.0);
            }
            let model = self.core.bundle.shares[0].model;
            if self.core.submits_alone(model) {
                room.model = Some(model);
            }
            room.used += predicted;
            room.due = (room.due - predicted).min(self.core.until_due());
            room.empty = false;
            bundles.push(bundle);
        }
        self.core.merging.ask(pipelines);
        while let Some(index) = self.core.dropped.pop() {
            self.end_if_over(index, now);
        }
        if bundles.is_empty() {
            self.records.push(record);
            self.spare.push(bundles);
            return None;
        }
        self.horizon = self.core.start;
        self.next_submission += 1;
        self.stats.submissions += 1;
        self.stats.bundles += bundles.len() as u64;
        self.in_flight.push(Outstanding { id, issued: now, record });
        Some(Submission { id, bundles })
    }

    /// Notes that a submission is done, with the measured duration of each bundle where there is one. Nothing is learned of
    /// bundles beyond the durations given.
    pub fn retire(&mut self, id: SubmissionId, times: Option<&[Nanos]>, now: Nanos) -> Retired {
        let Some(at) = self.in_flight.iter().position(|flight| flight.id == id) else { return Retired::Unknown };
        let Outstanding { issued, mut record, .. } = self.in_flight.remove(at);
        self.learn(&record, times, now.saturating_sub(issued.max(self.last_retired)));
        self.last_retired = self.last_retired.max(now);
        let left =
            self.in_flight.iter().flat_map(|flight| &flight.record.bundles).map(|&(_, predicted)| nanos(predicted));
        self.horizon = left.fold(now, Nanos::saturating_add);
        for &index in &record.requests {
            if let Some(request) = self.core.queue.get_mut(index) {
                request.in_flight -= 1;
            }
            self.end_if_over(index, now);
        }
        record.bundles.clear();
        record.shares.clear();
        record.requests.clear();
        self.records.push(record);
        self.let_go();
        Retired::Done
    }

    /// Forgets a model of which no further request comes, and what is known of its plans. What remains of it on the device or
    /// in requests is seen to first. Requests that come none the less are those of a new model.
    pub fn forget(&mut self, model: ModelId) {
        self.leaving.push(model);
        self.let_go();
    }

    fn let_go(&mut self) {
        let Self { core, plans, in_flight, leaving, .. } = self;
        leaving.retain(|&model| {
            let Some(index) = core.cost.known_model(model) else { return false };
            let mut shares = in_flight.iter().flat_map(|flight| &flight.record.shares);
            if shares.any(|share| share.model == index) || !plans.forget_model(index, &mut core.coalescer) {
                return true;
            }
            core.cost.forget_model(model);
            core.stragglers.forget(index);
            false
        });
    }

    /// How much it keeps.
    pub fn kept(&self) -> Kept {
        let (models, ratios) = self.core.cost.sizes();
        let Core { merging, queue, .. } = &self.core;
        Kept { models, plans: self.plans.len(), kernels: merging.kernels.len(), ratios, requests: queue.entries() }
    }

    /// Issues nothing further of a request. If all of it has been issued already, it completes none the less.
    pub fn cancel(&mut self, id: RequestId, now: Nanos) -> Cancelled {
        self.abandon(id, Outcome::Cancelled, now)
    }

    /// As [`Scheduler::cancel`], for a request that cannot go on. It fails also if all of it has been issued already.
    pub fn fail(&mut self, id: RequestId, now: Nanos) -> Cancelled {
        self.abandon(id, Outcome::Failed, now)
    }

    /// The requests that ended since this was last called, in order.
    pub fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    /// As [`Scheduler::take_ended`], into memory of the caller's.
    pub fn drain_ended(&mut self, into: &mut Vec<Ended>) {
        into.append(&mut self.ended);
    }

    /// Requests that have not ended.
    pub fn outstanding(&self) -> usize {
        self.core.queue.len()
    }

    /// Whether some dispatch could issue, given a pipeline and room in flight.
    pub fn has_ready(&self) -> bool {
        self.core.queue.waits().contains(&true)
    }

    /// Whether nothing could issue, whatever pipelines there are.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_ready() || self.in_flight.len() >= self.core.rules.in_flight
    }

    /// Submissions in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// When the first submission in flight will be done, by prediction; `None` if nothing is in flight. It may have passed.
    pub fn next_retirement(&self) -> Option<Nanos> {
        let Outstanding { issued, record, .. } = self.in_flight.first()?;
        let bundles = record.bundles.iter().map(|(_, predicted)| predicted).sum::<f64>();
        let predicted = (bundles + self.core.cost.submission()) as Nanos;
        Some((*issued).max(self.last_retired).saturating_add(predicted))
    }

    /// What was learned of durations, to be kept from run to run on the same adapter.
    pub fn learned(&self) -> Vec<Learned> {
        self.core.cost.learned()
    }

    /// Takes over what an earlier scheduler learned on the same adapter. Best done before the first request.
    pub fn teach(&mut self, learned: &[Learned]) {
        self.core.cost.teach(learned);
    }

    /// How far the predicted durations of bundles were off.
    pub fn prediction_error(&self) -> PredictionError {
        self.errors.summary()
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        let (stragglers, straggled) = self.core.stragglers.counts();
        Stats { stragglers, straggled, ..self.stats }
    }

    /// Gives back the memory of a submission, so that later ones need not allocate.
    pub fn recycle(&mut self, submission: Submission) {
        let mut bundles = submission.bundles;
        bundles.drain(..).for_each(|bundle| self.core.bundle.recycle(bundle));
        self.spare.push(bundles);
    }

    /// Notes that submission `id` holds the requests of the bundle formed last.
    fn hold(&mut self, id: SubmissionId, record: &mut Record) {
        let Core { bundle, queue, .. } = &mut self.core;
        for index in &bundle.holders {
            let Some(request) = queue.get_mut(*index) else { continue };
            if request.last != Some(id) {
                request.last = Some(id);
                request.in_flight += 1;
                record.requests.push(*index);
            }
        }
    }

    fn learn(&mut self, record: &Record, times: Option<&[Nanos]>, interval: Nanos) {
        let Core { cost, stragglers, .. } = &mut self.core;
        let Record { bundles, shares, .. } = record;
        let predicted = bundles.iter().map(|(_, predicted)| predicted).sum::<f64>() + cost.submission();
        let error = interval as f64 / predicted.max(1.0);
        let measured = |index: usize, predicted: f64| match times {
            Some(times) => times.get(index).map(|&time| time as f64),
            None => Some(predicted * error),
        };
        for (index, &(_, predicted)) in bundles.iter().enumerate() {
            if let Some(measured) = measured(index, predicted) {
                self.errors.add(predicted, measured);
            }
        }
        if times != Some(&[]) {
            stragglers.note_timed(times.is_some());
        }
        let count = bundles.len() as u32;
        let whole = times.is_none().then(|| stragglers.judge(shares, count, (predicted, interval as f64), cost));
        let mut start = 0;
        for (index, &(end, before)) in bundles.iter().enumerate() {
            if let Some(measured) = measured(index, before) {
                // What earlier bundles of this submission taught counts for this one.
                let shares = &shares[start..end];
                let predicted = cost.predict(shares);
                match whole.unwrap_or_else(|| stragglers.judge(shares, 1, (predicted, measured), cost)) {
                    Verdict::Kernels => cost.learn(shares, measured),
                    Verdict::Model => {}
                }
            }
            start = end;
        }
    }

    fn abandon(&mut self, id: RequestId, outcome: Outcome, now: Nanos) -> Cancelled {
        let Some(index) = self.core.queue.index(id) else { return Cancelled::Unknown };
        self.core.queue.stop(index, outcome, &mut self.core.coalescer);
        self.end_if_over(index, now);
        if self.core.queue.index(id).is_some() { Cancelled::Draining } else { Cancelled::Ended }
    }

    fn end_if_over(&mut self, index: u32, now: Nanos) {
        let Some(request) = self.core.queue.get(index) else { return };
        let (id, held) = (RequestId(request.id), request.begun && request.desc.memory > 0);
        if let Some(outcome) = request.ended(now) {
            if request.promised() && matches!(outcome, Outcome::Completed | Outcome::CompletedLate) {
                self.core.margin.note(outcome == Outcome::Completed);
            }
            if held {
                self.core.memory.ended();
            }
            self.core.queue.remove(index, &mut self.core.coalescer);
            self.end(id, outcome, now);
        }
    }

    fn end(&mut self, request: RequestId, outcome: Outcome, at: Nanos) {
        let stats = &mut self.stats;
        *match outcome {
            Outcome::Completed => &mut stats.completed,
            Outcome::CompletedLate => &mut stats.late,
            Outcome::Dropped => &mut stats.dropped,
            Outcome::Rejected => &mut stats.rejected,
            Outcome::Superseded => &mut stats.superseded,
            Outcome::Cancelled => &mut stats.cancelled,
            Outcome::Failed => &mut stats.failed,
        } += 1;
        self.ended.push(Ended { request, outcome, at });
    }
}
