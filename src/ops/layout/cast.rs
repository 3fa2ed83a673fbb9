//! <https://onnx.ai/onnx/operators/onnx__Cast.html>

use super::{arity, dtype};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{Emit, Fact, Known, Lowering, View, Work, params};
use crate::ops::elementwise::{Narrowing, conversion, emit_program};
use crate::ops::integer::{IntegerOp, emit_integer};
use crate::ops::{Operator, given};
use crate::size::{Size, pins};
use crate::tensor::{DType, Element, Minifloat, RoundMode, Tensor, TensorData, for_each_dtype, to_odd};
use crate::tensor::{E2M1, E4M3Fn, E4M3Fnuz, E5M2, E5M2Fnuz, E8M0, I2, I4, U2, U4};
use half::{bf16, f16};

/// <https://onnx.ai/onnx/operators/onnx__Cast.html>: the shape stays.
#[derive(Debug)]
pub(super) struct Cast {
    to: DType,
    /// What casts to floats of 8 bits do.
    narrowing: Narrowing,
}

impl Cast {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let number = node.int("to", 0)?;
        let to = i32::try_from(number)
            .ok()
            .and_then(DType::from_onnx)
            .ok_or_else(|| Error::unsupported(format!("a cast to element type {number} is not supported")))?;
        arity(node, 1..=1, 1)?;
        let mode = match node.str("round_mode", "up")? {
            "up" => RoundMode::Up,
            "down" => RoundMode::Down,
            "nearest" => RoundMode::Nearest,
            other => return Err(Error::invalid_model(format!("round_mode '{other}'"))),
        };
        Ok(Cast { to, narrowing: Narrowing { saturate: node.int("saturate", 1)? != 0, mode } })
    }
}

/// An element on its way: integers exactly, the rest as f64.
#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
}

/// Conversions as ONNX has them: integers wrap, floats are cut towards zero, anything but 0 is true.
trait Numeric: Element {
    fn number(self) -> Number;
    fn from_number(number: Number) -> Self;
}

macro_rules! numeric {
    ($($t:ty => $variant:ident as $wide:ty),*) => {
        $(impl Numeric for $t {
            fn number(self) -> Number {
                Number::$variant(self as $wide)
            }
            fn from_number(number: Number) -> Self {
                match number {
                    Number::Int(v) => v as $t,
                    Number::Float(v) => v as $t,
                }
            }
        })*
    };
}

numeric!(i8 => Int as i128, i16 => Int as i128, i32 => Int as i128, i64 => Int as i128, u8 => Int as i128);
numeric!(u16 => Int as i128, u32 => Int as i128, u64 => Int as i128, f32 => Float as f64, f64 => Float as f64);

impl Numeric for f16 {
    fn number(self) -> Number {
        Number::Float(self.to_f64())
    }
    fn from_number(number: Number) -> Self {
        f16::from_f32(to_odd(f64::from_number(number)))
    }
}

impl Numeric for bf16 {
    fn number(self) -> Number {
        Number::Float(self.to_f64())
    }
    fn from_number(number: Number) -> Self {
        match number {
            // By way of f32, as everywhere.
            Number::Int(v) => bf16::from_f32(v as f32),
            Number::Float(v) => bf16::from_f32(to_odd(v)),
        }
    }
}

macro_rules! small {
    (floats $($float:ty),*; integers $($integer:ty),*) => {
        $(impl Numeric for $float {
            fn number(self) -> Number {
                Number::Float(self.to_f32().into())
            }
            fn from_number(number: Number) -> Self {
                Self::from_f32(f32::from_number(number))
            }
        })*
        $(impl Numeric for $integer {
            fn number(self) -> Number {
                Number::Int(self.get().into())
            }
            fn from_number(number: Number) -> Self {
                Self::wrapping(i64::from_number(number))
            }
        })*
    };
}

small!(floats E4M3Fn, E4M3Fnuz, E5M2, E5M2Fnuz, E8M0, E2M1; integers I2, I4, U2, U4);

impl Numeric for bool {
    fn number(self) -> Number {
        Number::Int(self.into())
    }
    fn from_number(number: Number) -> Self {
        match number {
            Number::Int(v) => v != 0,
            Number::Float(v) => v != 0.0,
        }
    }
}

/// Converts every element.
fn convert(data: &TensorData, to: DType) -> TensorData {
    let mut out = TensorData::zeros(to, data.len());
    fn fill<A: Numeric, B: Numeric>(from: &[A], to: &mut [B]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = B::from_number(from.number());
        }
    }
    for_each_dtype!(data, from => for_each_dtype!(&mut out, to => fill(from, to)));
    out
}

/// As [`convert`], to a float of 8 or 4 bits.
fn narrow(data: &TensorData, to: DType, format: Minifloat, narrowing: Narrowing) -> Result<TensorData> {
    let floats = match (data, convert(data, DType::F32)) {
        (TensorData::F64(data), _) => data.iter().map(|&x| to_odd(x)).collect(),
        (_, TensorData::F32(floats)) => floats,
        _ => return Err(Error::internal("f32 of another type")),
    };
    let bits: Vec<u8> = floats.iter().map(|&x| format.encode(x, narrowing.saturate, narrowing.mode)).collect();
    TensorData::from_le_bytes(to, &bits)
}

/// What the words on the heap are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Float = 0,
    Signed = 1,
    Unsigned = 2,
}

