//! Normalisations.

use super::{Body, Built};
use crate::graph::ValueId;

/// A tensor, normalised.
struct Normal {
    /// `(x - mean) / sqrt(variance + epsilon)`, of the type of x.
    value: ValueId,
    /// f32, along with the next.
    mean: ValueId,
    variance: ValueId,
}

/// Normalises over the axes, in f32.
fn normalise(body: &mut Body<'_>, given: ValueId, x: ValueId, axes: &[i64]) -> Result<Normal, &'static str> {
    let dtype = body.dtype(given)?;
    let x = body.widened(x, dtype)?;
    let mean = body.mean(x, axes);
    let centred = body.op("Sub", &[x, mean]);
    let square = body.op("Mul", &[centred, centred]);
    let variance = body.mean(square, axes);
    let epsilon = body.float("epsilon", 1e-5)?;
    let epsilon = body.number(epsilon);
    let shifted = body.op("Add", &[variance, epsilon]);
    let deviation = body.op("Sqrt", &[shifted]);
    let value = body.op("Div", &[centred, deviation]);
    Ok(Normal { value: body.narrowed(value, dtype)?, mean, variance })
}

/// <https://onnx.ai/onnx/operators/onnx__BatchNormalization.html> in training mode: by the statistics of the batch itself, with
/// which those that run along are mixed.
pub(super) fn batch_normalization(body: &mut Body<'_>) -> Built {
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
    let normal = normalise(body, x, x, &axes)?;
    let scaled = body.op("Mul", &[normal.value, scale]);
    let mut outputs = vec![body.op("Add", &[scaled, bias])];
    for (i, own) in [(3, normal.mean), (4, normal.variance)] {
        if !body.names(i - 2) {
            break;
        }
        let running = body.input(i)?;
        let dtype = body.dtype(running)?;
        let momentum = body.float("momentum", 0.9)?;
        let (kept, taken) = (body.number(momentum), body.number(1.0 - momentum));
        let wide = body.widened(running, dtype)?;
        let own = body.reshape(own, vec![-1])?;
        let (old, new) = (body.op("Mul", &[wide, kept]), body.op("Mul", &[own, taken]));
        let mixed = body.op("Add", &[old, new]);
        outputs.push(body.narrowed(mixed, dtype)?);
    }
    Ok(outputs)
}

/// <https://onnx.ai/onnx/operators/onnx__RMSNormalization.html>: over all axes from `axis` on.
pub(super) fn rms_normalization(body: &mut Body<'_>) -> Built {
    let (x, scale) = (body.input(0)?, body.input(1)?);
    let axis = body.node.int("axis", -1).map_err(|_| "axis is no number")?;
    let end = if axis < 0 { 0 } else { body.rank(x)? };
    // A tensor has at most 64 dimensions.
    if axis >= end || axis < -64 {
        return Err("its axis is not one of its input");
    }
    let axes: Vec<i64> = (axis..end).collect();
    let dtype = body.dtype(x)?;
    let wide = body.widened(x, dtype)?;
    let square = body.op("Mul", &[wide, wide]);
    let mean = body.mean(square, &axes);
    let epsilon = body.float("epsilon", 1e-5)?;
    let epsilon = body.number(epsilon);
    let shifted = body.op("Add", &[mean, epsilon]);
    let root = body.op("Sqrt", &[shifted]);
    let normal = body.op("Div", &[wide, root]);
    let normal = body.narrowed(normal, dtype)?;
    Ok(vec![body.op("Mul", &[normal, scale])])
}

/// <https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html>: of each channel of each instance.
pub(super) fn instance_normalization(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let rank = body.rank(x)?;
    if rank < 3 {
        return Err("its input has fewer than three dimensions");
    }
    let (scale, bias) = (body.per_channel(1, rank)?, body.per_channel(2, rank)?);
    let axes: Vec<i64> = (2..rank).collect();
    let normal = normalise(body, x, x, &axes)?;
    let scaled = body.op("Mul", &[normal.value, scale]);
    Ok(vec![body.op("Add", &[scaled, bias])])
}

/// <https://onnx.ai/onnx/operators/onnx__GroupNormalization.html>: scale and bias are of a group up to opset 20, then of a
/// channel.
pub(super) fn group_normalization(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let rank = body.rank(x)?;
    let groups = body.node.int("num_groups", 0).map_err(|_| "num_groups is no number")?;
    if rank < 3 || groups < 1 {
        return Err("its input has fewer than three dimensions, or it no groups");
    }
    let grouped = grouped(body, x, rank, groups)?;
    let mut result = normalise(body, x, grouped, &[2])?.value;
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
        result = body.op("Add", &[scaled, bias]);
    }
    Ok(vec![result])
}

/// `[instances, groups, elements]`.
fn grouped(body: &mut Body<'_>, x: ValueId, rank: i64, groups: i64) -> Result<ValueId, &'static str> {
    match body.dim(x, 1) {
        Some(channels) if channels as i64 % groups == 0 => return body.reshape(x, vec![0, groups, -1]),
        Some(_) => return Err("its groups do not divide the channels"),
        None => {}
    }
    // A shape that only fits if the groups divide the channels.
    let (instances, count) = (body.sizes(x, 0, 1), body.ints(vec![groups])?);
    let channels = body.sizes(x, 1, 2);
    let mut elements = body.op("Div", &[channels, count]);
    for axis in 2..rank {
        let size = body.sizes(x, axis, axis + 1);
        elements = body.op("Mul", &[elements, size]);
    }
    let shape = body.concat(&[instances, count, elements], 0);
    Ok(body.op("Reshape", &[x, shape]))
}

/// <https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html>: 1e-9 is added to the deviation.
pub(super) fn mean_variance_normalization(body: &mut Body<'_>) -> Built {
    let x = body.input(0)?;
    let axes = body.node.ints("axes").map_err(|_| "axes are no list")?.unwrap_or(&[0, 2, 3]).to_vec();
    let dtype = body.dtype(x)?;
    let x = body.widened(x, dtype)?;
    let mean = body.mean(x, &axes);
    let centred = body.op("Sub", &[x, mean]);
    let square = body.op("Mul", &[centred, centred]);
    let variance = body.mean(square, &axes);
    let deviation = body.op("Sqrt", &[variance]);
    let epsilon = body.number(1e-9);
    let shifted = body.op("Add", &[deviation, epsilon]);
    let normal = body.op("Div", &[centred, shifted]);
    Ok(vec![body.narrowed(normal, dtype)?])
}
