//! `Scan` as `Loop`: each trip picks its elements of what is scanned.

use std::collections::HashSet;
use std::sync::Arc;

use super::branches::names;
use super::loops::{COUNTER, fresh};
use super::matcher::{Attempt, input, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Dim, Graph, Node, Subgraph, Value, ValueId};
use crate::ops::Operators;
use crate::tensor::{DType, Tensor};

/// A `Scan` is a `Loop` of as many trips as what it scans is long. One of opset 8 is one `Scan` for each member of its batch.
#[derive(Debug)]
pub struct ScansAsLoops;

type Found<T> = Result<T, &'static str>;

impl Rewrite for ScansAsLoops {
    fn name(&self) -> &'static str {
        "ScansAsLoops"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        if !graph.nodes.iter().any(|node| is_scan(node)) {
            return Outcome::default();
        }
        let mut taken = names(graph);
        rewrite(graph, |graph, _, index| {
            let node = graph.nodes[index].clone();
            if !is_scan(&node) {
                return Attempt::No;
            }
            let parts = match Parts::of(&node) {
                Ok(parts) => parts,
                Err(reason) => return Attempt::Near(reason),
            };
            let nodes = if node.opset < 9 {
                by_member(graph, &mut taken, &node, &parts)
            } else {
                as_loop(graph, &mut taken, &node, &parts)
            };
            match nodes {
                Ok(nodes) => Attempt::Fire { removed: Vec::new(), nodes },
                Err(reason) => Attempt::Near(reason),
            }
        })
    }
}

pub(super) fn is_scan(node: &Node) -> bool {
    node.domain.is_empty() && node.op == "Scan"
}

/// What a `Scan` is made of.
struct Parts<'n> {
    body: &'n Subgraph,
    states: Vec<ValueId>,
    scanned: Vec<ValueId>,
}

impl<'n> Parts<'n> {
    fn of(node: &'n Node) -> Found<Self> {
        let Some(Attr::Graph(body)) = node.attrs.get("body") else { return Err("its body is no graph") };
        let own = body.captures.iter().copied().min().unwrap_or(node.inputs.len());
        // The first of opset 8 are the lengths of the batch's members.
        let first = usize::from(node.opset < 9);
        if first == 1 && input(node, 0).is_some() {
            return Err("sequences of several lengths in one batch");
        }
        let given = node.inputs[..own].iter().skip(first).copied().collect::<Option<Vec<_>>>();
        let mut states = given.ok_or("an input is left out")?;
        let scanned = node.int("num_scan_inputs", 0).ok().and_then(|count| usize::try_from(count).ok());
        let scanned = scanned.filter(|&count| count > 0 && count <= states.len());
        let scanned =
            states.split_off(states.len() - scanned.ok_or("its number of scanned inputs is not one it can have")?);
        let formal = body.graph.inputs.len() - body.captures.len().min(body.graph.inputs.len());
        if formal != states.len() + scanned.len() {
            return Err("its body has another number of inputs");
        }
        if body.graph.outputs.len() < states.len().max(node.outputs.len()) {
            return Err("its body has fewer outputs");
        }
        Ok(Parts { body, states, scanned })
    }

    fn captured(&self, node: &Node) -> Vec<Option<ValueId>> {
        self.body.captures.iter().map(|&at| node.inputs.get(at).copied().flatten()).collect()
    }
}

fn list<'n>(node: &'n Node, name: &str) -> Found<&'n [i64]> {
    node.ints(name).map(Option::unwrap_or_default).map_err(|_| "an attribute is no list of integers")
}

/// Makes nodes of names that nobody has.
struct Maker<'g> {
    graph: &'g mut Graph,
    taken: &'g mut HashSet<String>,
    label: String,
    nodes: Vec<Node>,
}

