//! Nodes that compute the same of the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Outcome, Rewrite, Skip};
use crate::graph::{Attr, Graph, Node, ValueId};
use crate::ops::Operators;

/// A node with the operator, attributes and inputs of an earlier one goes, and that one's outputs are read in place of its own:
/// exporters compute masks and angles anew in every layer. Small constants count as the same where they are equal.
#[derive(Debug)]
pub struct MergeDuplicates;

/// Bytes of constants that are compared: scalars and lists of axes, not weights.
const SMALL: usize = 64;

/// Whether equal nodes give equal results: random numbers may depend on a node's name.
fn repeats(node: &Node) -> bool {
    let random = ["Bernoulli", "Dropout", "Multinomial"].contains(&node.op.as_str()) || node.op.starts_with("Random");
    let has_graph = |attr: &Attr| matches!(attr, Attr::Graph(_) | Attr::Graphs(_) | Attr::Unsupported(_));
    !random && !node.attrs.values().any(has_graph)
}

/// The first of the constants that are equal, by value; for small ones alone.
fn constants(graph: &Graph) -> BTreeMap<ValueId, ValueId> {
    let mut first = HashMap::new();
    let mut same = BTreeMap::new();
    for (at, value) in graph.values.iter().enumerate() {
        let Some(tensor) = value.constant.as_ref().filter(|tensor| tensor.bytes().len() <= SMALL) else { continue };
        let id = ValueId(at as u32);
        let known = *first.entry((tensor.dtype().name(), tensor.shape(), tensor.bytes())).or_insert(id);
        if known != id {
            same.insert(id, known);
        }
    }
    same
}

impl Rewrite for MergeDuplicates {
    fn name(&self) -> &'static str {
        "MergeDuplicates"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        type Key = (String, String, i64, Vec<Option<ValueId>>);
        let mut outcome = Outcome::default();
        let constants = constants(graph);
        let mut same: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        let mut seen: HashMap<Key, Vec<usize>> = HashMap::new();
        let mut dead = vec![false; graph.nodes.len()];
        for (index, dead) in dead.iter_mut().enumerate() {
            if graph.nodes[index].inputs.iter().flatten().any(|id| same.contains_key(id)) {
                for id in Arc::make_mut(&mut graph.nodes[index]).inputs.iter_mut().flatten() {
                    *id = same.get(id).copied().unwrap_or(*id);
                }
            }
            let node = &graph.nodes[index];
            if !repeats(node) {
                continue;
            }
            let first = |id: &ValueId| constants.get(id).copied().unwrap_or(*id);
            let inputs = node.inputs.iter().map(|id| id.as_ref().map(first)).collect();
            let others = seen.entry((node.domain.clone(), node.op.clone(), node.opset, inputs)).or_default();
            let gives_all = |other: &Node| {
                other.outputs.len() == node.outputs.len()
                    && other.outputs.iter().zip(&node.outputs).all(|(other, own)| other.is_some() || own.is_none())
            };
            let equal = others.iter().copied().find(|&at| {
                let other = &graph.nodes[at];
                other.attrs == node.attrs && gives_all(other)
            });
            let Some(earlier) = equal else {
                others.push(index);
                continue;
            };
            if node.outputs.iter().flatten().any(|id| graph.outputs.contains(id)) {
                let reason = "its result is a graph output".to_owned();
                outcome.skipped.push(Skip { node: node.name.clone(), reason });
                continue;
            }
            let pairs = node.outputs.iter().zip(&graph.nodes[earlier].outputs);
            same.extend(pairs.filter_map(|(own, other)| Some(((*own)?, (*other)?))));
            *dead = true;
            outcome.fired += 1;
        }
        let mut at = 0;
        graph.nodes.retain(|_| {
            at += 1;
            !dead[at - 1]
        });
        outcome
    }
}
