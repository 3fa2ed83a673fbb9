//! Composing operators that only rearrange.

use super::matcher::{Attempt, Matcher, input, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Graph, Node};
use crate::ops::Operators;

/// A transpose of a transpose is one transpose.
#[derive(Debug)]
pub struct ComposeTransposes;

fn permutation(node: &Node) -> Option<Vec<usize>> {
    match node.attrs.get("perm")? {
        Attr::Ints(perm) => {
            let perm = perm.iter().map(|&axis| usize::try_from(axis).ok().filter(|&a| a < perm.len()));
            perm.collect()
        }
        _ => None,
    }
}

impl Rewrite for ComposeTransposes {
    fn name(&self) -> &'static str {
        "ComposeTransposes"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| {
            let node = &graph.nodes[index];
            if !node.domain.is_empty() || node.op != "Transpose" {
                return Attempt::No;
            }
            let Some((_, inner)) = input(node, 0).and_then(|id| matcher.made_by(graph, id, "Transpose")) else {
                return Attempt::No;
            };
            let (Some(outer_perm), Some(inner_perm)) = (permutation(node), permutation(inner)) else {
                return Attempt::Near("a permutation is not stated");
            };
            if outer_perm.len() != inner_perm.len() {
                return Attempt::Near("the permutations differ in rank");
            }
            let perm = outer_perm.iter().map(|&axis| inner_perm[axis] as i64).collect();
            let mut fused = Node { inputs: inner.inputs.clone(), ..Node::clone(node) };
            fused.attrs.insert("perm".to_owned(), Attr::Ints(perm));
            Attempt::Fire { removed: Vec::new(), nodes: vec![fused] }
        })
    }
}

/// A reshape of what only changed its shape is a reshape of the original.
#[derive(Debug)]
pub struct ComposeReshapes;

impl Rewrite for ComposeReshapes {
    fn name(&self) -> &'static str {
        "ComposeReshapes"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| {
            let node = &graph.nodes[index];
            if !node.domain.is_empty() || node.op != "Reshape" {
                return Attempt::No;
            }
            let (Some(from), Some(wanted)) = (input(node, 0), input(node, 1)) else { return Attempt::No };
            let inner = ["Reshape", "Flatten", "Squeeze", "Unsqueeze"];
            let inner = inner.iter().find_map(|op| matcher.made_by(graph, from, op));
            let Some((_, inner)) = inner else { return Attempt::No };
            let Some(original) = input(inner, 0) else { return Attempt::No };
            let wanted = graph.value(wanted).constant.as_ref().and_then(|t| t.as_slice::<i64>().ok());
            let Some(wanted) = wanted else { return Attempt::Near("the shape is not constant") };
            if wanted.contains(&0) {
                return Attempt::Near("the shape takes a size from its input");
            }
            let mut fused = Node::clone(node);
            fused.inputs[0] = Some(original);
            Attempt::Fire { removed: Vec::new(), nodes: vec![fused] }
        })
    }
}

/// Where the dimensions before the last two are joined, the last two exchanged, and the dimensions split as they were, only the
/// last two are exchanged: the keys of attention in PyTorch's exports.
#[derive(Debug)]
pub struct TransposeThroughReshapes;

fn exchange(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    if !root.domain.is_empty() || root.op != "Reshape" {
        return None;
    }
    let (_, turn) = matcher.made_by(graph, input(root, 0)?, "Transpose")?;
    let joined = input(turn, 0)?;
    let (_, join) = matcher.made_by(graph, joined, "Reshape")?;
    let x = input(join, 0)?;
    let perm = permutation(turn)?;
    let middle = perm.len().checked_sub(2)?;
    if !perm.iter().copied().eq((0..middle).chain([middle + 1, middle])) {
        return None;
    }
    let shape = |id: Option<crate::graph::ValueId>| graph.value(id?).shape.as_deref();
    let (from, between, to) = (shape(Some(x))?, shape(Some(joined))?, shape(*root.outputs.first()?)?);
    let (Some((lead, last)), Some((same, turned))) = (from.split_last_chunk::<2>(), to.split_last_chunk::<2>()) else {
        return None;
    };
    let [rows, columns] = last;
    if lead != same || between[middle..] != *last || turned != &[columns.clone(), rows.clone()] {
        return Some(Attempt::Near("the shapes around it are not provably those of a transpose"));
    }
    let rank = from.len() as i64;
    let perm = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
    let node = Node {
        name: root.name.clone(),
        op: "Transpose".to_owned(),
        opset: turn.opset,
        attrs: [("perm".to_owned(), Attr::Ints(perm))].into(),
        inputs: vec![Some(x)],
        outputs: root.outputs.clone(),
        ..Node::default()
    };
    Some(Attempt::Fire { removed: Vec::new(), nodes: vec![node] })
}

impl Rewrite for TransposeThroughReshapes {
    fn name(&self) -> &'static str {
        "TransposeThroughReshapes"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| exchange(graph, matcher, index).unwrap_or(Attempt::No))
    }
}
