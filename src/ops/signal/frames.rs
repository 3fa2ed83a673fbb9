//! <https://onnx.ai/onnx/operators/onnx__STFT.html>: transforms of frames that overlap.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering};
use crate::ops::{Operator, check_arity, given, one_float};
use crate::size::{Size, agree, determined, presumed};
use crate::tensor::DType;

use super::dft::is_complex;
use super::transform::{Direction, Transform};
use super::{integer, optional_integer};

/// Inputs, in another order than ONNX's (`optimise/expand/signal.rs`): signal `[batch, length, 1 or 2]` (f32 or f16), window
/// (may be left out), frame step, frame length (may be left out). Frames are as long as a [`Dft`](super::dft::Dft) may be.
#[derive(Debug)]
pub(super) struct Stft {
    onesided: bool,
}

impl Stft {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=4, 1..=1)?;
        Ok(Stft { onesided: node.int("onesided", 1)? != 0 })
    }

    /// Frame step and length.
    fn frame(inputs: &[Option<&Fact>]) -> Result<(Size, Size)> {
        let signal = &given(inputs, 0)?.shape;
        if signal.len() != 3 {
            return Err(Error::shape(format!("a signal of shape {signal:?}")));
        }
        let window = inputs.get(1).copied().flatten().map(|fact| &fact.shape);
        let step = integer(inputs, 2)?;
        let length = match (optional_integer(inputs, 3)?, window.map(|shape| shape.as_slice())) {
            (Some(length), _) => length,
            (None, Some(&[length])) => length,
            (None, _) => signal[1],
        };
        if window.is_some_and(|window| !agree(window, &[length])) {
            return Err(Error::shape(format!("a window of shape {window:?} for frames of {length}")));
        }
        if !presumed(|| step > Size::ZERO && length > Size::ZERO && length <= signal[1]) {
            return Err(Error::shape(format!("frames of {length} every {step} in a signal of {}", signal[1])));
        }
        Ok((step, length))
    }

    fn frames(signal: &[Size], (step, length): (Size, Size)) -> Size {
        (signal[1] - length) / step + 1
    }

    fn bins(&self, length: Size) -> Size {
        if self.onesided { length / 2 + 1 } else { length }
    }
}

impl Operator for Stft {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        2..4
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(&inputs[..2])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (step, length) = Stft::frame(inputs)?;
        let signal = &given(inputs, 0)?.shape;
        if !presumed(|| is_complex(signal).is_ok_and(|pairs| !(self.onesided && pairs))) {
            return Err(Error::shape(format!("a signal of shape {signal:?} for a one-sided transform, or no signal")));
        }
        let frames = determined(|| Ok::<_, Error>(Stft::frames(signal, (step, length))))?;
        Ok(vec![vec![signal[0], frames, self.bins(length), Size::number(2)]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let (step, length) = Stft::frame(&cx.facts())?;
        let signal = cx.contiguous(0)?;
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let window = if cx.input(1).is_some() { Some(cx.contiguous(1)?.buffer) } else { None };
        let shape = &signal.shape;
        let transform = Transform {
            direction: Direction::Forward,
            is_complex: is_complex(shape)?,
            length,
            taken: length,
            bins: self.bins(length),
            entries: shape[0],
            frames: Stft::frames(shape, (step, length)),
            inner: Size::ONE,
            entry_stride: shape[1] * shape[2],
            frame_stride: step * shape[2],
            sample_stride: shape[2],
        };
        transform.emit(cx, signal.buffer, window, output.buffer)
    }
}
