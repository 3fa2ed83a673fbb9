//! Strided windows of buffers.

use crate::error::{Error, Result};
use crate::tensor::{DType, checked_len};

use super::BufferId;

/// A strided window of a buffer, in elements of the value's heap representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The buffer.
    pub buffer: BufferId,
    /// Element type.
    pub dtype: DType,
    /// First element.
    pub offset: usize,
    /// Shape.
    pub shape: Vec<usize>,
    /// Elements from one index to the next, per dimension; 0 broadcasts.
    pub strides: Vec<usize>,
}

/// The row-major strides of a shape.
pub fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

impl View {
    /// The whole of a buffer, row-major.
    pub fn row_major(buffer: BufferId, dtype: DType, shape: &[usize]) -> View {
        View { buffer, dtype, offset: 0, shape: shape.to_vec(), strides: row_major(shape) }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        checked_len(&self.shape).expect("shapes of views are checked")
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the elements lie in row-major order without gaps (from any offset).
    pub fn is_row_major(&self) -> bool {
        let expected = row_major(&self.shape);
        self.is_empty()
            || self.shape.iter().zip(&self.strides).zip(&expected).all(|((&size, &is), &want)| size == 1 || is == want)
    }

    /// The same elements broadcast to `shape`, by ONNX's rule.
    ///
    /// # Errors
    /// `Shape` if they do not broadcast.
    pub fn broadcast(&self, shape: &[usize]) -> Result<View> {
        let wrong = || Error::shape(format!("shape {:?} does not broadcast to {shape:?}", self.shape));
        let lead = shape.len().checked_sub(self.shape.len()).ok_or_else(wrong)?;
        let mut strides = vec![0; shape.len()];
        for (axis, (&size, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            match (size, shape[lead + axis]) {
                (is, want) if is == want => strides[lead + axis] = if is == 1 { 0 } else { stride },
                (1, _) => {}
                _ => return Err(wrong()),
            }
        }
        Ok(View { shape: shape.to_vec(), strides, ..self.clone() })
    }

    /// The same elements under another shape, where that needs no copy.
    pub fn reshaped(&self, shape: &[usize]) -> Option<View> {
        (checked_len(shape) == Some(self.len()) && self.is_row_major()).then(|| View {
            shape: shape.to_vec(),
            strides: row_major(shape),
            ..self.clone()
        })
    }

    /// The dimensions in another order.
    ///
    /// # Panics
    /// If `order` is no permutation of the axes.
    #[must_use]
    pub fn permuted(&self, order: &[usize]) -> View {
        View {
            shape: order.iter().map(|&axis| self.shape[axis]).collect(),
            strides: order.iter().map(|&axis| self.strides[axis]).collect(),
            ..self.clone()
        }
    }
}

/// Merges neighbouring dimensions that every one of the stride lists runs through as one, and drops those of size 1.
/// Gives sizes and strides from the innermost dimension outwards; at least one dimension.
pub fn collapse(shape: &[usize], strides: &[&[usize]]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut sizes: Vec<usize> = Vec::new();
    let mut merged: Vec<Vec<usize>> = vec![Vec::new(); strides.len()];
    for axis in (0..shape.len()).rev().filter(|&axis| shape[axis] != 1) {
        let joins = sizes.last().is_some_and(|&size| {
            strides.iter().zip(&merged).all(|(from, to)| to.last().is_some_and(|&inner| inner * size == from[axis]))
        });
        if joins {
            *sizes.last_mut().expect("it joins the last") *= shape[axis];
        } else {
            sizes.push(shape[axis]);
            for (from, to) in strides.iter().zip(&mut merged) {
                to.push(from[axis]);
            }
        }
    }
    if sizes.is_empty() {
        sizes.push(1);
        merged.iter_mut().for_each(|to| to.push(0));
    }
    (sizes, merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of sizes or strides.
    type Sizes = &'static [usize];

    #[test]
    fn neighbouring_dimensions_merge() {
        let cases: [(Sizes, &[Sizes], Sizes, &[Sizes]); 5] = [
            (&[2, 3, 4], &[&[12, 4, 1]], &[24], &[&[1]]),
            (&[2, 3, 4], &[&[12, 4, 1], &[0, 4, 1]], &[12, 2], &[&[1, 12], &[1, 0]]),
            (&[2, 1, 4], &[&[4, 9, 1]], &[8], &[&[1]]),
            (&[2, 3], &[&[1, 2]], &[3, 2], &[&[2, 1]]),
            (&[1, 1], &[&[7, 7]], &[1], &[&[0]]),
        ];
        for (shape, strides, sizes, merged) in cases {
            let (got_sizes, got) = collapse(shape, strides);
            assert_eq!(got_sizes, sizes);
            assert_eq!(got.iter().map(Vec::as_slice).collect::<Vec<_>>(), merged);
        }
    }

    #[test]
    fn broadcasting_follows_onnx() {
        let view = View::row_major(BufferId(0), DType::F32, &[3, 1]);
        assert_eq!(view.broadcast(&[2, 3, 4]).unwrap().strides, [0, 1, 0]);
        assert!(view.broadcast(&[2, 2, 4]).is_err());
        assert!(view.broadcast(&[4]).is_err());
        assert!(View::row_major(BufferId(0), DType::F32, &[1]).broadcast(&[0]).unwrap().is_empty());
        assert!(view.permuted(&[1, 0]).is_row_major());
    }
}
