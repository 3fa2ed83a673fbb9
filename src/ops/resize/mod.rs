//! Resampling along axes: Resize and Upsample.

use std::ops::Range;

use super::broadcast::axis_index;
use super::{Entry, Operator, given, operator};
use crate::error::{Error, Result};
use crate::lower::storage::check_dtype;
use crate::lower::{Fact, Lowering};
use crate::size::{Size, checked_len, determined, is_empty, presumed};
use crate::tensor::DType;

mod lower;
mod parse;
mod taps;

use taps::{Filter, Nearest, Transform};

pub(super) const OPERATORS: &[Entry] =
    &[("", "Resize", |node| operator(Resize::parse(node))), ("", "Upsample", |node| operator(Resize::upsample(node)))];

/// <https://onnx.ai/onnx/operators/onnx__Resize.html> and <https://onnx.ai/onnx/operators/onnx__Upsample.html>.
///
/// Of any type by nearest elements, of f32 and f16 otherwise. Not supported are scales with a region that is not the whole
/// tensor, of which the standard's text makes another size than its reference and onnxruntime do.
#[derive(Debug)]
struct Resize {
    mode: Mode,
    transform: Transform,
    exclude_outside: bool,
    antialias: bool,
    extrapolation: f32,
    policy: Policy,
    axes: Option<Vec<i64>>,
    /// The scales, where they are an attribute.
    scales: Option<Vec<f32>>,
    inputs: Inputs,
    /// Whether a scale may not be below 1.
    grows: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Nearest(Nearest),
    Between(Filter),
}

/// The attribute `keep_aspect_ratio_policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Stretch,
    NotLarger,
    NotSmaller,
}

/// Which inputs are read, where there are such.
#[derive(Debug, Default)]
struct Inputs {
    roi: Option<usize>,
    scales: Option<usize>,
    sizes: Option<usize>,
}

/// How one axis is resized.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    input: Size,
    output: Size,
    /// What is stated; else the output's size over the input's.
    scale: Option<f64>,
    roi: [f32; 2],
}

impl Stretch {
    fn none(size: Size) -> Stretch {
        Stretch { input: size, output: size, scale: None, roi: [0.0, 1.0] }
    }

    /// Whether the result is the axis itself.
    fn is_none(&self) -> bool {
        let same = self.scale.is_none_or(|scale| (scale - 1.0).abs() <= 1e-9);
        same && self.roi == [0.0, 1.0] && self.output == self.input
    }
}

