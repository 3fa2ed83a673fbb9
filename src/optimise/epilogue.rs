//! Bias, residual and activation into the Conv, Gemm or MatMul that makes their operand.
//!
//! The fused node, of domain `fascine`, keeps the operator's name and attributes. Its inputs are x, w, bias, residual (the
//! last two may be left out); its attributes `activation`, `alpha` and `beta` say what is applied to the sum.

use super::matcher::{Attempt, Matcher, input, last_dim, output, pair, rewrite, same_shape, scalar};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Dim, Graph, Node, ValueId};
use crate::tensor::DType;

/// See the module.
#[derive(Debug)]
pub struct FuseEpilogue;

/// Name and parameters of an activation.
struct Activation(&'static str, f32, f32);

/// The activation that a node applies to its first input, if it is one.
fn activation(graph: &Graph, node: &Node) -> Option<Activation> {
    if !node.domain.is_empty() {
        return None;
    }
    let bound = |name: &str, i: usize, default: f32| {
        if node.opset < 11 {
            return node.float(name, default).ok();
        }
        input(node, i).map_or(Some(default), |id| scalar(graph, id))
    };
    Some(match node.op.as_str() {
        "Relu" => Activation("relu", 0.0, 0.0),
        "Clip" => Activation("clip", bound("min", 1, f32::NEG_INFINITY)?, bound("max", 2, f32::INFINITY)?),
        "LeakyRelu" => Activation("leaky_relu", node.float("alpha", 0.01).ok()?, 0.0),
        "Sigmoid" => Activation("sigmoid", 0.0, 0.0),
        "Tanh" => Activation("tanh", 0.0, 0.0),
        "HardSwish" => Activation("hard_swish", 0.0, 0.0),
        "HardSigmoid" => Activation("hard_sigmoid", node.float("alpha", 0.2).ok()?, node.float("beta", 0.5).ok()?),
        "Gelu" => match node.str("approximate", "none").ok()? {
            "none" => Activation("gelu", 0.0, 0.0),
            "tanh" => Activation("gelu_tanh", 0.0, 0.0),
            _ => return None,
        },
        _ => return None,
    })
}

/// The node that makes `id`, if an epilogue can join it.
fn target<'g>(graph: &'g Graph, matcher: &Matcher, id: ValueId) -> Option<(usize, &'g Node)> {
    let (at, node) = matcher.producer(graph, id)?;
    let fused = node.domain == "fascine";
    let fits = (node.domain.is_empty() || fused) && matches!(node.op.as_str(), "Conv" | "Gemm" | "MatMul");
    (fits && output(node).is_some() && !node.attrs.contains_key("activation")).then_some((at, node))
}

/// The fused form of a node.
fn fuse(node: &Node, root: &Node) -> Result<Node, &'static str> {
    let mut fused = Node {
        name: format!("{}+{}", node.name, root.op),
        domain: "fascine".to_owned(),
        outputs: root.outputs.clone(),
        ..node.clone()
    };
    if node.op == "Gemm" && node.domain.is_empty() {
        let scaled = |name| node.float(name, 1.0).map_or(true, |factor| factor != 1.0);
        if scaled("alpha") || scaled("beta") {
            return Err("the product is scaled");
        }
        // The names now belong to the activation.
        fused.attrs.remove("alpha");
        fused.attrs.remove("beta");
    }
    Ok(fused)
}

fn fire(removed: Vec<usize>, node: Node) -> Attempt {
    Attempt::Fire { removed, node }
}

fn try_activation(graph: &Graph, matcher: &Matcher, root: &Node) -> Attempt {
    let Some(from) = input(root, 0) else { return Attempt::No };
    let Some((at, node)) = target(graph, matcher, from) else { return Attempt::No };
    if graph.value(from).dtype.is_some_and(|dtype| dtype != DType::F32) {
        return Attempt::Near("it is not f32");
    }
    let Some(Activation(name, alpha, beta)) = activation(graph, root) else {
        return Attempt::Near("its parameters are not constant");
    };
    if !matcher.used(from, 1) {
        return Attempt::Near("the operand is used elsewhere");
    }
    match fuse(node, root) {
        Err(reason) => Attempt::Near(reason),
        Ok(fused) => fire(vec![at], activated(fused, name, alpha, beta)),
    }
}

fn activated(mut node: Node, name: &str, alpha: f32, beta: f32) -> Node {
    node.attrs.insert("activation".to_owned(), Attr::Str(name.to_owned()));
    node.attrs.insert("alpha".to_owned(), Attr::Float(alpha));
    node.attrs.insert("beta".to_owned(), Attr::Float(beta));
    node
}

