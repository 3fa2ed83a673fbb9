//! Strided windows of buffers.

use crate::error::{Error, Result};
use crate::size::{Size, checked_len};
use crate::tensor::DType;

use super::BufferId;
use super::storage::Storage;

/// A strided window of a buffer, in elements as they lie there.
#[derive(Clone, Debug)]
pub struct View {
    /// The buffer.
    pub buffer: BufferId,
    /// Element type.
    pub dtype: DType,
    /// How the elements lie.
    pub storage: Storage,
    /// First element.
    pub offset: Size,
    /// Shape.
    pub shape: Vec<Size>,
    /// Elements from one index to the next, per dimension; 0 broadcasts.
    pub strides: Vec<Size>,
}

/// The row-major strides of a shape.
pub fn row_major(shape: &[Size]) -> Vec<Size> {
    let mut strides = vec![Size::ONE; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

impl View {
    /// The whole of a buffer, row-major, a word an element: what kernels compute with.
    pub fn row_major(buffer: BufferId, dtype: DType, shape: &[Size]) -> View {
        let storage = Storage::Word;
        View { buffer, dtype, storage, offset: Size::ZERO, shape: shape.to_vec(), strides: row_major(shape) }
    }

    /// The whole of a buffer, row-major, as tensors of that type come and go.
    pub fn at_rest(buffer: BufferId, dtype: DType, shape: &[Size]) -> View {
        View { storage: Storage::of(dtype), ..View::row_major(buffer, dtype, shape) }
    }

    /// Bytes of the elements, each once.
    pub fn bytes(&self) -> Size {
        self.storage.bytes(self.len())
    }

    /// Number of elements.
    pub fn len(&self) -> Size {
        checked_len(&self.shape).expect("shapes of views are checked")
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len().is_zero()
    }

    /// Whether the elements lie in row-major order without gaps (from any offset).
    pub fn is_row_major(&self) -> bool {
        let expected = row_major(&self.shape);
        self.is_empty()
            || self.shape.iter().zip(&self.strides).zip(&expected).all(|((&size, &is), &want)| is == want || size == 1)
    }

    /// The bytes of the buffer from the first element to the last, from and to; more than the elements' where they lie apart.
    pub fn extent(&self) -> (Size, Size) {
        let storage = self.storage;
        let last: Size = self.shape.iter().zip(&self.strides).map(|(&size, &stride)| (size - 1) * stride).sum();
        (storage.byte_of(self.offset), storage.bytes(self.offset + last + 1))
    }

    /// The same elements broadcast to `shape`, by ONNX's rule.
    ///
    /// # Errors
    /// `Shape` if they do not broadcast.
    pub fn broadcast(&self, shape: &[Size]) -> Result<View> {
        let wrong = || Error::shape(format!("shape {:?} does not broadcast to {shape:?}", self.shape));
        let lead = shape.len().checked_sub(self.shape.len()).ok_or_else(wrong)?;
        let mut strides = vec![Size::ZERO; shape.len()];
        for (axis, (&size, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            if size == shape[lead + axis] {
                strides[lead + axis] = if size == 1 { Size::ZERO } else { stride };
            } else if size != 1 {
                return Err(wrong());
            }
        }
        Ok(View { shape: shape.to_vec(), strides, ..self.clone() })
    }

    /// The same elements under another shape, where that needs no copy.
    pub fn reshaped(&self, shape: &[Size]) -> Option<View> {
        (checked_len(shape).is_some_and(|len| len == self.len()) && self.is_row_major()).then(|| View {
            shape: shape.to_vec(),
            strides: row_major(shape),
            ..self.clone()
        })
    }

    /// As [`View::reshaped`], wherever strides can say it: dimensions that lie as one may merge, and any may be split.
    pub fn regrouped(&self, shape: &[Size]) -> Option<View> {
        if let Some(view) = self.reshaped(shape) {
            return Some(view);
        }
        let moves =
            |shape: &[Size]| (0..shape.len()).filter(|&axis| shape[axis].known() != Some(1)).collect::<Vec<_>>();
        let (old, new) = (moves(&self.shape), moves(shape));
        let mut strides = vec![Size::ZERO; shape.len()];
        let (mut old, mut new) = (old.as_slice(), new.as_slice());
        // From the innermost outwards, the fewest dimensions at a time that hold as many elements in both shapes.
        while !old.is_empty() || !new.is_empty() {
            let (from, to) = group(&self.shape, old, shape, new)?;
            let merges =
                from.windows(2).all(|pair| self.strides[pair[0]].is_same(self.strides[pair[1]] * self.shape[pair[1]]));
            if !merges {
                return None;
            }
            let mut stride = self.strides[*from.last()?];
            for &axis in to.iter().rev() {
                strides[axis] = stride;
                stride *= shape[axis];
            }
            (old, new) = (&old[..old.len() - from.len()], &new[..new.len() - to.len()]);
        }
        Some(View { shape: shape.to_vec(), strides, ..self.clone() })
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

/// The fewest of the last axes of both shapes, at least one of each, that hold as many elements whatever the symbols are.
fn group<'a>(from: &[Size], old: &'a [usize], to: &[Size], new: &'a [usize]) -> Option<(&'a [usize], &'a [usize])> {
    for count in 2..=old.len() + new.len() {
        for first in 1..count {
            let Some(second) = (count - first <= new.len()).then_some(count - first) else { continue };
            if first > old.len() {
                break;
            }
            let (axes, others) = (&old[old.len() - first..], &new[new.len() - second..]);
            let sizes = |shape: &[Size], axes: &[usize]| axes.iter().map(|&axis| shape[axis]).collect::<Vec<_>>();
            if same_product(&sizes(from, axes), &sizes(to, others)) {
                return Some((axes, others));
            }
        }
    }
    None
}

/// Whether two lists have the same product whatever the symbols are; no guard.
fn same_product(a: &[Size], b: &[Size]) -> bool {
    let mut rest = b.to_vec();
    let mut left = Vec::new();
    for &size in a {
        match rest.iter().position(|other| other.is_same(size)) {
            Some(at) => drop(rest.swap_remove(at)),
            None => left.push(size),
        }
    }
    let (left, rest): (Size, Size) = (left.iter().product(), rest.iter().product());
    left.is_same(rest)
}

/// Merges neighbouring dimensions that every one of the stride lists runs through as one, and drops those of size 1.
/// Gives sizes and strides from the innermost dimension outwards; at least one dimension.
pub fn collapse(shape: &[Size], strides: &[&[Size]]) -> (Vec<Size>, Vec<Vec<Size>>) {
    let mut sizes: Vec<Size> = Vec::new();
    let mut merged: Vec<Vec<Size>> = vec![Vec::new(); strides.len()];
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
        sizes.push(Size::ONE);
        merged.iter_mut().for_each(|to| to.push(Size::ZERO));
    }
    (sizes, merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::{Program, pins, sizes, trace};

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
        for (shape, strides, wanted, merged) in cases {
            let strides: Vec<Vec<Size>> = strides.iter().map(|list| sizes(list)).collect();
            let strides: Vec<&[Size]> = strides.iter().map(Vec::as_slice).collect();
            let (got_sizes, got) = collapse(&sizes(shape), &strides);
            assert_eq!(got_sizes, wanted);
            assert_eq!(got, merged);
        }
    }

    #[test]
    fn strided_views_regroup_where_strides_can_say_it() {
        // Shape, strides, other shape and its strides.
        let cases: [(Sizes, Sizes, Sizes, Option<Sizes>); 8] = [
            // A slice of columns split into heads, and back.
            (&[2, 5, 12], &[180, 36, 1], &[2, 5, 3, 4], Some(&[180, 36, 4, 1])),
            (&[2, 5, 3, 4], &[180, 36, 4, 1], &[10, 12], Some(&[36, 1])),
            // Heads outside of rows do not merge with them.
            (&[2, 3, 5, 4], &[180, 4, 36, 1], &[6, 5, 4], None),
            (&[1, 3, 5, 4], &[180, 4, 36, 1], &[3, 5, 4], Some(&[4, 36, 1])),
            (&[3, 5, 4], &[4, 36, 1], &[3, 1, 5, 2, 2], Some(&[4, 0, 36, 2, 1])),
            // Broadcast dimensions split, and merge among themselves.
            (&[2, 6, 4], &[4, 0, 1], &[2, 2, 3, 4], Some(&[4, 0, 0, 1])),
            (&[2, 3, 4], &[4, 0, 1], &[6, 4], None),
            (&[4, 6], &[12, 1], &[3, 8], None),
        ];
        for (shape, strides, other, wanted) in cases {
            let view = View::row_major(BufferId(0), DType::F32, &sizes(shape));
            let view = View { offset: Size::from(7), strides: sizes(strides), ..view };
            let got = view.regrouped(&sizes(other));
            assert_eq!(
                got.as_ref().map(|view| pins(&view.strides)),
                wanted.map(<[usize]>::to_vec),
                "{shape:?} as {other:?}"
            );
            assert!(got.is_none_or(|view| view.shape == sizes(other) && view.offset == 7));
        }
    }

    #[test]
    fn regrouping_serves_other_sizes() {
        let ((), trace) = trace(&[3, 7], |symbols| {
            let &[batch, rows] = symbols else { panic!("two symbols") };
            let (three, four) = (Size::from(3), Size::from(4));
            let whole = View::row_major(BufferId(0), DType::F32, &[batch, rows, Size::from(36)]);
            let part = View { offset: Size::from(12), shape: vec![batch, rows, Size::from(12)], ..whole };
            let heads = part.regrouped(&[batch, rows, three, four]).unwrap();
            assert_eq!(heads.regrouped(&[batch * rows, Size::from(12)]).unwrap().strides[0].known(), Some(36));
        });
        assert_eq!(Program::new(trace).objection(&[5, 11]), None);
    }

    #[test]
    fn broadcasting_follows_onnx() {
        let view = View::row_major(BufferId(0), DType::F32, &sizes(&[3, 1]));
        assert_eq!(view.broadcast(&sizes(&[2, 3, 4])).unwrap().strides, [0, 1, 0]);
        assert!(view.broadcast(&sizes(&[2, 2, 4])).is_err());
        assert!(view.broadcast(&sizes(&[4])).is_err());
        assert!(View::row_major(BufferId(0), DType::F32, &sizes(&[1])).broadcast(&sizes(&[0])).unwrap().is_empty());
        assert!(view.permuted(&[1, 0]).is_row_major());
    }
}
