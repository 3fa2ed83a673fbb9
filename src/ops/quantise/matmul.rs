//! <https://onnx.ai/onnx/operators/onnx__MatMulInteger.html> and QLinearMatMul.

use super::product::{Product, Side, byte, on_subgroups, rows, zero_point};
use super::scaled::{BIAS, RESIDUAL, Scaling};
use super::steps::{Scaled, range, requantise};
use super::subgroup::OnSubgroups;
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering, View, row_major};
use crate::ops::broadcast::broadcasts_to;
use crate::ops::elementwise::Epilogue;
use crate::ops::matmul::matmul_shape;
use crate::ops::{Operator, check_arity, given};
use crate::size::{Size, agree, is_empty};
use crate::tensor::DType;

/// Which inputs are what.
#[derive(Clone, Copy, Debug)]
struct Places {
    a: usize,
    b: usize,
    a_zero: usize,
    b_zero: usize,
}

const INTEGER: Places = Places { a: 0, b: 1, a_zero: 2, b_zero: 3 };
const LINEAR: Places = Places { a: 0, b: 3, a_zero: 2, b_zero: 5 };

/// A number for each row as a column, so that it broadcasts to a matrix; others as they are.
fn by_rows(mut view: View) -> View {
    if view.shape.len() == 1 {
        view.shape.push(Size::ONE);
        view.strides.push(Size::ZERO);
    }
    view
}

/// A view without one of its dimensions.
fn without(mut view: View, axis: usize) -> View {
    view.shape.remove(axis);
    view.strides.remove(axis);
    view
}

/// The shapes of both sides as matrices, and of their product.
fn matrices(a: &[Size], b: &[Size]) -> Result<[Vec<Size>; 3]> {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    if a.len() == 1 {
        a.insert(0, Size::ONE);
    }
    if b.len() == 1 {
        b.push(Size::ONE);
    }
    let shape = matmul_shape(&a, &b)?;
    Ok([a, b, shape])
}

