//! Matrix products: MatMul and Gemm, alone or with bias, residual and activation.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::plan::Cost;
use crate::plan::lower::{BufferId, DeviceClass, Emit, GatherBy, Lowering, View, collapse, word, words};
use crate::plan::params::by_name;
use crate::plan::repr::heap_bytes;
use crate::tensor::{DType, Tensor, checked_len};

use super::activation::Activation;
use super::grid::linear_grid;
use super::{Entry, Fact, Operator, given};

/// The operators of this file.
pub(super) const TABLE: &[Entry] =
    &[("", "MatMul", &MatMul), ("fascine", "MatMul", &MatMul), ("", "Gemm", &Gemm), ("fascine", "Gemm", &Gemm)];

/// Inputs a, b, and for the fused operator bias? and residual?. The bias broadcasts to the output.
struct MatMul;

/// Inputs a, b, c?, and for the fused operator residual?. The fused operator's own factors are `scale` and `bias_scale`,
/// because `alpha` and `beta` are the activation's.
struct Gemm;

impl Operator for MatMul {
    fn check(&self, node: &Node) -> Result<()> {
        check_inputs(node, 2)?;
        Activation::of(node).map(|_| ())
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::only_f32(inputs)
    }

    fn shapes(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let (a, b) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        let output = matmul_shape(a, b)?;
        check_bias(inputs, &output)?;
        Ok(vec![output])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        if let Some(columns) = few_columns(cx) {
            return turned(cx, columns);
        }
        let (mut a, mut b) = (cx.view(0)?, right(cx)?);
        // A vector on the left is a row, one on the right a column; the output lacks that dimension.
        if a.shape.len() == 1 {
            a.shape.insert(0, 1);
            a.strides.insert(0, 0);
        }
        let column = b.shape.len() == 1;
        if column {
            b.shape.push(1);
            b.strides.push(0);
        }
        let row = cx.input(0).is_some_and(|fact| fact.shape.len() == 1);
        let packable = cx.constant(1).is_some().then_some(Packing { transposed: false });
        Product { a, b, row, column, scale: 1.0, bias_scale: 1.0, packable, weight: 1 }.lower(cx)
    }
}

