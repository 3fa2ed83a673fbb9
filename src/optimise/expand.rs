//! Operators without kernels of their own as nodes of operators that have them, by the function bodies of the ONNX standard.

use super::matcher::{Attempt, input, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Graph, Node, Value, ValueId};
use crate::ops::{Operators, lookup};
use crate::tensor::{DType, Tensor};

/// An operator that is other operators.
#[derive(Debug)]
pub struct ExpandOperators;

/// What a body says if it does not apply.
type Built = Result<(), &'static str>;

/// Operator, and what builds its body.
const BODIES: &[(&str, fn(&mut Body<'_>) -> Built)] = &[
    ("BatchNormalization", batch_normalization),
    ("CastLike", cast_like),
    ("GroupNormalization", group_normalization),
    ("InstanceNormalization", instance_normalization),
    ("MeanVarianceNormalization", mean_variance_normalization),
    ("NonZero", non_zero),
    ("RMSNormalization", rms_normalization),
    ("Swish", swish),
];

impl Rewrite for ExpandOperators {
    fn name(&self) -> &'static str {
        "ExpandOperators"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| {
            let node = &graph.nodes[index];
            let body = BODIES.iter().find(|(op, _)| *op == node.op && node.domain.is_empty());
            // A BatchNormalization has kernels, but none for training.
            let lacks = |op: &str| lookup("", op).is_none() || op == "BatchNormalization";
            let Some((_, build)) = body.filter(|(op, _)| lacks(op)) else { return Attempt::No };
            let node = node.clone();
            let Some((Some(result), others)) = node.outputs.split_first() else { return Attempt::No };
            if !others.iter().flatten().all(|&id| matcher.used(id, 0)) {
                return Attempt::Near("more than its first output is read");
            }
            let mut body = Body { graph, node: &node, nodes: Vec::new() };
            match build(&mut body) {
                Err(reason) => Attempt::Near(reason),
                Ok(()) => {
                    let mut nodes = body.nodes;
                    *graph.functions.entry(node.op.clone()).or_insert(0) += 1;
                    if let Some(last) = nodes.last_mut() {
                        last.outputs = vec![Some(*result)];
                    }
                    Attempt::Fire { removed: Vec::new(), nodes }
                }
            }
        })
    }
}

/// The nodes that stand for `node`; the last one makes its output.
struct Body<'g> {
    graph: &'g mut Graph,
    node: &'g Node,
    nodes: Vec<Node>,
}

