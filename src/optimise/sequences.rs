//! Sequences and optionals of which it is known what is in them: what reads one reads its members.

use std::collections::HashSet;

use super::branches::{names, unfold};
use super::matcher::{Attempt, Matcher, input, ints, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::prune::prune;
use crate::graph::{Attr, Dim, Form, Graph, Kind, Node, Subgraph, Value, ValueId};
use crate::ops::{Operators, is_of_forms};
use crate::tensor::{Tensor, TensorData};

/// What takes a member, all members or their number of a sequence takes them from where the sequence was put together.
///
/// No sequence comes to the device. One whose members are not known at load waits until a request tells them (`plan/stage/`), or is refused
/// with the operator that makes it, where no request could. An optional is known by whether anything is in it.
#[derive(Debug)]
pub struct ResolveSequences;

/// Members at most, of a tensor that is split into one for each index.
const MOST: usize = 4096;

type Found<T> = Result<T, &'static str>;

impl Rewrite for ResolveSequences {
    fn name(&self) -> &'static str {
        "ResolveSequences"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        if !graph.nodes.iter().any(|node| is_of_forms(node)) {
            return Outcome::default();
        }
        let mut taken = names(graph);
        rewrite(graph, |graph, matcher, index| {
            let node = graph.nodes[index].clone();
            if !node.domain.is_empty() {
                return Attempt::No;
            }
            let resolved = match node.op.as_str() {
                "SequenceAt" => member(graph, matcher, &node),
                "SequenceLength" => length(graph, matcher, &node),
                "ConcatFromSequence" => concatenated(graph, matcher, &node),
                "OptionalGetElement" => element(graph, matcher, &node),
                "OptionalHasElement" => presence(graph, matcher, &node),
                "SequenceMap" => mapped(graph, matcher, &mut taken, &node),
                "SplitToSequence" => split(graph, &node),
                _ => return Attempt::No,
            };
            match resolved {
                Ok(nodes) => Attempt::Fire { removed: Vec::new(), nodes },
                Err(reason) => Attempt::Near(reason),
            }
        })
    }
}

/// The members of a sequence, in order.
fn members(graph: &Graph, matcher: &Matcher, id: ValueId) -> Found<Vec<ValueId>> {
    // From where it is read to where it began: a loop, since a sequence may be put together in very many steps.
    let mut steps = Vec::new();
    let mut at = id;
    let mut list = loop {
        let (_, node) = matcher.producer(graph, at).ok_or("its sequence is made by no node")?;
        if !node.domain.is_empty() {
            return Err("its sequence is made by an operator that is not ONNX's");
        }
        match node.op.as_str() {
            "SequenceEmpty" => break Vec::new(),
            "SequenceConstruct" => break node.inputs.iter().flatten().copied().collect(),
            // What is in an optional is the optional, for one who reads it.
            "Identity" | "Optional" | "OptionalGetElement" | "SequenceInsert" | "SequenceErase" => {
                steps.push(node);
                at = input(node, 0).ok_or("its sequence is left out")?;
            }
            _ => return Err("the members of its sequence are not known at load"),
        }
    };
    for node in steps.into_iter().rev() {
        match node.op.as_str() {
            "SequenceInsert" => {
                let tensor = input(node, 1).ok_or("what is inserted is left out")?;
                let at = position(graph, node, 2, list.len(), list.len() + 1)?;
                list.insert(at, tensor);
            }
            "SequenceErase" => {
                let at = position(graph, node, 1, list.len().wrapping_sub(1), list.len())?;
                list.remove(at);
            }
            _ => {}
        }
    }
    Ok(list)
}

/// The constant position at input `i`, below `end`, counted from the end where it is negative.
fn position(graph: &Graph, node: &Node, i: usize, default: usize, end: usize) -> Found<usize> {
    const OUTSIDE: &str = "its position lies outside of the sequence";
    let Some(id) = input(node, i) else { return if default < end { Ok(default) } else { Err(OUTSIDE) } };
    let tensor = graph.value(id).constant.as_ref().ok_or("its position is not constant")?;
    let at = match tensor.data() {
        TensorData::I64(data) if data.len() == 1 => data[0],
        TensorData::I32(data) if data.len() == 1 => data[0].into(),
        _ => return Err("its position is no integer"),
    };
    // A place to insert counts from the members that are there, of which there is one fewer.
    let len = if node.op == "SequenceInsert" { end - 1 } else { end } as i64;
    let at = if at < 0 { at.saturating_add(len) } else { at };
    usize::try_from(at).ok().filter(|&at| at < end).ok_or(OUTSIDE)
}

