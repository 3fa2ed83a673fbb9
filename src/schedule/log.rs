//! What a scheduler was told and what it decided, so that [`replay`](super::replay) can ask another for the same decisions.
//!
//! A [`Recorder`] stands before a scheduler. Without a log it passes calls on and costs a branch; with one it notes each call,
//! the answers about pipelines and memory that the scheduler got meanwhile, and the result. Times are the caller's: nothing is measured
//! again in a replay. Numbers must survive serialisation to the bit (`serde_json` needs its feature `float_roundtrip`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{
    Admission, Cancelled, Class, Ended, KernelId, Learned, ModelId, Nanos, Options, Pipelines, PlanDesc, RequestDesc,
    RequestId, Retired, Scheduler, Submission, SubmissionId,
};

/// Everything that happened to a scheduler, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// The plans that requests name, by index.
    pub plans: Vec<Arc<PlanDesc>>,
    /// What happened; the first is a [`Event::Start`].
    pub events: Vec<Event>,
}

/// A call of the scheduler with what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A scheduler was made, in place of the one before if there was one.
    Start {
        /// Its options.
        options: Options,
    },
    /// [`Scheduler::teach`].
    Teach {
        /// What it was taught.
        learned: Vec<Learned>,
    },
    /// [`Scheduler::submit`].
    Submit {
        /// When.
        now: Nanos,
        /// Index into [`Log::plans`].
        plan: u32,
        /// As in [`RequestDesc`].
        deadline: Option<Nanos>,
        /// As in [`RequestDesc`].
        class: Class,
        /// As in [`RequestDesc`].
        admission: Admission,
        /// As in [`RequestDesc`].
        key: Option<u64>,
        /// As in [`RequestDesc`].
        #[serde(default)]
        memory: u64,
        /// The result.
        request: RequestId,
    },
    /// [`Scheduler::issue`], where there was something to decide.
    Issue {
        /// When.
        now: Nanos,
        /// What the scheduler asked of the pipelines and about memory, in order, and the answers.
        asked: Vec<Asked>,
        /// The result.
        submission: Option<Submission>,
    },
    /// [`Scheduler::retire`].
    Retire {
        /// When.
        now: Nanos,
        /// What had been done.
        submission: SubmissionId,
        /// What was measured.
        times: Option<Vec<Nanos>>,
        /// The result.
        retired: Retired,
    },
    /// [`Scheduler::cancel`].
    Cancel {
        /// When.
        now: Nanos,
        /// Which.
        request: RequestId,
        /// The result.
        cancelled: Cancelled,
    },
    /// [`Scheduler::fail`].
    Fail {
        /// When.
        now: Nanos,
        /// Which.
        request: RequestId,
        /// The result.
        cancelled: Cancelled,
    },
    /// [`Scheduler::forget`].
    Forget {
        /// Which.
        model: ModelId,
    },
    /// [`Scheduler::take_ended`], where some had.
    Ended {
        /// The result.
        ended: Vec<Ended>,
    },
}

/// A question about pipelines or memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// [`Pipelines::ready`], and the answer.
    Ready(Vec<KernelId>, bool),
    /// [`Pipelines::want`].
    Want(Vec<KernelId>),
    /// [`Pipelines::compatible`], and the answer.
    Compatible(KernelId, KernelId, bool),
    /// [`Pipelines::begin`] with the bytes to spare, and the answer.
    Begin(RequestId, u64, bool),
}

#[derive(Debug, Default)]
struct Record {
    log: Log,
    /// Plans by address; the log holds them, so that no other takes it.
    plans: HashMap<usize, u32>,
}

impl Record {
    fn plan(&mut self, plan: &Arc<PlanDesc>) -> u32 {
        let plans = &mut self.log.plans;
        *self.plans.entry(Arc::as_ptr(plan) as usize).or_insert_with(|| {
            plans.push(plan.clone());
            plans.len() as u32 - 1
        })
    }
}

/// A log that is being written. Clones are the same log. It grows for as long as its scheduler works.
#[derive(Clone, Debug, Default)]
pub struct ScheduleLog(Arc<Mutex<Record>>);

impl ScheduleLog {
    /// What was recorded so far.
    pub fn log(&self) -> Log {
        self.record().log.clone()
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, event: Event) {
        self.record().log.events.push(event);
    }
}

/// A scheduler whose calls are recorded, if there is a log. What only looks at it goes through to the [`Scheduler`].
#[derive(Debug)]
pub struct Recorder {
    scheduler: Scheduler,
    log: Option<ScheduleLog>,
}

impl Deref for Recorder {
    type Target = Scheduler;

    fn deref(&self) -> &Scheduler {
        &self.scheduler
    }
}

impl Recorder {
    /// A scheduler without requests.
    pub fn new(options: Options, log: Option<ScheduleLog>) -> Self {
        if let Some(log) = &log {
            log.add(Event::Start { options: options.clone() });
        }
        Recorder { scheduler: Scheduler::new(options), log }
    }

