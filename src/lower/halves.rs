//! Weights of half precision as products, convolutions and recurrent kernels read them: two a word, as f16 and bf16 lie, from half the memory.
//!
//! A bf16 is widened by a shift. To widen an f16 exactly by its bits takes a dozen operations; the instruction for it takes one, but
//! drivers may flush denormals. So f16 are stored as normal halves times a power of two, the same for all of a tensor: most weights have
//! denormals, and none that uses the upper end of the range too. A tensor that does, or has infinities or NaN, lies as words.

use half::{bf16, f16};

use crate::error::Result;
use crate::kernel::parts::Weights;
use crate::tensor::{DType, Tensor, TensorData};

use super::lowering::{BufferId, Lowering};

/// How the weights of one tensor lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightForm {
    /// What the kernel reads.
    pub weights: Weights,
    /// What it multiplies halves with, a power of two.
    pub factor: f32,
}

impl WeightForm {
    /// A word each.
    pub const WORDS: WeightForm = WeightForm { weights: Weights::Words, factor: 1.0 };

    /// Numbers of this form as they lie.
    fn encode(self, values: &[f32]) -> Vec<u8> {
        let half = |encode: fn(f32) -> u16| {
            let halves: Vec<u16> = values.iter().map(|&x| encode(x / self.factor)).collect();
            bytemuck::cast_slice(&halves).to_vec()
        };
        match self.weights {
            Weights::Words => bytemuck::cast_slice(values).to_vec(),
            Weights::F16 => half(|x| f16::from_f32(x).to_bits()),
            Weights::Bf16 => half(|x| bf16::from_f32(x).to_bits()),
        }
    }
}

/// The override by which a kernel rounds to its results' type itself.
pub(crate) fn rounding(dtype: DType) -> (&'static str, f64) {
    let format = match dtype {
        DType::F16 => 1.0,
        DType::Bf16 => 2.0,
        _ => 0.0,
    };
    ("ROUNDING", format)
}

/// The exponent of the power of two by which f16 are divided, so that all are normal or 0; `None` if none serves.
fn scale_of(values: &[f16]) -> Option<i32> {
    const NORMAL: std::ops::RangeInclusive<i32> = -14..=15;
    let (mut least, mut most) = (*NORMAL.end(), *NORMAL.start());
    for value in values {
        let bits = value.to_bits() & 0x7fff;
        match bits >> 10 {
            31 => return None,
            0 if bits == 0 => {}
            // 2^-24 each.
            0 => least = least.min(bits.ilog2() as i32 - 24),
            exponent => {
                least = least.min(i32::from(exponent) - 15);
                most = most.max(i32::from(exponent) - 15);
            }
        }
    }
    let scale = (least - NORMAL.start()).min(0);
    (most - scale <= *NORMAL.end()).then_some(scale)
}

impl Lowering<'_> {
    /// How input `i` lies for a kernel that takes weights in parts: words, or halves where it is a constant of f16 or bf16.
    pub fn weight_form(&self, i: usize) -> WeightForm {
        let Some((tensor, key)) = self.constant(i).zip(self.constant_key(i)) else { return WeightForm::WORDS };
        match tensor.data() {
            TensorData::Bf16(_) => WeightForm { weights: Weights::Bf16, factor: 1.0 },
            TensorData::F16(values) => match self.builder.weights.scale(key, || scale_of(values)) {
                Some(scale) => WeightForm { weights: Weights::F16, factor: (scale as f32).exp2() },
                None => WeightForm::WORDS,
            },
            _ => WeightForm::WORDS,
        }
    }

    /// Input `i` in that form, row-major.
    ///
    /// # Errors
    /// As [`Lowering::contiguous`].
    pub fn weights(&mut self, i: usize, form: WeightForm) -> Result<BufferId> {
        if form.weights == Weights::Words {
            return Ok(self.contiguous(i)?.buffer);
        }
        self.laid_out(i, form, "plain", |weights| Ok(weights.as_slice::<f32>()?.to_vec()))
    }

    /// As [`Lowering::packed`], of weights in that form: `make` gives their numbers in the order of `key`.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn laid_out(
        &mut self,
        i: usize,
        form: WeightForm,
        key: &str,
        make: impl FnOnce(&Tensor) -> Result<Vec<f32>>,
    ) -> Result<BufferId> {
        let key = format!("{key}{}", form.weights.suffix());
        self.packed(i, &key, |tensor| Ok(form.encode(&make(tensor)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_stored_as_normal_ones_and_come_back() {
        let of = |values: &[f32]| scale_of(&values.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>());
        assert_eq!(of(&[]), Some(0));
        assert_eq!(of(&[0.0, -0.0]), Some(0));
        assert_eq!(of(&[65504.0, -6.1035e-5]), Some(0));
        assert_eq!(of(&[1.0, -3.0e-5]), Some(-2));
        assert_eq!(of(&[63.9, 5.960_464_5e-8]), Some(-10));
        assert_eq!(of(&[64.0, 5.960_464_5e-8]), None);
        assert_eq!(of(&[f32::INFINITY]), None);
        assert_eq!(of(&[f32::NAN]), None);
        // Every half below 64.
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|x| x.to_f32().abs() < 64.0).collect();
        let values: Vec<f32> = all.iter().map(|x| x.to_f32()).collect();
        let form = WeightForm { weights: Weights::F16, factor: (scale_of(&all).unwrap() as f32).exp2() };
        let bytes = form.encode(&values);
        for (stored, value) in bytes.chunks_exact(2).zip(&values) {
            let half = f16::from_bits(u16::from_ne_bytes([stored[0], stored[1]]));
            assert!(half.is_normal() || value.abs() == 0.0, "{value} as {half}");
            assert_eq!((half.to_f32() * form.factor).to_bits(), value.to_bits());
        }
    }
}