impl Resize {
    /// How each axis is resized.
    fn stretches(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Stretch>> {
        let shape = &given(inputs, 0)?.shape;
        let on: Vec<usize> = match &self.axes {
            Some(axes) => axes.iter().map(|&axis| axis_index(axis, shape.len())).collect::<Result<_>>()?,
            None => (0..shape.len()).collect(),
        };
        if (1..on.len()).any(|i| on[..i].contains(&on[i])) {
            return Err(Error::shape(format!("axes {:?} name an axis twice", self.axes)));
        }
        let counted = |name: &str, len: usize, wanted: usize| match len == wanted {
            true => Ok(()),
            false => Err(Error::shape(format!("{len} {name} for {} axes", on.len()))),
        };
        let scales = match &self.scales {
            Some(scales) => Some(scales.clone()),
            None => floats(inputs, self.inputs.scales)?,
        };
        let sizes = self.inputs.sizes.map(|i| lengths(inputs, i)).transpose()?.flatten();
        let roi = floats(inputs, self.inputs.roi)?;
        if let Some(roi) = &roi {
            counted("numbers of a region", roi.len(), 2 * on.len())?;
        } else if self.inputs.roi.is_some() {
            return Err(Error::invalid_model("tf_crop_and_resize without a region"));
        }
        let mut stretches: Vec<Stretch> = shape.iter().map(|&size| Stretch::none(size)).collect();
        for (i, &at) in on.iter().enumerate() {
            if let Some(roi) = &roi {
                stretches[at].roi = [roi[i], roi[on.len() + i]];
            }
        }
        match (scales, sizes) {
            (Some(scales), None) => {
                counted("scales", scales.len(), on.len())?;
                for (&at, &scale) in on.iter().zip(&scales) {
                    self.by_scale(&mut stretches[at], scale)?;
                }
            }
            (None, Some(sizes)) => {
                counted("sizes", sizes.len(), on.len())?;
                for (&at, &size) in on.iter().zip(&sizes) {
                    if !presumed(|| size >= Size::ZERO) {
                        return Err(Error::shape(format!("size {size} of axis {at}")));
                    }
                    stretches[at].output = size;
                }
                self.keep_ratio(&mut stretches, &on)?;
            }
            _ => return Err(Error::invalid_model("either scales or sizes are to be given")),
        }
        Ok(stretches)
    }

    /// Sets the size that an axis comes to have by a scale.
    fn by_scale(&self, stretch: &mut Stretch, scale: f32) -> Result<()> {
        let least = if self.grows { 1.0 } else { f32::MIN_POSITIVE };
        if !(least..1e9).contains(&scale) {
            return Err(Error::shape(format!("a scale of {scale}")));
        }
        let [start, end] = stretch.roi;
        if end - start != 1.0 {
            return Err(Error::unsupported("scales with a region that is not as large as the tensor"));
        }
        stretch.scale = Some(scale.into());
        let input = stretch.input;
        stretch.output = if scale.fract() == 0.0 {
            input * scale as i64
        } else if (1.0 / scale).fract() == 0.0 && scale * (1.0 / scale) == 1.0 && (1.0 / scale).log2().fract() == 0.0 {
            input / (1.0 / scale) as i64
        } else {
            // Of the exact product, as in the standard's reference and shape inference; onnxruntime rounds it first.
            determined(|| Ok::<_, Error>(Size::from((input.pin() as f64 * f64::from(scale)).floor() as i64)))?
        };
        Ok(())
    }

    /// Makes the scales of the axes the same, where the policy says so.
    fn keep_ratio(&self, stretches: &mut [Stretch], on: &[usize]) -> Result<()> {
        if self.policy == Policy::Stretch {
            return Ok(());
        }
        if on.iter().any(|&at| !presumed(|| !stretches[at].input.is_zero())) {
            return Err(Error::shape("the ratio of an axis without elements"));
        }
        let ratio = |at: &usize| stretches[*at].output.pin() as f64 / stretches[*at].input.pin().max(1) as f64;
        let scale = || match self.policy {
            Policy::NotLarger => on.iter().map(ratio).fold(f64::INFINITY, f64::min),
            _ => on.iter().map(ratio).fold(0.0, f64::max),
        };
        let rounded = |at: usize| {
            determined(|| Ok::<_, Error>(Size::from((scale() * stretches[at].input.pin() as f64 + 0.5).floor() as i64)))
        };
        let outputs = on.iter().map(|&at| rounded(at)).collect::<Result<Vec<Size>>>()?;
        let scale = crate::size::decided(scale);
        for (&at, output) in on.iter().zip(outputs) {
            (stretches[at].output, stretches[at].scale) = (output, scale);
        }
        Ok(())
    }

    /// The bits of what stands beyond the axes, in a tensor of that type.
    fn extrapolation(&self, dtype: DType) -> Result<u32> {
        let value = f64::from(self.extrapolation);
        let within = |low: f64, high: f64| match (low..=high).contains(&value) {
            true => Ok(value.round_ties_even() as i64 as u32),
            false => Err(Error::unsupported(format!("an extrapolation value of {value} for {dtype}"))),
        };
        match dtype {
            DType::F32 => Ok(self.extrapolation.to_bits()),
            DType::F16 => Ok(half::f16::from_f32(self.extrapolation).to_f32().to_bits()),
            DType::Bf16 => Ok(half::bf16::from_f32(self.extrapolation).to_f32().to_bits()),
            DType::I8 => within(-128.0, 127.0),
            DType::I16 => within(-32768.0, 32767.0),
            DType::U8 => within(0.0, 255.0),
            DType::U16 => within(0.0, 65535.0),
            DType::U32 => within(0.0, f64::from(u32::MAX)),
            DType::Bool => within(0.0, 1.0),
            DType::U64 => within(0.0, f64::from(u32::MAX)),
            DType::I32 | DType::I64 => within(f64::from(i32::MIN), f64::from(i32::MAX)),
            _ => within(0.0, 0.0),
        }
    }
}

/// The floats of a list-valued input, if it is given and not empty.
fn floats(inputs: &[Option<&Fact>], i: Option<usize>) -> Result<Option<Vec<f32>>> {
    let Some((i, fact)) = i.and_then(|i| Some((i, inputs.get(i).copied().flatten()?))) else { return Ok(None) };
    match fact.shape.as_slice() {
        [size] if size.known() == Some(0) => return Ok(None),
        [_] => {}
        shape => return Err(Error::shape(format!("input {i} has rank {}, not 1", shape.len()))),
    }
    let value = fact
        .value()
        .ok_or_else(|| Error::unsupported(format!("input {i} decides the shape, but only the device knows it")))?;
    let list = match value.dtype() {
        DType::F32 => value.as_slice::<f32>()?.to_vec(),
        DType::F16 => value.as_slice::<half::f16>()?.iter().map(|x| x.to_f32()).collect(),
        DType::Bf16 => value.as_slice::<half::bf16>()?.iter().map(|x| x.to_f32()).collect(),
        other => return Err(Error::unsupported(format!("input {i} of type {other}"))),
    };
    Ok(Some(list).filter(|list| !list.is_empty()))
}

/// The integers of a list-valued input, if it is given and not empty.
fn lengths(inputs: &[Option<&Fact>], i: usize) -> Result<Option<Vec<Size>>> {
    let Some(fact) = inputs.get(i).copied().flatten() else { return Ok(None) };
    match fact.shape.as_slice() {
        [size] if size.known() == Some(0) => return Ok(None),
        [_] => {}
        shape => return Err(Error::shape(format!("input {i} has rank {}, not 1", shape.len()))),
    }
    match fact.integers() {
        Some(list) => Ok(Some(list).filter(|list| !list.is_empty())),
        None => Err(Error::unsupported(format!("input {i} decides the shape, but only the device knows it"))),
    }
}

impl Operator for Resize {
    fn host_inputs(&self) -> Range<usize> {
        let Inputs { roi, scales, sizes } = self.inputs;
        let read = || [roi, scales, sizes].into_iter().flatten();
        match (read().min(), read().max()) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        }
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let data = inputs.first().copied().flatten().ok_or_else(|| Error::invalid_model("input 0 is missing"))?;
        check_dtype(data)?;
        if let Some(other) = self.inputs.sizes.and_then(|i| *inputs.get(i)?).filter(|&dtype| dtype != DType::I64) {
            return Err(Error::invalid_model(format!("sizes of type {other}")));
        }
        match self.mode {
            Mode::Between(_) => super::one_float(&[Some(data)]),
            Mode::Nearest(_) => Ok(vec![data]),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let stretches = self.stretches(inputs)?;
        let shape: Vec<Size> = stretches.iter().map(|stretch| stretch.output).collect();
        checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        let lacks = |s: &Stretch| !presumed(|| !s.input.is_zero() || s.output.is_zero());
        match !presumed(|| is_empty(&shape)) && stretches.iter().any(lacks) {
            true => Err(Error::shape("an axis without elements has none to resize")),
            false => Ok(vec![shape]),
        }
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let stretches = self.stretches(&cx.facts())?;
        if cx.output_fact(0).is_empty() {
            cx.output(0);
            return Ok(());
        }
        if stretches.iter().all(Stretch::is_none) {
            let view = cx.stored(0)?;
            cx.alias(0, view);
            return Ok(());
        }
        match self.mode {
            Mode::Nearest(nearest) => self.nearest(cx, &stretches, nearest),
            Mode::Between(filter) => self.between(cx, &stretches, filter),
        }
    }
}