impl Word {
    fn of(dtype: DType) -> Result<Word> {
        match dtype {
            // A word of f16 or bf16 is the f32 of the same value.
            DType::F32 | DType::F16 | DType::Bf16 => Ok(Word::Float),
            DType::I2 | DType::I4 | DType::I8 | DType::I16 | DType::I32 | DType::I64 => Ok(Word::Signed),
            DType::U2 | DType::U4 | DType::U8 | DType::U16 | DType::U32 | DType::U64 | DType::Bool => {
                Ok(Word::Unsigned)
            }
            other => Err(Error::unsupported(format!("{other} is not supported on the device"))),
        }
    }
}

/// Significant bits of a word, 1 for bool.
fn bits(dtype: DType) -> u32 {
    match dtype {
        DType::Bool => 1,
        other => other.bits().min(32) as u32,
    }
}

impl Operator for Cast {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        dtype(inputs, 0)?;
        Ok(vec![self.to])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![given(inputs, 0)?.shape.clone()])
    }

    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let fact = given(inputs, 0)?;
        let to = self.to;
        let Some(elements) = fact.integers().filter(|_| matches!(to, DType::I32 | DType::I64)) else { return Ok(None) };
        Ok(Known::integers(to, &pins(&fact.shape), elements).map(|known| vec![known]))
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        let to = self.to;
        if value.dtype() == to {
            return Ok(Some(vec![value.clone()]));
        }
        let data = match to.minifloat() {
            Some(format) => narrow(value.data(), to, format, self.narrowing)?,
            None => convert(value.data(), to),
        };
        Ok(Some(vec![Tensor::from_data(value.shape(), data)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let to = self.to;
        let stored = cx.stored(0)?;
        let from = stored.dtype;
        if from == to {
            cx.alias(0, stored);
            return Ok(());
        }
        let small = from.minifloat().or(to.minifloat()).is_some() && !matches!(to, DType::I64 | DType::U64);
        if small || to.is_half() || to == DType::F32 && stored.storage != Storage::Word {
            let output = cx.packed_output(0);
            return emit_program(cx, &conversion(from, to, self.narrowing)?, &[stored], &output);
        }
        let (view, from) = if from.minifloat().is_some() {
            let floats = cx.words(DType::F32, &stored.shape)?;
            emit_program(cx, &conversion(from, DType::F32, self.narrowing)?, &[stored], &floats)?;
            (floats, DType::F32)
        } else {
            (cx.view(0)?, from)
        };
        let checked = match (from, to) {
            (DType::F32 | DType::F16 | DType::Bf16, DType::I64) => Some(IntegerOp::FromF32),
            (DType::U32 | DType::U64, DType::I64) => Some(IntegerOp::FromU32),
            (DType::F32 | DType::F16 | DType::Bf16, DType::U64) => Some(IntegerOp::FromF32U),
            (_, DType::U64) if Word::of(from)? == Word::Signed => Some(IntegerOp::FromI32),
            _ => None,
        };
        if let Some(op) = checked {
            let output = cx.output(0);
            return emit_integer(cx, op, &view, &view, &output);
        }
        let (source, result) = (Word::of(from)?, Word::of(to)?);
        // Words that mean the same in either type: of integers that the result's type has, or of all 32 bits.
        let same = match (source, result) {
            (Word::Signed, Word::Signed) | (Word::Unsigned, Word::Unsigned) => bits(to) >= bits(from),
            (Word::Unsigned, Word::Signed) => bits(to) > bits(from) || bits(to) == 32,
            (Word::Signed, Word::Unsigned) | (Word::Float, _) | (_, Word::Float) => false,
        };
        if same || from.is_half() && to == DType::F32 {
            cx.alias(0, View { dtype: to, ..view });
            return Ok(());
        }
        let input = cx.contiguous(0)?;
        let output = cx.output(0);
        let len = output.len();
        let word = |word: Word| Size::from(word as u32);
        let numbers =
            [("len", len), ("source", word(source)), ("result", word(result)), ("bits", Size::from(bits(to)))];
        cx.emit(Emit {
            kernel: "cast",
            constants: &[],
            groups: item_groups(len),
            operands: &[input.buffer, output.buffer],
            params: params("cast", &numbers, &[])?,
            cost: Work::of_words(len, len * 2),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_keep_onnx_semantics() {
        let floats = TensorData::F32(vec![-1.9, 0.0, 2.5, 300.0]);
        assert_eq!(convert(&floats, DType::I64), TensorData::I64(vec![-1, 0, 2, 300]));
        assert_eq!(convert(&floats, DType::Bool), TensorData::Bool(vec![true, false, true, true]));
        let ints = TensorData::I64(vec![-1, 256, i64::MAX]);
        assert_eq!(convert(&ints, DType::U8), TensorData::U8(vec![255, 0, 255]));
        assert_eq!(convert(&ints, DType::F32), TensorData::F32(vec![-1.0, 256.0, i64::MAX as f32]));
        assert_eq!(convert(&TensorData::U64(vec![u64::MAX]), DType::F64), TensorData::F64(vec![u64::MAX as f64]));
        assert_eq!(convert(&TensorData::Bool(vec![true]), DType::F16), TensorData::F16(vec![f16::ONE]));
        assert_eq!(convert(&ints, DType::I4), TensorData::I4([-1, 0, -1].map(I4::wrapping).to_vec()));
        // Rounded once: the float next to it is in the middle of two.
        let above = TensorData::F64(vec![1.0 + 2f64.powi(-4) + 2f64.powi(-40)]);
        let narrowed = narrow(&above, DType::F8E4M3Fn, Minifloat::E4M3Fn, Narrowing::default()).unwrap();
        assert_eq!(narrowed, TensorData::F8E4M3Fn(vec![E4M3Fn::from_f32(1.125)]));
    }
}
