//! <https://onnx.ai/onnx/operators/onnx__Gather.html>

use rten_shape_inference::{InferShapes, ops as rules};

use super::symbolic::{int, rule};
use super::{INDEX, arity, axis, dtype, host, integers, of_type, required, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::Cost;
use crate::lower::Fact;
use crate::lower::grid::item_grid;
use crate::lower::{BufferId, Emit, Lowering, View, word};
use crate::ops::Operator;
use crate::tensor::{DType, Tensor, checked_len};

pub(super) struct Gather;

/// The parameters of `shaders/gather.wgsl`.
#[cfg(test)]
pub(super) const LAYOUT: crate::ops::params::Layout =
    crate::ops::params::layout!("gather", GatherParams: len, indices, axis, inner);

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct GatherParams {
    len: u32,
    indices: u32,
    axis: u32,
    inner: u32,
}

/// Emits the kernel: for each of `outer` blocks the rows of `inner` elements that `indices` names.
fn emit(cx: &mut Lowering<'_>, data: BufferId, index: BufferId, result: BufferId, sizes: [usize; 4]) -> Result<()> {
    let [outer, axis, inner, indices] = sizes;
    let len = outer * indices * inner;
    let params = GatherParams { len: word(len)?, indices: word(indices)?, axis: word(axis)?, inner: word(inner)? };
    cx.emit(Emit {
        kernel: "gather",
        constants: &[],
        grid: item_grid(len as u64)?,
        operands: &[data, index, result],
        params: bytemuck::bytes_of(&params),
        cost: Cost { flops: 0, bytes: len as u64 * 8 + indices as u64 * 4 },
    })
}

/// The elements of `view` at `table` along one axis. The table's entries are in range.
pub(super) fn lower_table(cx: &mut Lowering<'_>, view: &View, at: usize, table: &[usize]) -> Result<View> {
    let source = cx.materialise(view)?;
    let mut shape = view.shape.clone();
    shape[at] = table.len();
    let words = table.iter().map(|&i| word(i)).collect::<Result<Vec<u32>>>()?;
    let index = cx.constant_bytes(bytemuck::cast_slice(&words).to_vec())?;
    let len = checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
    let result = cx.scratch(len as u64 * 4);
    let outer = shape[..at].iter().product();
    let inner = shape[at + 1..].iter().product();
    emit(cx, source.buffer, index, result, [outer, view.shape[at], inner, table.len()])?;
    Ok(View::row_major(result, view.dtype, &shape))
}

/// A constant index counted from the front.
fn position(index: i64, size: usize) -> Result<usize> {
    let at = if index < 0 { index.saturating_add(size as i64) } else { index };
    usize::try_from(at)
        .ok()
        .filter(|&at| at < size)
        .ok_or_else(|| Error::shape(format!("index {index} of an axis of size {size}")))
}

impl Operator for Gather {
    fn check(&self, node: &Node) -> Result<()> {
        node.int("axis", 0)?;
        arity(node, 2..=2, 1)
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, INDEX)?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn symbolic(&self, node: &Node) -> Option<Box<dyn InferShapes>> {
        rule(rules::Gather { axis: int(node, "axis", 0)? })
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let shape = &required(inputs, 0)?.shape;
        let at = axis(node.int("axis", 0)?, shape.len())?;
        let indices = &required(inputs, 1)?.shape;
        let shape_out = [&shape[..at], indices, &shape[at + 1..]].concat();
        if shape[at] == 0 && !shape_out.contains(&0) {
            return Err(Error::shape(format!("elements of axis {at} of the empty shape {shape:?}")));
        }
        Ok(vec![sized(shape_out)?])
    }

    fn evaluate(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let shape = self.shapes(node, inputs)?.remove(0);
        let (Some(data), Some(indices)) = (&required(inputs, 0)?.value, &required(inputs, 1)?.value) else {
            return Ok(None);
        };
        let at = axis(node.int("axis", 0)?, data.shape().len())?;
        let size = data.shape()[at];
        let indices = integers(indices)?.iter().map(|&i| position(i, size)).collect::<Result<Vec<_>>>()?;
        if shape.contains(&0) {
            return Ok(Some(vec![Tensor::zeros(data.dtype(), shape)?]));
        }
        let outer: usize = data.shape()[..at].iter().product();
        let inner: usize = data.shape()[at + 1..].iter().product();
        let picked = (0..outer)
            .flat_map(|o| indices.iter().flat_map(move |&i| (0..inner).map(move |k| (o * size + i) * inner + k)));
        Ok(Some(vec![Tensor::from_data(shape, host::pick(data.data(), picked))?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let view = cx.view(0)?;
        let at = axis(cx.node().int("axis", 0)?, view.shape.len())?;
        let size = view.shape[at];
        if let Some(constant) = cx.constant(1) {
            let table = integers(constant)?.iter().map(|&i| position(i, size)).collect::<Result<Vec<_>>>()?;
            if let (&[only], true) = (table.as_slice(), constant.shape().is_empty()) {
                let mut part = View { offset: view.offset + only * view.strides[at], ..view };
                part.shape.remove(at);
                part.strides.remove(at);
                cx.alias(0, part);
                return Ok(());
            }
        }
        let data = cx.contiguous(0)?;
        let index = cx.contiguous(1)?;
        let output = cx.output(0);
        let outer = data.shape[..at].iter().product();
        let inner = data.shape[at + 1..].iter().product();
        emit(cx, data.buffer, index.buffer, output.buffer, [outer, size, inner, index.shape.iter().product()])
    }
}
