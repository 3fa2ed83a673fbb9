//! Operators on quantised tensors as operators on what these stand for.

use super::{Body, Built};
use crate::graph::{Attr, ValueId};
use crate::tensor::DType;

type Made = Result<ValueId, &'static str>;

/// What the quantised input `i` stands for, by the scale and zero point behind it.
fn dequantised(body: &mut Body<'_>, i: usize) -> Made {
    let (x, scale) = (body.input(i)?, body.input(i + 1)?);
    let inputs = [Some(x), Some(scale), body.optional(i + 2)];
    Ok(body.op_since("DequantizeLinear", 13, &inputs, &[]))
}

/// `x` quantised by the scale at input `i` and the zero point behind it, to the type of `like`.
fn quantised(body: &mut Body<'_>, x: ValueId, i: usize, like: ValueId) -> Built {
    let scale = body.input(i)?;
    let code = match body.dtype(like)? {
        DType::U8 => 2,
        DType::I8 => 3,
        _ => return Err("its input is neither u8 nor i8"),
    };
    let inputs = [Some(x), Some(scale), body.optional(i + 1)];
    Ok(vec![body.op_since("QuantizeLinear", 21, &inputs, &[("output_dtype", Attr::Int(code))])])
}

/// One operator of two quantised tensors.
fn binary(body: &mut Body<'_>, op: &str) -> Built {
    let like = body.input(0)?;
    let (a, b) = (dequantised(body, 0)?, dequantised(body, 3)?);
    let result = body.op(op, &[a, b]);
    quantised(body, result, 6, like)
}

/// One operator of one quantised tensor.
fn unary(body: &mut Body<'_>, opset: i64, op: &str, attrs: &[(&str, Attr)]) -> Built {
    let like = body.input(0)?;
    let x = dequantised(body, 0)?;
    let result = body.op_since(op, opset, &[Some(x)], attrs);
    quantised(body, result, 3, like)
}

/// `com.microsoft.QLinearAdd`.
pub(super) fn qlinear_add(body: &mut Body<'_>) -> Built {
    binary(body, "Add")
}

/// `com.microsoft.QLinearMul`.
pub(super) fn qlinear_mul(body: &mut Body<'_>) -> Built {
    binary(body, "Mul")
}

/// `com.microsoft.QLinearSigmoid`.
pub(super) fn qlinear_sigmoid(body: &mut Body<'_>) -> Built {
    unary(body, 13, "Sigmoid", &[])
}

/// `com.microsoft.QLinearLeakyRelu`.
pub(super) fn qlinear_leaky_relu(body: &mut Body<'_>) -> Built {
    let alpha = body.float("alpha", 0.01)?;
    unary(body, 16, "LeakyRelu", &[("alpha", Attr::Float(alpha))])
}

/// `com.microsoft.QLinearSoftmax`, by the rules of the opset that its attribute names.
pub(super) fn qlinear_softmax(body: &mut Body<'_>) -> Built {
    let (opset, axis) = (body.int("opset", 13)?, body.int("axis", -1)?);
    unary(body, opset, "Softmax", &[("axis", Attr::Int(axis))])
}

/// `com.microsoft.QLinearGlobalAveragePool`, of channels before the axes that are pooled.
pub(super) fn qlinear_global_average_pool(body: &mut Body<'_>) -> Built {
    if body.int("channels_last", 0)? != 0 {
        return Err("its channels come last");
    }
    unary(body, 13, "GlobalAveragePool", &[])
}

/// `com.microsoft.QLinearAveragePool`, of channels before the axes that are pooled.
pub(super) fn qlinear_average_pool(body: &mut Body<'_>) -> Built {
    if body.int("channels_last", 0)? != 0 {
        return Err("its channels come last");
    }
    let attrs: Vec<(String, Attr)> = body
        .node
        .attrs
        .iter()
        .filter(|(name, _)| *name != "channels_last")
        .map(|(n, a)| (n.clone(), a.clone()))
        .collect();
    let attrs: Vec<(&str, Attr)> = attrs.iter().map(|(name, attr)| (name.as_str(), attr.clone())).collect();
    unary(body, 11, "AveragePool", &attrs)
}

/// `com.microsoft.QLinearConcat`: scale and zero point of the result come first.
pub(super) fn qlinear_concat(body: &mut Body<'_>) -> Built {
    let count = body.node.inputs.len();
    if count < 5 || count % 3 != 2 {
        return Err("its inputs are not a tensor, a scale and a zero point each");
    }
    let (like, axis) = (body.input(2)?, body.int("axis", 1)?);
    let parts = (2..count).step_by(3).map(|i| dequantised(body, i)).collect::<Result<Vec<_>, _>>()?;
    let whole = body.concat(&parts, axis);
    quantised(body, whole, 0, like)
}

/// `com.microsoft.QGemm`: the exact sums with a bias of i32, as f32 or quantised.
pub(super) fn qgemm(body: &mut Body<'_>) -> Built {
    let (mut a, mut b) = (body.input(0)?, body.input(3)?);
    if body.int("transA", 0)? != 0 {
        a = body.transpose(a, [1, 0]);
    }
    if body.int("transB", 0)? != 0 {
        b = body.transpose(b, [1, 0]);
    }
    let (a_zero, b_zero) = (body.input(2)?, body.input(5)?);
    let mut sums = body.op("MatMulInteger", &[a, b, a_zero, b_zero]);
    if let Some(bias) = body.optional(6) {
        sums = body.op("Add", &[sums, bias]);
    }
    let (a_scale, b_scale, alpha) = (body.input(1)?, body.input(4)?, body.float("alpha", 1.0)?);
    let alpha = body.number(alpha);
    let scale = body.op("Mul", &[alpha, a_scale]);
    let mut scale = body.op("Mul", &[scale, b_scale]);
    let result = body.optional(7);
    if let Some(result) = result {
        scale = body.op("Div", &[scale, result]);
    }
    let sums = body.cast(sums, DType::F32)?;
    let product = body.op("Mul", &[sums, scale]);
    let Some(_) = result else { return Ok(vec![product]) };
    let (one, zero) = (body.number(1.0), body.input(8)?);
    Ok(vec![body.op("QuantizeLinear", &[product, one, zero])])
}
