//! Bias, residual and elementwise operators into the Conv, Gemm or MatMul that makes their operand.
//!
//! The fused node, of domain `fascine`, keeps the operator's name and attributes. Its inputs are x, w, bias, residual (the
//! last two may be left out; of a `fascine.MatMulInteger` they are behind others); the attributes of a `fascine.Elementwise` of one input say what is done to the sum. The factors
//! of a Gemm are then called `scale` and `bias_scale`.

use super::elementwise::chain;
use super::matcher::{Attempt, Matcher, input, is_f32, last_dim, output, pair, rewrite, same_shape};
use super::{Outcome, Rewrite};
use crate::graph::{Dim, Graph, Node, ValueId};
use crate::ops::Operators;
use crate::ops::elementwise::program::Program;
use crate::tensor::DType;

/// See the module.
#[derive(Debug)]
pub struct FuseEpilogue;

/// The most constants of a program behind a product, beside the product's own parameters.
const MAX_CONSTANTS: usize = 63;

/// The node that makes `id`, if an epilogue can join it.
fn target<'g>(graph: &'g Graph, matcher: &Matcher, id: ValueId) -> Option<(usize, &'g Node)> {
    let (at, node) = matcher.producer(graph, id)?;
    let fused = node.domain == "fascine";
    let fits = (node.domain.is_empty() || fused) && matches!(node.op.as_str(), "Conv" | "Gemm" | "MatMul")
        || fused && node.op == "MatMulInteger";
    (fits && output(node).is_some()).then_some((at, node))
}

/// Which inputs of a fused node are bias and residual.
fn places(node: &Node) -> [usize; 2] {
    if node.op == "MatMulInteger" { [6, 7] } else { [2, 3] }
}

/// Whether something is done to the node's results already.
fn has_program(node: &Node) -> bool {
    node.domain == "fascine" && node.attrs.contains_key("codes")
}

/// The fused form of a node.
fn fuse(node: &Node, root: &Node) -> Node {
    let mut fused = Node {
        name: format!("{}+{}", node.name, root.op),
        domain: "fascine".to_owned(),
        outputs: root.outputs.clone(),
        ..node.clone()
    };
    if node.op == "Gemm" && node.domain.is_empty() {
        for (name, own) in [("alpha", "scale"), ("beta", "bias_scale")] {
            if let Some(factor) = fused.attrs.remove(name) {
                fused.attrs.insert(own.to_owned(), factor);
            }
        }
    }
    fused
}

fn fire(removed: Vec<usize>, node: Node) -> Attempt {
    Attempt::Fire { removed, nodes: vec![node] }
}

/// The node with `program` of its results behind what is done to them already; why not, if it cannot be.
fn followed(node: &Node, root: &Node, program: &Program) -> Result<Node, &'static str> {
    let dtype = program.dtype;
    let mut fused = fuse(node, root);
    let joined = if has_program(node) {
        let own = Node { inputs: vec![None], ..node.clone() };
        let own = Program::from_node(&own).map_err(|_| "what is done to the operand is no program")?;
        Program::join((&own, &["x"]), (program, &["y"]), &"y").map(|(joined, _)| joined)
    } else {
        match dtype.is_half() {
            // The product's own rounding comes first.
            true => Program::join((&Program::half(dtype), &["x"]), (program, &["y"]), &"y").map(|(joined, _)| joined),
            false => Some(program.clone()),
        }
    };
    match joined.filter(|joined| joined.constants_len() <= MAX_CONSTANTS) {
        Some(joined) => fused.attrs.extend(joined.to_attrs()),
        None => return Err("the program would exceed the kernel's bounds"),
    }
    Ok(fused)
}

