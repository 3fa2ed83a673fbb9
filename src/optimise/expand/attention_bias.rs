//! What attention adds to scores: a mask, and -inf where a key is not seen.

use super::Body;
use super::attention::Problem;
use crate::graph::ValueId;
use crate::tensor::{DType, Tensor};

/// A distance that no sequence reaches.
const FAR: i64 = 1 << 30;

/// What is added to scores.
#[derive(Clone, Copy)]
pub(super) struct Bias {
    pub(super) value: ValueId,
    /// Whether a row may be -inf throughout.
    pub(super) may_hide_all: bool,
}

/// The sum of what the node gives and asks for, if that is anything. `key` is all keys by head.
pub(super) fn bias(body: &mut Body<'_>, problem: &Problem, key: ValueId) -> Result<Option<Bias>, &'static str> {
    let mask = mask(body, problem, key)?;
    let seen = seen(body, problem, key)?;
    let may_hide_all = mask.is_some() || problem.valid.is_some() || body.int("left_window_size", -1)? >= 0;
    let value = match (seen, mask) {
        (None, None) => return Ok(None),
        (None, Some(mask)) => mask,
        (Some(seen), mask) => {
            let (zero, hidden) = (body.number_like(0.0, problem.q)?, body.number_like(f32::NEG_INFINITY, problem.q)?);
            body.op("Where", &[seen, mask.unwrap_or(zero), hidden])
        }
    };
    Ok(Some(Bias { value, may_hide_all }))
}

/// The mask as it is added to scores.
fn mask(body: &mut Body<'_>, problem: &Problem, key: ValueId) -> Result<Option<ValueId>, &'static str> {
    let Some(given) = body.optional(3) else { return Ok(None) };
    let (rank, dtype) = (body.rank(given)?, body.dtype(given)?);
    if rank > 4 {
        return Err("its mask has more than four dimensions");
    }
    let hidden = body.number_like(f32::NEG_INFINITY, problem.q)?;
    let mut mask = given;
    if dtype == DType::Bool {
        let zero = body.number_like(0.0, problem.q)?;
        mask = body.op("Where", &[mask, zero, hidden]);
    } else if dtype != body.dtype(problem.q)? {
        mask = body.cast(mask, body.dtype(problem.q)?)?;
    }
    // Since opset 24 keys that the mask is too short for are hidden.
    let keys_axis = if problem.has_heads { 2 } else { 1 };
    let k = body.input(1)?;
    let complete = problem.past.is_none() && rank > 0 && body.same_dim((given, rank as usize - 1), (k, keys_axis));
    if body.node.opset >= 24 && rank > 0 && !complete {
        let (rows, has) = (body.sizes(mask, 0, rank - 1), body.sizes(mask, rank - 1, rank));
        let keys = body.sizes(key, 2, 3);
        let missing = body.op("Sub", &[keys, has]);
        let shape = if rank > 1 { body.concat(&[rows, missing], 0) } else { missing };
        let rest = body.op("Expand", &[hidden, shape]);
        mask = body.concat(&[mask, rest], -1);
    }
    let Some(groups) = problem.groups else { return Ok(Some(mask)) };
    let heads_axis = rank - 3;
    if heads_axis < 0 {
        return Ok(Some(mask));
    }
    if body.dim(given, heads_axis as usize) == Some(1) {
        return Ok(Some(body.unsqueeze(mask, vec![heads_axis])?));
    }
    let (rest, groups) = (body.sizes(mask, rank - 2, rank), body.ints(groups.to_vec())?);
    let shape = if rank == 4 {
        let batch = body.sizes(mask, 0, 1);
        body.concat(&[batch, groups, rest], 0)
    } else {
        body.concat(&[groups, rest], 0)
    };
    Ok(Some(body.op("Reshape", &[mask, shape])))
}

/// Which keys a query sees by where they stand, if not all.
fn seen(body: &mut Body<'_>, problem: &Problem, key: ValueId) -> Result<Option<ValueId>, &'static str> {
    let causal = body.int("is_causal", 0)? != 0;
    let [left, right] = [body.int("left_window_size", -1)?, body.int("right_window_size", -1)?];
    if left < -1 || right < -1 {
        return Err("a window is negative");
    }
    if !causal && left < 0 && right < 0 && problem.valid.is_none() {
        return Ok(None);
    }
    let zero = body.ints(vec![0])?;
    let keys = body.sizes(key, 2, 3);
    let keys = range(body, zero, keys)?;
    let valid = match problem.valid {
        None => None,
        Some(valid) => {
            let valid = body.cast(valid, DType::I32)?;
            Some(problem.per_entry(body, valid)?)
        }
    };
    let mut conditions = Vec::new();
    if causal || left >= 0 || right >= 0 {
        let axis = if problem.has_heads { 2 } else { 1 };
        let queries = body.sizes(problem.q, axis, axis + 1);
        // The last query stands at the last valid key, or behind the past.
        let start = problem.past.map_or(zero, |past| body.sizes(past, 2, 3));
        let end = body.op("Add", &[start, queries]);
        let rows = range(body, start, end)?;
        let mut rows = body.unsqueeze(rows, vec![1])?;
        if let Some(valid) = valid {
            let queries = body.cast(queries, DType::I32)?;
            let before = body.op("Sub", &[valid, queries]);
            rows = body.op("Add", &[rows, before]);
        }
        let shifted = |body: &mut Body<'_>, by: i64| {
            let by = body.constant(Tensor::scalar(by as i32));
            body.op("Add", &[rows, by])
        };
        if causal {
            conditions.push(body.op("LessOrEqual", &[keys, rows]));
        } else if right >= 0 {
            let last = shifted(body, right.min(FAR));
            conditions.push(body.op("LessOrEqual", &[keys, last]));
        }
        if left >= 0 {
            let first = shifted(body, -left.min(FAR));
            conditions.push(body.op("GreaterOrEqual", &[keys, first]));
        }
    }
    if let Some(valid) = valid {
        conditions.push(body.op("Less", &[keys, valid]));
    }
    Ok(conditions.into_iter().reduce(|all, condition| body.op("And", &[all, condition])))
}

/// The numbers from `start` up to `end`, i32.
fn range(body: &mut Body<'_>, start: ValueId, end: ValueId) -> Result<ValueId, &'static str> {
    let (start, end) = (body.cast(start, DType::I32)?, body.cast(end, DType::I32)?);
    let axes = body.ints(vec![0])?;
    let (start, end) = (body.op("Squeeze", &[start, axes]), body.op("Squeeze", &[end, axes]));
    let one = body.constant(Tensor::scalar(1i32));
    Ok(body.op("Range", &[start, end, one]))
}

/// Where all of a row is -inf.
pub(super) fn unseen_rows(body: &mut Body<'_>, bias: ValueId) -> Result<ValueId, &'static str> {
    let axes = body.ints(vec![-1])?;
    let top = body.op_set("ReduceMax", &[bias, axes], &[("keepdims", 1)]);
    if let Some(node) = body.nodes.last_mut() {
        node.opset = 18;
    }
    let hidden = body.number_like(f32::NEG_INFINITY, body.input(0)?)?;
    Ok(body.op("Equal", &[top, hidden]))
}
