//! Loops whose number of trips is known: the nodes of their bodies, trip by trip.

use std::collections::HashSet;

use super::bodies::typed_body;
use super::branches::{names, unfold};
use super::matcher::{Attempt, rewrite};
use super::{FoldConstants, Outcome, Rewrite, prepare};
use crate::graph::prune::prune;
use crate::graph::{Attr, Dim, Graph, Node, Subgraph, Value, ValueId};
use crate::ops::{LoopParts, Operators};
use crate::tensor::{DType, Tensor};

/// A `Loop` of a constant number of trips, whose condition holds throughout or follows from constants, is the nodes of its trips.
#[derive(Debug)]
pub struct UnrollLoops;

type Found<T> = Result<T, &'static str>;

impl Rewrite for UnrollLoops {
    fn name(&self) -> &'static str {
        "UnrollLoops"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        if !graph.nodes.iter().any(|node| is_loop(node)) {
            return Outcome::default();
        }
        let mut taken = names(graph);
        rewrite(graph, |graph, _, index| {
            let node = &graph.nodes[index];
            if !is_loop(node) {
                return Attempt::No;
            }
            let node = node.clone();
            let Ok(parts) = LoopParts::of(&node) else { return Attempt::Near("its body does not fit it") };
            match trips(graph, &node, &parts).and_then(|count| unrolled(graph, &mut taken, &node, &parts, count)) {
                Ok(nodes) => Attempt::Fire { removed: Vec::new(), nodes },
                Err(reason) => Attempt::Near(reason),
            }
        })
    }
}

pub(super) fn is_loop(node: &Node) -> bool {
    node.domain.is_empty() && node.op == "Loop"
}

/// The number of trips, where it is constant and not too large.
fn trips(graph: &Graph, node: &Node, parts: &LoopParts<'_>) -> Found<usize> {
    const LARGE: &str = "unrolled it has more nodes than `max_unrolled` leaves for it";
    let constant = |id: Option<ValueId>| id.map(|id| graph.value(id).constant.as_ref());
    let most = graph.bodies_left(parts.nodes());
    let count = match constant(parts.count(node)) {
        None => None,
        Some(None) => return Err("its number of trips is not constant"),
        Some(Some(count)) => Some(one(count.as_slice::<i64>()).ok_or("its number of trips is no integer")?),
    };
    let begins = match constant(parts.condition(node)) {
        None => true,
        Some(None) => return Err("its condition is not constant"),
        Some(Some(condition)) => one(condition.as_slice::<bool>()).ok_or("its condition is no bool")?,
    };
    if !begins || count.is_some_and(|count| count <= 0) {
        return Ok(0);
    }
    let count = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    if parts.is_steady(node) {
        return if count <= most { Ok(count) } else { Err(LARGE) };
    }
    let mut condition = Condition::new(graph, node, parts)?;
    for trip in 0..most.min(count) {
        if !condition.after(trip)? {
            return Ok(trip + 1);
        }
    }
    if count <= most { Ok(count) } else { Err(LARGE) }
}

fn one<T: Copy>(slice: crate::error::Result<&[T]>) -> Option<T> {
    match slice {
        Ok(&[value]) => Some(value),
        _ => None,
    }
}

/// What of a loop's body decides whether it goes on, computed on the host.
struct Condition {
    body: Graph,
    /// Values that it depends on, of those carried: as they come in and go out.
    carried: Vec<(ValueId, ValueId)>,
}

