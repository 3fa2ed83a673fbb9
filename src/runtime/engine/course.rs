//! Requests of several parts, and requests of a session.

use std::sync::mpsc;

use super::{Engine, ended};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::closed;
use crate::runtime::completion::Answer;
use crate::runtime::ids::CallId;
use crate::runtime::message::{Message, Port, Prepared};
use crate::runtime::session::{self, SessionId};
use crate::runtime::stages::{self, Frame, Given, Next, Origins, Produced, Ready};
use crate::schedule::Outcome;

/// Planning of a next part.
type Job = Box<dyn FnOnce() + Send>;

/// Who plans the next parts of requests: a thread of its own, once there is one to plan, or whoever advances the engine.
#[derive(Default)]
pub(super) struct Planner {
    threaded: bool,
    thread: Option<mpsc::Sender<Job>>,
}

/// Tells the engine if planning ends in a panic: it must not wait for what never comes.
struct Unplanned {
    port: Port,
    request: Option<CallId>,
}

impl Drop for Unplanned {
    fn drop(&mut self) {
        if let Some(request) = self.request {
            // An engine that has stopped waits for nothing.
            let _ = self.port.send(Message::Abandoned(request));
        }
    }
}

impl Planner {
    pub(super) fn new(threaded: bool) -> Self {
        Planner { threaded, thread: None }
    }

    fn run(&mut self, job: Job) {
        if !self.threaded {
            return job();
        }
        if self.thread.is_none() {
            let (sender, jobs) = mpsc::channel::<Job>();
            let work = move || jobs.into_iter().for_each(|job| job());
            match std::thread::Builder::new().name("fascine planner".into()).spawn(work) {
                // It ends with the engine, and nobody waits for it: it touches no driver.
                Ok(_) => self.thread = Some(sender),
                Err(error) => tracing::warn!(%error, "no thread for planning"),
            }
        }
        match &self.thread {
            None => job(),
            Some(thread) => {
                if let Err(mpsc::SendError(job)) = thread.send(job) {
                    job();
                }
            }
        }
    }
}

impl Engine {
    /// What comes after a part of a request: its results, unless another part has to be planned.
    pub(super) fn after_part(
        &mut self,
        mut prepared: Prepared,
        produced: Vec<Produced>,
    ) -> Option<(Prepared, Result<Vec<Produced>>)> {
        let Some(course) = &mut prepared.course else { return Some((prepared, Ok(produced))) };
        let Some(model) = course.model.upgrade() else {
            // Nobody waits for the request any more.
            return Some((prepared, Err(closed())));
        };
        if !course.stack.iter().any(Frame::goes_on) {
            let whole = model.go_on(&mut course.stack, produced).and_then(|step| match step {
                Next::Done(produced) => Ok(produced),
                Next::Run(_) => Err(Error::internal("a request goes on after its last part")),
            });
            return Some((prepared, whole));
        }
        self.between.insert(prepared.id, false);
        let mut unplanned = Unplanned { port: self.port.clone(), request: Some(prepared.id) };
        self.planner.run(Box::new(move || {
            let _entered = prepared.span.clone().entered();
            let step = match &mut prepared.course {
                Some(course) => model.go_on(&mut course.stack, produced),
                None => Ok(Next::Done(produced)),
            };
            let error = match step {
                Ok(Next::Run(Ready { plan, inputs, uploads, held })) => {
                    (prepared.plan, prepared.inputs, prepared.uploads, prepared.held) = (plan, inputs, uploads, held);
                    // What has begun is not replaced.
                    prepared.key = None;
                    None
                }
                Ok(Next::Done(_)) => Some(Error::internal("a request ends before its last part")),
                Err(error) => Some(error),
            };
            drop(model);
            // An engine that has stopped has told the caller.
            unplanned.request = None;
            let _ = unplanned.port.send(Message::Continue(Box::new(prepared), error));
        }));
        None
    }

