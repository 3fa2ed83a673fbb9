//! Attention and rotary embedding of the domain `com.microsoft` as ONNX's Attention and RotaryEmbedding.

use super::{Body, Built};
use crate::graph::{Attr, ValueId};
use crate::tensor::DType;

type Made = Result<ValueId, &'static str>;

/// Pairs of elements turned by the angle of their position, which is an input for all, or a first one.
pub(super) fn rotary_embedding(body: &mut Body<'_>) -> Built {
    if body.int("is_packed_batching", 0)? != 0 || body.float("scale", 1.0)? != 1.0 {
        return Err("its batch is packed, or its scale is not 1");
    }
    let (x, cos, sin, mut positions) = (body.input(0)?, body.input(2)?, body.input(3)?, body.input(1)?);
    let rank = body.rank(x)?;
    if rank != 3 && rank != 4 {
        return Err("its input has neither three nor four dimensions");
    }
    if body.rank(positions)? == 1 {
        let axis = if rank == 3 { 1 } else { 2 };
        let places = counted(body, x, axis)?;
        let (batch, length) = (body.sizes(x, 0, 1), body.sizes(x, axis, axis + 1));
        let shape = body.concat(&[batch, length], 0);
        let each = body.op("Add", &[positions, places]);
        positions = body.op("Expand", &[each, shape]);
    }
    let mut heads = body.int("num_heads", 0)?;
    if rank == 3 && heads == 0 {
        // The cache has half of a head's elements.
        let (Some(half), Some(hidden)) = (body.dim(cos, 1), body.dim(x, 2)) else {
            return Err("the number of heads is not known");
        };
        heads = (hidden / (2 * half).max(1)) as i64;
    }
    let turned = body.int("rotary_embedding_dim", 0)?;
    let interleaved = body.int("interleaved", 0)?;
    Ok(vec![turn(body, [x, cos, sin, positions], [heads, turned, interleaved])])
}

fn turn(body: &mut Body<'_>, inputs: [ValueId; 4], [heads, turned, interleaved]: [i64; 3]) -> ValueId {
    let attrs = [
        ("num_heads", Attr::Int(heads)),
        ("rotary_embedding_dim", Attr::Int(turned)),
        ("interleaved", Attr::Int(interleaved)),
    ];
    body.op_since("RotaryEmbedding", 23, &inputs.map(Some), &attrs)
}

/// The numbers 0, 1 and so on, as many as `x` has along an axis.
fn counted(body: &mut Body<'_>, x: ValueId, axis: i64) -> Made {
    let length = body.sizes(x, axis, axis + 1);
    range(body, length)
}

/// The numbers 0, 1 and so on, as many as a list of one number says.
fn range(body: &mut Body<'_>, length: ValueId) -> Made {
    let none = body.ints(Vec::new())?;
    let length = body.op("Reshape", &[length, none]);
    let (zero, one) = (body.integer(0), body.integer(1));
    Ok(body.op("Range", &[zero, length, one]))
}

/// What is added to scores where a mask `[batch, keys]` is 0.
fn padding_bias(body: &mut Body<'_>, mask: ValueId) -> Made {
    if body.rank(mask)? != 2 {
        return Err("its mask has not two dimensions");
    }
    let far = body.float("mask_filter_value", -10000.0)?;
    let like = body.input(0)?;
    let (far, zero) = (body.number_like(far, like)?, body.number_like(0.0, like)?);
    let keeps = body.cast(mask, DType::Bool)?;
    let bias = body.op("Where", &[keeps, zero, far]);
    body.unsqueeze(bias, vec![1, 2])
}

