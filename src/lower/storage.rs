//! How tensors lie in memory.
//!
//! The host has a Rust value for each element (`tensor.rs`). Kernels compute with words, and tensors that come, go or stay (inputs,
//! weights, what is kept for another request) lie at rest, narrow types packed ([`Storage::of`]):
//!
//! | types | an element's word | at rest |
//! |---|---|---|
//! | f32, i32, u32 | as it is | a word each |
//! | i64, u64 | the i32 or u32 of the same value (checked, never wrapped) | a word each |
//! | f16, bf16 | the f32 of the same value | two a word |
//! | i16, u16 | the i32 or u32 of the same value | two a word |
//! | i8, u8 | the i32 or u32 of the same value | four a word |
//! | bool | 0 or 1 | four a word |
//! | f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz, f8e8m0 | the element's bits | four a word |
//! | i4, u4 | the i32 or u32 of the same value | eight a word |
//! | f4e2m1 | the element's bits | eight a word |
//! | i2, u2 | the i32 or u32 of the same value | sixteen a word |
//! | f64 | none: it is refused | |
//!
//! Generated elementwise kernels read any storage; other kernels are given words ([`Lowering::view`](super::Lowering::view)).
//! Results are words, those of f16 and bf16 rounded, and packed where they leave the device.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::size::{Size, checked_len};
use crate::tensor::{self, DType, Tensor, TensorData};
use half::{bf16, f16};

/// What a tensor's length on the heap is a multiple of, so that kernels may use `vec4` to the end.
pub const GRANULE: u64 = 16;