fn made(graph: &mut Graph, node: &Node, op: &str, inputs: Vec<ValueId>, attrs: &[(&str, i64)]) -> (Node, ValueId) {
    let name = format!("{}/{op}_{}", node.name, graph.values.len());
    let id = graph.add_value(Value { name: name.clone(), ..Value::default() });
    let node = Node {
        name,
        op: op.to_owned(),
        opset: 13,
        attrs: attrs.iter().map(|&(name, value)| (name.to_owned(), Attr::Int(value))).collect(),
        inputs: inputs.into_iter().map(Some).collect(),
        outputs: vec![Some(id)],
        ..Node::default()
    };
    (node, id)
}

/// Nodes of which the last makes the output of `node`.
fn ending(node: &Node, mut nodes: Vec<Node>) -> Vec<Node> {
    if let Some(last) = nodes.last_mut() {
        last.outputs.clone_from(&node.outputs);
    }
    nodes
}

fn member(graph: &mut Graph, matcher: &Matcher, node: &Node) -> Found<Vec<Node>> {
    let list = members(graph, matcher, input(node, 0).ok_or("its sequence is left out")?)?;
    let at = position(graph, node, 1, list.len(), list.len())?;
    Ok(ending(node, vec![made(graph, node, "Identity", vec![list[at]], &[]).0]))
}

fn length(graph: &mut Graph, matcher: &Matcher, node: &Node) -> Found<Vec<Node>> {
    let list = members(graph, matcher, input(node, 0).ok_or("its sequence is left out")?)?;
    let count =
        graph.add_constant(format!("{}/length_{}", node.name, graph.values.len()), Tensor::scalar(list.len() as i64));
    Ok(ending(node, vec![made(graph, node, "Identity", vec![count], &[]).0]))
}

fn concatenated(graph: &mut Graph, matcher: &Matcher, node: &Node) -> Found<Vec<Node>> {
    let list = members(graph, matcher, input(node, 0).ok_or("its sequence is left out")?)?;
    if list.is_empty() {
        return Err("its sequence has no members");
    }
    let axis = match node.attrs.get("axis") {
        Some(Attr::Int(axis)) => *axis,
        _ => return Err("its axis is missing"),
    };
    let mut nodes = Vec::new();
    let mut parts = list;
    if matches!(node.int("new_axis", 0), Ok(1)) {
        let axes = axes(graph, node, axis)?;
        for part in &mut parts {
            let (unsqueeze, id) = made(graph, node, "Unsqueeze", vec![*part, axes], &[]);
            nodes.push(unsqueeze);
            *part = id;
        }
    }
    nodes.push(made(graph, node, "Concat", parts, &[("axis", axis)]).0);
    Ok(ending(node, nodes))
}

/// Whether it is known what is in a sequence.
pub(super) fn is_known(graph: &Graph, id: ValueId) -> bool {
    members(graph, &Matcher::new(graph), id).is_ok()
}

/// What an optional is made from; `None` if nothing is in it. A value that is no optional is in itself.
fn inside(graph: &Graph, matcher: &Matcher, id: ValueId) -> Found<Option<ValueId>> {
    let mut at = id;
    while matches!(graph.value(at).kind, Kind::Optional | Kind::OptionalSequence) {
        let (_, node) = matcher.producer(graph, at).ok_or("its optional is made by no node")?;
        at = match (node.domain.as_str(), node.op.as_str(), input(node, 0)) {
            ("", "Optional", None) => return Ok(None),
            ("", "Optional" | "Identity", Some(from)) => from,
            _ => return Err("what is in its optional is not known at load"),
        };
    }
    Ok(Some(at))
}

fn element(graph: &mut Graph, matcher: &Matcher, node: &Node) -> Found<Vec<Node>> {
    let inside = inside(graph, matcher, input(node, 0).ok_or("its optional is left out")?)?;
    let inside = inside.ok_or("nothing is in its optional")?;
    Ok(ending(node, vec![made(graph, node, "Identity", vec![inside], &[]).0]))
}

fn presence(graph: &mut Graph, matcher: &Matcher, node: &Node) -> Found<Vec<Node>> {
    let there = match input(node, 0) {
        None => false,
        Some(id) => inside(graph, matcher, id)?.is_some(),
    };
    let there = graph.add_constant(format!("{}/presence_{}", node.name, graph.values.len()), Tensor::scalar(there));
    Ok(ending(node, vec![made(graph, node, "Identity", vec![there], &[]).0]))
}

