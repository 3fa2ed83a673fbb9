//! Matrix products: MatMul and Gemm, alone or with bias, residual and an elementwise program.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{BufferId, Fact, Lowering, View};
use crate::size::{Size, agree, presumed, sizes};
use crate::tensor::{DType, Tensor};

use super::broadcast::{broadcast_shapes, broadcasts_to};
use super::elementwise;
use super::{Entry, Operator, check_inputs, given, operator};

mod product;

use product::{Epilogue, Packing, Product, Sizes};

/// The operators of this file.
pub(super) const TABLE: &[Entry] = &[
    ("", "MatMul", |node| operator(MatMul::parse(node, 2))),
    ("fascine", "MatMul", |node| operator(MatMul::parse(node, 4))),
    ("", "Gemm", |node| operator(Gemm::parse(node, 3, ["alpha", "beta"]))),
    ("fascine", "Gemm", |node| operator(Gemm::parse(node, 4, ["scale", "bias_scale"]))),
];

/// <https://onnx.ai/onnx/operators/onnx__MatMul.html>: a `[.., m, k]`, b `[.., k, n]`, the first dimensions broadcast, a vector
/// as one row or column; for the fused operator bias?
/// and residual? too. Gives `[.., m, n]`, to which the bias broadcasts.
#[derive(Debug)]
struct MatMul {
    epilogue: elementwise::Epilogue,
}

/// <https://onnx.ai/onnx/operators/onnx__Gemm.html>: a `[m, k]` and b `[k, n]`, each perhaps transposed, c? that broadcasts to
/// `[m, n]`, and for the fused operator residual?.
/// The fused operator's factors are `scale` and `bias_scale`.
#[derive(Debug)]
struct Gemm {
    a_transposed: bool,
    b_transposed: bool,
    /// The factor of the product.
    scale: f32,
    /// The factor of the bias.
    bias_scale: f32,
    epilogue: elementwise::Epilogue,
}

impl MatMul {
    fn parse(node: &Node, most: usize) -> Result<Self> {
        check_inputs(node, 2..=most)?;
        Ok(MatMul { epilogue: elementwise::Epilogue::of(node)? })
    }
}

impl Operator for MatMul {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (a, b) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        let output = matmul_shape(a, b)?;
        check_bias(inputs, &output)?;
        Ok(vec![output])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        if let Some(columns) = few_columns(cx) {
            return turned(cx, &self.epilogue.rounding(cx.output_fact(0).dtype), columns);
        }
        let (mut a, mut b) = (cx.view(0)?, right(cx)?);
        // A vector on the left is a row, one on the right a column; the output lacks that dimension.
        if a.shape.len() == 1 {
            a.shape.insert(0, Size::ONE);
            a.strides.insert(0, Size::ZERO);
        }
        let column = b.shape.len() == 1;
        if column {
            b.shape.push(Size::ONE);
            b.strides.push(Size::ZERO);
        }
        let row = cx.input(0).is_some_and(|fact| fact.shape.len() == 1);
        let packable = cx.constant(1).is_some().then_some(Packing { transposed: false });
        let program = &self.epilogue.rounding(cx.output_fact(0).dtype);
        let apart = cx.input(2).is_some();
        Product { a, b, row, column, scale: 1.0, bias_scale: 1.0, apart, packable, weight: 1, program }.lower(cx)
    }
}

impl Gemm {
    fn parse(node: &Node, most: usize, [scale, bias_scale]: [&str; 2]) -> Result<Self> {
        check_inputs(node, 2..=most)?;
        Ok(Gemm {
            a_transposed: node.int("transA", 0)? != 0,
            b_transposed: node.int("transB", 0)? != 0,
            scale: node.float(scale, 1.0)?,
            bias_scale: node.float(bias_scale, 1.0)?,
            epilogue: elementwise::Epilogue::of(node)?,
        })
    }
}

