//! Scaled dot-product attention as products and a softmax, from which `optimise/attention.rs` makes one kernel where it can.

use super::{Body, Built};
use crate::graph::ValueId;
use crate::tensor::{DType, Tensor};

/// A distance that no sequence reaches.
const FAR: i64 = 1 << 30;

/// <https://onnx.ai/onnx/operators/onnx__Attention.html>. Scores are `[batch, heads, queries, keys]`; where several heads of
/// queries share one of keys, `[batch, heads of keys, queries' heads of each, queries, keys]`, so that no key is copied.
pub(super) fn attention(body: &mut Body<'_>) -> Built {
    let problem = Problem::new(body)?;
    let dtype = body.dtype(problem.q)?;
    let (key, value) = (problem.present(body, 1, 4)?, problem.present(body, 2, 5)?);
    let (q_factor, k_factor) = factors(body, &problem, dtype)?;
    let query = problem.query(body)?;
    let query = body.op("Mul", &[query, q_factor]);
    let (mut keys, mut values) = (key, value);
    if problem.groups.is_some() {
        (keys, values) = (body.unsqueeze(key, vec![2])?, body.unsqueeze(value, vec![2])?);
    }
    let turned = problem.turned(body, keys);
    let turned = body.op("Mul", &[turned, k_factor]);
    let raw = body.op("MatMul", &[query, turned]);
    let capped = soft_cap(body, raw)?;
    let bias = bias(body, &problem, key)?;
    let biased = bias.map_or(capped, |bias| body.op("Add", &[capped, bias.value]));
    let mut weights = softmax(body, biased, dtype)?;
    let mode = body.int("qk_matmul_output_mode", 0)?;
    // Rows that see no key are 0. A row of the product is 0 as well if its weights are.
    let unseen = match bias.filter(|bias| bias.may_hide_all) {
        None => None,
        Some(bias) => Some(unseen_rows(body, bias.value)?),
    };
    let zero = body.number_like(0.0, problem.q)?;
    let guard = |body: &mut Body<'_>, x| unseen.map_or(x, |rows| body.op("Where", &[rows, zero, x]));
    let shows_weights = body.names(3) && mode == 3;
    if shows_weights {
        weights = guard(body, weights);
    }
    let mut result = body.op("MatMul", &[weights, values]);
    if !shows_weights {
        result = guard(body, result);
    }
    let result = problem.joined(body, result)?;
    let mut outputs = vec![result, key, value];
    if body.names(3) {
        let scores = match mode {
            0 => raw,
            1 => capped,
            2 => biased,
            3 => weights,
            _ => return Err("its qk_matmul_output_mode is none of 0 to 3"),
        };
        outputs.push(problem.by_head(body, scores)?);
    }
    Ok(outputs)
}

/// Which input is laid out how.
pub(super) struct Problem {
    pub(super) q: ValueId,
    /// Whether heads are a dimension of the inputs; else they share the last one with their elements.
    has_heads: bool,
    /// Heads of queries and of keys, where the attributes say so.
    heads: Option<[i64; 2]>,
    /// Heads of keys, and heads of queries for each, where these are several.
    pub(super) groups: Option<[i64; 2]>,
    past: Option<ValueId>,
    /// Keys that are valid, by batch entry.
    valid: Option<ValueId>,
}

