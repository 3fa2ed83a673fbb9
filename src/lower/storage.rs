//! How tensors lie in memory.
//!
//! Kernels compute with words: f32, i32 and u32 as they are; i64 as i32 (checked, never wrapped); i8 and i16 as i32; u8 and u16
//! as u32; bool as 0 or 1; f16 as the f32 of the same value. Types of fewer than 32 bits come and go packed ([`Storage::of`]):
//!
//! | types | at rest |
//! |---|---|
//! | f32, i32, u32, i64 | a word each |
//! | f16, i16, u16 | two a word |
//! | i8, u8, bool | four a word |
//!
//! Generated elementwise kernels read any storage; other kernels are given words ([`Lowering::view`](super::Lowering::view)).
//! Results are words, those of f16 rounded, and packed where they leave the device.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::size::{Size, checked_len};
use crate::tensor::{self, DType, Tensor, TensorData};
use half::f16;

/// What a tensor's length on the heap is a multiple of, so that kernels may use `vec4` to the end.
pub const GRANULE: u64 = 16;

/// Whether tensors of this type can lie on the heap.
///
/// # Errors
/// `Unsupported` for f64 and u64.
pub fn check_dtype(dtype: DType) -> Result<()> {
    match dtype {
        DType::F64 | DType::U64 => {
            Err(Error::unsupported(format!("tensors of type {dtype} cannot be computed on the device")))
        }
        _ => Ok(()),
    }
}

/// How elements lie in memory: what their bytes follow from, and what the bits of a packed one mean. `widen.wgsl` and
/// `narrow.wgsl` know these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Storage {
    /// One 32-bit word an element.
    Word = 0,
    /// IEEE half precision, two a word.
    F16 = 1,
    /// Signed, two a word.
    I16 = 2,
    /// Unsigned, two a word.
    U16 = 3,
    /// Signed, four a word.
    I8 = 4,
    /// Unsigned, four a word.
    U8 = 5,
}

impl Storage {
    /// How tensors of that type lie where they come and go: inputs, constants, what is kept for another request.
    pub fn of(dtype: DType) -> Storage {
        match dtype {
            DType::F32 | DType::I32 | DType::U32 | DType::I64 => Storage::Word,
            DType::F16 => Storage::F16,
            DType::I16 => Storage::I16,
            DType::U16 => Storage::U16,
            DType::I8 => Storage::I8,
            DType::U8 | DType::Bool => Storage::U8,
            // Refused by `check_dtype` before anything lies anywhere.
            DType::F64 | DType::U64 => Storage::Word,
        }
    }

    /// Bits of an element.
    pub const fn bits(self) -> u32 {
        match self {
            Storage::Word => 32,
            Storage::F16 | Storage::I16 | Storage::U16 => 16,
            Storage::I8 | Storage::U8 => 8,
        }
    }

    /// Bytes of `len` elements, and so the byte at which element `len` begins.
    pub fn bytes(self, len: Size) -> Size {
        len * (self.bits() / 8)
    }

    /// Bytes that a tensor takes on the heap: at least one granule, and a multiple of it.
    ///
    /// # Errors
    /// `Shape` if it is too large for any device.
    pub fn heap_bytes(self, shape: &[Size]) -> Result<Size> {
        let too_large = || Error::shape(format!("a tensor of shape {shape:?} is too large"));
        let len = checked_len(shape).ok_or_else(too_large)?;
        let bytes = self.bytes(len).next_multiple_of(GRANULE).max(GRANULE);
        if bytes.estimate() > i64::from(u32::MAX) * 4 { Err(too_large()) } else { Ok(bytes) }
    }

    /// The tensor's elements as they lie so, without padding.
    ///
    /// # Errors
    /// `Input` naming an i64 value that does not fit an i32, `Unsupported` for types without a representation.
    pub fn encode(self, tensor: &Tensor) -> Result<Vec<u8>> {
        fn words<T: Copy>(data: &[T], word: impl Fn(T) -> u32) -> Vec<u8> {
            data.iter().flat_map(|&x| word(x).to_ne_bytes()).collect()
        }
        check_dtype(tensor.dtype())?;
        if self != Storage::Word {
            let own = self == Storage::of(tensor.dtype());
            return own.then(|| tensor.bytes().to_vec()).ok_or_else(|| mismatch(self, tensor.dtype()));
        }
        Ok(match tensor.data() {
            TensorData::F32(_) | TensorData::I32(_) | TensorData::U32(_) => tensor.bytes().to_vec(),
            TensorData::I64(data) => {
                let mut bytes = Vec::with_capacity(data.len() * 4);
                for &x in data {
                    let word = i32::try_from(x).map_err(|_| {
                        Error::input(format!(
                            "the i64 value {x} does not fit the 32 bits that the device computes with"
                        ))
                    })?;
                    bytes.extend_from_slice(&word.to_ne_bytes());
                }
                bytes
            }
            TensorData::F16(data) => words(data, |x| x.to_f32().to_bits()),
            TensorData::I8(data) => words(data, |x| i32::from(x) as u32),
            TensorData::I16(data) => words(data, |x| i32::from(x) as u32),
            TensorData::U8(data) => words(data, u32::from),
            TensorData::U16(data) => words(data, u32::from),
            TensorData::Bool(data) => words(data, u32::from),
            TensorData::F64(_) | TensorData::U64(_) => return Err(mismatch(self, tensor.dtype())),
        })
    }

