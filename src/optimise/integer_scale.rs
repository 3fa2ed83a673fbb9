//! Scales of integer products into them.

use super::matcher::{Attempt, Matcher, input, is_f32, last_dim, output, pair, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Dim, Graph, Node, ValueId};
use crate::ops::Operators;
use crate::tensor::DType;

/// A `MatMulInteger` whose sums are cast to f32 and multiplied by a scale, one number or one for each column, and perhaps that one by a
/// factor of that kind, is a `fascine.MatMulInteger`, which bias, residual and elementwise operators may join
/// ([`FuseEpilogue`](super::FuseEpilogue)).
#[derive(Debug)]
pub struct FuseIntegerScale;

/// Whether the value is one f32, or one for each of so many columns, so that it broadcasts to a product of at least `rank` dimensions.
fn by_columns(graph: &Graph, id: ValueId, columns: usize, rank: usize) -> bool {
    let Some(shape) = &graph.value(id).shape else { return false };
    let is = |size: usize| shape.last().is_none_or(|last| *last == Dim::Known(size));
    let outer = shape.split_last().map_or(&shape[..], |(_, outer)| outer);
    let fits = shape.len() <= rank && outer.iter().all(|dim| *dim == Dim::Known(1));
    is_f32(graph, id) && fits && (is(1) || is(columns))
}

fn attempt(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    if !root.domain.is_empty() || root.op != "Mul" {
        return None;
    }
    let [a, b] = pair(root)?;
    let cast = |id: ValueId| matcher.made_by(graph, id, "Cast").filter(|(_, node)| matches!(node.int("to", 0), Ok(1)));
    let product = |id: ValueId| {
        let (cast_at, cast) = cast(id)?;
        let sums = input(cast, 0)?;
        let (at, node) = matcher.made_by(graph, sums, "MatMulInteger")?;
        Some((cast_at, sums, at, node))
    };
    let ((cast_at, sums, at, node), product, scale) =
        product(a).map(|found| (found, a, b)).or_else(|| product(b).map(|found| (found, b, a)))?;
    if !matcher.used(product, 1) || !matcher.used(sums, 1) {
        return Some(Attempt::Near("the sums are used elsewhere"));
    }
    let rank = graph.value(product).shape.as_ref().map(Vec::len)?;
    let Some(columns) = last_dim(graph.value(product)).filter(|_| rank > 1 && is_matrix(graph, node)) else {
        return Some(Attempt::Near("the number of columns is not known"));
    };
    if graph.value(sums).dtype != Some(DType::I32) || !by_columns(graph, scale, columns, rank) {
        return Some(Attempt::Near("the scale is not one f32 or one for each column"));
    }
    let mut removed = vec![cast_at, at];
    let (mut scale, mut factor) = (scale, None);
    if let Some((scale_at, own)) = matcher.made_by(graph, scale, "Mul").filter(|_| matcher.used(scale, 1))
        && let Some([first, second]) = pair(own)
        && [first, second].iter().all(|&id| by_columns(graph, id, columns, rank))
    {
        removed.push(scale_at);
        (scale, factor) = (first, Some(second));
    }
    let mut inputs = node.inputs.clone();
    inputs.resize(4, None);
    inputs.extend([Some(scale), factor]);
    let node = Node {
        name: format!("{}+{}", node.name, root.op),
        domain: "fascine".to_owned(),
        op: "MatMulInteger".to_owned(),
        opset: 1,
        inputs,
        outputs: root.outputs.clone(),
        ..Node::default()
    };
    output(&node)?;
    Some(Attempt::Fire { removed, nodes: vec![node] })
}

/// Whether both sides have rows and columns.
fn is_matrix(graph: &Graph, node: &Node) -> bool {
    let rank = |i: usize| input(node, i).and_then(|id| graph.value(id).shape.as_ref()).map_or(0, Vec::len);
    rank(0) > 1 && rank(1) > 1
}

impl Rewrite for FuseIntegerScale {
    fn name(&self) -> &'static str {
        "FuseIntegerScale"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| attempt(graph, matcher, index).unwrap_or(Attempt::No))
    }
}