impl Body<'_> {
    fn input(&self, i: usize) -> Result<ValueId, &'static str> {
        input(self.node, i).ok_or("an input is missing")
    }

    fn op(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        self.op_with(op, inputs, [])
    }

    fn op_with<const N: usize>(&mut self, op: &str, inputs: &[ValueId], attrs: [(&str, Attr); N]) -> ValueId {
        let name = format!("{}/{op}_{}", self.node.name, self.nodes.len());
        let id = self.graph.add_value(Value { name: name.clone(), ..Value::default() });
        self.nodes.push(Node {
            name,
            op: op.to_owned(),
            opset: 13,
            attrs: attrs.into_iter().map(|(name, attr)| (name.to_owned(), attr)).collect(),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![Some(id)],
            ..Node::default()
        });
        id
    }

    fn op_of(&mut self, domain: &str, op: &str, inputs: &[ValueId]) -> ValueId {
        let id = self.op(op, inputs);
        if let Some(node) = self.nodes.last_mut() {
            node.domain = domain.to_owned();
        }
        id
    }

    fn number(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    fn ints(&mut self, values: Vec<i64>) -> Result<ValueId, &'static str> {
        let tensor = Tensor::new([values.len()], values).map_err(|_| "a list does not fill its shape")?;
        Ok(self.constant(tensor))
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("{}/constant_{}", self.node.name, self.graph.values.len());
        self.graph.add_constant(name, tensor)
    }

    fn mean(&mut self, x: ValueId, axes: &[i64]) -> ValueId {
        self.op_with("ReduceMean", &[x], [("axes", Attr::Ints(axes.to_vec())), ("keepdims", Attr::Int(1))])
    }

    fn epsilon(&self) -> Result<f32, &'static str> {
        self.node.float("epsilon", 1e-5).map_err(|_| "epsilon is no number")
    }

    fn rank(&self, id: ValueId) -> Result<i64, &'static str> {
        self.graph.value(id).shape.as_ref().map(|shape| shape.len() as i64).ok_or("the rank of its input is not known")
    }

    /// The vector at input `i` along axis 1 of a tensor of that rank.
    fn per_channel(&mut self, i: usize, rank: i64) -> Result<ValueId, &'static str> {
        let (vector, axes) = (self.input(i)?, self.ints((1..rank - 1).collect())?);
        Ok(if rank > 2 { self.op("Unsqueeze", &[vector, axes]) } else { vector })
    }

    /// `(x - mean x) / sqrt(mean (x - mean x)^2 + epsilon)` over the axes.
    fn normalise(&mut self, x: ValueId, axes: &[i64], epsilon: f32) -> ValueId {
        let mean = self.mean(x, axes);
        let centred = self.op("Sub", &[x, mean]);
        let square = self.op("Mul", &[centred, centred]);
        let variance = self.mean(square, axes);
        let epsilon = self.number(epsilon);
        let shifted = self.op("Add", &[variance, epsilon]);
        let deviation = self.op("Sqrt", &[shifted]);
        self.op("Div", &[centred, deviation])
    }
}

/// <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html> in training mode: by the statistics of the batch itself.
fn batch_normalization(body: &mut Body<'_>) -> Built {
    let trains = if body.node.opset < 14 {
        body.node.outputs.iter().skip(1).any(Option::is_some)
    } else {
        matches!(body.node.int("training_mode", 0), Ok(1))
    };
    if !trains {
        return Err("it is not in training mode");
    }
    if !matches!(body.node.int("spatial", 1), Ok(1)) {
        return Err("its statistics are of elements");
    }
    let x = body.input(0)?;
    let rank = body.rank(x)?;
    if rank < 2 {
        return Err("its input has no channels");
    }
    let (scale, bias) = (body.per_channel(1, rank)?, body.per_channel(2, rank)?);
    let axes: Vec<i64> = std::iter::once(0).chain(2..rank).collect();
    let epsilon = body.epsilon()?;
    let normal = body.normalise(x, &axes, epsilon);
    let scaled = body.op("Mul", &[normal, scale]);
    body.op("Add", &[scaled, bias]);
    Ok(())
}

/// <https://onnx.ai/onnx/operators/onnx__CastLike.html>
fn cast_like(body: &mut Body<'_>) -> Built {
    let (x, like) = (body.input(0)?, body.input(1)?);
    let dtype = body.graph.value(like).dtype.ok_or("the type to cast to is not known")?;
    let code = (1..=16).find(|&code| DType::from_onnx(code) == Some(dtype)).ok_or("the type has no number")?;
    body.op_with("Cast", &[x], [("to", Attr::Int(code.into()))]);
    Ok(())
}

/// <https://onnx.ai/onnx/operators/onnx__Swish.html>: `x * sigmoid(alpha * x)`.
fn swish(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let alpha = body.node.float("alpha", 1.0).map_err(|_| "alpha is no number")?;
    let scaled = if alpha == 1.0 {
        x
    } else {
        let alpha = body.number(alpha);
        body.op("Mul", &[x, alpha])
    };
    let gate = body.op("Sigmoid", &[scaled]);
    body.op("Mul", &[x, gate]);
    Ok(())
}

