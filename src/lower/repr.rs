//! How tensors lie on the heap: one 32-bit word an element, whatever its type.
//!
//! f32, i32 and u32 as they are; i64 as i32 (checked, never wrapped); i8 and i16 as i32; u8 and u16 as u32; bool as 0 or 1.

use crate::error::{Error, Result};
use crate::size::{Size, checked_len};
use crate::tensor::{self, DType, Tensor, TensorData};

/// What a tensor's length on the heap is a multiple of, so that kernels may use `vec4` to the end.
pub const GRANULE: u64 = 16;

/// Whether tensors of this type can lie on the heap.
///
/// # Errors
/// `Unsupported` for f16, f64 and u64.
pub fn check_dtype(dtype: DType) -> Result<()> {
    match dtype {
        DType::F16 | DType::F64 | DType::U64 => {
            Err(Error::unsupported(format!("tensors of type {dtype} cannot be computed on the device")))
        }
        _ => Ok(()),
    }
}

/// How elements lie in memory: what their bytes follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// One 32-bit word an element.
    Word,
}

impl Storage {
    /// How tensors of that type lie.
    pub fn of(dtype: DType) -> Storage {
        match dtype {
            DType::F32 | DType::I32 | DType::U32 | DType::I64 => Storage::Word,
            DType::I8 | DType::I16 | DType::U8 | DType::U16 | DType::Bool => Storage::Word,
            // Refused by `check_dtype` before anything lies anywhere.
            DType::F16 | DType::F64 | DType::U64 => Storage::Word,
        }
    }

    /// Bytes of `len` elements, and so the byte at which element `len` begins.
    pub fn bytes(self, len: Size) -> Size {
        match self {
            Storage::Word => len * 4,
        }
    }
}

/// Bytes that a tensor takes on the heap: at least one granule, and a multiple of it.
///
/// # Errors
/// `Shape` if it is too large for any device.
pub fn heap_bytes(dtype: DType, shape: &[Size]) -> Result<Size> {
    let too_large = || Error::shape(format!("a tensor of shape {shape:?} is too large"));
    let len = checked_len(shape).ok_or_else(too_large)?;
    let bytes = Storage::of(dtype).bytes(len).next_multiple_of(GRANULE).max(GRANULE);
    if bytes.estimate() > i64::from(u32::MAX) * 4 { Err(too_large()) } else { Ok(bytes) }
}

/// The tensor's elements as they lie on the heap: four bytes each, without padding.
///
/// # Errors
/// `Input` naming an i64 value that does not fit an i32, `Unsupported` for types without a representation.
pub fn to_heap(tensor: &Tensor) -> Result<Vec<u8>> {
    fn words<T: Copy>(data: &[T], word: impl Fn(T) -> u32) -> Vec<u8> {
        data.iter().flat_map(|&x| word(x).to_ne_bytes()).collect()
    }
    check_dtype(tensor.dtype())?;
    Ok(match tensor.data() {
        TensorData::F32(_) | TensorData::I32(_) | TensorData::U32(_) => tensor.bytes().to_vec(),
        TensorData::I64(data) => {
            let mut bytes = Vec::with_capacity(data.len() * 4);
            for &x in data {
                let word = i32::try_from(x).map_err(|_| {
                    Error::input(format!("the i64 value {x} does not fit the 32 bits that the device computes with"))
                })?;
                bytes.extend_from_slice(&word.to_ne_bytes());
            }
            bytes
        }
        TensorData::I8(data) => words(data, |x| i32::from(x) as u32),
        TensorData::I16(data) => words(data, |x| i32::from(x) as u32),
        TensorData::U8(data) => words(data, u32::from),
        TensorData::U16(data) => words(data, u32::from),
        TensorData::Bool(data) => words(data, u32::from),
        TensorData::F16(_) | TensorData::F64(_) | TensorData::U64(_) => {
            return Err(Error::internal("a type without heap representation passed its check"));
        }
    })
}

/// The tensor that lies on the heap as `bytes` (padding after its end is ignored).
///
/// # Errors
/// `Internal` if `bytes` is too short, `Unsupported` for types without a representation.
pub fn from_heap(bytes: &[u8], dtype: DType, shape: &[usize]) -> Result<Tensor> {
    check_dtype(dtype)?;
    let len = tensor::checked_len(shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
    let bytes = len
        .checked_mul(4)
        .and_then(|n| bytes.get(..n))
        .ok_or_else(|| Error::internal(format!("{} heap bytes for a tensor of shape {shape:?}", bytes.len())))?;
    let words = bytes.chunks_exact(4).map(|c| u32::from_ne_bytes([c[0], c[1], c[2], c[3]]));
    let data = match dtype {
        DType::F32 => TensorData::F32(words.map(f32::from_bits).collect()),
        DType::I32 => TensorData::I32(words.map(|w| w as i32).collect()),
        DType::U32 => TensorData::U32(words.collect()),
        DType::I64 => TensorData::I64(words.map(|w| i64::from(w as i32)).collect()),
        DType::I8 => TensorData::I8(words.map(|w| w as i8).collect()),
        DType::I16 => TensorData::I16(words.map(|w| w as i16).collect()),
        DType::U8 => TensorData::U8(words.map(|w| w as u8).collect()),
        DType::U16 => TensorData::U16(words.map(|w| w as u16).collect()),
        DType::Bool => TensorData::Bool(words.map(|w| w != 0).collect()),
        DType::F16 | DType::F64 | DType::U64 => {
            return Err(Error::internal("a type without heap representation passed its check"));
        }
    };
    Tensor::from_data(shape, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back() {
        let tensors = [
            Tensor::new([2], vec![1.5f32, f32::NAN.copysign(-1.0)]).unwrap(),
            Tensor::new([2], vec![i64::from(i32::MIN), 7]).unwrap(),
            Tensor::new([2], vec![-128i8, 127]).unwrap(),
            Tensor::new([2], vec![-32768i16, 32767]).unwrap(),
            Tensor::new([2], vec![0u8, 255]).unwrap(),
            Tensor::new([2], vec![0u16, 65535]).unwrap(),
            Tensor::new([2], vec![u32::MAX, 0]).unwrap(),
            Tensor::new([2], vec![true, false]).unwrap(),
            Tensor::new([0, 3], Vec::<i32>::new()).unwrap(),
        ];
        for tensor in tensors {
            let mut heap = to_heap(&tensor).unwrap();
            assert_eq!(heap.len(), tensor.len() * 4);
            heap.extend([9; 16]);
            let back = from_heap(&heap, tensor.dtype(), tensor.shape()).unwrap();
            assert_eq!(back.bytes(), tensor.bytes(), "{tensor:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let error = to_heap(&Tensor::scalar(1i64 << 31)).unwrap_err();
        assert!(error.message().contains("2147483648"), "{error}");
        assert!(to_heap(&Tensor::scalar(1f64)).is_err());
        assert!(from_heap(&[0; 4], DType::F32, &[2]).is_err());
        let bytes = |shape: &[usize]| heap_bytes(DType::F32, &crate::size::sizes(shape));
        assert!(bytes(&[1 << 20, 1 << 20]).is_err());
        assert_eq!(bytes(&[0, usize::MAX]).unwrap(), 16);
        assert_eq!(bytes(&[5]).unwrap(), 32);
    }
}
