//! A loaded model: its graph, its weights, and its stages with their plans.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use futures::channel::oneshot;

use super::message::{Call, Course, Message, Prepared, SharedPlan};
use super::request::{Request, RequestBuilder, When};
use super::residents::{ByResidents, Residents};
use super::session::{Link, Session, SessionOptions};
use super::stages::{self, Given, GoOn, Origins, Ready, Staged};
use super::{Shared, Value, ids};
use crate::error::{Error, Result};
use crate::graph::{Dim, Form, Graph, Kind};
use crate::lower::ModelWeights;
use crate::ops::Operators;
use crate::plan::stage::Stage;
use crate::plan::{self, Location, Plan};
use crate::schedule::ModelId;
use crate::tensor::DType;

/// A model, loaded and checked. Cheap to clone; its memory is freed when the last clone and the last request are gone.
#[derive(Clone)]
pub struct Model {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) id: ModelId,
    pub(super) name: Arc<str>,
    pub(super) shared: Arc<Shared>,
    pub(super) weights: Arc<ModelWeights>,
    /// The whole model.
    root: Arc<Staged>,
    /// Stages made so far.
    stages: AtomicU32,
    /// The whole model with the state of a session, by what that is.
    sessions: Mutex<Vec<(Vec<Link>, Arc<Staged>)>>,
    pub(super) by_residents: ByResidents,
    /// A plan of nothing.
    nothing: OnceLock<Arc<SharedPlan>>,
    /// Whether inputs are sequences or optionals.
    takes_forms: bool,
    /// The whole model by the forms of these, the most recently used last.
    by_forms: Mutex<Vec<(Vec<Form>, Arc<Staged>)>>,
    /// The outputs as the file has them, where some are sequences or optionals.
    declared: Option<Vec<OutputInfo>>,
}

impl Inner {
    /// What plans the next parts of its requests, for as long as the model is there.
    pub(super) fn goes_on(self: &Arc<Self>) -> Weak<dyn GoOn> {
        let model: Weak<Inner> = Arc::downgrade(self);
        model
    }

    /// What runs of a request that is planned when its turn comes: nothing, before its first part.
    pub(super) fn nothing(&self) -> Ready {
        let plan = || Arc::new(SharedPlan::new(self.id, self.name.clone(), Plan::default(), self.weights.clone()));
        let plan = self.nothing.get_or_init(plan).clone();
        Ready { plan, inputs: Vec::new(), uploads: Vec::new(), held: Vec::new() }
    }

    /// A number that tells the constants of a new stage from those of others.
    pub(super) fn next_stage(&self) -> u32 {
        self.stages.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The model with these outputs and inputs on the device.
    pub(super) fn session_stage(&self, links: &[Link]) -> Arc<Staged> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, staged)) = sessions.iter().find(|(known, _)| known == links) {
            return staged.clone();
        }
        let states: Vec<_> = links.iter().map(|link| (link.input, link.output)).collect();
        let staged = Staged::new(self.root.stage().with_states(&states));
        sessions.push((links.to_vec(), staged.clone()));
        staged
    }
}

impl Inner {
    /// The model for inputs of these forms: a sequence of other length makes another graph.
    fn with_forms(&self, forms: &[Form]) -> Result<Arc<Staged>> {
        let lock = || self.by_forms.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut known = lock();
            if let Some(index) = known.iter().position(|(known, _)| known == forms) {
                let entry = known.remove(index);
                let staged = entry.1.clone();
                known.push(entry);
                return Ok(staged);
            }
        }
        let staged = Staged::new(self.root.stage().with_forms(forms, self.next_stage())?);
        let mut known = lock();
        if known.len() >= self.shared.plan_cache {
            known.remove(0);
        }
        known.push((forms.to_vec(), staged.clone()));
        Ok(staged)
    }
}

/// An input that a request must give.
#[derive(Clone, Debug, PartialEq)]
pub struct InputInfo {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub dtype: DType,
    /// Its shape; symbols take their size from the tensors given.
    pub shape: Vec<Dim>,
    /// What it is; type and shape are those of its tensors. Members of a sequence may differ in what its shape leaves open.
    pub kind: Kind,
}

/// An output that a request returns.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputInfo {
    /// Its name.
    pub name: String,
    /// Its element type, as far as the model tells.
    pub dtype: Option<DType>,
    /// Its shape, as far as the model tells.
    pub shape: Option<Vec<Dim>>,
    /// What it is; type and shape are those of its tensors.
    pub kind: Kind,
}

