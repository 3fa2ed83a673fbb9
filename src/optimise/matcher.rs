//! What rules match with: producers, users and constants.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Outcome, Skip};
use crate::graph::{Attr, Dim, Graph, Kind, Node, Value, ValueId};
use crate::tensor::{DType, Tensor, TensorData};

/// Who makes and who uses each value, kept current while a rule runs.
pub(super) struct Matcher {
    producer: Vec<Option<usize>>,
    users: Vec<usize>,
    output: Vec<bool>,
}

/// What a rule finds at a node.
pub(super) enum Attempt {
    /// Not its pattern.
    No,
    /// Nearly its pattern.
    Near(&'static str),
    /// `nodes`, each after what it reads, stand where the node looked at was, for it and for `removed`.
    Fire { removed: Vec<usize>, nodes: Vec<Node> },
}

impl Matcher {
    pub(super) fn new(graph: &Graph) -> Self {
        let mut matcher = Matcher {
            producer: vec![None; graph.values.len()],
            users: vec![0; graph.values.len()],
            output: vec![false; graph.values.len()],
        };
        for (index, node) in graph.nodes.iter().enumerate() {
            for id in node.outputs.iter().flatten() {
                matcher.producer[id.0 as usize] = Some(index);
            }
            for id in node.inputs.iter().flatten() {
                matcher.users[id.0 as usize] += 1;
            }
        }
        for id in &graph.outputs {
            matcher.output[id.0 as usize] = true;
        }
        matcher
    }

    /// The node that makes the value, and its index.
    pub(super) fn producer<'g>(&self, graph: &'g Graph, id: ValueId) -> Option<(usize, &'g Node)> {
        let index = (*self.producer.get(id.0 as usize)?)?;
        Some((index, &*graph.nodes[index]))
    }

    /// The node that makes the value, if it is ONNX's `op`.
    pub(super) fn made_by<'g>(&self, graph: &'g Graph, id: ValueId, op: &str) -> Option<(usize, &'g Node)> {
        self.producer(graph, id).filter(|(_, node)| node.domain.is_empty() && node.op == op)
    }

    /// Whether the value is used `count` times in all, and is no graph output.
    pub(super) fn used(&self, id: ValueId, count: usize) -> bool {
        let at = id.0 as usize;
        self.users.get(at) == Some(&count) && !self.output[at]
    }

    /// Whether the value is a graph output.
    pub(super) fn is_output(&self, id: ValueId) -> bool {
        self.output.get(id.0 as usize) == Some(&true)
    }

    /// The node at `index` makes its outputs.
    fn made(&mut self, node: &Node, index: usize) {
        for id in node.outputs.iter().flatten() {
            if let Some(producer) = self.producer.get_mut(id.0 as usize) {
                *producer = Some(index);
            }
        }
    }

    /// No node that a rule could find makes the outputs of `node`.
    fn forget(&mut self, node: &Node) {
        for id in node.outputs.iter().flatten() {
            if let Some(producer) = self.producer.get_mut(id.0 as usize) {
                *producer = None;
            }
        }
    }

    fn count(&mut self, node: &Node, more: bool) {
        for id in node.inputs.iter().flatten() {
            let at = id.0 as usize;
            if at < self.users.len() {
                self.users[at] = if more { self.users[at] + 1 } else { self.users[at] - 1 };
            }
        }
    }
}

/// Tries `rule` at every node in order and applies what it finds.
pub(super) fn rewrite(graph: &mut Graph, mut rule: impl FnMut(&mut Graph, &Matcher, usize) -> Attempt) -> Outcome {
    let mut matcher = Matcher::new(graph);
    let mut dead = vec![false; graph.nodes.len()];
    // What stands before a node, where several nodes replace one.
    let mut before: BTreeMap<usize, Vec<Node>> = BTreeMap::new();
    let mut outcome = Outcome::default();
    for index in 0..graph.nodes.len() {
        if dead[index] {
            continue;
        }
        match rule(graph, &matcher, index) {
            Attempt::No => {}
            Attempt::Near(reason) => {
                let node = graph.nodes[index].name.clone();
                outcome.skipped.push(Skip { node, reason: reason.to_owned() });
            }
            Attempt::Fire { removed, mut nodes } => {
                outcome.fired += 1;
                nodes.iter().for_each(|node| matcher.count(node, true));
                matcher.count(&graph.nodes[index], false);
                matcher.forget(&graph.nodes[index]);
                match nodes.pop() {
                    Some(last) => {
                        matcher.made(&last, index);
                        graph.nodes[index] = Arc::new(last);
                    }
                    None => dead[index] = true,
                }
                if !nodes.is_empty() {
                    before.insert(index, nodes);
                }
                for other in removed {
                    matcher.count(&graph.nodes[other], false);
                    dead[other] = true;
                }
            }
        }
    }
    let nodes = std::mem::take(&mut graph.nodes);
    for (index, node) in nodes.into_iter().enumerate() {
        graph.nodes.extend(before.remove(&index).into_iter().flatten().map(Arc::new));
        if !dead[index] {
            graph.nodes.push(node);
        }
    }
    outcome
}

