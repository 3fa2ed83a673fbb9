//! Products with constant weights of few bits that are dequantised for them.

use super::matcher::{Attempt, Matcher, input, is_f32, output, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Dim, Graph, Node};
use crate::ops::Operators;
use crate::tensor::{DType, Tensor, TensorData};

/// A `MatMul` or `Gemm` of f32 with a constant matrix of 4 or 8 bits behind `DequantizeLinear`, its scales one, one for each column, or
/// one for each block of a column, is a `fascine.MatMulNBits`, which takes weights apart where it reads them: `(q - zero) * scale`, as
/// the two nodes would.
#[derive(Debug)]
pub struct KeepWeightsPacked;

/// A matrix of numbers, and of which side a column is.
struct Matrix<T> {
    data: Vec<T>,
    shape: [usize; 2],
    transposed: bool,
}

impl<T: Copy> Matrix<T> {
    fn depth(&self) -> usize {
        self.shape[usize::from(self.transposed)]
    }

    fn columns(&self) -> usize {
        self.shape[usize::from(!self.transposed)]
    }

    fn get(&self, k: usize, column: usize) -> T {
        let [row, at] = if self.transposed { [column, k] } else { [k, column] };
        self.data[row * self.shape[1] + at]
    }
}

/// The numbers of a tensor as unsigned ones of so many bits, the zero of signed ones in the middle.
fn unsigned(tensor: &Tensor) -> Option<(Vec<u8>, usize)> {
    match tensor.data() {
        TensorData::U8(data) => Some((data.to_vec(), 8)),
        TensorData::I8(data) => Some((data.iter().map(|&x| x as u8 ^ 0x80).collect(), 8)),
        TensorData::U4(data) => Some((data.iter().map(|x| x.get()).collect(), 4)),
        TensorData::I4(data) => Some((data.iter().map(|x| x.get().wrapping_add(8) as u8).collect(), 4)),
        _ => None,
    }
}

/// How many elements of a column share a scale, and the scales' shape as a matrix beside the weights.
fn granularity(
    dequantise: &Node,
    shape: [usize; 2],
    transposed: bool,
    scale: &[usize],
    bits: usize,
) -> Result<(usize, [usize; 2]), &'static str> {
    let (of_depth, of_columns) = (usize::from(transposed), usize::from(!transposed));
    let whole = shape[of_depth].next_multiple_of(32 / bits);
    let block = dequantise.int("block_size", 0).map_err(|_| "its blocks are no number")?;
    let axis = dequantise.int("axis", 1).map_err(|_| "its axis is no number")?;
    let axis = usize::try_from(if axis < 0 { axis + 2 } else { axis }).map_err(|_| "its axis is none")?;
    match (usize::try_from(block).map_err(|_| "its blocks are negative")?, scale) {
        (0, [] | [1]) => Ok((whole, [1, 1])),
        (0, &[len]) if axis == of_columns && len == shape[of_columns] => {
            Ok((whole, if transposed { [len, 1] } else { [1, len] }))
        }
        (block @ 1.., &[rows, columns]) if axis == of_depth => {
            let fits = (block * bits).is_multiple_of(32) && shape[of_depth].is_multiple_of(block);
            if fits { Ok((block, [rows, columns])) } else { Err("its blocks are no whole words") }
        }
        _ => Err("its scales are not one for each column or block of a column"),
    }
}

