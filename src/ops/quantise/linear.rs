//! <https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html> and DequantizeLinear: elementwise, with a scale and zero point for
//! the tensor, for each index of an axis, or for each block along an axis.

use super::granularity::Granularity;
use super::steps::{Steps, range};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering, View, row_major};
use crate::ops::elementwise::program::{Program, Ref};
use crate::ops::elementwise::{Code, Scalar, emit_program, evaluate};
use crate::ops::{Operator, check_arity, given};
use crate::size::{Size, pins};
use crate::tensor::{DType, Minifloat, Tensor};

/// Constants of at most so many elements are dequantised at load: biases and scalars. Weights stay packed.
const FOLDED: i64 = 1 << 10;

/// Emits the chain that `build` makes of x, scale and zero point.
fn lower(
    cx: &mut Lowering<'_>,
    granularity: Granularity,
    output: &View,
    build: impl FnOnce(&mut Steps, Ref, Ref, Option<Ref>) -> Result<()>,
) -> Result<()> {
    let shape = |i: usize| cx.input(i).map(|fact| fact.shape.clone()).unwrap_or_default();
    let parts = granularity.parts(&shape(0), &shape(1))?;
    let mut steps = Steps::new(output.dtype);
    let x = parts.divided(cx.stored(0)?);
    let x = steps.view(x);
    let scale = steps.node_input(cx, 1, |view| Ok(parts.scales(view)))?;
    let zero = cx.input(2).is_some().then(|| steps.node_input(cx, 2, |view| Ok(parts.scales(view)))).transpose()?;
    build(&mut steps, x, scale, zero)?;
    let (program, views) = steps.finish()?;
    let whole = View { shape: parts.x.clone(), strides: row_major(&parts.x), ..output.clone() };
    emit_program(cx, &program, &views, &whole)
}

/// The same on the host, where all inputs are known.
fn host(
    inputs: &[Option<&Fact>],
    granularity: Granularity,
    dtype: DType,
    build: impl FnOnce(&mut Steps, Ref, Ref, Option<Ref>) -> Result<()>,
) -> Result<Option<Vec<Tensor>>> {
    let parts = granularity.parts(&given(inputs, 0)?.shape, &given(inputs, 1)?.shape)?;
    let value = |i: usize| inputs.get(i).copied().flatten().and_then(Fact::value);
    let (Some(x), Some(scale)) = (value(0), value(1)) else { return Ok(None) };
    if inputs.get(2).copied().flatten().is_some() && value(2).is_none() {
        return Ok(None);
    }
    let mut steps = Steps::new(dtype);
    let refs = [steps.input(), steps.input()];
    let zero = value(2).map(|_| steps.input());
    build(&mut steps, refs[0], refs[1], zero)?;
    let (program, _) = steps.finish()?;
    let wide = pins(&parts.scale);
    let mut tensors = vec![x.reshaped(pins(&parts.x))?, scale.reshaped(wide.clone())?];
    if let Some(zero) = value(2) {
        tensors.push(zero.reshaped(wide)?);
    }
    let result = evaluate(&program, &tensors.iter().collect::<Vec<_>>())?;
    Ok(Some(vec![result.reshaped(x.shape())?]))
}

fn float(dtype: DType, what: &str) -> Result<DType> {
    match dtype {
        DType::F32 | DType::F16 | DType::Bf16 => Ok(dtype),
        other => Err(Error::unsupported(format!("{what} of type {other}; f32, f16 and bf16 are supported"))),
    }
}

/// Checks that a type is one that is quantised to.
fn quantised(dtype: DType) -> Result<()> {
    match dtype.minifloat() {
        Some(Minifloat::E8M0) => Err(Error::unsupported("quantisation to f8e8m0")),
        Some(_) => Ok(()),
        None => range(dtype).map(|_| ()),
    }
}

/// An element type that an attribute names, if it does.
fn named(node: &Node, name: &str) -> Result<Option<DType>> {
    match node.int(name, 0)? {
        0 => Ok(None),
        number => match i32::try_from(number).ok().and_then(DType::from_onnx) {
            Some(dtype) => Ok(Some(dtype)),
            None => Err(Error::unsupported(format!("{name} {number}"))),
        },
    }
}

