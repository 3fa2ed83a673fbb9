//! Multiplications by a number in half precision, behind what only moves elements.

use super::matcher::{Attempt, Matcher, half_scalar, input, like, output, pair, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::prune::prune;
use crate::graph::{Graph, Node, ValueId};
use crate::ops::Operators;

/// `move(y) * c` is `move(y * c)`, where a product makes y: there the multiplication joins it, and attention finds keys as they lie. In f32
/// attention takes the numbers into its scale; in half precision each multiplication rounds.
#[derive(Debug)]
pub struct ScaleBeforeMoves;

/// What makes the values that a multiplication joins.
const PRODUCTS: [&str; 3] = ["Add", "Gemm", "MatMul"];

/// The moves that make `id`, from the last to the first, and what they move.
fn moves(graph: &Graph, matcher: &Matcher, id: ValueId) -> (Vec<usize>, ValueId) {
    let (mut found, mut at) = (Vec::new(), id);
    while matcher.used(at, 1)
        && let Some((index, node)) =
            ["Transpose", "Reshape", "Unsqueeze"].iter().find_map(|op| matcher.made_by(graph, at, op))
        && let Some(from) = input(node, 0)
    {
        found.push(index);
        at = from;
    }
    (found, at)
}

fn attempt(graph: &mut Graph, matcher: &Matcher, index: usize) -> Attempt {
    let root = graph.nodes[index].clone();
    let (Some([a, b]), Some(result)) = (pair(&root), output(&root)) else { return Attempt::No };
    if !root.domain.is_empty() || root.op != "Mul" {
        return Attempt::No;
    }
    let by =
        |number: ValueId| half_scalar(graph, number).is_some() && graph.value(number).shape.as_deref() == Some(&[]);
    let Some((value, number)) = [(a, b), (b, a)].into_iter().find(|&(_, number)| by(number)) else {
        return Attempt::No;
    };
    let (moves, from) = moves(graph, matcher, value);
    let made = matcher.producer(graph, from).is_some_and(|(_, node)| PRODUCTS.contains(&node.op.as_str()));
    if moves.is_empty() || !made || !matcher.used(from, 1) {
        return Attempt::No;
    }
    let mut at = like(graph, from, "scaled");
    let mut nodes =
        vec![Node { inputs: vec![Some(from), Some(number)], outputs: vec![Some(at)], ..Node::clone(&root) }];
    for &index in moves.iter().rev() {
        let mut node = Node::clone(&graph.nodes[index]);
        node.inputs[0] = Some(at);
        let Some(old) = output(&node) else { return Attempt::No };
        at = if index == moves[0] { result } else { like(graph, old, "scaled") };
        node.outputs = vec![Some(at)];
        nodes.push(node);
    }
    Attempt::Fire { removed: moves, nodes }
}

impl Rewrite for ScaleBeforeMoves {
    fn name(&self) -> &'static str {
        "ScaleBeforeMoves"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        let outcome = rewrite(graph, attempt);
        if outcome.fired > 0 {
            prune(graph);
        }
        outcome
    }
}
