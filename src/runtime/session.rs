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
use crate::plan::PlanOutput;
use crate::tensor::DType;

mod room;

pub(super) use room::Rooms;

/// A session, as the engine knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SessionId(pub(super) u64);

/// Requests of one model, each of which takes up what the one before it left on the device: a KV cache, the state of a recurrent
/// network. They run one after another in the order of their submission, whatever their deadlines.
///
/// The first request gives the inputs that are the state; later ones may give some of them anew. A request that gives all of
/// them starts afresh. Of a model that runs in stages the state's shape is known when the request before is done, and the next is planned
/// then.
///
/// A request that fails, is dropped or cancelled leaves the state as it was, and so does one that `submit` refuses. Requests that were
/// submitted behind it by then fail too, up to one that starts afresh: they were planned for the state that it would have
/// left. Later ones go on from the state that is there.
///
/// Where the model joins an input that is state and further rows by a Concat to the output that becomes it, as decoders do with
/// their caches, the state grows where it lies: a request writes its own rows and copies no others. There is room for up to twice as
/// many rows as there are, and where that is used up the state is copied to twice the room;
/// [`SessionOptions::max_len`] takes the room for all at once. Elements that are packed on the device (of fewer than 32 bits) are copied
/// with each request, and so is the state of what runs in stages.
///
/// The state counts as tensor memory of the runtime ([`Options::memory_cap`](super::Options::memory_cap)), between requests too. It is freed when
/// the last clone is gone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

struct Inner {
    id: SessionId,
    model: Model,
    staged: Arc<Staged>,
    links: Arc<[Link]>,
    options: SessionOptions,
    ledger: Arc<Mutex<Ledger>>,
}

/// How a session keeps its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// How far a state may grow along the dimension in which it does, such as the most tokens of a conversation. A request that would
    /// exceed it is refused by `submit`, and so is one that runs in stages. The first request takes the memory of that many at once, and
    /// none is ever copied.
    pub max_len: Option<usize>,
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
    /// By link, as far as it is known before the requests are done.
    states: Vec<Option<Known>>,
    /// Requests so far.
    submitted: u64,
    /// Whether only the last of them tells the shapes, when it is done: it runs in stages.
    awaited: bool,
    /// Fresh starts and failures so far.
    epoch: u64,
}

/// What is known of a state before it is there.
#[derive(Clone, Debug)]
struct Known {
    dtype: DType,
    shape: Vec<usize>,
    /// For how many rows there is room, where it grows where it lies.
    room: Option<usize>,
}

/// A request's turn in its session.
pub(super) struct Turn {
    pub(super) session: SessionId,
    pub(super) links: Arc<[Link]>,
    /// By link: whether the request takes the session's state.
    pub(super) takes: Vec<bool>,
    pub(super) cancelled: bool,
    ledger: Arc<Mutex<Ledger>>,
    pub(super) epoch: u64,
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
    /// What ended the last request that failed, and its epoch: requests up to that were planned for what it did not leave.
    pub(super) broken: Option<(u64, Error)>,
    /// Whether the last handle is gone.
    pub(super) ended: bool,
}

impl Turn {
    /// Tells the session's handles what the state is, unless there are further requests.
    pub(super) fn leave(&self, tensors: &[Option<Given>]) {
        let mut ledger = lock(&self.ledger);
        if ledger.awaited && ledger.submitted == self.number {
            ledger.awaited = false;
            ledger.states = tensors.iter().map(|given| given.as_ref().and_then(Known::of)).collect();
        }
    }

    /// Tells the session's handles that the request failed: the next one finds the state as it is.
    pub(super) fn break_off(&self, tensors: &[Option<Given>]) {
        let mut ledger = lock(&self.ledger);
        // What started afresh since then does not ask for it.
        if ledger.epoch == self.epoch {
            ledger.epoch += 1;
            ledger.awaited = false;
            let known = |link: usize| tensors.get(link)?.as_ref().and_then(Known::of);
            ledger.states = (0..self.links.len()).map(known).collect();
        }
    }
}

