//! How `matmul_tile` and `conv_tile` divide their work among workgroups of a GPU: the size of a tile, parts of the depth, and the
//! dispatch that adds the parts.
//!
//! A choice is by sizes and [`Target`] alone, so that it is the plan's: no bundle changes it, nor a bit with it. Tiles of either size
//! add up a result in the same order; parts do not. What was measured on the adapter counts ([`Target::tuning`]), and where nothing was, a
//! rule by [`Target::parallelism`].

use crate::error::Result;
use crate::lower::storage::Storage;
use crate::lower::tuning::{Choice, Tiled};
use crate::lower::{BufferId, Emit, Lowering, Target, Work, bits, params};
use crate::size::Size;

use crate::kernel::parts::Weights;

use super::elementwise::Epilogue;

const SMALL: usize = Choice::SMALL;
const LARGE: usize = Choice::LARGE;
/// The least depth of a part: below, what the second dispatch costs is not gained.
const PART_DEPTH: usize = 128;

/// Results of a kernel to divide: `planes` matrices of `rows` times `columns`, each result a sum over `depth`.
pub(super) struct Grid {
    pub(super) kernel: Tiled,
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

    /// What was measured to be best, else what the rule says.
    pub(super) fn tiling(&self, target: &Target) -> Tiling {
        let fits = |choice: Choice| {
            let filled =
                choice.side == SMALL || (self.kernel != Tiled::Row && self.rows > SMALL && self.columns > SMALL);
            filled && (choice.parts == 1 || self.divides_into(choice.parts))
        };
        match target.tuning.best(self.kernel, [self.depth, self.tiles(SMALL)], fits) {
            Some(Choice { side, parts }) => Tiling { side, parts },
            None => self.by_rule(target.parallelism),
        }
    }

    /// Whether the depth is the same for all sizes and makes so many parts.
    fn divides_into(&self, parts: usize) -> bool {
        let depth = self.depth.known().is_some() && self.depth >= parts * PART_DEPTH;
        depth && self.units.is_multiple_of(parts)
    }

    /// Large tiles where small ones would fill the device, which holds a quarter as many of those: they take four times the registers. Else small
    /// ones, and where they leave the device half empty parts of a depth that is the same for all sizes.
    fn by_rule(&self, parallelism: u32) -> Tiling {
        let more_than_small = |size: Size| (size / (SMALL + 1)).min(1);
        let large = self.tiles(LARGE) * more_than_small(self.rows) * more_than_small(self.columns);
        if large * 4 >= Size::from(parallelism) {
            return Tiling { side: LARGE, parts: 1 };
        }
        let fits = |parts: usize| self.tiles(SMALL) * parts <= Size::from(parallelism);
        let halves = std::iter::successors(Some(Choice::PARTS), |parts| Some(parts / 2)).take_while(|&parts| parts > 1);
        let parts = halves.into_iter().find(|&parts| self.divides_into(parts) && fits(parts)).unwrap_or(1);
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
    use crate::lower::tuning::{Share, TileTable, Timed};
    use crate::lower::{DeviceClass, Tuning};

    fn tiling(parallelism: u32, sizes: [usize; 5]) -> (usize, usize) {
        tuned(parallelism, Tuning::NONE, sizes)
    }

    fn tuned(parallelism: u32, tuning: Tuning, [planes, rows, columns, depth, units]: [usize; 5]) -> (usize, usize) {
        let [planes, rows, columns, depth, units] = [planes, rows, columns, depth, units].map(Size::from);
        let target =
            Target { class: DeviceClass::Gpu, parallelism, max_binding_bytes: 1 << 27, subgroup_size: 32, tuning };
        let Tiling { side, parts } =
            Grid { kernel: Tiled::Product, planes, rows, columns, depth, units }.tiling(&target);
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

    #[test]
    fn what_was_measured_goes_before_the_rule() {
        let [large, parts] = [(64, 4), (32, 2)].map(|(side, parts)| Choice { side, parts });
        let timed = |choices: &[Choice]| {
            choices.iter().zip(1..).map(|(&choice, k)| Timed { choice, nanos: k * 1_000 }).collect()
        };
        let mut table = TileTable::default();
        table.insert(Tiled::Product, Share::Whole, [1024, 16], timed(&[large, parts, Choice::PLAIN]));
        table.insert(Tiled::Product, Share::Quarter, [1024, 16], timed(&[Choice::PLAIN, large]));
        let table = std::sync::Arc::new(table);
        let whole = Tuning::new(table.clone(), Share::Whole);
        let [at, narrow, undivided, beyond] =
            [[1, 128, 128, 1024, 256], [4, 32, 128, 1024, 256], [1, 128, 128, 1020, 255], [1, 1024, 1024, 1024, 256]];
        assert_eq!(tuned(16, whole.clone(), at), (64, 4));
        assert_eq!(tuned(16, Tuning::new(table.clone(), Share::Quarter), at), (32, 1));
        // A large tile would be half empty, and a depth of 1020 makes no parts.
        assert_eq!(tuned(16, whole.clone(), narrow), (32, 2));
        assert_eq!(tuned(16, whole.clone(), undivided), (32, 1));
        // Not measured.
        for (share, sizes) in [(Share::Half, at), (Share::Whole, beyond)] {
            assert_eq!(tuned(16, Tuning::new(table.clone(), share), sizes), tiling(16, sizes));
            assert_eq!(tiling(16, sizes), (64, 1));
        }
    }
}
