//! <https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html>

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering};
use crate::ops::{Operator, check_arity, given};
use crate::size::{Size, checked_len, presumed};
use crate::tensor::{DType, Tensor, TensorData};

use super::integer;
use super::window::{output_type, rounded, upload};

/// Most elements. A guess, far above what spectra have.
const MOST: i64 = 1 << 24;

/// Inputs, which the host must know: mel bins, length of the transform, sample rate (i32 or i64), and the frequencies of the
/// lower and upper edge (f32 or f16). Output: `[length / 2 + 1, mel bins]`, f32 or f16.
#[derive(Debug)]
pub(super) struct MelWeightMatrix {
    dtype: DType,
}

fn frequency(inputs: &[Option<&Fact>], i: usize) -> Result<f64> {
    let value = given(inputs, i)?.value();
    let value = value.ok_or_else(|| Error::unsupported(format!("only the device knows input {i}")))?;
    match value.data() {
        TensorData::F32(data) if data.len() == 1 => Ok(data[0].into()),
        TensorData::F16(data) if data.len() == 1 => Ok(data[0].into()),
        TensorData::Bf16(data) if data.len() == 1 => Ok(data[0].into()),
        _ => Err(Error::invalid_model(format!("input {i} is not one number"))),
    }
}

impl MelWeightMatrix {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 5..=5, 1..=1)?;
        Ok(MelWeightMatrix { dtype: output_type(node)? })
    }

    fn values(&self, inputs: &[Option<&Fact>]) -> Result<Tensor> {
        let [bins, length, rate] = [0, 1, 2].map(|i| integer(inputs, i).map(Size::pin_signed));
        let (bins, length, rate) = (bins?, length?, rate?);
        let (low, high) = (frequency(inputs, 3)?, frequency(inputs, 4)?);
        let rows = length / 2 + 1;
        if rate < 1 || !low.is_finite() || !high.is_finite() || low <= -700.0 || high <= -700.0 {
            return Err(Error::invalid_model(format!("bands from {low} to {high} Hz at a rate of {rate} Hz")));
        }
        let mel = |hertz: f64| 2595.0 * (hertz / 700.0).ln_1p() / std::f64::consts::LN_10;
        let (low, high) = (mel(low), mel(high));
        let step = (high - low) / (bins + 2) as f64;
        let edge = |i: i64| -> Result<i64> {
            let hertz = 700.0 * ((i as f64 * step + low) / 2595.0 * std::f64::consts::LN_10).exp_m1();
            let row = ((length + 1) as f64 * hertz / rate as f64).floor();
            // The last edge itself has weight 0.
            if (0.0..=rows as f64).contains(&row) {
                return Ok(row as i64);
            }
            Err(Error::invalid_model(format!("a band at {hertz} Hz lies outside of a spectrum of {rows} rows")))
        };
        let mut weights = vec![0.0; (rows * bins) as usize];
        for i in 0..bins {
            let (left, centre, right) = (edge(i)?, edge(i + 1)?, edge(i + 2)?);
            if centre >= rows || left > centre {
                return Err(Error::invalid_model(format!("band {i} lies outside of a spectrum of {rows} rows")));
            }
            let mut set = |row: i64, weight: f64| weights[(row * bins + i) as usize] = weight;
            if left == centre {
                set(centre, 1.0);
            }
            (left..=centre)
                .filter(|_| left < centre)
                .for_each(|row| set(row, (row - left) as f64 / (centre - left) as f64));
            (centre..right).for_each(|row| set(row, (right - row) as f64 / (right - centre) as f64));
        }
        rounded(&[rows as usize, bins as usize], weights.into_iter(), self.dtype)
    }
}

impl Operator for MelWeightMatrix {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        0..5
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        for (i, dtype) in inputs.iter().enumerate().filter_map(|(i, dtype)| Some((i, (*dtype)?))) {
            let fits = if i < 3 { matches!(dtype, DType::I32 | DType::I64) } else { dtype.is_float() };
            if !fits {
                return Err(Error::unsupported(format!("input {i} of type {dtype}")));
            }
        }
        Ok(vec![self.dtype])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (bins, length) = (integer(inputs, 0)?, integer(inputs, 1)?);
        if !presumed(|| bins >= Size::ZERO && length >= Size::ZERO) {
            return Err(Error::shape(format!("weights of {bins} bands of a transform of {length}")));
        }
        let shape = vec![length / 2 + 1, bins];
        match checked_len(&shape) {
            Some(len) if presumed(|| len <= Size::number(MOST)) => Ok(vec![shape]),
            _ => Err(Error::limit(format!("weights of {bins} bands of a transform of {length}"))),
        }
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        Ok(Some(vec![self.values(inputs)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let values = self.values(&cx.facts())?;
        upload(cx, &values)
    }
}
