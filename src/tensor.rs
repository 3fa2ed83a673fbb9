//! Host tensors: an ONNX element type, a shape and row-major data.

use std::fmt;
use std::sync::Arc;

use half::{bf16, f16};

use crate::error::{Error, Result};

mod small;

pub use small::{E2M1, E4M3Fn, E4M3Fnuz, E5M2, E5M2Fnuz, E8M0, I2, I4, U2, U4};
pub(crate) use small::{Minifloat, RoundMode, to_odd};

/// Calls `$body` with `$data` bound to the typed vector inside a [`TensorData`].
macro_rules! for_each_dtype {
    ($value:expr, $data:ident => $body:expr) => {
        match $value {
            $crate::tensor::TensorData::F32($data) => $body,
            $crate::tensor::TensorData::F16($data) => $body,
            $crate::tensor::TensorData::Bf16($data) => $body,
            $crate::tensor::TensorData::F64($data) => $body,
            $crate::tensor::TensorData::F8E4M3Fn($data) => $body,
            $crate::tensor::TensorData::F8E4M3Fnuz($data) => $body,
            $crate::tensor::TensorData::F8E5M2($data) => $body,
            $crate::tensor::TensorData::F8E5M2Fnuz($data) => $body,
            $crate::tensor::TensorData::F8E8M0($data) => $body,
            $crate::tensor::TensorData::F4E2M1($data) => $body,
            $crate::tensor::TensorData::I2($data) => $body,
            $crate::tensor::TensorData::I4($data) => $body,
            $crate::tensor::TensorData::I8($data) => $body,
            $crate::tensor::TensorData::I16($data) => $body,
            $crate::tensor::TensorData::I32($data) => $body,
            $crate::tensor::TensorData::I64($data) => $body,
            $crate::tensor::TensorData::U2($data) => $body,
            $crate::tensor::TensorData::U4($data) => $body,
            $crate::tensor::TensorData::U8($data) => $body,
            $crate::tensor::TensorData::U16($data) => $body,
            $crate::tensor::TensorData::U32($data) => $body,
            $crate::tensor::TensorData::U64($data) => $body,
            $crate::tensor::TensorData::Bool($data) => $body,
        }
    };
}

pub(crate) use for_each_dtype;

macro_rules! element_types {
    ($($variant:ident, $rust:ty, $name:literal, $number:literal, $bits:literal;)*) => {
        /// The element type of a tensor, as ONNX names them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum DType { $($variant,)* }

        impl DType {
            /// Bytes of one element in host memory; at least one.
            pub const fn size(self) -> usize {
                match self { $(DType::$variant => size_of::<$rust>(),)* }
            }

            /// Bits of one element in ONNX files, where what is narrower than a byte lies packed, low bits first.
            pub const fn bits(self) -> usize {
                match self { $(DType::$variant => $bits,)* }
            }

            /// Its number among ONNX's `TensorProto.DataType`.
            pub const fn to_onnx(self) -> i32 {
                match self { $(DType::$variant => $number,)* }
            }

            /// The type for an ONNX `TensorProto.DataType` number, if fascine knows it.
            pub const fn from_onnx(number: i32) -> Option<DType> {
                match number { $($number => Some(DType::$variant),)* _ => None }
            }

            /// The usual short name, for instance `f32`.
            pub const fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }
        }

        /// The elements of a tensor, in row-major order.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum TensorData { $($variant(Vec<$rust>),)* }

        impl TensorData {
            /// The type of the elements.
            pub fn dtype(&self) -> DType {
                match self { $(TensorData::$variant(_) => DType::$variant,)* }
            }

            /// `len` zeros (or `false`).
            pub fn zeros(dtype: DType, len: usize) -> Self {
                match dtype { $(DType::$variant => TensorData::$variant(vec![<$rust>::default(); len]),)* }
            }
        }

        $(impl Element for $rust {
            const DTYPE: DType = DType::$variant;
            fn wrap(data: Vec<Self>) -> TensorData { TensorData::$variant(data) }
            fn unwrap(data: &TensorData) -> Option<&[Self]> {
                match data { TensorData::$variant(data) => Some(data), _ => None }
            }
        })*
    };
}

/// A Rust type that can be an element of a [`Tensor`].
pub trait Element: Copy + Default + Send + Sync + 'static {
    /// The matching element type.
    const DTYPE: DType;
    /// Wraps a vector of this type.
    fn wrap(data: Vec<Self>) -> TensorData;
    /// The elements, when `data` is of this type.
    fn unwrap(data: &TensorData) -> Option<&[Self]>;
}

