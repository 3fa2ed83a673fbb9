//! Topological order of a graph's nodes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Node;

/// Puts every node after the producers of its inputs, and otherwise keeps the order.
///
/// # Errors
/// `InvalidModel` if nodes depend on each other in a cycle; it names some of them.
pub(super) fn sort(nodes: Vec<Arc<Node>>, values: usize) -> Result<Vec<Arc<Node>>> {
    let mut producer = vec![None; values];
    for (index, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().flatten() {
            producer[output.0 as usize] = Some(index);
        }
    }
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waiting = vec![0usize; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for input in node.inputs.iter().flatten() {
            if let Some(source) = producer[input.0 as usize] {
                users[source].push(index);
                waiting[index] += 1;
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..nodes.len()).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &user in &users[index] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    if order.len() < nodes.len() {
        return Err(cycle(&nodes, &producer, &waiting));
    }
    let mut nodes: Vec<Option<Arc<Node>>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().map(|i| nodes[i].take().expect("each index once")).collect())
}

/// Walks back from a node that never became ready until a node repeats.
fn cycle(nodes: &[Arc<Node>], producer: &[Option<usize>], waiting: &[usize]) -> Error {
    let mut at = (0..nodes.len()).find(|&i| waiting[i] > 0).expect("some node is not in the order");
    let mut seen = vec![false; nodes.len()];
    let mut path = Vec::new();
    while !seen[at] {
        seen[at] = true;
        path.push(at);
        let sources = nodes[at].inputs.iter().flatten().filter_map(|v| producer[v.0 as usize]);
        at = sources.into_iter().find(|&s| waiting[s] > 0).expect("a waiting node waits for a waiting node");
    }
    let start = path.iter().position(|&i| i == at).expect("the walk ended at a node seen before");
    let names: Vec<String> = path[start..].iter().rev().take(8).map(|&i| format!("'{}'", nodes[i].name)).collect();
    Error::invalid_model(format!("the graph has a cycle through {}", names.join(" -> ")))
        .at_node(&nodes[at].name, nodes[at].operator())
}