impl Operator for Gemm {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        super::one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (a, b) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        let (&[a0, a1], &[b0, b1]) = (a.as_slice(), b.as_slice()) else {
            return Err(Error::shape(format!("Gemm needs matrices, not {a:?} and {b:?}")));
        };
        let (m, k) = if self.a_transposed { (a1, a0) } else { (a0, a1) };
        let (l, n) = if self.b_transposed { (b1, b0) } else { (b0, b1) };
        if !presumed(|| k == l) {
            return Err(Error::shape(format!("Gemm of {a:?} and {b:?}: depths {k} and {l} differ")));
        }
        check_bias(inputs, &[m, n])?;
        Ok(vec![vec![m, n]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let (mut a, mut b) = (cx.view(0)?, right(cx)?);
        if self.a_transposed {
            a = a.permuted(&[1, 0]);
        }
        if self.b_transposed {
            b = b.permuted(&[1, 0]);
        }
        let packable = cx.constant(1).is_some().then_some(Packing { transposed: self.b_transposed });
        let &Gemm { scale, bias_scale, .. } = self;
        let program = &self.epilogue.rounding(cx.output_fact(0).dtype);
        let (row, column, apart) = (false, false, false);
        Product { a, b, row, column, scale, bias_scale, apart, packable, weight: 1, program }.lower(cx)
    }
}

fn check_bias(inputs: &[Option<&Fact>], output: &[Size]) -> Result<()> {
    let shape = |i: usize| inputs.get(i).copied().flatten().map(|fact| fact.shape.as_slice());
    if let Some(bias) = shape(2).filter(|bias| !broadcasts_to(bias, output)) {
        return Err(Error::shape(format!("the bias {bias:?} does not broadcast to {output:?}")));
    }
    match shape(3).filter(|residual| !agree(residual, output)) {
        Some(residual) => Err(Error::shape(format!("the residual {residual:?} is not of shape {output:?}"))),
        None => Ok(()),
    }
}

/// The shape of a product by numpy's rules.
pub(super) fn matmul_shape(a: &[Size], b: &[Size]) -> Result<Vec<Size>> {
    let wrong = || Error::shape(format!("{a:?} and {b:?} cannot be multiplied"));
    let (Some((&k, a_rest)), Some(&last)) = (a.split_last(), b.last()) else {
        return Err(wrong());
    };
    let (l, b_batch) = if b.len() == 1 { (last, &b[..0]) } else { (b[b.len() - 2], &b[..b.len() - 2]) };
    if !presumed(|| k == l) {
        return Err(wrong());
    }
    let (a_batch, m) = match a_rest.split_last() {
        Some((&m, batch)) => (batch, Some(m)),
        None => (a_rest, None),
    };
    let mut shape = broadcast_shapes([a_batch, b_batch]).map_err(|_| wrong())?;
    shape.extend(m);
    if b.len() > 1 {
        shape.push(last);
    }
    Ok(shape)
}

/// The right side; a constant without its buffer, which [`Product::right`] gives where it is wanted unpacked.
fn right(cx: &mut Lowering<'_>) -> Result<View> {
    match cx.constant(1).map(|tensor| (tensor.dtype(), sizes(tensor.shape()))) {
        Some((dtype, shape)) => Ok(View::row_major(BufferId(u32::MAX), dtype, &shape)),
        None => cx.view(1),
    }
}

/// Most columns of a product with constant left weights for which it is made as the transpose of `b^T a^T`: the weights
/// are then packed and read once, a vector of columns at a time.
const FEW_COLUMNS: usize = 8;

/// The columns of a plain product of constant weights `[M, K]` and few columns `[K, N]` or `[K]`.
fn few_columns(cx: &Lowering<'_>) -> Option<Size> {
    let left = cx.constant(0)?.shape();
    let right = &cx.input(1)?.shape;
    let columns = right.get(1).copied().unwrap_or(Size::ONE);
    let plain = left.len() == 2 && (1..=2).contains(&right.len()) && cx.constant(1).is_none();
    let extras = (2..4).any(|i| cx.input(i).is_some());
    (plain && !extras && !left.contains(&0) && !columns.is_zero() && columns <= FEW_COLUMNS).then_some(columns)
}

/// Emits the product with constant left weights as its transpose.
fn turned(cx: &mut Lowering<'_>, program: &elementwise::Epilogue, columns: Size) -> Result<()> {
    let (rows, depth) = match cx.constant(0).map(Tensor::shape) {
        Some(&[rows, depth]) => (Size::from(rows), Size::from(depth)),
        _ => return Err(Error::internal("weights without two dimensions")),
    };
    let mut a = cx.view(1)?;
    if a.shape.len() == 1 {
        a.shape.push(Size::ONE);
        a.strides.push(Size::ZERO);
    }
    let mut a = a.permuted(&[1, 0]);
    if columns > 1 && a.strides[1] != 1 {
        a = cx.materialise(&a)?;
    }
    let b = View { strides: vec![Size::ONE, depth], ..View::row_major(BufferId(u32::MAX), DType::F32, &[depth, rows]) };
    let product = Sizes {
        rows: columns,
        columns: rows,
        depth,
        batch: vec![Size::ONE],
        a_batch: vec![Size::ZERO],
        b_batch: vec![Size::ZERO],
        a: [a.strides[0], a.strides[1]],
        b: [Size::ONE, depth],
    };
    let shape = cx.output_fact(0).shape.clone();
    let output = cx.words(DType::F32, &shape)?;
    let buffer = cx.rounded(output).buffer;
    let strides = if shape.len() == 1 { vec![Size::ONE] } else { vec![Size::ONE, rows] };
    cx.alias(0, View { strides, ..View::row_major(buffer, DType::F32, &shape) });
    let bias = cx.constant_bytes(vec![0; 16])?;
    let packable = Some(Packing { transposed: true });
    let (scale, bias_scale, apart, bias_strides) = (1.0, 1.0, false, [Size::ZERO; 2]);
    let epilogue = Epilogue { scale, bias_scale, apart, bias, bias_strides, residual: None, output: buffer, program };
    Product { a, b, row: false, column: false, scale, bias_scale, apart, packable, weight: 0, program }
        .emit_sizes(cx, &product, &epilogue)
}
