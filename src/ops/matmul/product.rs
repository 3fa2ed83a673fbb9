//! The dispatch of a product: sizes and strides, what comes after the sum, the kernel that suits the device.

use crate::error::{Error, Result};
use crate::lower::tuning::Tiled;
use crate::lower::{
    BufferId, CoalesceBy, DeviceClass, Emit, Lowering, View, WeightForm, Work, bits, collapse, params, words,
};
use crate::size::{Size, is_empty};
use crate::tensor::Tensor;

use crate::kernel::Kernel;
use crate::ops::elementwise;
use crate::ops::tiles::{Grid, Sums, Tiling};

/// Most requests whose rows are coalesced: the words of the kernels' parameter `coalesced`.
const COALESCED: usize = 8;

/// Batch dimensions of `matmul_tile`.
const BATCH: usize = 8;

/// How constant weights may be packed.
pub(super) struct Packing {
    /// Whether the weight is [columns, depth].
    pub(super) transposed: bool,
}

/// A product to emit: both sides with at least two dimensions.
pub(super) struct Product<'a> {
    pub(super) a: View,
    pub(super) b: View,
    /// Whether the output lacks the rows' dimension.
    pub(super) row: bool,
    /// Whether the output lacks the columns' dimension.
    pub(super) column: bool,
    pub(super) scale: f32,
    pub(super) bias_scale: f32,
    /// Whether the product is a result of its own, rounded as one, before the bias is added.
    pub(super) apart: bool,
    pub(super) packable: Option<Packing>,
    /// The input that holds the right side, where it is constant.
    pub(super) weight: usize,
    /// What is done to each result.
    pub(super) program: &'a elementwise::Epilogue,
}

/// Sizes and strides of a product's dimensions; batch dimensions from the innermost outwards.
pub(super) struct Sizes {
    pub(super) rows: Size,
    pub(super) columns: Size,
    pub(super) depth: Size,
    pub(super) batch: Vec<Size>,
    pub(super) a_batch: Vec<Size>,
    pub(super) b_batch: Vec<Size>,
    pub(super) a: [Size; 2],
    pub(super) b: [Size; 2],
}

impl Sizes {
    fn batches(&self) -> Size {
        self.batch.iter().product()
    }
}

/// What comes after the sum.
pub(super) struct Epilogue<'a> {
    /// Factors of the product and of the bias.
    pub(super) scale: f32,
    pub(super) bias_scale: f32,
    /// Whether the product is a result of its own, rounded as one, before the bias is added.
    pub(super) apart: bool,
    pub(super) bias: BufferId,
    /// Elements from row to row and from column to column.
    pub(super) bias_strides: [Size; 2],
    pub(super) residual: Option<BufferId>,
    pub(super) output: BufferId,
    /// What is done to each result.
    pub(super) program: &'a elementwise::Epilogue,
}

impl<'a> Product<'a> {
    pub(super) fn lower(self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        if is_empty(&shape) {
            cx.output(0);
            return Ok(());
        }
        let mut full = shape;
        if self.row {
            full.insert(full.len() - usize::from(!self.column), Size::ONE);
        }
        if self.column {
            full.push(Size::ONE);
        }
        let sizes = self.sizes(&full)?;
        let epilogue = self.epilogue(cx, &full)?;
        self.emit_sizes(cx, &sizes, &epilogue)
    }

    pub(super) fn emit_sizes(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue<'_>) -> Result<()> {
        let subgroups = cx.target().class == DeviceClass::Cpu && cx.target().subgroup_size == 8;
        if subgroups && self.try_subgroup(cx, sizes, epilogue)? {
            return Ok(());
        }
        self.tile(cx, sizes, epilogue)
    }

