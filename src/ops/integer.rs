//! Elementwise operators on i64 whose results may leave the 32 bits in which the device computes it. They report that, so
//! they run alone: a chain of steps (`elementwise/`) cannot.

use crate::error::Result;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Lowering, View, Work, collapse, params, words};
use crate::size::Size;
use crate::tensor::DType;

/// What the kernels report.
pub(super) const OVERFLOW: &str = "a result leaves the range of 32 bits in which the device computes i64";

/// What to compute; the numbers are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IntegerOp {
    Add = 0,
    Sub = 1,
    Mul = 2,
    Div = 3,
    Pow = 4,
    Neg = 5,
    Abs = 6,
    FromF32 = 7,
    FromU32 = 8,
}

impl IntegerOp {
    /// For ONNX's elementwise operator of that name on inputs of type `first`, if its results may leave the range.
    pub(super) fn of(name: &str, first: DType) -> Option<Self> {
        if first != DType::I64 {
            return None;
        }
        Some(match name {
            "Add" | "Sum" => IntegerOp::Add,
            "Sub" => IntegerOp::Sub,
            "Mul" => IntegerOp::Mul,
            "Div" => IntegerOp::Div,
            "Pow" => IntegerOp::Pow,
            "Neg" => IntegerOp::Neg,
            "Abs" => IntegerOp::Abs,
            _ => return None,
        })
    }
}

/// Emits the dispatch that computes `op` over views broadcast to `output`, which is the whole of a row-major buffer. Unary
/// operators are given their operand twice.
///
/// # Errors
/// `Shape` if an operand does not broadcast; `Unsupported` for more than eight dimensions that cannot be merged; `Limit`.
pub(super) fn emit_integer(cx: &mut Lowering<'_>, op: IntegerOp, a: &View, b: &View, output: &View) -> Result<()> {
    let (a, b) = (a.broadcast(&output.shape)?, b.broadcast(&output.shape)?);
    let len = output.len();
    if len.is_zero() {
        return Ok(());
    }
    let (sizes, strides) = collapse(&output.shape, &[&a.strides, &b.strides]);
    let lists: [(&str, &[Size]); 3] = [
        ("size", &words::<8>(&sizes, 1)?),
        ("a_stride", &words::<8>(&strides[0], 0)?),
        ("b_stride", &words::<8>(&strides[1], 0)?),
    ];
    let report = cx.check(OVERFLOW);
    cx.emit(Emit {
        kernel: "integer",
        constants: &[("OP", f64::from(op as u32)), ("RANK", sizes.len() as f64)],
        groups: item_groups(len),
        operands: &[a.buffer, b.buffer, output.buffer, report],
        params: params("integer", &[("len", len), ("a_offset", a.offset), ("b_offset", b.offset)], &lists)?,
        cost: Work { flops: len, bytes: len * 12 },
    })
}
