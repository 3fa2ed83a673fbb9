//! Operators that take elements at tuples of indices, and where such tuples lie.

use super::{INDEX, arity, axis, dtype, is_empty, of_type, sized};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Fact, Lowering, View, Work, collapse, params, row_major, words};
use crate::ops::{Operator, given};
use crate::size::{Size, agree, presumed};
use crate::tensor::DType;

/// What the kernels report.
const OUTSIDE: &str = "an index lies outside of its axis";

/// What the kernels give of the places that indices name.
#[derive(Clone, Copy)]
pub(super) enum Give {
    /// The elements of row-major data there.
    Elements { of: BufferId },
    /// The places.
    Places,
}

impl Give {
    /// The first operand, and the override.
    fn operand(self, index: BufferId) -> (BufferId, f64) {
        match self {
            Give::Elements { of } => (of, 1.0),
            Give::Places => (index, 0.0),
        }
    }
}

/// One element for each index, whose place is the index's own with the coordinate along axis `at` replaced: of data of shape
/// `shape`, which is not empty.
///
/// # Errors
/// `Limit`, `Unsupported` for more than eight dimensions that cannot be merged.
pub(super) fn emit_elements(
    cx: &mut Lowering<'_>,
    shape: &[Size],
    at: usize,
    index: &View,
    (give, result): (Give, BufferId),
) -> Result<()> {
    let mut strides = row_major(shape);
    let axis_stride = std::mem::replace(&mut strides[at], Size::ZERO);
    let (size, stride) = collapse(&index.shape, &[&strides]);
    let report = cx.check(ErrorKind::Input, OUTSIDE);
    let (data, take) = give.operand(index.buffer);
    let len = index.len();
    let numbers = [("len", len), ("axis", shape[at]), ("axis_stride", axis_stride), ("rank", Size::from(size.len()))];
    let lists: [(&str, &[Size]); 2] = [("size", &words::<8>(&size, 1)?), ("stride", &words::<8>(&stride[0], 0)?)];
    cx.emit(Emit {
        kernel: "index_elements",
        constants: &[("TAKE", take)],
        groups: item_groups(len),
        operands: &[data, index.buffer, result, report],
        params: params("index_elements", &numbers, &lists)?,
        cost: Work::of_words(Size::ZERO, len * 3),
    })
}

/// A block of data for each tuple of indices, the last dimension of `index`: of data of shape `shape`, which is not empty, and
/// whose first `batch` dimensions are the index's. Places are those of the blocks' first elements.
///
/// # Errors
/// `Limit`.
pub(super) fn emit_tuples(
    cx: &mut Lowering<'_>,
    shape: &[Size],
    batch: usize,
    index: &View,
    (give, result): (Give, BufferId),
) -> Result<()> {
    let (&depth, rows) = index.shape.split_last().ok_or_else(|| Error::shape("indices without dimensions"))?;
    let end = batch + depth.pin();
    let (data, take) = give.operand(index.buffer);
    let block: Size = shape[end..].iter().product();
    let inner = if matches!(give, Give::Places) { Size::ONE } else { block };
    let len = rows.iter().product::<Size>() * inner;
    let report = cx.check(ErrorKind::Input, OUTSIDE);
    let numbers = [
        ("len", len),
        ("inner", inner),
        ("depth", depth),
        ("tuples", rows[batch..].iter().product()),
        ("batch", shape[batch..].iter().product()),
    ];
    let strides = row_major(shape);
    let lists: [(&str, &[Size]); 2] =
        [("size", &words::<8>(&shape[batch..end], 1)?), ("stride", &words::<8>(&strides[batch..end], 0)?)];
    cx.emit(Emit {
        kernel: "index_nd",
        constants: &[("TAKE", take)],
        groups: item_groups(len),
        operands: &[data, index.buffer, result, report],
        params: params("index_nd", &numbers, &lists)?,
        cost: Work::of_words(Size::ZERO, len * 2 + index.len()),
    })
}

/// Checks that indices, one for an element, lie within data of that shape but for axis `at`.
///
/// # Errors
/// `Shape`.
pub(super) fn check_elements(shape: &[Size], at: usize, indices: &[Size]) -> Result<()> {
    let within = |(k, (&index, &size)): (usize, (&Size, &Size))| k == at || presumed(|| index <= size);
    if indices.len() != shape.len() || !indices.iter().zip(shape).enumerate().all(within) {
        return Err(Error::shape(format!("indices of shape {indices:?} into data of shape {shape:?} along axis {at}")));
    }
    if !presumed(|| !shape[at].is_zero() || is_empty(indices)) {
        return Err(Error::shape(format!("elements of axis {at} of the empty shape {shape:?}")));
    }
    Ok(())
}

/// The shape of the block of data that a tuple of indices names, where the first `batch` dimensions are the index's.
///
/// # Errors
/// `Shape`.
pub(super) fn block_shape(shape: &[Size], batch: usize, indices: &[Size]) -> Result<Vec<Size>> {
    let wrong =
        || Error::shape(format!("indices of shape {indices:?} into data of shape {shape:?}, {batch} batch axes"));
    let (depth, rows) = indices.split_last().ok_or_else(wrong)?;
    let end = batch.saturating_add(depth.pin());
    if end > shape.len() || batch > rows.len() || !agree(&shape[..batch], &rows[..batch]) {
        return Err(wrong());
    }
    if !presumed(|| !is_empty(&shape[batch..end]) || is_empty(rows)) {
        return Err(Error::shape(format!("elements of axes of the empty shape {shape:?}")));
    }
    Ok(shape[end..].to_vec())
}

/// <https://onnx.ai/onnx/operators/onnx__GatherElements.html>: the result has the indices' shape.
#[derive(Debug)]
pub(super) struct GatherElements {
    axis: i64,
}

impl GatherElements {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 2..=2, 1)?;
        Ok(GatherElements { axis: node.int("axis", 0)? })
    }
}

impl Operator for GatherElements {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, INDEX)?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (shape, indices) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        check_elements(shape, axis(self.axis, shape.len())?, indices)?;
        Ok(vec![indices.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let (data, index) = (cx.contiguous(0)?, cx.contiguous(1)?);
        let at = axis(self.axis, data.shape.len())?;
        emit_elements(cx, &data.shape, at, &index, (Give::Elements { of: data.buffer }, output.buffer))
    }
}

/// <https://onnx.ai/onnx/operators/onnx__GatherND.html>: indices `[batch.., rows.., k]` of data `[batch.., d1, .., dk, block..]`
/// give `[batch.., rows.., block..]`; k is at most 8.
#[derive(Debug)]
pub(super) struct GatherNd {
    batch: usize,
}

impl GatherNd {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 2..=2, 1)?;
        let batch = node.int("batch_dims", 0)?;
        let batch = usize::try_from(batch).map_err(|_| Error::invalid_model(format!("batch_dims {batch}")))?;
        Ok(GatherNd { batch })
    }
}

impl Operator for GatherNd {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let indices = &given(inputs, 1)?.shape;
        let block = block_shape(&given(inputs, 0)?.shape, self.batch, indices)?;
        Ok(vec![sized([&indices[..indices.len() - 1], &block].concat())?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let (data, index) = (cx.contiguous(0)?, cx.contiguous(1)?);
        emit_tuples(cx, &data.shape, self.batch, &index, (Give::Elements { of: data.buffer }, output.buffer))
    }
}