    fn sizes(&self, full: &[Size]) -> Result<Sizes> {
        let rank = full.len();
        let (batch_shape, &[rows, columns]) =
            full.split_last_chunk::<2>().ok_or_else(|| Error::internal("a product without rows"))?;
        let wide = |view: &View| {
            let mut shape = batch_shape.to_vec();
            shape.extend(&view.shape[view.shape.len() - 2..]);
            view.broadcast(&shape)
        };
        let (a, b) = (wide(&self.a)?, wide(&self.b)?);
        let depth = a.shape[rank - 1];
        let (batch, strides) = collapse(batch_shape, &[&a.strides[..rank - 2], &b.strides[..rank - 2]]);
        let mut sizes = Sizes {
            rows,
            columns,
            depth,
            batch,
            a_batch: strides[0].clone(),
            b_batch: strides[1].clone(),
            a: [a.strides[rank - 2], a.strides[rank - 1]],
            b: [b.strides[rank - 2], b.strides[rank - 1]],
        };
        // Rows of all batches against one right side are rows of one product.
        let joined = sizes.batch.len() == 1
            && sizes.b_batch[0].is_zero()
            && sizes.batch[0] > 1
            && (rows == 1 || sizes.a_batch[0] == rows * sizes.a[0]);
        if joined {
            if rows == 1 {
                sizes.a[0] = sizes.a_batch[0];
            }
            sizes.rows = sizes.batch[0] * rows;
            (sizes.batch[0], sizes.a_batch[0]) = (Size::ONE, Size::ZERO);
        }
        Ok(sizes)
    }

