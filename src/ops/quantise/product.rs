//! Products of 8-bit integers, exact in 32 bits: each side as rows of signed bytes, and the dispatch that multiplies them.

use super::scaled::{End, Scaling};
use crate::error::{Error, Result};
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{BufferId, DeviceClass, Emit, Lowering, View, Work, collapse, params, words};
use crate::size::{Size, pins};
use crate::tensor::{DType, Tensor, TensorData};

/// Elements of a vector.
const VECTOR: usize = 16;

/// Checks that an operand is u8 or i8.
///
/// # Errors
/// `Unsupported` for other types.
pub(super) fn byte(dtype: DType, what: &str) -> Result<DType> {
    match dtype {
        DType::U8 | DType::I8 => Ok(dtype),
        other => Err(Error::unsupported(format!("{what} of type {other}; u8 and i8 are supported"))),
    }
}

/// What is taken from a number of that type to make it a signed byte.
pub(super) fn shift(dtype: DType) -> u32 {
    if dtype == DType::U8 { 128 } else { 0 }
}

/// What is added to a number of that type to make it an unsigned byte.
pub(super) fn unsigned_shift(dtype: DType) -> u32 {
    if dtype == DType::I8 { 128 } else { 0 }
}

/// The same for four at once, by an exclusive or.
pub(super) fn unsigned_flip(dtype: DType) -> Size {
    Size::from(unsigned_shift(dtype) * 0x0101_0101)
}

/// The same for four at once, by an exclusive or.
pub(super) fn flip(dtype: DType) -> Size {
    Size::from(shift(dtype) * 0x0101_0101)
}

/// Whether the device is a CPU whose subgroups have the invocations that its kernels want.
pub(super) fn on_subgroups(cx: &Lowering<'_>) -> bool {
    cx.target().class == DeviceClass::Cpu && cx.target().subgroup_size == 8
}

/// The vectors of a row.
pub(super) fn vectors(depth: Size) -> Size {
    depth.div_ceil(VECTOR)
}

/// The bytes of so many rows.
pub(super) fn rows_bytes(rows: Size, depth: Size) -> Size {
    rows * vectors(depth) * VECTOR
}

/// Rows of bytes, each filled up to whole vectors.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) buffer: BufferId,
    /// What makes four of them signed, by an exclusive or.
    pub(super) flip: Size,
}

impl Rows {
    /// Of signed bytes.
    pub(super) fn signed(buffer: BufferId) -> Rows {
        Rows { buffer, flip: Size::ZERO }
    }
}

/// A side of a product.
pub(super) struct Side {
    pub(super) rows: Rows,
    pub(super) dtype: DType,
    /// From one batch to the next, per batch dimension, in rows; 0 repeats it.
    pub(super) batch: Vec<Size>,
    /// Zero points: an i32 a word, with a dimension for each of the batch's and one for the rows.
    pub(super) zero: View,
}

/// A product to emit.
pub(super) struct Product {
    /// Sizes of the batch dimensions.
    pub(super) batch: Vec<Size>,
    pub(super) rows: Size,
    pub(super) columns: Size,
    pub(super) depth: Size,
    pub(super) left: Side,
    pub(super) right: Side,
    /// The result: i32, a matrix after the other; from one row to the next and from one column to the next.
    pub(super) result: BufferId,
    pub(super) strides: [Size; 2],
    /// What is done to the sums.
    pub(super) scaled: Option<Scaling>,
}

impl Product {
    pub(super) fn emit(self, cx: &mut Lowering<'_>) -> Result<()> {
        let Product { rows, columns, depth, left, right, .. } = self;
        let vectors = vectors(depth);
        let last = self.batch.len();
        let (left_batch, right_batch): (Vec<Size>, Vec<Size>) =
            left.batch.iter().zip(&right.batch).map(|(&l, &r)| (l * vectors, r * vectors)).unzip();
        let (left_zero, right_zero) = (&left.zero.strides[..last], &right.zero.strides[..last]);
        let (batch, strides) = collapse(&self.batch, &[&left_batch, &right_batch, left_zero, right_zero]);
        if batch.len() > 8 {
            return Err(Error::unsupported("a product of more than eight batch dimensions"));
        }
        let batches: Size = batch.iter().product();
        let tall = rows > 1;
        let row_tiles = if tall { rows.div_ceil(4) } else { Size::ONE };
        let items = batches * row_tiles * columns.div_ceil(4);
        let numbers = [
            ("items", items),
            ("rows", rows),
            ("columns", columns),
            ("depth", depth),
            ("vectors", vectors),
            ("left_flip", left.rows.flip),
            ("right_flip", right.rows.flip),
            ("left_shift", Size::from(shift(left.dtype))),
            ("right_shift", Size::from(shift(right.dtype))),
            ("left_zero_offset", left.zero.offset),
            ("left_zero_row", left.zero.strides[last]),
            ("right_zero_offset", right.zero.offset),
            ("right_zero_column", right.zero.strides[last]),
            ("result_batch", rows * columns),
            ("result_row", self.strides[0]),
            ("result_column", self.strides[1]),
        ];
        let lists: [(&str, &[Size]); 5] = [
            ("batch", &words::<8>(&batch, 1)?),
            ("left_batch", &words::<8>(&strides[0], 0)?),
            ("right_batch", &words::<8>(&strides[1], 0)?),
            ("left_zero_batch", &words::<8>(&strides[2], 0)?),
            ("right_zero_batch", &words::<8>(&strides[3], 0)?),
        ];
        let outputs = batches * rows * columns;
        let bytes = rows_bytes(batches * rows, depth) + rows_bytes(columns, depth) + outputs * 4;
        let end = End::of(self.scaled.as_ref(), "matmul_integer", left.rows.buffer)?;
        let numbers = [&numbers[..], &end.numbers].concat();
        let lists = [&lists[..], &[("epilogue", end.program.as_slice())]].concat();
        let [scale, factor, bias, residual] = end.operands;
        cx.emit(Emit {
            kernel: &end.kernel.name,
            constants: &[("TALL", f64::from(u8::from(tall))), end.variant],
            groups: item_groups(items),
            operands: &[
                left.rows.buffer,
                right.rows.buffer,
                left.zero.buffer,
                right.zero.buffer,
                scale,
                factor,
                bias,
                residual,
                self.result,
            ],
            params: params(&end.kernel.name, &numbers, &lists)?,
            cost: Work { flops: outputs * depth * 2, bytes },
        })
    }
}

