//! <https://onnx.ai/onnx/operators/onnx__Cast.html>

use super::{arity, dtype};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{Emit, Fact, Known, Lowering, View, Work, params};
use crate::ops::elementwise::{conversion, emit_program};
use crate::ops::integer::{IntegerOp, emit_integer};
use crate::ops::{Operator, given};
use crate::size::{Size, pins};
use crate::tensor::{DType, Element, Tensor, TensorData, for_each_dtype};
use half::f16;

/// <https://onnx.ai/onnx/operators/onnx__Cast.html>: the shape stays.
#[derive(Debug)]
pub(super) struct Cast {
    to: DType,
}

impl Cast {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let number = node.int("to", 0)?;
        let to = i32::try_from(number)
            .ok()
            .and_then(DType::from_onnx)
            .ok_or_else(|| Error::unsupported(format!("a cast to element type {number} is not supported")))?;
        arity(node, 1..=1, 1)?;
        Ok(Cast { to })
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
        f16::from_f64(f64::from_number(number))
    }
}

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
            // A word of f16 is the f32 of the same value.
            DType::F32 | DType::F16 => Ok(Word::Float),
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => Ok(Word::Signed),
            DType::U8 | DType::U16 | DType::U32 | DType::Bool => Ok(Word::Unsigned),
            DType::F64 | DType::U64 => Err(Error::unsupported(format!("{dtype} is not supported on the device"))),
        }
    }
}

/// Significant bits of a word, 1 for bool.
fn bits(dtype: DType) -> u32 {
    match dtype {
        DType::Bool => 1,
        DType::I64 => 32,
        other => other.size() as u32 * 8,
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
        Ok(Some(vec![Tensor::from_data(value.shape(), convert(value.data(), to))?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let to = self.to;
        let stored = cx.stored(0)?;
        let from = stored.dtype;
        if from == to {
            cx.alias(0, stored);
            return Ok(());
        }
        if to == DType::F16 || to == DType::F32 && stored.storage != Storage::Word {
            let output = cx.packed_output(0);
            return emit_program(cx, &conversion(from, to)?, &[stored], &output);
        }
        let view = cx.view(0)?;
        let checked = match (from, to) {
            (DType::F32 | DType::F16, DType::I64) => Some(IntegerOp::FromF32),
            (DType::U32, DType::I64) => Some(IntegerOp::FromU32),
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
        if same || (from, to) == (DType::F16, DType::F32) {
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
    }
}
