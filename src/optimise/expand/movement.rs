//! Operators that choose elements.

use super::{Body, Built};
use crate::graph::{Attr, Value, ValueId};
use crate::tensor::Tensor;

/// <https://onnx.ai/onnx/operators/onnx__Compress.html>: elements at the indices whose condition holds.
pub(super) fn compress(body: &mut Body<'_>) -> Built {
    let (x, condition) = (body.input(0)?, body.input(1)?);
    let flat = body.ints(vec![-1])?;
    let (x, axis) = match body.node.attrs.get("axis") {
        None => (body.op("Reshape", &[x, flat]), 0),
        Some(Attr::Int(axis)) => (x, *axis),
        Some(_) => return Err("axis is no number"),
    };
    let coordinates = body.op("NonZero", &[condition]);
    let indices = body.op("Reshape", &[coordinates, flat]);
    Ok(vec![body.op_with("Gather", &[x, indices], [("axis", Attr::Int(axis))])])
}

/// <https://onnx.ai/onnx/operators/onnx__Hardmax.html>: of the dimensions from the axis on as one before opset 13.
pub(super) fn hardmax(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let whole = body.node.opset < 13;
    let axis = body.node.int("axis", if whole { 1 } else { -1 }).map_err(|_| "axis is no number")?;
    let values = Tensor::rounded(body.dtype(x)?, [2], vec![0.0, 1.0]);
    let values = body.constant(values.map_err(|_| "its input is none of f32, f16 and bf16")?);
    let (rows, at) = match whole {
        true => (body.op_with("Flatten", &[x], [("axis", Attr::Int(axis))]), 1),
        false => (x, axis),
    };
    let top = body.op_with("ArgMax", &[rows], [("axis", Attr::Int(at)), ("keepdims", Attr::Int(0))]);
    let shape = body.op("Shape", &[rows]);
    let at_axis = body.constant(Tensor::scalar(at));
    let depth = body.op("Gather", &[shape, at_axis]);
    let ones = body.op_with("OneHot", &[top, depth, values], [("axis", Attr::Int(at))]);
    if !whole {
        return Ok(vec![ones]);
    }
    let shape = body.op("Shape", &[x]);
    Ok(vec![body.op("Reshape", &[ones, shape])])
}

impl Body<'_> {
    /// A node of domain `fascine` with these outputs.
    fn stage<const N: usize>(&mut self, op: &str, inputs: &[Option<ValueId>]) -> [ValueId; N] {
        let attrs = self.node.attrs.clone();
        let first = self.op_of("fascine", op, &[]);
        let rest: Vec<ValueId> = (1..N)
            .map(|k| {
                self.graph.add_value(Value { name: format!("{}/{op}_output_{k}", self.node.name), ..Value::default() })
            })
            .collect();
        if let Some(node) = self.nodes.last_mut() {
            node.attrs = attrs;
            node.inputs = inputs.to_vec();
            node.outputs.extend(rest.iter().copied().map(Some));
        }
        std::array::from_fn(|k| if k == 0 { first } else { rest[k - 1] })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Unique.html>: how many kinds there are, then which.
pub(super) fn unique(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let [order, kinds, rank, count] = body.stage("UniqueOrder", &[Some(x)]);
    let inputs = [x, order, kinds, rank, count].map(Some);
    Ok(body.stage::<4>("UniqueTake", &inputs).to_vec())
}

/// <https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html>: how many boxes there are, then which.
pub(super) fn non_max_suppression(body: &mut Body<'_>) -> Built {
    let scores = body.input(1)?;
    let inputs = body.node.inputs.clone();
    let [selected, offsets, count] = body.stage("NonMaxSuppressionSelect", &inputs);
    let inputs = [scores, selected, offsets, count].map(Some);
    Ok(body.stage::<1>("NonMaxSuppressionWrite", &inputs).to_vec())
}
