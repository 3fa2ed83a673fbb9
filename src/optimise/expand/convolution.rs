//! Convolutions that go on where the last call ended.

use super::{Body, Built};
use crate::graph::Attr;
use crate::tensor::Tensor;

/// <https://onnx.ai/onnx/operators/onnx__CausalConvWithState.html>: a depthwise convolution behind the state, the last elements of
/// what came before.
pub(super) fn causal_conv_with_state(body: &mut Body<'_>) -> Built {
    let (x, weight) = (body.input(0)?, body.input(1)?);
    let known = body.dim(weight, 0).zip(body.dim(weight, 2)).filter(|&(_, size)| size > 0);
    let (channels, size) = known.ok_or("the shape of its kernel is not known, or it is empty")?;
    let activation = body.node.str("activation", "none").map_err(|_| "its activation is no text")?.to_owned();
    let state = body.ints(vec![size as i64 - 1])?;
    let past = match body.optional(3) {
        Some(past) => past,
        None => {
            let rows = body.sizes(x, 0, 2);
            let shape = body.concat(&[rows, state], 0);
            let zero = Tensor::rounded(body.dtype(x)?, [1], vec![0.0]);
            let zero = zero.map_err(|_| "its input is none of f32, f16 and bf16")?;
            body.op_with("ConstantOfShape", &[shape], [("value", Attr::Tensor(zero))])
        }
    };
    let padded = body.concat(&[past, x], 2);
    let mut inputs = vec![padded, weight];
    inputs.extend(body.optional(2));
    let mut result = body.op_set("Conv", &inputs, &[("group", channels as i64)]);
    match activation.as_str() {
        "none" => {}
        "silu" | "swish" => {
            // In f32, as it is defined.
            let dtype = body.dtype(x)?;
            let wide = body.widened(result, dtype)?;
            let gate = body.op("Sigmoid", &[wide]);
            let product = body.op("Mul", &[wide, gate]);
            result = body.narrowed(product, dtype)?;
        }
        _ => return Err("its activation is none of none, silu and swish"),
    }
    let length = body.sizes(padded, 2, 3);
    let start = body.op("Sub", &[length, state]);
    let axes = body.ints(vec![2])?;
    let present = body.op("Slice", &[padded, start, length, axes]);
    Ok(vec![result, present])
}
