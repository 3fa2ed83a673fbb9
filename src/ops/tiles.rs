//! How `matmul_tile` and `conv_tile` divide their work among workgroups of a GPU: the size of a tile, parts of the depth, and the
//! dispatch that adds the parts.
//!
//! A choice is by sizes and [`Target::parallelism`] alone, so that it is the plan's: no bundle changes it, nor a bit with it. Tiles of
//! either size add up a result in the same order; parts do not.

use crate::error::Result;
use crate::lower::storage::Storage;
use crate::lower::{BufferId, Emit, Lowering, Target, Work, bits, params};
use crate::size::Size;

use crate::kernel::parts::Weights;

use super::elementwise::Epilogue;

/// Rows and columns of a tile: 4 x 4 results for each invocation.
const SMALL: usize = 32;
/// Rows and columns of a large tile: 8 x 8 results for each invocation.
const LARGE: usize = 64;
/// Most parts of a depth.
const PARTS: usize = 8;
/// The least depth of a part: below, what the second dispatch costs is not gained.
const PART_DEPTH: usize = 128;

/// Results to divide: `planes` matrices of `rows` times `columns`, each result a sum over `depth`.
pub(super) struct Grid {
    pub(super) planes: Size,
    pub(super) rows: Size,
    pub(super) columns: Size,
    pub(super) depth: Size,
    /// Of what the depth consists that no part may divide; 1 if it cannot be divided.
    pub(super) units: Size,
}

/// How a grid is divided.
#[derive(Clone, Copy)]
pub(super) struct Tiling {
    /// Rows and columns of a tile.
    side: usize,
    /// Parts of the depth.
    pub(super) parts: usize,
}

impl Grid {
    fn tiles(&self, side: usize) -> Size {
        self.planes * self.rows.div_ceil(side) * self.columns.div_ceil(side)
    }

    /// Large tiles where small ones would fill the device, which holds a quarter as many of those: they take four times the registers. Else small
    /// ones, and where they leave the device half empty parts of a depth that is the same for all sizes.
    pub(super) fn tiling(&self, target: &Target) -> Tiling {
        let parallelism = target.parallelism;
        let more_than_small = |size: Size| (size / (SMALL + 1)).min(1);
        let large = self.tiles(LARGE) * more_than_small(self.rows) * more_than_small(self.columns);
        if large * 4 >= Size::from(parallelism) {
            return Tiling { side: LARGE, parts: 1 };
        }
        let divisible = |parts: usize| {
            let depth = self.depth.known().is_some() && self.depth >= parts * PART_DEPTH;
            depth && self.units.is_multiple_of(parts)
        };
        let fits = |parts: usize| self.tiles(SMALL) * parts <= Size::from(parallelism);
        let halves = std::iter::successors(Some(PARTS), |parts| Some(parts / 2)).take_while(|&parts| parts > 1);
        let parts = halves.into_iter().find(|&parts| divisible(parts) && fits(parts)).unwrap_or(1);
        Tiling { side: SMALL, parts }
    }
}

impl Tiling {
    pub(super) fn is_large(&self) -> bool {
        self.side == LARGE
    }

    /// Workgroups of all parts.
    pub(super) fn groups(&self, grid: &Grid) -> Size {
        grid.tiles(self.side) * self.parts
    }

    /// The kernels' `WIDTH`.
    pub(super) fn width(&self) -> (&'static str, f64) {
        ("WIDTH", (self.side / 4) as f64)
    }

    /// A buffer for the results of all parts.
    ///
    /// # Errors
    /// `Shape` if it is too large for any device.
    pub(super) fn sums(&self, cx: &mut Lowering<'_>, grid: &Grid) -> Result<BufferId> {
        let bytes = Storage::Word.heap_bytes(&[Size::from(self.parts), grid.planes, grid.rows, grid.columns])?;
        Ok(cx.scratch(bytes))
    }
}