fn dtype(inputs: &[Option<DType>], i: usize) -> Result<DType> {
    inputs.get(i).copied().flatten().ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))
}

/// <https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>: x of f32, f16, bf16 or i32, scale of f32, f16 or bf16, zero point? of integers of 2
/// to 16 bits or floats of 4 and 8. The scale is one number, one for each index of the axis, or one for each block, where blocks divide the axis. The quotient has the digits
/// of the scale's type.
#[derive(Debug)]
pub(super) struct QuantizeLinear {
    granularity: Granularity,
    output: Option<DType>,
    precision: Option<DType>,
    /// Whether what lies beyond the range of an 8-bit float becomes its end.
    saturate: bool,
}

impl QuantizeLinear {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=3, 1..=1)?;
        let output = named(node, "output_dtype")?;
        let precision = named(node, "precision")?.map(|dtype| float(dtype, "a precision")).transpose()?;
        let saturate = node.int("saturate", 1)? != 0;
        Ok(QuantizeLinear { granularity: Granularity::parse(node)?, output, precision, saturate })
    }

    /// The types of x, of the quotient's digits, and of the result.
    fn types(&self, inputs: &[Option<DType>]) -> Result<[DType; 4]> {
        let (x, scale) = (dtype(inputs, 0)?, float(dtype(inputs, 1)?, "a scale")?);
        if x != DType::I32 {
            float(x, "an input")?;
        }
        let result = match (inputs.get(2).copied().flatten(), self.output) {
            (Some(zero), Some(output)) if zero != output => {
                return Err(Error::invalid_model(format!("the zero point is {zero} and output_dtype is {output}")));
            }
            (Some(dtype), _) | (None, Some(dtype)) => dtype,
            (None, None) => DType::U8,
        };
        quantised(result)?;
        Ok([x, scale, self.precision.unwrap_or(scale), result])
    }

    fn build(
        &self,
        steps: &mut Steps,
        [from, of_scale, precision, to]: [DType; 4],
        x: Ref,
        scale: Ref,
        zero: Option<Ref>,
    ) -> Result<()> {
        let mut x = steps.float(x, from);
        x = steps.digits(x, from, precision);
        let scale = steps.digits(scale, of_scale, precision);
        let mut quotient = steps.step(Code::DivF, &[x, scale]);
        quotient = steps.digits(quotient, DType::F32, precision);
        match to.minifloat() {
            // A float of 4 bits has nothing beyond its range.
            Some(format) => steps.narrowed(quotient, zero, format, self.saturate || to == DType::F4E2M1),
            None => steps.saturated(quotient, zero, to).map(|_| ())?,
        }
        Ok(())
    }
}

impl Operator for QuantizeLinear {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![self.types(inputs)?[3]])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![self.granularity.check(inputs)?])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let dtypes: Vec<_> = inputs.iter().map(|fact| fact.map(|fact| fact.dtype)).collect();
        let types = self.types(&dtypes)?;
        host(inputs, self.granularity, types[3], |steps, x, scale, zero| self.build(steps, types, x, scale, zero))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let dtypes: Vec<_> = cx.facts().iter().map(|fact| fact.map(|fact| fact.dtype)).collect();
        let types = self.types(&dtypes)?;
        let output = cx.resting_output(0);
        lower(cx, self.granularity, &output, |steps, x, scale, zero| self.build(steps, types, x, scale, zero))
    }
}

/// <https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html>: x of i32 or what [`QuantizeLinear`] gives, with a zero point? of its type, and a
/// scale as there. Constants of more than a few elements are dequantised where they are read, and lie packed.
#[derive(Debug)]
pub(super) struct DequantizeLinear {
    granularity: Granularity,
    output: Option<DType>,
}

