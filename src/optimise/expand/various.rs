//! Casts, activations, and what is counted on the device.

use super::{Body, Built};
use crate::graph::{Attr, Value};
use crate::tensor::DType;

/// <https://onnx.ai/onnx/operators/onnx__CastLike.html>
pub(super) fn cast_like(body: &mut Body<'_>) -> Built {
    let (x, like) = (body.input(0)?, body.input(1)?);
    let dtype = body.graph.value(like).dtype.ok_or("the type to cast to is not known")?;
    let code = (1..=16).find(|&code| DType::from_onnx(code) == Some(dtype)).ok_or("the type has no number")?;
    Ok(vec![body.op_with("Cast", &[x], [("to", Attr::Int(code.into()))])])
}

/// <https://onnx.ai/onnx/operators/onnx__Swish.html>: `x * sigmoid(alpha * x)`.
pub(super) fn swish(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let alpha = body.node.float("alpha", 1.0).map_err(|_| "alpha is no number")?;
    let scaled = if alpha == 1.0 {
        x
    } else {
        let alpha = body.number(alpha);
        body.op("Mul", &[x, alpha])
    };
    let gate = body.op("Sigmoid", &[scaled]);
    Ok(vec![body.op("Mul", &[x, gate])])
}

/// <https://onnx.ai/onnx/operators/onnx__NonZero.html>: how many there are, then which.
pub(super) fn non_zero(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let offsets = body.op_of("fascine", "NonZeroCount", &[x]);
    let count = body.graph.add_value(Value { name: format!("{}/count", body.node.name), ..Value::default() });
    if let Some(node) = body.nodes.last_mut() {
        node.outputs.push(Some(count));
    }
    Ok(vec![body.op_of("fascine", "NonZeroIndices", &[x, offsets, count])])
}
