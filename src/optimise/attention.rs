//! Scaled dot-product attention as exporters decompose it.

use super::matcher::{
    Attempt, Matcher, half_scalar, input, ints, like, output, pair, rewrite, same_shape, scalar, with_scalar,
};
use super::{Outcome, Rewrite};
use crate::graph::prune::prune;
use crate::graph::{Attr, Dim, Graph, Node, ValueId};
use crate::ops::{Operators, lookup};
use crate::tensor::DType;

/// `softmax(q k^T * scale + mask) v`, with or without rows of NaN set to 0, is `fascine.Attention`: inputs q, k, v, mask
/// (may be left out); attributes `scale`, `k_transposed` (1 where k is given as `[.., D, T]`), `nan_to_zero`, `groups` (heads of
/// queries for each of keys, which then are not repeated) and `masked_to_zero`, where rows whose mask is -inf throughout are set to
/// 0. It is formed only where that operator exists.
#[derive(Debug)]
pub struct FuseAttention;

/// A value as it is before multiplications by numbers, which join the scale; in half precision where the kernel's own multiplication
/// rounds as the node does.
fn unscaled(graph: &Graph, matcher: &Matcher, id: ValueId, scale: &mut f64, nodes: &mut Vec<usize>) -> ValueId {
    let found = ["Mul", "Div"].into_iter().find_map(|op| matcher.made_by(graph, id, op));
    let Some((at, node)) = found.filter(|_| matcher.used(id, 1)) else { return id };
    let half = || {
        let [a, b] = pair(node)?;
        let (value, number) = match (half_scalar(graph, a), half_scalar(graph, b)) {
            (None, Some(number)) => (a, number),
            (Some(number), None) => (b, number),
            _ => return None,
        };
        let exact = node.op == "Mul" || number.to_bits() & 0x7f_ffff == 0;
        (exact && same_shape(graph, value, id)).then_some((value, number))
    };
    let Some((value, number)) = with_scalar(graph, node).or_else(half) else { return id };
    if node.op == "Div" {
        if input(node, 0) != Some(value) || number == 0.0 {
            return id;
        }
        *scale /= f64::from(number);
    } else {
        *scale *= f64::from(number);
    }
    nodes.push(at);
    value
}

/// `id` without the multiplication by a number behind which only dimensions are moved: what was multiplied, the number, and the
/// nodes that move it, from the last to the first.
fn unscaled_before_moves(graph: &Graph, matcher: &Matcher, id: ValueId) -> Option<(ValueId, f32, Vec<usize>)> {
    let mut moves = Vec::new();
    let mut at = id;
    while let Some((index, node)) =
        ["Transpose", "Reshape", "Unsqueeze"].iter().find_map(|op| matcher.made_by(graph, at, op))
    {
        moves.push(index);
        at = input(node, 0)?;
    }
    let (_, product) = matcher.made_by(graph, at, "Mul").filter(|_| !moves.is_empty())?;
    let (before, number) = with_scalar(graph, product)?;
    same_shape(graph, before, at).then_some((before, number, moves))
}

/// The same moves of another value, each with a result of its own: the others may be read elsewhere.
fn moved(graph: &mut Graph, moves: &[usize], from: ValueId) -> (Vec<Node>, ValueId) {
    let mut at = from;
    let mut nodes = Vec::new();
    for &index in moves.iter().rev() {
        let mut node = Node::clone(&graph.nodes[index]);
        node.inputs[0] = Some(at);
        for id in node.outputs.iter_mut().flatten() {
            at = like(graph, *id, "unscaled");
            *id = at;
        }
        nodes.push(node);
    }
    (nodes, at)
}

/// What is repeated so many times for each of its heads, `[.., H, T, D]` as `[.., H * groups, T, D]`.
fn repeated(graph: &Graph, matcher: &Matcher, id: ValueId) -> Option<(ValueId, usize)> {
    let (_, join) = matcher.made_by(graph, id, "Reshape")?;
    let (_, expand) = matcher.made_by(graph, input(join, 0)?, "Expand")?;
    let (_, part) = matcher.made_by(graph, input(expand, 0)?, "Unsqueeze")?;
    let x = input(part, 0)?;
    let shape = |id: ValueId| graph.value(id).shape.as_deref();
    let (lead, [heads, keys, size]) = shape(x)?.split_last_chunk::<3>()?;
    let (Dim::Known(count), [same @ .., _, Dim::Known(groups), _, _]) = (heads, shape(input(join, 0)?)?) else {
        return None;
    };
    let by_group = |groups: usize| {
        let own = [heads.clone(), Dim::Known(groups), keys.clone(), size.clone()];
        [lead, own.as_slice()].concat()
    };
    let joined = [lead, [Dim::Known(count * groups), keys.clone(), size.clone()].as_slice()].concat();
    let fits = same == lead
        && shape(input(expand, 0)?)? == by_group(1)
        && shape(input(join, 0)?)? == by_group(*groups)
        && shape(id)? == joined;
    fits.then_some((x, *groups))
}

