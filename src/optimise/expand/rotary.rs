//! Rotary position embedding.

use super::{Body, Built};
use crate::graph::{Attr, ValueId};

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
    let mut result = body.op_of("fascine", "Rotary", &[x, cos, sin]);
    let interleaved = body.int("interleaved", 0)?;
    if let Some(node) = body.nodes.last_mut() {
        let attrs = [("interleaved", interleaved.signum().abs()), ("turned", turned)];
        node.attrs = attrs.map(|(name, value)| (name.to_owned(), Attr::Int(value))).into();
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
