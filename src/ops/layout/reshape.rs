//! Operators that keep the elements and change the shape.

use super::{INDEX, List, arity, axes, axis, dtype, of_type, size_list, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Known, Lowering};
use crate::ops::{Operator, given};
use crate::size::{Size, checked_len, decided, pins, presumed, unknown};
use crate::tensor::{DType, Tensor};

/// Whose elements are those of the input, in their order.
#[derive(Debug)]
pub(super) enum Reshape {
    /// <https://onnx.ai/onnx/operators/onnx__Identity.html>
    Identity,
    /// <https://onnx.ai/onnx/operators/onnx__Reshape.html>; whether a 0 is a size of 0, not that of the input.
    To { allow_zero: bool },
    /// <https://onnx.ai/onnx/operators/onnx__Flatten.html>
    Flatten { axis: i64 },
    /// <https://onnx.ai/onnx/operators/onnx__Squeeze.html>: `axes` is an attribute before opset 13.
    Squeeze { axes: List },
    /// <https://onnx.ai/onnx/operators/onnx__Unsqueeze.html>: `axes` is an attribute before opset 13.
    Unsqueeze { axes: List },
}

impl Reshape {
    pub(super) fn identity(node: &Node) -> Result<Self> {
        arity(node, 1..=1, 1)?;
        Ok(Reshape::Identity)
    }

    pub(super) fn to(node: &Node) -> Result<Self> {
        arity(node, 2..=2, 1)?;
        Ok(Reshape::To { allow_zero: node.int("allowzero", 0)? != 0 })
    }

    pub(super) fn flatten(node: &Node) -> Result<Self> {
        arity(node, 1..=1, 1)?;
        Ok(Reshape::Flatten { axis: node.int("axis", 1)? })
    }

    pub(super) fn squeeze(node: &Node) -> Result<Self> {
        arity(node, 1..=if node.opset < 13 { 1 } else { 2 }, 1)?;
        Ok(Reshape::Squeeze { axes: List::parse(node, "axes", 13, 1)? })
    }

    pub(super) fn unsqueeze(node: &Node) -> Result<Self> {
        let axes = List::required(node, "axes", 13, 1)?;
        let inputs = if node.opset < 13 { 1 } else { 2 };
        arity(node, inputs..=inputs, 1)?;
        Ok(Reshape::Unsqueeze { axes })
    }

