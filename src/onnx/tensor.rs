//! `TensorProto` → [`Tensor`], from every place where ONNX lets its elements be.

use std::collections::HashMap;
use std::path::Path;

use half::{bf16, f16};
use prost::Message as _;

use super::LoadOptions;
use super::external::{Location, Reader};
use super::proto::{DataType, ElementsProto, TensorProto};
use super::synthetic::Generator;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor, TensorData, checked_len};

/// The most dimensions of a tensor; a guess far above what exporters write.
pub(super) const MAX_RANK: usize = 64;

/// The tensor of a file that holds one `TensorProto`, as the data sets of ONNX's test suites do.
///
/// # Errors
/// `InvalidModel` if the bytes are no such message, `Unsupported` for element types that fascine lacks, or data in other files.
pub fn parse_tensor(bytes: &[u8]) -> Result<Tensor> {
    let proto = TensorProto::decode(bytes).map_err(|error| Error::invalid_model(format!("not a tensor: {error}")))?;
    if proto.data_location == Some(1) {
        return Err(Error::unsupported("its data lies in another file"));
    }
    Decoder::new(None, &LoadOptions::default()).decode(proto)
}

/// What a file holds that is no tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// A sequence's members, or the tensor of an optional.
    Tensors(Vec<Tensor>),
    /// The sequence in an optional.
    Sequence(Vec<Tensor>),
}

/// The tensors of a file that holds one `SequenceProto` or `OptionalProto`. What the file does not say, which of the two it is, the
/// model's type does.
///
/// # Errors
/// As [`parse_tensor`]; `Unsupported` for elements that are neither tensors nor one sequence.
pub fn parse_elements(bytes: &[u8]) -> Result<Elements> {
    let wrong = |error| Error::invalid_model(format!("neither a sequence nor an optional: {error}"));
    let proto = ElementsProto::decode(bytes).map_err(wrong)?;
    let tensors = |list: Vec<TensorProto>| -> Result<Vec<Tensor>> {
        list.into_iter().map(|proto| Decoder::new(None, &LoadOptions::default()).decode(proto)).collect()
    };
    // As `SequenceProto.DataType` and `OptionalProto.DataType` have them.
    match (proto.elem_type.unwrap_or(0), <[ElementsProto; 1]>::try_from(proto.elements)) {
        (0 | 1, Err(_)) => tensors(proto.tensors).map(Elements::Tensors),
        (3, Ok([inner])) => tensors(inner.tensors).map(Elements::Sequence),
        (3, Err(_)) => Ok(Elements::Tensors(Vec::new())),
        (other, _) => Err(Error::unsupported(format!("elements of type {other}"))),
    }
}

/// Turns messages into tensors and keeps account of their bytes.
pub(super) struct Decoder<'a> {
    reader: Reader<'a>,
    options: &'a LoadOptions,
    bytes: u64,
    /// Tensors of messages that a function's calls share, by the message's address.
    shared: HashMap<*const TensorProto, Tensor>,
}

/// The element type of that number, or an error that names it.
pub(super) fn element_type(data_type: Option<i32>) -> Result<DType> {
    let code = data_type.unwrap_or(0);
    DType::from_onnx(code).ok_or_else(|| match DataType::try_from(code) {
        Ok(DataType::Undefined) => Error::invalid_model("no element type is stated"),
        Ok(known) => Error::unsupported(format!("element type {} is not supported", known.name())),
        Err(_) => Error::invalid_model(format!("element type {code} is unknown")),
    })
}

impl<'a> Decoder<'a> {
    pub(super) fn new(folder: Option<&'a Path>, options: &'a LoadOptions) -> Self {
        Decoder { reader: Reader::new(folder), options, bytes: 0, shared: HashMap::new() }
    }

    /// Decodes a message that stays where it is, once however often it is asked for.
    pub(super) fn shared(&mut self, proto: &TensorProto) -> Result<Tensor> {
        if let Some(tensor) = self.shared.get(&std::ptr::from_ref(proto)) {
            return Ok(tensor.clone());
        }
        let tensor = self.decode(proto.clone())?;
        self.shared.insert(proto, tensor.clone());
        Ok(tensor)
    }