    fn epilogue(&self, cx: &mut Lowering<'_>, full: &[Size]) -> Result<Epilogue<'a>> {
        let (bias, bias_strides) = match cx.input(2) {
            None => (cx.constant_bytes(vec![0; 16])?, [Size::ZERO; 2]),
            Some(_) => self.bias(cx, full)?,
        };
        let residual = cx.input(3).is_some().then(|| cx.contiguous(3)).transpose()?.map(|view| view.buffer);
        let output = cx.output(0);
        let output = cx.rounded(output).buffer;
        let &Product { scale, bias_scale, apart, program, .. } = self;
        Ok(Epilogue { scale, bias_scale, apart, bias, bias_strides, residual, output, program })
    }

    /// The bias by row (of all batches) and column; expanded first if it varies otherwise.
    fn bias(&self, cx: &mut Lowering<'_>, full: &[Size]) -> Result<(BufferId, [Size; 2])> {
        let bias = cx.contiguous(2)?;
        let output = cx.output_fact(0).shape.clone();
        let (rows, columns) = (full[full.len() - 2], full[full.len() - 1]);
        let batches: Size = full[..full.len() - 2].iter().product();
        if bias.len() == 1 {
            return Ok((bias.buffer, [Size::ZERO; 2]));
        }
        if !self.column && bias.len() == columns && bias.shape.last().is_some_and(|&last| last == columns) {
            return Ok((bias.buffer, [Size::ZERO, Size::ONE]));
        }
        let across = !self.row && !self.column && bias.shape.last().is_some_and(|&last| last == 1);
        if across && batches == 1 && bias.len() == rows {
            return Ok((bias.buffer, [Size::ONE, Size::ZERO]));
        }
        let wide = cx.materialise(&bias.broadcast(&output)?)?;
        if batches == 1 {
            return Ok((wide.buffer, [columns, Size::ONE]));
        }
        Err(Error::unsupported("a bias that varies over the batch of a matrix product"))
    }

    /// The right side as it lies.
    fn right(&self, cx: &mut Lowering<'_>, form: WeightForm) -> Result<BufferId> {
        match self.packable {
            Some(_) => cx.weights(self.weight, form),
            None => Ok(self.b.buffer),
        }
    }

    /// How the right side lies.
    fn form(&self, cx: &Lowering<'_>) -> WeightForm {
        self.packable.as_ref().map_or(WeightForm::WORDS, |_| cx.weight_form(self.weight))
    }

    fn cost(&self, sizes: &Sizes, epilogue: &Epilogue<'_>) -> Work {
        let outputs = sizes.batches() * sizes.rows * sizes.columns;
        let inputs = self.a.len() + self.b.len();
        Work::of_words(outputs * sizes.depth * 2, inputs + outputs * (1 + usize::from(epilogue.residual.is_some())))
    }

    /// Whether the left side can be read in fours along its depth.
    fn left_in_fours(&self, sizes: &Sizes) -> bool {
        let along = sizes.a[1] == 1 || sizes.depth == 1;
        along
            && fours(&[sizes.depth, self.a.offset])
            && (sizes.rows <= 1 || fours(&[sizes.a[0]]))
            && fours(&sizes.a_batch)
            && !sizes.depth.is_zero()
    }

    /// The right side where it can be read in fours along its columns: packed, or as it lies.
    fn right_in_fours(&self, cx: &mut Lowering<'_>, sizes: &Sizes, form: WeightForm) -> Result<Option<Right>> {
        if let Some(packing) = self.packable.as_ref().filter(|_| self.b.shape.len() == 2) {
            let (depth, columns) = (sizes.depth, sizes.columns);
            let key = if packing.transposed { "matmul_subgroup transposed" } else { "matmul_subgroup" };
            let make = |weight: &Tensor| pack(weight, packing, depth.pin(), columns.pin());
            let buffer = cx.laid_out(self.weight, form, key, make)?;
            let (offset, tile, row) = (Size::ZERO, depth * 32, Size::from(32));
            return Ok(Some(Right { buffer, packed: true, offset, tile, row }));
        }
        let plain = sizes.b[1] == 1 && fours(&[sizes.columns, sizes.b[0], self.b.offset]) && fours(&sizes.b_batch);
        if !plain {
            return Ok(None);
        }
        let (offset, tile, row) = (self.b.offset, Size::from(32), sizes.b[0]);
        Ok(Some(Right { buffer: self.right(cx, form)?, packed: false, offset, tile, row }))
    }

    /// Emits `matmul_subgroup` where alignment allows.
    fn try_subgroup(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue<'_>) -> Result<bool> {
        if sizes.batch.len() > 3 || !self.left_in_fours(sizes) {
            return Ok(false);
        }
        let form = self.form(cx);
        let Some(Right { buffer: right, packed, offset, tile, row }) = self.right_in_fours(cx, sizes, form)? else {
            return Ok(false);
        };
        let eight = Size::from(8);
        let (width, width_step) = if packed { (eight, Size::ZERO) } else { (sizes.columns / 4, eight) };
        let tiles = |rows: Size| sizes.batches() * sizes.rows.div_ceil(rows) * sizes.columns.div_ceil(32);
        // Thirty-two rows share what is loaded of the right, where every processor still gets some workgroups of eight tiles. By numbers
        // of 0 and 1, not by comparing, which would be another plan.
        let more_than = |size: Size, limit: usize| (size / (limit + 1)).min(1);
        let plenty = (tiles(Size::from(32)) / (4 * 8 * cx.target().parallelism as usize).max(1)).min(1);
        let row_tile = (more_than(sizes.rows, 8) + more_than(sizes.rows, 16) * plenty * 2 + 1) * 8;
        let tiles = tiles(row_tile);
        let quarter = |strides: &[Size]| strides.iter().map(|&s| s / 4).collect::<Vec<_>>();
        let lists = [
            ("left_batch", words::<4>(&quarter(&sizes.a_batch), 0)?),
            ("right_batch", words::<4>(&quarter(&sizes.b_batch), 0)?),
            ("batch", words::<4>(&sizes.batch, 1)?),
        ];
        let numbers = [
            ("tiles", tiles),
            ("rows", sizes.rows),
            ("row_tile", row_tile),
            ("columns", sizes.columns),
            ("depth", sizes.depth / 4),
            ("left_offset", self.a.offset / 4),
            ("left_row", sizes.a[0] / 4),
            ("right_offset", offset / 4),
            ("right_tile", tile / 4),
            ("right_row", row / 4),
            ("right_width", width),
            ("right_step", width_step),
            ("bias_row", epilogue.bias_strides[0]),
        ];
        let kernel = epilogue.program.kernel("matmul_subgroup", form.weights)?;
        let params = self.params(&kernel, form, epilogue, &numbers, &lists)?;
        let groups = tiles.div_ceil(8);
        // Coalesced rows fill one tile.
        let width = coalesced(16, sizes.rows);
        self.emit(cx, &kernel, [self.a.buffer, right], &[], groups, params, sizes, epilogue, width)?;
        Ok(true)
    }

    /// Emits the kernels of GPUs.
    fn tile(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue<'_>) -> Result<()> {
        let form = self.form(cx);
        let fours = match self.left_in_fours(sizes) {
            true => self.right_in_fours(cx, sizes, form)?,
            false => None,
        };
        let quads = fours.is_some();
        let right = match fours {
            Some(right) => right,
            None => {
                let (buffer, offset, row) = (self.right(cx, form)?, self.b.offset, sizes.b[0]);
                Right { buffer, packed: false, offset, tile: Size::ZERO, row }
            }
        };
        let divisible = sizes.batch.len() < BATCH && sizes.depth.is_multiple_of(4);
        let row = quads && sizes.rows == 1 && sizes.batches() == 1;
        let grid = Grid {
            kernel: if row { Tiled::Row } else { Tiled::Product },
            planes: sizes.batches(),
            rows: sizes.rows,
            columns: sizes.columns,
            depth: sizes.depth,
            units: if divisible { sizes.depth / 4 } else { Size::ONE },
        };
        let tiling = grid.tiling(cx.target());
        let divided = Divided { sizes, form, right, quads, row, tiling, groups: tiling.groups(&grid) };
        if tiling.parts == 1 {
            return self.divided(cx, &divided, epilogue);
        }
        let part = tiling.sums(cx, &grid)?;
        let only = Epilogue {
            scale: 1.0,
            bias_scale: 1.0,
            apart: false,
            bias: cx.constant_bytes(vec![0; 16])?,
            bias_strides: [Size::ZERO; 2],
            residual: None,
            output: part,
            program: &elementwise::Epilogue::default(),
        };
        self.divided(cx, &divided, &only)?;
        let &Epilogue { scale, bias_scale, apart, bias, bias_strides, residual, output, program } = epilogue;
        let (parts, block) = (tiling.parts, grid.planes * grid.rows * grid.columns);
        Sums { part, parts, block, scale, bias_scale, bias, bias_strides, apart, residual, output, program }
            .emit(cx, &grid)
    }

    /// Emits all parts: `matmul_row` of a row alone in fours, else `matmul_tile`.
    fn divided(&self, cx: &mut Lowering<'_>, divided: &Divided<'_>, epilogue: &Epilogue<'_>) -> Result<()> {
        let &Divided { sizes, form, ref right, quads, row, tiling, groups } = divided;
        let depth = sizes.depth / tiling.parts;
        let both = [
            ("columns", sizes.columns),
            ("depth", depth),
            ("left_offset", self.a.offset),
            ("right_offset", right.offset),
            ("right_row", right.row),
            ("right_tile", right.tile),
        ];
        let inputs = [self.a.buffer, right.buffer];
        if row {
            let kernel = epilogue.program.kernel("matmul_row", form.weights)?;
            let numbers = [&both[..], &[("tiles", groups / tiling.parts)]].concat();
            let params = self.params::<BATCH>(&kernel, form, epilogue, &numbers, &[])?;
            return self.emit(cx, &kernel, inputs, &[], groups, params, sizes, epilogue, COALESCED);
        }
        // Parts of the depth are products of a further batch dimension.
        let mut batches = [sizes.batch.clone(), sizes.a_batch.clone(), sizes.b_batch.clone()];
        if tiling.parts > 1 {
            let steps = [Size::from(tiling.parts), depth * sizes.a[1], depth * right.row];
            batches.iter_mut().zip(steps).for_each(|(list, step)| list.push(step));
        }
        let [batch, left_batch, right_batch] = &batches;
        let lists = [
            ("batch", words::<BATCH>(batch, 1)?),
            ("left_batch", words::<BATCH>(left_batch, 0)?),
            ("right_batch", words::<BATCH>(right_batch, 0)?),
        ];
        let own = [
            ("rows", sizes.rows),
            ("batches", sizes.batches() * tiling.parts),
            ("left_row", sizes.a[0]),
            ("left_column", sizes.a[1]),
            ("right_column", sizes.b[1]),
            ("bias_row", epilogue.bias_strides[0]),
        ];
        let kernel = epilogue.program.kernel("matmul_tile", form.weights)?;
        let params = self.params(&kernel, form, epilogue, &[&both[..], &own].concat(), &lists)?;
        let by_rows = |strides: [Size; 2]| f64::from(u8::from(!quads && strides[0] < strides[1]));
        let variant = [
            tiling.width(),
            ("QUADS", f64::from(u8::from(quads))),
            ("LEFT_ROWS", by_rows(sizes.a)),
            ("RIGHT_ROWS", by_rows(sizes.b)),
        ];
        let width = if tiling.is_large() { 0 } else { coalesced(32, sizes.rows) };
        self.emit(cx, &kernel, inputs, &variant, groups, params, sizes, epilogue, width)
    }

    /// The parameters of a kernel: what both have, and its own numbers and lists.
    fn params<const N: usize>(
        &self,
        kernel: &Kernel,
        form: WeightForm,
        epilogue: &Epilogue<'_>,
        numbers: &[(&str, Size)],
        lists: &[(&str, [Size; N])],
    ) -> Result<Vec<Size>> {
        let both = [
            ("scale", bits(epilogue.scale)),
            ("factor", bits(form.factor)),
            ("bias_scale", bits(epilogue.bias_scale)),
            ("bias_column", epilogue.bias_strides[1]),
            ("apart", Size::from(u8::from(epilogue.apart))),
            ("has_residual", Size::from(u8::from(epilogue.residual.is_some()))),
        ];
        let lists = lists.iter().map(|(name, list)| (*name, list.as_slice()));
        let program: Vec<Size> = epilogue.program.words()?.into_iter().map(Size::from).collect();
        let own = [("coalesced", [Size::ZERO; COALESCED].as_slice()), ("epilogue", program.as_slice())];
        let lists: Vec<(&str, &[Size])> = lists.chain(own).collect();
        params(&kernel.name, &[&both[..], numbers].concat(), &lists)
    }

    #[allow(clippy::too_many_arguments)]
    fn emit(
        &self,
        cx: &mut Lowering<'_>,
        kernel: &Kernel,
        [left, right]: [BufferId; 2],
        constants: &[(&str, f64)],
        groups: Size,
        params: Vec<Size>,
        sizes: &Sizes,
        epilogue: &Epilogue<'_>,
        width: usize,
    ) -> Result<()> {
        // On the heap in any case: a linked kernel has the segments of its operands.
        let residual = epilogue.residual.unwrap_or(left);
        let once = [left, right, epilogue.bias, residual, epilogue.output];
        // `matmul_tile` has two bindings for what it may read or write in fours.
        let operands = [once.as_slice(), &[left, right, residual, epilogue.output]].concat();
        let emit = Emit {
            kernel: &kernel.name,
            constants,
            groups,
            operands: &operands[..kernel.bindings.len()],
            params,
            cost: self.cost(sizes, epilogue),
        };
        if width < 2 || sizes.batches() > 1 {
            return cx.emit(emit);
        }
        // Measured on llvmpipe: coalesced single rows take longer than two requests apart, a third of the time of eight.
        let least = if sizes.rows == 1 { width.min(3) } else { 2 };
        let own: &[usize] = if kernel.bindings.len() > once.len() { &[0, 3, 4, 5, 7, 8] } else { &[0, 3, 4] };
        cx.emit_coalesced(emit, CoalesceBy { least: least as u32, width: width as u32, constants: &[], own })
    }
}

/// A right side as a kernel reads it; distances in elements.
struct Right {
    buffer: BufferId,
    packed: bool,
    offset: Size,
    /// From 32 columns to the next; 0 where it is not read in fours.
    tile: Size,
    /// From row to row.
    row: Size,
}

/// A product as `matmul_tile` and `matmul_row` divide it.
struct Divided<'a> {
    sizes: &'a Sizes,
    form: WeightForm,
    right: Right,
    /// Whether both sides are read in fours.
    quads: bool,
    /// Whether that is a row alone.
    row: bool,
    tiling: Tiling,
    /// Workgroups.
    groups: Size,
}