/// The constants of a `MatMulNBits`: weights, scales and zero points, and its attributes.
struct Packed {
    weight: Tensor,
    scales: Tensor,
    zeros: Tensor,
    attrs: [(&'static str, usize); 4],
}

fn pack(graph: &Graph, dequantise: &Node, transposed: bool) -> Result<Option<Packed>, &'static str> {
    let constant = |i: usize| input(dequantise, i).and_then(|id| graph.value(id).constant.as_ref());
    let Some(weight) = constant(0) else { return Ok(None) };
    let Some((data, bits)) = unsigned(weight) else { return Ok(None) };
    let &[rows, columns] = weight.shape() else { return Err("its weights are no matrix") };
    let weight = Matrix { data, shape: [rows, columns], transposed };
    let (depth, columns) = (weight.depth(), weight.columns());
    if depth == 0 || columns == 0 {
        return Err("its weights are empty");
    }
    let scale = constant(1).ok_or("a scale is no constant")?;
    let (block, shape) = granularity(dequantise, weight.shape, transposed, scale.shape(), bits)?;
    let blocks = depth.div_ceil(block);
    let scale = scale.as_slice::<f32>().map_err(|_| "a scale is not f32")?.to_vec();
    let scale = Matrix { data: scale, shape, transposed };
    let zero = match (input(dequantise, 2), constant(2)) {
        (None, _) => vec![if weight_is_signed(graph, dequantise) { 1 << (bits - 1) } else { 0 }; scale.data.len()],
        (Some(_), None) => return Err("a zero point is no constant"),
        (Some(_), Some(zero)) => unsigned(zero).ok_or("a zero point is of another type")?.0,
    };
    let zero = Matrix { data: zero, shape, transposed };
    let own = |block: usize, column: usize| (block.min(scale.depth() - 1), column.min(scale.columns() - 1));
    let (mut bytes, mut scales, mut zeros) = (Vec::new(), Vec::new(), Vec::new());
    for column in 0..columns {
        let element = |k: usize| if k < depth { weight.get(k, column) } else { 0 };
        bytes.extend(in_bytes((0..blocks * block).map(element), bits));
        scales.extend((0..blocks).map(|block| own(block, column)).map(|(block, column)| scale.get(block, column)));
        let of_blocks = (0..blocks).map(|block| own(block, column)).map(|(block, column)| zero.get(block, column));
        zeros.extend(in_bytes(of_blocks, bits));
    }
    let tensor = |bytes: Vec<u8>| Tensor::new([bytes.len()], bytes).map_err(|_| "bytes do not fill their shape");
    Ok(Some(Packed {
        weight: tensor(bytes)?,
        scales: Tensor::new([scales.len()], scales).map_err(|_| "scales do not fill their shape")?,
        zeros: tensor(zeros)?,
        attrs: [("K", depth), ("N", columns), ("bits", bits), ("block_size", block)],
    }))
}

fn weight_is_signed(graph: &Graph, dequantise: &Node) -> bool {
    input(dequantise, 0).is_some_and(|id| matches!(graph.value(id).dtype, Some(DType::I8 | DType::I4)))
}

/// Numbers of 4 or 8 bits, the lowest bits of a byte first.
fn in_bytes(numbers: impl Iterator<Item = u8>, bits: usize) -> Vec<u8> {
    let numbers: Vec<u8> = numbers.collect();
    if bits == 8 {
        return numbers;
    }
    numbers.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0) << 4).collect()
}

fn attempt(graph: &mut Graph, matcher: &Matcher, index: usize) -> Result<Attempt, &'static str> {
    let root = graph.nodes[index].clone();
    let transposed = match root.op.as_str() {
        "MatMul" => false,
        "Gemm" => !matches!(root.int("transB", 0), Ok(0)),
        _ => return Ok(Attempt::No),
    };
    let (Some(a), Some(b), Some(result)) = (input(&root, 0), input(&root, 1), output(&root)) else {
        return Ok(Attempt::No);
    };
    let Some((at, dequantise)) = matcher.made_by(graph, b, "DequantizeLinear").filter(|_| root.domain.is_empty())
    else {
        return Ok(Attempt::No);
    };
    let Some(packed) = pack(graph, dequantise, transposed)? else { return Ok(Attempt::No) };
    if !is_f32(graph, a) || !is_f32(graph, b) || !is_f32(graph, result) {
        return Err("it is not known to be of f32");
    }
    if !matcher.used(b, 1) {
        return Err("its weights are used elsewhere");
    }
    let factor = |name| root.float(name, 1.0).is_ok_and(|factor| factor == 1.0);
    if root.op == "Gemm" && (!matches!(root.int("transA", 0), Ok(0)) || !factor("alpha") || !factor("beta")) {
        return Err("its left side is transposed, or it has factors");
    }
    let [_, (_, columns), ..] = packed.attrs;
    let bias = input(&root, 2);
    if bias.is_some_and(|id| graph.value(id).shape.as_deref() != Some(&[Dim::Known(columns)])) {
        return Err("its bias is not one for each column");
    }
    let mut constant = |what: &str, tensor| graph.add_constant(format!("{}.{what}", root.name), tensor);
    let weight = constant("packed", packed.weight);
    let (scales, zeros) = (constant("scales", packed.scales), constant("zeros", packed.zeros));
    let mut inputs = vec![Some(a), Some(weight), Some(scales), Some(zeros)];
    if bias.is_some() {
        inputs.extend([None, bias]);
    }
    let node = Node {
        name: root.name.clone(),
        domain: "fascine".to_owned(),
        op: "MatMulNBits".to_owned(),
        opset: 1,
        attrs: packed.attrs.map(|(name, value)| (name.to_owned(), Attr::Int(value as i64))).into(),
        inputs,
        outputs: root.outputs.clone(),
    };
    Ok(Attempt::Fire { removed: vec![at], nodes: vec![node] })
}

impl Rewrite for KeepWeightsPacked {
    fn name(&self) -> &'static str {
        "KeepWeightsPacked"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| attempt(graph, matcher, index).unwrap_or_else(Attempt::Near))
    }
}
