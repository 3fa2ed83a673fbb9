//! Which elements of an axis its resized elements are made of, and with which weights: tables in double precision, as in the
//! standard's reference.

use crate::error::{Error, Result};

/// Table entry of an element that is the extrapolation value.
pub(super) const EXTRAPOLATED: u32 = 0x8000_0000;

/// The most words of a table; a guess of what no image needs.
const MOST_WORDS: usize = 1 << 26;

/// The attribute `coordinate_transformation_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transform {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    /// Of opset 11 and 12.
    TfHalfPixelForNn,
    AlignCorners,
    Asymmetric,
    TfCropAndResize,
}

/// The attribute `nearest_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nearest {
    RoundPreferFloor,
    RoundPreferCeil,
    Floor,
    Ceil,
    /// Before opset 11: up where the axis shrinks, else down.
    Simple,
}

/// How elements between others are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Filter {
    Linear,
    /// With the coefficient of the cubic function.
    Cubic(f64),
}

impl Filter {
    /// The taps around an element that lies `ratio` (above 0, at most 1) behind the one before it, stretched by `1 / scale`.
    fn weights(self, ratio: f64, scale: f64) -> Vec<f64> {
        let (reach, weight): (f64, Box<dyn Fn(f64) -> f64>) = match self {
            Filter::Linear => (1.0, Box::new(|x: f64| (1.0 - x.abs()).clamp(0.0, 1.0))),
            Filter::Cubic(a) => (2.0, Box::new(move |x: f64| cubic(x.abs(), a))),
        };
        let start = (-reach / scale).floor() as i64 + 1;
        let taps: Vec<f64> = (start..2 - start).map(|i| weight(scale * (i as f64 - ratio))).collect();
        if scale == 1.0 {
            return taps;
        }
        let sum: f64 = taps.iter().sum();
        taps.into_iter().map(|tap| tap / sum).collect()
    }
}

fn cubic(x: f64, a: f64) -> f64 {
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

/// An axis of which both sizes are known, neither 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) transform: Transform,
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) scale: f64,
    /// First and last element of what is resized, as parts of the axis.
    pub(super) roi: [f32; 2],
}

impl Line {
    /// Where an element of the result lies among the input's, or none beyond them with `TfCropAndResize`.
    fn source(&self, at: usize) -> Option<f64> {
        let (x, last) = (at as f64, self.input as f64 - 1.0);
        // What the scale makes of the input, which need not be whole.
        let width = self.scale * self.input as f64;
        let half_pixel = (x + 0.5) / self.scale - 0.5;
        Some(match self.transform {
            Transform::HalfPixel => half_pixel,
            Transform::HalfPixelSymmetric => {
                let centre = self.input as f64 / 2.0;
                // In the reference's order: whole numbers decide what is nearest.
                centre * (1.0 - self.output as f64 / width) + (x + 0.5) / self.scale - 0.5
            }
            // The reference has -0.5 in place of 0, and looks at the width before it is rounded.
            Transform::PytorchHalfPixel => {
                if self.output > 1 {
                    half_pixel
                } else {
                    0.0
                }
            }
            Transform::AlignCorners => {
                if width == 1.0 || at == 0 {
                    0.0
                } else {
                    x * last / (width - 1.0)
                }
            }
            Transform::TfHalfPixelForNn => (x + 0.5) / self.scale,
            Transform::Asymmetric => x / self.scale,
            Transform::TfCropAndResize => {
                // The region is in single precision, as the reference has it.
                let [start, end] = self.roi;
                let (first, part, width) = (f64::from(start * last as f32), f64::from(end - start), last as f32);
                let source = match self.output {
                    1 => f64::from((end - start) * width / 2.0) + first,
                    output => x * part * last / (output as f64 - 1.0) + first,
                };
                return (0.0..=last).contains(&source).then_some(source);
            }
        })
    }

    /// For each element of the result which one of the input it is, or [`EXTRAPOLATED`].
    ///
    /// # Errors
    /// `Limit` if the table would be too large; `Unsupported` if an element outside is to be excluded.
    pub(super) fn nearest(&self, nearest: Nearest, exclude_outside: bool) -> Result<Vec<u32>> {
        self.check(1)?;
        let last = self.input as f64 - 1.0;
        let word = |at| {
            let Some(x) = self.source(at) else { return Ok(EXTRAPOLATED) };
            let (below, ratio) = (x.floor(), x - x.floor());
            let up = match nearest {
                Nearest::RoundPreferFloor => ratio > 0.5,
                Nearest::RoundPreferCeil => ratio >= 0.5,
                Nearest::Floor => false,
                Nearest::Ceil => ratio > 0.0,
                Nearest::Simple => self.scale < 1.0 && ratio > 0.0,
            };
            let chosen = if up { below + 1.0 } else { below };
            if exclude_outside && !(0.0..=last).contains(&chosen) {
                return Err(nothing_left());
            }
            Ok(chosen.clamp(0.0, last) as u32)
        };
        (0..self.output).map(word).collect()
    }