// As elements lie on the host: a value of the Rust type each. How they lie on the device is said in `lower/storage.rs`.
// Columns: short name, number in onnx.proto, bits in a file.
element_types! {
    F32, f32, "f32", 1, 32;
    F16, f16, "f16", 10, 16;
    Bf16, bf16, "bf16", 16, 16;
    F64, f64, "f64", 11, 64;
    F8E4M3Fn, E4M3Fn, "f8e4m3fn", 17, 8;
    F8E4M3Fnuz, E4M3Fnuz, "f8e4m3fnuz", 18, 8;
    F8E5M2, E5M2, "f8e5m2", 19, 8;
    F8E5M2Fnuz, E5M2Fnuz, "f8e5m2fnuz", 20, 8;
    F8E8M0, E8M0, "f8e8m0", 24, 8;
    F4E2M1, E2M1, "f4e2m1", 23, 4;
    I2, I2, "i2", 26, 2;
    I4, I4, "i4", 22, 4;
    I8, i8, "i8", 3, 8;
    I16, i16, "i16", 5, 16;
    I32, i32, "i32", 6, 32;
    I64, i64, "i64", 7, 64;
    U2, U2, "u2", 25, 2;
    U4, U4, "u4", 21, 4;
    U8, u8, "u8", 2, 8;
    U16, u16, "u16", 4, 16;
    U32, u32, "u32", 12, 32;
    U64, u64, "u64", 13, 64;
    Bool, bool, "bool", 9, 8;
}

impl DType {
    /// Whether its values are floats that operators compute with; those of 8 and 4 bits are for storage, and cast before.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::Bf16 | DType::F32 | DType::F64)
    }

    /// Whether the device computes with it in f32 and rounds results: a float of 16 bits.
    pub(crate) fn is_half(self) -> bool {
        matches!(self, DType::F16 | DType::Bf16)
    }

    /// Whether it is f32, or computed in f32.
    pub(crate) fn is_f32(self) -> bool {
        self == DType::F32 || self.is_half()
    }

    /// How it is made up, if it is a float that kernels see by its bits.
    pub(crate) fn minifloat(self) -> Option<Minifloat> {
        match self {
            DType::F8E4M3Fn => Some(Minifloat::E4M3Fn),
            DType::F8E4M3Fnuz => Some(Minifloat::E4M3Fnuz),
            DType::F8E5M2 => Some(Minifloat::E5M2),
            DType::F8E5M2Fnuz => Some(Minifloat::E5M2Fnuz),
            DType::F8E8M0 => Some(Minifloat::E8M0),
            DType::F4E2M1 => Some(Minifloat::E2M1),
            _ => None,
        }
    }

    /// Bytes that so many elements take in an ONNX file; `None` on overflow.
    pub fn packed_bytes(self, len: usize) -> Option<usize> {
        len.checked_mul(self.bits()).map(|bits| bits.div_ceil(8))
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TensorData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        for_each_dtype!(self, data => data.len())
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements' bytes, in the machine's order.
    pub fn bytes(&self) -> &[u8] {
        for_each_dtype!(self, data => bytemuck::cast_slice(data))
    }

    /// Decodes little-endian bytes, [`DType::size`] an element: of those narrower than a byte the low bits of one each.
    ///
    /// # Errors
    /// `Input` if the bytes are not a whole number of elements, or a bool is neither 0 nor 1.
    pub fn from_le_bytes(dtype: DType, bytes: &[u8]) -> Result<Self> {
        if !bytes.len().is_multiple_of(dtype.size()) {
            return Err(Error::input(format!("{} bytes are not a whole number of {dtype} elements", bytes.len())));
        }
        macro_rules! decode {
            ($t:ty) => {
                Element::wrap(
                    bytes
                        .chunks_exact(size_of::<$t>())
                        .map(|c| <$t>::from_le_bytes(c.try_into().expect("chunks_exact gives whole elements")))
                        .collect::<Vec<$t>>(),
                )
            };
        }
        macro_rules! small {
            ($t:ty) => {
                Element::wrap(bytes.iter().map(|&bits| <$t>::from_bits(bits)).collect::<Vec<$t>>())
            };
        }
        Ok(match dtype {
            DType::F32 => decode!(f32),
            DType::F16 => decode!(f16),
            DType::Bf16 => decode!(bf16),
            DType::F8E4M3Fn => small!(E4M3Fn),
            DType::F8E4M3Fnuz => small!(E4M3Fnuz),
            DType::F8E5M2 => small!(E5M2),
            DType::F8E5M2Fnuz => small!(E5M2Fnuz),
            DType::F8E8M0 => small!(E8M0),
            DType::F4E2M1 => small!(E2M1),
            DType::I2 => small!(I2),
            DType::I4 => small!(I4),
            DType::U2 => small!(U2),
            DType::U4 => small!(U4),
            DType::F64 => decode!(f64),
            DType::I8 => decode!(i8),
            DType::I16 => decode!(i16),
            DType::I32 => decode!(i32),
            DType::I64 => decode!(i64),
            DType::U8 => TensorData::U8(bytes.to_vec()),
            DType::U16 => decode!(u16),
            DType::U32 => decode!(u32),
            DType::U64 => decode!(u64),
            DType::Bool => {
                if let Some(byte) = bytes.iter().find(|&&b| b > 1) {
                    return Err(Error::input(format!("{byte} is no bool: a bool is stored as 0 or 1")));
                }
                TensorData::Bool(bytes.iter().map(|&b| b == 1).collect())
            }
        })
    }
}

