//! The dispatch of a product: sizes and strides, what comes after the sum, the kernel that suits the device.

use crate::error::{Error, Result};
use crate::lower::Cost;
use crate::lower::params::by_name;
use crate::lower::{BufferId, DeviceClass, Emit, GatherBy, Lowering, View, collapse, word, words};
use crate::tensor::{Tensor, checked_len};

use crate::lower::grid::linear_grid;
use crate::ops::activation::Activation;

/// Most requests whose rows are gathered: the words of the kernels' parameter `gather`.
const GATHERED: usize = 8;

/// How constant weights may be packed.
pub(super) struct Packing {
    /// Whether the weight is [columns, depth].
    pub(super) transposed: bool,
}

/// A product to emit: both sides with at least two dimensions.
pub(super) struct Product {
    pub(super) a: View,
    pub(super) b: View,
    /// Whether the output lacks the rows' dimension.
    pub(super) row: bool,
    /// Whether the output lacks the columns' dimension.
    pub(super) column: bool,
    pub(super) scale: f32,
    pub(super) bias_scale: f32,
    pub(super) packable: Option<Packing>,
    /// The input that holds the right side, where it is constant.
    pub(super) weight: usize,
}

/// Sizes and strides of a product's dimensions; batch dimensions from the innermost outwards.
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) depth: usize,
    pub(super) batch: Vec<usize>,
    pub(super) a_batch: Vec<usize>,
    pub(super) b_batch: Vec<usize>,
    pub(super) a: [usize; 2],
    pub(super) b: [usize; 2],
}

impl Sizes {
    fn batches(&self) -> usize {
        self.batch.iter().product()
    }
}

/// What comes after the sum.
pub(super) struct Epilogue {
    pub(super) bias: BufferId,
    /// Elements from row to row and from column to column.
    pub(super) bias_strides: [usize; 2],
    pub(super) residual: Option<BufferId>,
    pub(super) output: BufferId,
    pub(super) activation: Activation,
}

impl Product {
    pub(super) fn lower(self, cx: &mut Lowering<'_>) -> Result<()> {
        let shape = cx.output_fact(0).shape.clone();
        if checked_len(&shape) == Some(0) {
            cx.output(0);
            return Ok(());
        }
        let mut full = shape;
        if self.row {
            full.insert(full.len() - usize::from(!self.column), 1);
        }
        if self.column {
            full.push(1);
        }
        let sizes = self.sizes(&full)?;
        let epilogue = self.epilogue(cx, &full)?;
        self.emit_sizes(cx, &sizes, &epilogue)
    }

    pub(super) fn emit_sizes(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue) -> Result<()> {
        let lanes = cx.target().class == DeviceClass::Cpu && cx.target().subgroup_size == 8;
        if lanes && self.try_lanes(cx, sizes, epilogue)? {
            return Ok(());
        }
        self.tile(cx, sizes, epilogue)
    }

    fn sizes(&self, full: &[usize]) -> Result<Sizes> {
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
            && sizes.b_batch == [0]
            && sizes.batch[0] > 1
            && (rows == 1 || sizes.a_batch[0] == rows * sizes.a[0]);
        if joined {
            if rows == 1 {
                sizes.a[0] = sizes.a_batch[0];
            }
            sizes.rows *= sizes.batch[0];
            (sizes.batch[0], sizes.a_batch[0]) = (1, 0);
        }
        Ok(sizes)
    }

    fn epilogue(&self, cx: &mut Lowering<'_>, full: &[usize]) -> Result<Epilogue> {
        let (bias, bias_strides) = match cx.input(2) {
            None => (cx.constant_bytes(vec![0; 16])?, [0, 0]),
            Some(_) => self.bias(cx, full)?,
        };
        let residual = cx.input(3).is_some().then(|| cx.contiguous(3)).transpose()?.map(|view| view.buffer);
        let output = cx.output(0).buffer;
        Ok(Epilogue { bias, bias_strides, residual, output, activation: Activation::of(cx.node())? })
    }

