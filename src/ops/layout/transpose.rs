//! Operators that permute or repeat.

use super::{arity, axes, dtype, host, is_empty, of_type, size_list, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering, View};
use crate::ops::broadcast::broadcast_shapes;
use crate::ops::{Operator, given};
use crate::size::{Size, pins, presumed};
use crate::tensor::{DType, Tensor};

/// <https://onnx.ai/onnx/operators/onnx__Transpose.html>: axis `i` of the output is axis `perm[i]` of the input.
#[derive(Debug)]
pub(super) struct Transpose {
    perm: Option<Vec<i64>>,
}

impl Transpose {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let perm = node.ints("perm")?.map(<[i64]>::to_vec);
        if let Some(perm) = &perm {
            axes(perm, perm.len())?;
        }
        arity(node, 1..=1, 1)?;
        Ok(Transpose { perm })
    }

    /// The permutation, for a tensor of that rank.
    fn order(&self, rank: usize) -> Result<Vec<usize>> {
        let Some(perm) = &self.perm else { return Ok((0..rank).rev().collect()) };
        if perm.len() != rank {
            return Err(Error::shape(format!("a permutation {perm:?} of a tensor of rank {rank}")));
        }
        axes(perm, rank)
    }
}

impl Operator for Transpose {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        Ok(vec![self.order(shape.len())?.into_iter().map(|i| shape[i]).collect()])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        let strides = host::strides(value.shape());
        let order = self.order(value.shape().len())?;
        let shape: Vec<usize> = order.iter().map(|&i| value.shape()[i]).collect();
        let strides: Vec<isize> = order.iter().map(|&i| strides[i]).collect();
        Ok(Some(vec![host::window(value, 0, &shape, &strides)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let view = cx.stored(0)?;
        let order = self.order(view.shape.len())?;
        cx.alias(0, view.permuted(&order));
        Ok(())
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Expand.html>: the shape to which the input's and the one given broadcast.
#[derive(Debug)]
pub(super) struct Expand;

impl Operator for Expand {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        1..2
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let wanted = size_list(inputs, 1)?.ok_or_else(|| Error::invalid_model("input 1 is missing"))?;
        if !presumed(|| wanted.iter().all(|&size| size >= Size::ZERO)) {
            return Err(Error::shape("an expansion to a negative size"));
        }
        let shapes = [given(inputs, 0)?.shape.as_slice(), &wanted];
        Ok(vec![sized(broadcast_shapes(shapes)?)?])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        let shape = pins(&self.shapes(inputs)?.remove(0));
        let lead = shape.len() - value.shape().len();
        let mut strides = vec![0isize; lead];
        let own = host::strides(value.shape());
        strides.extend(own.iter().zip(value.shape()).map(|(&stride, &size)| if size == 1 { 0 } else { stride }));
        Ok(Some(vec![host::window(value, 0, &shape, &strides)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        let view = cx.stored(0)?.broadcast(&shape)?;
        cx.alias(0, view);
        Ok(())
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Tile.html>: `size * repeats` along each axis.
#[derive(Debug)]
pub(super) struct Tile;

impl Tile {
    fn repeats(inputs: &[Option<&Fact>]) -> Result<Vec<Size>> {
        let rank = given(inputs, 0)?.shape.len();
        let repeats = size_list(inputs, 1)?.ok_or_else(|| Error::invalid_model("input 1 is missing"))?;
        if repeats.len() != rank {
            return Err(Error::shape(format!("repeats {repeats:?} of a tensor of rank {rank}")));
        }
        if !presumed(|| repeats.iter().all(|&repeats| repeats >= Size::ZERO)) {
            return Err(Error::shape(format!("negative repeats {repeats:?}")));
        }
        Ok(repeats)
    }
}

/// `[a, b]` and `[c, d]` as `[a, c, b, d]`.
fn interleave<T: Copy>(first: &[T], second: &[T]) -> Vec<T> {
    first.iter().zip(second).flat_map(|(&a, &b)| [a, b]).collect()
}

impl Operator for Tile {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        1..2
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let repeats = Self::repeats(inputs)?;
        let shape = &given(inputs, 0)?.shape;
        Ok(vec![sized(shape.iter().zip(&repeats).map(|(&size, &repeats)| size * repeats).collect())?])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        let repeats = pins(&Self::repeats(inputs)?);
        let strides = host::strides(value.shape());
        let window = host::window(
            value,
            0,
            &interleave(&repeats, value.shape()),
            &interleave(&vec![0; repeats.len()], &strides),
        )?;
        Ok(Some(vec![window.reshaped(pins(&self.shapes(inputs)?.remove(0)))?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let view = cx.view(0)?;
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let repeats: Vec<Size> = output.shape.iter().zip(&view.shape).map(|(&out, &size)| out / size).collect();
        let shape = interleave(&repeats, &view.shape);
        let strides = interleave(&vec![Size::ZERO; repeats.len()], &view.strides);
        let target = View::row_major(output.buffer, output.dtype, &shape);
        cx.copy(&View { shape, strides, ..view }, &target)
    }
}
