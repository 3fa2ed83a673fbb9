//! Operators that make tensors out of shapes and numbers.

use rten_shape_inference::{InferShapes, ops as rules};

use super::symbolic::{int, rule};
use super::{arity, dtype, host, list, of_type, required, sized};
use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::lower::Fact;
use crate::lower::{Lowering, View};
use crate::ops::Operator;
use crate::tensor::{DType, Tensor, TensorData};

fn computed_on_host() -> Error {
    Error::unsupported("the result is computed on the host, but an input is only known on the device")
}

/// <https://onnx.ai/onnx/operators/onnx__Shape.html>
pub(super) struct Shape;

impl Operator for Shape {
    fn check(&self, node: &Node) -> Result<()> {
        node.int("start", 0)?;
        node.int("end", 0)?;
        arity(node, 1..=1, 1)
    }

    fn dtypes(&self, _: &Node, _: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![DType::I64])
    }

    fn symbolic(&self, node: &Node) -> Option<Box<dyn InferShapes>> {
        let end = node.attrs.contains_key("end").then(|| int(node, "end", 0));
        let end = match end {
            None => None,
            Some(end) => Some(end?),
        };
        rule(rules::Shape { start: Some(int(node, "start", 0)?), end })
    }

    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        Ok(vec![vec![range(node, required(inputs, 0)?.shape.len())?.len()]])
    }

    fn evaluate(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let shape = &required(inputs, 0)?.shape;
        let dims: Vec<i64> = shape[range(node, shape.len())?].iter().map(|&d| d as i64).collect();
        Ok(Some(vec![Tensor::new([dims.len()], dims)?]))
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Err(Error::internal("a shape is known on the host"))
    }
}

/// The dimensions that `Shape` gives.
fn range(node: &Node, rank: usize) -> Result<std::ops::Range<usize>> {
    let rank = rank as i64;
    let clamp = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank);
    let (start, end) = (clamp(node.int("start", 0)?), clamp(node.int("end", rank)?));
    Ok(start as usize..end.max(start) as usize)
}

/// <https://onnx.ai/onnx/operators/onnx__Size.html>
pub(super) struct Size;

impl Operator for Size {
    fn check(&self, node: &Node) -> Result<()> {
        arity(node, 1..=1, 1)
    }

    fn dtypes(&self, _: &Node, _: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![DType::I64])
    }

    fn symbolic(&self, _: &Node) -> Option<Box<dyn InferShapes>> {
        rule(rules::Size)
    }

    fn shapes(&self, _: &Node, _: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        Ok(vec![vec![]])
    }

    fn evaluate(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let shape = &required(inputs, 0)?.shape;
        let len = crate::tensor::checked_len(shape).and_then(|len| i64::try_from(len).ok());
        let len = len.ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        Ok(Some(vec![Tensor::new([], vec![len])?]))
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Err(Error::internal("a size is known on the host"))
    }
}

/// <https://onnx.ai/onnx/operators/onnx__ConstantOfShape.html>
pub(super) struct ConstantOfShape;

impl ConstantOfShape {
    /// The one element.
    fn value(node: &Node) -> Result<Tensor> {
        match node.attrs.get("value") {
            None => Tensor::new([1], vec![0f32]),
            Some(Attr::Tensor(tensor)) if tensor.len() == 1 => tensor.reshaped([1]),
            Some(_) => Err(Error::invalid_model("attribute 'value' is not a tensor of one element")),
        }
    }
}

impl Operator for ConstantOfShape {
    fn check(&self, node: &Node) -> Result<()> {
        Self::value(node)?;
        arity(node, 1..=1, 1)
    }

