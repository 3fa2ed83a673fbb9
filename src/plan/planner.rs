//! Graph and concrete input shapes -> plan.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Graph, Node};
use crate::kernel::Access;
use crate::ops::{Fact, Operator, lookup};
use crate::tensor::checked_len;

use super::bind::check_shapes;
use super::builder::{Builder, Storage};
use super::lower::{Lowering, Target};
use super::memory::{Layout, Use};
use super::repr::{check_dtype, heap_bytes};
use super::view::View;
use super::weights::ModelWeights;
use super::{Dispatch, Gather, Operand, Place, Plan, PlanInput, PlanOutput, Source, deps, memory};

/// The most elements that a node may yield when it is computed on the host while planning. Guessed: shapes, index tables
/// and masks are smaller, and what is larger is better computed on the device.
const HOST_ELEMENTS: usize = 1 << 16;

/// Plans `graph` at these input shapes (in graph order) for `target`. Weights that the plan needs are added to `weights`,
/// which belongs to the model and is shared by its plans.
///
/// # Errors
/// `Input` if the shapes contradict the model; `Shape` and `Unsupported` naming the node; `Limit` if a tensor or a
/// dispatch exceeds the target's limits.
pub fn plan(graph: &Graph, shapes: &[Vec<usize>], weights: &Arc<ModelWeights>, target: &Target) -> Result<Plan> {
    check_shapes(graph, shapes)?;
    let mut builder = Builder {
        target: target.clone(),
        weights: weights.clone(),
        facts: vec![None; graph.values.len()],
        views: vec![None; graph.values.len()],
        needed: vec![false; graph.values.len()],
        fixed: graph.values.iter().map(|value| value.constant.is_some()).collect(),
        buffers: Vec::new(),
        dispatches: Vec::new(),
        label: Arc::from(""),
    };
    let node_facts = find_facts(graph, shapes, &mut builder)?;
    find_needed(graph, &mut builder);
    for &id in &graph.inputs {
        if builder.needed[id.0 as usize] {
            let fact = fact_of(&builder, id.0).clone();
            check_dtype(fact.dtype).map_err(|error| named(error, &graph.value(id).name))?;
            let bytes = heap_bytes(&fact.shape).map_err(|error| named(error, &graph.value(id).name))?;
            let buffer = builder.activation(bytes);
            builder.views[id.0 as usize] = Some(View::row_major(buffer, fact.dtype, &fact.shape));
        }
    }
    for (node, facts) in graph.nodes.iter().zip(&node_facts) {
        lower(node, facts, &mut builder).map_err(|error| at(error, node, &builder))?;
    }
    finish(graph, builder)
}

/// Types, shapes and host values of every node's outputs.
fn find_facts(graph: &Graph, shapes: &[Vec<usize>], builder: &mut Builder) -> Result<Vec<Vec<Fact>>> {
    for (value, fact) in graph.values.iter().zip(&mut builder.facts) {
        *fact = value.constant.as_ref().map(|tensor| Fact {
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            value: Some(tensor.clone()),
        });
    }
    for (&id, shape) in graph.inputs.iter().zip(shapes) {
        let value = graph.value(id);
        let dtype = value.dtype.ok_or_else(|| {
            Error::invalid_model(format!("the model does not declare the type of input '{}'", value.name))
        })?;
        heap_bytes(shape).map_err(|error| named(error, &value.name))?;
        builder.facts[id.0 as usize] = Some(Fact { dtype, shape: shape.clone(), value: None });
    }
    let mut all = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let facts = node_facts(node, builder).map_err(|error| at(error, node, builder))?;
        for (id, fact) in node.outputs.iter().zip(&facts) {
            if let Some(id) = id {
                builder.facts[id.0 as usize] = Some(fact.clone());
            }
        }
        all.push(facts);
    }
    Ok(all)
}

fn operator(node: &Node) -> Result<&'static dyn Operator> {
    lookup(&node.domain, &node.op)
        .ok_or_else(|| Error::unsupported(format!("operator {} (opset {})", node.operator(), node.opset)))
}

fn node_facts(node: &Node, builder: &Builder) -> Result<Vec<Fact>> {
    let operator = operator(node)?;
    let inputs: Vec<Option<&Fact>> = (node.inputs.iter())
        .map(|id| match id {
            None => Ok(None),
            Some(id) => builder.facts[id.0 as usize]
                .as_ref()
                .map(Some)
                .ok_or_else(|| Error::invalid_model("an input is produced by no earlier node")),
        })
        .collect::<Result<_>>()?;
    let dtypes: Vec<_> = inputs.iter().map(|fact| fact.map(|fact| fact.dtype)).collect();
    let dtypes = operator.dtypes(node, &dtypes)?;
    let shapes = operator.shapes(node, &inputs)?;
    if dtypes.len() != shapes.len() || node.outputs.len() > shapes.len() {
        return Err(Error::invalid_model(format!(
            "the node names {} outputs, the operator gives {}",
            node.outputs.len(),
            shapes.len()
        )));
    }
    let mut total = 0usize;
    for shape in &shapes {
        heap_bytes(shape)?;
        total = total.saturating_add(checked_len(shape).unwrap_or(usize::MAX));
    }
    let values = if total <= HOST_ELEMENTS { operator.evaluate(node, &inputs)? } else { None };
    let mut values = values.map(Vec::into_iter);
    let mut facts = Vec::with_capacity(shapes.len());
    for (dtype, shape) in dtypes.into_iter().zip(shapes) {
        let value = values.as_mut().and_then(Iterator::next);
        if let Some(value) = value.as_ref().filter(|v| v.dtype() != dtype || v.shape() != shape) {
            return Err(Error::internal(format!("evaluated to {value:?}, not {dtype}{shape:?}")));
        }
        facts.push(Fact { dtype, shape, value });
    }
    Ok(facts)
}