/// What a plan needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanSummary {
    /// Kernel runs of one request.
    pub dispatches: usize,
    /// Bundles that a request alone needs: the longest chain of dependent dispatches.
    pub bundles: usize,
    /// Different kernel variants.
    pub variants: usize,
    /// Bytes of weights on the device, for this plan.
    pub weight_bytes: u64,
    /// Bytes of one request's memory on the device.
    pub heap_bytes: u64,
    /// The most of these that hold something at once that is read later.
    pub live_bytes: u64,
    /// Floating-point operations of one request.
    pub flops: u64,
    /// Whether stages follow that are planned for values of a request, its inputs' or those that the device computes. They are not
    /// among these numbers.
    pub staged: bool,
}

/// Read-backs are told apart by 16 bits, and one stands for the report.
const MAX_OUTPUTS: usize = 0xffff;

impl Model {
    pub(super) fn new(shared: Arc<Shared>, mut graph: Graph) -> Result<Self> {
        let mut operators = Operators::default();
        let declared;
        {
            let _span = tracing::debug_span!("optimise", name = graph.name, nodes = graph.nodes.len()).entered();
            let objections = crate::optimise::prepare(&mut graph, &mut operators);
            crate::optimise::objection::refusal(&graph, &objections)?;
            let of_forms = graph.outputs.iter().any(|&id| graph.value(id).kind != Kind::Tensor);
            declared = of_forms.then(|| output_infos(&graph));
            crate::optimise::resolve_outputs(&mut graph);
            crate::optimise::optimise(&mut graph, &mut operators);
            tracing::debug!(nodes = graph.nodes.len(), "optimised");
        }
        for &id in &graph.inputs {
            let value = graph.value(id);
            if value.dtype.is_none() {
                return Err(Error::invalid_model(format!("input '{}' has no element type", value.name)));
            }
        }
        if graph.outputs.len() > MAX_OUTPUTS {
            return Err(Error::limit(format!(
                "{} outputs; at most {MAX_OUTPUTS} can be read back",
                graph.outputs.len()
            )));
        }
        let graph_takes_forms = graph.inputs.iter().any(|&id| graph.value(id).kind != Kind::Tensor);
        let inner = Inner {
            id: ids::model(),
            name: graph.name.as_str().into(),
            root: Staged::new(Stage::owned(graph, &mut operators)?),
            weights: Arc::default(),
            stages: AtomicU32::new(0),
            sessions: Mutex::default(),
            by_residents: ByResidents::default(),
            nothing: OnceLock::new(),
            takes_forms: graph_takes_forms,
            by_forms: Mutex::default(),
            declared,
            shared,
        };
        Ok(Model { inner: Arc::new(inner) })
    }

    /// The name in the model's file.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The graph after rewriting.
    #[cfg(feature = "unstable")]
    pub fn graph(&self) -> &Graph {
        self.rewritten()
    }

    fn rewritten(&self) -> &Graph {
        &self.inner.root.stage().graph
    }

    /// What a request must give, in graph order.
    pub fn inputs(&self) -> Vec<InputInfo> {
        let graph = self.rewritten();
        let info = |&id| {
            let value = graph.value(id);
            InputInfo {
                name: value.name.clone(),
                dtype: value.dtype.expect("checked when the model was made"),
                shape: value.shape.clone().unwrap_or_default(),
                kind: value.kind,
            }
        };
        graph.inputs.iter().map(info).collect()
    }

    /// What a request returns, in graph order.
    pub fn outputs(&self) -> Vec<OutputInfo> {
        self.inner.declared.clone().unwrap_or_else(|| output_infos(self.rewritten()))
    }

    /// Starts a request.
    pub fn request(&self) -> RequestBuilder {
        RequestBuilder {
            model: self.clone(),
            session: None,
            inputs: Vec::new(),
            kept: Vec::new(),
            schedule: When::default(),
        }
    }

    /// Plans for the given input shapes (in graph order) and says what the plan needs, or the first stage's, if the model runs in
    /// stages.
    ///
    /// # Errors
    /// `Shape` or `Unsupported` if the model cannot be planned at these shapes.
    pub fn plan(&self, shapes: &[Vec<usize>]) -> Result<PlanSummary> {
        let (plan, staged) = self.first_plan(shapes)?;
        let summary = plan.map(|plan| summary(&plan.plan, &self.inner.weights)).unwrap_or_default();
        Ok(PlanSummary { staged, ..summary })
    }

