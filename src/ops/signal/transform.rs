//! Lowering of discrete Fourier transforms: every bin by its sum, with phases that are exact multiples of a turn's `length`th
//! part. An element is off by a few units in the last place of the largest one times the square root of the length.

use std::f64::consts::TAU;

use crate::error::{Error, Result};
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Lowering, Work, bits, params};
use crate::size::Size;

/// The longest transform. A guess: its cost grows with the square of the length, and the longest takes seconds on a CPU adapter.
const LONGEST: usize = 1 << 16;

/// Which sums are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Inverse,
    /// Of the bins up to the middle of a spectrum whose signal is real; gives the signal.
    InverseReal,
}

/// Signals and their spectra. Distances are in elements of the input.
pub(super) struct Transform {
    pub(super) direction: Direction,
    /// Whether elements of the input are pairs.
    pub(super) is_complex: bool,
    pub(super) length: Size,
    /// Elements of a signal that there are; the rest are 0.
    pub(super) taken: Size,
    /// Bins that are computed.
    pub(super) bins: Size,
    /// Signals: entries, frames of each, and signals side by side.
    pub(super) entries: Size,
    pub(super) frames: Size,
    pub(super) inner: Size,
    pub(super) entry_stride: Size,
    pub(super) frame_stride: Size,
    pub(super) sample_stride: Size,
}

impl Transform {
    /// Emits it, from `signal` to `result`, `[entries, frames, bins, inner]` of pairs or, for a real signal, of numbers.
    pub(super) fn emit(
        &self,
        cx: &mut Lowering<'_>,
        signal: BufferId,
        window: Option<BufferId>,
        result: BufferId,
    ) -> Result<()> {
        let length = self.length.pin();
        if !(1..=LONGEST).contains(&length) {
            return Err(Error::unsupported(format!("a transform of length {length}; up to {LONGEST} are supported")));
        }
        let table = cx.constant_bytes(turns(length))?;
        let len = self.entries * self.frames * self.bins * self.inner;
        let factor = if self.direction == Direction::Forward { 1.0 } else { 1.0 / length as f32 };
        let numbers = [
            ("len", len),
            ("length", self.length),
            ("taken", self.taken),
            ("bins", self.bins),
            ("frames", self.frames),
            ("inner", self.inner),
            ("entry_stride", self.entry_stride),
            ("frame_stride", self.frame_stride),
            ("sample_stride", self.sample_stride),
            ("factor", bits(factor)),
        ];
        let pairs = if self.direction == Direction::InverseReal { 1 } else { 2 };
        let samples = self.entries * self.frames * self.inner * self.taken;
        cx.emit(Emit {
            kernel: "dft",
            constants: &[
                ("DIRECTION", f64::from(self.direction as u8)),
                ("COMPLEX", f64::from(u8::from(self.is_complex))),
                ("WINDOW", f64::from(u8::from(window.is_some()))),
            ],
            groups: item_groups(len),
            operands: &[signal, window.unwrap_or(signal), table, result],
            params: params("dft", &numbers, &[])?,
            cost: Work::of_words(len * self.taken * 6, samples * 2 + len * pairs),
        })
    }
}

/// Cosine and sine of each of `length` parts of a turn.
fn turns(length: usize) -> Vec<u8> {
    let of = |part: usize| {
        // By quarters of a turn, so that what is 0 or 1 comes out as that.
        let quarter = part * 4 / length;
        let angle = TAU * ((part * 4 - quarter * length) as f64 / (4 * length) as f64);
        let (cos, sin) = (angle.cos(), angle.sin());
        match quarter {
            0 => (cos, sin),
            1 => (-sin, cos),
            2 => (-cos, -sin),
            _ => (sin, -cos),
        }
    };
    let pairs = (0..length).map(of);
    pairs.flat_map(|(cos, sin)| [cos as f32, sin as f32]).flat_map(f32::to_ne_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::turns;

    #[test]
    fn the_quarters_of_a_turn_are_exact() {
        let table: Vec<f32> = turns(8).chunks(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap())).collect();
        let h = std::f32::consts::FRAC_1_SQRT_2;
        assert_eq!(table, [1.0, 0.0, h, h, 0.0, 1.0, -h, h, -1.0, 0.0, -h, -h, 0.0, -1.0, h, -h]);
    }
}
