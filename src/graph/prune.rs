//! Removing what no output needs.

use std::sync::Arc;

use super::{Graph, Value, ValueId};

/// By value: whether a node reads it or it is an output.
pub fn read(graph: &Graph) -> Vec<bool> {
    let mut read = vec![false; graph.values.len()];
    for id in graph.outputs.iter().chain(graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten())) {
        read[id.0 as usize] = true;
    }
    read
}

/// Removes the nodes whose outputs nothing needs, the outputs without a reader of those that remain, and constants that
/// nothing reads. The nodes are in topological order. Gives the number of nodes removed.
pub fn prune(graph: &mut Graph) -> usize {
    let mut live = vec![false; graph.values.len()];
    for id in &graph.outputs {
        live[id.0 as usize] = true;
    }
    let before = graph.nodes.len();
    let mut keep = vec![false; before];
    for (keep, node) in keep.iter_mut().zip(&mut graph.nodes).rev() {
        *keep = node.outputs.iter().flatten().any(|id| live[id.0 as usize]);
        if !*keep {
            continue;
        }
        let unread = |id: &ValueId| !live[id.0 as usize];
        let open = |list: &[Option<ValueId>]| matches!(list.last(), Some(None));
        let changes = node.outputs.iter().flatten().any(unread) || open(&node.outputs) || open(&node.inputs);
        if changes && !node.counts_outputs() {
            let node = Arc::make_mut(node);
            for output in &mut node.outputs {
                *output = output.filter(|id| !unread(id));
            }
            node.trim();
        }
        for id in node.inputs.iter().flatten() {
            live[id.0 as usize] = true;
        }
    }
    let mut keep = keep.into_iter();
    graph.nodes.retain(|_| keep.next() == Some(true));
    for (value, &live) in graph.values.iter_mut().zip(&live) {
        if !live && value.constant.is_some() {
            *value = Value { name: std::mem::take(&mut value.name), ..Value::default() };
        }
    }
    graph.refused.retain(|id, _| live[id.0 as usize]);
    before - graph.nodes.len()
}
