//! <https://onnx.ai/onnx/operators/onnx__Gather.html>

use super::{INDEX, arity, axis, dtype, host, integers, is_empty, of_type, sized};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{BufferId, Emit, Fact, Known, Lowering, View, Work, params};
use crate::ops::{Operator, given};
use crate::size::{Size, decided, pins, presumed};
use crate::tensor::{DType, Tensor};

/// <https://onnx.ai/onnx/operators/onnx__Gather.html>: data `[a.., axis, b..]` and indices `[i..]` give `[a.., i.., b..]`.
#[derive(Debug)]
pub(super) struct Gather {
    axis: i64,
}

impl Gather {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let axis = node.int("axis", 0)?;
        arity(node, 2..=2, 1)?;
        Ok(Gather { axis })
    }
}

/// Whether indices are known to be in range.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Range {
    Known,
    Checked,
}

/// Emits the kernel: for each of `outer` blocks the rows of `inner` elements that `indices` names.
fn emit(
    cx: &mut Lowering<'_>,
    [data, index, result]: [BufferId; 3],
    [outer, axis, inner, indices]: [Size; 4],
    range: Range,
) -> Result<()> {
    let report = match range {
        Range::Known => cx.words(DType::F32, &[Size::ONE])?.buffer,
        Range::Checked => cx.check(ErrorKind::Input, "an index lies outside of the axis"),
    };
    let (len, run) = (outer * indices * inner, cx.target().class.run());
    let runs = inner.div_ceil(run);
    let items = outer * indices * runs;
    let numbers = [
        ("items", items),
        ("run", Size::from(run)),
        ("runs", runs),
        ("indices", indices),
        ("axis", axis),
        ("inner", inner),
    ];
    cx.emit(Emit {
        kernel: "gather",
        constants: &[("CHECK", f64::from(u8::from(range == Range::Checked)))],
        groups: item_groups(items),
        operands: &[data, index, result, report],
        params: params("gather", &numbers, &[])?,
        cost: Work::of_words(Size::ZERO, len * 2 + indices),
    })
}

/// The rows of `data` that `index` names, of which the device knows that they are in range: as [`emit`] takes them.
pub(in crate::ops) fn take(cx: &mut Lowering<'_>, buffers: [BufferId; 3], sizes: [Size; 4]) -> Result<()> {
    emit(cx, buffers, sizes, Range::Known)
}

/// The elements of `view` at `table` along one axis. The table's entries are in range.
pub(super) fn lower_table(cx: &mut Lowering<'_>, view: &View, at: usize, table: &[usize]) -> Result<View> {
    let source = cx.materialise(view)?;
    let mut shape = view.shape.clone();
    shape[at] = Size::from(table.len());
    let words = table.iter().map(|&i| u32::try_from(i)).collect::<Result<Vec<u32>, _>>();
    let words = words.map_err(|_| Error::limit(format!("{} elements of an axis", table.len())))?;
    let index = cx.plan_bytes(bytemuck::cast_slice(&words).to_vec());
    let result = cx.words(view.dtype, &shape)?;
    let result = cx.rounded(result);
    let outer = shape[..at].iter().product();
    let inner = shape[at + 1..].iter().product();
    let sizes = [outer, view.shape[at], inner, Size::from(table.len())];
    emit(cx, [source.buffer, index, result.buffer], sizes, Range::Known)?;
    Ok(result)
}

/// A constant index counted from the front.
fn position(index: i64, size: usize) -> Result<usize> {
    let at = if index < 0 { index.saturating_add(size as i64) } else { index };
    usize::try_from(at)
        .ok()
        .filter(|&at| at < size)
        .ok_or_else(|| Error::shape(format!("index {index} of an axis of size {size}")))
}

/// As [`position`], where index and size may follow from sizes.
fn place(index: Size, size: Size) -> Result<Size> {
    let at = if index < Size::ZERO { index + size } else { index };
    if at < Size::ZERO || at >= size {
        return Err(Error::shape(format!("index {index} of an axis of size {size}")));
    }
    Ok(at)
}

impl Operator for Gather {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, INDEX)?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let at = axis(self.axis, shape.len())?;
        let indices = &given(inputs, 1)?.shape;
        let shape_out = [&shape[..at], indices, &shape[at + 1..]].concat();
        if !presumed(|| !shape[at].is_zero() || is_empty(&shape_out)) {
            return Err(Error::shape(format!("elements of axis {at} of the empty shape {shape:?}")));
        }
        for index in given(inputs, 1)?.integers().unwrap_or_default() {
            decided(|| place(index, shape[at])).transpose()?;
        }
        Ok(vec![sized(shape_out)?])
    }

    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let (data, index) = (given(inputs, 0)?, given(inputs, 1)?);
        let (Some(elements), 1, Some(indices)) = (data.integers(), data.shape.len(), index.value()) else {
            return Ok(None);
        };
        axis(self.axis, 1)?;
        let picked = integers(indices)?.into_iter().map(|i| Ok(elements[position(i, elements.len())?]));
        let picked = picked.collect::<Result<Vec<Size>>>()?;
        Ok(Known::integers(data.dtype, indices.shape(), picked).map(|known| vec![known]))
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let shape = pins(&self.shapes(inputs)?.remove(0));
        let (Some(data), Some(indices)) = (given(inputs, 0)?.value(), given(inputs, 1)?.value()) else {
            return Ok(None);
        };
        let at = axis(self.axis, data.shape().len())?;
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
        let view = cx.stored(0)?;
        let at = axis(self.axis, view.shape.len())?;
        let size = view.shape[at];
        if cx.input(1).is_some_and(|fact| fact.known.is_some()) {
            let fact = cx.input(1).cloned();
            let indices = fact.as_ref().and_then(Fact::integers).unwrap_or_default();
            let positions = indices.iter().map(|&index| place(index, size)).collect::<Result<Vec<Size>>>()?;
            if let (&[only], Some([])) = (positions.as_slice(), fact.as_ref().map(|fact| fact.shape.as_slice())) {
                let mut part = View { offset: view.offset + only * view.strides[at], ..view };
                part.shape.remove(at);
                part.strides.remove(at);
                cx.alias(0, part);
                return Ok(());
            }
        }
        let outer = view.shape[..at].iter().product();
        let inner: Size = view.shape[at + 1..].iter().product();
        let index = cx.contiguous(1)?;
        // Packed rows of whole words are moved as these.
        let per_word = Size::from(32 / view.storage.bits());
        let packed = view.storage != Storage::Word && view.offset.is_zero() && view.is_row_major();
        let packed = packed && inner.is_multiple_of(per_word);
        let (data, output, inner) = if packed {
            (view, cx.resting_output(0), inner / per_word)
        } else {
            let output = cx.output(0);
            (cx.contiguous(0)?, cx.rounded(output), inner)
        };
        let sizes = [outer, size, inner, index.shape.iter().product()];
        let range = if cx.constant(1).is_some() { Range::Known } else { Range::Checked };
        emit(cx, [data.buffer, index.buffer, output.buffer], sizes, range)
    }
}
