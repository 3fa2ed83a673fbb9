//! Casts, activations, and what is counted on the device.

use super::{Body, Built};
use crate::graph::{Attr, Dim, ValueId};

/// <https://onnx.ai/onnx/operators/onnx__CastLike.html>
pub(super) fn cast_like(body: &mut Body<'_>) -> Built {
    let (x, like) = (body.input(0)?, body.input(1)?);
    let dtype = body.graph.value(like).dtype.ok_or("the type to cast to is not known")?;
    let saturate = body.int("saturate", 1)?;
    let mode = body.node.str("round_mode", "up").map_err(|_| "its rounding mode is no text")?.to_owned();
    let attrs =
        [("to", Attr::Int(dtype.to_onnx().into())), ("saturate", Attr::Int(saturate)), ("round_mode", Attr::Str(mode))];
    Ok(vec![body.op_with("Cast", &[x], attrs)])
}

/// <https://onnx.ai/onnx/operators/onnx__Swish.html>: `x * sigmoid(alpha * x)`.
pub(super) fn swish(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    Ok(vec![swish_of(body, x)?])
}

/// <https://onnx.ai/onnx/operators/onnx__SwiGLU.html>: the Swish of one input times the other, of the same shape.
pub(super) fn swiglu(body: &mut Body<'_>) -> Built {
    let (gate, linear) = (body.input(0)?, body.input(1)?);
    let shapes = [gate, linear].map(|id| body.graph.value(id).shape.as_ref());
    if let [Some(a), Some(b)] = shapes
        && (a.len() != b.len()
            || a.iter().zip(b).any(|(a, b)| matches!((a, b), (Dim::Known(a), Dim::Known(b)) if a != b)))
    {
        return Err("its inputs are of different shapes");
    }
    let gate = swish_of(body, gate)?;
    Ok(vec![body.op("Mul", &[gate, linear])])
}

fn swish_of(body: &mut Body<'_>, x: ValueId) -> Result<ValueId, &'static str> {
    let alpha = body.float("alpha", 1.0)?;
    let scaled = if alpha == 1.0 {
        x
    } else {
        let alpha = body.number_like(alpha, x)?;
        body.op("Mul", &[x, alpha])
    };
    let gate = body.op("Sigmoid", &[scaled]);
    Ok(body.op("Mul", &[x, gate]))
}

/// <https://onnx.ai/onnx/operators/onnx__NonZero.html>: how many there are, then which.
pub(super) fn non_zero(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let offsets = body.op_of("fascine", "NonZeroCount", &[x]);
    let count = body.next_output();
    Ok(vec![body.op_of("fascine", "NonZeroIndices", &[x, offsets, count])])
}
