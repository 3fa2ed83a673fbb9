//! <https://onnx.ai/onnx/operators/onnx__HannWindow.html> and its kin.

use std::f64::consts::{PI, TAU};

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::storage::Storage;
use crate::lower::{Fact, Lowering, View};
use crate::ops::{Operator, check_arity};
use crate::size::{Size, checked_len, presumed};
use crate::tensor::{DType, Tensor, to_odd};

use super::integer;

#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Hann,
    Hamming,
    Blackman,
}

/// Input: the size (i32 or i64), which the host must know. Output: the window, f32 or f16.
#[derive(Debug)]
pub(super) struct Window {
    shape: Shape,
    periodic: bool,
    dtype: DType,
}

/// The type that the attribute `output_datatype` names.
///
/// # Errors
/// `Unsupported` if it is none of f32, f16 and bf16.
pub(super) fn output_type(node: &Node) -> Result<DType> {
    let code = node.int("output_datatype", 1)?;
    match i32::try_from(code).ok().and_then(DType::from_onnx) {
        Some(dtype @ (DType::F32 | DType::F16 | DType::Bf16)) => Ok(dtype),
        _ => Err(Error::unsupported(format!("output_datatype {code}"))),
    }
}

/// Numbers as a tensor of a type that [`output_type`] gives.
pub(super) fn rounded(shape: &[usize], values: impl Iterator<Item = f64>, dtype: DType) -> Result<Tensor> {
    match dtype {
        DType::F16 => Tensor::new(shape, values.map(|value| half::f16::from_f32(to_odd(value))).collect::<Vec<_>>()),
        DType::Bf16 => Tensor::new(shape, values.map(|value| half::bf16::from_f32(to_odd(value))).collect::<Vec<_>>()),
        _ => Tensor::new(shape, values.map(|value| value as f32).collect::<Vec<_>>()),
    }
}

/// Output 0 is a tensor that goes up with the request.
pub(super) fn upload(cx: &mut Lowering<'_>, tensor: &Tensor) -> Result<()> {
    let storage = Storage::Word;
    let buffer = cx.plan_bytes(storage.encode(tensor)?);
    let shape = cx.output_fact(0).shape.clone();
    cx.alias(0, View { storage, ..View::row_major(buffer, tensor.dtype(), &shape) });
    Ok(())
}

impl Window {
    pub(super) fn parse(node: &Node, shape: Shape) -> Result<Self> {
        check_arity(node, 1..=1, 1..=1)?;
        Ok(Window { shape, periodic: node.int("periodic", 1)? != 0, dtype: output_type(node)? })
    }

    fn values(&self, inputs: &[Option<&Fact>]) -> Result<Tensor> {
        let size = integer(inputs, 0)?.pin();
        let period = if self.periodic { size as f64 } else { size as f64 - 1.0 };
        let value = |i: usize| {
            let part = i as f64 / period;
            match self.shape {
                Shape::Hann => (PI * part).sin().powi(2),
                Shape::Hamming => 25.0 / 46.0 - 21.0 / 46.0 * (TAU * part).cos(),
                Shape::Blackman => 0.42 - 0.5 * (TAU * part).cos() + 0.08 * (2.0 * TAU * part).cos(),
            }
        };
        rounded(&[size], (0..size).map(value), self.dtype)
    }
}

impl Operator for Window {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        0..1
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(DType::I32 | DType::I64) => Ok(vec![self.dtype]),
            other => Err(Error::invalid_model(format!("a size of type {}", other.map_or("none", DType::name)))),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let size = integer(inputs, 0)?;
        if !presumed(|| size >= Size::ZERO) || checked_len(&[size]).is_none() {
            return Err(Error::shape(format!("a window of {size}")));
        }
        Ok(vec![vec![size]])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        Ok(Some(vec![self.values(inputs)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let values = self.values(&cx.facts())?;
        upload(cx, &values)
    }
}