    /// Decodes `proto`; an error names it by its own name.
    pub(super) fn decode(&mut self, proto: TensorProto) -> Result<Tensor> {
        let name = proto.name.clone().unwrap_or_default();
        self.decode_unnamed(proto)
            .map_err(|error| Error::new(error.kind(), format!("tensor '{name}': {}", error.message())))
    }

    fn decode_unnamed(&mut self, proto: TensorProto) -> Result<Tensor> {
        let dtype = element_type(proto.data_type)?;
        if proto.dims.len() > MAX_RANK {
            return Err(Error::unsupported(format!("rank {} is more than {MAX_RANK}", proto.dims.len())));
        }
        let shape = proto
            .dims
            .iter()
            .map(|&dim| usize::try_from(dim).map_err(|_| Error::invalid_model(format!("dimension {dim} is negative"))))
            .collect::<Result<Vec<usize>>>()?;
        let overflows = || Error::invalid_model(format!("shape {shape:?} overflows"));
        let len = checked_len(&shape).ok_or_else(overflows)?;
        let bytes = len.checked_mul(dtype.size()).ok_or_else(overflows)?;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > self.options.max_weight_bytes {
            return Err(Error::memory(format!(
                "the weights take more than the cap of {} bytes",
                self.options.max_weight_bytes
            )));
        }
        let data = match proto.data_location {
            Some(1) => self.external(&proto, dtype, len)?,
            None | Some(0) => inline(proto, dtype, len)?,
            Some(other) => return Err(Error::invalid_model(format!("data location {other} is unknown"))),
        };
        if data.len() != len {
            return Err(Error::invalid_model(format!(
                "{} elements of {dtype} do not make shape {shape:?}, which has {len}",
                data.len()
            )));
        }
        Tensor::from_data(shape, data)
    }

    fn external(&mut self, proto: &TensorProto, dtype: DType, len: usize) -> Result<TensorData> {
        let location = Location::of(proto)?;
        let bytes = packed_bytes(dtype, len)?;
        if self.options.synthetic_weights
            && let Some(text) = &location.synthetic
        {
            if location.length.is_some_and(|length| length != bytes as u64) {
                return Err(Error::invalid_model(format!(
                    "external data's length is not the {bytes} bytes of its shape"
                )));
            }
            return Generator::parse(text)?.reseeded(self.options.seed).generate(dtype, len);
        }
        from_bytes(dtype, &self.reader.read(&location, bytes)?, len)
    }
}

fn packed_bytes(dtype: DType, len: usize) -> Result<usize> {
    dtype.packed_bytes(len).ok_or_else(|| Error::invalid_model(format!("{len} elements of {dtype} overflow")))
}

fn from_bytes(dtype: DType, bytes: &[u8], len: usize) -> Result<TensorData> {
    TensorData::from_packed(dtype, bytes, len).map_err(|error| Error::invalid_model(error.message()))
}