    /// Takes up a request that was planned on.
    pub(super) fn go_on(&mut self, prepared: Prepared, error: Option<Error>) {
        let cancelled = self.between.remove(&prepared.id).unwrap_or(false);
        let error = error.or_else(|| self.lost.clone()).or_else(|| self.abandoned.then(closed));
        if let Some(error) = error {
            self.end_unscheduled(prepared, Outcome::Failed, error);
        } else if cancelled {
            self.end_unscheduled(prepared, Outcome::Cancelled, ended(Outcome::Cancelled));
        } else {
            // What has begun goes before what has not: it holds memory.
            self.waiting.push_front(prepared);
            self.admit_waiting();
        }
    }

    /// Has requests that wait with memory in their hands begin anew, now that none of them can go on: first those behind
    /// `first`, at last that one, which then runs alone. Gives it back, with the error, where that changes nothing.
    ///
    /// Results do not depend on it, as nothing of a request leaves before its end.
    pub(super) fn make_way(&mut self, first: Prepared, error: Error) -> Option<(Prepared, Error)> {
        if error.kind() != ErrorKind::Memory {
            return Some((first, error));
        }
        let can = |prepared: &Prepared| prepared.has_begun() && prepared.origins().is_some();
        if let Some(at) = self.waiting.iter().rposition(can)
            && let Some(other) = self.waiting.remove(at)
        {
            self.begin_anew(other);
        } else if can(&first) && self.alone != Some(first.id) {
            self.alone = Some(first.id);
            self.begin_anew(first);
            return None;
        } else {
            return Some((first, error));
        }
        self.waiting.push_front(first);
        None
    }

    /// Lets a request that has begun wait like one that has not.
    fn begin_anew(&mut self, mut prepared: Prepared) {
        tracing::debug!(parent: &prepared.span, "begins anew, for want of memory");
        let Some(Ok((first, stack))) = prepared.origins().map(Origins::again) else {
            return self.end_unscheduled(prepared, Outcome::Failed, Error::internal("a request cannot begin anew"));
        };
        let Ready { plan, inputs, uploads, held } = first;
        (prepared.plan, prepared.inputs, prepared.uploads, prepared.held) = (plan, inputs, uploads, held);
        if let Some(course) = &mut prepared.course {
            (course.stack, course.begun) = (stack, None);
        }
        let at = self.waiting.iter().position(|other| !other.has_begun()).unwrap_or(self.waiting.len());
        self.waiting.insert(at, prepared);
    }

    /// Takes a request of a session, which runs when those before it are done.
    pub(super) fn queue_turn(&mut self, id: SessionId, prepared: Prepared) {
        self.sessions.entry(id).or_default().queue.push_back(prepared);
        self.next_turn(id);
    }

    /// Lets the sessions go on whose requests are done.
    pub(super) fn take_turns(&mut self) -> bool {
        let mut any = false;
        while let Some(id) = self.turns.pop() {
            any = true;
            self.next_turn(id);
        }
        any
    }

    fn next_turn(&mut self, id: SessionId) {
        let Some(state) = self.sessions.get_mut(&id).filter(|state| !state.busy) else { return };
        let Some(mut prepared) = state.queue.pop_front() else {
            if state.ended {
                self.sessions.remove(&id);
            }
            return;
        };
        state.busy = true;
        let Some(turn) = prepared.course.as_ref().and_then(|course| course.turn.as_ref()) else { return };
        let mut outcome = match (&state.broken, turn.cancelled) {
            (Some((epoch, error)), _) if turn.epoch <= *epoch => Err((Outcome::Failed, session::broken(error))),
            (_, true) => Err((Outcome::Cancelled, ended(Outcome::Cancelled))),
            (_, false) => Ok(()),
        };
        let taken = turn.links.iter().zip(&turn.takes).enumerate().filter(|(_, (_, takes))| **takes);
        let taken: Vec<(usize, usize)> = taken.map(|(index, (link, _))| (index, link.input)).collect();
        for (index, input) in taken {
            if outcome.is_ok() {
                let tensor = state.tensors.get(index).cloned().flatten();
                outcome = take_up(&mut prepared, input, tensor).map_err(|error| (Outcome::Failed, error));
            }
        }
        match outcome {
            Ok(()) => self.enter(prepared),
            Err((outcome, error)) => self.end_unscheduled(prepared, outcome, error),
        }
    }