/// Whether tensors of this type can lie on the heap.
///
/// # Errors
/// `Unsupported` for f64.
pub fn check_dtype(dtype: DType) -> Result<()> {
    match dtype {
        DType::F64 => Err(Error::unsupported(format!("tensors of type {dtype} cannot be computed on the device"))),
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
    /// The upper half of an f32, two a word.
    Bf16 = 6,
    /// Signed, eight a word.
    I4 = 7,
    /// Unsigned, eight a word.
    U4 = 8,
    /// Signed, sixteen a word.
    I2 = 9,
    /// Unsigned, sixteen a word.
    U2 = 10,
}

impl Storage {
    /// How tensors of that type lie where they come and go: inputs, constants, what is kept for another request.
    pub fn of(dtype: DType) -> Storage {
        match dtype {
            DType::F32 | DType::I32 | DType::U32 | DType::I64 | DType::U64 => Storage::Word,
            DType::F16 => Storage::F16,
            DType::Bf16 => Storage::Bf16,
            DType::I16 => Storage::I16,
            DType::U16 => Storage::U16,
            DType::I8 => Storage::I8,
            DType::U8 | DType::Bool => Storage::U8,
            DType::F8E4M3Fn | DType::F8E4M3Fnuz | DType::F8E5M2 | DType::F8E5M2Fnuz | DType::F8E8M0 => Storage::U8,
            DType::I4 => Storage::I4,
            DType::U4 | DType::F4E2M1 => Storage::U4,
            DType::I2 => Storage::I2,
            DType::U2 => Storage::U2,
            // Refused by `check_dtype` before anything lies anywhere.
            DType::F64 => Storage::Word,
        }
    }

    /// Bits of an element.
    pub const fn bits(self) -> u32 {
        match self {
            Storage::Word => 32,
            Storage::F16 | Storage::Bf16 | Storage::I16 | Storage::U16 => 16,
            Storage::I8 | Storage::U8 => 8,
            Storage::I4 | Storage::U4 => 4,
            Storage::I2 | Storage::U2 => 2,
        }
    }

    /// Bytes of `len` elements, the last of which they may share with others.
    pub fn bytes(self, len: Size) -> Size {
        match self.bits() {
            bits @ (2 | 4) => len.div_ceil(8 / bits),
            bits => len * (bits / 8),
        }
    }

    /// The byte in which element `index` begins.
    pub fn byte_of(self, index: Size) -> Size {
        match self.bits() {
            bits @ (2 | 4) => index / (8 / bits),
            bits => index * (bits / 8),
        }
    }

    /// Whether element `index` begins at a multiple of `bytes`.
    pub fn is_aligned(self, index: Size, bytes: u64) -> bool {
        index.is_multiple_of(bytes * 8 / u64::from(self.bits()))
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
    /// `Input` naming an i64 or u64 value that does not fit 32 bits, `Unsupported` for types without a representation.
    pub fn encode(self, tensor: &Tensor) -> Result<Vec<u8>> {
        fn words<T: Copy>(data: &[T], word: impl Fn(T) -> u32) -> Vec<u8> {
            data.iter().flat_map(|&x| word(x).to_ne_bytes()).collect()
        }
        fn checked<T: Copy + std::fmt::Display>(
            data: &[T],
            word: impl Fn(T) -> Option<u32>,
            dtype: &str,
        ) -> Result<Vec<u8>> {
            let mut bytes = Vec::with_capacity(data.len() * 4);
            for &x in data {
                let word = word(x).ok_or_else(|| {
                    Error::input(format!(
                        "the {dtype} value {x} does not fit the 32 bits that the device computes with"
                    ))
                })?;
                bytes.extend_from_slice(&word.to_ne_bytes());
            }
            Ok(bytes)
        }
        check_dtype(tensor.dtype())?;
        if self != Storage::Word {
            let own = self == Storage::of(tensor.dtype());
            return own.then(|| tensor.data().packed().into_owned()).ok_or_else(|| mismatch(self, tensor.dtype()));
        }
        Ok(match tensor.data() {
            TensorData::F32(_) | TensorData::I32(_) | TensorData::U32(_) => tensor.bytes().to_vec(),
            TensorData::I64(data) => checked(data, |x| i32::try_from(x).ok().map(|word| word as u32), "i64")?,
            TensorData::U64(data) => checked(data, |x| u32::try_from(x).ok(), "u64")?,
            TensorData::F16(data) => words(data, |x| x.to_f32().to_bits()),
            TensorData::Bf16(data) => words(data, |x| x.to_f32().to_bits()),
            TensorData::F8E4M3Fn(_)
            | TensorData::F8E4M3Fnuz(_)
            | TensorData::F8E5M2(_)
            | TensorData::F8E5M2Fnuz(_)
            | TensorData::F8E8M0(_)
            | TensorData::F4E2M1(_) => words(tensor.bytes(), u32::from),
            TensorData::I2(data) => words(data, |x| i32::from(x.get()) as u32),
            TensorData::I4(data) => words(data, |x| i32::from(x.get()) as u32),
            TensorData::U2(data) => words(data, |x| x.get().into()),
            TensorData::U4(data) => words(data, |x| x.get().into()),
            TensorData::I8(data) => words(data, |x| i32::from(x) as u32),
            TensorData::I16(data) => words(data, |x| i32::from(x) as u32),
            TensorData::U8(data) => words(data, u32::from),
            TensorData::U16(data) => words(data, u32::from),
            TensorData::Bool(data) => words(data, u32::from),
            TensorData::F64(_) => return Err(mismatch(self, tensor.dtype())),
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
            .checked_mul(self.bits() as usize)
            .and_then(|bits| bytes.get(..bits.div_ceil(8)))
            .ok_or_else(|| Error::internal(format!("{} heap bytes for a tensor of shape {shape:?}", bytes.len())))?;
        let words = bytes.chunks_exact(4).map(|c| u32::from_ne_bytes([c[0], c[1], c[2], c[3]]));
        let halves = bytes.chunks_exact(2).map(|c| u16::from_ne_bytes([c[0], c[1]]));
        let data = match (self, dtype) {
            (Storage::Word, DType::F32) => TensorData::F32(words.map(f32::from_bits).collect()),
            (Storage::Word, DType::I32) => TensorData::I32(words.map(|w| w as i32).collect()),
            (Storage::Word, DType::U32) => TensorData::U32(words.collect()),
            (Storage::Word, DType::U64) => TensorData::U64(words.map(u64::from).collect()),
            (Storage::Word, DType::I64) => TensorData::I64(words.map(|w| i64::from(w as i32)).collect()),
            (Storage::Word, DType::I8) => TensorData::I8(words.map(|w| w as i8).collect()),
            (Storage::Word, DType::I16) => TensorData::I16(words.map(|w| w as i16).collect()),
            (Storage::Word, DType::U8) => TensorData::U8(words.map(|w| w as u8).collect()),
            (Storage::Word, DType::U16) => TensorData::U16(words.map(|w| w as u16).collect()),
            (Storage::Word, DType::Bool) => TensorData::Bool(words.map(|w| w != 0).collect()),
            (
                Storage::Word,
                DType::F8E4M3Fn
                | DType::F8E4M3Fnuz
                | DType::F8E5M2
                | DType::F8E5M2Fnuz
                | DType::F8E8M0
                | DType::F4E2M1
                | DType::I2
                | DType::I4
                | DType::U2
                | DType::U4,
            ) => TensorData::from_le_bytes(dtype, &words.map(|w| w as u8).collect::<Vec<u8>>())?,
            (Storage::F16, DType::F16) => TensorData::F16(halves.map(f16::from_bits).collect()),
            (Storage::Bf16, DType::Bf16) => TensorData::Bf16(halves.map(bf16::from_bits).collect()),
            (Storage::I4, DType::I4)
            | (Storage::U4, DType::U4 | DType::F4E2M1)
            | (Storage::I2, DType::I2)
            | (Storage::U2, DType::U2) => TensorData::from_packed(dtype, bytes, len)?,
            (Storage::U8, DType::F8E4M3Fn | DType::F8E4M3Fnuz | DType::F8E5M2 | DType::F8E5M2Fnuz | DType::F8E8M0) => {
                TensorData::from_le_bytes(dtype, bytes)?
            }
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

/// The tensor with f16 and bf16 as the f32 of the same value, as kernels compute with it; others as they are.
pub fn widened(tensor: &Tensor) -> Cow<'_, Tensor> {
    let data = match tensor.data() {
        TensorData::F16(data) => data.iter().map(|x| x.to_f32()).collect(),
        TensorData::Bf16(data) => data.iter().map(|x| x.to_f32()).collect(),
        _ => return Cow::Borrowed(tensor),
    };
    Cow::Owned(Tensor::from_data(tensor.shape(), TensorData::F32(data)).expect("as many elements as before"))
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
            Tensor::new([2], vec![u64::from(u32::MAX), 7]).unwrap(),
            Tensor::new([2], vec![-128i8, 127]).unwrap(),
            Tensor::new([2], vec![-32768i16, 32767]).unwrap(),
            Tensor::new([2], vec![0u8, 255]).unwrap(),
            Tensor::new([2], vec![0u16, 65535]).unwrap(),
            Tensor::new([2], vec![u32::MAX, 0]).unwrap(),
            Tensor::new([2], vec![true, false]).unwrap(),
            Tensor::new([2], vec![bf16::from_f32(1.5), bf16::NAN]).unwrap(),
            Tensor::new([0, 3], Vec::<i32>::new()).unwrap(),
        ];
        // Every bit pattern, and a length that fills no byte.
        let bits: Vec<u8> = (0..=255).chain([1]).collect();
        let small = (0..30).filter_map(DType::from_onnx).filter(|dtype| dtype.size() == 1 && *dtype != DType::Bool);
        let small =
            small.map(|dtype| Tensor::from_data([257], TensorData::from_le_bytes(dtype, &bits).unwrap()).unwrap());
        for tensor in tensors.into_iter().chain(small) {
            for storage in [Storage::Word, Storage::of(tensor.dtype())] {
                if storage == Storage::Word && tensor.dtype().is_half() {
                    continue;
                }
                let mut heap = storage.encode(&tensor).unwrap();
                assert_eq!(heap.len(), (tensor.len() * storage.bits() as usize).div_ceil(8));
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
        assert!(Storage::Word.encode(&Tensor::scalar(1u64 << 32)).is_err());
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