fn inline(proto: TensorProto, dtype: DType, len: usize) -> Result<TensorData> {
    let TensorProto { float_data, int32_data, int64_data, double_data, uint64_data, raw_data, .. } = proto;
    if let Some(raw) = raw_data {
        if raw.len() != packed_bytes(dtype, len)? {
            return Err(Error::invalid_model(format!("raw data of {} bytes for {len} elements of {dtype}", raw.len())));
        }
        return from_bytes(dtype, &raw, len);
    }
    // ONNX keeps all narrow types in `int32_data`, an element a number, or a byte of those that are narrower than a byte.
    macro_rules! narrow {
        ($t:ty) => {
            int32_data
                .iter()
                .map(|&v| <$t>::try_from(v).map_err(|_| Error::invalid_model(format!("{v} does not fit {dtype}"))))
                .collect::<Result<Vec<$t>>>()?
        };
    }
    Ok(match dtype {
        DType::F32 => TensorData::F32(float_data),
        DType::F64 => TensorData::F64(double_data),
        DType::I64 => TensorData::I64(int64_data),
        DType::I32 => TensorData::I32(int32_data),
        DType::I8 => TensorData::I8(narrow!(i8)),
        DType::U8 => TensorData::U8(narrow!(u8)),
        DType::I16 => TensorData::I16(narrow!(i16)),
        DType::U16 => TensorData::U16(narrow!(u16)),
        DType::F16 => TensorData::F16(narrow!(u16).into_iter().map(f16::from_bits).collect()),
        DType::Bf16 => TensorData::Bf16(narrow!(u16).into_iter().map(bf16::from_bits).collect()),
        DType::F8E4M3Fn
        | DType::F8E4M3Fnuz
        | DType::F8E5M2
        | DType::F8E5M2Fnuz
        | DType::F8E8M0
        | DType::F4E2M1
        | DType::I2
        | DType::I4
        | DType::U2
        | DType::U4 => from_bytes(dtype, &narrow!(u8), len)?,
        DType::Bool => TensorData::Bool(int32_data.iter().map(|&v| v != 0).collect()),
        DType::U64 => TensorData::U64(uint64_data),
        DType::U32 => TensorData::U32(
            uint64_data
                .iter()
                .map(|&v| u32::try_from(v).map_err(|_| Error::invalid_model(format!("{v} does not fit {dtype}"))))
                .collect::<Result<Vec<u32>>>()?,
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{E4M3Fn, I4, U2};

    fn parsed(data_type: DataType, dims: i64, raw: Option<&[u8]>, int32_data: &[i32]) -> Result<Tensor> {
        let proto = TensorProto {
            dims: vec![dims],
            data_type: Some(data_type.into()),
            raw_data: raw.map(|raw| raw.to_vec().into()),
            int32_data: int32_data.to_vec(),
            ..TensorProto::default()
        };
        parse_tensor(&proto.encode_to_vec())
    }

    #[test]
    fn narrow_types_are_read_packed_from_either_field() {
        let fours = Tensor::new([3], [1, -1, -8].map(I4::wrapping).to_vec()).unwrap();
        let twos = Tensor::new([5], [3, 2, 1, 0, 3].map(U2::wrapping).to_vec()).unwrap();
        let eights = Tensor::new([2], [0x7e, 0x80].map(E4M3Fn::from_bits).to_vec()).unwrap();
        let brains = Tensor::new([2], [1.0, -2.5].map(bf16::from_f32).to_vec()).unwrap();
        let cases: [(DataType, &Tensor, &[u8], &[i32]); 4] = [
            (DataType::Int4, &fours, &[0xf1, 0x08], &[0xf1, 0x08]),
            (DataType::Uint2, &twos, &[0b00_01_10_11, 0b11], &[0b00_01_10_11, 0b11]),
            (DataType::Float8e4m3fn, &eights, &[0x7e, 0x80], &[0x7e, 0x80]),
            (DataType::Bfloat16, &brains, &[0x80, 0x3f, 0x20, 0xc0], &[0x3f80, 0xc020]),
        ];
        for (data_type, want, raw, numbers) in cases {
            let len = want.len() as i64;
            assert_eq!(&parsed(data_type, len, Some(raw), &[]).unwrap(), want, "{data_type:?}");
            assert_eq!(&parsed(data_type, len, None, numbers).unwrap(), want, "{data_type:?}");
            for wrong in [parsed(data_type, len + 4, Some(raw), &[]), parsed(data_type, len + 4, None, numbers)] {
                assert_eq!(wrong.unwrap_err().kind(), crate::error::ErrorKind::InvalidModel, "{data_type:?}");
            }
        }
        assert!(parsed(DataType::Int4, 2, None, &[256]).is_err());
        let refused = parsed(DataType::Float6e2m3, 1, Some(&[0]), &[]).unwrap_err();
        assert!(refused.message().contains("FLOAT6E2M3"), "{refused}");
    }
}
