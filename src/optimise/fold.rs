//! Constant folding.

use std::sync::Arc;

use super::matcher::{Attempt, rewrite};
use super::{Outcome, Rewrite};
use crate::error::Result;
use crate::graph::{Dim, Graph, Node, ValueId};
use crate::lower::Fact;
use crate::ops::Operators;
use crate::size::{Size, checked_len, sizes};
use crate::tensor::Tensor;

/// Nodes of constants are constants.
#[derive(Debug)]
pub struct FoldConstants;

/// A node may yield this many elements, or as many as its inputs have. A guess: it lets shape arithmetic, masks and
/// rearranged weights pass and keeps a small file from expanding into all memory.
const BUDGET: i64 = 1 << 20;

/// The shape of a graph input, for a node that asks for nothing else, where every request must have it.
fn input_shape(graph: &Graph, node: &Node, id: ValueId) -> Option<Vec<usize>> {
    if !node.domain.is_empty() || node.op != "Shape" && node.op != "Size" || !graph.inputs.contains(&id) {
        return None;
    }
    let size = |dim: &Dim| match dim {
        Dim::Known(size) => Some(*size),
        Dim::Symbol(_) => None,
    };
    graph.value(id).shape.as_ref()?.iter().map(size).collect()
}

/// The node's results, if the host can compute them.
fn evaluate(graph: &Graph, node: &Arc<Node>, operators: &mut Operators) -> Result<Option<Vec<Tensor>>> {
    let facts: Option<Vec<Option<Fact>>> = node
        .inputs
        .iter()
        .map(|id| match id {
            None => Some(None),
            Some(id) => Some(Some(match &graph.value(*id).constant {
                Some(value) => Fact::constant(value.clone()),
                None => Fact::unknown(graph.value(*id).dtype?, sizes(&input_shape(graph, node, *id)?)),
            })),
        })
        .collect();
    let (Some(facts), Ok(operator)) = (facts, operators.of(node)) else { return Ok(None) };
    let facts: Vec<Option<&Fact>> = facts.iter().map(Option::as_ref).collect();
    let total = |shapes: &mut dyn Iterator<Item = &Vec<Size>>| {
        shapes.fold(0, |sum: i64, shape| sum.saturating_add(checked_len(shape).map_or(i64::MAX, Size::estimate)))
    };
    let inputs = total(&mut facts.iter().flatten().map(|fact| &fact.shape));
    let shapes = operator.shapes(&facts)?;
    if total(&mut shapes.iter()) > inputs.max(BUDGET) {
        return Ok(None);
    }
    if let Some(values) = operator.integers(&facts)? {
        return Ok(Some(values.iter().map(|known| known.estimate().clone()).collect()));
    }
    operator.evaluate(&facts)
}

impl Rewrite for FoldConstants {
    fn name(&self) -> &'static str {
        "FoldConstants"
    }

    fn apply(&self, graph: &mut Graph, operators: &mut Operators) -> Outcome {
        let mut folded = 0;
        let outcome = rewrite(graph, |graph, _, index| {
            let node = &graph.nodes[index];
            let constant = |id: &Option<_>| {
                id.is_none_or(|id| graph.value(id).constant.is_some() || input_shape(graph, node, id).is_some())
            };
            let done = node.outputs.iter().flatten().any(|&id| graph.value(id).constant.is_some());
            if done || node.inputs.is_empty() || !node.inputs.iter().all(constant) {
                return Attempt::No;
            }
            match evaluate(graph, node, operators) {
                Ok(Some(values)) if values.len() >= node.outputs.len() => {
                    let outputs = node.outputs.clone();
                    for (id, value) in outputs.iter().zip(values) {
                        if let Some(id) = id {
                            graph.value_mut(*id).set_constant(value);
                        }
                    }
                    folded += 1;
                    Attempt::No
                }
                Ok(_) => Attempt::Near("the host does not compute it, or the result is too large"),
                Err(_) => Attempt::Near("it cannot be computed"),
            }
        });
        let Graph { values, nodes, .. } = graph;
        let constant = |id: &Option<ValueId>| id.is_none_or(|id| values[id.0 as usize].constant.is_some());
        nodes.retain(|node| !node.outputs.iter().all(constant));
        Outcome { fired: folded, ..outcome }
    }
}