impl TensorData {
    /// Decodes `len` elements as ONNX files have them in `raw_data`: little-endian, those narrower than a byte packed.
    ///
    /// # Errors
    /// `Input` if there are more or fewer bytes, or a bool is neither 0 nor 1.
    pub fn from_packed(dtype: DType, bytes: &[u8], len: usize) -> Result<Self> {
        if dtype.packed_bytes(len) != Some(bytes.len()) {
            return Err(Error::input(format!("{} bytes for {len} elements of {dtype}", bytes.len())));
        }
        match dtype.bits() {
            bits @ (2 | 4) => Self::from_le_bytes(dtype, &unpacked(bytes, bits, len)),
            _ => Self::from_le_bytes(dtype, bytes),
        }
    }

    /// The elements' bytes as an ONNX file has them on this machine: those narrower than a byte packed, low bits first.
    pub fn packed(&self) -> std::borrow::Cow<'_, [u8]> {
        let per = match self.dtype().bits() {
            2 => 4,
            4 => 2,
            _ => return self.bytes().into(),
        };
        let bits = 8 / per;
        let byte = |elements: &[u8]| {
            let low = |byte: u8| byte & ((1 << bits) - 1);
            elements.iter().enumerate().fold(0, |byte, (k, &element)| byte | low(element) << (k * bits))
        };
        self.bytes().chunks(per).map(byte).collect::<Vec<u8>>().into()
    }
}

/// The first `len` elements of 2 or 4 bits, a byte each, with zeros above.
fn unpacked(bytes: &[u8], bits: usize, len: usize) -> Vec<u8> {
    let per = 8 / bits;
    (0..len).map(|k| bytes[k / per] >> (k % per * bits) & ((1 << bits) - 1)).collect()
}

/// A tensor in host memory. Cloning shares the data.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Arc<TensorData>,
}