fn fours(values: &[Size]) -> bool {
    values.iter().all(|value| value.is_multiple_of(4))
}

/// Requests whose rows fill a tile of `tile` rows, at most [`COALESCED`].
fn coalesced(tile: usize, rows: Size) -> usize {
    (2..=COALESCED).rev().find(|&width| rows * width <= tile).unwrap_or(0)
}

/// Weights as `matmul_subgroup` and `matmul_tile` read them: [tile of 32 columns][depth][32], filled up with copies of the last four columns
/// (where columns come in fours) or of the last one: what invocations past the end store again.
fn pack(weight: &Tensor, packing: &Packing, depth: usize, columns: usize) -> Result<Vec<f32>> {
    let from = weight.as_slice::<f32>()?;
    let at = |k: usize, n: usize| {
        let n = match n {
            n if n < columns => n,
            n if columns.is_multiple_of(4) => columns - 4 + n % 4,
            _ => columns - 1,
        };
        if packing.transposed { from[n * depth + k] } else { from[k * columns + n] }
    };
    let mut packed = Vec::with_capacity(depth * columns.next_multiple_of(32));
    for tile in (0..columns).step_by(32) {
        for k in 0..depth {
            packed.extend((tile..tile + 32).map(|n| at(k, n)));
        }
    }
    Ok(packed)
}
