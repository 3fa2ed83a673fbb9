//! Weights from a generator instead of a file, so that a graph can be tried without its weights.
//!
//! An external initialiser may carry the key `synthetic` with one of
//! `uniform seed=<u32> mean=<float> half_range=<float>` and `int seed=<u32> lo=<int> hi=<int>` (`hi` inclusive). Element
//! `i` comes from a 32-bit hash of `i` and the seed; the arithmetic is in f64, rounded once to the element type.

use half::{bf16, f16};

use crate::error::{Error, Result};
use crate::tensor::{DType, TensorData};

/// A generator as the `synthetic` key states it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Generator {
    /// Floats of `mean - half_range` to `mean + half_range`.
    Uniform {
        /// Selects the sequence.
        seed: u32,
        /// The middle.
        mean: f64,
        /// Half the width.
        half_range: f64,
    },
    /// Integers of `lo` to `hi` inclusive.
    Int {
        /// Selects the sequence.
        seed: u32,
        /// The smallest.
        lo: i64,
        /// The largest.
        hi: i64,
    },
}

/// The hash that all generators start from.
fn hash(index: u64, seed: u32) -> u32 {
    let mut x = (index as u32) ^ seed.wrapping_mul(0x9E37_79B9);
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}

impl Generator {
    /// Reads the value of a `synthetic` key.
    ///
    /// # Errors
    /// `InvalidModel` if it is none of the two forms.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_words(text).ok_or_else(|| Error::invalid_model(format!("'{text}' is no synthetic generator")))
    }

    fn parse_words(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let kind = words.next()?;
        let mut value = |key: &str| words.next()?.strip_prefix(key)?.strip_prefix('=');
        let generator = match kind {
            "uniform" => Generator::Uniform {
                seed: value("seed")?.parse().ok()?,
                mean: value("mean")?.parse().ok()?,
                half_range: value("half_range")?.parse().ok()?,
            },
            "int" => Generator::Int {
                seed: value("seed")?.parse().ok()?,
                lo: value("lo")?.parse().ok()?,
                hi: value("hi")?.parse().ok().filter(|&hi: &i64| hi <= i64::from(i32::MAX))?,
            },
            _ => return None,
        };
        if let Generator::Int { lo, hi, .. } = generator
            && (lo > hi || lo < i64::from(i32::MIN))
        {
            return None;
        }
        words.next().is_none().then_some(generator)
    }

    /// The same distribution with another sequence; 0 changes nothing.
    #[must_use]
    pub fn reseeded(self, offset: u64) -> Self {
        // The multiplier (from MurmurHash3) only keeps small offsets apart from neighbouring tensors' seeds.
        let shift = ((offset ^ (offset >> 32)) as u32).wrapping_mul(0x85EB_CA6B);
        match self {
            Generator::Uniform { seed, mean, half_range } => {
                Generator::Uniform { seed: seed.wrapping_add(shift), mean, half_range }
            }
            Generator::Int { seed, lo, hi } => Generator::Int { seed: seed.wrapping_add(shift), lo, hi },
        }
    }

    /// The first `len` elements.
    ///
    /// # Errors
    /// `InvalidModel` if the generator cannot make elements of this type, `Memory` if there is no memory for them.
    pub fn generate(self, dtype: DType, len: usize) -> Result<TensorData> {
        match (self, dtype) {
            (Generator::Uniform { seed, mean, half_range }, DType::F32) => {
                Ok(TensorData::F32(fill(len, |i| uniform(i, seed, mean, half_range))?))
            }
            (Generator::Uniform { seed, mean, half_range }, DType::F16) => {
                Ok(TensorData::F16(fill(len, |i| f16::from_f32(uniform(i, seed, mean, half_range)))?))
            }
            (Generator::Uniform { seed, mean, half_range }, DType::Bf16) => {
                Ok(TensorData::Bf16(fill(len, |i| bf16::from_f32(uniform(i, seed, mean, half_range)))?))
            }
            (Generator::Int { seed, lo, hi }, _) => {
                let span = u64::try_from(hi - lo + 1).expect("parse checked the order");
                let value = |i| lo + (u64::from(hash(i, seed)) % span) as i64;
                match dtype {
                    DType::I8 if in_range::<i8>(lo, hi) => Ok(TensorData::I8(fill(len, |i| value(i) as i8)?)),
                    DType::U8 if in_range::<u8>(lo, hi) => Ok(TensorData::U8(fill(len, |i| value(i) as u8)?)),
                    DType::I32 => Ok(TensorData::I32(fill(len, |i| value(i) as i32)?)),
                    DType::I64 => Ok(TensorData::I64(fill(len, value)?)),
                    DType::Bool if in_range::<u8>(lo, hi) && hi <= 1 => {
                        Ok(TensorData::Bool(fill(len, |i| value(i) == 1)?))
                    }
                    _ => Err(self.unfit(dtype)),
                }
            }
            _ => Err(self.unfit(dtype)),
        }
    }

    fn unfit(self, dtype: DType) -> Error {
        Error::invalid_model(format!("the synthetic generator {self:?} does not make {dtype}"))
    }
}

