//! A loaded model: its graph, its weights, and a bounded cache of plans.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;

use super::message::{self, InputBytes, Message, Prepared, SharedPlan};
use super::request::{Request, RequestBuilder, When};
use super::{Completion, Shared, ids};
use crate::error::{Error, Result};
use crate::graph::{Dim, Graph};
use crate::lower::{ModelWeights, repr};
use crate::plan::bind::Symbols;
use crate::plan::{self, Place, Plan, Template};
use crate::schedule::ModelId;
use crate::tensor::{DType, Tensor};

/// A model, loaded and checked. Cheap to clone; its memory is freed when the last clone and the last request are gone.
#[derive(Clone)]
pub struct Model {
    inner: Arc<Inner>,
}

struct Inner {
    id: ModelId,
    name: Arc<str>,
    shared: Arc<Shared>,
    graph: Graph,
    weights: Arc<ModelWeights>,
    plans: Mutex<PlanCache>,
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
}

/// What a plan needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanSummary {
    /// Kernel runs of one request.
    pub dispatches: usize,
    /// Waves that a request alone needs: the longest chain of dependent dispatches.
    pub waves: usize,
    /// Different kernel variants.
    pub variants: usize,
    /// Bytes of weights on the device, for this plan.
    pub weight_bytes: u64,
    /// Bytes of one request's memory on the device.
    pub heap_bytes: u64,
    /// Floating-point operations of one request.
    pub flops: u64,
}

/// Templates that a model keeps. Guessed: a template serves all sizes that decide alike, such as those that are multiples of
/// four.
const MAX_TEMPLATES: usize = 16;

/// Read-backs are told apart by 16 bits, and one stands for the report.
const MAX_OUTPUTS: usize = 0xffff;

/// Templates and plans by input shapes, of each the most recently used last.
struct PlanCache {
    capacity: usize,
    templates: Vec<Arc<Template>>,
    plans: Vec<(Vec<Vec<usize>>, Arc<SharedPlan>)>,
}

impl PlanCache {
    fn get(&mut self, shapes: &[Vec<usize>]) -> Option<Arc<SharedPlan>> {
        let at = self.plans.iter().position(|(known, _)| known == shapes)?;
        let entry = self.plans.remove(at);
        let plan = entry.1.clone();
        self.plans.push(entry);
        Some(plan)
    }

