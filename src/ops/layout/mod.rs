//! Operators that move or describe data without computing: views where no data need move, copies elsewhere.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::tensor::{DType, Tensor};

use super::Entry;
use crate::lower::Fact;
use crate::size::{Size, checked_len, is_empty};

mod cast;
mod concat;
mod gather;
mod generate;
mod host;
mod pad;
mod reshape;
mod slice;
mod transpose;

pub(super) const OPERATORS: &[Entry] = &[
    ("", "Cast", &cast::Cast),
    ("", "Concat", &concat::Concat),
    ("", "ConstantOfShape", &generate::ConstantOfShape),
    ("", "Dropout", &reshape::Dropout),
    ("", "Expand", &transpose::Expand),
    ("", "Flatten", &reshape::Flatten),
    ("", "Gather", &gather::Gather),
    ("", "Identity", &reshape::Identity),
    ("", "Pad", &pad::Pad),
    ("", "Range", &generate::Range),
    ("", "Reshape", &reshape::Reshape),
    ("", "Shape", &generate::Shape),
    ("", "Size", &generate::SizeOf),
    ("", "Slice", &slice::Slice),
    ("", "Split", &slice::Split),
    ("", "Squeeze", &reshape::Squeeze),
    ("", "Tile", &transpose::Tile),
    ("", "Transpose", &transpose::Transpose),
    ("", "Unsqueeze", &reshape::Unsqueeze),
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

/// A list that is an attribute before `since` and input `i` from it on.
fn attr_or_input(node: &Node, inputs: &[Option<&Fact>], name: &str, since: i64, i: usize) -> Result<Option<Vec<i64>>> {
    if node.opset < since { Ok(node.ints(name)?.map(<[i64]>::to_vec)) } else { list(inputs, i) }
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