/// The sums of parts, and what comes after them.
pub(super) struct Sums<'a> {
    /// In blocks of `block` results, the parts of a block behind each other.
    pub(super) part: BufferId,
    pub(super) parts: usize,
    pub(super) block: Size,
    /// Factors of the sum and of the bias.
    pub(super) scale: f32,
    pub(super) bias_scale: f32,
    pub(super) bias: BufferId,
    /// Elements from row to row and from column to column.
    pub(super) bias_strides: [Size; 2],
    /// Whether the sum is a result of its own, rounded as one, before the bias is added.
    pub(super) apart: bool,
    pub(super) residual: Option<BufferId>,
    pub(super) output: BufferId,
    /// What is done to each result.
    pub(super) program: &'a Epilogue,
}

impl Sums<'_> {
    /// Emits `sum_parts`.
    pub(super) fn emit(&self, cx: &mut Lowering<'_>, grid: &Grid) -> Result<()> {
        let items = grid.planes * grid.rows * grid.columns;
        let kernel = self.program.kernel("sum_parts", Weights::Words)?;
        let numbers = [
            ("scale", bits(self.scale)),
            ("bias_scale", bits(self.bias_scale)),
            ("items", items),
            ("parts", Size::from(self.parts)),
            ("block", self.block),
            ("rows", grid.rows),
            ("columns", grid.columns),
            ("bias_row", self.bias_strides[0]),
            ("bias_column", self.bias_strides[1]),
            ("apart", Size::from(u8::from(self.apart))),
            ("has_residual", Size::from(u8::from(self.residual.is_some()))),
        ];
        let program: Vec<Size> = self.program.words()?.into_iter().map(Size::from).collect();
        let words = items * (self.parts + 1 + usize::from(self.residual.is_some()));
        cx.emit(Emit {
            kernel: &kernel.name,
            constants: &[],
            groups: items.div_ceil(256),
            // The residual lies on the heap in any case: a linked kernel has the segments of its operands.
            operands: &[self.part, self.bias, self.residual.unwrap_or(self.part), self.output],
            params: params(&kernel.name, &numbers, &[("epilogue", &program)])?,
            cost: Work::of_words(items * self.parts, words),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lower::DeviceClass;

    fn tiling(parallelism: u32, [planes, rows, columns, depth, units]: [usize; 5]) -> (usize, usize) {
        let [planes, rows, columns, depth, units] = [planes, rows, columns, depth, units].map(Size::from);
        let target = Target { class: DeviceClass::Gpu, parallelism, max_binding_bytes: 1 << 27, subgroup_size: 32 };
        let Tiling { side, parts } = Grid { planes, rows, columns, depth, units }.tiling(&target);
        (side, parts)
    }

    #[test]
    fn large_tiles_where_they_fill_the_device_and_parts_where_small_ones_do_not() {
        // Tiles of 64: 4; of 32: 16.
        assert_eq!(tiling(16, [1, 128, 128, 1024, 256]), (64, 1));
        assert_eq!(tiling(17, [1, 128, 128, 1024, 256]), (32, 1));
        assert_eq!(tiling(31, [1, 128, 128, 1024, 256]), (32, 1));
        assert_eq!(tiling(32, [1, 128, 128, 1024, 256]), (32, 2));
        assert_eq!(tiling(127, [1, 128, 128, 1024, 256]), (32, 4));
        assert_eq!(tiling(4096, [1, 128, 128, 1024, 256]), (32, 8));
        // Parts of 128 at least, and whole ones.
        assert_eq!(tiling(4096, [1, 128, 128, 1020, 255]), (32, 1));
        assert_eq!(tiling(4096, [1, 128, 128, 768, 192]), (32, 4));
        assert_eq!(tiling(4096, [1, 128, 128, 255, 1]), (32, 1));
        // A large tile would be half empty.
        assert_eq!(tiling(4, [100, 32, 128, 64, 16]), (32, 1));
        assert_eq!(tiling(4, [100, 33, 128, 64, 16]), (64, 1));
    }
}
