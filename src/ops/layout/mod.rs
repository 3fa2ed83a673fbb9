//! Operators that move or describe data without computing: views where no data need move, copies elsewhere.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::tensor::{DType, Tensor};

use super::{Entry, operator};
use crate::lower::Fact;
use crate::size::{Size, checked_len, is_empty};

mod bitcast;
mod cast;
mod concat;
mod crop;
mod gather;
mod generate;
mod host;
mod matrix;
mod pad;
mod pick;
mod reshape;
mod scatter;
mod sequence;
mod slice;
mod space;
mod transpose;

use reshape::Reshape;

pub(super) use gather::take;

pub(super) const OPERATORS: &[Entry] = &[
    ("", "BitCast", |node| operator(bitcast::BitCast::parse(node))),
    ("", "Cast", |node| operator(cast::Cast::parse(node))),
    ("", "CenterCropPad", |node| operator(crop::CenterCropPad::parse(node))),
    ("", "Concat", |node| operator(concat::Concat::parse(node))),
    ("", "ConstantOfShape", |node| operator(generate::ConstantOfShape::parse(node))),
    ("", "DepthToSpace", |node| operator(space::Blocks::parse(node, false))),
    ("", "Expand", |node| operator(arity(node, 2..=2, 1).map(|()| transpose::Expand))),
    ("", "EyeLike", |node| operator(matrix::EyeLike::parse(node))),
    ("", "Flatten", |node| operator(Reshape::flatten(node))),
    ("", "Gather", |node| operator(gather::Gather::parse(node))),
    ("", "GatherElements", |node| operator(pick::GatherElements::parse(node))),
    ("", "GatherND", |node| operator(pick::GatherNd::parse(node))),
    ("", "Identity", |node| operator(Reshape::identity(node))),
    ("", "OneHot", |node| operator(matrix::OneHot::parse(node))),
    ("", "Pad", |node| operator(pad::Pad::parse(node))),
    ("", "Range", |node| operator(arity(node, 3..=3, 1).map(|()| generate::Range))),
    ("", "Reshape", |node| operator(Reshape::to(node))),
    ("", "ReverseSequence", |node| operator(sequence::ReverseSequence::parse(node))),
    ("", "Scatter", |node| operator(scatter::Scatter::elements(node))),
    ("", "ScatterElements", |node| operator(scatter::Scatter::elements(node))),
    ("", "ScatterND", |node| operator(scatter::Scatter::nd(node))),
    ("", "Shape", |node| operator(generate::Shape::parse(node))),
    ("", "Size", |node| operator(arity(node, 1..=1, 1).map(|()| generate::SizeOf))),
    ("", "Slice", |node| operator(slice::Slice::parse(node))),
    ("", "SpaceToDepth", |node| operator(space::Blocks::parse(node, true))),
    ("", "Split", |node| operator(slice::Split::parse(node))),
    ("", "Squeeze", |node| operator(Reshape::squeeze(node))),
    ("", "TensorScatter", |node| operator(sequence::TensorScatter::parse(node))),
    ("", "Tile", |node| operator(arity(node, 2..=2, 1).map(|()| transpose::Tile))),
    ("", "Transpose", |node| operator(transpose::Transpose::parse(node))),
    ("", "Trilu", |node| operator(matrix::Trilu::parse(node))),
    ("", "Unsqueeze", |node| operator(Reshape::unsqueeze(node))),
];

/// Checks the number of inputs and that the first `min` are given, and that there are no more than `outputs` outputs.
fn arity(node: &Node, inputs: std::ops::RangeInclusive<usize>, outputs: usize) -> Result<()> {
    let given = node.inputs.len();
    if !inputs.contains(&given) || node.inputs.iter().take(*inputs.start()).any(Option::is_none) {
        return Err(Error::invalid_model(format!("{given} inputs (some may be left out), not {inputs:?}")));
    }
    if node.outputs.len() > outputs {
        return Err(Error::invalid_model(format!("{} outputs, not {outputs}", node.outputs.len())));
    }
    Ok(())
}

/// An axis counted from the front; `rank` is one past the last.
fn axis(axis: i64, rank: usize) -> Result<usize> {
    let signed = rank as i64;
    if axis < -signed || axis >= signed {
        return Err(Error::shape(format!("axis {axis} of a tensor of rank {rank}")));
    }
    Ok(if axis < 0 { axis + signed } else { axis } as usize)
}