    /// The bias by row (of all batches) and column; expanded first if it varies otherwise.
    fn bias(&self, cx: &mut Lowering<'_>, full: &[usize]) -> Result<(BufferId, [usize; 2])> {
        let bias = cx.contiguous(2)?;
        let output = cx.output_fact(0).shape.clone();
        let (rows, columns) = (full[full.len() - 2], full[full.len() - 1]);
        let batches: usize = full[..full.len() - 2].iter().product();
        if bias.len() == 1 {
            return Ok((bias.buffer, [0, 0]));
        }
        if bias.len() == columns && !self.column && bias.shape.last() == Some(&columns) {
            return Ok((bias.buffer, [0, 1]));
        }
        if batches == 1 && bias.len() == rows && bias.shape.last() == Some(&1) && !self.row && !self.column {
            return Ok((bias.buffer, [1, 0]));
        }
        let wide = cx.materialise(&bias.broadcast(&output)?)?;
        if batches == 1 {
            return Ok((wide.buffer, [columns, 1]));
        }
        Err(Error::unsupported("a bias that varies over the batch of a matrix product"))
    }

    fn right(&self, cx: &mut Lowering<'_>) -> Result<BufferId> {
        match self.packable {
            Some(_) => Ok(cx.view(self.weight)?.buffer),
            None => Ok(self.b.buffer),
        }
    }

    fn cost(&self, sizes: &Sizes, epilogue: &Epilogue) -> Cost {
        let outputs = (sizes.batches() * sizes.rows * sizes.columns) as u64;
        let inputs = (checked_len(&self.a.shape).unwrap_or(0) + checked_len(&self.b.shape).unwrap_or(0)) as u64;
        Cost {
            flops: 2 * outputs * sizes.depth as u64,
            bytes: 4 * (inputs + outputs * (1 + u64::from(epilogue.residual.is_some()))),
        }
    }

    /// Emits `matmul_lanes` where alignment allows.
    fn try_lanes(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue) -> Result<bool> {
        let fours = |values: &[usize]| values.iter().all(|v| v.is_multiple_of(4));
        let left = sizes.a[1] == 1 || sizes.depth == 1;
        if sizes.batch.len() > 3
            || !left
            || !fours(&[sizes.depth, self.a.offset])
            || (sizes.rows > 1 && !fours(&[sizes.a[0]]))
            || !fours(&sizes.a_batch)
            || sizes.depth == 0
        {
            return Ok(false);
        }
        let plain = sizes.b[1] == 1 && fours(&[sizes.columns, sizes.b[0], self.b.offset]) && fours(&sizes.b_batch);
        let (right, offset, step, row, width, width_step) = match &self.packable {
            Some(packing) if self.b.shape.len() == 2 => {
                let (depth, columns) = (sizes.depth, sizes.columns);
                let key = if packing.transposed { "matmul_lanes transposed" } else { "matmul_lanes" };
                let right = cx.packed(self.weight, key, |weight| pack(weight, packing, depth, columns))?;
                (right, 0, depth * 8, 8, 8, 0)
            }
            _ if plain => (self.right(cx)?, self.b.offset / 4, 8, sizes.b[0] / 4, sizes.columns / 4, 8),
            _ => return Ok(false),
        };
        let tall = sizes.rows > 8;
        let tiles = sizes.batches() * sizes.rows.div_ceil(if tall { 16 } else { 8 }) * sizes.columns.div_ceil(32);
        let quarter = |strides: &[usize]| strides.iter().map(|s| s / 4).collect::<Vec<_>>();
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
        let params = self.params("matmul_lanes", epilogue, &numbers, &lists)?;
        let whole = sizes.columns.is_multiple_of(4);
        let flag = |flag| f64::from(u8::from(flag));
        let variant = [("TALL", flag(tall)), ("WHOLE", flag(whole)), ("SINGLE", flag(sizes.rows == 1))];
        let grid = linear_grid(tiles.div_ceil(8) as u64)?;
        // Gathered rows fill one tile: the short one if there is one row each, else the tall one.
        let constants = [("SINGLE", 0.0), ("TALL", flag(sizes.rows > 1))];
        let by = (GATHERED.min(16 / sizes.rows), constants.as_slice());
        self.emit(cx, "matmul_lanes", right, &variant, grid, &params, sizes, epilogue, by)?;
        Ok(true)
    }

