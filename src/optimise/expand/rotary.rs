//! Rotary position embedding.

use super::{Body, Built};
use crate::graph::ValueId;

/// <https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html>: pairs of elements are turned by the angle of their position.
pub(super) fn rotary_embedding(body: &mut Body<'_>) -> Built {
    let given = body.input(0)?;
    let rank = body.rank(given)?;
    let (turned, heads) = (body.int("rotary_embedding_dim", 0)?, body.int("num_heads", 0)?);
    if !(rank == 4 || rank == 3 && heads > 0) {
        return Err("its input has not four dimensions, and no heads with three");
    }
    if turned < 0 || turned % 2 != 0 {
        return Err("its rotary_embedding_dim is odd or negative");
    }
    let size = if rank == 4 { body.dim(given, 3) } else { body.dim(given, 2).map(|size| size / heads as usize) };
    if size.is_some_and(|size| (size as i64) < turned || turned == 0 && size % 2 != 0) {
        return Err("more elements are turned than there are, or an odd number");
    }
    // [batch, sequence, heads, elements], or [batch, heads, sequence, elements].
    let x = if rank == 3 { body.reshape(given, vec![0, 0, heads, -1])? } else { given };
    let angle_axis = if rank == 3 { 2 } else { 1 };
    let half = if turned > 0 { Some(turned as usize / 2) } else { size.map(|size| size / 2) };
    let cos = angles(body, 1, angle_axis, half)?;
    let sin = angles(body, 2, angle_axis, half)?;
    let partial = turned > 0 && size != Some(turned as usize);
    let pairs = if partial { slice(body, x, 0, turned, 1)? } else { x };
    let interleaved = body.int("interleaved", 0)? != 0;
    let (a, b) = if interleaved {
        (slice(body, pairs, 0, i64::MAX, 2)?, slice(body, pairs, 1, i64::MAX, 2)?)
    } else {
        halves(body, pairs)
    };
    let product = |body: &mut Body<'_>, x, y| body.op("Mul", &[x, y]);
    let (left, right) = (product(body, cos, a), product(body, sin, b));
    let real = body.op("Sub", &[left, right]);
    let (left, right) = (product(body, sin, a), product(body, cos, b));
    let imaginary = body.op("Add", &[left, right]);
    let mut result = if interleaved {
        let (real, imaginary) = (body.unsqueeze(real, vec![-1])?, body.unsqueeze(imaginary, vec![-1])?);
        let both = body.concat(&[real, imaginary], -1);
        let shape = body.op("Shape", &[pairs]);
        body.op("Reshape", &[both, shape])
    } else {
        body.concat(&[real, imaginary], -1)
    };
    if partial {
        let rest = slice(body, x, turned, i64::MAX, 1)?;
        result = body.concat(&[result, rest], -1);
    }
    if rank == 3 {
        let shape = body.op("Shape", &[given]);
        result = body.op("Reshape", &[result, shape]);
    }
    Ok(vec![result])
}

/// Cosines or sines of the positions, `[batch, sequence, half]`, with an axis for the heads.
fn angles(body: &mut Body<'_>, i: usize, axis: i64, half: Option<usize>) -> Result<ValueId, &'static str> {
    let table = body.input(i)?;
    let positions = body.optional(3);
    let rank = body.rank(table)?;
    if rank != if positions.is_some() { 2 } else { 3 } {
        return Err("a table of angles has another number of dimensions");
    }
    let columns = body.dim(table, rank as usize - 1);
    if columns.zip(half).is_some_and(|(columns, half)| columns != half) {
        return Err("a table of angles has not one for each pair");
    }
    let rows = positions.map_or(table, |positions| body.op("Gather", &[table, positions]));
    body.unsqueeze(rows, vec![axis])
}

/// A part of the last axis.
fn slice(body: &mut Body<'_>, x: ValueId, start: i64, end: i64, step: i64) -> Result<ValueId, &'static str> {
    let (start, end) = (body.ints(vec![start])?, body.ints(vec![end])?);
    let (axes, step) = (body.ints(vec![-1])?, body.ints(vec![step])?);
    Ok(body.op("Slice", &[x, start, end, axes, step]))
}

/// The halves of the last axis.
fn halves(body: &mut Body<'_>, x: ValueId) -> (ValueId, ValueId) {
    let first = body.op_set("Split", &[x], &[("axis", -1)]);
    let second = body.next_output();
    (first, second)
}