    /// Plans for the given input shapes (in graph order) and returns the dispatches of the plan, or of its first stage, for
    /// instance to cost them.
    ///
    /// # Errors
    /// As [`Model::plan`].
    #[cfg(feature = "unstable")]
    pub fn dispatches(&self, shapes: &[Vec<usize>]) -> Result<Vec<plan::Dispatch>> {
        Ok(self.first_plan(shapes)?.0.map(|plan| plan.plan.dispatches.clone()).unwrap_or_default())
    }

    fn first_plan(&self, shapes: &[Vec<usize>]) -> Result<(Option<Arc<SharedPlan>>, bool)> {
        if self.inner.takes_forms {
            return Err(Error::unsupported(
                "what a model with sequences or optionals for inputs needs depends on what is in them",
            ));
        }
        stages::first_plan(&self.inner, self.inner.root.clone(), shapes)
    }

    /// Begins a session: requests whose outputs are inputs of the next one, without leaving the device. Each pair names an output
    /// and the input that it becomes. The first request gives those inputs.
    ///
    /// # Errors
    /// `Input` for names that the model lacks or that are named twice, or an output of another type than its input.
    pub fn session(&self, state: &[(&str, &str)]) -> Result<Session> {
        self.session_with(state, &SessionOptions::default())
    }

    /// As [`Model::session`], with options.
    ///
    /// # Errors
    /// As [`Model::session`].
    pub fn session_with(&self, state: &[(&str, &str)], options: &SessionOptions) -> Result<Session> {
        Session::new(self, state, options)
    }

    pub(super) fn check_input_name<'a>(&self, name: &str, mut given: impl Iterator<Item = &'a str>) -> Result<()> {
        let graph = self.rewritten();
        if !graph.inputs.iter().any(|&id| graph.value(id).name == name) {
            let known: Vec<&str> = graph.inputs.iter().map(|&id| graph.value(id).name.as_str()).collect();
            return Err(Error::input(format!("there is no input '{name}'; the inputs are {}", known.join(", "))));
        }
        if given.any(|known| known == name) {
            return Err(Error::input(format!("input '{name}' is given twice")));
        }
        Ok(())
    }

    /// Which output is to stay on the device.
    pub(super) fn output_to_keep(&self, name: &str) -> Result<usize> {
        let outputs = self.outputs();
        let index = outputs.iter().position(|output| output.name == name).ok_or_else(|| {
            let known: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
            Error::input(format!("there is no output '{name}'; the outputs are {}", known.join(", ")))
        })?;
        if self.inner.takes_forms || self.inner.declared.is_some() {
            return Err(Error::unsupported(format!(
                "output '{name}' cannot be kept on the device: not all inputs and outputs of the model are tensors"
            )));
        }
        Ok(index)
    }

    /// Takes the inputs in graph order, with their forms where not all are tensors; `state` gives those of a session that are not
    /// given.
    pub(super) fn take_inputs(
        &self,
        mut given: Vec<(String, Value)>,
        state: impl Fn(usize) -> Option<Vec<usize>>,
    ) -> Result<(Vec<Given>, Vec<Form>)> {
        let mut forms = Vec::new();
        let mut inputs = Vec::with_capacity(given.len());
        for (index, info) in self.inputs().into_iter().enumerate() {
            let Some(at) = given.iter().position(|(name, _)| *name == info.name) else {
                let shape = state(index).ok_or_else(|| Error::input(format!("input '{}' is missing", info.name)))?;
                inputs.push(Given::State(shape));
                continue;
            };
            let (name, value) = given.swap_remove(at);
            let tensor = match value {
                Value::Tensor(tensor) if info.kind == Kind::Tensor => tensor,
                Value::Device(tensor) if info.kind == Kind::Tensor => {
                    inputs.push(tensor.as_input(&self.inner.shared, &info)?);
                    continue;
                }
                value => {
                    let (form, tensors) = value.apart(&name, info.kind, info.dtype)?;
                    forms.resize(index, Form::Tensor);
                    forms.push(form);
                    inputs.extend(tensors.into_iter().map(Given::Host));
                    continue;
                }
            };
            if tensor.dtype() != info.dtype {
                return Err(Error::input(format!(
                    "input '{name}' is {}, but {} is wanted",
                    tensor.dtype(),
                    info.dtype
                )));
            }
            inputs.push(Given::Host(tensor));
        }
        if self.inner.takes_forms {
            forms.resize(self.rewritten().inputs.len(), Form::Tensor);
        }
        Ok((inputs, forms))
    }

    pub(super) fn submit(&self, given: Vec<(String, Value)>, kept: Vec<usize>, when: When) -> Result<Request> {
        let call = Call::new(&self.inner.shared, self.inner.id, &self.inner.name)?;
        let (inputs, forms) = self.take_inputs(given, |_| None)?;
        let residents = Residents::of(&inputs, &kept);
        if !forms.is_empty() && !residents.is_empty() {
            return Err(Error::unsupported(
                "tensors on the device, for a model whose inputs are not all tensors: download them first",
            ));
        }
        let _entered = call.span.clone().entered();
        let mut stack = Vec::new();
        let whole = match forms.as_slice() {
            [] => self.inner.with_residents(&self.inner.root, &[], residents),
            forms => self.inner.with_forms(forms)?,
        };
        stack.extend(stages::together_at_last(&whole));
        let ready = stages::prepare(&self.inner, whole, inputs, &mut stack)?;
        let course = Course {
            model: self.inner.goes_on(),
            origins: Origins::of(&ready, &stack),
            stack,
            begun: None,
            turn: None,
        };
        let course = (!course.stack.is_empty()).then(|| Box::new(course));
        self.send(call, ready, kept, course, when)
    }

    /// Hands a request to the engine.
    pub(super) fn send(
        &self,
        call: Call,
        ready: Ready,
        kept: Vec<usize>,
        course: Option<Box<Course>>,
        when: When,
    ) -> Result<Request> {
        let Call { id, submitted, span, seat } = call;
        let (reply, answer) = oneshot::channel();
        let Ready { plan, inputs, uploads, held } = ready;
        let prepared = Prepared {
            id,
            plan,
            params: None,
            inputs,
            uploads,
            held,
            kept,
            course,
            deadline: when.deadline.map(|deadline| after(submitted, deadline)),
            class: when.class,
            admission: when.admission,
            key: when.key,
            submitted,
            span,
            seat,
            reply,
        };
        let shared = &self.inner.shared;
        shared.port.send(Message::Submit(Box::new(prepared)))?;
        Ok(Request::new(id, shared.clone(), Some(self.clone()), answer))
    }
}

