//! Shape rules that many operators share.

use crate::error::{Error, Result};

/// The shape that all of these broadcast to, by ONNX's multidirectional rule.
///
/// # Errors
/// `Shape` if they do not broadcast.
pub fn broadcast_shapes<'a>(shapes: impl IntoIterator<Item = &'a [usize]>) -> Result<Vec<usize>> {
    let mut out: Vec<usize> = Vec::new();
    for shape in shapes {
        if shape.len() > out.len() {
            out.splice(0..0, std::iter::repeat_n(1, shape.len() - out.len()));
        }
        let lead = out.len() - shape.len();
        for (to, &size) in out[lead..].iter_mut().zip(shape) {
            match (*to, size) {
                (a, b) if a == b => {}
                (1, b) => *to = b,
                (_, 1) => {}
                (a, b) => return Err(Error::shape(format!("dimensions {a} and {b} do not broadcast"))),
            }
        }
    }
    Ok(out)
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
            assert_eq!(broadcast_shapes(shapes.iter().copied()).ok().as_deref(), want, "{shapes:?}");
        }
        assert_eq!(axis_indices(&[-1, 0], 3).unwrap(), [0, 2]);
        assert!(axis_indices(&[0, -3], 3).is_err());
        assert!(axis_index(i64::MIN, 3).is_err());
        assert!(axis_index(0, 0).is_err());
    }
}