/// ONNX's Attention with as many heads of keys as of queries: output, key and value.
fn attend(
    body: &mut Body<'_>,
    [q, k, v]: [ValueId; 3],
    mask: Option<ValueId>,
    bias: Option<ValueId>,
    past: [Option<ValueId>; 2],
) -> Built {
    let heads = body.int("num_heads", 0)?;
    let padding = mask.map(|mask| padding_bias(body, mask)).transpose()?;
    let bias = match (bias, padding) {
        (Some(bias), Some(padding)) => Some(body.op("Add", &[bias, padding])),
        (bias, padding) => bias.or(padding),
    };
    let mut attrs = vec![
        ("q_num_heads", Attr::Int(heads)),
        ("kv_num_heads", Attr::Int(heads)),
        ("is_causal", Attr::Int(body.int("unidirectional", 0)?)),
    ];
    let scale = body.float("scale", 0.0)?;
    if scale != 0.0 {
        attrs.push(("scale", Attr::Float(scale)));
    }
    let y = body.op_since("Attention", 23, &[Some(q), Some(k), Some(v), bias, past[0], past[1]], &attrs);
    let (key, value) = (body.next_output(), body.next_output());
    Ok(vec![y, key, value])
}

/// Queries, keys and values `[batch, length, hidden]`, each with a part of the bias.
pub(super) fn multi_head_attention(body: &mut Body<'_>) -> Built {
    if body.optional(8).is_some() || body.optional(9).is_some() {
        return Err("its past lies in a buffer, or several beams share it");
    }
    let [q, k, v] = [body.input(0)?, body.input(1)?, body.input(2)?];
    for x in [q, k, v] {
        if body.rank(x)? != 3 {
            return Err("its queries, keys and values have not three dimensions each");
        }
    }
    let mut inputs = [q, k, v];
    if let Some(bias) = body.optional(3) {
        let mut start = 0;
        for x in &mut inputs {
            let size = body.dim(*x, 2).ok_or("the size of a hidden dimension is not known")? as i64;
            let (from, to) = (body.ints(vec![start])?, body.ints(vec![start + size])?);
            let part = body.op("Slice", &[bias, from, to]);
            *x = body.op("Add", &[*x, part]);
            start += size;
        }
    }
    let (mask, bias, past) = (body.optional(4), body.optional(5), [body.optional(6), body.optional(7)]);
    attend(body, inputs, mask, bias, past)
}

/// Queries, keys and values are a product of the input.
pub(super) fn attention(body: &mut Body<'_>) -> Built {
    if body.int("do_rotary", 0)? != 0 || body.int("past_present_share_buffer", 0)? != 0 || body.optional(6).is_some() {
        return Err("it turns its queries, or its past lies in a buffer");
    }
    let (x, weights) = (body.input(0)?, body.input(1)?);
    let mut all = body.op("MatMul", &[x, weights]);
    if let Some(bias) = body.optional(2) {
        all = body.op("Add", &[all, bias]);
    }
    let sizes = match body.node.attrs.get("qkv_hidden_sizes") {
        Some(Attr::Ints(sizes)) if sizes.len() == 3 => sizes.clone(),
        Some(_) => return Err("qkv_hidden_sizes has not three sizes"),
        None => match body.dim(weights, 1) {
            Some(columns) if columns % 3 == 0 => vec![columns as i64 / 3; 3],
            _ => return Err("the columns of its weights are not three times a known size"),
        },
    };
    let sizes = body.ints(sizes)?;
    let q = body.op_set("Split", &[all, sizes], &[("axis", -1)]);
    let (k, v) = (body.next_output(), body.next_output());
    let mut past = [None; 2];
    if let Some(both) = body.optional(4) {
        for (i, part) in past.iter_mut().enumerate() {
            let index = body.integer(i as i64);
            *part = Some(body.op("Gather", &[both, index]));
        }
    }
    let (mask, bias) = (body.optional(3), body.optional(5));
    let made = attend(body, [q, k, v], mask, bias, past)?;
    if !body.names(1) {
        return Ok(vec![made[0]]);
    }
    let (key, value) = (body.unsqueeze(made[1], vec![0])?, body.unsqueeze(made[2], vec![0])?);
    let present = body.concat(&[key, value], 0);
    Ok(vec![made[0], present])
}