    /// Notes the state that a request of a session leaves, and gives the outputs that are not state.
    pub(super) fn leave_state(&mut self, prepared: &Prepared, mut produced: Vec<Produced>) -> Result<Vec<Produced>> {
        let Some(turn) = prepared.course.as_ref().and_then(|course| course.turn.as_ref()) else { return Ok(produced) };
        let tensors = turn.links.iter().map(|link| produced[link.output].given().map(Some));
        let tensors = tensors.collect::<Result<Vec<_>>>()?;
        turn.leave(&tensors);
        if let Some(state) = self.sessions.get_mut(&turn.session) {
            state.tensors = tensors;
        }
        let is_state = |index: &usize| turn.links.iter().any(|link| link.output == *index);
        Ok(produced.into_iter().enumerate().filter(|(index, _)| !is_state(index)).map(|(_, one)| one).collect())
    }

    /// The request of a session has ended: the next one's turn comes.
    pub(super) fn end_turn(&mut self, prepared: &Prepared, result: &Result<Answer>) {
        let Some(turn) = prepared.course.as_ref().and_then(|course| course.turn.as_ref()) else { return };
        let Some(state) = self.sessions.get_mut(&turn.session) else { return };
        if let Err(error) = result
            && state.broken.as_ref().is_none_or(|(epoch, _)| *epoch < turn.epoch)
        {
            // What it wrote lies behind what was there, or in regions that nobody takes: the state is as it was.
            state.broken = Some((turn.epoch, error.clone()));
            turn.break_off(&state.tensors);
        }
        state.busy = false;
        self.turns.push(turn.session);
    }

    /// No handle of the session is left.
    pub(super) fn end_session(&mut self, id: SessionId) {
        if let Some(state) = self.sessions.get_mut(&id) {
            state.ended = true;
            self.next_turn(id);
        }
    }

    /// Marks a request as cancelled that is planned on or waits for its turn.
    pub(super) fn cancel_in_course(&mut self, caller: crate::runtime::ids::CallId) {
        if let Some(cancelled) = self.between.get_mut(&caller) {
            *cancelled = true;
        }
        for prepared in self.sessions.values_mut().flat_map(|state| &mut state.queue) {
            if prepared.id == caller
                && let Some(turn) = prepared.course.as_mut().and_then(|course| course.turn.as_mut())
            {
                turn.cancelled = true;
            }
        }
    }
}

/// Makes a session's state an input of the request.
fn take_up(prepared: &mut Prepared, input: usize, state: Option<Given>) -> Result<()> {
    if let Some(Frame::Whole { given, .. }) = prepared.course.as_mut().and_then(|course| course.stack.last_mut()) {
        given[input] = state.ok_or_else(|| Error::internal("a session has no state to take up"))?;
        return Ok(());
    }
    let plan = prepared.plan.clone();
    let planned = &plan.plan.inputs[input];
    let unlike =
        || Error::internal(format!("the state for '{}' is not what the request was planned for", planned.name));
    match state {
        Some(Given::Device(resident))
            if resident.shape == planned.shape && resident.dtype == planned.dtype && resident.room == planned.room =>
        {
            if prepared.held.len() <= input {
                prepared.held.resize(input + 1, None);
            }
            prepared.held[input] = Some(resident.hold);
        }
        Some(Given::Host(tensor)) if tensor.shape() == planned.shape && tensor.dtype() == planned.dtype => {
            prepared.uploads.extend(stages::upload(&plan.plan, input, &tensor)?);
            prepared.inputs[input] = Some(tensor);
        }
        _ => return Err(unlike()),
    }
    Ok(())
}