/// Axes counted from the front, in the order given, each once.
fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>> {
    if list.len() > rank || rank > 1024 {
        return Err(Error::shape(format!("{} axes of a tensor of rank {rank}", list.len())));
    }
    let axes: Vec<usize> = list.iter().map(|&a| axis(a, rank)).collect::<Result<_>>()?;
    if (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
        return Err(Error::shape(format!("axes {list:?} name an axis twice")));
    }
    Ok(axes)
}

/// The element type of a required input.
fn dtype(inputs: &[Option<DType>], i: usize) -> Result<DType> {
    inputs.get(i).copied().flatten().ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))
}

/// Checks that input `i`, where it is given, is one of `allowed`.
fn of_type(inputs: &[Option<DType>], i: usize, allowed: &[DType]) -> Result<()> {
    match inputs.get(i).copied().flatten() {
        Some(dtype) if !allowed.contains(&dtype) => {
            Err(Error::invalid_model(format!("input {i} is {dtype}, not one of {allowed:?}")))
        }
        _ => Ok(()),
    }
}

/// The types of axes and indices.
const INDEX: &[DType] = &[DType::I32, DType::I64];

/// The integers of a list-valued input, if it is given.
fn list(inputs: &[Option<&Fact>], i: usize) -> Result<Option<Vec<i64>>> {
    let Some(fact) = inputs.get(i).copied().flatten() else { return Ok(None) };
    let value = fact
        .value()
        .ok_or_else(|| Error::unsupported(format!("input {i} decides the shape, but only the device knows it")))?;
    if value.shape().len() > 1 {
        return Err(Error::shape(format!("input {i} has rank {}, not 1", value.shape().len())));
    }
    integers(value).map(Some)
}

/// The elements of an i32 or i64 tensor.
fn integers(tensor: &Tensor) -> Result<Vec<i64>> {
    match tensor.dtype() {
        DType::I64 => Ok(tensor.as_slice::<i64>()?.to_vec()),
        DType::I32 => Ok(tensor.as_slice::<i32>()?.iter().map(|&v| v.into()).collect()),
        other => Err(Error::invalid_model(format!("a list of integers has type {other}"))),
    }
}

/// A list that is an attribute in early opsets, and an input later on.
#[derive(Debug)]
enum List {
    Attr(Option<Vec<i64>>),
    Input(usize),
}

impl List {
    /// An attribute before opset `since`, input `i` from it on.
    fn parse(node: &Node, name: &str, since: i64, i: usize) -> Result<List> {
        if node.opset >= since {
            return Ok(List::Input(i));
        }
        Ok(List::Attr(node.ints(name)?.map(<[i64]>::to_vec)))
    }

    /// As [`List::parse`], of an attribute that may not be left out.
    fn required(node: &Node, name: &str, since: i64, i: usize) -> Result<List> {
        match List::parse(node, name, since, i)? {
            List::Attr(None) => Err(Error::invalid_model(format!("attribute '{name}' is missing"))),
            list => Ok(list),
        }
    }

    fn get(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<i64>>> {
        match self {
            List::Attr(list) => Ok(list.clone()),
            List::Input(i) => list(inputs, *i),
        }
    }

    /// As [`List::get`], of integers that may follow from sizes.
    fn sizes(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Size>>> {
        match self {
            List::Attr(list) => Ok(list.as_ref().map(|list| list.iter().map(|&x| Size::from(x)).collect())),
            List::Input(i) => size_list(inputs, *i),
        }
    }

    /// The input, if it is one.
    fn host_inputs(&self) -> std::ops::Range<usize> {
        match *self {
            List::Attr(_) => 0..0,
            List::Input(i) => i..i + 1,
        }
    }
}

/// As [`list`], of integers that may follow from sizes.
fn size_list(inputs: &[Option<&Fact>], i: usize) -> Result<Option<Vec<Size>>> {
    let Some(fact) = inputs.get(i).copied().flatten() else { return Ok(None) };
    if fact.known.is_some() && fact.shape.len() > 1 {
        return Err(Error::shape(format!("input {i} has rank {}, not 1", fact.shape.len())));
    }
    match fact.integers() {
        Some(list) => Ok(Some(list)),
        None if fact.known.is_some() => {
            Err(Error::invalid_model(format!("a list of integers has type {}", fact.dtype)))
        }
        None => Err(Error::unsupported(format!("input {i} decides the shape, but only the device knows it"))),
    }
}

/// The shape, unless its elements are too many to count.
///
/// # Errors
/// `Shape`.
fn sized(shape: Vec<Size>) -> Result<Vec<Size>> {
    match checked_len(&shape) {
        Some(_) => Ok(shape),
        None => Err(Error::shape(format!("shape {shape:?} overflows"))),
    }
}
