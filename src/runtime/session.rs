//! Sessions: requests of one model whose state stays on the device from one to the next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::message::{Call, Course, Message, Prepared};
use super::model::Model;
use super::request::{Request, RequestBuilder, When};
use super::residents::Residents;
use super::stages::{self, Frame, Given, Staged};
use super::{Value, ids};
use crate::error::{Error, Result};
use crate::graph::Kind;
use crate::tensor::DType;

/// A session, as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SessionId(pub(super) u64);

/// Requests of one model, each of which takes up what the one before it left on the device: a KV cache, the state of a recurrent
/// network. They run one after another in the order of their submission, whatever their deadlines.
///
/// The first request gives the inputs that are the state; later ones may give some of them anew. A request that gives all of
/// them starts afresh. Of a model that runs in stages the state's shape is known when the request before is done, and the next is planned
/// then. If a request fails, is dropped or cancelled, the requests after it fail too, up to one that starts
/// afresh: their state would not be what they were planned for. One that `submit` refuses leaves the session as it was. The
/// state's memory is freed when the last clone is gone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    id: SessionId,
    model: Model,
    staged: Arc<Staged>,
    links: Arc<[Link]>,
    ledger: Arc<Mutex<Ledger>>,
}

/// An output of the model, and the input that it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) output: usize,
    pub(super) input: usize,
}

/// What is known of a session's state after all requests that were submitted.
#[derive(Default)]
pub(super) struct Ledger {
    /// By link: type and shape, as far as they are known before the requests are done.
    states: Vec<Option<(DType, Vec<usize>)>>,
    /// Requests so far.
    submitted: u64,
    /// Whether only the last of them tells the shapes, when it is done: it runs in stages.
    awaited: bool,
    /// Fresh starts so far.
    epoch: u64,
    /// Why requests that do not start afresh cannot run.
    broken: Option<Error>,
}

/// A request's turn in its session.
pub(super) struct Turn {
    pub(super) session: SessionId,
    pub(super) links: Arc<[Link]>,
    /// By link: whether the request takes the session's state.
    pub(super) takes: Vec<bool>,
    pub(super) cancelled: bool,
    ledger: Arc<Mutex<Ledger>>,
    epoch: u64,
    /// Which request of the session it is.
    number: u64,
}

/// A session's state, and the requests that wait for it.
#[derive(Default)]
pub(super) struct State {
    /// By link.
    pub(super) tensors: Vec<Option<Given>>,
    /// Whether a request of it is under way.
    pub(super) busy: bool,
    pub(super) queue: VecDeque<Prepared>,
    /// Why requests that take the state cannot run.
    pub(super) broken: Option<Error>,
    /// Whether the last handle is gone.
    pub(super) ended: bool,
}

impl Turn {
    /// Whether nothing of the session's state matters to it.
    pub(super) fn is_fresh(&self) -> bool {
        !self.takes.contains(&true)
    }

    /// Tells the session's handles what the state is, unless there are further requests.
    pub(super) fn leave(&self, tensors: &[Option<Given>]) {
        let mut ledger = lock(&self.ledger);
        if ledger.awaited && ledger.submitted == self.number {
            ledger.awaited = false;
            let known = |given: &Option<Given>| match given.as_ref()? {
                Given::Host(tensor) => Some((tensor.dtype(), tensor.shape().to_vec())),
                Given::Device(resident) => Some((resident.dtype, resident.shape.clone())),
                Given::State(_) => None,
            };
            ledger.states = tensors.iter().map(known).collect();
        }
    }

    /// Tells the session's handles that the request did not leave the state that the next ones need.
    pub(super) fn break_off(&self, error: &Error) {
        let mut ledger = lock(&self.ledger);
        if ledger.epoch == self.epoch && ledger.broken.is_none() {
            ledger.broken = Some(error.clone());
        }
    }
}