impl DequantizeLinear {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=3, 1..=1)?;
        let output = named(node, "output_dtype")?.map(|dtype| float(dtype, "an output")).transpose()?;
        Ok(DequantizeLinear { granularity: Granularity::parse(node)?, output })
    }

    /// The types of x, scale and result.
    fn types(&self, inputs: &[Option<DType>]) -> Result<[DType; 3]> {
        let (x, scale) = (dtype(inputs, 0)?, float(dtype(inputs, 1)?, "a scale")?);
        if x != DType::I32 {
            quantised(x)?;
        }
        match inputs.get(2).copied().flatten() {
            Some(zero) if zero != x => Err(Error::invalid_model(format!("the zero point is {zero}, the input {x}"))),
            _ => Ok([x, scale, self.output.unwrap_or(scale)]),
        }
    }

    fn build(steps: &mut Steps, [from, of_scale, to]: [DType; 3], x: Ref, scale: Ref, zero: Option<Ref>) {
        let mut value = x;
        if from.minifloat().is_some() {
            value = steps.float(x, from);
            let zero = zero.map(|zero| steps.float(zero, from));
            value = zero.map_or(value, |zero| steps.step(Code::SubF, &[value, zero]));
        } else {
            value = zero.map_or(value, |zero| steps.step(Code::SubI, &[value, zero]));
            value = steps.step(Code::IntToFloatW, &[value]);
        }
        if of_scale != to {
            value = steps.digits(value, DType::F32, to);
        }
        let scale = steps.digits(scale, of_scale, to);
        let product = steps.step(Code::MulF, &[value, scale]);
        steps.digits(product, DType::F32, to);
    }
}

impl Operator for DequantizeLinear {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![self.types(inputs)?[2]])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![self.granularity.check(inputs)?])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let x = given(inputs, 0)?;
        let small = x.value().is_some_and(|value| value.len() as i64 <= FOLDED);
        if x.dtype != DType::I32 && !small {
            return Ok(None);
        }
        let dtypes: Vec<_> = inputs.iter().map(|fact| fact.map(|fact| fact.dtype)).collect();
        let types = self.types(&dtypes)?;
        host(inputs, self.granularity, types[2], |steps, x, scale, zero| {
            Self::build(steps, types, x, scale, zero);
            Ok(())
        })
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let dtypes: Vec<_> = cx.facts().iter().map(|fact| fact.map(|fact| fact.dtype)).collect();
        let types = self.types(&dtypes)?;
        let output = cx.packed_output(0);
        lower(cx, self.granularity, &output, |steps, x, scale, zero| {
            Self::build(steps, types, x, scale, zero);
            Ok(())
        })
    }
}

/// The chain of a quantisation or dequantisation of a tensor with one scale and zero point, both constants, for rewrites that
/// fuse it. It reads the first input.
pub(in crate::ops) fn program_of(node: &Node, inputs: &[Option<(DType, Option<&Tensor>)>]) -> Option<Program> {
    if !node.domain.is_empty() || node.int("block_size", 0).ok()? != 0 {
        return None;
    }
    let types: Vec<_> = inputs.iter().map(|input| input.map(|(dtype, _)| dtype)).collect();
    let constant = |steps: &mut Steps, i: usize| {
        let value = inputs.get(i).copied().flatten()?.1.filter(|value| value.shape().is_empty())?;
        let value: Scalar = crate::ops::elementwise::scalar(value)?;
        Some(steps.number(value))
    };
    let has_zero = inputs.get(2).copied().flatten().is_some();
    let read = |steps: &mut Steps| {
        let (x, scale) = (steps.input(), constant(steps, 1)?);
        let zero = if has_zero { Some(constant(steps, 2)?) } else { None };
        Some((x, scale, zero))
    };
    let steps = match node.op.as_str() {
        "QuantizeLinear" => {
            let operator = QuantizeLinear::parse(node).ok()?;
            let types = operator.types(&types).ok()?;
            let mut steps = Steps::new(types[3]);
            let (x, scale, zero) = read(&mut steps)?;
            operator.build(&mut steps, types, x, scale, zero).ok()?;
            steps
        }
        "DequantizeLinear" => {
            let types = DequantizeLinear::parse(node).ok()?.types(&types).ok()?;
            let mut steps = Steps::new(types[2]);
            let (x, scale, zero) = read(&mut steps)?;
            DequantizeLinear::build(&mut steps, types, x, scale, zero);
            steps
        }
        _ => return None,
    };
    steps.finish().ok().map(|(program, _)| program)
}