impl Operator for Gemm {
    fn check(&self, node: &Node) -> Result<()> {
        check_inputs(node, 3)?;
        for name in ["transA", "transB"] {
            node.int(name, 0)?;
        }
        factors(node)?;
        Activation::of(node).map(|_| ())
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::only_f32(inputs)
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let (a, b) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        let (&[a0, a1], &[b0, b1]) = (a.as_slice(), b.as_slice()) else {
            return Err(Error::shape(format!("Gemm needs matrices, not {a:?} and {b:?}")));
        };
        let (m, k) = if node.int("transA", 0)? == 0 { (a0, a1) } else { (a1, a0) };
        let (l, n) = if node.int("transB", 0)? == 0 { (b0, b1) } else { (b1, b0) };
        if k != l {
            return Err(Error::shape(format!("Gemm of {a:?} and {b:?}: depths {k} and {l} differ")));
        }
        check_bias(inputs, &[m, n])?;
        Ok(vec![vec![m, n]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let (mut a, mut b) = (cx.view(0)?, right(cx)?);
        if cx.node().int("transA", 0)? != 0 {
            a = a.permuted(&[1, 0]);
        }
        let transposed = cx.node().int("transB", 0)? != 0;
        if transposed {
            b = b.permuted(&[1, 0]);
        }
        let (scale, bias_scale) = factors(cx.node())?;
        let packable = cx.constant(1).is_some().then_some(Packing { transposed });
        Product { a, b, row: false, column: false, scale, bias_scale, packable, weight: 1 }.lower(cx)
    }
}

fn check_inputs(node: &Node, most: usize) -> Result<()> {
    let most = if node.domain == "fascine" { 4 } else { most };
    if !(2..=most).contains(&node.inputs.len()) {
        return Err(Error::invalid_model(format!("{} inputs", node.inputs.len())));
    }
    Ok(())
}

/// The factors of product and bias.
fn factors(node: &Node) -> Result<(f32, f32)> {
    match node.domain.as_str() {
        "fascine" => Ok((node.float("scale", 1.0)?, node.float("bias_scale", 1.0)?)),
        _ => Ok((node.float("alpha", 1.0)?, node.float("beta", 1.0)?)),
    }
}

fn check_bias(inputs: &[Option<&Fact>], output: &[usize]) -> Result<()> {
    let shape = |i: usize| inputs.get(i).copied().flatten().map(|fact| fact.shape.as_slice());
    let fits = |bias: &[usize]| {
        bias.len() <= output.len() && bias.iter().rev().zip(output.iter().rev()).all(|(&b, &o)| b == o || b == 1)
    };
    if let Some(bias) = shape(2).filter(|bias| !fits(bias)) {
        return Err(Error::shape(format!("the bias {bias:?} does not broadcast to {output:?}")));
    }
    match shape(3).filter(|&residual| residual != output) {
        Some(residual) => Err(Error::shape(format!("the residual {residual:?} is not of shape {output:?}"))),
        None => Ok(()),
    }
}

/// The shape of a product by numpy's rules.
pub(super) fn matmul_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let wrong = || Error::shape(format!("{a:?} and {b:?} cannot be multiplied"));
    let (Some((&k, a_rest)), Some(&last)) = (a.split_last(), b.last()) else {
        return Err(wrong());
    };
    let (l, b_batch) = if b.len() == 1 { (last, &b[..0]) } else { (b[b.len() - 2], &b[..b.len() - 2]) };
    if k != l {
        return Err(wrong());
    }
    let (a_batch, m) = match a_rest.split_last() {
        Some((&m, batch)) => (batch, Some(m)),
        None => (a_rest, None),
    };
    let rank = a_batch.len().max(b_batch.len());
    let size = |batch: &[usize], i: usize| (i + batch.len()).checked_sub(rank).map_or(1, |i| batch[i]);
    let mut shape = (0..rank)
        .map(|i| match (size(a_batch, i), size(b_batch, i)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(wrong()),
        })
        .collect::<Result<Vec<usize>>>()?;
    shape.extend(m);
    if b.len() > 1 {
        shape.push(last);
    }
    Ok(shape)
}

/// The right side; a constant without its buffer, which [`Product::right`] gives where it is wanted unpacked.
fn right(cx: &mut Lowering<'_>) -> Result<View> {
    match cx.constant(1).map(|tensor| (tensor.dtype(), tensor.shape().to_vec())) {
        Some((dtype, shape)) => Ok(View::row_major(BufferId(u32::MAX), dtype, &shape)),
        None => cx.view(1),
    }
}

/// Most columns of a product with constant left weights for which it is made as the transpose of `b^T a^T`: the weights
/// are then packed and read once, a vector of columns at a time.
const FEW_COLUMNS: usize = 8;

/// The columns of a plain product of constant weights `[M, K]` and few columns `[K, N]` or `[K]`.
fn few_columns(cx: &Lowering<'_>) -> Option<usize> {
    let left = cx.constant(0)?.shape();
    let right = &cx.input(1)?.shape;
    let columns = right.get(1).copied().unwrap_or(1);
    let plain = left.len() == 2 && (1..=2).contains(&right.len()) && cx.constant(1).is_none();
    let extras = (2..4).any(|i| cx.input(i).is_some());
    (plain && !extras && !left.contains(&0) && (1..=FEW_COLUMNS).contains(&columns)).then_some(columns)
}

/// Emits the product with constant left weights as its transpose.
fn turned(cx: &mut Lowering<'_>, columns: usize) -> Result<()> {
    let (rows, depth) = match cx.constant(0).map(Tensor::shape) {
        Some(&[rows, depth]) => (rows, depth),
        _ => return Err(Error::internal("weights without two dimensions")),
    };
    let mut a = cx.view(1)?;
    if a.shape.len() == 1 {
        a.shape.push(1);
        a.strides.push(0);
    }
    let mut a = a.permuted(&[1, 0]);
    if columns > 1 && a.strides[1] != 1 {
        a = cx.materialise(&a)?;
    }
    let b = View { strides: vec![1, depth], ..View::row_major(BufferId(u32::MAX), DType::F32, &[depth, rows]) };
    let sizes = Sizes {
        rows: columns,
        columns: rows,
        depth,
        batch: vec![1],
        a_batch: vec![0],
        b_batch: vec![0],
        a: [a.strides[0], a.strides[1]],
        b: [1, depth],
    };
    let shape = cx.output_fact(0).shape.clone();
    let buffer = cx.scratch(heap_bytes(&shape)?);
    let strides = if shape.len() == 1 { vec![1] } else { vec![1, rows] };
    cx.alias(0, View { strides, ..View::row_major(buffer, DType::F32, &shape) });
    let bias = cx.constant_bytes(vec![0; 16])?;
    let activation = Activation::of(cx.node())?;
    let epilogue = Epilogue { bias, bias_strides: [0, 0], residual: None, output: buffer, activation };
    let packable = Some(Packing { transposed: true });
    Product { a, b, row: false, column: false, scale: 1.0, bias_scale: 1.0, packable, weight: 0 }
        .emit_sizes(cx, &sizes, &epilogue)
}

/// Most requests whose rows are gathered: the words of the kernels' parameter `gather`.
const GATHERED: usize = 8;

/// How constant weights may be packed.
struct Packing {
    /// Whether the weight is [columns, depth].
    transposed: bool,
}

/// A product to emit: both sides with at least two dimensions.
struct Product {
    a: View,
    b: View,
    /// Whether the output lacks the rows' dimension.
    row: bool,
    /// Whether the output lacks the columns' dimension.
    column: bool,
    scale: f32,
    bias_scale: f32,
    packable: Option<Packing>,
    /// The input that holds the right side, where it is constant.
    weight: usize,
}

/// Sizes and strides of a product's dimensions; batch dimensions from the innermost outwards.
struct Sizes {
    rows: usize,
    columns: usize,
    depth: usize,
    batch: Vec<usize>,
    a_batch: Vec<usize>,
    b_batch: Vec<usize>,
    a: [usize; 2],
    b: [usize; 2],
}

impl Sizes {
    fn batches(&self) -> usize {
        self.batch.iter().product()
    }
}

/// What comes after the sum.
struct Epilogue {
    bias: BufferId,
    /// Elements from row to row and from column to column.
    bias_strides: [usize; 2],
    residual: Option<BufferId>,
    output: BufferId,
    activation: Activation,
}

impl Product {
    fn lower(self, cx: &mut Lowering<'_>) -> Result<()> {
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

    fn emit_sizes(&self, cx: &mut Lowering<'_>, sizes: &Sizes, epilogue: &Epilogue) -> Result<()> {
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