impl Condition {
    fn new(graph: &Graph, node: &Node, parts: &LoopParts<'_>) -> Found<Self> {
        const OPEN: &str = "whether it goes on is not known at load";
        let Subgraph { graph: body, captures } = parts.body;
        let mut body = body.clone();
        let own = body.inputs.len() - captures.len();
        let mut ins: Vec<(ValueId, ValueId)> = (2..own).map(|k| (body.inputs[k], body.outputs[k - 1])).collect();
        // Of the body all that the condition needs, and what that needs in the next trip.
        let (condition, mut wanted) = (body.outputs[0], HashSet::from([body.outputs[0]]));
        loop {
            body.outputs = std::iter::once(condition)
                .chain(ins.iter().map(|&(_, out)| out).filter(|out| wanted.contains(out)))
                .collect();
            let mut slim = body.clone();
            prune(&mut slim);
            let reads = |id: ValueId| {
                slim.outputs.contains(&id) || slim.nodes.iter().any(|node| node.inputs.contains(&Some(id)))
            };
            let more: Vec<ValueId> = ins
                .iter()
                .filter(|(from, _)| reads(*from))
                .map(|&(_, out)| out)
                .filter(|&out| wanted.insert(out))
                .collect();
            if more.is_empty() {
                ins.retain(|(from, _)| reads(*from));
                body = slim;
                break;
            }
        }
        let mut set = |id: ValueId, outer: Option<ValueId>| -> Found<()> {
            let read = body.outputs.contains(&id) || body.nodes.iter().any(|node| node.inputs.contains(&Some(id)));
            let constant = outer.and_then(|outer| graph.value(outer).constant.clone());
            match constant {
                Some(tensor) => body.value_mut(id).set_constant(tensor),
                None if read => return Err(OPEN),
                None => {}
            }
            Ok(())
        };
        let (from, given) = (parts.body.graph.inputs.clone(), parts.carried(node));
        for (&id, outer) in from[2..own].iter().zip(given) {
            set(id, outer)?;
        }
        for (&id, &capture) in from[own..].iter().zip(captures) {
            set(id, node.inputs.get(capture).copied().flatten())?;
        }
        body.value_mut(from[1]).set_constant(Tensor::scalar(true));
        Ok(Condition { body, carried: ins })
    }

    /// Whether another trip follows.
    fn after(&mut self, trip: usize) -> Found<bool> {
        const OPEN: &str = "whether it goes on is not known at load";
        let mut body = self.body.clone();
        let counter = body.inputs[0];
        body.value_mut(counter).set_constant(Tensor::scalar(trip as i64));
        body.inputs.clear();
        let mut operators = Operators::default();
        prepare(&mut body, &mut operators);
        FoldConstants.apply(&mut body, &mut operators);
        let made = |id: ValueId| body.value(id).constant.clone().ok_or(OPEN);
        let goes_on = one(made(body.outputs[0])?.as_slice::<bool>()).ok_or(OPEN)?;
        for &(from, to) in &self.carried {
            let tensor = made(to)?;
            self.body.value_mut(from).set_constant(tensor);
        }
        Ok(goes_on)
    }
}

/// A name that no other value has.
pub(crate) fn fresh(graph: &mut Graph, taken: &mut HashSet<String>, wanted: String) -> ValueId {
    let mut name = wanted;
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    graph.add_value(Value { name, ..Value::default() })
}

