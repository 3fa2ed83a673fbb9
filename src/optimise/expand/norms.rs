//! Norms over axes.

use super::{Body, Built};
use crate::graph::{Attr, ValueId};
use crate::tensor::{DType, Tensor};

/// <https://onnx.ai/onnx/operators/onnx__LpNormalization.html>: zeros where the norm is zero.
pub(super) fn lp_normalization(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let axis = body.node.int("axis", -1).map_err(|_| "axis is no number")?;
    let op = match body.node.int("p", 2) {
        Ok(1) => "ReduceL1",
        Ok(2) => "ReduceL2",
        _ => return Err("p is neither 1 nor 2"),
    };
    let norm = reduce(body, op, x, vec![axis]);
    let zero = number(body, x, 0.0);
    let is_zero = body.op("Equal", &[norm, zero]);
    let normal = body.op("Div", &[x, norm]);
    Ok(vec![body.op("Where", &[is_zero, zero, normal])])
}

/// <https://onnx.ai/onnx/operators/onnx_aionnxml_Normalizer.html>: rows as they are where the norm is zero. MAX is the largest
/// value with its sign, and does not count NaN, as in onnxruntime.
pub(super) fn normalizer(body: &mut Body<'_>) -> Built {
    let given = body.input(0)?;
    let x = match body.dtype(given)? {
        DType::F32 => given,
        DType::I32 | DType::I64 => body.cast(given, DType::F32)?,
        _ => return Err("its input is neither f32, i32 nor i64"),
    };
    let op = match body.node.str("norm", "MAX") {
        Ok("MAX") => "ReduceMax",
        Ok("L1") => "ReduceL1",
        Ok("L2") => "ReduceL2",
        _ => return Err("its norm is none of MAX, L1 and L2"),
    };
    let mut counted = x;
    if op == "ReduceMax" {
        let lowest = body.number(f32::MIN);
        let above = body.op("Greater", &[x, lowest]);
        counted = body.op("Where", &[above, x, lowest]);
    }
    let norm = reduce(body, op, counted, vec![-1]);
    let zero = body.number(0.0);
    let is_zero = body.op("Equal", &[norm, zero]);
    let normal = body.op("Div", &[x, norm]);
    Ok(vec![body.op("Where", &[is_zero, x, normal])])
}

/// <https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html>: the norm of each channel of each instance.
pub(super) fn global_lp_pool(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let rank = body.rank(x)?;
    if rank < 3 {
        return Err("its input has no axes to pool");
    }
    let power = match body.node.attrs.get("p") {
        Some(Attr::Float(power)) if body.node.opset < 2 => *power,
        None => 2.0,
        _ => body.node.int("p", 2).map_err(|_| "p is no number")? as f32,
    };
    let axes: Vec<i64> = (2..rank).collect();
    if power == 1.0 || power == 2.0 {
        let op = if power == 1.0 { "ReduceL1" } else { "ReduceL2" };
        return Ok(vec![reduce(body, op, x, axes)]);
    }
    if !(1.0..1e6).contains(&power) {
        return Err("p is below 1, or very large");
    }
    let (power, root) = (number(body, x, power), number(body, x, 1.0 / power));
    let size = body.op("Abs", &[x]);
    let terms = body.op("Pow", &[size, power]);
    let sum = reduce_sum(body, terms, axes)?;
    Ok(vec![body.op("Pow", &[sum, root])])
}

/// A number of the type that `x` has.
fn number(body: &mut Body<'_>, x: ValueId, value: f32) -> ValueId {
    let rounded = body.graph.value(x).dtype.and_then(|dtype| Tensor::rounded(dtype, [], vec![value]).ok());
    match rounded {
        Some(number) => body.constant(number),
        None => body.number(value),
    }
}

fn reduce(body: &mut Body<'_>, op: &str, x: ValueId, axes: Vec<i64>) -> ValueId {
    body.op_with(op, &[x], [("axes", Attr::Ints(axes)), ("keepdims", Attr::Int(1))])
}

fn reduce_sum(body: &mut Body<'_>, x: ValueId, axes: Vec<i64>) -> Result<ValueId, &'static str> {
    let axes = body.ints(axes)?;
    Ok(body.op_with("ReduceSum", &[x, axes], [("keepdims", Attr::Int(1))]))
}