/// <https://onnx.ai/onnx/operators/onnx__NonZero.html>: how many there are, then which.
fn non_zero(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let offsets = body.op_of("fascine", "NonZeroCount", &[x]);
    let count = body.graph.add_value(Value { name: format!("{}/count", body.node.name), ..Value::default() });
    if let Some(node) = body.nodes.last_mut() {
        node.outputs.push(Some(count));
    }
    body.op_of("fascine", "NonZeroIndices", &[x, offsets, count]);
    Ok(())
}

/// <https://onnx.ai/onnx/operators/onnx__RMSNormalization.html>: over all axes from `axis` on.
fn rms_normalization(body: &mut Body<'_>) -> Built {
    let (x, scale) = (body.input(0)?, body.input(1)?);
    let axis = body.node.int("axis", -1).map_err(|_| "axis is no number")?;
    let end = if axis < 0 { 0 } else { body.rank(x)? };
    // A tensor has at most 64 dimensions.
    if axis >= end || axis < -64 {
        return Err("its axis is not one of its input");
    }
    let axes: Vec<i64> = (axis..end).collect();
    let epsilon = body.epsilon()?;
    let square = body.op("Mul", &[x, x]);
    let mean = body.mean(square, &axes);
    let epsilon = body.number(epsilon);
    let shifted = body.op("Add", &[mean, epsilon]);
    let root = body.op("Sqrt", &[shifted]);
    let normal = body.op("Div", &[x, root]);
    body.op("Mul", &[normal, scale]);
    Ok(())
}

/// <https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html>: of each channel of each instance.
fn instance_normalization(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let rank = body.rank(x)?;
    if rank < 3 {
        return Err("its input has fewer than three dimensions");
    }
    let (scale, bias) = (body.per_channel(1, rank)?, body.per_channel(2, rank)?);
    let axes: Vec<i64> = (2..rank).collect();
    let epsilon = body.epsilon()?;
    let normal = body.normalise(x, &axes, epsilon);
    let scaled = body.op("Mul", &[normal, scale]);
    body.op("Add", &[scaled, bias]);
    Ok(())
}

/// <https://onnx.ai/onnx/operators/onnx__GroupNormalization.html>: scale and bias are of a group up to opset 20, then of a
/// channel.
fn group_normalization(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let rank = body.rank(x)?;
    let groups = body.node.int("num_groups", 0).map_err(|_| "num_groups is no number")?;
    if rank < 3 || groups < 1 {
        return Err("its input has fewer than three dimensions, or it no groups");
    }
    let epsilon = body.epsilon()?;
    let grouped = body.ints(vec![0, groups, -1])?;
    let grouped = body.op("Reshape", &[x, grouped]);
    let mut result = body.normalise(grouped, &[2], epsilon);
    let by_group = body.node.opset < 21;
    if by_group {
        let (scale, bias) = (body.per_channel(1, 3)?, body.per_channel(2, 3)?);
        let scaled = body.op("Mul", &[result, scale]);
        result = body.op("Add", &[scaled, bias]);
    }
    let shape = body.op("Shape", &[x]);
    result = body.op("Reshape", &[result, shape]);
    if !by_group {
        let (scale, bias) = (body.per_channel(1, rank)?, body.per_channel(2, rank)?);
        let scaled = body.op("Mul", &[result, scale]);
        body.op("Add", &[scaled, bias]);
    }
    Ok(())
}

/// <https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html>: 1e-9 is added to the deviation.
fn mean_variance_normalization(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let axes = body.node.ints("axes").map_err(|_| "axes are no list")?.unwrap_or(&[0, 2, 3]).to_vec();
    let mean = body.mean(x, &axes);
    let centred = body.op("Sub", &[x, mean]);
    let square = body.op("Mul", &[centred, centred]);
    let variance = body.mean(square, &axes);
    let deviation = body.op("Sqrt", &[variance]);
    let epsilon = body.number(1e-9);
    let shifted = body.op("Add", &[deviation, epsilon]);
    body.op("Div", &[centred, shifted]);
    Ok(())
}
