//! Branches that are decided at load.

use std::collections::HashSet;
use std::sync::Arc;

use super::matcher::{Attempt, input, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Branch, Graph, Node, Subgraph, ValueId};
use crate::ops::Operators;

/// An `If` of a constant condition is the nodes of its branch.
#[derive(Debug)]
pub struct ChooseBranches;

impl Rewrite for ChooseBranches {
    fn name(&self) -> &'static str {
        "ChooseBranches"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        if !graph.nodes.iter().any(|node| is_if(node)) {
            return Outcome::default();
        }
        let mut taken = names(graph);
        rewrite(graph, |graph, _, index| {
            let node = &graph.nodes[index];
            if !is_if(node) {
                return Attempt::No;
            }
            let condition = input(node, 0).and_then(|id| graph.value(id).constant.as_ref());
            let condition = condition.and_then(|tensor| match tensor.as_slice::<bool>() {
                Ok(&[condition]) => Some(condition),
                _ => None,
            });
            let Some(condition) = condition else { return Attempt::Near("its condition is not constant") };
            match take(graph, &mut taken, index, condition) {
                Ok(nodes) => {
                    let node = graph.nodes[index].name.clone();
                    graph.branches.push(Branch { node, taken: condition });
                    Attempt::Fire { removed: Vec::new(), nodes }
                }
                Err(reason) => Attempt::Near(reason),
            }
        })
    }
}

pub(super) fn is_if(node: &Node) -> bool {
    node.domain.is_empty() && node.op == "If"
}

pub(super) fn names(graph: &Graph) -> HashSet<String> {
    graph.values.iter().map(|value| value.name.clone()).collect()
}

/// Puts branches in place of `If`s: by node, whether the condition holds. A node whose branch does not fit it stays.
pub fn take_branches(graph: &mut Graph, choices: &[(usize, bool)]) {
    let mut taken = names(graph);
    let mut bodies: Vec<(usize, Vec<Node>)> = Vec::with_capacity(choices.len());
    for &(index, condition) in choices {
        if let Ok(nodes) = take(graph, &mut taken, index, condition) {
            bodies.push((index, nodes));
        }
    }
    bodies.sort_by_key(|&(index, _)| std::cmp::Reverse(index));
    for (index, nodes) in bodies {
        graph.nodes.splice(index..=index, nodes.into_iter().map(Arc::new));
    }
}

/// The nodes of one branch of the `If` at `index`.
fn take(
    graph: &mut Graph,
    taken: &mut HashSet<String>,
    index: usize,
    condition: bool,
) -> Result<Vec<Node>, &'static str> {
    let node = &graph.nodes[index];
    let name = if condition { "then_branch" } else { "else_branch" };
    let Some(Attr::Graph(branch)) = node.attrs.get(name) else { return Err("it lacks the branch") };
    let given = branch.graph.inputs.len() == branch.captures.len();
    if !given || branch.graph.outputs.len() < node.outputs.len() {
        return Err("inputs or outputs of the branch are not those of an If");
    }
    let (branch, node) = (branch.clone(), node.clone());
    Ok(unfold(graph, taken, &branch, &node, false))
}

/// The nodes of a subgraph of `node` that makes `result` of the one value `given`.
pub(super) fn inline(
    graph: &mut Graph,
    mut subgraph: Subgraph,
    node: &Node,
    given: ValueId,
    result: ValueId,
) -> Result<Vec<Node>, &'static str> {
    if subgraph.graph.inputs.len() != subgraph.captures.len() + 1 || subgraph.graph.outputs.len() != 1 {
        return Err("a subgraph has not one input and one output");
    }
    subgraph.captures.insert(0, node.inputs.len());
    let inputs = node.inputs.iter().copied().chain([Some(given)]).collect();
    let call = Node { name: node.name.clone(), inputs, outputs: vec![Some(result)], ..Node::default() };
    let mut taken = names(graph);
    Ok(unfold(graph, &mut taken, &subgraph, &call, false))
}

/// The nodes of the branch, on values of `graph`; `captures` are all of its inputs. Where it is one of several alike, the name of
/// `node` leads those of its nodes.
pub(super) fn unfold(
    graph: &mut Graph,
    taken: &mut HashSet<String>,
    branch: &Subgraph,
    node: &Node,
    repeated: bool,
) -> Vec<Node> {
    let Subgraph { graph: body, captures } = branch;
    let mut map: Vec<Option<ValueId>> = vec![None; body.values.len()];
    for (id, &capture) in body.inputs.iter().zip(captures) {
        map[id.0 as usize] = node.inputs.get(capture).copied().flatten();
    }
    let made: HashSet<ValueId> = body.nodes.iter().flat_map(|node| node.outputs.iter().flatten().copied()).collect();
    // What the branch makes is the node's output itself; a value from elsewhere, or one given out twice, is copied.
    let mut copies = Vec::new();
    for (&from, to) in body.outputs.iter().zip(&node.outputs) {
        let Some(to) = *to else { continue };
        if made.contains(&from) && map[from.0 as usize].is_none() {
            map[from.0 as usize] = Some(to);
        } else {
            copies.push((from, to));
        }
    }
    let mut id_of = |graph: &mut Graph, id: ValueId| {
        *map[id.0 as usize].get_or_insert_with(|| {
            let mut value = body.value(id).clone();
            if repeated {
                value.name = format!("{}/{}", node.name, value.name);
            }
            while !taken.insert(value.name.clone()) {
                value.name = format!("{}/{}", node.name, value.name);
            }
            let new = graph.add_value(value);
            graph.refused.extend(body.refused.get(&id).map(|why| (new, why.clone())));
            new
        })
    };
    let mut nodes = Vec::with_capacity(body.nodes.len() + copies.len());
    for mut inner in body.nodes.iter().map(|node| Node::clone(node)) {
        if repeated {
            inner.name = format!("{}/{}", node.name, inner.name);
        }
        for id in inner.inputs.iter_mut().chain(&mut inner.outputs).flatten() {
            *id = id_of(graph, *id);
        }
        nodes.push(inner);
    }
    for (from, to) in copies {
        nodes.push(Node {
            name: format!("{}/{}", node.name, graph.value(to).name),
            op: "Identity".to_owned(),
            opset: 13,
            inputs: vec![Some(id_of(graph, from))],
            outputs: vec![Some(to)],
            ..Node::default()
        });
    }
    nodes
}