impl Problem {
    pub(super) fn new(body: &Body<'_>) -> Result<Problem, &'static str> {
        let (q, k) = (body.input(0)?, body.input(1)?);
        let has_heads = match body.rank(q)? {
            3 => false,
            4 => true,
            _ => return Err("its query has neither three nor four dimensions"),
        };
        let heads = if has_heads {
            let known = body.dim(q, 1).zip(body.dim(k, 1));
            known.map(|(q, k)| [q as i64, k as i64])
        } else {
            Some([body.int("q_num_heads", 0)?, body.int("kv_num_heads", 0)?])
        };
        let groups = match heads {
            Some([q, k]) if q < 1 || k < 1 || q % k != 0 => {
                return Err("its heads of queries are no multiple of those of keys");
            }
            Some([q, k]) if q != k => Some([k, q / k]),
            _ => None,
        };
        let (past, valid) = (body.optional(4), body.optional(6));
        if past.is_some() != body.optional(5).is_some() {
            return Err("only one of past_key and past_value is given");
        }
        if past.is_some() && valid.is_some() {
            return Err("nonpad_kv_seqlen is given beside a past");
        }
        Ok(Problem { q, has_heads, heads: heads.filter(|_| !has_heads), groups, past, valid })
    }

    /// The queries by head.
    pub(super) fn query(&self, body: &mut Body<'_>) -> Result<ValueId, &'static str> {
        match (self.heads, self.groups) {
            (None, None) => Ok(self.q),
            (None, Some(groups)) => {
                let (batch, rest) = (body.sizes(self.q, 0, 1), body.sizes(self.q, 2, 4));
                let groups = body.ints(groups.to_vec())?;
                let shape = body.concat(&[batch, groups, rest], 0);
                Ok(body.op("Reshape", &[self.q, shape]))
            }
            (Some(_), Some([keys, queries])) => {
                let split = body.reshape(self.q, vec![0, 0, keys, queries, -1])?;
                Ok(body.transpose(split, [0, 2, 3, 1, 4]))
            }
            (Some([heads, _]), None) => {
                let split = body.reshape(self.q, vec![0, 0, heads, -1])?;
                Ok(body.transpose(split, [0, 2, 1, 3]))
            }
        }
    }

    /// The keys or values at input `i` by head, behind those of the past.
    pub(super) fn present(&self, body: &mut Body<'_>, i: usize, past: usize) -> Result<ValueId, &'static str> {
        let mut x = body.input(i)?;
        if body.rank(x)? != body.rank(self.q)? {
            return Err("its inputs have different numbers of dimensions");
        }
        if let Some([_, heads]) = self.heads {
            x = body.reshape(x, vec![0, 0, heads, -1])?;
            x = body.transpose(x, [0, 2, 1, 3]);
        }
        Ok(body.optional(past).map_or(x, |past| body.concat(&[past, x], 2)))
    }

    /// Keys by head with their elements before their places.
    pub(super) fn turned(&self, body: &mut Body<'_>, keys: ValueId) -> ValueId {
        match self.groups {
            None => body.transpose(keys, [0, 1, 3, 2]),
            Some(_) => body.transpose(keys, [0, 1, 2, 4, 3]),
        }
    }

    /// The result as the queries came.
    pub(super) fn joined(&self, body: &mut Body<'_>, x: ValueId) -> Result<ValueId, &'static str> {
        if self.has_heads {
            return self.by_head(body, x);
        }
        let x = match self.groups {
            None => body.transpose(x, [0, 2, 1, 3]),
            Some(_) => body.transpose(x, [0, 3, 1, 2, 4]),
        };
        body.reshape(x, vec![0, 0, -1])
    }

    /// One dimension of heads.
    pub(super) fn by_head(&self, body: &mut Body<'_>, x: ValueId) -> Result<ValueId, &'static str> {
        let Some([keys, queries]) = self.groups else { return Ok(x) };
        let (batch, rest) = (body.sizes(x, 0, 1), body.sizes(x, 3, 5));
        let heads = body.ints(vec![keys * queries])?;
        let shape = body.concat(&[batch, heads, rest], 0);
        Ok(body.op("Reshape", &[x, shape]))
    }

    /// A number for each batch entry, as it broadcasts to scores.
    fn per_entry(&self, body: &mut Body<'_>, x: ValueId) -> Result<ValueId, &'static str> {
        let axes = if self.groups.is_some() { 1..5 } else { 1..4 };
        body.unsqueeze(x, axes.collect())
    }
}

/// What queries and keys are multiplied with: half the scale each, so that products of f16 stay in range.
pub(super) fn factors(
    body: &mut Body<'_>,
    problem: &Problem,
    dtype: DType,
) -> Result<(ValueId, ValueId), &'static str> {
    let head_size = match problem.heads {
        None => body.dim(problem.q, 3),
        Some([heads, _]) => body.dim(problem.q, 2).map(|size| size / heads as usize),
    };
    let scale = match (body.node.attrs.contains_key("scale"), head_size) {
        (true, _) => body.float("scale", 1.0)?,
        (false, Some(size)) => 1.0 / (size as f32).sqrt(),
        (false, None) => {
            let mut size = body.op_set("Shape", &[problem.q], &[("start", -1)]);
            if let Some([heads, _]) = problem.heads {
                let heads = body.ints(vec![heads])?;
                size = body.op("Div", &[size, heads]);
            }
            let size = body.cast(size, DType::F32)?;
            let root = body.op("Sqrt", &[size]);
            let root = body.op("Sqrt", &[root]);
            let factor = body.op("Reciprocal", &[root]);
            let factor = body.cast(factor, dtype)?;
            return Ok((factor, factor));
        }
    };
    let root = scale.abs().sqrt();
    Ok((body.number_like(root.copysign(scale), problem.q)?, body.number_like(root, problem.q)?))
}

fn soft_cap(body: &mut Body<'_>, scores: ValueId) -> Result<ValueId, &'static str> {
    let cap = body.float("softcap", 0.0)?;
    if cap <= 0.0 {
        return Ok(scores);
    }
    let cap = body.number_like(cap, body.input(0)?)?;
    let small = body.op("Div", &[scores, cap]);
    let bent = body.op("Tanh", &[small]);
    Ok(body.op("Mul", &[bent, cap]))
}

/// In the precision that the node asks for.
fn softmax(body: &mut Body<'_>, scores: ValueId, dtype: DType) -> Result<ValueId, &'static str> {
    let precision = match body.int("softmax_precision", 0)? {
        0 => dtype,
        1 => DType::F32,
        10 => DType::F16,
        _ => return Err("its softmax is of neither f32 nor f16"),
    };
    if precision == dtype {
        return Ok(body.op_set("Softmax", &[scores], &[("axis", -1)]));
    }
    let cast = body.cast(scores, precision)?;
    let weights = body.op_set("Softmax", &[cast], &[("axis", -1)]);
    body.cast(weights, dtype)
}

/// What is added to scores.
#[derive(Clone, Copy)]
struct Bias {
    value: ValueId,
    /// Whether a row may be -inf throughout.
    may_hide_all: bool,
}

fn bias(body: &mut Body<'_>, problem: &Problem, key: ValueId) -> Result<Option<Bias>, &'static str> {
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
fn unseen_rows(body: &mut Body<'_>, bias: ValueId) -> Result<ValueId, &'static str> {
    let axes = body.ints(vec![-1])?;
    let top = body.op_set("ReduceMax", &[bias, axes], &[("keepdims", 1)]);
    if let Some(node) = body.nodes.last_mut() {
        node.opset = 18;
    }
    let hidden = body.number_like(f32::NEG_INFINITY, body.input(0)?)?;
    Ok(body.op("Equal", &[top, hidden]))
}