/// Marks what must be on the device: from the outputs backwards, through values that the host does not know.
fn find_needed(graph: &Graph, builder: &mut Builder) {
    let Builder { needed, facts, .. } = builder;
    let unknown = |id: u32| facts[id as usize].as_ref().is_some_and(|fact| fact.value.is_none());
    for &id in &graph.outputs {
        // An input passed through is not read back.
        needed[id.0 as usize] = unknown(id.0) && !graph.inputs.contains(&id);
    }
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().flatten().any(|id| needed[id.0 as usize]) {
            for id in node.inputs.iter().flatten() {
                needed[id.0 as usize] |= unknown(id.0);
            }
        }
    }
}

fn lower(node: &Node, facts: &[Fact], builder: &mut Builder) -> Result<()> {
    let wanted = |id: &Option<crate::graph::ValueId>| id.filter(|id| builder.needed[id.0 as usize]);
    let outputs: Vec<_> = (node.outputs.iter().zip(facts)).filter_map(|(id, fact)| Some((wanted(id)?, fact))).collect();
    if outputs.is_empty() {
        return Ok(());
    }
    for (_, fact) in &outputs {
        check_dtype(fact.dtype)?;
    }
    if outputs.iter().all(|(_, fact)| fact.shape.contains(&0)) {
        for (id, fact) in outputs {
            let buffer = builder.activation(0);
            builder.views[id.0 as usize] = Some(View::row_major(buffer, fact.dtype, &fact.shape));
        }
        return Ok(());
    }
    let ids: Vec<u32> = outputs.iter().map(|(id, _)| id.0).collect();
    builder.label = Arc::from(node.name.as_str());
    operator(node)?.lower(&mut Lowering { node, outputs: facts, builder })?;
    match ids.iter().find(|&&id| builder.views[id as usize].is_none()) {
        Some(_) => Err(Error::internal("lowering left an output without a buffer")),
        None => Ok(()),
    }
}

fn finish(graph: &Graph, mut builder: Builder) -> Result<Plan> {
    // What the caller reads back lies row-major on a 16-byte boundary.
    let mut outputs = Vec::with_capacity(graph.outputs.len());
    for &id in &graph.outputs {
        let view = match builder.views[id.0 as usize].clone() {
            Some(view) if builder.needed[id.0 as usize] => Some(read_back(view, &graph.value(id).name, &mut builder)?),
            _ => None,
        };
        outputs.push(view);
    }
    let accesses = accesses(&builder);
    let input_views: Vec<Option<View>> = graph.inputs.iter().map(|id| builder.views[id.0 as usize].clone()).collect();
    let mut uses: Vec<Option<Use>> = vec![None; builder.buffers.len()];
    let activation = |buffer: super::lower::BufferId| {
        let buffer_info = builder.buffer(buffer);
        (buffer_info.storage == Storage::Activation).then_some(buffer_info.bytes)
    };
    for (dispatch, operands) in accesses.iter().enumerate() {
        for &(buffer, access) in operands {
            if let Some(bytes) = activation(buffer) {
                let slot = uses[buffer.0 as usize].get_or_insert_with(|| Use::new(bytes));
                slot.touch(dispatch as u32, access);
            }
        }
    }
    for view in input_views.iter().flatten() {
        if let Some(slot) = &mut uses[view.buffer.0 as usize] {
            slot.from_start = true;
        }
    }
    for (view, id) in outputs.iter().zip(&graph.outputs) {
        let Some(view) = view else { continue };
        if let Some(bytes) = activation(view.buffer) {
            let slot = uses[view.buffer.0 as usize].get_or_insert_with(|| Use::new(bytes));
            slot.to_end = true;
            // An empty or unwritten buffer has a place too; an input that is only passed on must be uploaded to it.
            slot.from_start |= input_views.iter().flatten().any(|input| input.buffer == view.buffer);
            debug_assert!(builder.needed[id.0 as usize]);
        }
    }
    let Layout { places, regions } = memory::lay_out(&uses, accesses.len(), &builder.target)?;
    let operand = |buffer: super::lower::BufferId| -> Option<Operand> {
        let info = builder.buffer(buffer);
        let place = match info.storage {
            Storage::Weight(id) => Place::Weight(id),
            Storage::Activation => places[buffer.0 as usize]?,
        };
        Some(Operand { place, bytes: info.bytes })
    };
    let mut dispatches = Vec::with_capacity(builder.dispatches.len());
    for pending in &builder.dispatches {
        let operands: Option<Vec<Operand>> = pending.operands.iter().map(|&buffer| operand(buffer)).collect();
        let operands = operands.ok_or_else(|| Error::internal("a used buffer has no place"))?;
        if let Some(big) = operands.iter().find(|o| o.bytes > builder.target.max_binding_bytes) {
            return Err(
                too_large(big.bytes, &builder.target).at_node(&*pending.label, pending.variant.kernel().name.clone())
            );
        }
        dispatches.push(Dispatch {
            label: pending.label.clone(),
            variant: pending.variant.clone(),
            grid: pending.grid,
            params: pending.params.clone(),
            deps: Vec::new(),
            cost: pending.cost,
            gather: gather_in(pending.gather.as_ref(), &operands),
            operands,
        });
    }
    deps::find_deps(&mut dispatches);
    let inputs = (graph.inputs.iter().zip(&input_views))
        .map(|(&id, view)| {
            let fact = fact_of(&builder, id.0);
            let operand = view.as_ref().and_then(|view| operand(view.buffer));
            PlanInput { name: graph.value(id).name.clone(), dtype: fact.dtype, shape: fact.shape.clone(), operand }
        })
        .collect();
    let mut plan_outputs = Vec::with_capacity(graph.outputs.len());
    for (&id, view) in graph.outputs.iter().zip(&outputs) {
        let fact = fact_of(&builder, id.0);
        let input = graph.inputs.iter().position(|&input| input == id);
        let source = match (view, input, &fact.value) {
            (_, Some(index), _) => Source::Input(index),
            (_, None, Some(value)) => Source::Constant(value.clone()),
            (Some(view), None, None) => {
                let whole = operand(view.buffer).ok_or_else(|| Error::internal("an output has no place"))?;
                Source::Device(window(whole, view)?)
            }
            (None, None, None) => return Err(Error::internal("an output has no source")),
        };
        let name = graph.value(id).name.clone();
        plan_outputs.push(PlanOutput { name, dtype: fact.dtype, shape: fact.shape.clone(), source });
    }
    Ok(Plan { dispatches, regions, inputs, outputs: plan_outputs })
}