/// Causal attention whose keys and values lie in a cache, of which each batch entry has filled another part: new ones come behind those,
/// and the cache grows where it is too short.
pub(super) fn group_query_attention(body: &mut Body<'_>) -> Built {
    if (9..17).any(|i| body.optional(i).is_some()) || body.names(3) {
        return Err("it has positions, a bias, sinks, norms or a quantised cache, or shows its scores");
    }
    if body.int("smooth_softmax", 0)? > 0 || body.int("causal", 1)? != 1 || body.int("sliding_window_cache", 0)? != 0 {
        return Err("its softmax is smooth, it is not causal, or its cache slides");
    }
    let (heads, kv_heads) = (body.int("num_heads", 0)?, body.int("kv_num_heads", 0)?);
    let [mut q, mut k, v] = [body.input(0)?, body.input(1)?, body.input(2)?];
    let (past_key, past_value) = (body.input(3)?, body.input(4)?);
    let length = body.sizes(q, 1, 2);
    let one = body.ints(vec![1])?;
    let last = body.input(5)?;
    let last = body.cast(last, DType::I64)?;
    let last = body.reshape(last, vec![-1])?;
    // Of a first prompt that is shorter than others it is less than none.
    let filled = body.op("Sub", &[last, length]);
    let filled = body.op("Add", &[filled, one]);
    let zero = body.ints(vec![0])?;
    let filled = body.op("Max", &[filled, zero]);
    let places = range(body, length)?;
    let start = body.unsqueeze(filled, vec![1])?;
    let positions = body.op("Add", &[start, places]);
    if body.int("do_rotary", 0)? != 0 {
        let (cos, sin, interleaved) = (body.input(7)?, body.input(8)?, body.int("rotary_interleaved", 0)?);
        let turned = body.dim(cos, 1).ok_or("the width of its table of angles is not known")? as i64 * 2;
        q = turn(body, [q, cos, sin, positions], [heads, turned, interleaved]);
        k = turn(body, [k, cos, sin, positions], [kv_heads, turned, interleaved]);
    }
    let total = body.input(6)?;
    let total = body.cast(total, DType::I64)?;
    let total = body.reshape(total, vec![1])?;
    let key = cached(body, past_key, k, [total, filled], kv_heads)?;
    let value = cached(body, past_value, v, [total, filled], kv_heads)?;

    // [batch, 1, queries, keys]: what stands no later, and within the window.
    let keys = counted(body, key, 2)?;
    let at = body.unsqueeze(positions, vec![1, 3])?;
    let mut seen = body.op("LessOrEqual", &[keys, at]);
    let window = body.int("local_window_size", -1)?;
    if window > 0 {
        let window = body.integer(window);
        let reach = body.op("Sub", &[at, window]);
        let near = body.op("Greater", &[keys, reach]);
        seen = body.op("And", &[seen, near]);
    }
    let queries = body.reshape(q, vec![0, 0, heads, -1])?;
    let queries = body.transpose(queries, [0, 2, 1, 3]);
    let mut attrs = vec![("softcap", Attr::Float(body.float("softcap", 0.0)?))];
    let scale = body.float("scale", 0.0)?;
    if scale != 0.0 {
        attrs.push(("scale", Attr::Float(scale)));
    }
    let y = body.op_since("Attention", 23, &[Some(queries), Some(key), Some(value), Some(seen)], &attrs);
    let y = body.transpose(y, [0, 2, 1, 3]);
    Ok(vec![body.reshape(y, vec![0, 0, -1])?, key, value])
}

/// The cache, as long as all keys need, with the new ones `[batch, length, heads * size]` behind what is filled.
fn cached(body: &mut Body<'_>, past: ValueId, new: ValueId, [total, filled]: [ValueId; 2], heads: i64) -> Made {
    let new = body.reshape(new, vec![0, 0, heads, -1])?;
    let new = body.transpose(new, [0, 2, 1, 3]);
    let (length, zero) = (body.sizes(past, 2, 3), body.ints(vec![0])?);
    let missing = body.op("Sub", &[total, length]);
    let missing = body.op("Max", &[missing, zero]);
    let (outer, size) = (body.sizes(new, 0, 2), body.sizes(new, 3, 4));
    let shape = body.concat(&[outer, missing, size], 0);
    let nothing = body.number_like(0.0, past)?;
    let room = body.op("Expand", &[nothing, shape]);
    let cache = body.concat(&[past, room], 2);
    Ok(body.op_since("TensorScatter", 24, &[Some(cache), Some(new), Some(filled)], &[("axis", Attr::Int(2))]))
}
