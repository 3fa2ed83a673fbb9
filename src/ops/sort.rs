//! Sorting on the device: chunks of 64 by counting, then runs merged two by two, so that the result is the same whatever the
//! device is, and equal elements keep their order.

use crate::error::Result;
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Lowering, View, Work, params};
use crate::size::Size;
use crate::tensor::DType;

use super::combine::kind;

/// Keys of a chunk, as in `sort_chunk.wgsl`.
const CHUNK: usize = 64;

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

/// What belongs to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    /// An element: every row along the axis is sorted by itself.
    Elements,
    /// All elements at an index of the axis, of which the first that differ decide.
    Slices,
}

/// Rows of keys, each a number of words, whose order is that of unsigned numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) keys: BufferId,
    pub(super) rows: Size,
    pub(super) len: Size,
    pub(super) width: Size,
}

/// The keys of a row-major tensor that is not empty, seen as `outer` x `len` x `inner`. Zeros of either sign are equal, and NaN is
/// larger than any number.
///
/// # Errors
/// `Limit`; `Unsupported` for types that the device does not compute with.
pub(super) fn keys(
    cx: &mut Lowering<'_>,
    x: &View,
    [outer, len, inner]: [Size; 3],
    keys: Keys,
    direction: Direction,
) -> Result<Rows> {
    let count = outer * len * inner;
    let buffer = cx.words(DType::U32, &[count])?.buffer;
    let wide = keys == Keys::Slices;
    cx.emit(Emit {
        kernel: "sort_keys",
        constants: &[
            ("KIND", f64::from(kind(x.dtype)?)),
            ("DESCENDING", f64::from(u8::from(direction == Direction::Descending))),
            ("WIDE", f64::from(u8::from(wide))),
        ],
        groups: item_groups(count),
        operands: &[x.buffer, buffer],
        params: params("sort_keys", &[("count", count), ("outer", outer), ("len", len), ("inner", inner)], &[])?,
        cost: Work::of_words(Size::ZERO, count * 2),
    })?;
    let (rows, width) = if wide { (Size::ONE, outer * inner) } else { (outer * inner, Size::ONE) };
    Ok(Rows { keys: buffer, rows, len, width })
}

/// The index of each place of the sorted rows.
///
/// # Errors
/// `Limit`.
pub(super) fn sort(cx: &mut Lowering<'_>, of: Rows) -> Result<BufferId> {
    let Rows { keys, rows, len, width } = of;
    let count = rows * len;
    let mut order = cx.words(DType::U32, &[count])?.buffer;
    let sizes = [("count", count), ("len", len), ("width", width)];
    cx.emit(Emit {
        kernel: "sort_chunk",
        constants: &[],
        groups: item_groups(count),
        operands: &[keys, order],
        params: params("sort_chunk", &sizes, &[])?,
        cost: Work::of_words(count * CHUNK, count * (width + 1)),
    })?;
    let mut run = CHUNK;
    while len > run {
        let merged = cx.words(DType::U32, &[count])?.buffer;
        cx.emit(Emit {
            kernel: "sort_merge",
            constants: &[],
            groups: item_groups(count),
            operands: &[keys, order, merged],
            params: params("sort_merge", &[&sizes[..], &[("run", Size::from(run))]].concat(), &[])?,
            cost: Work::of_words(count * 16, count * (width + 2)),
        })?;
        order = merged;
        run *= 2;
    }
    Ok(order)
}
