//! Tensors as npy files, the format of NumPy. Feature `cli`.

use std::io::Write;
use std::path::Path;

use npyz::{Endianness, NpyHeader, Order, TypeChar, WriterBuilder};

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor, TensorData, checked_len};

/// The longest header that is read; NumPy's own default limit is 10,000 bytes.
const MAX_HEADER: usize = 65_535;
/// The deepest nesting of brackets in a header; a plain array has two.
const MAX_DEPTH: usize = 4;

/// Reads an npy file: any of fascine's element types, either byte order, row-major or column-major.
///
/// # Errors
/// `Io` if the file cannot be read, `Input` if it is no npy file or of an element type that fascine lacks.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|error| Error::io(&error, path))?;
    parse(&bytes).map_err(|error| error.in_file(path))
}

/// Reads an npy file from memory.
///
/// # Errors
/// `Input` if it is no npy file or of an element type that fascine lacks.
pub fn parse(bytes: &[u8]) -> Result<Tensor> {
    guard(bytes)?;
    let mut data = bytes;
    let header =
        NpyHeader::from_reader(&mut data).map_err(|error| Error::input(format!("not an npy file: {error}")))?;
    let npyz::DType::Plain(descr) = header.dtype() else {
        return Err(Error::input("an npy file of records; an array of numbers is wanted"));
    };
    let dtype = dtype(descr.type_char(), descr.size_field())
        .ok_or_else(|| Error::input(format!("an npy file of type '{descr}', which fascine lacks")))?;
    let shape = header
        .shape()
        .iter()
        .map(|&d| usize::try_from(d))
        .collect::<std::result::Result<Vec<usize>, _>>()
        .map_err(|_| Error::input(format!("the shape {:?} is too large", header.shape())))?;
    let bytes = checked_len(&shape)
        .and_then(|len| len.checked_mul(dtype.size()))
        .and_then(|len| data.get(..len))
        .ok_or_else(|| Error::input(format!("the file is too short for {dtype}{shape:?}")))?;
    let elements = match descr.endianness() {
        Endianness::Little | Endianness::Irrelevant => TensorData::from_le_bytes(dtype, bytes)?,
        Endianness::Big => {
            let swapped: Vec<u8> =
                bytes.chunks(dtype.size()).flat_map(|element| element.iter().rev().copied()).collect();
            TensorData::from_le_bytes(dtype, &swapped)?
        }
    };
    let tensor = Tensor::from_data(shape, elements)?;
    match header.order() {
        Order::C => Ok(tensor),
        Order::Fortran => row_major(&tensor),
    }
}

/// Refuses headers that npyz would recurse or overflow on; whatever else is wrong it finds itself.
fn guard(bytes: &[u8]) -> Result<()> {
    let refuse = |why: &str| Err(Error::input(format!("not an npy file: {why}")));
    let (start, len) = match *bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
        [0x93, b'N', b'U', b'M', b'P', b'Y', _, _, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        _ => return refuse("it does not start as one"),
    };
    if len > MAX_HEADER {
        return refuse("its header is too long");
    }
    let Some(header) = bytes.get(start..start + len) else { return refuse("its header is cut short") };
    let (mut depth, mut quote, mut product, mut number) = (0usize, None, 1u64, None::<u64>);
    for &byte in header.iter().chain(b" ") {
        if byte.is_ascii_digit() {
            let digit = u64::from(byte - b'0');
            number = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit));
            if number.is_none() {
                return refuse("its header has a number that is too large");
            }
            continue;
        }
        if let Some(n) = number.take() {
            match product.checked_mul(n.max(1)) {
                Some(next) => product = next,
                None => return refuse("its shape overflows"),
            }
        }
        match (byte, quote) {
            (b'\'' | b'"', None) => quote = Some(byte),
            (_, Some(open)) if byte == open => quote = None,
            (b'\\', Some(_)) => return refuse("its header has an escape"),
            (_, Some(_)) => {}
            (b'(' | b'[' | b'{', None) => depth += 1,
            (b')' | b']' | b'}', None) => depth = depth.saturating_sub(1),
            (b',' | b':' | b' ' | b'\n', None) => {}
            (b'T' | b'r' | b'u' | b'e' | b'F' | b'a' | b'l' | b's' | b'L', None) => {}
            _ => return refuse("its header is no plain dictionary"),
        }
        if depth > MAX_DEPTH {
            return refuse("its header is nested too deeply");
        }
    }
    Ok(())
}

fn dtype(kind: TypeChar, size: u64) -> Option<DType> {
    Some(match (kind, size) {
        (TypeChar::Float, 2) => DType::F16,
        (TypeChar::Float, 4) => DType::F32,
        (TypeChar::Float, 8) => DType::F64,
        (TypeChar::Int, 1) => DType::I8,
        (TypeChar::Int, 2) => DType::I16,
        (TypeChar::Int, 4) => DType::I32,
        (TypeChar::Int, 8) => DType::I64,
        (TypeChar::Uint, 1) => DType::U8,
        (TypeChar::Uint, 2) => DType::U16,
        (TypeChar::Uint, 4) => DType::U32,
        (TypeChar::Uint, 8) => DType::U64,
        (TypeChar::Bool, 1) => DType::Bool,
        _ => return None,
    })
}

