//! Models in stages: finding the plan for a request's next part, and going on when one is done.
//!
//! Mostly a model is one stage. Where planning is [blocked](plan::stage), the request runs part by part: each is an ordinary plan
//! to the engine and the scheduler, with the deadline and class of the request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::content::Content;
use super::hold::Hold;
use super::message::{InputBytes, SharedPlan};
use super::model::Inner;
use super::session::Rooms;
use crate::error::{Error, Result};
use crate::graph::Form;
use crate::plan::bind::Symbols;
use crate::plan::stage::{After, Blocked, Feed, Origin, Part, Stage};
use crate::plan::{self, Location, Operand, Plan, PlanInput, PlanOutput, Room, Source, Template, Traced};
use crate::tensor::{DType, Tensor};

mod repeat;

use repeat::{Repeat, Under};

/// Templates that a stage keeps. Guessed: a template serves all sizes that decide alike, such as those that are multiples of
/// four.
const MAX_TEMPLATES: usize = 16;

/// Ways on that a stage keeps. Guessed: there is one for each set of values that are missing, and for each choice of branches.
const MAX_WAYS: usize = 16;

/// Parts of one request within each other at most. A guard against models made to need many.
const MAX_PARTS: usize = 64;

/// A stage and its plans, of each kind the most recently used last.
pub(super) struct Staged {
    stage: Stage<'static>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    templates: Vec<Arc<Template>>,
    plans: Vec<(Shapes, Arc<SharedPlan>)>,
    ways: Vec<(Arc<Blocked>, Way)>,
}

/// What a plan is made for: the inputs' shapes, the values that the host knows, and the rooms of states that grow.
#[derive(Clone, PartialEq)]
struct Shapes {
    shapes: Vec<Vec<usize>>,
    values: Vec<Option<Tensor>>,
    rooms: Vec<Option<Room>>,
}

/// What there is for some inputs.
enum Found {
    Plan(Arc<SharedPlan>),
    Way(Way),
    /// No room for a state: by state its rows after the request.
    Outgrown(Vec<usize>),
}

/// How a blocked stage goes on.
#[derive(Clone)]
enum Way {
    Instead(Arc<Staged>),
    Split(Arc<Split>),
    Repeat(Arc<Repeat>),
}

/// A stage in two parts.
pub(super) struct Split {
    first: Arc<Staged>,
    second: Arc<Staged>,
    first_inputs: Vec<usize>,
    second_inputs: Vec<Origin>,
    outputs: Vec<Part>,
}

/// An input of a stage.
#[derive(Clone)]
pub(super) enum Given {
    Host(Tensor),
    Device(Resident),
    /// The state of a session: it will be there when the request's turn comes.
    State(Vec<usize>),
}

/// A tensor on the device, in a region of its own.
#[derive(Clone)]
pub(super) struct Resident {
    pub(super) hold: Arc<Hold>,
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    /// For how many rows the region has room, if it is a state that grows where it lies.
    pub(super) room: Option<usize>,
}

/// An output of a stage: read back, on the device, or both.
#[derive(Clone)]
pub(super) struct Produced {
    pub(super) name: String,
    pub(super) content: Option<Content>,
    pub(super) resident: Option<Resident>,
    /// What it is put together of, if it is no tensor.
    pub(super) parts: Option<Box<(Form, Vec<Produced>)>>,
}

/// What remains of a request after the part that runs, the innermost last.
#[derive(Clone)]
pub(super) enum Frame {
    /// Nothing runs yet: the stage is planned when its inputs are there.
    Whole { staged: Arc<Staged>, given: Vec<Given> },
    /// The first part runs, for these inputs of the whole.
    First { split: Arc<Split>, given: Vec<Given> },
    /// The second part runs; the first gave these.
    Second { split: Arc<Split>, first: Vec<Produced> },
    /// A trip of a loop runs.
    Trip { repeat: Arc<Repeat>, under: Under },
    /// What runs gives tensors, of which these outputs are put together.
    Together(Arc<[(String, Form)]>),
}

impl Frame {
    /// Whether another part follows.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Frame::Whole { .. } | Frame::First { .. } | Frame::Trip { .. })
    }
}

