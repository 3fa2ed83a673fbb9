//! Operators that make tensors out of shapes and numbers.

use super::{arity, dtype, host, of_type, size_list, sized};
use half::{bf16, f16};

use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{Emit, Fact, Known, Lowering, View, Work, bits, params};
use crate::ops::{Operator, given};
use crate::size::{Size, checked_len, determined, pins, presumed};
use crate::tensor::{DType, Tensor, TensorData};

fn computed_on_host() -> Error {
    Error::unsupported("the result is computed on the host, but an input is only known on the device")
}

/// <https://onnx.ai/onnx/operators/onnx__Shape.html>: an i64 vector of the sizes from `start` to `end`.
#[derive(Debug)]
pub(super) struct Shape {
    start: i64,
    end: i64,
}

impl Shape {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 1..=1, 1)?;
        Ok(Shape { start: node.int("start", 0)?, end: node.int("end", i64::MAX)? })
    }

    /// The dimensions that it gives.
    fn range(&self, rank: usize) -> std::ops::Range<usize> {
        let rank = rank as i64;
        let clamp = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank);
        let (start, end) = (clamp(self.start), clamp(self.end));
        start as usize..end.max(start) as usize
    }
}

impl Operator for Shape {
    fn dtypes(&self, _: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![DType::I64])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![vec![Size::from(self.range(given(inputs, 0)?.shape.len()).len())]])
    }

    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let shape = &given(inputs, 0)?.shape;
        let dims = shape[self.range(shape.len())].to_vec();
        Ok(Known::integers(DType::I64, &[dims.len()], dims).map(|known| vec![known]))
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Err(Error::internal("a shape is known on the host"))
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Size.html>: an i64 scalar.
#[derive(Debug)]
pub(super) struct SizeOf;

impl Operator for SizeOf {
    fn dtypes(&self, _: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![DType::I64])
    }

    fn shapes(&self, _: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![vec![]])
    }

    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let shape = &given(inputs, 0)?.shape;
        let len = checked_len(shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        Ok(Known::integers(DType::I64, &[], vec![len]).map(|known| vec![known]))
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Err(Error::internal("a size is known on the host"))
    }
}

/// <https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>: a vector of sizes gives a tensor of that shape.
#[derive(Debug)]
pub(super) struct ConstantOfShape {
    /// The one element.
    value: Tensor,
}

impl ConstantOfShape {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let value = match node.attrs.get("value") {
            None => Tensor::new([1], vec![0f32])?,
            Some(Attr::Tensor(tensor)) if tensor.len() == 1 => tensor.reshaped([1])?,
            Some(_) => return Err(Error::invalid_model("attribute 'value' is not a tensor of one element")),
        };
        arity(node, 1..=1, 1)?;
        Ok(ConstantOfShape { value })
    }
}

