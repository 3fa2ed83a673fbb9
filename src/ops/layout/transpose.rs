//! Operators that permute or repeat.

use rten_shape_inference::{InferShapes, ops as rules};

use super::symbolic::{Permute, rule};
use super::{arity, axes, dtype, host, list, of_type, required, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::Fact;
use crate::lower::{Lowering, View};
use crate::ops::Operator;
use crate::tensor::{DType, Tensor};

/// <https://onnx.ai/onnx/operators/onnx__Transpose.html>
pub(super) struct Transpose;

/// The permutation, for a tensor of that rank.
fn order(node: &Node, rank: usize) -> Result<Vec<usize>> {
    let Some(perm) = node.ints("perm")? else { return Ok((0..rank).rev().collect()) };
    if perm.len() != rank {
        return Err(Error::shape(format!("a permutation {perm:?} of a tensor of rank {rank}")));
    }
    axes(perm, rank)
}

impl Operator for Transpose {
    fn check(&self, node: &Node) -> Result<()> {
        if let Some(perm) = node.ints("perm")? {
            axes(perm, perm.len())?;
        }
        arity(node, 1..=1, 1)
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![dtype(inputs, 0)?])
    }

    fn symbolic(&self, node: &Node) -> Option<Box<dyn InferShapes>> {
        let perm = node.ints("perm").ok()?;
        let perm = perm.map(|perm| axes(perm, perm.len())).transpose().ok()?;
        rule(Permute(perm))
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let shape = &required(inputs, 0)?.shape;
        Ok(vec![order(node, shape.len())?.into_iter().map(|i| shape[i]).collect()])
    }

    fn evaluate(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = &required(inputs, 0)?.value else { return Ok(None) };
        let strides = host::strides(value.shape());
        let order = order(node, value.shape().len())?;
        let shape: Vec<usize> = order.iter().map(|&i| value.shape()[i]).collect();
        let strides: Vec<isize> = order.iter().map(|&i| strides[i]).collect();
        Ok(Some(vec![host::window(value, 0, &shape, &strides)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let view = cx.view(0)?;
        let order = order(cx.node(), view.shape.len())?;
        cx.alias(0, view.permuted(&order));
        Ok(())
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Expand.html>
pub(super) struct Expand;

/// The common shape of two, by ONNX's broadcasting.
fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    let dims = (0..rank).map(|i| match (dim(a, i), dim(b, i)) {
        (x, y) if x == y => Ok(x),
        (1, y) => Ok(y),
        (x, 1) => Ok(x),
        _ => Err(Error::shape(format!("shapes {a:?} and {b:?} do not broadcast"))),
    });
    sized(dims.collect::<Result<_>>()?)
}

impl Operator for Expand {
    fn check(&self, node: &Node) -> Result<()> {
        arity(node, 2..=2, 1)
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn symbolic(&self, _: &Node) -> Option<Box<dyn InferShapes>> {
        rule(rules::Expand)
    }

    fn shapes(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let wanted = list(inputs, 1)?.ok_or_else(|| Error::invalid_model("input 1 is missing"))?;
        let wanted = wanted.iter().map(|&d| usize::try_from(d)).collect::<Result<Vec<_>, _>>();
        let wanted = wanted.map_err(|_| Error::shape("an expansion to a negative size"))?;
        Ok(vec![broadcast(&required(inputs, 0)?.shape, &wanted)?])
    }

    fn evaluate(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = &required(inputs, 0)?.value else { return Ok(None) };
        let shape = self.shapes(node, inputs)?.remove(0);
        let lead = shape.len() - value.shape().len();
        let mut strides = vec![0isize; lead];
        let own = host::strides(value.shape());
        strides.extend(own.iter().zip(value.shape()).map(|(&stride, &size)| if size == 1 { 0 } else { stride }));
        Ok(Some(vec![host::window(value, 0, &shape, &strides)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        let view = cx.view(0)?.broadcast(&shape)?;
        cx.alias(0, view);
        Ok(())
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Tile.html>
pub(super) struct Tile;

impl Tile {
    fn repeats(inputs: &[Option<&Fact>]) -> Result<Vec<usize>> {
        let rank = required(inputs, 0)?.shape.len();
        let repeats = list(inputs, 1)?.ok_or_else(|| Error::invalid_model("input 1 is missing"))?;
        if repeats.len() != rank {
            return Err(Error::shape(format!("repeats {repeats:?} of a tensor of rank {rank}")));
        }
        let repeats = repeats.iter().map(|&r| usize::try_from(r)).collect::<Result<_, _>>();
        repeats.map_err(|_| Error::shape("a negative repeat"))
    }
}

/// `[a, b]` and `[c, d]` as `[a, c, b, d]`.
fn interleave<T: Copy>(first: &[T], second: &[T]) -> Vec<T> {
    first.iter().zip(second).flat_map(|(&a, &b)| [a, b]).collect()
}

impl Operator for Tile {
    fn check(&self, node: &Node) -> Result<()> {
        arity(node, 2..=2, 1)
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn symbolic(&self, _: &Node) -> Option<Box<dyn InferShapes>> {
        rule(rules::Tile)
    }

    fn shapes(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let repeats = Self::repeats(inputs)?;
        let shape = &required(inputs, 0)?.shape;
        let dims = shape.iter().zip(&repeats).map(|(&d, &r)| d.checked_mul(r));
        let dims = dims.collect::<Option<Vec<_>>>();
        Ok(vec![sized(dims.ok_or_else(|| Error::shape(format!("{shape:?} repeated {repeats:?} times")))?)?])
    }

    fn evaluate(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = &required(inputs, 0)?.value else { return Ok(None) };
        let repeats = Self::repeats(inputs)?;
        let strides = host::strides(value.shape());
        let window = host::window(
            value,
            0,
            &interleave(&repeats, value.shape()),
            &interleave(&vec![0; repeats.len()], &strides),
        )?;
        Ok(Some(vec![window.reshaped(self.shapes(node, inputs)?.remove(0))?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let view = cx.view(0)?;
        let output = cx.output(0);
        let repeats: Vec<usize> =
            output.shape.iter().zip(&view.shape).map(|(&out, &size)| out.checked_div(size).unwrap_or(0)).collect();
        let shape = interleave(&repeats, &view.shape);
        let strides = interleave(&vec![0; repeats.len()], &view.strides);
        let target = View::row_major(output.buffer, output.dtype, &shape);
        cx.copy(&View { shape, strides, ..view }, &target)
    }
}