    fn tile(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue) -> Result<()> {
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
        let params = self.params("matmul_tile", epilogue, &numbers, &lists)?;
        let by_rows = |strides: [usize; 2]| f64::from(u8::from(strides[0] < strides[1]));
        let variant = [("LEFT_ROWS", by_rows(sizes.a)), ("RIGHT_ROWS", by_rows(sizes.b))];
        let tiles = sizes.batches() * sizes.rows.div_ceil(32) * sizes.columns.div_ceil(32);
        let right = self.right(cx)?;
        let grid = linear_grid(tiles as u64)?;
        let by = (GATHERED.min(32 / sizes.rows), [].as_slice());
        self.emit(cx, "matmul_tile", right, &variant, grid, &params, sizes, epilogue, by)
    }

    /// The parameters of a kernel: what both have, and its own numbers and lists.
    fn params<const N: usize>(
        &self,
        kernel: &str,
        epilogue: &Epilogue,
        numbers: &[(&str, usize)],
        lists: &[(&str, [u32; N])],
    ) -> Result<Vec<u32>> {
        let mut all = vec![
            ("alpha", [epilogue.activation.alpha.to_bits()]),
            ("beta", [epilogue.activation.beta.to_bits()]),
            ("scale", [self.scale.to_bits()]),
            ("bias_scale", [self.bias_scale.to_bits()]),
            ("bias_row", [word(epilogue.bias_strides[0])?]),
            ("bias_column", [word(epilogue.bias_strides[1])?]),
        ];
        for &(name, number) in numbers {
            all.push((name, [word(number)?]));
        }
        let numbers = all.iter().map(|(name, number)| (*name, number.as_slice()));
        let lists = lists.iter().map(|(name, list)| (*name, list.as_slice()));
        let lists = lists.chain([("gather", [0; GATHERED].as_slice())]);
        by_name(kernel, &numbers.chain(lists).collect::<Vec<_>>())
    }

    #[allow(clippy::too_many_arguments)]
    fn emit(
        &self,
        cx: &mut Lowering<'_>,
        kernel: &'static str,
        right: BufferId,
        variant: &[(&str, f64)],
        grid: [u32; 3],
        params: &[u32],
        sizes: &Sizes,
        epilogue: &Epilogue,
        (width, gathered): (usize, &[(&str, f64)]),
    ) -> Result<()> {
        let mut constants = vec![
            ("ACTIVATION", epilogue.activation.code),
            ("RESIDUAL", f64::from(u8::from(epilogue.residual.is_some()))),
        ];
        constants.extend(variant);
        let emit = Emit {
            kernel,
            constants: &constants,
            grid,
            operands: &[
                self.a.buffer,
                right,
                epilogue.bias,
                epilogue.residual.unwrap_or(epilogue.bias),
                epilogue.output,
            ],
            params: bytemuck::cast_slice(params),
            cost: self.cost(sizes, epilogue),
        };
        if width < 2 || sizes.batches() > 1 {
            return cx.emit(emit);
        }
        let own: &[usize] = if epilogue.residual.is_some() { &[0, 3, 4] } else { &[0, 4] };
        // Measured on llvmpipe: gathered single rows take longer than two requests apart, a third of the time of eight.
        let least = if sizes.rows == 1 { width.min(3) } else { 2 };
        cx.emit_gathered(emit, GatherBy { least: least as u32, width: width as u32, constants: gathered, own })
    }
}

/// Weights as `matmul_lanes` reads them: [tile of 32 columns][depth][32], filled up with copies of the last four columns
/// (where columns come in fours) or of the last one: what lanes past the end store again.
fn pack(weight: &Tensor, packing: &Packing, depth: usize, columns: usize) -> Result<Vec<u8>> {
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
    Ok(bytemuck::cast_slice(&packed).to_vec())
}
