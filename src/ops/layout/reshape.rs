//! Operators that keep the elements and change the shape.

use super::{INDEX, List, arity, axes, axis, dtype, of_type, size_list, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Known, Lowering};
use crate::ops::{Operator, given};
use crate::size::{Size, checked_len, decided, pins, presumed, unknown};
use crate::tensor::{DType, Tensor};

/// Makes output 0 input 0 under the output's shape, by a copy if its strides demand one.
fn lower_reshape(cx: &mut Lowering<'_>) -> Result<()> {
    let shape = cx.output_fact(0).shape.clone();
    let view = cx.view(0)?;
    let view = match view.reshaped(&shape) {
        Some(view) => view,
        None => {
            let copy = cx.contiguous(0)?;
            copy.reshaped(&shape).ok_or_else(|| Error::internal("a row-major view that cannot be reshaped"))?
        }
    };
    cx.alias(0, view);
    Ok(())
}

fn evaluate_reshape(shapes: Vec<Vec<Size>>, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
    let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
    let [shape] = <[Vec<Size>; 1]>::try_from(shapes).map_err(|_| Error::internal("one output"))?;
    Ok(Some(vec![value.reshaped(pins(&shape))?]))
}

macro_rules! shared {
    () => {
        fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
            let Some(elements) = given(inputs, 0)?.integers() else { return Ok(None) };
            let shape = pins(&self.shapes(inputs)?.remove(0));
            Ok(Known::integers(given(inputs, 0)?.dtype, &shape, elements).map(|known| vec![known]))
        }

        fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
            evaluate_reshape(self.shapes(inputs)?, inputs)
        }

        fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
            lower_reshape(cx)
        }
    };
}

/// <https://onnx.ai/onnx/operators/onnx__Identity.html>
#[derive(Debug)]
pub(super) struct Identity;

impl Operator for Identity {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![given(inputs, 0)?.shape.clone()])
    }

    shared!();
}

/// <https://onnx.ai/onnx/operators/onnx__Dropout.html>: outside training it gives its input back.
#[derive(Debug)]
pub(super) struct Dropout {
    outputs: usize,
}

impl Dropout {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        if node.outputs.iter().skip(1).any(Option::is_some) {
            return Err(Error::unsupported("the mask of a Dropout is not supported"));
        }
        arity(node, 1..=if node.opset < 12 { 1 } else { 3 }, 2)?;
        Ok(Dropout { outputs: node.outputs.len().max(1) })
    }
}

impl Operator for Dropout {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        2..3
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let mut dtypes = vec![dtype(inputs, 0)?, DType::Bool];
        dtypes.truncate(self.outputs);
        Ok(dtypes)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        if let Some(training) = inputs.get(2).copied().flatten() {
            let off = training.value().is_some_and(|t| t.as_slice::<bool>().is_ok_and(|flag| flag == [false]));
            if !off {
                return Err(Error::unsupported("a Dropout in training mode is not supported"));
            }
        }
        let shape = given(inputs, 0)?.shape.clone();
        Ok(vec![shape; self.outputs])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        lower_reshape(cx)
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Reshape.html>
#[derive(Debug)]
pub(super) struct Reshape {
    /// Whether a 0 is a size of 0, not that of the input.
    allow_zero: bool,
}

impl Reshape {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let allow_zero = node.int("allowzero", 0)? != 0;
        arity(node, 2..=2, 1)?;
        Ok(Reshape { allow_zero })
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

impl Operator for Reshape {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        1..2
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let wanted = size_list(inputs, 1)?.ok_or_else(|| Error::invalid_model("input 1 is missing"))?;
        let (from, allow_zero) = (&given(inputs, 0)?.shape, self.allow_zero);
        // The rank is decided in any case, and so is a dimension that is stated.
        decided(|| resolve(from, &wanted, allow_zero))
            .unwrap_or_else(|| {
                let stated = |(i, dim): (usize, &Size)| match dim.known() {
                    Some(0) if !allow_zero => from.get(i).copied(),
                    Some(1..) => Some(*dim),
                    _ => None,
                };
                Ok(wanted.iter().enumerate().filter_map(|dim| stated(dim).or_else(unknown)).collect())
            })
            .map(|shape| vec![shape])
    }

    shared!();
}

/// <https://onnx.ai/onnx/operators/onnx__Flatten.html>
#[derive(Debug)]
pub(super) struct Flatten {
    axis: i64,
}

impl Flatten {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let axis = node.int("axis", 1)?;
        arity(node, 1..=1, 1)?;
        Ok(Flatten { axis })
    }
}

impl Operator for Flatten {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        // Unlike elsewhere the axis may be one past the last.
        let at = if self.axis == shape.len() as i64 { shape.len() } else { axis(self.axis, shape.len())? };
        let product =
            |dims: &[Size]| checked_len(dims).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")));
        Ok(vec![sized(vec![product(&shape[..at])?, product(&shape[at..])?])?])
    }

    shared!();
}

/// <https://onnx.ai/onnx/operators/onnx__Squeeze.html>: `axes` is an attribute before opset 13.
#[derive(Debug)]
pub(super) struct Squeeze {
    axes: List,
}

impl Squeeze {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 1..=if node.opset < 13 { 1 } else { 2 }, 1)?;
        Ok(Squeeze { axes: List::parse(node, "axes", 13, 1)? })
    }
}

impl Operator for Squeeze {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        self.axes.host_inputs()
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let gone = match self.axes.get(inputs)? {
            Some(list) => axes(&list, shape.len())?,
            None => (0..shape.len()).filter(|&i| shape[i] == 1).collect(),
        };
        if let Some(&i) = gone.iter().find(|&&i| shape[i] != 1) {
            return Err(Error::shape(format!("cannot squeeze axis {i} of shape {shape:?}")));
        }
        Ok(vec![shape.iter().enumerate().filter(|(i, _)| !gone.contains(i)).map(|(_, &d)| d).collect()])
    }

    shared!();
}

/// <https://onnx.ai/onnx/operators/onnx__Unsqueeze.html>: `axes` is an attribute before opset 13.
#[derive(Debug)]
pub(super) struct Unsqueeze {
    axes: List,
}

impl Unsqueeze {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let axes = List::required(node, "axes", 13, 1)?;
        let inputs = if node.opset < 13 { 1 } else { 2 };
        arity(node, inputs..=inputs, 1)?;
        Ok(Unsqueeze { axes })
    }
}

impl Operator for Unsqueeze {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        self.axes.host_inputs()
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, INDEX)?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let new = self.axes.get(inputs)?.unwrap_or_default();
        let rank = shape.len() + new.len();
        let new = axes(&new, rank)?;
        let mut old = shape.iter().copied();
        let dims =
            (0..rank).map(|i| if new.contains(&i) { Size::ONE } else { old.next().expect("as many as are not new") });
        Ok(vec![dims.collect()])
    }

    shared!();
}
