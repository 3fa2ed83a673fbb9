//! Losses: a kernel picks the scores of the targets, and sums make one number of them.

use super::{Body, Built};
use crate::graph::{Attr, ValueId};

/// <https://onnx.ai/onnx/operators/onnx__NegativeLogLikelihoodLoss.html>
pub(super) fn negative_log_likelihood(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    Ok(vec![loss_of(body, x)?])
}

/// <https://onnx.ai/onnx/operators/onnx__SoftmaxCrossEntropyLoss.html>
pub(super) fn softmax_cross_entropy(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let log_probabilities = body.op_set("LogSoftmax", &[x], &[("axis", 1)]);
    Ok(vec![loss_of(body, log_probabilities)?, log_probabilities])
}

/// The reduced loss of the log probabilities `x`.
fn loss_of(body: &mut Body<'_>, x: ValueId) -> Result<ValueId, &'static str> {
    let (target, weight) = (body.input(1)?, body.optional(2));
    let reduction = body.node.str("reduction", "mean").map_err(|_| "its reduction is no text")?.to_owned();
    let ignored = body.node.attrs.get("ignore_index").cloned();
    let inputs: Vec<ValueId> = [Some(x), Some(target), weight].into_iter().flatten().collect();
    let loss = body.op_of("fascine", "NegativeLogLikelihood", &inputs);
    let counts_all = weight.is_none() && ignored.is_none();
    if let (Some(ignored), Some(node)) = (ignored, body.nodes.last_mut()) {
        node.attrs.insert("ignore_index".to_owned(), ignored);
    }
    let all = |body: &mut Body<'_>, op: &str, x| body.op_with(op, &[x], [("keepdims", Attr::Int(0))]);
    match reduction.as_str() {
        "none" => Ok(loss),
        "sum" => Ok(all(body, "ReduceSum", loss)),
        "mean" if counts_all => Ok(all(body, "ReduceMean", loss)),
        "mean" => {
            let weights = body.next_output();
            let (sum, weight) = (all(body, "ReduceSum", loss), all(body, "ReduceSum", weights));
            Ok(body.op("Div", &[sum, weight]))
        }
        _ => Err("its reduction is none of none, sum and mean"),
    }
}
