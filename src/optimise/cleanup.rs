//! Removing what does nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::matcher::{Attempt, input, output, rewrite, same_shape};
use super::{Outcome, Rewrite, Skip};
use crate::graph::prune::prune;
use crate::graph::{Attr, Graph, Node, ValueId};
use crate::ops::Operators;
use crate::tensor::DType;

/// Nodes whose outputs nothing uses, outputs that nothing uses, and constants that nothing uses.
#[derive(Debug)]
pub struct DropDeadCode;

impl Rewrite for DropDeadCode {
    fn name(&self) -> &'static str {
        "DropDeadCode"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        Outcome { fired: prune(graph), skipped: Vec::new() }
    }
}

/// Nodes that give their input back: Identity, Dropout outside training, casts to the same type, transposes that keep
/// the order, reshapes to the same shape, a Concat of one tensor.
#[derive(Debug)]
pub struct DropIdentities;

/// Whether the node's first output is its first input.
fn is_identity(graph: &Graph, node: &Node) -> bool {
    if !node.domain.is_empty() {
        return false;
    }
    let (Some(from), Some(Some(to))) = (input(node, 0), node.outputs.first().copied()) else { return false };
    let constant = |i: usize| input(node, i).and_then(|id| graph.value(id).constant.as_ref());
    match node.op.as_str() {
        "Identity" => true,
        "Concat" => node.inputs.len() == 1,
        "Dropout" => {
            // Training takes an input that says so since opset 12; the mask must not be wanted.
            let trains = input(node, 2).is_some()
                && !constant(2).is_some_and(|flag| flag.as_slice::<bool>().is_ok_and(|flag| flag == [false]));
            node.opset >= 7 && !trains && node.outputs.iter().skip(1).all(Option::is_none)
        }
        "Cast" => {
            let target = node.attrs.get("to").and_then(|to| match to {
                Attr::Int(number) => DType::from_onnx(i32::try_from(*number).ok()?),
                _ => None,
            });
            target.is_some() && graph.value(from).dtype == target
        }
        "Transpose" => match node.attrs.get("perm") {
            Some(Attr::Ints(perm)) => perm.iter().enumerate().all(|(i, &axis)| axis == i as i64),
            _ => graph.value(from).shape.as_ref().is_some_and(|shape| shape.len() < 2),
        },
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Expand" => same_shape(graph, from, to),
        _ => false,
    }
}

impl Rewrite for DropIdentities {
    fn name(&self) -> &'static str {
        "DropIdentities"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        let mut outcome = Outcome::default();
        // Values that are another value, already followed to its end.
        let mut same: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        let mut dead = vec![false; graph.nodes.len()];
        let mut is_output = vec![false; graph.values.len()];
        for id in &graph.outputs {
            is_output[id.0 as usize] = true;
        }
        for (index, dead) in dead.iter_mut().enumerate() {
            let node = &mut graph.nodes[index];
            if node.inputs.iter().flatten().any(|id| same.contains_key(id)) {
                for id in Arc::make_mut(node).inputs.iter_mut().flatten() {
                    *id = same.get(id).copied().unwrap_or(*id);
                }
            }
            let node = &graph.nodes[index];
            if !is_identity(graph, node) {
                continue;
            }
            let (Some(from), Some(Some(to))) = (input(node, 0), node.outputs.first().copied()) else { continue };
            if is_output[to.0 as usize] {
                let skip = Skip { node: node.name.clone(), reason: "its result is a graph output".to_owned() };
                outcome.skipped.push(skip);
                continue;
            }
            same.insert(to, from);
            *dead = true;
            outcome.fired += 1;
        }
        let mut at = 0;
        graph.nodes.retain(|_| {
            at += 1;
            !dead[at - 1]
        });
        outcome.fired += self.rename_outputs(graph);
        outcome
    }
}

impl DropIdentities {
    /// An identity that makes a graph output of a value with no other use: its producer makes the output itself.
    fn rename_outputs(&self, graph: &mut Graph) -> usize {
        let outcome = rewrite(graph, |graph, matcher, index| {
            let node = &graph.nodes[index];
            let (Some(from), Some(to)) = (input(node, 0), output(node)) else { return Attempt::No };
            if !is_identity(graph, node) || !matcher.used(from, 1) || !matcher.is_output(to) {
                return Attempt::No;
            }
            let Some((producer, made)) = matcher.producer(graph, from) else { return Attempt::No };
            if made.outputs.len() != 1 {
                return Attempt::No;
            }
            let node = Node { outputs: vec![Some(to)], ..made.clone() };
            Attempt::Fire { removed: vec![producer], nodes: vec![node] }
        });
        outcome.fired
    }
}
