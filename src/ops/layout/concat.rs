//! <https://onnx.ai/onnx/operators/onnx__Concat.html>

use super::{arity, axis, dtype, host, is_empty, of_type, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Known, Lowering, View};
use crate::ops::{Operator, given};
use crate::size::{Size, agreed, pins};
use crate::tensor::{DType, Tensor};

/// <https://onnx.ai/onnx/operators/onnx__Concat.html>: of tensors whose shapes differ along `axis` alone one that has all of
/// theirs along it.
#[derive(Debug)]
pub(super) struct Concat {
    axis: i64,
}

impl Concat {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let axis = node.int("axis", 0)?;
        if !node.attrs.contains_key("axis") {
            return Err(Error::invalid_model("attribute 'axis' is missing"));
        }
        if node.inputs.iter().any(Option::is_none) {
            return Err(Error::invalid_model("an input is left out"));
        }
        arity(node, 1..=usize::MAX, 1)?;
        Ok(Concat { axis })
    }

    fn join_shapes(&self, inputs: &[Option<&Fact>]) -> Result<(usize, Vec<Size>)> {
        let mut shape = given(inputs, 0)?.shape.clone();
        let at = axis(self.axis, shape.len())?;
        for i in 1..inputs.len() {
            let other = &given(inputs, i)?.shape;
            let wrong = || Error::shape(format!("shapes {shape:?} and {other:?} do not join along axis {at}"));
            if other.len() != shape.len() {
                return Err(wrong());
            }
            let joined = (0..shape.len())
                .map(|k| if k == at { Ok(shape[k] + other[k]) } else { agreed(shape[k], other[k]).ok_or_else(wrong) });
            shape = joined.collect::<Result<_>>()?;
        }
        Ok((at, sized(shape)?))
    }
}

impl Operator for Concat {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let first = dtype(inputs, 0)?;
        (1..inputs.len()).try_for_each(|i| of_type(inputs, i, &[first]))?;
        Ok(vec![first])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![self.join_shapes(inputs)?.1])
    }

    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let mut joined = Vec::new();
        for i in 0..inputs.len() {
            let part = given(inputs, i)?;
            match part.integers() {
                Some(elements) if part.shape.len() == 1 => joined.extend(elements),
                _ => return Ok(None),
            }
        }
        let dtype = given(inputs, 0)?.dtype;
        Ok(Known::integers(dtype, &[joined.len()], joined).map(|known| vec![known]))
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let (at, shape) = self.join_shapes(inputs)?;
        let shape = pins(&shape);
        let mut values = Vec::with_capacity(inputs.len());
        for i in 0..inputs.len() {
            let Some(value) = given(inputs, i)?.value() else { return Ok(None) };
            values.push(value);
        }
        let outer: usize = shape[..at].iter().product();
        let mut parts = Vec::with_capacity(outer * values.len() + 1);
        // Gives the result its type where every part is empty.
        parts.push(crate::tensor::TensorData::zeros(values[0].dtype(), 0));
        if !shape.contains(&0) {
            for row in 0..outer {
                for value in &values {
                    let block = value.len() / outer;
                    parts.push(host::pick(value.data(), row * block..(row + 1) * block));
                }
            }
        }
        Ok(Some(vec![Tensor::from_data(shape, host::join(&parts)?)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let reserved = cx.reserved_output(0);
        let (output, begun) = reserved.unwrap_or_else(|| (cx.output(0), false));
        let output = cx.rounded(output);
        let at = axis(self.axis, output.shape.len())?;
        let whole = cx.divide();
        let mut start = Size::ZERO;
        let mut copies = Vec::new();
        for i in 0..cx.inputs() {
            let source = cx.view(i)?;
            let offset = start * output.strides[at];
            start += source.shape[at];
            if begun && i == 0 || is_empty(&source.shape) {
                continue;
            }
            // A part in one piece is computed where it belongs, if nothing else has a claim on its place.
            let in_one_piece = output.shape[..at].iter().all(|&size| size == 1);
            let byte = output.storage.bytes(offset);
            if !(in_one_piece && cx.place_within(&source, output.buffer, byte)) {
                let target = View { offset, shape: source.shape.clone(), ..output.clone() };
                copies.push((i, source, target));
            }
        }
        for pair in copies.chunks(2) {
            match pair {
                [(i, one, to), (_, other, then)] => cx.copy_pair([(one, to), (other, then)], whole, *i)?,
                rest => rest.iter().try_for_each(|(i, source, target)| cx.copy_to(source, target, whole, *i))?,
            }
        }
        Ok(())
    }
}