/// The error of a request whose session was broken off by an earlier one.
pub(super) fn broken(error: &Error) -> Error {
    Error::new(error.kind(), format!("an earlier request of the session left no state: {}", error.message()))
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn new(model: &Model, state: &[(&str, &str)]) -> Result<Self> {
        let (inputs, outputs) = (model.inputs(), model.outputs());
        let mut kinds = inputs.iter().map(|input| input.kind).chain(outputs.iter().map(|output| output.kind));
        if kinds.any(|kind| kind != Kind::Tensor) {
            return Err(Error::unsupported("a session of a model whose inputs or outputs are not all tensors"));
        }
        let mut links: Vec<Link> = Vec::with_capacity(state.len());
        for &(from, to) in state {
            let output = outputs.iter().position(|output| output.name == from);
            let output = output.ok_or_else(|| Error::input(format!("the model has no output '{from}'")))?;
            let input = inputs.iter().position(|input| input.name == to);
            let input = input.ok_or_else(|| Error::input(format!("the model has no input '{to}'")))?;
            if links.iter().any(|link| link.output == output || link.input == input) {
                return Err(Error::input(format!("'{from}' or '{to}' is named twice")));
            }
            let (is, wanted) = (outputs[output].dtype, inputs[input].dtype);
            if is.is_some_and(|is| is != wanted) {
                return Err(Error::input(format!("output '{from}' is not {wanted} as input '{to}' is")));
            }
            links.push(Link { output, input });
        }
        let staged = model.inner.session_stage(&links);
        let ledger = Ledger { states: vec![None; links.len()], ..Ledger::default() };
        let inner = Inner {
            id: ids::session(),
            model: model.clone(),
            staged,
            links: links.into(),
            ledger: Arc::new(Mutex::new(ledger)),
        };
        Ok(Session { inner: Arc::new(inner) })
    }

    /// Starts a request. Its results are the outputs that are not state.
    pub fn request(&self) -> RequestBuilder {
        RequestBuilder { session: Some(self.clone()), ..self.inner.model.request() }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.inner.model
    }

    /// Shape and type of the state that becomes input `name`, once all requests submitted so far are done; `None` while they are not known, before
    /// the first request and, of a model that runs in stages, until the requests are done.
    ///
    /// # Errors
    /// `Input` if that input is no state of the session.
    pub fn state(&self, name: &str) -> Result<Option<(DType, Vec<usize>)>> {
        let Inner { model, links, ledger, .. } = &*self.inner;
        let inputs = model.inputs();
        let link = links.iter().position(|link| inputs[link.input].name == name);
        let link = link.ok_or_else(|| Error::input(format!("'{name}' is no state of the session")))?;
        Ok(lock(ledger).states[link].clone())
    }

    /// Whether an output is state.
    pub(super) fn carries(&self, output: usize) -> bool {
        self.inner.links.iter().any(|link| link.output == output)
    }

    pub(super) fn submit(&self, given: Vec<(String, Value)>, kept: Vec<usize>, when: When) -> Result<Request> {
        let Inner { id: session, model, staged, links, ledger } = &*self.inner;
        let call = Call::new(&model.inner.shared, model.inner.id, &model.inner.name)?;
        // Held until the request is sent, so that the engine gets them in this order.
        let mut known = lock(ledger);
        let link_of = |input: usize| links.iter().position(|link| link.input == input);
        let (inputs, _) = model.take_inputs(given, |input| {
            let state = known.states[link_of(input)?].as_ref().map(|(_, shape)| shape.clone());
            state.or(known.awaited.then(Vec::new))
        })?;
        let takes: Vec<bool> = links.iter().map(|link| matches!(inputs[link.input], Given::State(..))).collect();
        let fresh = !takes.contains(&true);
        if let (Some(error), false) = (&known.broken, fresh) {
            return Err(broken(error));
        }
        let _entered = call.span.clone().entered();
        let mut stack = Vec::new();
        let staged = model.inner.with_residents(staged, links, Residents::of(&inputs, &kept));
        // Among the results, which are the outputs that are not state.
        let kept = kept.iter().map(|&at| at - links.iter().filter(|link| link.output < at).count()).collect();
        let when_there = (!fresh).then(|| Frame::Whole { staged: staged.clone(), given: inputs.clone() });
        let mut ready = match known.awaited && !fresh {
            true => model.inner.nothing(),
            false => stages::prepare(&model.inner, staged, inputs, &mut stack)?,
        };
        let awaited = known.awaited && !fresh || !stack.is_empty();
        let outputs = &ready.plan.plan.outputs;
        let shape = |link: &Link| Some((outputs[link.output].dtype, outputs[link.output].shape.clone()));
        let after = links.iter().map(|link| if awaited { None } else { shape(link) }).collect();
        // Parts are planned for the state as it is.
        if let (Some(whole), true) = (when_there, awaited) {
            (ready, stack) = (model.inner.nothing(), vec![whole]);
        }
        let epoch = known.epoch + u64::from(fresh);
        let turn = Turn {
            session: *session,
            links: links.clone(),
            takes,
            cancelled: false,
            ledger: ledger.clone(),
            epoch,
            number: known.submitted + 1,
        };
        let course = Course { model: model.inner.goes_on(), stack, begun: None, origins: None, turn: Some(turn) };
        let request = model.send(call, ready, kept, Some(Box::new(course)), when)?;
        known.epoch = epoch;
        known.submitted += 1;
        (known.states, known.awaited) = (after, awaited);
        if fresh {
            known.broken = None;
        }
        Ok(request)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // An engine that has stopped has freed everything.
        let _ = self.model.inner.shared.port.send(Message::EndSession(self.id));
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("model", &self.inner.model).finish_non_exhaustive()
    }
}