fn in_range<T: TryFrom<i64>>(lo: i64, hi: i64) -> bool {
    T::try_from(lo).is_ok() && T::try_from(hi).is_ok()
}

#[inline]
fn uniform(index: u64, seed: u32, mean: f64, half_range: f64) -> f32 {
    let u = f64::from(hash(index, seed) >> 8) * (1.0 / 16_777_216.0);
    (mean + half_range * (2.0 * u - 1.0)) as f32
}

fn fill<T>(len: usize, element: impl Fn(u64) -> T) -> Result<Vec<T>> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| Error::memory(format!("no memory for {len} synthetic elements")))?;
    data.extend((0..len as u64).map(element));
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_those_of_the_specification() {
        let f32s = |text: &str, bits: [u32; 4]| {
            let want = TensorData::F32(bits.map(f32::from_bits).to_vec());
            assert_eq!(Generator::parse(text).unwrap().generate(DType::F32, 4).unwrap(), want, "{text}");
        };
        f32s("uniform seed=1 mean=0 half_range=1", [0xbf7c0636, 0x3e93de24, 0xbf70c164, 0x3e7a82b0]);
        f32s("uniform seed=3735928559 mean=0.25 half_range=0.125", [0x3e8d130c, 0x3ea7a846, 0x3e88d86c, 0x3e9e3b6c]);
        let halves = [0x3c46, 0x3ab3, 0x3956, 0x3859].map(f16::from_bits).to_vec();
        let generator = Generator::parse("uniform seed=7 mean=1 half_range=0.5").unwrap();
        assert_eq!(generator.generate(DType::F16, 4).unwrap(), TensorData::F16(halves));
        let generator = Generator::parse("int seed=42 lo=-127 hi=127").unwrap();
        assert_eq!(generator.generate(DType::I8, 4).unwrap(), TensorData::I8(vec![-14, 96, 25, -33]));
        assert!(generator.generate(DType::U8, 4).is_err());
        assert!(generator.generate(DType::F32, 4).is_err());
    }

    #[test]
    fn malformed_generators_are_errors() {
        for text in [
            "",
            "uniform",
            "uniform seed=1 mean=0",
            "uniform seed=-1 mean=0 half_range=1",
            "normal seed=1 mean=0 half_range=1",
            "int seed=1 lo=3 hi=2",
            "int seed=1 lo=-9223372036854775808 hi=9223372036854775807",
            "int seed=1 lo=0 hi=1 more",
        ] {
            assert!(Generator::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn another_seed_gives_other_weights() {
        let generator = Generator::parse("uniform seed=1 mean=0 half_range=1").unwrap();
        assert_eq!(generator.reseeded(0), generator);
        assert_ne!(
            generator.reseeded(1).generate(DType::F32, 8).unwrap(),
            generator.reseeded(2).generate(DType::F32, 8).unwrap()
        );
    }
}
