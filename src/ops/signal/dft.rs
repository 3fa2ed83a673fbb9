//! <https://onnx.ai/onnx/operators/onnx__DFT.html>

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering};
use crate::ops::broadcast::axis_index;
use crate::ops::{Operator, check_arity, given, one_float};
use crate::size::{Size, determined, presumed};
use crate::tensor::DType;

use super::transform::{Direction, Transform};
use super::{integer, optional_integer};

/// Inputs: signal `[.., 1]` or `[.., 2]` (f32 or f16), length, axis (since opset 20). The axis is never the last one. A transform is
/// of up to 65,536 elements, and the plan is for its length alone.
#[derive(Debug)]
pub(super) struct Dft {
    /// Where it is an attribute; else it is input 2.
    axis: Option<i64>,
    direction: Direction,
    onesided: bool,
}

impl Dft {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let by_input = node.opset >= 20;
        check_arity(node, 1..=if by_input { 3 } else { 2 }, 1..=1)?;
        let onesided = node.int("onesided", 0)? != 0;
        let direction = match (node.int("inverse", 0)? != 0, onesided) {
            (false, _) => Direction::Forward,
            (true, false) => Direction::Inverse,
            (true, true) => Direction::InverseReal,
        };
        Ok(Dft { axis: if by_input { None } else { Some(node.int("axis", 1)?) }, direction, onesided })
    }

    fn axis(&self, inputs: &[Option<&Fact>], rank: usize) -> Result<usize> {
        let axis = match self.axis {
            Some(axis) => axis,
            None => optional_integer(inputs, 2)?.map_or(-2, Size::pin_signed),
        };
        match axis_index(axis, rank)? {
            last if last + 1 == rank => Err(Error::shape(format!("axis {axis} is that of complex numbers"))),
            axis => Ok(axis),
        }
    }

    /// Axis, length and bins.
    fn sizes(&self, inputs: &[Option<&Fact>]) -> Result<(usize, Size, Size)> {
        let shape = &given(inputs, 0)?.shape;
        let axis = self.axis(inputs, shape.len())?;
        let length = match inputs.get(1).copied().flatten() {
            Some(_) => integer(inputs, 1)?,
            None if self.direction == Direction::InverseReal => (shape[axis] - 1) * 2,
            None => shape[axis],
        };
        if !presumed(|| length > Size::ZERO) {
            return Err(Error::shape(format!("a transform of length {length}")));
        }
        let half = self.onesided && self.direction == Direction::Forward;
        Ok((axis, length, if half { length / 2 + 1 } else { length }))
    }
}

/// Whether the last dimension holds pairs.
pub(super) fn is_complex(shape: &[Size]) -> Result<bool> {
    match shape.last() {
        Some(&size) if size == 2 => Ok(true),
        Some(&size) if size == 1 => Ok(false),
        _ => Err(Error::shape(format!("the last dimension of {shape:?} is neither 1 nor 2"))),
    }
}

impl Operator for Dft {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        1..if self.axis.is_some() { 2 } else { 3 }
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(&inputs[..1])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (axis, _, bins) = self.sizes(inputs)?;
        let mut shape = given(inputs, 0)?.shape.clone();
        let wants_real = self.onesided && self.direction == Direction::Forward;
        let wants_pairs = self.direction == Direction::InverseReal;
        if !presumed(|| is_complex(&shape).is_ok_and(|pairs| !(wants_real && pairs || wants_pairs && !pairs))) {
            return Err(Error::shape(format!("a signal of shape {shape:?} for a one-sided transform, or no signal")));
        }
        let last = shape.len() - 1;
        shape[axis] = determined(|| Ok::<_, Error>(bins))?;
        shape[last] = if wants_pairs { Size::ONE } else { Size::number(2) };
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let (axis, length, bins) = self.sizes(&cx.facts())?;
        let signal = cx.contiguous(0)?;
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let shape = &signal.shape;
        let pairs = is_complex(shape)?;
        let inner: Size = shape[axis + 1..shape.len() - 1].iter().product();
        let sample_stride = inner * shape[shape.len() - 1];
        let there = if self.direction == Direction::InverseReal { length / 2 + 1 } else { length };
        let transform = Transform {
            direction: self.direction,
            is_complex: pairs,
            length,
            taken: shape[axis].min(there),
            bins,
            entries: shape[..axis].iter().product(),
            frames: Size::ONE,
            inner,
            entry_stride: shape[axis] * sample_stride,
            frame_stride: Size::ZERO,
            sample_stride,
        };
        transform.emit(cx, signal.buffer, None, output.buffer)
    }
}
