//! Attention whose scores and weights are changed by subgraphs.

use super::attention::{Problem, factors};
use super::{Body, Built};
use crate::graph::{Attr, Value, ValueId};
use crate::optimise::branches::inline;
use crate::tensor::DType;

/// <https://onnx.ai/onnx/operators/onnx_aionnxpreview_FlexAttention.html>: the softmax is of f32 unless the node says otherwise.
pub(super) fn flex_attention(body: &mut Body<'_>) -> Built {
    let problem = Problem::new(body)?;
    if body.rank(problem.q)? != 4 {
        return Err("its query has not four dimensions");
    }
    let dtype = body.dtype(problem.q)?;
    let precision = match body.int("softmax_precision", 1)? {
        1 => DType::F32,
        10 => DType::F16,
        16 => DType::Bf16,
        _ => return Err("its softmax is of none of f32, f16 and bf16"),
    };
    let (mut keys, mut values) = (problem.present(body, 1, 4)?, problem.present(body, 2, 5)?);
    if problem.groups.is_some() {
        (keys, values) = (body.unsqueeze(keys, vec![2])?, body.unsqueeze(values, vec![2])?);
    }
    let (q_factor, k_factor) = factors(body, &problem, dtype)?;
    let query = problem.query(body)?;
    let query = body.op("Mul", &[query, q_factor]);
    let turned = problem.turned(body, keys);
    let turned = body.op("Mul", &[turned, k_factor]);
    let mut scores = body.op("MatMul", &[query, turned]);
    if precision != dtype {
        scores = body.cast(scores, precision)?;
        values = body.cast(values, precision)?;
    }
    let scores = changed(body, &problem, "score_mod", scores)?;
    let weights = body.op_set("Softmax", &[scores], &[("axis", -1)]);
    let weights = changed(body, &problem, "prob_mod", weights)?;
    let mut result = body.op("MatMul", &[weights, values]);
    if precision != dtype {
        result = body.cast(result, dtype)?;
    }
    Ok(vec![problem.joined(body, result)?])
}

/// What the subgraph of that name makes of scores, if there is one: it sees one dimension of heads.
fn changed(body: &mut Body<'_>, problem: &Problem, name: &str, x: ValueId) -> Result<ValueId, &'static str> {
    let subgraph = match body.node.attrs.get(name) {
        None => return Ok(x),
        Some(Attr::Graph(subgraph)) => subgraph.clone(),
        Some(_) => return Err("what changes its scores is no graph"),
    };
    let given = problem.by_head(body, x)?;
    let made = Value { name: format!("{}/{name}", body.node.name), ..Value::default() };
    let result = body.graph.add_value(made);
    let nodes = inline(body.graph, *subgraph, body.node, given, result)?;
    body.nodes.extend(nodes);
    if problem.groups.is_none() {
        return Ok(result);
    }
    let shape = body.op("Shape", &[x]);
    Ok(body.op("Reshape", &[result, shape]))
}