/// The nodes of all trips.
fn unrolled(
    graph: &mut Graph,
    taken: &mut HashSet<String>,
    node: &Node,
    parts: &LoopParts<'_>,
    count: usize,
) -> Found<Vec<Node>> {
    let mut carried: Vec<ValueId> =
        parts.carried(node).map(|id| id.ok_or("what it carries is left out")).collect::<Found<_>>()?;
    let mut members: Vec<Vec<ValueId>> = vec![Vec::with_capacity(count); parts.scans()];
    let output = |k: usize| node.outputs.get(k).copied().flatten();
    graph.unrolled += count * parts.nodes();
    let mut nodes = Vec::with_capacity(count * parts.nodes());
    let goes_on =
        if count > 0 { Some(graph.add_constant(format!("{}/true", node.name), Tensor::scalar(true))) } else { None };
    for trip in 0..count {
        let label = format!("{}[{trip}]", node.name);
        let counter = graph.add_constant(format!("{label}/trip"), Tensor::scalar(trip as i64));
        let mut outputs = vec![None];
        for k in 0..carried.len() {
            outputs.push(match output(k).filter(|_| trip + 1 == count) {
                Some(id) => Some(id),
                None => Some(fresh(graph, taken, format!("{label}/carried_{k}"))),
            });
        }
        for (k, members) in members.iter_mut().enumerate() {
            let id = output(carried.len() + k).map(|_| fresh(graph, taken, format!("{label}/scanned_{k}")));
            members.extend(id);
            outputs.push(id);
        }
        let mut inputs = node.inputs.clone();
        let at = inputs.len();
        inputs.extend([Some(counter), goes_on]);
        inputs.extend(carried.iter().copied().map(Some));
        let captures = (at..inputs.len()).chain(parts.body.captures.iter().copied()).collect();
        let body = Subgraph { graph: parts.body.graph.clone(), captures };
        let call = Node { name: label, inputs, outputs, ..Node::default() };
        nodes.extend(unfold(graph, taken, &body, &call, true));
        carried = call.outputs[1..=carried.len()].iter().flatten().copied().collect();
    }
    if count == 0 {
        for (k, &from) in carried.iter().enumerate() {
            nodes.extend(output(k).map(|to| identity(node, from, to)));
        }
    }
    for (k, members) in members.iter().enumerate() {
        let Some(to) = output(carried.len() + k) else { continue };
        let axis = parts.scan_axis(node, k);
        if members.is_empty() {
            let empty = empty(graph, node, parts, 1 + carried.len() + k, axis)?;
            let from = graph.add_constant(format!("{}/none_{k}", node.name), empty);
            nodes.push(identity(node, from, to));
            continue;
        }
        nodes.extend(joined(graph, taken, node, members, parts.scans_backwards(node, k), axis, to));
    }
    Ok(nodes)
}

/// One tensor of what the trips give, along a new axis.
pub(crate) fn joined(
    graph: &mut Graph,
    taken: &mut HashSet<String>,
    node: &Node,
    members: &[ValueId],
    backwards: bool,
    axis: i64,
    to: ValueId,
) -> Vec<Node> {
    let name = graph.value(to).name.clone();
    let tensor = Tensor::new([1], vec![axis]).expect("a list of one");
    let axes = graph.add_constant(format!("{name}/axes"), tensor);
    let mut parts = Vec::with_capacity(members.len());
    let mut nodes = Vec::with_capacity(members.len() + 1);
    let op = |name: String, op: &str, inputs: Vec<ValueId>, output: ValueId| Node {
        name,
        op: op.to_owned(),
        opset: 13,
        inputs: inputs.into_iter().map(Some).collect(),
        outputs: vec![Some(output)],
        ..Node::default()
    };
    for (trip, &member) in members.iter().enumerate() {
        let part = fresh(graph, taken, format!("{name}[{trip}]"));
        nodes.push(op(format!("{}[{trip}]/Unsqueeze", node.name), "Unsqueeze", vec![member, axes], part));
        parts.push(part);
    }
    if backwards {
        parts.reverse();
    }
    let mut join = op(format!("{}/Concat -> {name}", node.name), "Concat", parts, to);
    join.attrs.insert("axis".to_owned(), Attr::Int(axis));
    nodes.push(join);
    nodes
}

fn identity(node: &Node, from: ValueId, to: ValueId) -> Node {
    Node {
        name: format!("{}/Identity", node.name),
        op: "Identity".to_owned(),
        opset: 13,
        inputs: vec![Some(from)],
        outputs: vec![Some(to)],
        ..Node::default()
    }
}

/// What no trip gives: of the type and shape that the body tells of its output; a dimension that it leaves open is 0.
pub(crate) fn empty(graph: &Graph, node: &Node, parts: &LoopParts<'_>, output: usize, axis: i64) -> Found<Tensor> {
    let body = typed_body(graph, node, parts.body).ok_or("a loop without trips, of a type that is not known")?;
    let value = body.value(body.outputs[output]);
    let (Some(dtype), Some(dims)) = (value.dtype, &value.shape) else {
        return Err("a loop without trips, of a type or rank that is not known");
    };
    let mut shape: Vec<usize> = dims.iter().map(|dim| if let Dim::Known(size) = dim { *size } else { 0 }).collect();
    let at = if axis < 0 { axis + 1 + shape.len() as i64 } else { axis };
    let at = usize::try_from(at).ok().filter(|&at| at <= shape.len()).ok_or("an axis of its outputs is none")?;
    shape.insert(at, 0);
    let empty: Result<Tensor, _> = Tensor::zeros(dtype, shape);
    empty.map_err(|_| "a loop without trips, whose outputs are too large")
}