    /// The tensor that lies so as `bytes` (padding after its end is ignored).
    ///
    /// # Errors
    /// `Internal` if `bytes` is too short, `Unsupported` for types without a representation.
    pub fn decode(self, bytes: &[u8], dtype: DType, shape: &[usize]) -> Result<Tensor> {
        check_dtype(dtype)?;
        let len = tensor::checked_len(shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        let bytes = len
            .checked_mul(self.bits() as usize / 8)
            .and_then(|n| bytes.get(..n))
            .ok_or_else(|| Error::internal(format!("{} heap bytes for a tensor of shape {shape:?}", bytes.len())))?;
        let words = bytes.chunks_exact(4).map(|c| u32::from_ne_bytes([c[0], c[1], c[2], c[3]]));
        let halves = bytes.chunks_exact(2).map(|c| u16::from_ne_bytes([c[0], c[1]]));
        let data = match (self, dtype) {
            (Storage::Word, DType::F32) => TensorData::F32(words.map(f32::from_bits).collect()),
            (Storage::Word, DType::I32) => TensorData::I32(words.map(|w| w as i32).collect()),
            (Storage::Word, DType::U32) => TensorData::U32(words.collect()),
            (Storage::Word, DType::I64) => TensorData::I64(words.map(|w| i64::from(w as i32)).collect()),
            (Storage::Word, DType::I8) => TensorData::I8(words.map(|w| w as i8).collect()),
            (Storage::Word, DType::I16) => TensorData::I16(words.map(|w| w as i16).collect()),
            (Storage::Word, DType::U8) => TensorData::U8(words.map(|w| w as u8).collect()),
            (Storage::Word, DType::U16) => TensorData::U16(words.map(|w| w as u16).collect()),
            (Storage::Word, DType::Bool) => TensorData::Bool(words.map(|w| w != 0).collect()),
            (Storage::F16, DType::F16) => TensorData::F16(halves.map(f16::from_bits).collect()),
            (Storage::I16, DType::I16) => TensorData::I16(halves.map(|h| h as i16).collect()),
            (Storage::U16, DType::U16) => TensorData::U16(halves.collect()),
            (Storage::I8, DType::I8) => TensorData::I8(bytes.iter().map(|&b| b as i8).collect()),
            (Storage::U8, DType::U8) => TensorData::U8(bytes.to_vec()),
            (Storage::U8, DType::Bool) => TensorData::Bool(bytes.iter().map(|&b| b != 0).collect()),
            _ => return Err(mismatch(self, dtype)),
        };
        Tensor::from_data(shape, data)
    }
}

/// The tensor with f16 as the f32 of the same value, as kernels compute with it; others as they are.
pub fn widened(tensor: &Tensor) -> Cow<'_, Tensor> {
    match tensor.data() {
        TensorData::F16(data) => {
            let data = TensorData::F32(data.iter().map(|x| x.to_f32()).collect());
            Cow::Owned(Tensor::from_data(tensor.shape(), data).expect("as many elements as before"))
        }
        _ => Cow::Borrowed(tensor),
    }
}

fn mismatch(storage: Storage, dtype: DType) -> Error {
    Error::internal(format!("a tensor of type {dtype} cannot lie as {storage:?}"))
}

/// Bytes that a tensor takes where it comes or goes.
///
/// # Errors
/// As [`Storage::heap_bytes`].
pub fn heap_bytes(dtype: DType, shape: &[Size]) -> Result<Size> {
    Storage::of(dtype).heap_bytes(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_comes_back_from_either_storage() {
        let tensors = [
            Tensor::new([2], vec![1.5f32, f32::NAN.copysign(-1.0)]).unwrap(),
            Tensor::new([3], vec![f16::from_f32(1.5), f16::MIN_POSITIVE_SUBNORMAL, f16::NEG_INFINITY]).unwrap(),
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
            for storage in [Storage::Word, Storage::of(tensor.dtype())] {
                if (storage, tensor.dtype()) == (Storage::Word, DType::F16) {
                    continue;
                }
                let mut heap = storage.encode(&tensor).unwrap();
                assert_eq!(heap.len() * 8, tensor.len() * storage.bits() as usize);
                heap.extend([9; 16]);
                let back = storage.decode(&heap, tensor.dtype(), tensor.shape()).unwrap();
                assert_eq!(back.bytes(), tensor.bytes(), "{tensor:?}");
            }
        }
        let widened = Storage::Word.encode(&Tensor::scalar(f16::from_f32(-2.0))).unwrap();
        assert_eq!(widened, (-2.0f32).to_ne_bytes());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let error = Storage::Word.encode(&Tensor::scalar(1i64 << 31)).unwrap_err();
        assert!(error.message().contains("2147483648"), "{error}");
        assert!(Storage::Word.encode(&Tensor::scalar(1f64)).is_err());
        assert!(Storage::U8.encode(&Tensor::scalar(1f32)).is_err());
        assert!(Storage::Word.decode(&[0; 4], DType::F32, &[2]).is_err());
        assert!(Storage::F16.decode(&[0; 4], DType::F32, &[2]).is_err());
        let bytes = |dtype: DType, shape: &[usize]| heap_bytes(dtype, &crate::size::sizes(shape));
        assert!(bytes(DType::F32, &[1 << 20, 1 << 20]).is_err());
        assert_eq!(bytes(DType::F32, &[0, usize::MAX]).unwrap(), 16);
        assert_eq!([DType::F32, DType::F16, DType::Bool].map(|dtype| bytes(dtype, &[9]).unwrap()), [48, 32, 16]);
    }
}
