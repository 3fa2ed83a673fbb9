//! Transforms of frames.

use super::{Body, Built};
use crate::graph::Attr;

/// <https://onnx.ai/onnx/operators/onnx__STFT.html>: ours has the inputs that the host must know behind the others.
pub(super) fn stft(body: &mut Body<'_>) -> Built {
    let (signal, step) = (body.input(0)?, body.input(1)?);
    let (window, length) = (body.optional(2), body.optional(3));
    let onesided = body.int("onesided", 1)?;
    let result = body.op_with("STFT", &[], [("onesided", Attr::Int(onesided))]);
    if let Some(node) = body.nodes.last_mut() {
        node.domain = "fascine".to_owned();
        node.inputs = vec![Some(signal), window, Some(step), length];
    }
    Ok(vec![result])
}
