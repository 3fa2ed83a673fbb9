//! Rotary embedding of the heads of queries and of keys.

use super::matcher::{Attempt, Matcher, input, output, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Dim, Graph, Kind, Node, Value, ValueId};
use crate::ops::Operators;
use crate::tensor::Tensor;

/// Heads that one product makes beside each other and that are turned by the same angles are turned together: two
/// `fascine.Rotary` of neighbouring parts of a Split are one, behind which their heads are parted.
#[derive(Debug)]
pub struct JoinRotaries;

/// A rotary embedding of a part of a Split's columns, by head.
struct Turned {
    node: usize,
    result: ValueId,
    /// The Split, which of its outputs it is, and the columns before it.
    split: usize,
    part: usize,
    start: i64,
    /// Its shape before it is turned, `[batch, sequence, heads, size]`.
    shape: [Dim; 4],
    heads: usize,
    size: usize,
}

fn turned(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Turned> {
    let node = &graph.nodes[index];
    if node.domain != "fascine" || node.op != "Rotary" {
        return None;
    }
    let shape = |id: ValueId| graph.value(id).shape.as_deref();
    let no_heads =
        |table: ValueId| shape(table).is_some_and(|shape| shape.len() < 3 || shape[shape.len() - 3] == Dim::Known(1));
    if ![1, 2].iter().all(|&i| input(node, i).is_some_and(no_heads)) {
        return None;
    }
    let (_, turn) = matcher.made_by(graph, input(node, 0)?, "Transpose")?;
    let by_head = input(turn, 0)?;
    let (_, reshape) = matcher.made_by(graph, by_head, "Reshape")?;
    let columns = input(reshape, 0)?;
    let (split, parts) = matcher.made_by(graph, columns, "Split")?;
    let sizes = graph.value(input(parts, 1)?).constant.as_ref()?.as_slice::<i64>().ok()?;
    let part = parts.outputs.iter().position(|&id| id == Some(columns))?;
    let (own, shape) = (shape(columns)?, <&[Dim; 4]>::try_from(shape(by_head)?).ok()?.clone());
    let (Dim::Known(heads), Dim::Known(size)) = (shape[2].clone(), shape[3].clone()) else { return None };
    let axis = parts.int("axis", 0).ok()?;
    let fits = own.len() == 3
        && own[..2] == shape[..2]
        && own[2] == Dim::Known(heads * size)
        && turn.ints("perm").ok()?? == [0, 2, 1, 3]
        && (axis == -1 || axis == 2);
    let start = sizes.get(..part)?.iter().sum();
    fits.then_some(Turned { node: index, result: output(node)?, split, part, start, shape, heads, size })
}

fn attempt(graph: &mut Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let own = turned(graph, matcher, index)?;
    let alike = |at: usize| {
        let (node, other) = (&graph.nodes[index], &graph.nodes[at]);
        other.op == node.op
            && other.domain == node.domain
            && other.attrs == node.attrs
            && other.inputs[1..] == node.inputs[1..]
    };
    let neighbours =
        |other: &Turned| other.split == own.split && other.part.abs_diff(own.part) == 1 && other.size == own.size;
    let others = (index + 1..graph.nodes.len()).filter(|&at| alike(at));
    let other = others.filter_map(|at| turned(graph, matcher, at)).find(neighbours)?;
    let removed = vec![other.node];
    let (first, second) = if own.part < other.part { (own, other) } else { (other, own) };
    let whole = input(&graph.nodes[first.split], 0)?;
    let root = graph.nodes[index].clone();
    let name = format!("{}+joined", root.name);
    let dtype = graph.value(first.result).dtype;
    let (heads, size) = (first.heads + second.heads, first.size);
    let [batch, rows, _, last] = first.shape;
    let ints = |graph: &mut Graph, list: Vec<i64>| {
        let constant = format!("{name}.{}", graph.values.len());
        Tensor::new([list.len()], list).ok().map(|tensor| graph.add_constant(constant, tensor))
    };
    let value = |graph: &mut Graph, shape: Vec<Dim>| {
        let name = format!("{name}.{}", graph.values.len());
        graph.add_value(Value { name, dtype, shape: Some(shape), constant: None, kind: Kind::Tensor })
    };
    let columns = value(graph, vec![batch.clone(), rows.clone(), Dim::Known(heads * size)]);
    let by_head = value(graph, vec![batch.clone(), rows.clone(), Dim::Known(heads), last.clone()]);
    let turn = value(graph, vec![batch.clone(), Dim::Known(heads), rows.clone(), last.clone()]);
    let result = value(graph, vec![batch, Dim::Known(heads), rows, last]);
    let start = ints(graph, vec![first.start])?;
    let end = ints(graph, vec![first.start + (heads * size) as i64])?;
    let (axis, shape) = (ints(graph, vec![2])?, ints(graph, vec![0, 0, heads as i64, size as i64])?);
    let parts = ints(graph, vec![first.heads as i64, second.heads as i64])?;
    let node = |op: &str, inputs: &[ValueId], outputs: &[ValueId]| Node {
        name: name.clone(),
        op: op.to_owned(),
        opset: 13,
        inputs: inputs.iter().copied().map(Some).collect(),
        outputs: outputs.iter().copied().map(Some).collect(),
        ..Node::default()
    };
    let with = |node: Node, name: &str, attr: Attr| Node { attrs: [(name.to_owned(), attr)].into(), ..node };
    let mut rotary = Node { name: name.clone(), outputs: vec![Some(result)], ..Node::clone(&root) };
    rotary.inputs[0] = Some(turn);
    let nodes = vec![
        node("Slice", &[whole, start, end, axis], &[columns]),
        node("Reshape", &[columns, shape], &[by_head]),
        with(node("Transpose", &[by_head], &[turn]), "perm", Attr::Ints(vec![0, 2, 1, 3])),
        rotary,
        with(node("Split", &[result, parts], &[first.result, second.result]), "axis", Attr::Int(1)),
    ];
    Some(Attempt::Fire { removed, nodes })
}

impl Rewrite for JoinRotaries {
    fn name(&self) -> &'static str {
        "JoinRotaries"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| attempt(graph, matcher, index).unwrap_or(Attempt::No))
    }
}
