//! Softmax and normalisations as exporters decompose them.

use super::matcher::{
    Attempt, Matcher, constant_beside, input, ints, is_f32, last_dim, pair, rewrite, scalar, with_scalar,
};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Graph, Node, ValueId};
use crate::ops::Operators;

/// The one axis of a reduction that keeps it, as the file states it.
fn kept_axis(graph: &Graph, node: &Node, since: i64) -> Option<i64> {
    let keeps = node.int("keepdims", 1).ok()? == 1 && node.int("noop_with_empty_axes", 0).ok()? == 0;
    match ints(graph, node, "axes", since, 1)?.as_slice() {
        &[axis] if keeps => Some(axis),
        _ => None,
    }
}

/// `exp(x - max x) / sum exp(x - max x)` over one axis is `Softmax`.
#[derive(Debug)]
pub struct FuseSoftmax;

fn softmax(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    if !root.domain.is_empty() || root.op != "Div" {
        return None;
    }
    let [top, sum] = pair(root)?;
    let (sum_at, sum_node) = matcher.made_by(graph, sum, "ReduceSum")?;
    let (exp_at, exp_node) = matcher.made_by(graph, top, "Exp")?;
    if input(sum_node, 0) != Some(top) {
        return None;
    }
    let difference = input(exp_node, 0)?;
    let Some((sub_at, sub_node)) = matcher.made_by(graph, difference, "Sub") else {
        return Some(Attempt::Near("the largest element is not subtracted first"));
    };
    let [x, max] = pair(sub_node)?;
    let (max_at, max_node) = matcher.made_by(graph, max, "ReduceMax")?;
    if input(max_node, 0) != Some(x) || !is_f32(graph, x) {
        return None;
    }
    let (Some(axis), Some(max_axis)) = (kept_axis(graph, sum_node, 13), kept_axis(graph, max_node, 18)) else {
        return Some(Attempt::Near("not over one axis that is kept"));
    };
    if axis != max_axis {
        return Some(Attempt::Near("maximum and sum are over different axes"));
    }
    if !(matcher.used(top, 2) && matcher.used(sum, 1) && matcher.used(difference, 1) && matcher.used(max, 1)) {
        return Some(Attempt::Near("a part is used elsewhere"));
    }
    let node = Node {
        name: root.name.clone(),
        op: "Softmax".to_owned(),
        opset: 13,
        attrs: [("axis".to_owned(), Attr::Int(axis))].into(),
        inputs: vec![Some(x)],
        outputs: root.outputs.clone(),
        ..Node::default()
    };
    Some(Attempt::Fire { removed: vec![sum_at, exp_at, sub_at, max_at], nodes: vec![node] })
}

impl Rewrite for FuseSoftmax {
    fn name(&self) -> &'static str {
        "FuseSoftmax"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| softmax(graph, matcher, index).unwrap_or(Attempt::No))
    }
}

/// `(x - mean x) / sqrt(mean (x - mean x)^2 + epsilon) * scale + bias` over the last axis is `LayerNormalization`.
#[derive(Debug)]
pub struct FuseLayerNorm;

/// A constant vector as long as the last axis, beside the other operand.
fn beside_vector(graph: &Graph, node: &Node) -> Option<(ValueId, ValueId)> {
    let [a, b] = pair(node)?;
    let vector = |id: ValueId| {
        graph.value(id).constant.as_ref().is_some_and(|t| t.shape().len() == 1 && t.as_slice::<f32>().is_ok())
    };
    if vector(b) { Some((a, b)) } else { Some((b, a)).filter(|_| vector(a)) }
}

/// Whether the reduction is over the last axis of x.
fn over_last(graph: &Graph, node: &Node, x: ValueId) -> bool {
    let rank = graph.value(x).shape.as_ref().map(|shape| shape.len() as i64);
    kept_axis(graph, node, 18).is_some_and(|axis| axis == -1 || rank == Some(axis + 1))
}

/// The node that makes `square`, and whether that is the square of x.
fn square_of(graph: &Graph, matcher: &Matcher, square: ValueId, x: ValueId) -> Option<(usize, bool)> {
    Some(match matcher.made_by(graph, square, "Pow") {
        Some((at, pow)) => {
            let [base, exponent] = pair(pow)?;
            (at, base == x && constant_beside(graph, base, exponent).is_some_and(|(_, n)| n == 2.0))
        }
        None => {
            let (at, mul) = matcher.made_by(graph, square, "Mul")?;
            (at, pair(mul)? == [x, x])
        }
    })
}

