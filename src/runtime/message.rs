//! What callers' threads tell the engine.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use futures::channel::oneshot;
use tracing::Span;
use tracing::field::Empty;

use super::ids::{CallId, PlanId};
use super::{Completion, Stats, closed};
use crate::error::Result;
use crate::lower::ModelWeights;
use crate::plan::{Plan, PlanOutput};
use crate::schedule::{self, Admission, Class, ModelId, Nanos};
use crate::tensor::Tensor;

/// A message to the engine.
pub(super) enum Message {
    /// A request, ready to be placed and scheduled.
    Submit(Box<Prepared>),
    /// The caller has dropped the handle of that request.
    Cancel(CallId),
    /// The model's last handle is gone.
    Unload(ModelId),
    /// Asks for counters.
    Stats(oneshot::Sender<Stats>),
    /// Group dispatches by other rules, if nothing is in flight.
    Schedule(Box<schedule::Options>, oneshot::Sender<Result<()>>),
    /// Compile the merged pipelines that are wanted, or make do with those that are ready.
    Merging(bool),
    /// Stop when the requests in flight are done.
    Shutdown,
    /// The process ends: issue nothing more, and stop when the device is done with what it has.
    Abandon,
}

/// A plan with an identity, so that the engine can remember what it resolved for it.
pub(super) struct SharedPlan {
    pub(super) id: PlanId,
    /// The model (or user kernel) that it belongs to.
    pub(super) model: ModelId,
    /// The name to show.
    pub(super) name: Arc<str>,
    pub(super) plan: Plan,
    pub(super) weights: Arc<ModelWeights>,
}

/// Bytes to place in the request's memory before its first dispatch.
pub(super) struct InputBytes {
    pub(super) region: u16,
    pub(super) offset: u64,
    pub(super) bytes: Arc<[u8]>,
}

/// A request as it leaves the caller's thread.
pub(super) struct Prepared {
    /// Also what [`Message::Cancel`] names.
    pub(super) id: CallId,
    pub(super) plan: Arc<SharedPlan>,
    /// The parameters of a user's kernel, in place of those of the plan's dispatch.
    pub(super) params: Option<Arc<[u32]>>,
    /// The tensors given, in the plan's order, for outputs that pass an input through.
    pub(super) inputs: Vec<Tensor>,
    pub(super) uploads: Vec<InputBytes>,
    pub(super) deadline: Option<Nanos>,
    pub(super) class: Class,
    pub(super) admission: Admission,
    pub(super) key: Option<u64>,
    pub(super) submitted: Nanos,
    /// From the request's coming to its end, whatever threads it passes.
    pub(super) span: Span,
    pub(super) reply: oneshot::Sender<Result<Completion>>,
}

/// The span of a request.
pub(super) fn span(CallId(request): CallId, ModelId(model): ModelId, name: &str) -> Span {
    tracing::debug_span!(
        "request",
        request,
        model,
        name,
        outcome = Empty,
        waves = Empty,
        lanes = Empty,
        total_us = Empty
    )
}

impl Prepared {
    pub(super) fn outputs(&self) -> &[PlanOutput] {
        &self.plan.plan.outputs
    }
}

/// The sending end, shared by all handles.
#[derive(Clone)]
pub(super) struct Port(Sender<Message>);

/// The engine's end.
pub(super) type Inbox = Receiver<Message>;

pub(super) fn channel() -> (Port, Inbox) {
    let (sender, receiver) = mpsc::channel();
    (Port(sender), receiver)
}

impl Port {
    /// Sends a message, unless the engine has stopped.
    pub(super) fn send(&self, message: Message) -> Result<()> {
        self.0.send(message).map_err(|_| closed())
    }
}
