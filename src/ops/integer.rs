//! Elementwise operators on integers that may fail: on i64 and u64, results may leave the 32 bits in which the device computes them, and
//! divisors may be 0. They report that, so they run alone: a chain of steps (`elementwise/`) cannot.

use crate::error::{ErrorKind, Result};
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Lowering, View, Work, collapse, params, words};
use crate::size::Size;
use crate::tensor::DType;

use super::elementwise::Scalar;

/// What the kernels report.
pub(super) const OVERFLOW: &str = "a result leaves the range of 32 bits in which the device computes i64";

/// What the kernels report of u64.
const OVERFLOW_U: &str = "a result leaves the range of 32 bits in which the device computes u64";

/// What the kernels and the host say of a divisor.
pub(super) const BY_ZERO: &str = "a division of integers by zero";

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
    Quotient = 9,
    FloorRemainder = 10,
    Remainder = 11,
    QuotientU = 12,
    RemainderU = 13,
    PowF32 = 14,
    ShiftLeft = 15,
    AddU = 16,
    SubU = 17,
    MulU = 18,
    ShiftLeftU = 19,
    /// To u64.
    FromF32U = 20,
    /// To u64.
    FromI32 = 21,
}

impl IntegerOp {
    /// For ONNX's elementwise operator `op` with these attributes on inputs of type `first` and `second`, if it may fail.
    pub(super) fn of(op: &str, attrs: &[Scalar], first: DType, second: Option<DType>) -> Option<Self> {
        let signed = match first {
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => true,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => false,
            _ => return None,
        };
        match (op, first) {
            ("Mod", _) if !signed => Some(IntegerOp::RemainderU),
            ("Mod", _) => Some(match attrs {
                [Scalar::I(0)] => IntegerOp::FloorRemainder,
                _ => IntegerOp::Remainder,
            }),
            ("Div", DType::I64) => Some(IntegerOp::Div),
            ("Div", _) => Some(if signed { IntegerOp::Quotient } else { IntegerOp::QuotientU }),
            ("Add" | "Sum", DType::I64) => Some(IntegerOp::Add),
            ("Sub", DType::I64) => Some(IntegerOp::Sub),
            ("Mul", DType::I64) => Some(IntegerOp::Mul),
            ("Pow", DType::I64) if second.is_some_and(DType::is_float) => Some(IntegerOp::PowF32),
            ("Pow", DType::I64) => Some(IntegerOp::Pow),
            ("BitShift", DType::I64) if attrs == [Scalar::B(true)] => Some(IntegerOp::ShiftLeft),
            ("Add" | "Sum", DType::U64) => Some(IntegerOp::AddU),
            ("Sub", DType::U64) => Some(IntegerOp::SubU),
            ("Mul", DType::U64) => Some(IntegerOp::MulU),
            ("BitShift", DType::U64) if attrs == [Scalar::B(true)] => Some(IntegerOp::ShiftLeftU),
            ("Neg", DType::I64) => Some(IntegerOp::Neg),
            ("Abs", DType::I64) => Some(IntegerOp::Abs),
            _ => None,
        }
    }

    /// Whether it fails only where the divisor is 0.
    pub(super) fn only_divides(self) -> bool {
        match self {
            IntegerOp::Quotient
            | IntegerOp::FloorRemainder
            | IntegerOp::Remainder
            | IntegerOp::QuotientU
            | IntegerOp::RemainderU => true,
            IntegerOp::Add
            | IntegerOp::Sub
            | IntegerOp::Mul
            | IntegerOp::Div
            | IntegerOp::Pow
            | IntegerOp::Neg
            | IntegerOp::Abs
            | IntegerOp::FromF32
            | IntegerOp::FromU32
            | IntegerOp::PowF32
            | IntegerOp::ShiftLeft
            | IntegerOp::AddU
            | IntegerOp::SubU
            | IntegerOp::MulU
            | IntegerOp::ShiftLeftU
            | IntegerOp::FromF32U
            | IntegerOp::FromI32 => false,
        }
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
    let bits = output.dtype.bits().min(32);
    let numbers = [("len", len), ("a_offset", a.offset), ("b_offset", b.offset), ("bits", Size::from(bits))];
    let report = match op {
        IntegerOp::Div => cx.check(ErrorKind::Overflow, "a division by zero, or a quotient beyond 32 bits of i64"),
        op if op.only_divides() => cx.check(ErrorKind::Input, BY_ZERO),
        _ if output.dtype == DType::U64 => cx.check(ErrorKind::Overflow, OVERFLOW_U),
        _ => cx.check(ErrorKind::Overflow, OVERFLOW),
    };
    cx.emit(Emit {
        kernel: "integer",
        constants: &[("OP", f64::from(op as u32)), ("RANK", sizes.len() as f64)],
        groups: item_groups(len),
        operands: &[a.buffer, b.buffer, output.buffer, report],
        params: params("integer", &numbers, &lists)?,
        cost: Work::of_words(len, len * 3),
    })
}
