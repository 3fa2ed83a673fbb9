//! Batch normalisation into the convolution before it.

use super::matcher::{Attempt, Matcher, input, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Graph, Node, ValueId};
use crate::ops::Operators;
use crate::tensor::Tensor;

/// `BatchNormalization(Conv(x))` is a `Conv` with other weights, which are computed here.
#[derive(Debug)]
pub struct FoldBatchNorm;

fn floats(graph: &Graph, id: Option<ValueId>) -> Option<&[f32]> {
    graph.value(id?).constant.as_ref()?.as_slice::<f32>().ok()
}

/// Weight and bias of the folded convolution.
fn folded(graph: &Graph, conv: &Node, norm: &Node) -> Option<(Tensor, Tensor)> {
    let weight = graph.value(input(conv, 1)?).constant.as_ref()?;
    let channels = *weight.shape().first()?;
    let epsilon = norm.float("epsilon", 1e-5).ok()?;
    let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|i| floats(graph, input(norm, i)));
    let (scale, shift, mean, variance) = (scale?, shift?, mean?, variance?);
    if [scale, shift, mean, variance].iter().any(|list| list.len() != channels) {
        return None;
    }
    let bias = match input(conv, 2) {
        Some(id) => Some(floats(graph, Some(id)).filter(|bias| bias.len() == channels)?),
        None => None,
    };
    let factor = |c: usize| f64::from(scale[c]) / (f64::from(variance[c]) + f64::from(epsilon)).sqrt();
    let data = weight.as_slice::<f32>().ok()?;
    let each = data.len().checked_div(channels)?;
    let weights = data.chunks(each.max(1)).enumerate();
    let weights = weights.flat_map(|(c, row)| {
        let factor = factor(c);
        row.iter().map(move |&w| (f64::from(w) * factor) as f32)
    });
    let bias = (0..channels).map(|c| {
        let old = bias.map_or(0.0, |bias| f64::from(bias[c]));
        ((old - f64::from(mean[c])) * factor(c) + f64::from(shift[c])) as f32
    });
    let weight = Tensor::new(weight.shape(), weights.collect::<Vec<f32>>()).ok()?;
    Some((weight, Tensor::new([channels], bias.collect::<Vec<f32>>()).ok()?))
}

fn attempt(graph: &mut Graph, matcher: &Matcher, index: usize) -> Attempt {
    let norm = &graph.nodes[index];
    if !norm.domain.is_empty() || norm.op != "BatchNormalization" {
        return Attempt::No;
    }
    let Some(from) = input(norm, 0) else { return Attempt::No };
    let Some((at, conv)) = matcher.made_by(graph, from, "Conv") else {
        return Attempt::Near("its input is not made by a Conv");
    };
    if !matcher.used(from, 1) {
        return Attempt::Near("the convolution's result is used elsewhere");
    }
    if norm.attrs.get("training_mode").is_some_and(|mode| *mode != Attr::Int(0))
        || norm.attrs.get("spatial").is_some_and(|mode| *mode != Attr::Int(1))
        || norm.outputs.iter().skip(1).any(Option::is_some)
    {
        return Attempt::Near("it is in training mode or not spatial");
    }
    let Some((weight, bias)) = folded(graph, conv, norm) else {
        return Attempt::Near("weights or statistics are not constants of fitting sizes");
    };
    let mut node = Node { outputs: vec![norm.outputs[0]], ..conv.clone() };
    let weight = graph.add_constant(format!("{}.weight", node.name), weight);
    let bias = graph.add_constant(format!("{}.bias", node.name), bias);
    node.inputs.resize(3, None);
    node.inputs[1] = Some(weight);
    node.inputs[2] = Some(bias);
    Attempt::Fire { removed: vec![at], nodes: vec![node] }
}

impl Rewrite for FoldBatchNorm {
    fn name(&self) -> &'static str {
        "FoldBatchNorm"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, attempt)
    }
}