/// `v * sigmoid(v)`.
fn try_silu(graph: &Graph, matcher: &Matcher, root: &Node) -> Attempt {
    let Some([a, b]) = pair(root) else { return Attempt::No };
    for (value, gate) in [(a, b), (b, a)] {
        let Some((sigmoid_at, sigmoid)) = matcher.made_by(graph, gate, "Sigmoid") else { continue };
        if input(sigmoid, 0) != Some(value) {
            continue;
        }
        let Some((at, node)) = target(graph, matcher, value) else { continue };
        if !matcher.used(value, 2) || !matcher.used(gate, 1) {
            return Attempt::Near("the operand is used elsewhere");
        }
        return match fuse(node, root) {
            Err(reason) => Attempt::Near(reason),
            Ok(fused) => fire(vec![at, sigmoid_at], activated(fused, "silu", 0.0, 0.0)),
        };
    }
    Attempt::No
}

/// Whether a constant added to the node's output is a bias: one number per output channel or column.
fn is_bias(graph: &Graph, node: &Node, sum: ValueId, added: ValueId) -> bool {
    let Some(constant) = &graph.value(added).constant else { return false };
    let (shape, weight) = (constant.shape(), input(node, 1).and_then(|id| graph.value(id).shape.as_ref()));
    let (Some(weight), Some(rank)) = (weight, graph.value(sum).shape.as_ref().map(Vec::len)) else { return false };
    let len = constant.len();
    if constant.dtype() != DType::F32 || shape.len() > rank {
        return false;
    }
    match node.op.as_str() {
        "MatMul" => {
            weight.len() >= 2
                && weight.last() == Some(&Dim::Known(len))
                && shape.last() == Some(&len)
                && last_dim(graph.value(sum)) == Some(len)
        }
        "Conv" => {
            let spatial = weight.len().saturating_sub(2);
            weight.first() == Some(&Dim::Known(len))
                && rank == weight.len()
                && shape.len() > spatial
                && shape[shape.len() - 1 - spatial] == len
        }
        _ => false,
    }
}

fn try_sum(graph: &mut Graph, matcher: &Matcher, index: usize) -> Attempt {
    let root = graph.nodes[index].clone();
    let Some([a, b]) = pair(&root) else { return Attempt::No };
    let mut near = None;
    // The later of two candidates: the other is its residual then.
    let mut sides = [(a, b), (b, a)];
    sides.sort_by_key(|&(sum, _)| std::cmp::Reverse(matcher.producer(graph, sum).map(|(at, _)| at)));
    for (sum, added) in sides {
        let Some((at, node)) = target(graph, matcher, sum) else { continue };
        let has_bias = input(node, 2).is_some();
        let has_residual = input(node, 3).is_some();
        if sum == added || !matcher.used(sum, 1) {
            near = Some("the operand is used elsewhere");
            continue;
        }
        let bias = !has_bias && !has_residual && is_bias(graph, node, sum, added);
        let residual = !has_residual && graph.value(added).dtype == Some(DType::F32) && same_shape(graph, sum, added);
        if !bias && !residual {
            near = Some("what is added is neither a bias nor of provably the same shape");
            continue;
        }
        let mut fused = match fuse(node, &root) {
            Ok(fused) => fused,
            Err(reason) => {
                near = Some(reason);
                continue;
            }
        };
        if bias {
            let constant = graph.value(added).constant.clone();
            let Some(flat) = constant.and_then(|t| t.reshaped([t.len()]).ok()) else { continue };
            let flat = graph.add_constant(format!("{}.bias", fused.name), flat);
            fused.inputs.resize(3, None);
            fused.inputs[2] = Some(flat);
        } else {
            fused.inputs.resize(4, None);
            fused.inputs[3] = Some(added);
        }
        return fire(vec![at], fused);
    }
    near.map_or(Attempt::No, Attempt::Near)
}

impl Rewrite for FuseEpilogue {
    fn name(&self) -> &'static str {
        "FuseEpilogue"
    }

    fn apply(&self, graph: &mut Graph) -> Outcome {
        rewrite(graph, |graph, matcher, index| {
            let root = &graph.nodes[index];
            if !root.domain.is_empty() {
                return Attempt::No;
            }
            match root.op.as_str() {
                "Add" => try_sum(graph, matcher, index),
                "Mul" => try_silu(graph, matcher, root),
                "Relu" | "Clip" | "LeakyRelu" | "Sigmoid" | "Tanh" | "HardSwish" | "HardSigmoid" | "Gelu" => {
                    try_activation(graph, matcher, root)
                }
                _ => Attempt::No,
            }
        })
    }
}