fn layer_norm(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    if !root.domain.is_empty() || root.op != "Add" {
        return None;
    }
    let (scaled, bias) = beside_vector(graph, root)?;
    let (mul_at, mul) = matcher.made_by(graph, scaled, "Mul")?;
    let (quotient, scale) = beside_vector(graph, mul)?;
    let (div_at, div) = matcher.made_by(graph, quotient, "Div")?;
    let [centred, deviation] = pair(div)?;
    let (sqrt_at, sqrt) = matcher.made_by(graph, deviation, "Sqrt")?;
    let shifted = input(sqrt, 0)?;
    let (add_at, add) = matcher.made_by(graph, shifted, "Add")?;
    let (variance, epsilon) = with_scalar(graph, add)?;
    let (var_at, var) = matcher.made_by(graph, variance, "ReduceMean")?;
    let square = input(var, 0)?;
    let (square_at, is_square) = square_of(graph, matcher, square, centred)?;
    let (sub_at, sub) = matcher.made_by(graph, centred, "Sub")?;
    let [x, mean] = pair(sub)?;
    let (mean_at, mean_node) = matcher.made_by(graph, mean, "ReduceMean")?;
    if !is_square || input(mean_node, 0) != Some(x) {
        return None;
    }
    let uses = if graph.nodes[square_at].op == "Mul" { 3 } else { 2 };
    let inner = [scaled, quotient, deviation, shifted, variance, square, mean];
    if !matcher.used(centred, uses) || !inner.iter().all(|&id| matcher.used(id, 1)) {
        return Some(Attempt::Near("a part is used elsewhere"));
    }
    let len = |id: ValueId| graph.value(id).constant.as_ref().map(|t| t.len());
    let size = last_dim(graph.value(x));
    if !is_f32(graph, x) || size.is_none() || len(scale) != size || len(bias) != size {
        return Some(Attempt::Near("scale and bias are not provably as long as the last axis"));
    }
    if !over_last(graph, mean_node, x) || !over_last(graph, var, x) {
        return Some(Attempt::Near("not over the last axis"));
    }
    let attrs = [("axis".to_owned(), Attr::Int(-1)), ("epsilon".to_owned(), Attr::Float(epsilon))];
    let node = Node {
        name: root.name.clone(),
        op: "LayerNormalization".to_owned(),
        opset: 17,
        attrs: attrs.into(),
        inputs: vec![Some(x), Some(scale), Some(bias)],
        outputs: root.outputs.clone(),
        ..Node::default()
    };
    Some(Attempt::Fire {
        removed: vec![mul_at, div_at, sqrt_at, add_at, var_at, square_at, sub_at, mean_at],
        nodes: vec![node],
    })
}

impl Rewrite for FuseLayerNorm {
    fn name(&self) -> &'static str {
        "FuseLayerNorm"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| layer_norm(graph, matcher, index).unwrap_or(Attempt::No))
    }
}

/// `x / sqrt(mean x^2 + epsilon) * scale` over the last axis is `fascine.RmsNorm`.
#[derive(Debug)]
pub struct FuseRmsNorm;

/// What a value is the inverse of, and the node that says so.
fn inverse_of(graph: &Graph, matcher: &Matcher, id: ValueId) -> Option<(usize, ValueId)> {
    if let Some((at, node)) = matcher.made_by(graph, id, "Reciprocal") {
        return Some((at, input(node, 0)?));
    }
    let (at, node) = matcher.made_by(graph, id, "Div")?;
    let [one, root] = pair(node)?;
    (scalar(graph, one) == Some(1.0)).then_some((at, root))
}

fn rms_norm(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    if !root.domain.is_empty() || root.op != "Mul" {
        return None;
    }
    let (normal, scale) = beside_vector(graph, root)?;
    let (normal_at, node) = matcher.producer(graph, normal).filter(|(_, node)| node.domain.is_empty())?;
    let operands = pair(node)?;
    let mut removed = vec![normal_at];
    let mut inner = vec![normal];
    let (x, deviation) = match node.op.as_str() {
        "Div" => (operands[0], operands[1]),
        "Mul" => {
            let [a, b] = operands;
            let (x, factor, (at, deviation)) = match inverse_of(graph, matcher, b) {
                Some(found) => (a, b, found),
                None => (b, a, inverse_of(graph, matcher, a)?),
            };
            removed.push(at);
            inner.push(factor);
            (x, deviation)
        }
        _ => return None,
    };
    let (sqrt_at, sqrt) = matcher.made_by(graph, deviation, "Sqrt")?;
    let shifted = input(sqrt, 0)?;
    let (add_at, add) = matcher.made_by(graph, shifted, "Add")?;
    let (mean, epsilon) = with_scalar(graph, add)?;
    let (mean_at, mean_node) = matcher.made_by(graph, mean, "ReduceMean")?;
    let square = input(mean_node, 0)?;
    let (square_at, is_square) = square_of(graph, matcher, square, x)?;
    if !is_square {
        return None;
    }
    removed.extend([sqrt_at, add_at, mean_at, square_at]);
    inner.extend([deviation, shifted, mean, square]);
    if !inner.iter().all(|&id| matcher.used(id, 1)) {
        return Some(Attempt::Near("a part is used elsewhere"));
    }
    let size = last_dim(graph.value(x));
    if !is_f32(graph, x) || size.is_none() || graph.value(scale).constant.as_ref().map(|t| t.len()) != size {
        return Some(Attempt::Near("its scale is not provably as long as the last axis"));
    }
    if !over_last(graph, mean_node, x) {
        return Some(Attempt::Near("not over the last axis"));
    }
    let attrs = [("axis".to_owned(), Attr::Int(-1)), ("epsilon".to_owned(), Attr::Float(epsilon))];
    let node = Node {
        name: root.name.clone(),
        domain: "fascine".to_owned(),
        op: "RmsNorm".to_owned(),
        opset: 1,
        attrs: attrs.into(),
        inputs: vec![Some(x), Some(scale)],
        outputs: root.outputs.clone(),
    };
    Some(Attempt::Fire { removed, nodes: vec![node] })
}

impl Rewrite for FuseRmsNorm {
    fn name(&self) -> &'static str {
        "FuseRmsNorm"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| rms_norm(graph, matcher, index).unwrap_or(Attempt::No))
    }
}
