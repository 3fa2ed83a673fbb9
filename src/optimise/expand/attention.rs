//! Scaled dot-product attention as products and a softmax, from which `optimise/attention.rs` makes one kernel where it can.

use super::attention_bias::{bias, unseen_rows};
use super::{Body, Built};
use crate::graph::ValueId;
use crate::tensor::DType;

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
    pub(super) has_heads: bool,
    /// Heads of queries and of keys, where the attributes say so.
    heads: Option<[i64; 2]>,
    /// Heads of keys, and heads of queries for each, where these are several.
    pub(super) groups: Option<[i64; 2]>,
    pub(super) past: Option<ValueId>,
    /// Keys that are valid, by batch entry.
    pub(super) valid: Option<ValueId>,
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
    pub(super) fn per_entry(&self, body: &mut Body<'_>, x: ValueId) -> Result<ValueId, &'static str> {
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
        16 => DType::Bf16,
        _ => return Err("its softmax is of none of f32, f16 and bf16"),
    };
    if precision == dtype {
        return Ok(body.op_set("Softmax", &[scores], &[("axis", -1)]));
    }
    let cast = body.cast(scores, precision)?;
    let weights = body.op_set("Softmax", &[cast], &[("axis", -1)]);
    body.cast(weights, dtype)
}