impl Known {
    fn of(given: &Given) -> Option<Known> {
        Some(match given {
            Given::Host(tensor) => Known { dtype: tensor.dtype(), shape: tensor.shape().to_vec(), room: None },
            Given::Device(tensor) => Known { dtype: tensor.dtype, shape: tensor.shape.clone(), room: tensor.room },
            Given::State(_) => return None,
        })
    }
}

fn has_room(known: &Option<Known>) -> bool {
    known.as_ref().is_some_and(|known| known.room.is_some())
}

/// The error of a request that was planned for the state that an earlier one was to leave.
pub(super) fn broken(error: &Error) -> Error {
    Error::new(error.kind(), format!("an earlier request of the session left no state: {}", error.message()))
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    pub(super) fn new(model: &Model, state: &[(&str, &str)], options: &SessionOptions) -> Result<Self> {
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
            options: options.clone(),
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
        Ok(lock(ledger).states[link].clone().map(|known| (known.dtype, known.shape)))
    }

    /// Whether an output is state.
    pub(super) fn carries(&self, output: usize) -> bool {
        self.inner.links.iter().any(|link| link.output == output)
    }

    pub(super) fn submit(&self, given: Vec<(String, Value)>, kept: Vec<usize>, when: When) -> Result<Request> {
        let Inner { id: session, model, staged, links, options, ledger } = &*self.inner;
        let call = Call::new(&model.inner.shared, model.inner.id, &model.inner.name)?;
        // Held until the request is sent, so that the engine gets them in this order.
        let mut known = lock(ledger);
        let link_of = |input: usize| links.iter().position(|link| link.input == input);
        let (inputs, _) = model.take_inputs(given, |input| {
            let state = known.states[link_of(input)?].as_ref().map(|known| known.shape.clone());
            state.or(known.awaited.then(Vec::new))
        })?;
        let takes: Vec<bool> = links.iter().map(|link| matches!(inputs[link.input], Given::State(..))).collect();
        let fresh = !takes.contains(&true);
        let _entered = call.span.clone().entered();
        let mut stack = Vec::new();
        let before: Vec<Vec<usize>> = links.iter().map(|link| inputs[link.input].shape().to_vec()).collect();
        let staged = model.inner.with_residents(staged, links, Residents::of(&inputs, &kept));
        // Among the results, which are the outputs that are not state.
        let kept = kept.iter().map(|&at| at - links.iter().filter(|link| link.output < at).count()).collect();
        let when_there = (!fresh).then(|| Frame::Whole { staged: staged.clone(), given: inputs.clone() });
        let mut rooms = Rooms::new(staged.stage(), &inputs, &known.states, options.max_len);
        let mut ready = match known.awaited && !fresh {
            true => model.inner.nothing(),
            false => stages::prepare_in(&model.inner, staged.clone(), inputs, &mut rooms, &mut stack)?,
        };
        let awaited = known.awaited && !fresh || !stack.is_empty();
        if awaited && known.states.iter().zip(&takes).any(|(known, takes)| *takes && has_room(known)) {
            let what = "a request that runs in stages, where one before it left its state with room to grow";
            return Err(Error::unsupported(what));
        }
        if awaited && options.max_len.is_some() {
            let what =
                "`max_len` of a session whose request runs in stages: how long its state gets is not known before";
            return Err(Error::unsupported(what));
        }
        let outputs = &ready.plan.plan.outputs;
        let after = |link: &Link| {
            let PlanOutput { dtype, shape, room, .. } = outputs.get(link.output)?;
            Some(Known { dtype: *dtype, shape: shape.clone(), room: *room })
        };
        let after: Vec<_> = links.iter().map(|link| if awaited { None } else { after(link) }).collect();
        for ((link, before), after) in links.iter().zip(&before).zip(&after) {
            if let (Some(max_len), Some(after)) = (options.max_len, after) {
                room::check_len(staged.stage(), *link, before, &after.shape, max_len)?;
            }
        }
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
