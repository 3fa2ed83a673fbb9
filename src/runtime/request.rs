//! A request: the builder, and the handle that is its future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::oneshot;

use super::completion::Answer;
use super::ids::CallId;
use super::message::Message;
use super::model::Model;
use super::session::Session;
use super::{Completion, Shared, Value, closed};
use crate::error::{Error, ErrorKind, Result};
use crate::schedule::{Admission, Class};

/// A request under construction. See [`Model::request`].
#[derive(Clone, Debug)]
pub struct RequestBuilder {
    pub(super) model: Model,
    pub(super) session: Option<Session>,
    pub(super) inputs: Vec<(String, Value)>,
    /// Outputs of the model that stay on the device.
    pub(super) kept: Vec<usize>,
    pub(super) schedule: When,
}

/// When a request should run, and how it ranks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct When {
    pub(super) deadline: Option<Duration>,
    pub(super) class: Class,
    pub(super) admission: Admission,
    pub(super) key: Option<u64>,
}

impl RequestBuilder {
    /// Gives an input: a tensor, on the host or on the device, or a [`Value`] of the kind that the model wants. Type and shape are checked by
    /// [`submit`](RequestBuilder::submit).
    ///
    /// # Errors
    /// `Input` if the model has no such input, or it is given already.
    pub fn input(mut self, name: &str, value: impl Into<Value>) -> Result<Self> {
        self.model.check_input_name(name, self.inputs.iter().map(|(name, _)| name.as_str()))?;
        self.inputs.push((name.to_owned(), value.into()));
        Ok(self)
    }

    /// Leaves an output on the device: [`Completion::kept`] gives it, for the inputs of further requests, of any model of the runtime.
    ///
    /// Its memory is the caller's as soon as the request is done. A request for which there is no room beside such tensors fails with
    /// `Memory`: it does not wait for the caller to drop them.
    ///
    /// # Errors
    /// `Input` if the model has no such output, it is named already, or is the state of a session; `Unsupported` for a model whose
    /// inputs or outputs are not all tensors.
    pub fn keep(mut self, name: &str) -> Result<Self> {
        let index = self.model.output_to_keep(name)?;
        if self.session.as_ref().is_some_and(|session| session.carries(index)) {
            return Err(Error::input(format!(
                "output '{name}' is the session's state, which stays on the device as it is"
            )));
        }
        if self.kept.contains(&index) {
            return Err(Error::input(format!("output '{name}' is kept already")));
        }
        self.kept.push(index);
        Ok(self)
    }

    /// Asks for the results within this time from `submit`. Without it the request is best effort.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.schedule.deadline = Some(deadline);
        self
    }

    /// Ranks the request beside others.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.schedule.class = class;
        self
    }

    /// What becomes of the request if it cannot keep its deadline: `Dropped` or `Rejected` as the error, or late results.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.schedule.admission = admission;
        self
    }

    /// Latest wins: the request takes the place of an earlier one with the same key, of any model, that has not begun; that
    /// one ends with `Superseded`.
    #[must_use]
    pub fn key(mut self, key: u64) -> Self {
        self.schedule.key = Some(key);
        self
    }

    /// Checks the inputs, plans for their shapes (or finds the plan), and hands the request to the engine.
    ///
    /// # Errors
    /// `Input` for inputs missing, of another type or shape, or on the device of another runtime; `Shape` or `Unsupported` if the model cannot be planned at
    /// these shapes; `Memory` if it can never fit; `QueueFull` if [`Options::max_queued`](super::Options::max_queued) requests
    /// are under way (a clone of the builder can try again, tensors are shared); `Closed` if the engine has stopped.
    pub fn submit(self) -> Result<Request> {
        let submitted = match &self.session {
            None => self.model.submit(self.inputs, self.kept, self.schedule),
            Some(session) => session.submit(self.inputs, self.kept, self.schedule),
        };
        submitted.map_err(|error| match error.kind() {
            ErrorKind::Input => error.within(format_args!("a request of '{}'", self.model.name())),
            _ => error,
        })
    }
}

/// A submitted request: a future of its [`Completion`] that needs no particular executor.
///
/// Whoever takes the results, by [`wait`](Request::wait) or as the executor that polls, also converts them from their form on the
/// device: about a copy of what is returned.
///
/// Dropping it cancels what has not been issued.
#[must_use = "dropping a request cancels it"]
pub struct Request {
    id: CallId,
    shared: Arc<Shared>,
    /// Kept until it is done: its next parts are planned with it.
    _model: Option<Model>,
    answer: Option<oneshot::Receiver<Result<Answer>>>,
}

impl Request {
    pub(super) fn new(
        id: CallId,
        shared: Arc<Shared>,
        model: Option<Model>,
        answer: oneshot::Receiver<Result<Answer>>,
    ) -> Self {
        Request { id, shared, _model: model, answer: Some(answer) }
    }

    /// Its number, unique in its runtime: what [`trace::RequestRecord::request`](super::trace::RequestRecord::request) names.
    pub fn id(&self) -> u64 {
        self.id.0
    }

    /// Waits for the results on this thread, without an executor.
    ///
    /// # Errors
    /// Whatever ended the request: `Dropped`, `Rejected` or `Superseded` by what it asked for; `Overflow` or `Input` for a value that the
    /// device met, such as an index out of range; `Shape` or `Unsupported` for a later stage; `Memory`, `Device` or `Closed`.
    pub fn wait(mut self) -> Result<Completion> {
        let answer = self.answer.take().ok_or_else(closed)?;
        self.shared.driver.wait(answer)?.ok_or_else(closed)??.complete(&self.shared)
    }
}

impl Future for Request {
    type Output = Result<Completion>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = self.answer.as_mut() else { return Poll::Ready(Err(closed())) };
        let result = std::task::ready!(Pin::new(answer).poll(context));
        self.answer = None;
        Poll::Ready(result.unwrap_or_else(|_| Err(closed())).and_then(|answer| answer.complete(&self.shared)))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if self.answer.is_some() {
            // An engine that has stopped has nothing left to cancel.
            let _ = self.shared.port.send(Message::Cancel(self.id));
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("id", &self.id).finish_non_exhaustive()
    }
}