/// A body for each member of a sequence, or of several as long.
fn mapped(graph: &mut Graph, matcher: &Matcher, taken: &mut HashSet<String>, node: &Node) -> Found<Vec<Node>> {
    let Some(Attr::Graph(body)) = node.attrs.get("body") else { return Err("its body is no graph") };
    let own = body.captures.iter().copied().min().unwrap_or(node.inputs.len());
    if body.graph.inputs.len() != own + body.captures.len() || body.graph.outputs.len() < node.outputs.len() {
        return Err("inputs or outputs of its body are not those of a SequenceMap");
    }
    let given = node.inputs[..own].iter().copied().collect::<Option<Vec<_>>>().ok_or("an input is left out")?;
    let first = members(graph, matcher, *given.first().ok_or("its sequence is left out")?)?;
    let mut lists = vec![first];
    for &id in &given[1..] {
        lists.push(match graph.value(id).kind {
            Kind::Tensor => vec![id; lists[0].len()],
            _ => members(graph, matcher, id)?,
        });
    }
    if lists.iter().any(|list| list.len() != lists[0].len()) {
        return Err("its sequences differ in length");
    }
    let cost = body.graph.node_count();
    if lists[0].len() > graph.bodies_left(cost) {
        return Err("its bodies have more nodes than `max_unrolled` leaves for them");
    }
    graph.unrolled += lists[0].len() * cost;
    let mut nodes = Vec::new();
    let mut results: Vec<Vec<ValueId>> = vec![Vec::new(); node.outputs.len()];
    for index in 0..lists[0].len() {
        let name = format!("{}[{index}]", node.name);
        let mut outputs = Vec::with_capacity(results.len());
        for (k, results) in results.iter_mut().enumerate() {
            let name = format!("{name}/output_{k}_{}", graph.values.len());
            let id = graph.add_value(Value { name, ..Value::default() });
            results.push(id);
            outputs.push(Some(id));
        }
        let mut inputs = node.inputs.clone();
        let at = inputs.len();
        inputs.extend(lists.iter().map(|list| Some(list[index])));
        let captures = (at..inputs.len()).chain(body.captures.iter().copied()).collect();
        let call = Node { name, inputs, outputs, ..Node::default() };
        let subgraph = Subgraph { graph: body.graph.clone(), captures };
        nodes.extend(unfold(graph, taken, &subgraph, &call, true));
    }
    for (to, list) in node.outputs.iter().zip(results) {
        let mut construct = made(graph, node, "SequenceConstruct", list, &[]).0;
        construct.outputs = vec![*to];
        nodes.push(construct);
    }
    Ok(nodes)
}

/// Outputs that are sequences or optionals become the tensors in them, if all are known; [`Graph::results`] says how they were.
pub fn resolve_outputs(graph: &mut Graph) {
    if graph.outputs.iter().all(|&id| graph.value(id).kind == Kind::Tensor) {
        return;
    }
    let matcher = Matcher::new(graph);
    let resolve = |&id: &ValueId| -> Found<(Form, Vec<ValueId>)> {
        let kind = graph.value(id).kind;
        Ok(match kind {
            Kind::Tensor => (Form::Tensor, vec![id]),
            Kind::Optional => match inside(graph, &matcher, id)? {
                None => (Form::Absent, Vec::new()),
                Some(inside) => match graph.value(inside).kind {
                    Kind::Tensor => (Form::SomeTensor, vec![inside]),
                    _ => {
                        let list = members(graph, &matcher, inside)?;
                        (Form::SomeSequence(list.len()), list)
                    }
                },
            },
            Kind::OptionalSequence => match inside(graph, &matcher, id)? {
                None => (Form::Absent, Vec::new()),
                Some(inside) => {
                    let list = members(graph, &matcher, inside)?;
                    (Form::SomeSequence(list.len()), list)
                }
            },
            Kind::Sequence => {
                let list = members(graph, &matcher, id)?;
                (Form::Sequence(list.len()), list)
            }
        })
    };
    let Ok(resolved) = graph.outputs.iter().map(resolve).collect::<Found<Vec<_>>>() else { return };
    let named = |(&id, (form, _)): (&ValueId, &(Form, Vec<ValueId>))| (graph.value(id).name.clone(), *form);
    graph.results = Some(graph.outputs.iter().zip(&resolved).map(named).collect());
    graph.outputs = resolved.into_iter().flat_map(|(_, list)| list).collect();
    prune(graph);
}

/// A constant list of one axis.
fn axes(graph: &mut Graph, node: &Node, axis: i64) -> Found<ValueId> {
    let tensor = Tensor::new([1], vec![axis]).map_err(|_| "a list does not fill its shape")?;
    Ok(graph.add_constant(format!("{}/axes_{}", node.name, graph.values.len()), tensor))
}