impl Places {
    /// The types of both sides; their zero points must have them.
    fn dtypes(self, inputs: &[Option<DType>]) -> Result<()> {
        for (i, zero, name) in [(self.a, self.a_zero, "a"), (self.b, self.b_zero, "b")] {
            let given = |i: usize| inputs.get(i).copied().flatten();
            let dtype = given(i).ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))?;
            byte(dtype, "an operand")?;
            if let Some(zero) = given(zero).filter(|&zero| zero != dtype) {
                return Err(Error::invalid_model(format!("the zero point of {name} is {zero}, not {dtype}")));
            }
        }
        Ok(())
    }

    /// The result's shape. Those of `a` and `b` are scales and zero points: one number, or one for each row or column.
    fn shapes(self, inputs: &[Option<&Fact>], a: &[usize], b: &[usize]) -> Result<Vec<Size>> {
        let (left, right) = (&given(inputs, self.a)?.shape, &given(inputs, self.b)?.shape);
        let shape = matmul_shape(left, right)?;
        let [mut left, mut right, _] = matrices(left, right)?;
        if let (Some(depth), [.., height, _]) = (left.last_mut(), right.as_mut_slice()) {
            (*depth, *height) = (Size::ONE, Size::ONE);
        }
        for (list, side, what) in [(a, &left, "row of a"), (b, &right, "column of b")] {
            for fact in list.iter().filter_map(|&i| inputs.get(i).copied().flatten()) {
                let mut own = fact.shape.clone();
                if own.len() == 1 && what == "row of a" {
                    own.push(Size::ONE);
                }
                if !broadcasts_to(&own, side) {
                    let shape = &fact.shape;
                    return Err(Error::shape(format!(
                        "a scale or zero point {shape:?} that is not one for each {what}"
                    )));
                }
            }
        }
        Ok(shape)
    }

    /// Emits the product into `result`, which has the shape of the product of matrices: the exact sums, words of i32, or what `scaled` makes of them.
    fn product(self, cx: &mut Lowering<'_>, result: &View, scaled: Option<Scaling>) -> Result<()> {
        let (a_fact, b_fact) = (given(&cx.facts(), self.a)?.clone(), given(&cx.facts(), self.b)?.clone());
        let (a_vector, b_vector) = (a_fact.shape.len() == 1, b_fact.shape.len() == 1);
        let [a, b, shape] = matrices(&a_fact.shape, &b_fact.shape)?;
        let (batch, &[height, width]) =
            shape.split_last_chunk::<2>().ok_or_else(|| Error::internal("a product without rows"))?;
        let depth = a[a.len() - 1];
        if depth.is_zero() {
            return Err(Error::unsupported("a product of depth 0"));
        }
        let a_zero = zero_point(cx, self.a_zero, &[batch, &[height, Size::ONE]].concat(), by_rows)?;
        let b_zero = zero_point(cx, self.b_zero, &[batch, &[Size::ONE, width]].concat(), |view| view)?;
        let (a_zero, b_zero) = (without(a_zero, batch.len() + 1), without(b_zero, batch.len()));
        let left = rows(cx, self.a, "rows", |mut view| {
            if a_vector {
                view.shape.insert(0, Size::ONE);
                view.strides.insert(0, Size::ZERO);
            }
            view
        })?;
        let strides = [width, Size::ONE];
        let joined = b.len() == 2 && a_zero.strides.iter().all(|stride| stride.is_zero());
        if joined && !b_vector && on_subgroups(cx) && cx.constant(self.b).is_some() {
            let rows = shape[..shape.len() - 1].iter().product();
            let sides = OnSubgroups { left, dtypes: [a_fact.dtype, b_fact.dtype], zeros: [a_zero, b_zero] };
            return sides.emit(cx, self.b, [rows, depth, width], result.buffer, scaled.as_ref());
        }
        let right = rows(cx, self.b, "columns", |mut view| {
            if b_vector {
                view.shape.push(Size::ONE);
                view.strides.push(Size::ZERO);
            }
            let rank = view.shape.len();
            view.shape.swap(rank - 2, rank - 1);
            view.strides.swap(rank - 2, rank - 1);
            view
        })?;
        if joined {
            // Rows of all batches against one right side are rows of one product.
            let zero = |view: &View| View {
                shape: Vec::new(),
                strides: vec![*view.strides.last().unwrap_or(&Size::ZERO)],
                ..view.clone()
            };
            let left = Side { rows: left, dtype: a_fact.dtype, batch: Vec::new(), zero: zero(&a_zero) };
            let right = Side { rows: right, dtype: b_fact.dtype, batch: Vec::new(), zero: zero(&b_zero) };
            let rows = shape[..shape.len() - 1].iter().product();
            return Product {
                batch: Vec::new(),
                rows,
                columns: width,
                depth,
                left,
                right,
                result: result.buffer,
                strides,
                scaled,
            }
            .emit(cx);
        }
        let batches = |shape: &[Size], rows: Size| -> Result<Vec<Size>> {
            let own = &shape[..shape.len() - 2];
            let strides = row_major(own).into_iter().map(|stride| stride * rows).collect();
            Ok(View { strides, ..View::row_major(result.buffer, DType::I32, own) }.broadcast(batch)?.strides)
        };
        let left = Side { rows: left, dtype: a_fact.dtype, batch: batches(&a, height)?, zero: a_zero };
        let right = Side { rows: right, dtype: b_fact.dtype, batch: batches(&b, width)?, zero: b_zero };
        Product {
            batch: batch.to_vec(),
            rows: height,
            columns: width,
            depth,
            left,
            right,
            result: result.buffer,
            strides,
            scaled,
        }
        .emit(cx)
    }
}

/// <https://onnx.ai/onnx/operators/onnx__MatMulInteger.html>: a `[.., m, k]` and b `[.., k, n]` of u8 or i8, zero points? for the tensor, each
/// row of a or each column of b. Gives i32.
#[derive(Debug)]
pub(super) struct MatMulInteger;

