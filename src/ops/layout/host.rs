//! Moving elements on the host.

use crate::error::{Error, Result};
use crate::tensor::{Element, Tensor, TensorData, checked_len, for_each_dtype};

/// The elements at `indices`, which must be in range.
pub(super) fn pick(data: &TensorData, indices: impl Iterator<Item = usize>) -> TensorData {
    for_each_dtype!(data, elements => Element::wrap(indices.map(|i| elements[i]).collect::<Vec<_>>()))
}

/// A strided window of a tensor, row-major. Strides may be zero or negative; the window must lie within the tensor.
pub(super) fn window(tensor: &Tensor, offset: isize, shape: &[usize], strides: &[isize]) -> Result<Tensor> {
    let len = checked_len(shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
    let mut index = vec![0usize; shape.len()];
    let mut at = offset;
    let indices = (0..len).map(|_| {
        let current = at as usize;
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis] as isize;
            index[axis] = 0;
        }
        current
    });
    Tensor::from_data(shape, pick(tensor.data(), indices))
}

/// Row-major strides.
pub(super) fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1) as isize);
    }
    strides
}

/// Joins tensors of one type end to end.
pub(super) fn join(parts: &[TensorData]) -> Result<TensorData> {
    let Some((first, rest)) = parts.split_first() else {
        return Err(Error::internal("nothing to join"));
    };
    let mut out = first.clone();
    macro_rules! extend {
        ($($variant:ident)*) => {
            for part in rest {
                match (&mut out, part) {
                    $((TensorData::$variant(out), TensorData::$variant(part)) => out.extend_from_slice(part),)*
                    _ => return Err(Error::invalid_model("tensors of different types are joined")),
                }
            }
        };
    }
    extend!(F32 F16 Bf16 F64 F8E4M3Fn F8E4M3Fnuz F8E5M2 F8E5M2Fnuz F8E8M0 F4E2M1 I2 I4 I8 I16 I32 I64 U2 U4 U8 U16 U32 U64 Bool);
    Ok(out)
}