/// A part that can be scheduled.
pub(super) struct Ready {
    pub(super) plan: Arc<SharedPlan>,
    /// What the host has of the inputs, for outputs that pass one through.
    pub(super) inputs: Vec<Option<Tensor>>,
    pub(super) uploads: Vec<InputBytes>,
    /// By input: what is on the device already.
    pub(super) held: Vec<Option<Arc<Hold>>>,
}

/// The first part of a request, to begin anew with.
pub(super) struct Origins {
    plan: Arc<SharedPlan>,
    inputs: Vec<Option<Tensor>>,
    held: Vec<Option<Arc<Hold>>>,
    stack: Vec<Frame>,
}

impl Origins {
    /// Of a request of several parts whose inputs are there; tensors are shared.
    pub(super) fn of(first: &Ready, stack: &[Frame]) -> Option<Self> {
        let Ready { plan, inputs, held, .. } = first;
        let origins =
            || Origins { plan: plan.clone(), inputs: inputs.clone(), held: held.clone(), stack: stack.to_vec() };
        (!stack.is_empty()).then(origins)
    }

    /// The first part again, and what comes after it.
    ///
    /// # Errors
    /// Those of uploads, which were made before.
    pub(super) fn again(&self) -> Result<(Ready, Vec<Frame>)> {
        let uploads = uploads(&self.plan.plan, &self.inputs)?;
        let ready = Ready { plan: self.plan.clone(), inputs: self.inputs.clone(), uploads, held: self.held.clone() };
        Ok((ready, self.stack.clone()))
    }
}

/// What comes after a part.
pub(super) enum Next {
    Run(Ready),
    Done(Vec<Produced>),
}

impl Given {
    pub(super) fn shape(&self) -> &[usize] {
        match self {
            Given::Host(tensor) => tensor.shape(),
            Given::Device(resident) => &resident.shape,
            Given::State(shape) => shape,
        }
    }
}

impl Produced {
    /// The output as an input.
    pub(super) fn given(&mut self) -> Result<Given> {
        match (&self.resident, &mut self.content) {
            (Some(resident), _) => Ok(Given::Device(resident.clone())),
            (None, Some(content)) => Ok(Given::Host(content.tensor()?)),
            (None, None) => Err(Error::internal(format!("'{}' was neither read back nor kept", self.name))),
        }
    }
}

impl Staged {
    pub(super) fn new(stage: Stage<'static>) -> Arc<Self> {
        Arc::new(Staged { stage, cache: Mutex::default() })
    }

    pub(super) fn stage(&self) -> &Stage<'static> {
        &self.stage
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan for these inputs, or the way on where there is none.
    fn find(&self, model: &Inner, at: &Shapes) -> Result<Found> {
        // Planning and packing may take long: the lock is held by neither.
        let templates = {
            let mut cache = self.lock();
            if let Some(plan) = cache.plan(at) {
                return Ok(Found::Plan(plan));
            }
            cache.templates.clone()
        };
        let shapes = &at.shapes;
        let _span = tracing::debug_span!("plan", model = model.id.0, name = &*model.name, ?shapes).entered();
        let symbols = Symbols::of(&self.stage.graph, shapes, &at.values, &at.rooms)?;
        let bound = templates.iter().rev().find_map(|template| Some((template.clone(), template.bind(&symbols)?)));
        let (template, plan) = match bound {
            Some(bound) => bound,
            None => {
                if let Some(way) = self.lock().way(&symbols) {
                    return Ok(Found::Way(way));
                }
                let target = &model.shared.target;
                match plan::traced(&self.stage, shapes, &at.values, &at.rooms, &model.weights, target)? {
                    Traced::Blocked(blocked) => return self.go_on(model, blocked).map(Found::Way),
                    Traced::Outgrown(rows) => return Ok(Found::Outgrown(rows)),
                    Traced::Template(template) => {
                        let (expressions, guards) = template.complexity();
                        tracing::debug!(expressions, guards, templates = templates.len(), "traced");
                        let plan = template.bind(&symbols);
                        let plan = plan.ok_or_else(|| Error::internal("a template does not serve itself"))?;
                        (Arc::new(template), plan)
                    }
                }
            }
        };
        tracing::debug!(dispatches = plan.dispatches.len(), bytes = plan.regions.iter().sum::<u64>(), "planned");
        let plan = Arc::new(SharedPlan::new(model.id, model.name.clone(), plan, model.weights.clone()));
        let mut cache = self.lock();
        cache.keep(template);
        Ok(Found::Plan(cache.insert(at, plan, model.shared.plan_cache)))
    }