impl Maker<'_> {
    fn op(&mut self, op: &str, inputs: &[ValueId], attrs: &[(&str, i64)]) -> ValueId {
        let name = format!("{}/{op}_{}", self.label, self.nodes.len());
        let id = fresh(self.graph, self.taken, name.clone());
        self.nodes.push(node(name, op, inputs, attrs, id));
        id
    }

    fn ints(&mut self, values: Vec<i64>) -> ValueId {
        let tensor = Tensor::new([values.len()], values).expect("a vector of its own length");
        self.constant(tensor)
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("{}/constant_{}", self.label, self.graph.values.len());
        self.graph.add_constant(name, tensor)
    }
}

fn node(name: String, op: &str, inputs: &[ValueId], attrs: &[(&str, i64)], output: ValueId) -> Node {
    Node {
        name,
        op: op.to_owned(),
        opset: 13,
        attrs: attrs.iter().map(|&(name, value)| (name.to_owned(), Attr::Int(value))).collect(),
        inputs: inputs.iter().copied().map(Some).collect(),
        outputs: vec![Some(output)],
        ..Node::default()
    }
}

fn as_loop(graph: &mut Graph, taken: &mut HashSet<String>, scan: &Node, parts: &Parts<'_>) -> Found<Vec<Node>> {
    let (axes, directions) = (list(scan, "scan_input_axes")?, list(scan, "scan_input_directions")?);
    let axis = axes.first().copied().unwrap_or(0);
    let rank = |graph: &Graph, id: ValueId| graph.value(id).shape.as_ref().map(|shape| shape.len() as i64);
    let first = parts.scanned[0];
    let axis = if axis < 0 { axis + rank(graph, first).ok_or("the rank of what it scans is not known")? } else { axis };
    let mut maker = Maker { graph, taken, label: scan.name.clone(), nodes: Vec::new() };
    let dims = maker.graph.value(first).shape.as_ref();
    let length = match dims.and_then(|dims| dims.get(usize::try_from(axis).ok()?)) {
        Some(Dim::Known(length)) => {
            let length = Tensor::scalar(*length as i64);
            maker.constant(length)
        }
        _ => {
            let length = maker.op("Shape", &[first], &[("start", axis), ("end", axis + 1)]);
            let zero = maker.ints(vec![0]);
            maker.op("Squeeze", &[length, zero], &[])
        }
    };
    let one = maker.constant(Tensor::scalar(1i64));
    let last = maker.op("Sub", &[length, one], &[]);
    let mut nodes = maker.nodes;

    // The body: a counter and a condition before its states; of what is scanned, the whole, captured, and the place of the last.
    let Subgraph { graph: mut body, captures: _ } = parts.body.clone();
    let mut inner_taken = names(&body);
    let (states, scanned) = (parts.states.len(), parts.scanned.len());
    let mut add = |body: &mut Graph, name: &str, dtype: Option<DType>, shape: Option<Vec<Dim>>| {
        let id = fresh(body, &mut inner_taken, name.to_owned());
        *body.value_mut(id) = Value { dtype, shape, ..body.value(id).clone() };
        id
    };
    let counter = add(&mut body, "trip", Some(COUNTER), Some(Vec::new()));
    let condition = add(&mut body, "condition", Some(DType::Bool), Some(Vec::new()));
    let end = add(&mut body, "last", Some(COUNTER), Some(Vec::new()));
    let whole: Vec<ValueId> = (0..scanned).map(|k| add(&mut body, &format!("scanned_{k}"), None, None)).collect();
    let elements = body.inputs[states..states + scanned].to_vec();
    let mut picks = Vec::with_capacity(scanned + 1);
    let place = |k: usize| directions.get(k).copied().unwrap_or(0) == 1;
    let backwards = (0..scanned).any(place).then(|| {
        let id = add(&mut body, "place", None, None);
        picks.push(node(format!("{}/Sub", scan.name), "Sub", &[end, counter], &[], id));
        id
    });
    for k in 0..scanned {
        let at = backwards.filter(|_| place(k)).unwrap_or(counter);
        let axis = axes.get(k).copied().unwrap_or(0);
        let name = format!("{}/Gather_{k}", scan.name);
        picks.push(node(name, "Gather", &[whole[k], at], &[("axis", axis)], elements[k]));
    }
    body.nodes.splice(0..0, picks.into_iter().map(Arc::new));
    let inner_captures = body.inputs.split_off(states + scanned);
    body.inputs.truncate(states);
    body.inputs.splice(0..0, [counter, condition]);
    body.inputs.extend(inner_captures.iter().chain(&whole).copied().chain([end]));
    body.outputs.insert(0, condition);

    let mut inputs = vec![Some(length), None];
    inputs.extend(parts.states.iter().copied().map(Some));
    let at = inputs.len();
    inputs.extend(parts.captured(scan));
    inputs.extend(parts.scanned.iter().copied().chain([last]).map(Some));
    let captures = (at..inputs.len()).collect();
    let mut made = Node {
        name: scan.name.clone(),
        op: "Loop".to_owned(),
        opset: scan.opset,
        inputs,
        outputs: scan.outputs.clone(),
        ..Node::default()
    };
    for name in ["scan_output_axes", "scan_output_directions"] {
        made.attrs.insert(name.to_owned(), Attr::Ints(list(scan, name)?.to_vec()));
    }
    made.attrs.insert("body".to_owned(), Attr::Graph(Box::new(Subgraph { graph: body, captures })));
    nodes.push(made);
    Ok(nodes)
}