impl Operator for ConstantOfShape {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        0..1
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 0, &[DType::I64])?;
        Ok(vec![self.value.dtype()])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let dims = size_list(inputs, 0)?.ok_or_else(|| Error::invalid_model("input 0 is missing"))?;
        if !presumed(|| dims.iter().all(|&dim| dim >= Size::ZERO)) {
            return Err(Error::shape(format!("a tensor of shape {dims:?}")));
        }
        Ok(vec![sized(dims)?])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let shape = pins(&self.shapes(inputs)?.remove(0));
        Ok(Some(vec![host::window(&self.value, 0, &shape, &vec![0; shape.len()])?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let buffer = cx.constant_bytes(Storage::Word.encode(&self.value)?)?;
        let shape = cx.output_fact(0).shape.clone();
        let strides = vec![Size::ZERO; shape.len()];
        cx.alias(0, View { strides, ..View::row_major(buffer, self.value.dtype(), &shape) });
        Ok(())
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Range.html>: start, limit and delta, scalars that the host knows; a vector of
/// `max(ceil((limit - start) / delta), 0)` elements.
#[derive(Debug)]
pub(super) struct Range;

/// Number of elements of a range.
fn count(inputs: &[Option<&Fact>]) -> Result<Size> {
    if let Some([start, limit, delta]) = integer_scalars(inputs)? {
        let delta = delta.pin_signed();
        let distance = if delta < 0 { start - limit } else { limit - start };
        let len = match usize::try_from(delta.unsigned_abs()).unwrap_or(usize::MAX) {
            0 => return Err(Error::shape("a range with delta 0")),
            _ if distance <= Size::ZERO => Size::ZERO,
            1 => distance,
            step => distance.div_ceil(step),
        };
        return Ok(sized(vec![len])?[0]);
    }
    let [start, limit, delta] = floats(inputs)?;
    if delta == 0.0 {
        return Err(Error::shape("a range with delta 0"));
    }
    let len = ((limit - start) / delta).ceil().max(0.0);
    if len.is_nan() || len >= 1e15 {
        return Err(Error::shape(format!("a range from {start} to {limit} by {delta}")));
    }
    Ok(sized(vec![Size::from(len as u64)])?[0])
}

/// Start, limit and delta, where they are i64 or i32.
fn integer_scalars(inputs: &[Option<&Fact>]) -> Result<Option<[Size; 3]>> {
    let mut values = [Size::ZERO; 3];
    for (i, value) in values.iter_mut().enumerate() {
        let fact = given(inputs, i)?;
        if fact.known.is_none() {
            return Err(computed_on_host());
        }
        match fact.integers().as_deref() {
            Some(&[only]) => *value = only,
            Some(_) => return Err(Error::invalid_model(format!("input {i} of a range is no number"))),
            None => return Ok(None),
        }
    }
    Ok(Some(values))
}

/// Start, limit and delta of the other types.
fn floats(inputs: &[Option<&Fact>]) -> Result<[f64; 3]> {
    Ok(match scalars(inputs)? {
        Scalars::Float(values) => values,
        Scalars::Int(values) => values.map(|value| value as f64),
    })
}

enum Scalars {
    Float([f64; 3]),
    Int([i64; 3]),
}

fn scalars(inputs: &[Option<&Fact>]) -> Result<Scalars> {
    let mut floats = [0f64; 3];
    let mut ints = [0i64; 3];
    let mut float = false;
    for i in 0..3 {
        let value = given(inputs, i)?.value().ok_or_else(computed_on_host)?;
        let wrong = || Error::invalid_model(format!("input {i} of a range is {value:?}, no number"));
        if value.len() != 1 {
            return Err(wrong());
        }
        match value.data() {
            TensorData::F32(v) => (floats[i], float) = (v[0].into(), true),
            TensorData::F16(v) => (floats[i], float) = (v[0].into(), true),
            TensorData::Bf16(v) => (floats[i], float) = (v[0].into(), true),
            TensorData::F64(v) => (floats[i], float) = (v[0], true),
            TensorData::I16(v) => ints[i] = v[0].into(),
            TensorData::I32(v) => ints[i] = v[0].into(),
            TensorData::I64(v) => ints[i] = v[0],
            _ => return Err(wrong()),
        }
    }
    Ok(if float { Scalars::Float(floats) } else { Scalars::Int(ints) })
}

impl Operator for Range {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        0..3
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let first = dtype(inputs, 0)?;
        for i in 0..3 {
            of_type(inputs, i, &[DType::F16, DType::Bf16, DType::F32, DType::F64, DType::I16, DType::I32, DType::I64])?;
            of_type(inputs, i, &[first])?;
        }
        Ok(vec![first])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![vec![determined(|| count(inputs))?]])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let len = count(inputs)?.pin();
        let float = |i: usize, [start, _, delta]: [f64; 3]| start + i as f64 * delta;
        let int = |i: usize, [start, _, delta]: [i64; 3]| start.wrapping_add((i as i64).wrapping_mul(delta));
        let data = match (given(inputs, 0)?.dtype, scalars(inputs)?) {
            (DType::F32, Scalars::Float(v)) => {
                // In f32 as ONNX's reference does it, not rounded once from f64.
                TensorData::F32((0..len).map(|i| v[0] as f32 + i as f32 * v[2] as f32).collect())
            }
            (DType::F16, Scalars::Float(v)) => {
                TensorData::F16((0..len).map(|i| f16::from_f32(v[0] as f32 + i as f32 * v[2] as f32)).collect())
            }
            (DType::Bf16, Scalars::Float(v)) => {
                TensorData::Bf16((0..len).map(|i| bf16::from_f32(v[0] as f32 + i as f32 * v[2] as f32)).collect())
            }
            (_, Scalars::Float(v)) => TensorData::F64((0..len).map(|i| float(i, v)).collect()),
            (DType::I16, Scalars::Int(v)) => TensorData::I16((0..len).map(|i| int(i, v) as i16).collect()),
            (DType::I32, Scalars::Int(v)) => TensorData::I32((0..len).map(|i| int(i, v) as i32).collect()),
            (_, Scalars::Int(v)) => TensorData::I64((0..len).map(|i| int(i, v)).collect()),
        };
        Ok(Some(vec![Tensor::from_data([len], data)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let facts = cx.facts();
        let (start, delta) = match (integer_scalars(&facts)?, given(&facts, 0)?.dtype) {
            (Some([start, _, delta]), _) => (signed_word(start)?, signed_word(delta)?),
            (None, DType::F16 | DType::Bf16 | DType::F32) => {
                let [start, _, delta] = floats(&facts)?;
                (bits(start as f32), bits(delta as f32))
            }
            (None, other) => return Err(Error::unsupported(format!("a range of {other} of this length"))),
        };
        let output = cx.output(0);
        let len = output.len();
        cx.emit(Emit {
            kernel: "range",
            constants: &[("FLOAT", f64::from(u8::from(output.dtype.is_float())))],
            groups: item_groups(len),
            operands: &[output.buffer],
            params: params("range", &[("len", len), ("start", start), ("delta", delta)], &[])?,
            cost: Work { flops: len, bytes: output.bytes() },
        })
    }
}

/// An integer as the kernel takes it: 32 bits, negative ones in two's complement.
fn signed_word(value: Size) -> Result<Size> {
    match i32::try_from(value.estimate()) {
        Ok(_) if value >= Size::ZERO => Ok(value),
        Ok(_) => Ok(value + (1i64 << 32)),
        Err(_) => Err(Error::unsupported(format!("a range with the bound {value} exceeds 32 bits"))),
    }
}
