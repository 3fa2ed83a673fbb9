//! The product of integers with constant weights on CPU adapters whose subgroups have 8 invocations.

use super::product::{Rows, rows_bytes, shift, signed_bytes, unsigned_shift, vectors};
use super::scaled::{End, Scaling};
use crate::error::Result;
use crate::lower::{BufferId, Emit, Lowering, View, Work, params};
use crate::size::Size;
use crate::tensor::{DType, Tensor};

/// Columns of a tile of weights.
const TILE: usize = 32;

/// Both sides: rows on the left, weights on the right. Zero points end in a dimension of columns.
pub(super) struct OnSubgroups {
    pub(super) left: Rows,
    pub(super) dtypes: [DType; 2],
    pub(super) zeros: [View; 2],
}

impl OnSubgroups {
    /// Emits `matmul_integer_subgroup`, with input `weight` on the right, a matrix.
    pub(super) fn emit(
        self,
        cx: &mut Lowering<'_>,
        weight: usize,
        [rows, depth, columns]: [Size; 3],
        result: BufferId,
        scaled: Option<&Scaling>,
    ) -> Result<()> {
        let OnSubgroups { left, dtypes: [left_dtype, right_dtype], zeros: [left_zero, right_zero] } = self;
        let right = cx.packed(weight, "matmul_integer_subgroup", |tensor| pack(tensor, depth.pin(), columns.pin()))?;
        let row_tile = if rows > 8 { 16 } else { 8 };
        let tiles = rows.div_ceil(row_tile) * columns.div_ceil(TILE);
        let none = Size::ZERO;
        let numbers = [
            ("tiles", tiles),
            ("rows", rows),
            ("columns", columns),
            ("depth", depth),
            ("words", depth.div_ceil(4)),
            ("left_row", vectors(depth) * 4),
            ("left_flip", left.flip),
            ("left_shift", Size::from(shift(left_dtype))),
            ("right_shift", Size::from(unsigned_shift(right_dtype).wrapping_neg())),
            ("left_zero_offset", left_zero.offset),
            ("right_zero_offset", right_zero.offset),
            ("right_zero_column", right_zero.strides.last().copied().unwrap_or(none)),
        ];
        let end = End::of(scaled, "matmul_integer_subgroup", left.buffer)?;
        let numbers = [&numbers[..], &end.numbers].concat();
        let [scale, factor, bias, residual] = end.operands;
        let outputs = rows * columns;
        cx.emit(Emit {
            kernel: &end.kernel.name,
            constants: &[end.variant],
            groups: tiles.div_ceil(8),
            operands: &[left.buffer, right, left_zero.buffer, right_zero.buffer, scale, factor, bias, residual, result],
            params: params(&end.kernel.name, &numbers, &[("epilogue", &end.program)])?,
            cost: Work { flops: outputs * depth * 2, bytes: rows_bytes(rows + columns, depth) + outputs * 4 },
        })
    }
}

/// Weights `[depth, columns]` as the kernel reads them: [tile of 32 columns][word][32], a word four unsigned bytes of a column; filled up
/// with zeros.
fn pack(weight: &Tensor, depth: usize, columns: usize) -> Result<Vec<u8>> {
    let bytes = signed_bytes(weight)?;
    let mut packed = Vec::with_capacity(depth.next_multiple_of(4) * columns.next_multiple_of(TILE));
    for tile in (0..columns).step_by(TILE) {
        for word in (0..depth).step_by(4) {
            for column in tile..tile + TILE {
                let byte =
                    |k: usize| if k < depth && column < columns { bytes[k * columns + column] ^ 0x80 } else { 0 };
                packed.extend((word..word + 4).map(byte));
            }
        }
    }
    Ok(packed)
}
