//! <https://onnx.ai/onnx/operators/onnx__Det.html>

use super::{Entry, Operator, check_arity, given, one_float, operator};
use crate::error::{Error, Result};
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, agreed};
use crate::tensor::DType;

pub(super) static OPERATORS: &[Entry] = &[("", "Det", |node| operator(check_arity(node, 1..=1, 1..=1).map(|()| Det)))];

/// <https://onnx.ai/onnx/operators/onnx__Det.html>: of `[.., m, m]` the determinants `[..]`.
#[derive(Debug)]
struct Det;

impl Operator for Det {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        match shape.as_slice() {
            [batch @ .., rows, columns] if agreed(*rows, *columns).is_some() => Ok(vec![batch.to_vec()]),
            _ => Err(Error::shape(format!("determinants of shape {shape:?}"))),
        }
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let x = cx.view(0)?;
        let copy = cx.words(x.dtype, &x.shape)?;
        cx.copy(&x, &copy)?;
        let output = cx.output(0);
        let (count, size) = (output.len(), x.shape[x.shape.len() - 1]);
        cx.emit(Emit {
            kernel: "det",
            constants: &[],
            groups: item_groups(count),
            operands: &[copy.buffer, output.buffer],
            params: params("det", &[("count", count), ("size", size)], &[])?,
            cost: Work::of_words(count * size * size * size, count * size * size),
        })
    }
}