/// A constant of one element.
fn number(graph: &Graph, id: ValueId) -> Option<f32> {
    scalar(graph, id).or_else(|| half_scalar(graph, id))
}

/// The softmax's output behind `where(isnan(s), 0, s)`.
fn without_nan(graph: &Graph, matcher: &Matcher, id: ValueId, nodes: &mut Vec<usize>) -> Option<ValueId> {
    let (at, node) = matcher.made_by(graph, id, "Where").filter(|_| matcher.used(id, 1))?;
    let (condition, zero, kept) = (input(node, 0)?, input(node, 1)?, input(node, 2)?);
    let (nan_at, nan) = matcher.made_by(graph, condition, "IsNaN").filter(|_| matcher.used(condition, 1))?;
    let fits = number(graph, zero) == Some(0.0) && input(nan, 0) == Some(kept) && matcher.used(kept, 2);
    nodes.extend([at, nan_at]);
    fits.then_some(kept)
}

/// Rank of a value, where it is known.
fn rank(graph: &Graph, id: ValueId) -> Option<usize> {
    graph.value(id).shape.as_ref().map(Vec::len)
}

fn attempt(graph: &mut Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index].clone();
    if !root.domain.is_empty() || root.op != "MatMul" {
        return None;
    }
    let ([weights, v], result) = (pair(root)?, output(root)?);
    let mut nodes = Vec::new();
    let cleaned = without_nan(graph, matcher, weights, &mut nodes);
    let nan_to_zero = cleaned.is_some();
    if !nan_to_zero {
        nodes.clear();
    }
    let weights = cleaned.unwrap_or(weights);
    let (softmax_at, softmax) = matcher.made_by(graph, weights, "Softmax")?;
    nodes.push(softmax_at);
    let ranks = rank(graph, weights)?;
    let axis = softmax.int("axis", if softmax.opset < 13 { 1 } else { -1 }).ok()?;
    if !(axis == ranks as i64 - 1 || axis == -1 && softmax.opset >= 13) {
        return Some(Attempt::Near("the softmax is not over the last axis"));
    }
    let mut scale = 1.0;
    let mut scores = input(softmax, 0)?;
    let mut mask = None;
    let mut inner = vec![scores];
    if let Some((at, add)) = matcher.made_by(graph, scores, "Add") {
        let [a, b] = pair(add)?;
        let product = |id: ValueId| {
            let mut scale = 1.0;
            let before = unscaled(graph, matcher, id, &mut scale, &mut Vec::new());
            matcher.made_by(graph, before, "MatMul").is_some()
        };
        (scores, mask) = if product(a) { (a, Some(b)) } else { (b, Some(a)) };
        nodes.push(at);
        inner.push(scores);
    }
    let product = unscaled(graph, matcher, scores, &mut scale, &mut nodes);
    inner.push(product);
    let (product_at, product_node) = matcher.made_by(graph, product, "MatMul")?;
    nodes.push(product_at);
    if !nan_to_zero && !matcher.used(weights, 1) || !inner.iter().all(|&id| matcher.used(id, 1)) {
        return Some(Attempt::Near("a part is used elsewhere"));
    }
    let [mut q, mut k] = pair(product_node)?;
    let mut before = None;
    let dtype = graph.value(v).dtype.filter(|dtype| dtype.is_f32());
    if dtype == Some(DType::F32) {
        q = unscaled(graph, matcher, q, &mut scale, &mut nodes);
        k = unscaled(graph, matcher, k, &mut scale, &mut nodes);
        before = unscaled_before_moves(graph, matcher, q);
    }
    let (mut k, k_transposed) = match swapped(graph, matcher, k) {
        Some(before) => (before, 0),
        None => (k, 1),
    };
    let mut v = v;
    let mut groups = 1;
    if let (0, Some((keys, count)), Some((values, same))) =
        (k_transposed, repeated(graph, matcher, k), repeated(graph, matcher, v))
        && count == same
    {
        (k, v, groups) = (keys, values, count);
    }
    let alike = dtype.is_some() && [q, k, v].into_iter().chain(mask).all(|id| graph.value(id).dtype == dtype);
    let same_rank = [q, k, v].into_iter().all(|id| rank(graph, id) == Some(ranks));
    if !alike || !same_rank || mask.is_some_and(|mask| rank(graph, mask).is_none_or(|r| r > ranks)) {
        return Some(Attempt::Near("not floats of one type and one known rank"));
    }
    // A mask that is larger than the scores would broadcast them.
    if let Some(mask) = mask
        && !broadcasts_into(graph, mask, product)
        && !same_shape(graph, inner[0], product)
    {
        return Some(Attempt::Near("the mask does not provably broadcast into the scores"));
    }
    let name = root.name.clone();
    let (mut made, q) = match before {
        None => (Vec::new(), q),
        Some((from, number, moves)) => {
            scale *= f64::from(number);
            moved(graph, &moves, from)
        }
    };
    let node = Node {
        name,
        domain: "fascine".to_owned(),
        op: "Attention".to_owned(),
        opset: 1,
        attrs: [
            ("scale".to_owned(), Attr::Float(scale as f32)),
            ("k_transposed".to_owned(), Attr::Int(k_transposed)),
            ("nan_to_zero".to_owned(), Attr::Int(nan_to_zero.into())),
            ("groups".to_owned(), Attr::Int(groups as i64)),
        ]
        .into(),
        inputs: vec![Some(q), Some(k), Some(v), mask],
        outputs: vec![Some(result)],
    };
    made.push(node);
    Some(Attempt::Fire { removed: nodes, nodes: made })
}

