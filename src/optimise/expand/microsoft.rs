//! Operators of onnxruntime's domain `com.microsoft`, as
//! <https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md> has them: fused products, activations and norms.

use super::{Body, Built};
use crate::graph::{Attr, ValueId};

/// The epsilon of norms that have no attribute of that name.
const EPSILON: f32 = 1e-12;

/// `alpha * a * b`, each perhaps transposed in its last two dimensions.
pub(super) fn fused_matmul(body: &mut Body<'_>) -> Built {
    if body.int("transBatchA", 0)? != 0 || body.int("transBatchB", 0)? != 0 {
        return Err("it exchanges batch dimensions");
    }
    let (mut a, mut b) = (body.input(0)?, body.input(1)?);
    if body.int("transA", 0)? != 0 {
        a = turned(body, a)?;
    }
    if body.int("transB", 0)? != 0 {
        b = turned(body, b)?;
    }
    let alpha = body.float("alpha", 1.0)?;
    let product = body.op("MatMul", &[a, b]);
    if alpha == 1.0 {
        return Ok(vec![product]);
    }
    let alpha = body.number_like(alpha, body.input(0)?)?;
    Ok(vec![body.op("Mul", &[product, alpha])])
}

/// The last two dimensions exchanged; a vector as it is.
fn turned(body: &mut Body<'_>, x: ValueId) -> Result<ValueId, &'static str> {
    let rank = body.rank(x)?;
    if rank < 2 {
        return Ok(x);
    }
    let mut order: Vec<i64> = (0..rank).collect();
    order.swap(rank as usize - 2, rank as usize - 1);
    Ok(body.op_with("Transpose", &[x], [("perm", Attr::Ints(order))]))
}

fn gelu_of(body: &mut Body<'_>, x: ValueId, approximate: &str) -> ValueId {
    body.op_with("Gelu", &[x], [("approximate", Attr::Str(approximate.to_owned()))])
}

/// Gelu by the error function.
pub(super) fn gelu(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    Ok(vec![gelu_of(body, x, "none")])
}

/// Gelu of the sum of both inputs.
pub(super) fn bias_gelu(body: &mut Body<'_>) -> Built {
    let (x, bias) = (body.input(0)?, body.input(1)?);
    let sum = body.op("Add", &[x, bias]);
    Ok(vec![gelu_of(body, sum, "none")])
}

/// Gelu by tanh, of the sum with the bias, if there is one.
pub(super) fn fast_gelu(body: &mut Body<'_>) -> Built {
    let mut x = body.input(0)?;
    if let Some(bias) = body.optional(1) {
        x = body.op("Add", &[x, bias]);
    }
    Ok(vec![gelu_of(body, x, "tanh")])
}

/// `x * sigmoid(alpha * x)`.
pub(super) fn quick_gelu(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let alpha = body.float("alpha", 1.702)?;
    let alpha = body.number_like(alpha, x)?;
    let scaled = body.op("Mul", &[x, alpha]);
    let gate = body.op("Sigmoid", &[scaled]);
    Ok(vec![body.op("Mul", &[x, gate])])
}

/// The sum of what is normalised.
fn skip_sum(body: &mut Body<'_>, bias: usize) -> Result<ValueId, &'static str> {
    let (x, skip) = (body.input(0)?, body.input(1)?);
    let sum = body.op("Add", &[x, skip]);
    Ok(body.optional(bias).map_or(sum, |bias| body.op("Add", &[sum, bias])))
}

/// LayerNormalization of a sum, which is the fourth output.
pub(super) fn skip_layer_normalization(body: &mut Body<'_>) -> Built {
    let (gamma, epsilon) = (body.input(2)?, body.float("epsilon", EPSILON)?);
    let sum = skip_sum(body, 4)?;
    let beta = body.optional(3);
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(epsilon))];
    let y = body.op_since("LayerNormalization", 17, &[Some(sum), Some(gamma), beta], &attrs);
    let (mut mean, mut deviation) = (y, y);
    if body.names(1) || body.names(2) {
        (mean, deviation) = (body.next_output(), body.next_output());
    }
    Ok(vec![y, mean, deviation, sum])
}