/// A batch of opset 8, member by member.
fn by_member(graph: &mut Graph, taken: &mut HashSet<String>, scan: &Node, parts: &Parts<'_>) -> Found<Vec<Node>> {
    let batch = match graph.value(parts.scanned[0]).shape.as_ref().and_then(|shape| shape.first()) {
        Some(Dim::Known(batch)) => *batch,
        _ => return Err("the size of its batch is not known at load"),
    };
    if batch == 0 || batch > graph.bodies_left(parts.body.graph.node_count()) {
        return Err("its batch is empty, or larger than `max_unrolled` leaves for it");
    }
    let outputs = scan.outputs.len();
    let directions = list(scan, "directions")?.to_vec();
    let mut maker = Maker { graph, taken, label: scan.name.clone(), nodes: Vec::new() };
    let axes = maker.ints(vec![0]);
    let mut members: Vec<Vec<ValueId>> = vec![Vec::with_capacity(batch); outputs];
    for member in 0..batch {
        let index = maker.constant(Tensor::scalar(member as i64));
        let given = parts.states.iter().chain(&parts.scanned);
        let mut inputs: Vec<Option<ValueId>> =
            given.map(|&id| Some(maker.op("Gather", &[id, index], &[("axis", 0)]))).collect();
        let at = inputs.len();
        inputs.extend(parts.captured(scan));
        let captures = (at..inputs.len()).collect();
        let body = Subgraph { graph: parts.body.graph.clone(), captures };
        let name = format!("{}[{member}]", scan.name);
        let made: Vec<ValueId> =
            (0..outputs).map(|k| fresh(maker.graph, maker.taken, format!("{name}/output_{k}"))).collect();
        let attrs = [
            ("num_scan_inputs", Attr::Int(parts.scanned.len() as i64)),
            ("scan_input_directions", Attr::Ints(directions.clone())),
            ("body", Attr::Graph(Box::new(body))),
        ];
        maker.nodes.push(Node {
            name,
            op: "Scan".to_owned(),
            opset: 9,
            attrs: attrs.into_iter().map(|(name, attr)| (name.to_owned(), attr)).collect(),
            inputs,
            outputs: made.iter().copied().map(Some).collect(),
            ..Node::default()
        });
        members.iter_mut().zip(made).for_each(|(members, id)| members.push(id));
    }
    for (members, to) in members.into_iter().zip(&scan.outputs) {
        let Some(to) = *to else { continue };
        let parts: Vec<ValueId> = members.into_iter().map(|id| maker.op("Unsqueeze", &[id, axes], &[])).collect();
        let name = format!("{}/Concat -> {}", maker.label, maker.graph.value(to).name);
        maker.nodes.push(node(name, "Concat", &parts, &[("axis", 0)], to));
    }
    Ok(maker.nodes)
}
