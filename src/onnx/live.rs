//! Which nodes of a body some wanted name needs.

use std::collections::{HashMap, HashSet};

use super::proto::{GraphProto, NodeProto};

/// What is needed of a body.
pub(super) struct Live<'p> {
    /// By node.
    pub(super) nodes: Vec<bool>,
    /// Every name that a needed node reads, and the wanted ones.
    pub(super) read: HashSet<&'p str>,
}

/// What the `wanted` names need of `nodes`.
pub(super) fn live<'p>(nodes: &'p [NodeProto], wanted: impl IntoIterator<Item = &'p str>) -> Live<'p> {
    let mut producers = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        producers.extend(node.output.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), index)));
    }
    let mut live = Live { nodes: vec![false; nodes.len()], read: HashSet::new() };
    let mut open: Vec<&str> = wanted.into_iter().collect();
    while let Some(name) = open.pop() {
        if !live.read.insert(name) {
            continue;
        }
        if let Some(&index) = producers.get(name)
            && !live.nodes[index]
        {
            live.nodes[index] = true;
            uses(&nodes[index], &mut open);
        }
    }
    live
}

/// The names that a node reads, in its subgraphs too (where those that a subgraph defines itself do no harm).
fn uses<'p>(node: &'p NodeProto, names: &mut Vec<&'p str>) {
    names.extend(node.input.iter().filter(|name| !name.is_empty()).map(String::as_str));
    for graph in subgraphs(node) {
        names.extend(live(&graph.node, outputs(graph)).read);
    }
}

/// The graphs among a node's attributes.
pub(super) fn subgraphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.as_deref().into_iter().chain(&attribute.graphs))
}

/// The names of a graph's outputs.
pub(super) fn outputs(graph: &GraphProto) -> impl Iterator<Item = &str> {
    graph.output.iter().filter_map(|info| info.name.as_deref()).filter(|name| !name.is_empty())
}