/// A tensor in parts, put together as a sequence.
fn split(graph: &mut Graph, node: &Node) -> Found<Vec<Node>> {
    let x = input(node, 0).ok_or("its input is left out")?;
    let axis = node.int("axis", 0).map_err(|_| "its axis is no integer")?;
    let along = |graph: &Graph| {
        let shape = graph.value(x).shape.as_ref().ok_or("the rank of its input is not known")?;
        let at = if axis < 0 { axis + shape.len() as i64 } else { axis };
        match usize::try_from(at).ok().and_then(|at| shape.get(at)) {
            Some(Dim::Known(size)) => Ok(*size),
            Some(Dim::Symbol(_)) => Err("the size that it splits is not known at load"),
            None => Err("its axis is not one of its input"),
        }
    };
    let (sizes, squeezed) = match input(node, 1) {
        None => (vec![1; along(graph)?], matches!(node.int("keepdims", 1), Ok(0))),
        Some(given) => {
            let scalar = graph.value(given).constant.as_ref().is_some_and(|tensor| tensor.shape().is_empty());
            let list = ints(graph, node, "split", 0, 1).ok_or("the sizes of its parts are not constant")?;
            match list.as_slice() {
                &[size] if scalar => {
                    let (size, whole) = (usize::try_from(size).map_err(|_| "a size is negative")?, along(graph)?);
                    if size == 0 {
                        return Err("its parts have no size");
                    }
                    let starts = (0..whole).step_by(size);
                    (starts.map(|start| size.min(whole - start) as i64).collect(), false)
                }
                _ => (list, false),
            }
        }
    };
    if sizes.len() > MOST {
        return Err("it has too many parts");
    }
    let count = sizes.len();
    let tensor = Tensor::new([count], sizes).map_err(|_| "a list does not fill its shape")?;
    let list = graph.add_constant(format!("{}/sizes_{}", node.name, graph.values.len()), tensor);
    let (mut cut, first) = made(graph, node, "Split", vec![x, list], &[("axis", axis)]);
    let mut parts = vec![first];
    for _ in 1..count {
        let name = format!("{}/part_{}", node.name, graph.values.len());
        parts.push(graph.add_value(Value { name, ..Value::default() }));
    }
    parts.truncate(count);
    cut.outputs = parts.iter().copied().map(Some).collect();
    let mut nodes = if count > 0 { vec![cut] } else { Vec::new() };
    if squeezed {
        let axes = axes(graph, node, axis)?;
        for part in &mut parts {
            let (squeeze, id) = made(graph, node, "Squeeze", vec![*part, axes], &[]);
            nodes.push(squeeze);
            *part = id;
        }
    }
    nodes.push(made(graph, node, "SequenceConstruct", parts, &[]).0);
    Ok(ending(node, nodes))
}

/// Puts tensors in place of the inputs that are sequences or optionals, as many as each form takes.
pub fn give_forms(graph: &mut Graph, forms: &[Form]) {
    let mut inputs = Vec::with_capacity(graph.inputs.len());
    let mut nodes = Vec::new();
    for (id, &form) in std::mem::take(&mut graph.inputs).into_iter().zip(forms) {
        let Value { name, dtype, shape, kind, .. } = graph.value(id).clone();
        if kind == Kind::Tensor {
            inputs.push(id);
            continue;
        }
        let members: Vec<ValueId> = (0..form.tensors())
            .map(|k| {
                let name = format!("{name}[{k}]");
                // Members of one sequence differ in what the type leaves open.
                let dim = |(axis, dim): (usize, &Dim)| match dim {
                    Dim::Known(size) => Dim::Known(*size),
                    Dim::Symbol(_) => Dim::Symbol(format!("{name}.{axis}")),
                };
                let shape = shape.as_ref().map(|dims| dims.iter().enumerate().map(dim).collect());
                graph.add_value(Value { name: name.clone(), dtype, shape, ..Value::default() })
            })
            .collect();
        inputs.extend(&members);
        let mut op = |op: &str, inputs: Vec<ValueId>, output: ValueId| {
            nodes.push(std::sync::Arc::new(Node {
                name: format!("{name}/{op}"),
                op: op.to_owned(),
                opset: 15,
                inputs: inputs.into_iter().map(Some).collect(),
                outputs: vec![Some(output)],
                ..Node::default()
            }));
        };
        match form {
            Form::Sequence(_) => op("SequenceConstruct", members, id),
            Form::SomeSequence(_) => {
                let value = Value { name: format!("{name}/sequence"), kind: Kind::Sequence, ..Value::default() };
                let sequence = graph.add_value(value);
                op("SequenceConstruct", members, sequence);
                op("Optional", vec![sequence], id);
            }
            Form::SomeTensor | Form::Tensor | Form::Absent => op("Optional", members, id),
        }
    }
    graph.inputs = inputs;
    graph.nodes.splice(0..0, nodes);
}