    fn go_on(&self, model: &Inner, blocked: Blocked) -> Result<Way> {
        let way = match self.stage.after(&blocked, model.next_stage())? {
            After::Instead(stage) => Way::Instead(Staged::new(*stage)),
            After::Split(split) => {
                let plan::stage::Split { first, second, first_inputs, second_inputs, outputs } = *split;
                let (first, second) = (Staged::new(first), Staged::new(second));
                Way::Split(Arc::new(Split { first, second, first_inputs, second_inputs, outputs }))
            }
            After::Repeat(repeat) => Way::Repeat(Arc::new(Repeat::new(*repeat))),
        };
        let mut cache = self.lock();
        if cache.ways.len() >= MAX_WAYS {
            cache.ways.remove(0);
        }
        cache.ways.push((Arc::new(blocked), way.clone()));
        Ok(way)
    }
}

impl Cache {
    fn plan(&mut self, at: &Shapes) -> Option<Arc<SharedPlan>> {
        let index = self.plans.iter().position(|(known, _)| known == at)?;
        let entry = self.plans.remove(index);
        let plan = entry.1.clone();
        self.plans.push(entry);
        Some(plan)
    }

    fn way(&mut self, symbols: &Symbols) -> Option<Way> {
        let index = self.ways.iter().rposition(|(blocked, _)| blocked.serves(symbols))?;
        let entry = self.ways.remove(index);
        let way = entry.1.clone();
        self.ways.push(entry);
        Some(way)
    }

    /// Keeps a plan; gives the one that another thread has kept for these shapes meanwhile, if there is one.
    fn insert(&mut self, at: &Shapes, plan: Arc<SharedPlan>, capacity: usize) -> Arc<SharedPlan> {
        if let Some(known) = self.plan(at) {
            return known;
        }
        if self.plans.len() >= capacity {
            self.plans.remove(0);
        }
        self.plans.push((at.clone(), plan.clone()));
        plan
    }

    /// Marks a template as used, or adds it.
    fn keep(&mut self, template: Arc<Template>) {
        self.templates.retain(|known| !Arc::ptr_eq(known, &template));
        if self.templates.len() >= MAX_TEMPLATES {
            self.templates.remove(0);
        }
        self.templates.push(template);
    }
}

/// What can be planned for these shapes alone: the plan of the whole model or of its first stage, and whether anything comes
/// after. There is no plan where all of it depends on the inputs' values.
///
/// # Errors
/// Those of planning.
pub(super) fn first_plan(
    model: &Inner,
    mut staged: Arc<Staged>,
    shapes: &[Vec<usize>],
) -> Result<(Option<Arc<SharedPlan>>, bool)> {
    let (mut shapes, mut more) = (shapes.to_vec(), false);
    while !staged.stage.feeds.contains(&Feed::Values) {
        match staged.find(model, &Shapes { shapes: shapes.clone(), values: Vec::new(), rooms: Vec::new() })? {
            Found::Plan(plan) => return Ok((Some(plan), more)),
            Found::Outgrown(_) => return Err(Error::internal("states without a session")),
            Found::Way(Way::Instead(other)) => staged = other,
            Found::Way(Way::Repeat(_)) => return Ok((None, true)),
            Found::Way(Way::Split(split)) => {
                more = true;
                shapes = split.first_inputs.iter().map(|&index| shapes[index].clone()).collect();
                staged = split.first.clone();
            }
        }
    }
    Ok((None, true))
}

/// The first part of a stage for these inputs. What remains is pushed on `stack`.
pub(super) fn prepare(model: &Inner, staged: Arc<Staged>, inputs: Vec<Given>, stack: &mut Vec<Frame>) -> Result<Ready> {
    prepare_in(model, staged, inputs, &mut Rooms::default(), stack)
}

