//! The dispatch of a product: sizes and strides, what comes after the sum, the kernel that suits the device.

use crate::error::{Error, Result};
use crate::lower::{
    BufferId, CoalesceBy, DeviceClass, Emit, Lowering, View, WeightForm, Work, bits, collapse, params, words,
};
use crate::size::{Size, is_empty};
use crate::tensor::Tensor;

use crate::kernel::Kernel;
use crate::ops::elementwise;

/// Most requests whose rows are coalesced: the words of the kernels' parameter `coalesced`.
const COALESCED: usize = 8;

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
        Ok(Epilogue { bias, bias_strides, residual, output, program: self.program })
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

    /// Emits `matmul_subgroup` where alignment allows.
    fn try_subgroup(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue<'_>) -> Result<bool> {
        let fours = |values: &[Size]| values.iter().all(|v| v.is_multiple_of(4));
        let left = sizes.a[1] == 1 || sizes.depth == 1;
        if sizes.batch.len() > 3
            || !left
            || !fours(&[sizes.depth, self.a.offset])
            || (sizes.rows > 1 && !fours(&[sizes.a[0]]))
            || !fours(&sizes.a_batch)
            || sizes.depth.is_zero()
        {
            return Ok(false);
        }
        let plain = sizes.b[1] == 1 && fours(&[sizes.columns, sizes.b[0], self.b.offset]) && fours(&sizes.b_batch);
        let form = self.form(cx);
        let (right, offset, step, row, width, width_step) = match &self.packable {
            Some(packing) if self.b.shape.len() == 2 => {
                let (depth, columns) = (sizes.depth, sizes.columns);
                let key = if packing.transposed { "matmul_subgroup transposed" } else { "matmul_subgroup" };
                let make = |weight: &Tensor| pack(weight, packing, depth.pin(), columns.pin());
                let right = cx.laid_out(self.weight, form, key, make)?;
                let (none, eight) = (Size::ZERO, Size::from(8));
                (right, none, depth * 8, eight, eight, none)
            }
            _ if plain => {
                let eight = Size::from(8);
                (self.right(cx, form)?, self.b.offset / 4, eight, sizes.b[0] / 4, sizes.columns / 4, eight)
            }
            _ => return Ok(false),
        };
        let tall = sizes.rows > 8;
        let tiles = sizes.batches() * sizes.rows.div_ceil(if tall { 16 } else { 8 }) * sizes.columns.div_ceil(32);
        let quarter = |strides: &[Size]| strides.iter().map(|&s| s / 4).collect::<Vec<_>>();
        let lists = [
            ("left_batch", words::<4>(&quarter(&sizes.a_batch), 0)?),
            ("right_batch", words::<4>(&quarter(&sizes.b_batch), 0)?),
            ("batch", words::<4>(&sizes.batch, 1)?),
        ];
        let numbers = [
            ("tiles", tiles),
            ("rows", sizes.rows),
            ("columns", sizes.columns),
            ("depth", sizes.depth / 4),
            ("left_offset", self.a.offset / 4),
            ("left_row", sizes.a[0] / 4),
            ("right_offset", offset),
            ("right_tile", step),
            ("right_row", row),
            ("right_width", width),
            ("right_step", width_step),
        ];
        let kernel = epilogue.program.kernel("matmul_subgroup", form.weights)?;
        let params = self.params(&kernel, form, epilogue, &numbers, &lists)?;
        let groups = tiles.div_ceil(8);
        // Coalesced rows fill one tile.
        self.emit(cx, &kernel, right, &[], groups, params, sizes, epilogue, coalesced(16, sizes.rows))?;
        Ok(true)
    }

    fn tile(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue<'_>) -> Result<()> {
        let lists = [
            ("batch", words::<8>(&sizes.batch, 1)?),
            ("left_batch", words::<8>(&sizes.a_batch, 0)?),
            ("right_batch", words::<8>(&sizes.b_batch, 0)?),
        ];
        let numbers = [
            ("rows", sizes.rows),
            ("columns", sizes.columns),
            ("depth", sizes.depth),
            ("batches", sizes.batches()),
            ("left_offset", self.a.offset),
            ("left_row", sizes.a[0]),
            ("left_column", sizes.a[1]),
            ("right_offset", self.b.offset),
            ("right_row", sizes.b[0]),
            ("right_column", sizes.b[1]),
        ];
        let form = self.form(cx);
        let kernel = epilogue.program.kernel("matmul_tile", form.weights)?;
        let params = self.params(&kernel, form, epilogue, &numbers, &lists)?;
        let by_rows = |strides: [Size; 2]| f64::from(u8::from(strides[0] < strides[1]));
        let variant = [("LEFT_ROWS", by_rows(sizes.a)), ("RIGHT_ROWS", by_rows(sizes.b))];
        let tiles = sizes.batches() * sizes.rows.div_ceil(32) * sizes.columns.div_ceil(32);
        let right = self.right(cx, form)?;
        self.emit(cx, &kernel, right, &variant, tiles, params, sizes, epilogue, coalesced(32, sizes.rows))
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
            ("scale", bits(self.scale)),
            ("factor", bits(form.factor)),
            ("bias_scale", bits(self.bias_scale)),
            ("bias_row", epilogue.bias_strides[0]),
            ("bias_column", epilogue.bias_strides[1]),
            ("apart", Size::from(u8::from(self.apart))),
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
        right: BufferId,
        constants: &[(&str, f64)],
        groups: Size,
        params: Vec<Size>,
        sizes: &Sizes,
        epilogue: &Epilogue<'_>,
        width: usize,
    ) -> Result<()> {
        let emit = Emit {
            kernel: &kernel.name,
            constants,
            groups,
            operands: &[
                self.a.buffer,
                right,
                epilogue.bias,
                // On the heap in any case: a linked kernel has the segments of its operands.
                epilogue.residual.unwrap_or(self.a.buffer),
                epilogue.output,
            ],
            params,
            cost: self.cost(sizes, epilogue),
        };
        if width < 2 || sizes.batches() > 1 {
            return cx.emit(emit);
        }
        // Measured on llvmpipe: coalesced single rows take longer than two requests apart, a third of the time of eight.
        let least = if sizes.rows == 1 { width.min(3) } else { 2 };
        cx.emit_coalesced(
            emit,
            CoalesceBy { least: least as u32, width: width as u32, constants: &[], own: &[0, 3, 4] },
        )
    }
}

/// Requests whose rows fill a tile of `tile` rows, at most [`COALESCED`].
fn coalesced(tile: usize, rows: Size) -> usize {
    (2..=COALESCED).rev().find(|&width| rows * width <= tile).unwrap_or(0)
}

/// Weights as `matmul_subgroup` reads them: [tile of 32 columns][depth][32], filled up with copies of the last four columns
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