    fn dtypes(&self, node: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 0, &[DType::I64])?;
        Ok(vec![Self::value(node)?.dtype()])
    }

    fn symbolic(&self, node: &Node) -> Option<Box<dyn InferShapes>> {
        let value = match Self::value(node).ok()?.data() {
            TensorData::I64(v) => v.first().and_then(|&v| i32::try_from(v).ok()),
            TensorData::I32(v) => v.first().copied(),
            _ => None,
        };
        rule(rules::ConstantOfShape { value })
    }

    fn shapes(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        let dims = list(inputs, 0)?.ok_or_else(|| Error::invalid_model("input 0 is missing"))?;
        let shape = dims.iter().map(|&d| usize::try_from(d)).collect::<Result<Vec<_>, _>>();
        Ok(vec![sized(shape.map_err(|_| Error::shape(format!("a tensor of shape {dims:?}")))?)?])
    }

    fn evaluate(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let shape = self.shapes(node, inputs)?.remove(0);
        Ok(Some(vec![host::window(&Self::value(node)?, 0, &shape, &vec![0; shape.len()])?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let value = Self::value(cx.node())?;
        let buffer = cx.constant_bytes(crate::lower::repr::to_heap(&value)?)?;
        let shape = cx.output_fact(0).shape.clone();
        let strides = vec![0; shape.len()];
        cx.alias(0, View { buffer, dtype: value.dtype(), offset: 0, shape, strides });
        Ok(())
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Range.html>
pub(super) struct Range;

/// Number of elements: `max(0, ceil((limit - start) / delta))`.
fn count(inputs: &[Option<&Fact>]) -> Result<usize> {
    let values = scalars(inputs)?;
    let zero = || Error::shape("a range with delta 0");
    let len = match values {
        Scalars::Float([start, limit, delta]) => {
            if delta == 0.0 {
                return Err(zero());
            }
            let len = ((limit - start) / delta).ceil().max(0.0);
            if len.is_nan() || len >= 1e15 {
                return Err(Error::shape(format!("a range from {start} to {limit} by {delta}")));
            }
            len as usize
        }
        Scalars::Int([start, limit, delta]) => {
            if delta == 0 {
                return Err(zero());
            }
            let (start, limit, delta) = (i128::from(start), i128::from(limit), i128::from(delta));
            let len = (limit - start + delta - delta.signum()) / delta;
            usize::try_from(len.max(0)).map_err(|_| Error::shape("a range that overflows"))?
        }
    };
    sized(vec![len])?;
    Ok(len)
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
        let value = required(inputs, i)?.value.as_ref().ok_or_else(computed_on_host)?;
        let wrong = || Error::invalid_model(format!("input {i} of a range is {value:?}, no number"));
        if value.len() != 1 {
            return Err(wrong());
        }
        match value.data() {
            TensorData::F32(v) => (floats[i], float) = (v[0].into(), true),
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
    fn check(&self, node: &Node) -> Result<()> {
        arity(node, 3..=3, 1)
    }

    fn dtypes(&self, _: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let first = dtype(inputs, 0)?;
        for i in 0..3 {
            of_type(inputs, i, &[DType::F32, DType::F64, DType::I16, DType::I32, DType::I64])?;
            of_type(inputs, i, &[first])?;
        }
        Ok(vec![first])
    }

    fn symbolic(&self, _: &Node) -> Option<Box<dyn InferShapes>> {
        rule(rules::Range)
    }

    fn shapes(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<usize>>> {
        Ok(vec![vec![count(inputs)?]])
    }

    fn evaluate(&self, _: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let len = count(inputs)?;
        let float = |i: usize, [start, _, delta]: [f64; 3]| start + i as f64 * delta;
        let int = |i: usize, [start, _, delta]: [i64; 3]| start.wrapping_add((i as i64).wrapping_mul(delta));
        let data = match (required(inputs, 0)?.dtype, scalars(inputs)?) {
            (DType::F32, Scalars::Float(v)) => {
                // In f32 as ONNX's reference does it, not rounded once from f64.
                TensorData::F32((0..len).map(|i| v[0] as f32 + i as f32 * v[2] as f32).collect())
            }
            (_, Scalars::Float(v)) => TensorData::F64((0..len).map(|i| float(i, v)).collect()),
            (DType::I16, Scalars::Int(v)) => TensorData::I16((0..len).map(|i| int(i, v) as i16).collect()),
            (DType::I32, Scalars::Int(v)) => TensorData::I32((0..len).map(|i| int(i, v) as i32).collect()),
            (_, Scalars::Int(v)) => TensorData::I64((0..len).map(|i| int(i, v)).collect()),
        };
        Ok(Some(vec![Tensor::from_data([len], data)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let facts: Vec<Option<Fact>> = (0..cx.inputs()).map(|i| cx.input(i).cloned()).collect();
        let facts: Vec<Option<&Fact>> = facts.iter().map(Option::as_ref).collect();
        let values = self.evaluate(cx.node(), &facts)?.ok_or_else(computed_on_host)?;
        let buffer = cx.constant_bytes(crate::lower::repr::to_heap(&values[0])?)?;
        cx.alias(0, View::row_major(buffer, values[0].dtype(), values[0].shape()));
        Ok(())
    }
}