/// The type of the counter.
pub(super) const COUNTER: DType = DType::I64;

/// One trip of a loop, as a graph of its own with the values of the graph around it.
pub(crate) struct Trip {
    pub(crate) graph: Graph,
    /// Counter, condition, and what is carried.
    pub(crate) formal: Vec<ValueId>,
    /// By output: what it only hands on.
    pub(crate) passed: Vec<Option<ValueId>>,
}

/// The trip, whose carried values have as many dimensions as the first ones, if `ranked`.
///
/// # Errors
/// `InvalidModel` if the node is no loop.
pub(crate) fn one_trip(graph: &Graph, node: &Node, parts: &LoopParts<'_>, ranked: bool) -> crate::error::Result<Trip> {
    let mut trip = Graph { nodes: Vec::new(), results: None, ..graph.clone() };
    let mut taken = names(graph);
    let mut formal = Vec::new();
    let mut add = |trip: &mut Graph, name: String, dtype: Option<DType>, shape: Option<Vec<Dim>>| {
        let id = fresh(trip, &mut taken, format!("{}/{name}", node.name));
        let value = trip.value_mut(id);
        (value.dtype, value.shape) = (dtype, shape);
        formal.push(id);
    };
    add(&mut trip, "trip".to_owned(), Some(COUNTER), Some(Vec::new()));
    add(&mut trip, "condition".to_owned(), Some(DType::Bool), Some(Vec::new()));
    for (k, id) in parts.carried(node).enumerate() {
        let value = id.map(|id| graph.value(id));
        let open = |axis| Dim::Symbol(format!("{}/carried_{k}.{axis}", node.name));
        let shape = value.and_then(|value| value.shape.as_ref()).filter(|_| ranked);
        let shape = shape.map(|dims| (0..dims.len()).map(open).collect());
        add(&mut trip, format!("carried_{k}"), value.and_then(|value| value.dtype), shape);
    }
    let body = &parts.body.graph;
    let count = body.outputs.len();
    let outputs: Vec<ValueId> =
        (0..count).map(|k| fresh(&mut trip, &mut taken, format!("{}/output_{k}", node.name))).collect();
    let mut inputs = node.inputs.clone();
    let at = inputs.len();
    inputs.extend(formal.iter().copied().map(Some));
    let captures: Vec<usize> = (at..inputs.len()).chain(parts.body.captures.iter().copied()).collect();
    let subgraph = Subgraph { graph: body.clone(), captures: captures.clone() };
    let call = Node {
        name: node.name.clone(),
        inputs: inputs.clone(),
        outputs: outputs.iter().copied().map(Some).collect(),
        ..Node::default()
    };
    // What an output hands on of what the trip is given.
    let handed = |mut id: ValueId| loop {
        if let Some(k) = body.inputs.iter().position(|&input| input == id) {
            return inputs.get(captures[k]).copied().flatten();
        }
        let made = body.nodes.iter().find(|node| node.outputs.contains(&Some(id)))?;
        match made.inputs.as_slice() {
            &[Some(from)] if made.domain.is_empty() && made.op == "Identity" => id = from,
            _ => return None,
        }
    };
    let passed = body.outputs.iter().map(|&id| handed(id)).collect();
    let nodes = unfold(&mut trip, &mut taken, &subgraph, &call, true);
    trip.nodes = nodes.into_iter().map(std::sync::Arc::new).collect();
    trip.inputs.clone_from(&formal);
    for id in parts.body.captures.iter().filter_map(|&at| node.inputs.get(at).copied().flatten()) {
        if graph.value(id).constant.is_none() && !trip.inputs.contains(&id) {
            trip.inputs.push(id);
        }
    }
    trip.outputs = outputs;
    Ok(Trip { graph: trip, formal, passed })
}
