//! Products of dequantised tensors as exact products of integers.

use super::matcher::{Attempt, Matcher, input, output, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Dim, Graph, Node, Value, ValueId};
use crate::ops::Operators;
use crate::tensor::{DType, Tensor};

/// A `Conv`, `MatMul` or `Gemm` of two tensors that a `DequantizeLinear` each makes of 8-bit numbers is a `ConvInteger` or `MatMulInteger`
/// of these numbers, times the scales.
#[derive(Debug)]
pub struct MultiplyIntegers;

/// The most products of differences of 8-bit numbers, of 255 at most, whose sum 32 bits hold.
const MAX_DEPTH: usize = i32::MAX as usize / (255 * 255);

/// What a value is dequantised from.
struct Quantised {
    x: ValueId,
    zero: Option<ValueId>,
    /// One, or one for each output channel or column.
    scales: Vec<f32>,
}

/// The 8-bit numbers that `id` is made of by constant scales, of which there may be one for each index of `axis`.
fn quantised(graph: &Graph, matcher: &Matcher, id: ValueId, axis: Option<i64>) -> Result<Quantised, &'static str> {
    let (_, node) = matcher.made_by(graph, id, "DequantizeLinear").ok_or("an operand is not dequantised")?;
    let x = input(node, 0).ok_or("an operand is not dequantised")?;
    if !matches!(graph.value(x).dtype, Some(DType::U8 | DType::I8)) || graph.value(id).dtype != Some(DType::F32) {
        return Err("an operand is not of 8 bits, or its values not f32");
    }
    let scale = input(node, 1).and_then(|scale| graph.value(scale).constant.as_ref());
    let scale = scale.ok_or("a scale is no constant")?;
    let scales = scale.as_slice::<f32>().map_err(|_| "a scale is not f32")?.to_vec();
    let own_axis = node.int("axis", 1).map_err(|_| "an axis is no number")?;
    let rank = graph.value(x).shape.as_ref().map(|shape| shape.len() as i64).ok_or("a rank is not known")?;
    let along = if own_axis < 0 { own_axis + rank } else { own_axis };
    let fits = scale.shape().len() <= 1 && (scales.len() == 1 || axis == Some(along));
    if !fits || !matches!(node.int("block_size", 0), Ok(0)) {
        return Err("a scale is not one for the tensor or for each output channel");
    }
    Ok(Quantised { x, zero: input(node, 2), scales })
}

/// How a node multiplies.
struct Product {
    /// The operator on integers.
    op: &'static str,
    /// The axis of the right side that is the output's channels or columns.
    axis: i64,
    /// Dimensions of the output behind that of channels or columns.
    behind: usize,
    /// Whether the right side is.
    transposed: bool,
}

fn product(graph: &Graph, node: &Node) -> Result<Option<Product>, &'static str> {
    if !node.domain.is_empty() {
        return Ok(None);
    }
    let rank = |i: usize| input(node, i).and_then(|id| graph.value(id).shape.as_ref()).map(Vec::len);
    match node.op.as_str() {
        "Conv" => {
            let behind = rank(0).filter(|&rank| rank > 2).ok_or("its rank is not known")? - 2;
            Ok(Some(Product { op: "ConvInteger", axis: 0, behind, transposed: false }))
        }
        "MatMul" => match rank(1) {
            Some(2) => Ok(Some(Product { op: "MatMulInteger", axis: 1, behind: 0, transposed: false })),
            _ => Err("its right side is no matrix"),
        },
        "Gemm" => {
            let transposed = !matches!(node.int("transB", 0), Ok(0));
            let one = |name| node.float(name, 1.0).is_ok_and(|factor| factor == 1.0);
            if !matches!(node.int("transA", 0), Ok(0)) || !one("alpha") || !one("beta") {
                return Err("its left side is transposed, or it has factors");
            }
            Ok(Some(Product { op: "MatMulInteger", axis: i64::from(!transposed), behind: 0, transposed }))
        }
        _ => Ok(None),
    }
}

/// The elements of a weight for each index of an axis, where they are known.
fn depth(graph: &Graph, weight: ValueId, axis: i64) -> Option<usize> {
    let shape = graph.value(weight).shape.as_ref()?;
    let others = shape.iter().enumerate().filter(|&(at, _)| at as i64 != axis);
    others
        .map(|(_, dim)| if let Dim::Known(size) = dim { Some(*size) } else { None })
        .try_fold(1, |n: usize, size| n.checked_mul(size?))
}