/// An elementwise node of one value and constants.
fn try_program(graph: &Graph, matcher: &Matcher, root: &Node) -> Attempt {
    let made = |id: &Option<ValueId>| id.is_some_and(|id| target(graph, matcher, id).is_some());
    if !root.inputs.iter().any(made) {
        return Attempt::No;
    }
    let Some((program, reads)) = chain(graph, root).filter(|(program, _)| program.dtype.is_f32()) else {
        return Attempt::Near("it is no elementwise operator on floats");
    };
    let &[from] = reads.as_slice() else { return Attempt::Near("it reads more than the product") };
    let Some((at, node)) = target(graph, matcher, from) else {
        return Attempt::Near("it reads more than the product");
    };
    if graph.value(from).dtype != Some(program.dtype) {
        return Attempt::Near("the product is not known to be of the result's type");
    }
    let uses = root.inputs.iter().filter(|&&id| id == Some(from)).count();
    if !matcher.used(from, uses) {
        return Attempt::Near("the operand is used elsewhere");
    }
    match followed(node, root, &program) {
        Ok(fused) => fire(vec![at], fused),
        Err(reason) => Attempt::Near(reason),
    }
}

/// `v * sigmoid(v)`.
fn try_silu(graph: &Graph, matcher: &Matcher, root: &Node) -> Attempt {
    let Some([a, b]) = pair(root) else { return Attempt::No };
    for (value, gate) in [(a, b), (b, a)] {
        let Some((sigmoid_at, sigmoid)) = matcher.made_by(graph, gate, "Sigmoid") else { continue };
        if input(sigmoid, 0) != Some(value) || !is_f32(graph, value) {
            continue;
        }
        let Some((at, node)) = target(graph, matcher, value) else { continue };
        if !matcher.used(value, 2) || !matcher.used(gate, 1) {
            return Attempt::Near("the operand is used elsewhere");
        }
        return match followed(node, root, &Program::silu()) {
            Ok(fused) => fire(vec![at, sigmoid_at], fused),
            Err(reason) => Attempt::Near(reason),
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
    if graph.value(sum).dtype != Some(constant.dtype()) || shape.len() > rank {
        return false;
    }
    match node.op.as_str() {
        "MatMul" | "MatMulInteger" => {
            weight.len() >= 2
                && weight.last() == Some(&Dim::Known(len))
                && shape.last() == Some(&len)
                && last_dim(graph.value(sum)) == Some(len)
        }
        // A bias of half precision would be added before the sum is rounded.
        "Conv" if constant.dtype() == DType::F32 => {
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
        let Some((at, node)) = target(graph, matcher, sum).filter(|(_, node)| !has_program(node)) else { continue };
        let [bias_at, residual_at] = places(node);
        let has_bias = input(node, bias_at).is_some();
        let has_residual = input(node, residual_at).is_some();
        if sum == added || !matcher.used(sum, 1) {
            near = Some("the operand is used elsewhere");
            continue;
        }
        let bias = !has_bias && !has_residual && is_bias(graph, node, sum, added);
        let dtypes = [sum, added].map(|id| graph.value(id).dtype.filter(|dtype| dtype.is_f32()));
        let alike = dtypes[0].is_some() && dtypes[0] == dtypes[1];
        let residual = !has_residual && alike && same_shape(graph, sum, added);
        if !bias && !residual {
            near = Some("what is added is neither a bias nor of provably the same shape");
            continue;
        }
        let mut fused = fuse(node, &root);
        if bias {
            let constant = graph.value(added).constant.clone();
            let Some(flat) = constant.and_then(|t| t.reshaped([t.len()]).ok()) else { continue };
            let flat = graph.add_constant(format!("{}.bias", fused.name), flat);
            fused.inputs.resize(bias_at + 1, None);
            fused.inputs[bias_at] = Some(flat);
        } else {
            fused.inputs.resize(residual_at + 1, None);
            fused.inputs[residual_at] = Some(added);
        }
        return fire(vec![at], fused);
    }
    near.map_or(Attempt::No, Attempt::Near)
}

impl Rewrite for FuseEpilogue {
    fn name(&self) -> &'static str {
        "FuseEpilogue"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| {
            let op = graph.nodes[index].op.as_str();
            let special = match op {
                "Add" => try_sum(graph, matcher, index),
                "Mul" => try_silu(graph, matcher, &graph.nodes[index]),
                _ => Attempt::No,
            };
            match (special, try_program(graph, matcher, &graph.nodes[index])) {
                (fired @ Attempt::Fire { .. }, _) | (_, fired @ Attempt::Fire { .. }) => fired,
                (near @ Attempt::Near(_), _) => near,
                (Attempt::No, other) => other,
            }
        })
    }
}
