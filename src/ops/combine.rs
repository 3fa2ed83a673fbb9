//! How a kernel makes one element of two: `shaders/functions/combine.wgsl`.

use crate::error::{Error, ErrorKind, Result};
use crate::lower::{BufferId, Lowering};
use crate::size::Size;
use crate::tensor::DType;

use super::integer::OVERFLOW;

/// What to make of two elements; the numbers are the kernels'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Combine {
    Second = 0,
    Sum = 1,
    Product = 2,
    Larger = 3,
    Smaller = 4,
}

/// What the words of a type are: f32, signed or unsigned.
///
/// # Errors
/// `Unsupported` for types that the device does not compute with.
pub(super) fn kind(dtype: DType) -> Result<u32> {
    match dtype {
        DType::F32 | DType::F16 | DType::Bf16 => Ok(0),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => Ok(1),
        DType::U8 | DType::U16 | DType::U32 | DType::U64 | DType::Bool => Ok(2),
        _ => Err(Error::unsupported(format!("{dtype} is not supported on the device"))),
    }
}

impl Combine {
    /// The kernels' overrides `OP` and `KIND`.
    ///
    /// # Errors
    /// As [`kind`].
    pub(super) fn constants(self, dtype: DType) -> Result<[(&'static str, f64); 2]> {
        let kind = match (dtype, self) {
            (DType::I64, _) => 3,
            // They do not report what leaves the range.
            (DType::U64, Combine::Sum | Combine::Product) => {
                return Err(Error::unsupported("sums and products of u64 in updates"));
            }
            _ => kind(dtype)?,
        };
        Ok([("OP", f64::from(self as u32)), ("KIND", f64::from(kind))])
    }

    /// Where the kernel reports results that leave the range, if results can.
    ///
    /// # Errors
    /// As [`Lowering::words`].
    pub(super) fn report(self, cx: &mut Lowering<'_>, dtype: DType) -> Result<BufferId> {
        match (self, dtype) {
            (Combine::Sum | Combine::Product, DType::I64) => Ok(cx.check(ErrorKind::Overflow, OVERFLOW)),
            _ => Ok(cx.words(DType::U32, &[Size::ONE])?.buffer),
        }
    }
}

/// Bits of a type, if it is narrow, else 32.
pub(super) fn bits(dtype: DType) -> Size {
    Size::from(dtype.size().min(4) * 8)
}