/// A list of numbers for each channel or column as it broadcasts to the output; one number as it is.
fn along(numbers: &[f32], behind: usize) -> Result<Tensor, &'static str> {
    let mut shape = vec![1; behind];
    shape.insert(0, numbers.len());
    let shape = if numbers.len() == 1 { Vec::new() } else { shape };
    Tensor::new(shape, numbers.to_vec()).map_err(|_| "numbers do not fill their shape")
}

fn attempt(graph: &mut Graph, matcher: &Matcher, index: usize) -> Result<Attempt, &'static str> {
    let root = graph.nodes[index].clone();
    let Some(Product { op, axis, behind, transposed }) = product(graph, &root)? else { return Ok(Attempt::No) };
    let ([Some(a), Some(b)], Some(result)) = ([input(&root, 0), input(&root, 1)], output(&root)) else {
        return Ok(Attempt::No);
    };
    let is_dequantised = |id| matcher.made_by(graph, id, "DequantizeLinear").is_some();
    if !is_dequantised(a) || !is_dequantised(b) {
        return Ok(Attempt::No);
    }
    let (left, right) = (quantised(graph, matcher, a, None)?, quantised(graph, matcher, b, Some(axis))?);
    if depth(graph, right.x, axis).is_none_or(|depth| depth > MAX_DEPTH) {
        return Err("its sums may leave 32 bits");
    }
    let bias = match input(&root, 2) {
        None => None,
        Some(id) => {
            let constant = graph.value(id).constant.as_ref().ok_or("its bias is no constant")?;
            let numbers = constant.as_slice::<f32>().map_err(|_| "its bias is not f32")?;
            if constant.shape().len() > 1 {
                return Err("its bias is no vector");
            }
            Some(along(numbers, behind)?)
        }
    };
    let [left_scale] = left.scales[..] else { return Err("the left side has several scales") };
    let scales: Vec<f32> = right.scales.iter().map(|scale| left_scale * scale).collect();
    let scales = along(&scales, behind)?;

    let shape = graph.value(result).shape.clone();
    let mut nodes: Vec<Node> = Vec::new();
    let mut add = |graph: &mut Graph, op: &str, inputs: Vec<Option<ValueId>>, dtype: DType, attrs: &[(&str, Attr)]| {
        let name = format!("{}/{op}", root.name);
        let shape = if op == "Transpose" { None } else { shape.clone() };
        let id = graph.add_value(Value { name: name.clone(), dtype: Some(dtype), shape, ..Value::default() });
        let attrs = attrs.iter().map(|(name, attr)| ((*name).to_owned(), attr.clone())).collect();
        nodes.push(Node {
            name,
            op: op.to_owned(),
            opset: 13,
            attrs,
            inputs,
            outputs: vec![Some(id)],
            ..Node::default()
        });
        id
    };
    let mut weight = right.x;
    if transposed {
        let dtype = graph.value(weight).dtype.ok_or("a type is not known")?;
        weight = add(graph, "Transpose", vec![Some(weight)], dtype, &[("perm", Attr::Ints(vec![1, 0]))]);
    }
    let attrs: Vec<(String, Attr)> =
        if op == "ConvInteger" { root.attrs.clone().into_iter().collect() } else { Vec::new() };
    let attrs: Vec<(&str, Attr)> = attrs.iter().map(|(name, attr)| (name.as_str(), attr.clone())).collect();
    let sums = add(graph, op, vec![Some(left.x), Some(weight), left.zero, right.zero], DType::I32, &attrs);
    let sums = add(graph, "Cast", vec![Some(sums)], DType::F32, &[("to", Attr::Int(1))]);
    let scales = graph.add_constant(format!("{}.scale", root.name), scales);
    add(graph, "Mul", vec![Some(sums), Some(scales)], DType::F32, &[]);
    if let Some(bias) = bias {
        let product = nodes.last().and_then(output);
        let bias = graph.add_constant(format!("{}.bias", root.name), bias);
        let name = format!("{}/Add", root.name);
        nodes.push(Node {
            name,
            op: "Add".to_owned(),
            opset: 13,
            inputs: vec![product, Some(bias)],
            ..Node::default()
        });
    }
    if let Some(last) = nodes.last_mut() {
        last.outputs = vec![Some(result)];
    }
    Ok(Attempt::Fire { removed: Vec::new(), nodes })
}

impl Rewrite for MultiplyIntegers {
    fn name(&self) -> &'static str {
        "MultiplyIntegers"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| attempt(graph, matcher, index).unwrap_or_else(Attempt::Near))
    }
}