impl MatMulInteger {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=4, 1..=1)?;
        Ok(MatMulInteger)
    }
}

impl Operator for MatMulInteger {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        INTEGER.dtypes(inputs)?;
        Ok(vec![DType::I32])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![INTEGER.shapes(inputs, &[2], &[3])?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if is_empty(&output.shape) { Ok(()) } else { INTEGER.product(cx, &output, None) }
    }
}

/// `fascine.MatMulInteger`: as [`MatMulInteger`], with a scale, a factor? of the scale, a bias? and a residual?, all of f32, and a
/// program. Scale and factor are one number or one for each column, the bias is one for each column, the residual has the result's shape.
#[derive(Debug)]
pub(super) struct ScaledMatMulInteger(Epilogue);

impl ScaledMatMulInteger {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 5..=8, 1..=1)?;
        Ok(ScaledMatMulInteger(Epilogue::of(node)?))
    }
}

impl Operator for ScaledMatMulInteger {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        INTEGER.dtypes(inputs)?;
        Ok(vec![DType::F32])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = INTEGER.shapes(inputs, &[2], &[3])?;
        let columns = *shape.last().ok_or_else(|| Error::shape("a scaled product of vectors"))?;
        let of = |i: usize| inputs.get(i).copied().flatten().map(|fact| fact.shape.as_slice());
        if let Some(bias) = of(BIAS).filter(|bias| !agree(bias, &[columns])) {
            return Err(Error::shape(format!("the bias {bias:?} is not one for each of {columns} columns")));
        }
        match of(RESIDUAL).filter(|residual| !agree(residual, &shape)) {
            Some(residual) => Err(Error::shape(format!("the residual {residual:?} is not of shape {shape:?}"))),
            None => Ok(vec![shape]),
        }
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let columns = output.shape[output.shape.len() - 1];
        let scaled = Scaling::of(cx, &self.0, columns)?;
        INTEGER.product(cx, &output, Some(scaled))
    }
}

/// <https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html>: as [`MatMulInteger`], with scales of f32, f16 or bf16 shaped as the zero points, and
/// scale and zero point of the result, which has the type of its zero point. The quotient is rounded before the zero point is added.
#[derive(Debug)]
pub(super) struct QLinearMatMul;

impl QLinearMatMul {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 8..=8, 1..=1)?;
        Ok(QLinearMatMul)
    }
}

impl Operator for QLinearMatMul {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        LINEAR.dtypes(inputs)?;
        let given = |i: usize| inputs[i].ok_or_else(|| Error::invalid_model(format!("input {i} is missing")));
        for i in [1, 4, 6] {
            match given(i)? {
                DType::F32 | DType::F16 | DType::Bf16 => {}
                other => {
                    return Err(Error::unsupported(format!(
                        "a scale of type {other}; f32, f16 and bf16 are supported"
                    )));
                }
            }
        }
        let result = given(7)?;
        range(result)?;
        Ok(vec![result])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        for i in [6, 7] {
            let shape = &given(inputs, i)?.shape;
            if !broadcasts_to(shape, &[Size::ONE]) {
                return Err(Error::shape(format!("the result's scale and zero point {shape:?} are not one number")));
            }
        }
        Ok(vec![LINEAR.shapes(inputs, &[1, 2], &[4, 5])?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.resting_output(0);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let [_, _, shape] = matrices(&given(&cx.facts(), LINEAR.a)?.shape, &given(&cx.facts(), LINEAR.b)?.shape)?;
        let sums = cx.words(DType::I32, &shape)?;
        LINEAR.product(cx, &sums, None)?;
        let output = View { strides: row_major(&shape), shape, ..output };
        let scaled = Scaled { scales: [(1, &by_rows), (4, &|view| view)], scale: 6, zero: 7 };
        requantise(cx, sums, &scaled, &output)
    }
}
