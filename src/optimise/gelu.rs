//! Gelu as exporters decompose it.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, SQRT_2};

use super::matcher::{Attempt, Matcher, constant_beside, input, is_about, is_f32, pair, rewrite, scalar, with_scalar};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Graph, Node, ValueId};
use crate::ops::Operators;

/// `0.5 * x * (1 + erf(x / sqrt 2))` and `0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`, in any order of the
/// factors, are `Gelu`.
#[derive(Debug)]
pub struct FuseGelu;

/// A product: its factors that are no numbers, the product of those that are, and the inner nodes.
struct Product {
    factors: Vec<ValueId>,
    number: f64,
    nodes: Vec<usize>,
}

/// Takes products apart, down to at most three factors.
fn product(graph: &Graph, matcher: &Matcher, root: &Node) -> Option<Product> {
    let mut product = Product { factors: Vec::new(), number: 1.0, nodes: Vec::new() };
    let mut open = pair(root)?.to_vec();
    while let Some(id) = open.pop() {
        let inner = matcher.made_by(graph, id, "Mul").filter(|_| matcher.used(id, 1));
        match (scalar(graph, id), inner) {
            (Some(number), _) => product.number *= f64::from(number),
            (None, Some((at, node))) if product.nodes.len() < 3 => {
                product.nodes.push(at);
                open.extend(pair(node)?);
            }
            _ => product.factors.push(id),
        }
    }
    Some(product)
}

/// The input and node of a node `op` that makes `id` for one user.
fn unary(graph: &Graph, matcher: &Matcher, id: ValueId, op: &str, nodes: &mut Vec<usize>) -> Option<ValueId> {
    let (at, node) = matcher.made_by(graph, id, op).filter(|_| matcher.used(id, 1))?;
    nodes.push(at);
    input(node, 0)
}

/// The value beside a number near `wanted` in a node `op` that makes `id` for one user.
fn beside(
    graph: &Graph,
    matcher: &Matcher,
    id: ValueId,
    op: &str,
    wanted: f64,
    nodes: &mut Vec<usize>,
) -> Option<ValueId> {
    let (at, node) = matcher.made_by(graph, id, op).filter(|_| matcher.used(id, 1))?;
    let [a, b] = pair(node)?;
    let ordered = matches!(op, "Div" | "Pow" | "Sub");
    let (value, number) = if ordered { constant_beside(graph, a, b)? } else { with_scalar(graph, node)? };
    nodes.push(at);
    is_about(number, wanted).then_some(value)
}

/// Whether `id` is `erf(x / sqrt 2)`.
fn is_erf_of(graph: &Graph, matcher: &Matcher, id: ValueId, x: ValueId, nodes: &mut Vec<usize>) -> Option<()> {
    let scaled = unary(graph, matcher, id, "Erf", nodes)?;
    let from = beside(graph, matcher, scaled, "Div", SQRT_2, nodes)
        .or_else(|| beside(graph, matcher, scaled, "Mul", FRAC_1_SQRT_2, nodes))?;
    (from == x).then_some(())
}

/// Whether `id` is `tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))`.
fn is_tanh_of(graph: &Graph, matcher: &Matcher, id: ValueId, x: ValueId, nodes: &mut Vec<usize>) -> Option<()> {
    let scaled = unary(graph, matcher, id, "Tanh", nodes)?;
    let sum = beside(graph, matcher, scaled, "Mul", FRAC_2_PI.sqrt(), nodes)?;
    let (at, node) = matcher.made_by(graph, sum, "Add").filter(|_| matcher.used(sum, 1))?;
    nodes.push(at);
    let [a, b] = pair(node)?;
    let cubic = if a == x { b } else { Some(a).filter(|_| b == x)? };
    let cube = beside(graph, matcher, cubic, "Mul", 0.044_715, nodes)?;
    if beside(graph, matcher, cube, "Pow", 3.0, nodes) == Some(x) {
        return Some(());
    }
    let (at, node) = matcher.made_by(graph, cube, "Mul").filter(|_| matcher.used(cube, 1))?;
    nodes.push(at);
    let [a, b] = pair(node)?;
    let square = if a == x { b } else { Some(a).filter(|_| b == x)? };
    let (at, node) = matcher.made_by(graph, square, "Mul").filter(|_| matcher.used(square, 1))?;
    nodes.push(at);
    (pair(node)? == [x, x]).then_some(())
}

fn attempt(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    if !root.domain.is_empty() || root.op != "Mul" {
        return None;
    }
    let product = product(graph, matcher, root)?;
    if !is_about(product.number as f32, 0.5) {
        return None;
    }
    let &[a, b] = product.factors.as_slice() else { return None };
    for (x, gate) in [(a, b), (b, a)] {
        let mut nodes = product.nodes.clone();
        let Some(inner) = beside(graph, matcher, gate, "Add", 1.0, &mut nodes) else { continue };
        if !is_f32(graph, x) {
            return Some(Attempt::Near("it is not f32"));
        }
        let kept = nodes.len();
        let approximate = if is_erf_of(graph, matcher, inner, x, &mut nodes).is_some() {
            "none"
        } else {
            nodes.truncate(kept);
            if is_tanh_of(graph, matcher, inner, x, &mut nodes).is_none() {
                return Some(Attempt::Near("the gate is neither of the two forms of Gelu, or is used elsewhere"));
            }
            "tanh"
        };
        if scalars_raise_rank(graph, x, index, &nodes) {
            return Some(Attempt::Near("a constant may raise the rank"));
        }
        let node = Node {
            name: root.name.clone(),
            op: "Gelu".to_owned(),
            opset: 20,
            attrs: [("approximate".to_owned(), Attr::Str(approximate.to_owned()))].into(),
            inputs: vec![Some(x)],
            outputs: root.outputs.clone(),
            ..Node::default()
        };
        return Some(Attempt::Fire { removed: nodes, nodes: vec![node] });
    }
    None
}

/// Whether a constant in the pattern has more dimensions than x is known to have.
fn scalars_raise_rank(graph: &Graph, x: ValueId, root: usize, nodes: &[usize]) -> bool {
    let rank = graph.value(x).shape.as_ref().map_or(0, Vec::len);
    let constants = nodes.iter().chain([&root]).flat_map(|&at| graph.nodes[at].inputs.iter().flatten());
    constants.filter_map(|&id| graph.value(id).constant.as_ref()).any(|tensor| tensor.shape().len() > rank)
}

impl Rewrite for FuseGelu {
    fn name(&self) -> &'static str {
        "FuseGelu"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| attempt(graph, matcher, index).unwrap_or(Attempt::No))
    }
}