fn output_infos(graph: &Graph) -> Vec<OutputInfo> {
    let info = |&id| {
        let value = graph.value(id);
        OutputInfo { name: value.name.clone(), dtype: value.dtype, shape: value.shape.clone(), kind: value.kind }
    };
    graph.outputs.iter().map(info).collect()
}

pub(super) fn after(now: u64, wait: std::time::Duration) -> u64 {
    now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

fn summary(plan: &Plan, weights: &ModelWeights) -> PlanSummary {
    let mut depth: Vec<usize> = Vec::with_capacity(plan.dispatches.len());
    for dispatch in &plan.dispatches {
        depth.push(1 + dispatch.deps.iter().map(|&dep| depth[dep as usize]).max().unwrap_or(0));
    }
    let mut used: Vec<_> = plan
        .dispatches
        .iter()
        .flat_map(|dispatch| &dispatch.operands)
        .filter_map(|operand| match operand.location {
            Location::Weight(id) => Some(id),
            Location::Activation { .. } => None,
        })
        .collect();
    used.sort();
    used.dedup();
    let mut variants: Vec<_> = plan.dispatches.iter().map(|dispatch| &dispatch.variant).collect();
    variants.sort();
    variants.dedup();
    PlanSummary {
        dispatches: plan.dispatches.len(),
        bundles: depth.into_iter().max().unwrap_or(0),
        variants: variants.len(),
        weight_bytes: used.into_iter().map(|id| weights.len_of(id)).sum(),
        heap_bytes: plan.regions.iter().sum(),
        live_bytes: plan::live_bytes(plan),
        flops: plan.dispatches.iter().map(|dispatch| dispatch.cost.flops).sum(),
        staged: false,
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // An engine that has stopped has freed everything.
        let _ = self.shared.port.send(Message::Unload(self.id));
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("name", &self.inner.name).finish_non_exhaustive()
    }
}