    /// The number of taps, and for each element of the result the first one's position (signed, beyond the axis at its
    /// ends), or [`EXTRAPOLATED`], and the weights.
    ///
    /// # Errors
    /// `Limit` if the table would be too large; `Unsupported` if nothing is left of an element.
    pub(super) fn taps(&self, filter: Filter, antialias: bool, exclude_outside: bool) -> Result<(usize, Vec<u32>)> {
        let stretch = if antialias { self.scale.min(1.0) } else { 1.0 };
        let reach = if filter == Filter::Linear { 1.0 } else { 2.0 };
        // Checked before the weights are made: a small scale has many.
        self.check(2 * (reach / stretch).min(1e9) as usize + 3)?;
        let count = filter.weights(0.5, stretch).len();
        let mut words = Vec::with_capacity(self.output * (count + 1));
        for at in 0..self.output {
            let Some(x) = self.source(at) else {
                words.extend(std::iter::once(EXTRAPOLATED).chain(std::iter::repeat_n(0, count)));
                continue;
            };
            let whole = x == x.floor();
            let mut weights = filter.weights(if whole { 1.0 } else { x - x.floor() }, stretch);
            let first = x.floor() as i64 - (count / 2) as i64 + i64::from(!whole);
            if exclude_outside {
                for (i, weight) in weights.iter_mut().enumerate() {
                    if !(0..self.input as i64).contains(&(first + i as i64)) {
                        *weight = 0.0;
                    }
                }
                let sum: f64 = weights.iter().sum();
                if sum == 0.0 {
                    return Err(nothing_left());
                }
                weights.iter_mut().for_each(|weight| *weight /= sum);
            }
            words.push(first as i32 as u32);
            words.extend(weights.iter().map(|&weight| (weight as f32).to_bits()));
        }
        Ok((count, words))
    }

    fn check(&self, words: usize) -> Result<()> {
        // Positions are 32-bit numbers with sign, and a clamp adds a tap's.
        if self.output.saturating_mul(words) > MOST_WORDS || self.input > 1 << 30 {
            return Err(Error::limit(format!("an axis of {} resized to {}", self.input, self.output)));
        }
        let farthest = [0, self.output - 1].map(|at| self.source(at).unwrap_or(0.0).abs());
        if farthest.iter().any(|far| !(0.0..f64::from(1 << 30)).contains(far)) {
            return Err(Error::shape(format!("an axis of {} resized by {}", self.input, self.scale)));
        }
        Ok(())
    }
}

fn nothing_left() -> Error {
    Error::unsupported("exclude_outside where all that an element is made of lies outside")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(transform: Transform, input: usize, output: usize) -> Line {
        Line { transform, input, output, scale: output as f64 / input as f64, roi: [0.0, 1.0] }
    }

    #[test]
    fn nearest_elements_follow_the_standard() {
        let half = line(Transform::HalfPixel, 2, 3);
        assert_eq!(half.nearest(Nearest::RoundPreferFloor, false).unwrap(), [0, 0, 1]);
        assert_eq!(half.nearest(Nearest::RoundPreferCeil, false).unwrap(), [0, 1, 1]);
        let thirds = line(Transform::Asymmetric, 4, 3);
        assert_eq!(thirds.nearest(Nearest::Floor, false).unwrap(), [0, 1, 2]);
        assert_eq!(thirds.nearest(Nearest::Simple, false).unwrap(), [0, 2, 3]);
        let crop = Line { roi: [0.5, 1.5], ..line(Transform::TfCropAndResize, 3, 3) };
        assert_eq!(crop.nearest(Nearest::Ceil, false).unwrap(), [1, 2, EXTRAPOLATED]);
        assert!(half.nearest(Nearest::Floor, true).is_err());
    }

    #[test]
    fn weights_add_up_to_one() {
        for filter in [Filter::Linear, Filter::Cubic(-0.75), Filter::Cubic(-0.5)] {
            for (input, output) in [(4, 9), (9, 4), (7, 1), (5, 5)] {
                for exclude in [false, true] {
                    let line = line(Transform::HalfPixel, input, output);
                    let (count, words) = line.taps(filter, true, exclude).unwrap();
                    assert_eq!(words.len(), output * (count + 1));
                    for row in words.chunks(count + 1) {
                        let sum: f32 = row[1..].iter().map(|&word| f32::from_bits(word)).sum();
                        assert!((sum - 1.0).abs() < 1e-6, "{filter:?} {input} {output} {sum}");
                    }
                }
            }
        }
    }

    #[test]
    fn tables_have_a_limit() {
        let tiny = Line { scale: 1e-30, ..line(Transform::HalfPixel, 4, 1) };
        assert!(tiny.taps(Filter::Linear, true, false).is_err());
        assert!(tiny.taps(Filter::Linear, false, false).is_err());
        assert!(line(Transform::HalfPixel, 1, usize::MAX).nearest(Nearest::Floor, false).is_err());
    }
}
