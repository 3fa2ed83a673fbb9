//! Sums and products along an axis, of all elements up to each.

use std::ops::Range;

use super::broadcast::axis_index;
use super::combine::Combine;
use super::{Entry, Operator, check_arity, given, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, bits, params};
use crate::size::Size;
use crate::tensor::DType;

pub(super) static OPERATORS: &[Entry] = &[
    ("", "CumProd", |node| operator(Scan::parse(node, Combine::Product))),
    ("", "CumSum", |node| operator(Scan::parse(node, Combine::Sum))),
];

/// <https://onnx.ai/onnx/operators/onnx__CumSum.html> and <https://onnx.ai/onnx/operators/onnx__CumProd.html>: a result has its
/// input's shape. Elements of a line are added one after another, so that results are the same whatever the device is.
#[derive(Debug)]
struct Scan {
    op: Combine,
    exclusive: bool,
    reverse: bool,
}

impl Scan {
    fn parse(node: &Node, op: Combine) -> Result<Self> {
        check_arity(node, 2..=2, 1..=1)?;
        Ok(Scan { op, exclusive: node.int("exclusive", 0)? != 0, reverse: node.int("reverse", 0)? != 0 })
    }
}

/// The axis that input 1 is.
fn axis(inputs: &[Option<&Fact>]) -> Result<usize> {
    let rank = given(inputs, 0)?.shape.len();
    match given(inputs, 1)?.integers().as_deref() {
        Some(&[axis]) => axis_index(axis.pin_signed(), rank),
        Some(_) => Err(Error::shape("the axis is not one number")),
        None => Err(Error::unsupported("an axis that only the device knows")),
    }
}

impl Operator for Scan {
    fn host_inputs(&self) -> Range<usize> {
        1..2
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match (inputs.first().copied().flatten(), inputs.get(1).copied().flatten()) {
            (_, Some(axis)) if !matches!(axis, DType::I32 | DType::I64) => {
                Err(Error::invalid_model(format!("an axis of type {axis}")))
            }
            (Some(dtype @ (DType::F32 | DType::F16 | DType::Bf16 | DType::I32 | DType::I64 | DType::U32)), _) => {
                Ok(vec![dtype])
            }
            (Some(dtype), _) => Err(Error::unsupported(format!("input of type {dtype}"))),
            (None, _) => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        if given(inputs, 1)?.known.is_some() {
            axis(inputs)?;
        }
        Ok(vec![given(inputs, 0)?.shape.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let at = axis(&cx.facts())?;
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let x = cx.contiguous(0)?;
        let report = self.op.report(cx, x.dtype)?;
        let (steps, inner) = (x.shape[at], x.shape[at + 1..].iter().product());
        let (len, outer) = (x.len(), x.shape[..at].iter().product::<Size>());
        let lines = outer * inner;
        let start = match (self.op, x.dtype.is_float()) {
            (Combine::Product, true) => bits(1.0),
            (Combine::Product, false) => Size::ONE,
            _ => Size::ZERO,
        };
        let flag = |set: bool| f64::from(u8::from(set));
        let own = [("EXCLUSIVE", flag(self.exclusive)), ("REVERSE", flag(self.reverse))];
        cx.emit(Emit {
            kernel: "scan",
            constants: &[&self.op.constants(x.dtype)?[..], &own].concat(),
            groups: item_groups(lines),
            operands: &[x.buffer, output.buffer, report],
            params: params("scan", &[("lines", lines), ("steps", steps), ("inner", inner), ("start", start)], &[])?,
            cost: Work::of_words(len, len * 2),
        })
    }
}
