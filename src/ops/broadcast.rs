//! Shape rules that many operators share.

use crate::error::{Error, Result};
use crate::size::{self, Size, presumed};

/// The shape that all of these broadcast to, by ONNX's multidirectional rule.
///
/// # Errors
/// `Shape` if they do not broadcast.
pub fn broadcast_shapes<'a>(shapes: impl IntoIterator<Item = &'a [Size]>) -> Result<Vec<Size>> {
    let mut out: Vec<Size> = Vec::new();
    for shape in shapes {
        if shape.len() > out.len() {
            out.splice(0..0, std::iter::repeat_n(Size::ONE, shape.len() - out.len()));
        }
        let lead = out.len() - shape.len();
        for (to, &size) in out[lead..].iter_mut().zip(shape) {
            *to = size::broadcast(*to, size)
                .ok_or_else(|| Error::shape(format!("dimensions {to} and {size} do not broadcast")))?;
        }
    }
    Ok(out)
}

/// Whether a shape broadcasts to `wanted`, by ONNX's unidirectional rule.
pub fn broadcasts_to(shape: &[Size], wanted: &[Size]) -> bool {
    let fits = |(&size, &wanted): (&Size, &Size)| {
        size.is_same(wanted) || size.known() == Some(1) || presumed(|| size == wanted || size == 1)
    };
    shape.len() <= wanted.len() && shape.iter().rev().zip(wanted.iter().rev()).all(fits)
}

/// A possibly negative axis as an index.
///
/// # Errors
/// `Shape` if it is out of range.
pub fn axis_index(axis: i64, rank: usize) -> Result<usize> {
    let signed = rank as i64;
    if (-signed..signed).contains(&axis) {
        Ok(if axis < 0 { axis + signed } else { axis } as usize)
    } else {
        Err(Error::shape(format!("axis {axis} is out of range for {rank} dimensions")))
    }
}

/// Possibly negative axes as sorted indices.
///
/// # Errors
/// `Shape` if one is out of range or given twice.
pub fn axis_indices(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut indices = axes.iter().map(|&axis| axis_index(axis, rank)).collect::<Result<Vec<usize>>>()?;
    indices.sort_unstable();
    match indices.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::shape(format!("axis {} is given twice", pair[0]))),
        None => Ok(indices),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::{estimates, sizes};

    /// Shapes, and what they broadcast to.
    type Case = (&'static [&'static [usize]], Option<&'static [usize]>);

    #[test]
    fn shapes_broadcast_as_onnx_says() {
        let cases: [Case; 6] = [
            (&[&[2, 1], &[3]], Some(&[2, 3])),
            (&[&[], &[4]], Some(&[4])),
            (&[&[1], &[0]], Some(&[0])),
            (&[&[2], &[0]], None),
            (&[&[2, 3], &[3, 1]], None),
            (&[&[5], &[2, 1, 1], &[4, 1]], Some(&[2, 4, 5])),
        ];
        for (shapes, want) in cases {
            let sized: Vec<Vec<Size>> = shapes.iter().map(|shape| sizes(shape)).collect();
            let got = broadcast_shapes(sized.iter().map(Vec::as_slice)).ok().map(|shape| estimates(&shape));
            assert_eq!(got.as_deref(), want, "{shapes:?}");
        }
        assert_eq!(axis_indices(&[-1, 0], 3).unwrap(), [0, 2]);
        assert!(axis_indices(&[0, -3], 3).is_err());
        assert!(axis_index(i64::MIN, 3).is_err());
        assert!(axis_index(0, 0).is_err());
    }
}
