//! What callers' threads tell the engine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Weak};

use futures::channel::oneshot;
use tracing::Span;
use tracing::field::Empty;

use super::completion::Answer;
use super::content::Content;
use super::hold::Hold;
use super::ids::{self, CallId, PlanId};
use super::queue::Seat;
use super::session::{SessionId, Turn};
use super::stages::{Frame, GoOn, Origins, Resident};
use super::{Shared, Stats, Timing, closed};
use crate::error::{Error, Result};
use crate::gpu::Allocation;
use crate::lower::ModelWeights;
use crate::plan::{Plan, PlanOutput};
use crate::schedule::{self, Admission, Class, ModelId, Nanos};
use crate::tensor::Tensor;

/// A message to the engine.
pub(super) enum Message {
    /// The device or a compiler is done with something.
    Bell,
    /// A request, ready to be scheduled.
    Submit(Box<Prepared>),
    /// The next part of a request, or why there is none.
    Continue(Box<Prepared>, Option<Error>),
    /// A request whose next part can never be planned any more, as the thread that planned it ended; its caller has heard of it.
    Abandoned(CallId),
    /// Brings a tensor that stays on the device to the host.
    Fetch(Box<Fetch>),
    /// A region that nothing holds any more.
    Free(Allocation),
    /// A session's last handle is gone.
    EndSession(SessionId),
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

impl SharedPlan {
    pub(super) fn new(model: ModelId, name: Arc<str>, plan: Plan, weights: Arc<ModelWeights>) -> Self {
        SharedPlan { id: ids::plan(), model, name, plan, weights }
    }
}

/// Bytes to put into the request's memory before its first dispatch.
pub(super) struct InputBytes {
    pub(super) region: u16,
    pub(super) offset: u64,
    pub(super) bytes: Arc<[u8]>,
}

/// A tensor on the device that the caller wants.
pub(super) struct Fetch {
    pub(super) resident: Resident,
    pub(super) seat: Seat,
    pub(super) reply: oneshot::Sender<Result<Content>>,
}

/// A request as it leaves the caller's thread.
pub(super) struct Prepared {
    /// Also what [`Message::Cancel`] names.
    pub(super) id: CallId,
    pub(super) plan: Arc<SharedPlan>,
    /// The parameters of a user's kernel, in place of those of the plan's dispatch.
    pub(super) params: Option<Arc<[u32]>>,
    /// The tensors given, in the plan's order, for outputs that pass an input through; `None` for those on the device.
    pub(super) inputs: Vec<Option<Tensor>>,
    pub(super) uploads: Vec<InputBytes>,
    /// By input: what is on the device already. Empty if nothing is.
    pub(super) held: Vec<Option<Arc<Hold>>>,
    /// Which of the results stay on the device and go to the caller.
    pub(super) kept: Vec<usize>,
    /// What lies around the part that runs, unless that is all of it.
    pub(super) course: Option<Box<Course>>,
    pub(super) deadline: Option<Nanos>,
    pub(super) class: Class,
    pub(super) admission: Admission,
    pub(super) key: Option<u64>,
    pub(super) submitted: Nanos,
    /// From the request's coming to its end, whatever threads it passes.
    pub(super) span: Span,
    /// Before `reply`: who waits for the answer may count on the seat.
    pub(super) seat: Seat,
    pub(super) reply: oneshot::Sender<Result<Answer>>,
}

/// What lies around a part of a request.
pub(super) struct Course {
    /// The request's handle keeps the model.
    pub(super) model: Weak<dyn GoOn>,
    /// What comes after this part.
    pub(super) stack: Vec<Frame>,
    /// When the first part began, and where the time of those that are done went.
    pub(super) begun: Option<(Nanos, Timing)>,
    /// For when memory does not hold all that have begun. `None` where the first part reads a session's state.
    pub(super) origins: Option<Origins>,
    /// Its turn among the requests of a session.
    pub(super) turn: Option<Turn>,
}

/// A request as it comes.
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) submitted: Nanos,
    pub(super) span: Span,
    pub(super) seat: Seat,
}

impl Call {
    /// Takes a seat for a request of that model or user's kernel, before anything else is done for it.
    ///
    /// # Errors
    /// `QueueFull` if there is none.
    pub(super) fn new(shared: &Shared, model: ModelId, name: &str) -> Result<Self> {
        let seat = shared.queue.seat(format_args!("a request of '{name}'"))?;
        let id = ids::call();
        Ok(Call { id, submitted: shared.clock.now(), span: span(id, model, name), seat })
    }
}

/// The span of a request.
fn span(CallId(request): CallId, ModelId(model): ModelId, name: &str) -> Span {
    tracing::debug_span!(
        "request",
        request,
        model,
        name,
        outcome = Empty,
        bundles = Empty,
        lanes = Empty,
        total_us = Empty
    )
}

impl Prepared {
    pub(super) fn outputs(&self) -> &[PlanOutput] {
        &self.plan.plan.outputs
    }

    /// What it can begin anew with.
    pub(super) fn origins(&self) -> Option<&Origins> {
        self.course.as_ref()?.origins.as_ref()
    }

    /// Whether an earlier part of it has run.
    pub(super) fn has_begun(&self) -> bool {
        self.course.as_ref().is_some_and(|course| course.begun.is_some())
    }
}

/// The sending end, shared by all handles.
#[derive(Clone)]
pub(super) struct Port {
    sender: Sender<Message>,
    /// Whether a [`Message::Bell`] is on its way.
    rung: Arc<AtomicBool>,
}

/// Wakes the engine.
pub(super) struct Bell(Port);

impl Bell {
    /// Sends a [`Message::Bell`], unless one is on its way.
    pub(super) fn ring(&self) {
        if !self.0.rung.swap(true, Ordering::AcqRel) {
            // An engine that has stopped has nothing to wake for.
            let _ = self.0.send(Message::Bell);
        }
    }
}

/// The engine's end.
pub(super) type Inbox = Receiver<Message>;

pub(super) fn channel() -> (Port, Inbox) {
    let (sender, receiver) = mpsc::channel();
    (Port { sender, rung: Arc::default() }, receiver)
}

impl Port {
    /// Sends a message, unless the engine has stopped.
    pub(super) fn send(&self, message: Message) -> Result<()> {
        self.sender.send(message).map_err(|_| closed())
    }

    pub(super) fn bell(&self) -> Bell {
        Bell(self.clone())
    }

    /// Notes that a [`Message::Bell`] has come: what happens from now on rings again.
    pub(super) fn heard(&self) {
        self.rung.store(false, Ordering::Release);
    }
}