/// `where(max of the mask's row == -inf, 0, attention)`.
fn masked(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    if !root.domain.is_empty() || root.op != "Where" {
        return None;
    }
    let (condition, zero, kept) = (input(root, 0)?, input(root, 1)?, input(root, 2)?);
    let (at, attention) = matcher.producer(graph, kept)?;
    if attention.domain != "fascine" || attention.op != "Attention" {
        return None;
    }
    let (_, equal) = matcher.made_by(graph, condition, "Equal")?;
    let [top, hidden] = pair(equal)?;
    let (_, max) = matcher.made_by(graph, top, "ReduceMax")?;
    let mask = input(attention, 3)?;
    let over_last = max.int("keepdims", 1).ok()? == 1
        && ints(graph, max, "axes", 18, 1)?.as_slice() == [-1]
        && number(graph, hidden) == Some(f32::NEG_INFINITY);
    if !over_last || input(max, 0) != Some(mask) || number(graph, zero) != Some(0.0) {
        return Some(Attempt::Near("the rows that are set to 0 are not those whose mask is -inf throughout"));
    }
    let result = output(root)?;
    if !matcher.used(kept, 1)
        || !same_shape(graph, kept, result)
        || attention.attrs.get("nan_to_zero") != Some(&Attr::Int(0))
    {
        return Some(Attempt::Near("the attention is used elsewhere, or of another shape"));
    }
    let mut node = Node { outputs: vec![Some(result)], ..Node::clone(attention) };
    node.attrs.insert("masked_to_zero".to_owned(), Attr::Int(1));
    Some(Attempt::Fire { removed: vec![at], nodes: vec![node] })
}

/// What `id` is the transpose of, if it swaps the last two axes alone.
fn swapped(graph: &Graph, matcher: &Matcher, id: ValueId) -> Option<ValueId> {
    let (_, node) = matcher.made_by(graph, id, "Transpose")?;
    let perm = node.ints("perm").ok()??;
    let rank = perm.len() as i64;
    let wanted = (0..rank - 2).chain([rank - 1, rank - 2]);
    (rank >= 2 && perm.iter().copied().eq(wanted)).then(|| input(node, 0))?
}

fn broadcasts_into(graph: &Graph, small: ValueId, large: ValueId) -> bool {
    let (Some(small), Some(large)) = (&graph.value(small).shape, &graph.value(large).shape) else { return false };
    let one = crate::graph::Dim::Known(1);
    small.len() <= large.len() && small.iter().rev().zip(large.iter().rev()).all(|(s, l)| *s == one || s == l)
}

impl FuseAttention {
    pub(super) fn run(graph: &mut Graph) -> Outcome {
        rewrite(graph, |graph, matcher, index| {
            attempt(graph, matcher, index).or_else(|| masked(graph, matcher, index)).unwrap_or(Attempt::No)
        })
    }
}

impl Rewrite for FuseAttention {
    fn name(&self) -> &'static str {
        "FuseAttention"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        let outcome = if lookup("fascine", "Attention").is_some() { Self::run(graph) } else { Outcome::default() };
        if outcome.fired > 0 {
            // What was read through a scale is read without: what scaled it would stand in the way of other rules.
            prune(graph);
        }
        outcome
    }
}
