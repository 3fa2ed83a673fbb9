//! Host tensors: an ONNX element type, a shape and row-major data.

use std::fmt;
use std::sync::Arc;

use half::f16;

use crate::error::{Error, Result};

/// Calls `$body` with `$data` bound to the typed vector inside a [`TensorData`].
macro_rules! for_each_dtype {
    ($value:expr, $data:ident => $body:expr) => {
        match $value {
            $crate::tensor::TensorData::F32($data) => $body,
            $crate::tensor::TensorData::F16($data) => $body,
            $crate::tensor::TensorData::F64($data) => $body,
            $crate::tensor::TensorData::I8($data) => $body,
            $crate::tensor::TensorData::I16($data) => $body,
            $crate::tensor::TensorData::I32($data) => $body,
            $crate::tensor::TensorData::I64($data) => $body,
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
    ($($variant:ident, $rust:ty, $name:literal, $bytes:literal;)*) => {
        /// The element type of a tensor, as ONNX names them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum DType { $($variant,)* }

        impl DType {
            /// Bytes of one element in host memory and in files.
            pub const fn size(self) -> usize {
                match self { $(DType::$variant => $bytes,)* }
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

element_types! {
    F32, f32, "f32", 4;
    F16, f16, "f16", 2;
    F64, f64, "f64", 8;
    I8, i8, "i8", 1;
    I16, i16, "i16", 2;
    I32, i32, "i32", 4;
    I64, i64, "i64", 8;
    U8, u8, "u8", 1;
    U16, u16, "u16", 2;
    U32, u32, "u32", 4;
    U64, u64, "u64", 8;
    Bool, bool, "bool", 1;
}

impl DType {
    /// Whether its values are floats.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::F32 | DType::F64)
    }

    /// The type for an ONNX `TensorProto.DataType` number, if fascine knows it.
    pub fn from_onnx(number: i32) -> Option<DType> {
        Some(match number {
            1 => DType::F32,
            2 => DType::U8,
            3 => DType::I8,
            4 => DType::U16,
            5 => DType::I16,
            6 => DType::I32,
            7 => DType::I64,
            9 => DType::Bool,
            10 => DType::F16,
            11 => DType::F64,
            12 => DType::U32,
            13 => DType::U64,
            _ => return None,
        })
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

    /// Decodes little-endian bytes, as in ONNX `raw_data` and in npy files.
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
        Ok(match dtype {
            DType::F32 => decode!(f32),
            DType::F16 => decode!(f16),
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
    fn bytes_round_trip() {
        let tensor = Tensor::new([3], vec![1i64, -2, i64::MAX]).unwrap();
        let back = TensorData::from_le_bytes(DType::I64, tensor.bytes()).unwrap();
        assert_eq!(tensor.data(), &back);
        assert!(TensorData::from_le_bytes(DType::Bool, &[0, 2]).is_err());
        assert!(TensorData::from_le_bytes(DType::F32, &[0; 5]).is_err());
    }
}