/// A further value of the type and shape of `id`.
pub(super) fn like(graph: &mut Graph, id: ValueId, suffix: &str) -> ValueId {
    let Value { name, dtype, shape, .. } = graph.value(id).clone();
    graph.add_value(Value { name: format!("{name}.{suffix}"), dtype, shape, constant: None, kind: Kind::Tensor })
}

/// Input `i` of a node, if it is given.
pub(super) fn input(node: &Node, i: usize) -> Option<ValueId> {
    node.inputs.get(i).copied().flatten()
}

/// The two inputs of a binary node.
pub(super) fn pair(node: &Node) -> Option<[ValueId; 2]> {
    match node.inputs.as_slice() {
        &[Some(a), Some(b)] => Some([a, b]),
        _ => None,
    }
}

/// The only output of a node.
pub(super) fn output(node: &Node) -> Option<ValueId> {
    match node.outputs.as_slice() {
        &[Some(id)] => Some(id),
        _ => None,
    }
}

/// The f32 value of a constant of one element.
pub(super) fn scalar(graph: &Graph, id: ValueId) -> Option<f32> {
    let tensor = graph.value(id).constant.as_ref()?;
    match tensor.as_slice::<f32>() {
        Ok(&[value]) => Some(value),
        _ => None,
    }
}

/// The value of a constant of one element in half precision.
pub(super) fn half_scalar(graph: &Graph, id: ValueId) -> Option<f32> {
    match graph.value(id).constant.as_ref()?.data() {
        TensorData::F16(values) if values.len() == 1 => Some(values[0].to_f32()),
        TensorData::Bf16(values) if values.len() == 1 => Some(values[0].to_f32()),
        _ => None,
    }
}

/// A binary node of a value and an f32 constant of one element that does not raise the value's rank: value, constant.
pub(super) fn with_scalar(graph: &Graph, node: &Node) -> Option<(ValueId, f32)> {
    let [a, b] = pair(node)?;
    constant_beside(graph, a, b).or_else(|| constant_beside(graph, b, a))
}

/// `value` and the constant `other`, as in [`with_scalar`].
pub(super) fn constant_beside(graph: &Graph, value: ValueId, other: ValueId) -> Option<(ValueId, f32)> {
    let number = scalar(graph, other)?;
    let rank = graph.value(other).constant.as_ref()?.shape().len();
    let fits = rank == 0 || graph.value(value).shape.as_ref().is_some_and(|shape| shape.len() >= rank);
    (fits && graph.value(value).constant.is_none()).then_some((value, number))
}

/// Whether a number is the wanted one but for its rounding to f32.
pub(super) fn is_about(number: f32, wanted: f64) -> bool {
    (f64::from(number) - wanted).abs() <= wanted.abs() * 1e-6
}

/// Whether both shapes are known and the same for every request.
pub(super) fn same_shape(graph: &Graph, a: ValueId, b: ValueId) -> bool {
    let (a, b) = (&graph.value(a).shape, &graph.value(b).shape);
    a.is_some() && a == b
}

/// Whether the value is f32.
pub(super) fn is_f32(graph: &Graph, id: ValueId) -> bool {
    graph.value(id).dtype == Some(DType::F32)
}

/// The constant integers of an attribute (before opset `since`) or of input `i`.
pub(super) fn ints(graph: &Graph, node: &Node, name: &str, since: i64, i: usize) -> Option<Vec<i64>> {
    if node.opset < since {
        return match node.attrs.get(name) {
            Some(Attr::Ints(list)) => Some(list.clone()),
            _ => None,
        };
    }
    let tensor: &Tensor = graph.value(input(node, i)?).constant.as_ref()?;
    tensor.as_slice::<i64>().ok().map(<[i64]>::to_vec)
}

/// The size of a value's last dimension, where it is a number.
pub(super) fn last_dim(value: &Value) -> Option<usize> {
    match value.shape.as_ref()?.last()? {
        Dim::Known(size) => Some(*size),
        Dim::Symbol(_) => None,
    }
}