    fn shape(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Size>> {
        let from = &given(inputs, 0)?.shape;
        match self {
            Reshape::Identity => Ok(from.clone()),
            Reshape::To { allow_zero } => {
                let wanted = size_list(inputs, 1)?.ok_or_else(|| Error::invalid_model("input 1 is missing"))?;
                // The rank is decided in any case, and so is a dimension that is stated.
                decided(|| resolve(from, &wanted, *allow_zero)).unwrap_or_else(|| {
                    let stated = |(i, dim): (usize, &Size)| match dim.known() {
                        Some(0) if !allow_zero => from.get(i).copied(),
                        Some(1..) => Some(*dim),
                        _ => None,
                    };
                    Ok(wanted.iter().enumerate().filter_map(|dim| stated(dim).or_else(unknown)).collect())
                })
            }
            Reshape::Flatten { axis: at } => {
                // Unlike elsewhere the axis may be one past the last.
                let at = if *at == from.len() as i64 { from.len() } else { axis(*at, from.len())? };
                let product =
                    |dims: &[Size]| checked_len(dims).ok_or_else(|| Error::shape(format!("shape {from:?} overflows")));
                sized(vec![product(&from[..at])?, product(&from[at..])?])
            }
            Reshape::Squeeze { axes: gone } => {
                let gone = match gone.get(inputs)? {
                    Some(list) => axes(&list, from.len())?,
                    None => (0..from.len()).filter(|&i| from[i] == 1).collect(),
                };
                if let Some(&i) = gone.iter().find(|&&i| from[i] != 1) {
                    return Err(Error::shape(format!("cannot squeeze axis {i} of shape {from:?}")));
                }
                Ok(from.iter().enumerate().filter(|(i, _)| !gone.contains(i)).map(|(_, &d)| d).collect())
            }
            Reshape::Unsqueeze { axes: new } => {
                let new = new.get(inputs)?.unwrap_or_default();
                let rank = from.len() + new.len();
                let new = axes(&new, rank)?;
                let mut old = from.iter().copied();
                let mut next = || old.next().expect("as many as are not new");
                Ok((0..rank).map(|i| if new.contains(&i) { Size::ONE } else { next() }).collect())
            }
        }
    }
}

impl Operator for Reshape {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        match self {
            Reshape::Identity | Reshape::Flatten { .. } => 0..0,
            Reshape::To { .. } => 1..2,
            Reshape::Squeeze { axes } | Reshape::Unsqueeze { axes } => axes.host_inputs(),
        }
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, if matches!(self, Reshape::Unsqueeze { .. }) { INDEX } else { &[DType::I64] })?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![self.shape(inputs)?])
    }

    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let Some(elements) = given(inputs, 0)?.integers() else { return Ok(None) };
        let shape = pins(&self.shape(inputs)?);
        Ok(Known::integers(given(inputs, 0)?.dtype, &shape, elements).map(|known| vec![known]))
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let shape = self.shape(inputs)?;
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        Ok(Some(vec![value.reshaped(pins(&shape))?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        lower_reshape(cx)
    }
}

/// The shape that `wanted` means for a tensor of shape `from`.
fn resolve(from: &[Size], wanted: &[Size], allow_zero: bool) -> Result<Vec<Size>> {
    let wrong = || Error::shape(format!("cannot reshape {from:?} to {wanted:?}"));
    let mut shape = Vec::with_capacity(wanted.len());
    let mut rest = None;
    for (i, &dim) in wanted.iter().enumerate() {
        shape.push(if dim == Size::number(-1) {
            if rest.replace(i).is_some() {
                return Err(wrong());
            }
            Size::ONE
        } else if dim.is_zero() && !allow_zero {
            *from.get(i).ok_or_else(wrong)?
        } else if dim < Size::ZERO {
            return Err(wrong());
        } else {
            dim
        });
    }
    let total = checked_len(from).ok_or_else(wrong)?;
    if let Some(rest) = rest {
        // What both have in common divides out first: the rest then stays a simple expression.
        let mut left = from.to_vec();
        let mut others = Vec::new();
        for &size in shape.iter().enumerate().filter(|(i, _)| *i != rest).map(|(_, size)| size) {
            match left.iter().position(|&other| other.is_same(size)) {
                Some(at) if !size.is_zero() => drop(left.remove(at)),
                _ => others.push(size),
            }
        }
        let (left, others) = (checked_len(&left).ok_or_else(wrong)?, checked_len(&others).ok_or_else(wrong)?);
        if !presumed(|| !others.is_zero() && left.is_multiple_of(others)) {
            return Err(wrong());
        }
        shape[rest] = left / others;
    } else {
        let len = checked_len(&shape).ok_or_else(wrong)?;
        if !presumed(|| len == total) {
            return Err(wrong());
        }
    }
    Ok(shape)
}

/// Makes output 0 input 0 under the output's shape, by a copy if its strides demand one.
fn lower_reshape(cx: &mut Lowering<'_>) -> Result<()> {
    let shape = cx.output_fact(0).shape.clone();
    let view = cx.stored(0)?;
    let view = match view.regrouped(&shape) {
        Some(view) => view,
        None => {
            let copy = cx.contiguous(0)?;
            copy.reshaped(&shape).ok_or_else(|| Error::internal("a row-major view that cannot be reshaped"))?
        }
    };
    cx.alias(0, view);
    Ok(())
}