/// As [`prepare`], with the states of a session in these rooms; those that are too small become larger.
pub(super) fn prepare_in(
    model: &Inner,
    mut staged: Arc<Staged>,
    mut inputs: Vec<Given>,
    rooms: &mut Rooms,
    stack: &mut Vec<Frame>,
) -> Result<Ready> {
    // A stage is put in place of another no more often than it has inputs or nodes; the bound is one for faults.
    for _ in 0..1024 {
        let values = if staged.stage.feeds.contains(&Feed::Values) {
            let value = |(index, given): (usize, &Given)| match given {
                Given::Host(tensor) if staged.stage.feed(index) == Feed::Values => Some(tensor.clone()),
                _ => None,
            };
            inputs.iter().enumerate().map(value).collect()
        } else {
            Vec::new()
        };
        // Parts of a stage have no states.
        let own = if staged.stage.states.is_empty() { Vec::new() } else { rooms.list.clone() };
        let shapes = inputs.iter().map(|given| given.shape().to_vec()).collect();
        let at = Shapes { shapes, values, rooms: own };
        match staged.find(model, &at)? {
            Found::Plan(plan) => return ready(plan, inputs),
            Found::Outgrown(rows) => {
                rooms.outgrown(&staged.stage, &at.shapes, &rows, model.shared.target.max_binding_bytes)?;
            }
            Found::Way(Way::Instead(other)) => {
                // Now it is known what is in its sequences.
                if staged.stage.graph.results.is_none() {
                    stack.extend(together_at_last(&other));
                }
                staged = other;
            }
            Found::Way(Way::Repeat(repeat)) => {
                if stack.len() >= MAX_PARTS {
                    return Err(too_deep());
                }
                let under = repeat.begin(std::mem::take(&mut inputs))?;
                (staged, inputs) = repeat.next(model, under, stack)?;
            }
            Found::Way(Way::Split(split)) => {
                if stack.len() >= MAX_PARTS {
                    return Err(too_deep());
                }
                let first = split.first_inputs.iter().map(|&index| inputs[index].clone()).collect();
                staged = split.first.clone();
                stack.push(Frame::First { split, given: std::mem::replace(&mut inputs, first) });
            }
        }
    }
    Err(Error::internal("planning does not end"))
}

fn too_deep() -> Error {
    Error::limit(format!("the request needs more than {MAX_PARTS} stages within each other"))
}

/// What is to be done last with the tensors that a model gives, if not all of its outputs are such.
pub(super) fn together_at_last(staged: &Staged) -> Option<Frame> {
    let results = staged.stage.graph.results.as_ref()?;
    Some(Frame::Together(results.as_slice().into()))
}

/// Puts outputs together of the tensors in them.
fn together(results: &[(String, Form)], produced: Vec<Produced>) -> Vec<Produced> {
    let mut produced = produced.into_iter();
    let one = |(name, form): &(String, Form)| match form {
        Form::Tensor => produced.next().into_iter().collect::<Vec<_>>(),
        _ => {
            let members = produced.by_ref().take(form.tensors()).collect();
            let parts = Some(Box::new((*form, members)));
            vec![Produced { name: name.clone(), content: None, resident: None, parts }]
        }
    };
    results.iter().flat_map(one).collect()
}

/// Plans the next parts of a model's requests.
pub(super) trait GoOn: Send + Sync {
    /// What comes after a part that gave `produced`.
    ///
    /// # Errors
    /// Those of planning.
    fn go_on(&self, stack: &mut Vec<Frame>, produced: Vec<Produced>) -> Result<Next>;
}

impl GoOn for Inner {
    fn go_on(&self, stack: &mut Vec<Frame>, produced: Vec<Produced>) -> Result<Next> {
        go_on(self, stack, produced)
    }
}

