//! Fourier transforms, and the windows and weights that go with them.

use crate::error::{Error, Result};
use crate::lower::Fact;
use crate::size::Size;

use super::{Entry, given, operator};

mod dft;
mod frames;
mod mel;
mod transform;
mod window;

use window::{Shape, Window};

pub(super) const OPERATORS: &[Entry] = &[
    ("", "BlackmanWindow", |node| operator(Window::parse(node, Shape::Blackman))),
    ("", "DFT", |node| operator(dft::Dft::parse(node))),
    ("", "HammingWindow", |node| operator(Window::parse(node, Shape::Hamming))),
    ("", "HannWindow", |node| operator(Window::parse(node, Shape::Hann))),
    ("", "MelWeightMatrix", |node| operator(mel::MelWeightMatrix::parse(node))),
    ("fascine", "STFT", |node| operator(frames::Stft::parse(node))),
];

/// The integer at input `i`, which the host must know.
///
/// # Errors
/// `InvalidModel` if it is left out or not one integer; `Unsupported` if only the device knows it.
fn integer(inputs: &[Option<&Fact>], i: usize) -> Result<Size> {
    let fact = given(inputs, i)?;
    match fact.integers().as_deref() {
        Some(&[only]) => Ok(only),
        None if fact.known.is_none() => Err(Error::unsupported(format!("only the device knows input {i}"))),
        _ => Err(Error::invalid_model(format!("input {i} is not one integer"))),
    }
}

/// As [`integer`], of an input that may be left out.
fn optional_integer(inputs: &[Option<&Fact>], i: usize) -> Result<Option<Size>> {
    match inputs.get(i).copied().flatten() {
        None => Ok(None),
        Some(_) => integer(inputs, i).map(Some),
    }
}
