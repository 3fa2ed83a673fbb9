//! Elementwise operators on i64 whose results may leave the 32 bits in which the device computes it. They report that, so
//! they run alone: a chain of steps (`elementwise/`) cannot.

use bytemuck::{Pod, Zeroable};

use crate::error::Result;
use crate::lower::{Cost, collapse};
use crate::lower::{Emit, Lowering, View, word, words};
use crate::tensor::DType;

use crate::lower::grid::item_grid;

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

#[cfg(test)]
pub(super) const LAYOUTS: &[super::params::Layout] =
    &[super::params::layout!("integer", Params: len, a_offset, b_offset, pad, size, a_stride, b_stride)];

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    len: u32,
    a_offset: u32,
    b_offset: u32,
    pad: u32,
    size: [u32; 8],
    a_stride: [u32; 8],
    b_stride: [u32; 8],
}

/// Emits the dispatch that computes `op` over views broadcast to `output`, which is the whole of a row-major buffer. Unary
/// operators are given their operand twice.
///
/// # Errors
/// `Shape` if an operand does not broadcast; `Unsupported` for more than eight dimensions that cannot be merged; `Limit`.
pub(super) fn emit_integer(cx: &mut Lowering<'_>, op: IntegerOp, a: &View, b: &View, output: &View) -> Result<()> {
    let (a, b) = (a.broadcast(&output.shape)?, b.broadcast(&output.shape)?);
    let len = output.len();
    if len == 0 {
        return Ok(());
    }
    let (sizes, strides) = collapse(&output.shape, &[&a.strides, &b.strides]);
    let params = Params {
        len: word(len)?,
        a_offset: word(a.offset)?,
        b_offset: word(b.offset)?,
        pad: 0,
        size: words(&sizes, 1)?,
        a_stride: words(&strides[0], 0)?,
        b_stride: words(&strides[1], 0)?,
    };
    let report = cx.check(OVERFLOW);
    cx.emit(Emit {
        kernel: "integer",
        constants: &[("OP", f64::from(op as u32)), ("RANK", sizes.len() as f64)],
        grid: item_grid(len as u64)?,
        operands: &[a.buffer, b.buffer, output.buffer, report],
        params: bytemuck::bytes_of(&params),
        cost: Cost { flops: len as u64, bytes: 12 * len as u64 },
    })
}