    /// Puts a new scheduler in the place of this one, on the same log.
    pub fn restart(&mut self, options: Options) {
        *self = Recorder::new(options, self.log.take());
    }

    /// As [`Scheduler::teach`].
    pub fn teach(&mut self, learned: &[Learned]) {
        self.scheduler.teach(learned);
        if let Some(log) = &self.log {
            log.add(Event::Teach { learned: learned.to_vec() });
        }
    }

    /// As [`Scheduler::submit`].
    pub fn submit(&mut self, desc: RequestDesc, now: Nanos) -> RequestId {
        let Some(log) = &self.log else { return self.scheduler.submit(desc, now) };
        let RequestDesc { ref plan, deadline, class, admission, key, memory } = desc;
        let plan = log.record().plan(plan);
        let request = self.scheduler.submit(desc, now);
        log.add(Event::Submit { now, plan, deadline, class, admission, key, memory, request });
        request
    }

    /// As [`Scheduler::issue`].
    pub fn issue(&mut self, now: Nanos, pipelines: &mut dyn Pipelines) -> Option<Submission> {
        let Some(log) = &self.log else { return self.scheduler.issue(now, pipelines) };
        let mut witness = Witness { pipelines, asked: RefCell::default() };
        let idle = self.scheduler.is_idle();
        let submission = self.scheduler.issue(now, &mut witness);
        let asked = witness.asked.into_inner();
        // Who asks a scheduler that has nothing to do learns and changes nothing, and may do so some thousand times a second.
        if !(idle && asked.is_empty() && submission.is_none()) {
            log.add(Event::Issue { now, asked, submission: submission.clone() });
        }
        submission
    }

    /// As [`Scheduler::retire`].
    pub fn retire(&mut self, id: SubmissionId, times: Option<&[Nanos]>, now: Nanos) -> Retired {
        let retired = self.scheduler.retire(id, times, now);
        if let Some(log) = &self.log {
            log.add(Event::Retire { now, submission: id, times: times.map(<[_]>::to_vec), retired });
        }
        retired
    }

    /// As [`Scheduler::cancel`].
    pub fn cancel(&mut self, request: RequestId, now: Nanos) -> Cancelled {
        let cancelled = self.scheduler.cancel(request, now);
        if let Some(log) = &self.log {
            log.add(Event::Cancel { now, request, cancelled });
        }
        cancelled
    }

    /// As [`Scheduler::fail`].
    pub fn fail(&mut self, request: RequestId, now: Nanos) -> Cancelled {
        let cancelled = self.scheduler.fail(request, now);
        if let Some(log) = &self.log {
            log.add(Event::Fail { now, request, cancelled });
        }
        cancelled
    }

    /// As [`Scheduler::forget`].
    pub fn forget(&mut self, model: ModelId) {
        self.scheduler.forget(model);
        if let Some(log) = &self.log {
            log.add(Event::Forget { model });
        }
    }

    /// As [`Scheduler::take_ended`].
    pub fn take_ended(&mut self) -> Vec<Ended> {
        let ended = self.scheduler.take_ended();
        if let Some(log) = self.log.as_ref().filter(|_| !ended.is_empty()) {
            log.add(Event::Ended { ended: ended.clone() });
        }
        ended
    }

    /// As [`Scheduler::drain_ended`].
    pub fn drain_ended(&mut self, into: &mut Vec<Ended>) {
        let before = into.len();
        self.scheduler.drain_ended(into);
        if let Some(log) = self.log.as_ref().filter(|_| into.len() > before) {
            log.add(Event::Ended { ended: into[before..].to_vec() });
        }
    }

    /// As [`Scheduler::recycle`]; nothing is decided by it, and nothing recorded.
    pub fn recycle(&mut self, submission: Submission) {
        self.scheduler.recycle(submission);
    }
}

/// Pipelines whose answers are noted.
struct Witness<'a> {
    pipelines: &'a mut dyn Pipelines,
    asked: RefCell<Vec<Asked>>,
}

impl Pipelines for Witness<'_> {
    fn ready(&mut self, kernels: &[KernelId]) -> bool {
        let answer = self.pipelines.ready(kernels);
        self.asked.get_mut().push(Asked::Ready(kernels.to_vec(), answer));
        answer
    }

    fn want(&mut self, kernels: &[KernelId]) {
        self.pipelines.want(kernels);
        self.asked.get_mut().push(Asked::Want(kernels.to_vec()));
    }

    fn compatible(&self, a: KernelId, b: KernelId) -> bool {
        let answer = self.pipelines.compatible(a, b);
        self.asked.borrow_mut().push(Asked::Compatible(a, b, answer));
        answer
    }

    fn begin(&mut self, request: RequestId, spare: u64) -> bool {
        let answer = self.pipelines.begin(request, spare);
        self.asked.get_mut().push(Asked::Begin(request, spare, answer));
        answer
    }
}