/// Number of elements of a shape; `None` on overflow.
pub fn checked_len(shape: &[usize]) -> Option<usize> {
    // A zero anywhere makes the tensor empty, however large the other dimensions are.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

impl Tensor {
    /// A tensor of `shape` from row-major `data`.
    ///
    /// # Errors
    /// `Input` if the number of elements is not the product of the shape.
    pub fn new<T: Element>(shape: impl Into<Vec<usize>>, data: Vec<T>) -> Result<Self> {
        Self::from_data(shape, T::wrap(data))
    }

    /// As [`Tensor::new`], from data whose type is known at run time.
    ///
    /// # Errors
    /// `Input` if the number of elements is not the product of the shape.
    pub fn from_data(shape: impl Into<Vec<usize>>, data: TensorData) -> Result<Self> {
        let shape = shape.into();
        if checked_len(&shape) != Some(data.len()) {
            return Err(Error::input(format!("{} elements do not make a tensor of shape {shape:?}", data.len())));
        }
        Ok(Tensor { shape, data: Arc::new(data) })
    }

    /// A tensor of f32, or of these numbers rounded to f16 or bf16.
    ///
    /// # Errors
    /// `Unsupported` for other types; as [`Tensor::new`].
    pub(crate) fn rounded(dtype: DType, shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Result<Self> {
        match dtype {
            DType::F32 => Self::new(shape, values),
            DType::F16 => Self::new(shape, values.into_iter().map(f16::from_f32).collect::<Vec<_>>()),
            DType::Bf16 => Self::new(shape, values.into_iter().map(bf16::from_f32).collect::<Vec<_>>()),
            other => Err(Error::unsupported(format!("element type {other}; f32, f16 and bf16 are supported"))),
        }
    }

    /// A tensor without dimensions.
    pub fn scalar<T: Element>(value: T) -> Self {
        Tensor { shape: Vec::new(), data: Arc::new(T::wrap(vec![value])) }
    }

    /// A tensor of zeros (or `false`).
    ///
    /// # Errors
    /// `Shape` if the number of elements overflows.
    pub fn zeros(dtype: DType, shape: impl Into<Vec<usize>>) -> Result<Self> {
        let shape = shape.into();
        let len = checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        Self::from_data(shape, TensorData::zeros(dtype, len))
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// The dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// The elements' bytes, in the machine's order.
    pub fn bytes(&self) -> &[u8] {
        self.data.bytes()
    }

    /// The elements as a slice of `T`.
    ///
    /// # Errors
    /// `Input` if the tensor is of another type.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        T::unwrap(&self.data).ok_or_else(|| Error::input(format!("the tensor is {}, not {}", self.dtype(), T::DTYPE)))
    }

    /// What lies at `index` of the first axis: a tensor without that axis.
    ///
    /// # Errors
    /// `Shape` for a scalar, or if the axis is not that long.
    pub fn entry(&self, index: usize) -> Result<Self> {
        let Some((&entries, shape)) = self.shape.split_first() else {
            return Err(Error::shape("a scalar has no entries"));
        };
        if index >= entries {
            return Err(Error::shape(format!("no entry {index} in a tensor of shape {:?}", self.shape)));
        }
        let len = self.len() / entries;
        let data = for_each_dtype!(&*self.data, data => Element::wrap(data[index * len..][..len].to_vec()));
        Self::from_data(shape, data)
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// `Shape` if the number of elements differs.
    pub fn reshaped(&self, shape: impl Into<Vec<usize>>) -> Result<Self> {
        let shape = shape.into();
        if checked_len(&shape) != Some(self.len()) {
            return Err(Error::shape(format!("cannot reshape {:?} to {shape:?}", self.shape)));
        }
        Ok(Tensor { shape, data: self.data.clone() })
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype(), self.shape)?;
        if self.len() <= 16 {
            write!(f, " {:?}", self.data)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_must_match_shape() {
        assert!(Tensor::new([2, 3], vec![0f32; 6]).is_ok());
        assert!(Tensor::new([2, 3], vec![0f32; 5]).is_err());
        assert!(Tensor::new([0, usize::MAX], Vec::<f32>::new()).is_ok());
        assert!(Tensor::zeros(DType::U8, [usize::MAX, 2]).is_err());
    }

    #[test]
    fn entries_are_what_lies_along_the_first_axis() {
        let tensor = Tensor::new([2, 3], vec![1u8, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(tensor.entry(1).unwrap(), Tensor::new([3], vec![4u8, 5, 6]).unwrap());
        assert_eq!(tensor.entry(1).unwrap().entry(2).unwrap(), Tensor::scalar(6u8));
        assert_eq!(Tensor::zeros(DType::I4, [3, 0]).unwrap().entry(2).unwrap().shape(), [0]);
        for wrong in
            [tensor.entry(2), Tensor::scalar(0f32).entry(0), Tensor::zeros(DType::F32, [0, 2]).unwrap().entry(0)]
        {
            assert!(wrong.is_err());
        }
    }

    #[test]
    fn bytes_round_trip() {
        let tensor = Tensor::new([3], vec![1i64, -2, i64::MAX]).unwrap();
        let back = TensorData::from_le_bytes(DType::I64, tensor.bytes()).unwrap();
        assert_eq!(tensor.data(), &back);
        assert!(TensorData::from_le_bytes(DType::Bool, &[0, 2]).is_err());
        assert!(TensorData::from_le_bytes(DType::F32, &[0; 5]).is_err());
    }

    #[test]
    fn elements_narrower_than_a_byte_lie_packed_in_files() {
        let fours = TensorData::from_packed(DType::I4, &[0x8f, 0x07], 3).unwrap();
        assert_eq!(fours, TensorData::I4([-1, -8, 7].map(|x| I4::new(x).unwrap()).to_vec()));
        assert_eq!((fours.packed().as_ref(), fours.bytes().len()), (&[0x8f, 0x07][..], 3));
        let twos = TensorData::from_packed(DType::I2, &[0b1110_0100, 0b10], 5).unwrap();
        assert_eq!(twos, TensorData::I2([0, 1, -2, -1, -2].map(|x| I2::new(x).unwrap()).to_vec()));
        assert_eq!(twos.packed().as_ref(), [0b1110_0100, 0b10]);
        for (bytes, len) in [(1, 3), (2, 2), (0, 1)] {
            assert!(TensorData::from_packed(DType::U4, &vec![0; bytes], len).is_err(), "{bytes} {len}");
        }
        assert_eq!(TensorData::from_packed(DType::U2, &[], 0).unwrap().len(), 0);
    }

    #[test]
    fn every_type_has_its_number() {
        let known: Vec<DType> = (0..30).filter_map(DType::from_onnx).collect();
        assert_eq!(known.len(), 23);
        for dtype in known {
            assert_eq!(DType::from_onnx(dtype.to_onnx()), Some(dtype));
            assert_eq!(TensorData::zeros(dtype, 3).bytes().len(), 3 * dtype.size());
        }
    }
}