/// The tensor whose elements, as stored, run through the first dimension fastest.
fn row_major(stored: &Tensor) -> Result<Tensor> {
    let shape = stored.shape().to_vec();
    let (size, bytes) = (stored.dtype().size(), stored.bytes());
    let mut index = vec![0; shape.len()];
    let mut ordered = Vec::with_capacity(bytes.len());
    for _ in 0..stored.len() {
        let at = index.iter().zip(&shape).rev().fold(0, |at, (&i, &d)| at * d + i);
        ordered.extend(bytes[at * size..(at + 1) * size].iter().copied());
        for (i, &d) in index.iter_mut().zip(&shape).rev() {
            *i += 1;
            if *i < d {
                break;
            }
            *i = 0;
        }
    }
    if cfg!(target_endian = "big") {
        ordered.chunks_mut(size).for_each(<[u8]>::reverse);
    }
    Tensor::from_data(shape, TensorData::from_le_bytes(stored.dtype(), &ordered)?)
}

/// Writes a tensor as an npy file of its own element type, row-major.
///
/// # Errors
/// `Io` if the file cannot be written, or NumPy has no such element type.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    let path = path.as_ref();
    let io = |error: std::io::Error| Error::io(&error, path);
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(io)?);
    encode(&mut file, tensor).and_then(|()| file.flush()).map_err(io)
}

fn encode(file: &mut impl Write, tensor: &Tensor) -> std::io::Result<()> {
    fn elements<T: npyz::AutoSerialize + Copy>(
        file: &mut impl Write,
        shape: &[u64],
        data: &[T],
    ) -> std::io::Result<()> {
        let mut writer = npyz::WriteOptions::<T>::new().default_dtype().shape(shape).writer(file).begin_nd()?;
        writer.extend(data.iter().copied())?;
        writer.finish()
    }
    let shape: Vec<u64> = tensor.shape().iter().map(|&d| d as u64).collect();
    macro_rules! written {
        ($($variant:ident)*) => {
            match tensor.data() {
                $(TensorData::$variant(data) => elements(file, &shape, data),)*
                other => {
                    let why = format!("NumPy has no type for {}", other.dtype());
                    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, why))
                }
            }
        };
    }
    written!(F16 F32 F64 I8 I16 I32 I64 U8 U16 U32 U64 Bool)
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    fn file(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn every_type_survives_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let tensors = [
            Tensor::new([2, 2], vec![1.5f32, -2.0, f32::INFINITY, 0.0]).unwrap(),
            Tensor::new([2], vec![f16::from_f32(0.5), f16::MIN]).unwrap(),
            Tensor::new([1], vec![std::f64::consts::PI]).unwrap(),
            Tensor::new([2], vec![i8::MIN, 3]).unwrap(),
            Tensor::new([2], vec![i16::MIN, 3]).unwrap(),
            Tensor::new([2], vec![i32::MIN, 3]).unwrap(),
            Tensor::new([3, 1], vec![i64::MIN, 0, i64::MAX]).unwrap(),
            Tensor::new([2], vec![u8::MAX, 3]).unwrap(),
            Tensor::new([2], vec![u16::MAX, 3]).unwrap(),
            Tensor::new([2], vec![u32::MAX, 3]).unwrap(),
            Tensor::new([2], vec![u64::MAX, 3]).unwrap(),
            Tensor::new([2], vec![true, false]).unwrap(),
            Tensor::scalar(7i64),
            Tensor::new([0, 3], Vec::<f32>::new()).unwrap(),
        ];
        for tensor in tensors {
            let path = folder.path().join("t.npy");
            write(&path, &tensor).unwrap();
            assert!(read(&path).unwrap() == tensor, "{tensor:?}");
        }
    }

    #[test]
    fn column_major_and_big_endian_files_are_read() {
        let columns: Vec<u8> = [0i16, 3, 1, 4, 2, 5].iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensor = parse(&file("<i2", "True", "(2, 3)", &columns)).unwrap();
        assert_eq!(tensor.as_slice::<i16>().unwrap(), [0, 1, 2, 3, 4, 5]);
        let big: Vec<u8> = [1i32, -2].iter().flat_map(|v| v.to_be_bytes()).collect();
        let tensor = parse(&file(">i4", "False", "(2,)", &big)).unwrap();
        assert_eq!(tensor.as_slice::<i32>().unwrap(), [1, -2]);
    }

    #[test]
    fn damaged_files_are_errors() {
        let deep = format!("{}{}", "(".repeat(60_000), ")".repeat(5));
        let cases: [(&str, Vec<u8>); 11] = [
            ("empty", Vec::new()),
            ("text", b"hello, world".to_vec()),
            ("cut header", b"\x93NUMPY\x01\x00\xff\x00{'descr'".to_vec()),
            ("short data", file("<f4", "False", "(2, 2)", &[0; 15])),
            ("bad bool", file("|b1", "False", "(1,)", &[2])),
            ("overflow", file("<f4", "False", "(4294967296, 4294967296, 16)", &[])),
            ("large number", file("<f4", "False", "(99999999999999999999999,)", &[])),
            ("deep", file("<f4", "False", &deep, &[])),
            ("negative", file("<f4", "False", "(-1,)", &[])),
            ("complex", file("<c8", "False", "(1,)", &[0; 8])),
            ("object", file("|O", "False", "(1,)", &[0; 8])),
        ];
        for (what, bytes) in cases {
            let error = parse(&bytes).err().unwrap_or_else(|| panic!("{what} was read"));
            assert_eq!(error.kind(), crate::error::ErrorKind::Input, "{what}: {error}");
        }
    }
}
