//! Rotary position embedding as exporters decompose it.

use super::matcher::{Attempt, Matcher, input, is_f32, last_dim, output, pair, rewrite, same_shape};
use super::{Outcome, Rewrite};
use crate::graph::{Dim, Graph, Node, ValueId};
use crate::ops::Operators;

/// `x * cos + concat(-x[half..], x[..half]) * sin` over the last axis is `fascine.Rotary`: inputs x, cos, sin.
#[derive(Debug)]
pub struct FuseRotary;

/// A Slice of the last axis with step 1: what it cuts, from where and to where.
fn cut(graph: &Graph, node: &Node) -> Option<(ValueId, i64, i64)> {
    let x = input(node, 0)?;
    let rank = graph.value(x).shape.as_ref()?.len() as i64;
    let number = |name: &str, i: usize| {
        if node.opset < 10 {
            return node.ints(name).ok()?.and_then(|list| <[i64; 1]>::try_from(list).ok());
        }
        let list = graph.value(input(node, i)?).constant.as_ref()?;
        list.as_slice::<i64>().ok().and_then(|list| <[i64; 1]>::try_from(list).ok())
    };
    let [axis] = number("axes", 3)?;
    let [step] = if input(node, 4).is_some() { number("steps", 4)? } else { [1] };
    let ([start], [end]) = (number("starts", 1)?, number("ends", 2)?);
    ((axis == -1 || axis == rank - 1) && step == 1).then_some((x, start, end))
}

/// The node that makes `id` as `concat(-x[half..], x[..half])`, what it is made through, and x.
fn turned(graph: &Graph, matcher: &Matcher, id: ValueId) -> Option<(Vec<usize>, ValueId)> {
    let (concat_at, concat) = matcher.made_by(graph, id, "Concat")?;
    let [negative, first] = pair(concat)?;
    let (neg_at, neg) = matcher.made_by(graph, negative, "Neg")?;
    let second = input(neg, 0)?;
    let (second_at, second_node) = matcher.made_by(graph, second, "Slice")?;
    let (first_at, first_node) = matcher.made_by(graph, first, "Slice")?;
    let (x, start, end) = cut(graph, first_node)?;
    let (other, half, rest) = cut(graph, second_node)?;
    let rank = graph.value(x).shape.as_ref()?.len() as i64;
    let size = last_dim(graph.value(x))? as i64;
    let axis = concat.int("axis", 0).ok()?;
    let halves = x == other && start == 0 && end == half && half * 2 == size && rest >= size;
    let once = [id, negative, first, second].iter().all(|&id| matcher.used(id, 1));
    (halves && once && (axis == -1 || axis == rank - 1)).then(|| (vec![concat_at, neg_at, second_at, first_at], x))
}

/// Whether a table broadcasts to x, with a number for each element of its last axis.
fn is_table(graph: &Graph, table: ValueId, x: ValueId) -> bool {
    let (Some(table_shape), Some(shape)) = (&graph.value(table).shape, &graph.value(x).shape) else { return false };
    let sides = table_shape.iter().rev().zip(shape.iter().rev());
    table_shape.len() <= shape.len()
        && table_shape.last() == shape.last()
        && sides.into_iter().all(|(table, own)| *table == Dim::Known(1) || table == own)
        && is_f32(graph, table)
}

fn attempt(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    if !root.domain.is_empty() || root.op != "Add" {
        return None;
    }
    let sides = pair(root)?;
    for [plain, crossed] in [sides, [sides[1], sides[0]]] {
        let Some((crossed_at, product)) = matcher.made_by(graph, crossed, "Mul") else { continue };
        let [a, b] = pair(product)?;
        for (concat, sin) in [(a, b), (b, a)] {
            let Some((mut removed, x)) = turned(graph, matcher, concat) else { continue };
            let (plain_at, own) = matcher.made_by(graph, plain, "Mul")?;
            let cos = match pair(own)? {
                [value, cos] if value == x => cos,
                [cos, value] if value == x => cos,
                _ => return Some(Attempt::Near("the other product is not of the same tensor")),
            };
            if !matcher.used(plain, 1) || !matcher.used(crossed, 1) {
                return Some(Attempt::Near("a part is used elsewhere"));
            }
            let result = output(root)?;
            if !is_f32(graph, x) || !same_shape(graph, x, result) || ![cos, sin].iter().all(|&t| is_table(graph, t, x))
            {
                return Some(Attempt::Near("cosines and sines do not provably broadcast to what they turn"));
            }
            removed.extend([crossed_at, plain_at]);
            let node = Node {
                name: root.name.clone(),
                domain: "fascine".to_owned(),
                op: "Rotary".to_owned(),
                opset: 1,
                inputs: vec![Some(x), Some(cos), Some(sin)],
                outputs: root.outputs.clone(),
                ..Node::default()
            };
            return Some(Attempt::Fire { removed, nodes: vec![node] });
        }
    }
    None
}

impl Rewrite for FuseRotary {
    fn name(&self) -> &'static str {
        "FuseRotary"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| attempt(graph, matcher, index).unwrap_or(Attempt::No))
    }
}