/// Gathering, where all that is the request's own lies in one region.
fn gather_in(gather: Option<&Gather>, operands: &[Operand]) -> Option<Gather> {
    let mut regions = operands.iter().filter_map(|operand| match operand.place {
        Place::Activation { region, .. } => Some(region),
        Place::Weight(_) => None,
    });
    let region = regions.next()?;
    regions.all(|other| other == region).then(|| gather.cloned().map(|gather| Gather { region, ..gather }))?
}

/// The view itself, or a copy of it where it does not lie as an output must.
fn read_back(view: View, label: &str, builder: &mut Builder) -> Result<View> {
    let is_activation = builder.buffer(view.buffer).storage == Storage::Activation;
    if is_activation && view.is_row_major() && (view.offset * 4).is_multiple_of(16) {
        return Ok(view);
    }
    let copy = View::row_major(builder.activation(heap_bytes(&view.shape)?), view.dtype, &view.shape);
    builder.label = Arc::from(label);
    let node = Node { name: label.to_owned(), ..Node::default() };
    Lowering { node: &node, outputs: &[], builder }.copy(&view, &copy)?;
    Ok(copy)
}

/// Which buffers each dispatch names, and how.
fn accesses(builder: &Builder) -> Vec<Vec<(super::lower::BufferId, Access)>> {
    (builder.dispatches.iter())
        .map(|d| d.operands.iter().copied().zip(d.variant.kernel().bindings.iter().map(|b| b.access)).collect())
        .collect()
}

fn window(whole: Operand, view: &View) -> Result<Operand> {
    let skip = view.offset as u64 * 4;
    let place = match whole.place {
        Place::Activation { region, offset } => Place::Activation { region, offset: offset + skip },
        Place::Weight(_) => return Err(Error::internal("an output lies among the weights")),
    };
    Ok(Operand { place, bytes: heap_bytes(&view.shape)?.min(whole.bytes - skip.min(whole.bytes)) })
}

fn fact_of(builder: &Builder, id: u32) -> &Fact {
    builder.facts[id as usize].as_ref().expect("every value has a fact once they are found")
}

fn too_large(bytes: u64, target: &Target) -> Error {
    Error::limit(format!("a tensor of {bytes} bytes exceeds the binding limit of {}", target.max_binding_bytes))
}

fn named(error: Error, input: &str) -> Error {
    Error::new(error.kind(), format!("input '{input}': {}", error.message()))
}

fn at(error: Error, node: &Node, builder: &Builder) -> Error {
    let inputs = node.inputs.iter().map(|id| {
        let fact = id.and_then(|id| builder.facts[id.0 as usize].as_ref());
        fact.map_or_else(|| "none".to_owned(), |fact| format!("{}{:?}", fact.dtype, fact.shape))
    });
    error.with_shapes(inputs).at_node(&node.name, node.operator())
}