/// A zero point's view, or that of a zero, with these dimensions.
pub(super) fn zero_point(
    cx: &mut Lowering<'_>,
    i: usize,
    shape: &[Size],
    place: impl FnOnce(View) -> View,
) -> Result<View> {
    let view = match cx.input(i) {
        Some(_) => place(cx.view(i)?),
        None => View::row_major(cx.constant_bytes(vec![0; 16])?, DType::I32, &[]),
    };
    view.broadcast(shape)
}

/// Input `i` as rows of signed bytes: `order` gives a view of it whose last dimension is a row. Those of constants are made once.
pub(super) fn rows(cx: &mut Lowering<'_>, i: usize, key: &str, order: impl Fn(View) -> View) -> Result<Rows> {
    if let Some(tensor) = cx.constant(i) {
        let view = order(View::row_major(BufferId(u32::MAX), tensor.dtype(), &crate::size::sizes(tensor.shape())));
        return Ok(Rows::signed(cx.packed(i, key, |tensor| host_rows(tensor, &view))?));
    }
    let view = order(cx.stored(i)?);
    let in_vectors = view.shape.last().is_some_and(|depth| depth.is_multiple_of(VECTOR));
    if view.storage != Storage::Word && in_vectors && view.offset.is_zero() && view.is_row_major() {
        return Ok(Rows { buffer: view.buffer, flip: flip(view.dtype) });
    }
    let (&depth, outer) = view.shape.split_last().ok_or_else(|| Error::internal("rows of a scalar"))?;
    let (&step, strides) = view.strides.split_last().ok_or_else(|| Error::internal("rows of a scalar"))?;
    let count: Size = outer.iter().product();
    let buffer = cx.scratch(rows_bytes(count, depth).max(16));
    let (sizes, strides) = collapse(outer, &[strides]);
    let items = count * vectors(depth);
    let numbers = [
        ("items", items),
        ("vectors", vectors(depth)),
        ("depth", depth),
        ("step", step),
        ("offset", view.offset),
        ("packed", Size::from(u8::from(view.storage != Storage::Word))),
        ("flip", flip(view.dtype)),
        ("rank", Size::from(sizes.len())),
    ];
    let lists: [(&str, &[Size]); 2] = [("sizes", &words::<8>(&sizes, 1)?), ("strides", &words::<8>(&strides[0], 0)?)];
    cx.emit(Emit {
        kernel: "pack_rows",
        constants: &[],
        groups: item_groups(items),
        operands: &[view.buffer, buffer],
        params: params("pack_rows", &numbers, &lists)?,
        cost: Work { flops: Size::ZERO, bytes: view.bytes() + rows_bytes(count, depth) },
    })?;
    Ok(Rows::signed(buffer))
}

/// The numbers of a constant as signed bytes.
pub(super) fn signed_bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    match tensor.data() {
        TensorData::U8(data) => Ok(data.iter().map(|x| x ^ 0x80).collect()),
        TensorData::I8(data) => Ok(data.iter().map(|&x| x as u8).collect()),
        _ => Err(Error::internal(format!("bytes of a tensor of type {}", tensor.dtype()))),
    }
}

/// The rows of a constant, laid out as `view` has it.
fn host_rows(tensor: &Tensor, view: &View) -> Result<Vec<u8>> {
    let bytes = signed_bytes(tensor)?;
    let (shape, strides) = (pins(&view.shape), pins(&view.strides));
    let depth = *shape.last().ok_or_else(|| Error::internal("rows of a scalar"))?;
    let mut packed = Vec::with_capacity(shape.iter().rev().skip(1).product::<usize>() * depth.next_multiple_of(VECTOR));
    let mut index = vec![0; shape.len() - 1];
    for _ in 0..shape[..shape.len() - 1].iter().product() {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        packed.extend((0..depth).map(|k| bytes[at + k * strides[shape.len() - 1]]));
        packed.resize(packed.len().next_multiple_of(VECTOR), 0);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Ok(packed)
}
