//! Which values are sequences and optionals.

use std::sync::Arc;

use super::matcher::input;
use crate::graph::{Attr, Graph, Kind, Node, Subgraph};
use crate::ops::is_of_forms;

/// Finds what the outputs of all nodes are, in their subgraphs too.
pub(super) fn find(graph: &mut Graph) {
    if !has_forms(graph) {
        return;
    }
    for index in 0..graph.nodes.len() {
        let node = graph.nodes[index].clone();
        if !node.domain.is_empty() {
            continue;
        }
        let of = |i: usize| input(&node, i).map_or(Kind::Tensor, |id| graph.value(id).kind);
        let kinds = match node.op.as_str() {
            "SequenceConstruct" | "SequenceEmpty" | "SequenceInsert" | "SequenceErase" | "SplitToSequence" => {
                vec![Kind::Sequence]
            }
            "SequenceMap" => vec![Kind::Sequence; node.outputs.len()],
            "Optional" => vec![match of(0) {
                Kind::Tensor => Kind::Optional,
                Kind::Sequence => Kind::OptionalSequence,
                other => other,
            }],
            "OptionalGetElement" => vec![match of(0) {
                Kind::Optional => Kind::Tensor,
                Kind::OptionalSequence => Kind::Sequence,
                other => other,
            }],
            "Identity" => vec![of(0)],
            "If" | "Loop" => of_bodies(graph, index),
            _ => continue,
        };
        for (id, kind) in node.outputs.iter().zip(kinds) {
            if let Some(id) = *id {
                graph.value_mut(id).kind = kind;
            }
        }
    }
}

/// Whether anything in the graph, or within its nodes, is about sequences or optionals.
pub(super) fn has_forms(graph: &Graph) -> bool {
    graph.inputs.iter().chain(&graph.outputs).any(|&id| graph.value(id).kind != Kind::Tensor)
        || graph.nodes.iter().any(|node| is_of_forms(node) || bodies(node).any(|body| has_forms(&body.graph)))
}

/// Whether the node is one on sequences or optionals, or has one among its inputs and outputs.
pub(super) fn touches(graph: &Graph, node: &Node) -> bool {
    let is_form = |id: &Option<_>| id.is_some_and(|id| graph.value(id).kind != Kind::Tensor);
    is_of_forms(node) || node.inputs.iter().chain(&node.outputs).any(is_form)
}

fn bodies(node: &Node) -> impl Iterator<Item = &Subgraph> {
    node.attrs.values().filter_map(|attr| match attr {
        Attr::Graph(body) => Some(&**body),
        _ => None,
    })
}

/// The outputs of an If or Loop, whose subgraphs learn what their inputs are.
fn of_bodies(graph: &mut Graph, index: usize) -> Vec<Kind> {
    let node = graph.nodes[index].clone();
    let is_loop = node.op == "Loop";
    let mut kinds = vec![Kind::Tensor; node.outputs.len()];
    for (name, attr) in &node.attrs {
        let Attr::Graph(body) = attr else { continue };
        let mut body = body.clone();
        let own = body.graph.inputs.len().saturating_sub(body.captures.len());
        for (k, id) in body.graph.inputs.clone().into_iter().enumerate() {
            let outer =
                if k < own { Some(k).filter(|&k| is_loop && k >= 2) } else { body.captures.get(k - own).copied() };
            let kind = outer.and_then(|i| input(&node, i)).map(|id| graph.value(id).kind);
            if let Some(kind) = kind {
                body.graph.value_mut(id).kind = kind;
            }
        }
        find(&mut body.graph);
        let results = body.graph.outputs.iter().skip(usize::from(is_loop)).map(|&id| body.graph.value(id).kind);
        for (kind, result) in kinds.iter_mut().zip(results) {
            if *kind == Kind::Tensor {
                *kind = result;
            }
        }
        if node.attrs.get(name) != Some(&Attr::Graph(body.clone())) {
            Arc::make_mut(&mut graph.nodes[index]).attrs.insert(name.clone(), Attr::Graph(body));
        }
    }
    kinds
}
