//! Does a fresh scheduler decide as a recorded one did?

use std::cell::{Cell, RefCell};

use super::log::{Asked, Event, Log};
use super::{KernelId, Pipelines, RequestDesc, RequestId, Scheduler};

/// What a replay went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Events.
    pub events: usize,
    /// Submissions among their results.
    pub submissions: usize,
    /// Requests that came.
    pub requests: usize,
    /// Requests that ended.
    pub ended: usize,
}

/// Why a replay is not like its log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// The log does not begin with a start.
    #[error("event {event} comes before any start")]
    NoStart {
        /// Index into [`Log::events`].
        event: usize,
    },
    /// A request names a plan that the log does not hold.
    #[error("event {event} names plan {plan}, which the log does not hold")]
    UnknownPlan {
        /// Index into [`Log::events`].
        event: usize,
        /// Index into [`Log::plans`].
        plan: u32,
    },
    /// Another decision.
    #[error("event {event}: recorded was {recorded}, and now it is {replayed}")]
    Decision {
        /// Index into [`Log::events`].
        event: usize,
        /// What the log says.
        recorded: String,
        /// What the scheduler said.
        replayed: String,
    },
}

/// Tells a fresh scheduler all that a log says, and compares its decisions.
///
/// # Errors
/// The first event whose result, or whose questions about pipelines, differ; or a log that makes no sense.
pub fn replay(log: &Log) -> Result<Replayed, Difference> {
    let mut scheduler = None;
    let mut done = Replayed::default();
    for (event, what) in log.events.iter().enumerate() {
        done.events += 1;
        if let Event::Start { options } = what {
            scheduler = Some(Scheduler::new(options.clone()));
            continue;
        }
        let Some(scheduler) = &mut scheduler else { return Err(Difference::NoStart { event }) };
        step(scheduler, log, (event, what), &mut done)?;
    }
    Ok(done)
}

fn step(
    scheduler: &mut Scheduler,
    log: &Log,
    (event, what): (usize, &Event),
    done: &mut Replayed,
) -> Result<(), Difference> {
    match what {
        Event::Start { .. } => Ok(()),
        Event::Teach { learned } => {
            scheduler.teach(learned);
            Ok(())
        }
        &Event::Submit { now, plan: index, deadline, class, admission, key, memory, request } => {
            let plan = log.plans.get(index as usize).cloned();
            let plan = plan.ok_or(Difference::UnknownPlan { event, plan: index })?;
            done.requests += 1;
            let id = scheduler.submit(RequestDesc { plan, deadline, class, admission, key, memory }, now);
            same(event, &request, &id)
        }
        Event::Issue { now, asked, submission } => {
            let mut script = Script { asked, next: Cell::new(0), strange: RefCell::default() };
            let issued = scheduler.issue(*now, &mut script);
            if let Some((recorded, replayed)) = script.strange.into_inner() {
                return Err(Difference::Decision { event, recorded, replayed });
            }
            same(event, &asked.get(script.next.get()), &None)?;
            same(event, submission, &issued)?;
            done.submissions += usize::from(issued.is_some());
            issued.into_iter().for_each(|issued| scheduler.recycle(issued));
            Ok(())
        }
        Event::Retire { now, submission, times, retired } => {
            same(event, retired, &scheduler.retire(*submission, times.as_deref(), *now))
        }
        &Event::Cancel { now, request, cancelled } => same(event, &cancelled, &scheduler.cancel(request, now)),
        &Event::Fail { now, request, cancelled } => same(event, &cancelled, &scheduler.fail(request, now)),
        &Event::Forget { model } => {
            scheduler.forget(model);
            Ok(())
        }
        Event::Ended { ended } => {
            done.ended += ended.len();
            same(event, ended, &scheduler.take_ended())
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(event: usize, recorded: &T, replayed: &T) -> Result<(), Difference> {
    if recorded == replayed {
        return Ok(());
    }
    let (recorded, replayed) = (format!("{recorded:?}"), format!("{replayed:?}"));
    Err(Difference::Decision { event, recorded, replayed })
}

/// Pipelines that give recorded answers to the recorded questions.
struct Script<'a> {
    asked: &'a [Asked],
    next: Cell<usize>,
    /// The first other question: what was recorded, and what was asked.
    strange: RefCell<Option<(String, String)>>,
}

impl Script<'_> {
    /// The next recorded question, unless it is not as `is` says; then the rest of the answers do not matter.
    fn next(&self, is: impl Fn(&Asked) -> bool, replayed: impl Fn() -> String) -> Option<&Asked> {
        let next = self.asked.get(self.next.get());
        self.next.set(self.next.get() + 1);
        let known = next.filter(|next| is(next));
        if known.is_none() {
            self.strange.borrow_mut().get_or_insert_with(|| (format!("{next:?}"), replayed()));
        }
        known
    }
}

impl Pipelines for Script<'_> {
    fn ready(&mut self, kernels: &[KernelId]) -> bool {
        let is = |next: &Asked| matches!(next, Asked::Ready(recorded, _) if recorded == kernels);
        matches!(self.next(is, || format!("Ready({kernels:?})")), Some(Asked::Ready(_, true)))
    }

    fn want(&mut self, kernels: &[KernelId]) {
        let is = |next: &Asked| matches!(next, Asked::Want(recorded) if recorded == kernels);
        self.next(is, || format!("Want({kernels:?})"));
    }

    fn compatible(&self, a: KernelId, b: KernelId) -> bool {
        let is = |next: &Asked| matches!(*next, Asked::Compatible(x, y, _) if (x, y) == (a, b));
        matches!(self.next(is, || format!("Compatible({a:?}, {b:?})")), Some(Asked::Compatible(_, _, true)))
    }

    fn begin(&mut self, request: RequestId, spare: u64) -> bool {
        let is = |next: &Asked| matches!(*next, Asked::Begin(of, left, _) if (of, left) == (request, spare));
        matches!(self.next(is, || format!("Begin({request:?}, {spare})")), Some(Asked::Begin(_, _, true)))
    }
}
