//! <https://onnx.ai/onnx/operators/onnx__CenterCropPad.html>

use super::pad::pad_with;
use super::{INDEX, arity, axes, dtype, is_empty, of_type, size_list, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering, View};
use crate::ops::{Operator, given};
use crate::size::{Size, presumed};
use crate::tensor::{DType, Tensor};

/// The middle of a tensor, or it with zeros around: an odd one is cut off before, and added behind.
#[derive(Debug)]
pub(super) struct CenterCropPad {
    axes: Option<Vec<i64>>,
}

impl CenterCropPad {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 2..=2, 1)?;
        Ok(CenterCropPad { axes: node.ints("axes")?.map(<[i64]>::to_vec) })
    }

    /// The result's shape.
    fn wanted(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Size>> {
        let mut shape = given(inputs, 0)?.shape.clone();
        let sizes = size_list(inputs, 1)?.ok_or_else(|| Error::invalid_model("input 1 is missing"))?;
        let on = match &self.axes {
            Some(on) => axes(on, shape.len())?,
            None => (0..shape.len()).collect(),
        };
        if sizes.len() != on.len() || !presumed(|| sizes.iter().all(|&size| size >= Size::ZERO)) {
            return Err(Error::shape(format!("sizes {sizes:?} for {} axes", on.len())));
        }
        for (at, size) in on.into_iter().zip(sizes) {
            shape[at] = size;
        }
        sized(shape)
    }
}

impl Operator for CenterCropPad {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        1..2
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, INDEX)?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![self.wanted(inputs)?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        if is_empty(&shape) {
            cx.output(0);
            return Ok(());
        }
        let pads = shape.iter().zip(&cx.stored(0)?.shape).any(|(&wanted, &size)| wanted > size);
        if !pads {
            let mut view = cx.stored(0)?;
            for (at, &wanted) in shape.iter().enumerate() {
                view.offset += (view.shape[at] - wanted) / 2 * view.strides[at];
            }
            cx.alias(0, View { shape, ..view });
            return Ok(());
        }
        let view = cx.view(0)?;
        let amounts: Vec<(Size, Size)> = (shape.iter().zip(&view.shape))
            .map(|(&wanted, &size)| {
                let more = wanted - size;
                let before = if wanted > size { more / 2 } else { Size::ZERO - (size - wanted) / 2 };
                (before, more - before)
            })
            .collect();
        let zero = Tensor::zeros(view.dtype, [1])?;
        pad_with(cx, view, &amounts, &zero)
    }
}