fn go_on(model: &Inner, stack: &mut Vec<Frame>, mut produced: Vec<Produced>) -> Result<Next> {
    loop {
        match stack.pop() {
            None => return Ok(Next::Done(produced)),
            Some(Frame::Together(results)) => produced = together(&results, produced),
            Some(Frame::Whole { staged, given }) => return prepare(model, staged, given, stack).map(Next::Run),
            Some(Frame::Trip { repeat, under }) => {
                let under = repeat.after(under, produced)?;
                let (staged, inputs) = repeat.next(model, under, stack)?;
                return prepare(model, staged, inputs, stack).map(Next::Run);
            }
            Some(Frame::Second { split, first }) => {
                let part = |part: &Part| match *part {
                    Part::First(index) => first[index].clone(),
                    Part::Second(index) => produced[index].clone(),
                };
                produced = split.outputs.iter().map(part).collect();
            }
            Some(Frame::First { split, given }) => {
                let input = |origin: &Origin| match *origin {
                    Origin::Input(index) => Ok(given[index].clone()),
                    Origin::Output(index) => produced[index].given(),
                };
                let inputs = split.second_inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
                let second = split.second.clone();
                // What the second part alone reads is free when that is done.
                for (index, one) in produced.iter_mut().enumerate() {
                    if !split.outputs.contains(&Part::First(index)) {
                        (one.content, one.resident) = (None, None);
                    }
                }
                stack.push(Frame::Second { split, first: produced });
                return prepare(model, second, inputs, stack).map(Next::Run);
            }
        }
    }
}

fn ready(plan: Arc<SharedPlan>, given: Vec<Given>) -> Result<Ready> {
    let mut inputs = Vec::with_capacity(given.len());
    let mut held = vec![None; given.len()];
    for ((given, held), planned) in given.into_iter().zip(&mut held).zip(&plan.plan.inputs) {
        if !matches!(given, Given::Host(_)) && planned.operand.is_some() && !planned.resident {
            return Err(Error::internal(format!("input '{}' is on the device, but planned to go up", planned.name)));
        }
        inputs.push(match given {
            Given::Host(tensor) => Some(tensor),
            Given::State(..) => None,
            Given::Device(resident) => {
                if resident.room != planned.room {
                    return Err(Error::internal(format!("input '{}' does not lie as it is planned to", planned.name)));
                }
                *held = Some(resident.hold);
                None
            }
        });
    }
    let uploads = uploads(&plan.plan, &inputs)?;
    Ok(Ready { plan, inputs, uploads, held })
}

/// The inputs that dispatches read, as bytes for the heap.
pub(super) fn uploads(plan: &Plan, inputs: &[Option<Tensor>]) -> Result<Vec<InputBytes>> {
    let mut uploads = Vec::with_capacity(inputs.len());
    for (index, tensor) in inputs.iter().enumerate() {
        if let Some(tensor) = tensor {
            uploads.extend(upload(plan, index, tensor)?);
        }
    }
    for (operand, bytes) in &plan.constants {
        let Location::Activation { region, offset } = operand.location else {
            return Err(Error::internal("what follows from the shapes is planned into the weights"));
        };
        uploads.push(InputBytes { region, offset, bytes: bytes.clone() });
    }
    Ok(uploads)
}

/// An input as bytes for the heap, if a dispatch reads it.
pub(super) fn upload(plan: &Plan, index: usize, tensor: &Tensor) -> Result<Option<InputBytes>> {
    let Some(input) = plan.inputs.get(index) else { return Ok(None) };
    let Some(operand) = input.operand else { return Ok(None) };
    let Location::Activation { region, offset } = operand.location else {
        return Err(Error::internal(format!("input '{}' is planned into the weights", input.name)));
    };
    let bytes = input
        .storage
        .encode(tensor)
        .map_err(|error| Error::new(error.kind(), format!("input '{}': {}", input.name, error.message())))?;
    Ok(Some(InputBytes { region, offset, bytes: bytes.into() }))
}

/// The region that an input has for itself.
pub(super) fn own_region(input: &PlanInput) -> Option<usize> {
    region_of(input.operand.filter(|_| input.resident)?)
}

/// The region in which an output stays on the device.
pub(super) fn kept_region(output: &PlanOutput) -> Option<usize> {
    match output.source {
        Source::Device(operand) if output.keep.is_resident() => region_of(operand),
        _ => None,
    }
}

fn region_of(operand: Operand) -> Option<usize> {
    match operand.location {
        Location::Activation { region, .. } => Some(usize::from(region)),
        Location::Weight(_) => None,
    }
}