    /// Keeps a plan; gives the one that another thread has kept for these shapes meanwhile, if there is one.
    fn insert(&mut self, shapes: &[Vec<usize>], plan: Arc<SharedPlan>) -> Arc<SharedPlan> {
        if let Some(known) = self.get(shapes) {
            return known;
        }
        if self.plans.len() >= self.capacity {
            self.plans.remove(0);
        }
        self.plans.push((shapes.to_vec(), plan.clone()));
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

impl Model {
    pub(super) fn new(shared: Arc<Shared>, mut graph: Graph) -> Result<Self> {
        {
            let _span = tracing::debug_span!("optimise", name = graph.name, nodes = graph.nodes.len()).entered();
            let objections = crate::optimise::prepare(&mut graph);
            crate::optimise::infer::refusal(&graph, &objections)?;
            crate::optimise::optimise(&mut graph);
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
        let inner = Inner {
            id: ids::model(),
            name: graph.name.as_str().into(),
            graph,
            weights: Arc::default(),
            plans: Mutex::new(PlanCache { capacity: shared.plan_cache, templates: Vec::new(), plans: Vec::new() }),
            shared,
        };
        Ok(Model { inner: Arc::new(inner) })
    }

    /// The name in the model's file.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The graph after rewriting.
    pub fn graph(&self) -> &Graph {
        &self.inner.graph
    }

    /// What a request must give, in graph order.
    pub fn inputs(&self) -> Vec<InputInfo> {
        let graph = &self.inner.graph;
        let info = |&id| {
            let value = graph.value(id);
            InputInfo {
                name: value.name.clone(),
                dtype: value.dtype.expect("checked when the model was made"),
                shape: value.shape.clone().unwrap_or_default(),
            }
        };
        graph.inputs.iter().map(info).collect()
    }

    /// What a request returns, in graph order.
    pub fn outputs(&self) -> Vec<OutputInfo> {
        let graph = &self.inner.graph;
        let info = |&id| {
            let value = graph.value(id);
            OutputInfo { name: value.name.clone(), dtype: value.dtype, shape: value.shape.clone() }
        };
        graph.outputs.iter().map(info).collect()
    }

    /// Starts a request.
    pub fn request(&self) -> RequestBuilder {
        RequestBuilder { model: self.clone(), inputs: Vec::new(), schedule: When::default() }
    }

    /// Plans for the given input shapes (in graph order) and says what the plan needs.
    ///
    /// # Errors
    /// `Shape` or `Unsupported` if the model cannot be planned at these shapes.
    pub fn plan(&self, shapes: &[Vec<usize>]) -> Result<PlanSummary> {
        let shared = self.shared_plan(shapes)?;
        Ok(summary(&shared.plan, &self.inner.weights))
    }

    /// Plans for the given input shapes (in graph order) and returns the plan's dispatches, for instance to cost them.
    ///
    /// # Errors
    /// As [`Model::plan`].
    pub fn dispatches(&self, shapes: &[Vec<usize>]) -> Result<Vec<plan::Dispatch>> {
        Ok(self.shared_plan(shapes)?.plan.dispatches.clone())
    }

    fn shared_plan(&self, shapes: &[Vec<usize>]) -> Result<Arc<SharedPlan>> {
        let Inner { id, name, shared, graph, weights, plans } = &*self.inner;
        // Planning and packing may take long: the lock is held by neither.
        let cache = || plans.lock().unwrap_or_else(PoisonError::into_inner);
        let templates = {
            let mut cache = cache();
            if let Some(plan) = cache.get(shapes) {
                return Ok(plan);
            }
            cache.templates.clone()
        };
        let _span = tracing::debug_span!("plan", model = id.0, name = &**name, ?shapes).entered();
        let symbols = Symbols::of(graph, shapes)?;
        let bound = templates.iter().rev().find_map(|template| Some((template.clone(), template.bind(&symbols)?)));
        let (template, plan) = match bound {
            Some(bound) => bound,
            None => {
                let template = Arc::new(plan::template(graph, shapes, weights, &shared.target)?);
                let (expressions, guards) = template.complexity();
                tracing::debug!(expressions, guards, templates = templates.len(), "traced");
                let plan =
                    template.bind(&symbols).ok_or_else(|| Error::internal("a template does not serve itself"))?;
                (template, plan)
            }
        };
        tracing::debug!(dispatches = plan.dispatches.len(), bytes = plan.regions.iter().sum::<u64>(), "planned");
        let plan =
            Arc::new(SharedPlan { id: ids::plan(), model: *id, name: name.clone(), plan, weights: weights.clone() });
        let mut cache = cache();
        cache.keep(template);
        Ok(cache.insert(shapes, plan))
    }

    pub(super) fn check_input_name<'a>(&self, name: &str, mut given: impl Iterator<Item = &'a str>) -> Result<()> {
        let graph = &self.inner.graph;
        if !graph.inputs.iter().any(|&id| graph.value(id).name == name) {
            let known: Vec<&str> = graph.inputs.iter().map(|&id| graph.value(id).name.as_str()).collect();
            return Err(Error::input(format!("there is no input '{name}'; the inputs are {}", known.join(", "))));
        }
        if given.any(|known| known == name) {
            return Err(Error::input(format!("input '{name}' is given twice")));
        }
        Ok(())
    }

    pub(super) fn submit(&self, mut given: Vec<(String, Tensor)>, when: When) -> Result<Request> {
        let shared = &self.inner.shared;
        let submitted = shared.clock.now();
        let mut inputs = Vec::with_capacity(given.len());
        for info in self.inputs() {
            let at = given
                .iter()
                .position(|(name, _)| *name == info.name)
                .ok_or_else(|| Error::input(format!("input '{}' is missing", info.name)))?;
            let (name, tensor) = given.swap_remove(at);
            if tensor.dtype() != info.dtype {
                return Err(Error::input(format!(
                    "input '{name}' is {}, but {} is wanted",
                    tensor.dtype(),
                    info.dtype
                )));
            }
            inputs.push(tensor);
        }
        let shapes: Vec<Vec<usize>> = inputs.iter().map(|tensor| tensor.shape().to_vec()).collect();
        let id = ids::call();
        let span = message::span(id, self.inner.id, &self.inner.name);
        let _entered = span.clone().entered();
        let plan = self.shared_plan(&shapes)?;
        let uploads = uploads(&plan.plan, &inputs)?;
        let (reply, answer) = oneshot::channel::<Result<Completion>>();
        let prepared = Prepared {
            id,
            plan,
            params: None,
            inputs,
            uploads,
            deadline: when.deadline.map(|deadline| after(submitted, deadline)),
            class: when.class,
            admission: when.admission,
            key: when.key,
            submitted,
            span,
            reply,
        };
        shared.port.send(Message::Submit(Box::new(prepared)))?;
        Ok(Request::new(id, shared.clone(), answer))
    }
}

pub(super) fn after(now: u64, wait: std::time::Duration) -> u64 {
    now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

/// The inputs that dispatches read, as bytes for the heap.
pub(super) fn uploads(plan: &Plan, inputs: &[Tensor]) -> Result<Vec<InputBytes>> {
    let mut uploads = Vec::with_capacity(inputs.len());
    for (input, tensor) in plan.inputs.iter().zip(inputs) {
        let Some(operand) = input.operand else { continue };
        let Place::Activation { region, offset } = operand.place else {
            return Err(Error::internal(format!("input '{}' is planned into the weights", input.name)));
        };
        let bytes = repr::to_heap(tensor)
            .map_err(|error| Error::new(error.kind(), format!("input '{}': {}", input.name, error.message())))?;
        uploads.push(InputBytes { region, offset, bytes: bytes.into() });
    }
    for (operand, bytes) in &plan.constants {
        let Place::Activation { region, offset } = operand.place else {
            return Err(Error::internal("what follows from the shapes is planned into the weights"));
        };
        uploads.push(InputBytes { region, offset, bytes: bytes.clone() });
    }
    Ok(uploads)
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
        .filter_map(|operand| match operand.place {
            Place::Weight(id) => Some(id),
            Place::Activation { .. } => None,
        })
        .collect();
    used.sort();
    used.dedup();
    let mut variants: Vec<_> = plan.dispatches.iter().map(|dispatch| &dispatch.variant).collect();
    variants.sort();
    variants.dedup();
    PlanSummary {
        dispatches: plan.dispatches.len(),
        waves: depth.into_iter().max().unwrap_or(0),
        variants: variants.len(),
        weight_bytes: used.into_iter().map(|id| weights.len_of(id)).sum(),
        heap_bytes: plan.regions.iter().sum(),
        flops: plan.dispatches.iter().map(|dispatch| dispatch.cost.flops).sum(),
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