/// RMSNormalization of a sum, which is the fourth output.
pub(super) fn skip_simplified_layer_normalization(body: &mut Body<'_>) -> Built {
    if body.names(1) || body.names(2) {
        return Err("mean or deviation is an output");
    }
    let (gamma, epsilon) = (body.input(2)?, body.float("epsilon", EPSILON)?);
    let sum = skip_sum(body, 3)?;
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(epsilon))];
    let y = body.op_since("RMSNormalization", 23, &[Some(sum), Some(gamma)], &attrs);
    Ok(vec![y, y, y, sum])
}

/// RMSNormalization by its name before opset 23, in either domain.
pub(super) fn simplified_layer_normalization(body: &mut Body<'_>) -> Built {
    let (x, scale) = (body.input(0)?, body.input(1)?);
    let (axis, epsilon) = (body.int("axis", -1)?, body.float("epsilon", 1e-5)?);
    let attrs = [("axis", Attr::Int(axis)), ("epsilon", Attr::Float(epsilon))];
    Ok(vec![body.op_since("RMSNormalization", 23, &[Some(x), Some(scale)], &attrs)])
}

/// LayerNormalization of the sum of a word's, its place's and its segment's vectors; the sum is the third output, the number of tokens
/// that a mask keeps the second.
pub(super) fn embed_layer_normalization(body: &mut Body<'_>) -> Built {
    let (ids, words, places) = (body.input(0)?, body.input(2)?, body.input(3)?);
    let words = body.op("Gather", &[words, ids]);
    let places = match body.optional(8) {
        Some(positions) => body.op("Gather", &[places, positions]),
        None => {
            let (start, length, axis) = (body.ints(vec![0])?, body.sizes(ids, 1, 2), body.ints(vec![0])?);
            body.op("Slice", &[places, start, length, axis])
        }
    };
    let mut sum = body.op("Add", &[words, places]);
    match (body.optional(1), body.optional(4)) {
        (Some(segments), Some(table)) => {
            let rows = body.op("Gather", &[table, segments]);
            sum = body.op("Add", &[sum, rows]);
        }
        (None, None) => {}
        _ => return Err("only one of segments and their vectors is given"),
    }
    let (gamma, beta, epsilon) = (body.input(5)?, body.input(6)?, body.float("epsilon", EPSILON)?);
    let attrs = [("axis", Attr::Int(-1)), ("epsilon", Attr::Float(epsilon))];
    let y = body.op_since("LayerNormalization", 17, &[Some(sum), Some(gamma), Some(beta)], &attrs);
    let mut counts = y;
    if body.names(1) {
        let mask = body.optional(7).ok_or("the number of tokens is an output, and there is no mask")?;
        let axes = body.ints(vec![1])?;
        counts = body.op_set("ReduceSum", &[mask, axes], &[("keepdims", 0)]);
    }
    Ok(vec![y, counts, sum])
}

/// Conv, a sum with the fourth input, and an activation.
pub(super) fn fused_conv(body: &mut Body<'_>) -> Built {
    let (x, w) = (body.input(0)?, body.input(1)?);
    let names = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
    let attrs: Vec<(&str, Attr)> =
        names.iter().filter_map(|&name| Some((name, body.node.attrs.get(name)?.clone()))).collect();
    let bias = body.optional(2);
    let mut y = body.op_since("Conv", 11, &[Some(x), Some(w), bias], &attrs);
    if let Some(residual) = body.optional(3) {
        y = body.op("Add", &[y, residual]);
    }
    let numbers = match body.node.attrs.get("activation_params") {
        Some(Attr::Floats(numbers)) => numbers.clone(),
        None => Vec::new(),
        Some(_) => return Err("activation_params is no list of numbers"),
    };
    let number = |i: usize, default: f32| Attr::Float(numbers.get(i).copied().unwrap_or(default));
    let activation = body.node.str("activation", "").map_err(|_| "activation is no string")?.to_owned();
    let result = match activation.as_str() {
        "" => y,
        "Relu" | "Sigmoid" | "Tanh" => body.op(&activation, &[y]),
        "LeakyRelu" => body.op_with("LeakyRelu", &[y], [("alpha", number(0, 0.01))]),
        "HardSigmoid" => body.op_with("HardSigmoid", &[y], [("alpha", number(0, 0.2)), ("beta", number(1, 0.5))]),
        "Clip" => match numbers.as_slice() {
            &[low, high] => {
                let (low, high) = (body.number_like(low, x)?, body.number_like(high, x)?);
                body.op("Clip", &[y, low, high])
            }
            _ => return Err("its Clip has not two bounds"),
        },
        _ => return Err("its activation is not known"),
    };
    Ok(vec![result])
}
