//! Requests to one model joined into one along its batch axis, as Triton's dynamic batcher joins them.
//!
//! A model has one batch on the device at a time. While it is there, further requests queue; when it is back, or when the
//! oldest has waited for a window of time, or when the largest batch is full, they go.

use std::collections::VecDeque;

use fascine::error::{Error, ErrorKind, Result};
use fascine::graph::Dim;
use fascine::reference;
use fascine::runtime::Model;
use fascine::schedule::Nanos;
use fascine::tensor::{Tensor, TensorData};

use super::tenants::Tensors;

/// Batching may choose other kernels, and so other roundings: the rms of the differences over that of the output.
const TOLERANCE: f64 = 1e-4;

/// How requests are joined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Batching {
    /// How long a request may wait for others.
    pub(crate) window: Nanos,
    /// Requests of a batch.
    pub(crate) largest: usize,
}

/// The batch axis of each input and output, in graph order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BatchAxes {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

impl BatchAxes {
    /// The open dimension that every input and output has exactly once, if there is one.
    pub(crate) fn of(model: &Model) -> Option<Self> {
        let inputs: Vec<Vec<Dim>> = model.inputs().into_iter().map(|input| input.shape).collect();
        let outputs = model.outputs().into_iter().map(|output| output.shape).collect::<Option<Vec<Vec<Dim>>>>()?;
        Self::find(&inputs, &outputs)
    }

    fn find(inputs: &[Vec<Dim>], outputs: &[Vec<Dim>]) -> Option<Self> {
        let axis = |shape: &Vec<Dim>, dim: &Dim| {
            let mut at = shape.iter().enumerate().filter(|(_, other)| *other == dim).map(|(axis, _)| axis);
            at.next().filter(|_| at.next().is_none())
        };
        let symbols = inputs.first()?.iter().filter(|dim| matches!(dim, Dim::Symbol(_)));
        let axes = |dim| {
            let all = |shapes: &[Vec<Dim>]| shapes.iter().map(|shape| axis(shape, dim)).collect::<Option<Vec<usize>>>();
            Some(BatchAxes { inputs: all(inputs)?, outputs: all(outputs)? })
        };
        symbols.into_iter().find_map(axes)
    }

    /// The inputs of several requests as those of one.
    pub(crate) fn join(&self, members: &[&Tensors]) -> Result<Tensors> {
        let join = |(at, &axis): (usize, &usize)| {
            let parts: Vec<&Tensor> = members.iter().map(|inputs| &inputs[at].1).collect();
            Ok((members[0][at].0.clone(), concat(&parts, axis)?))
        };
        self.inputs.iter().enumerate().map(join).collect()
    }

    /// The outputs of `count` requests from those of one that they were joined to.
    pub(crate) fn split(&self, outputs: &[(&str, &Tensor)], count: usize) -> Result<Vec<Tensors>> {
        let mut members = vec![Tensors::with_capacity(outputs.len()); count];
        for (&(name, tensor), &axis) in outputs.iter().zip(&self.outputs) {
            for (member, part) in members.iter_mut().zip(parts(tensor, axis, count)?) {
                member.push((name.to_owned(), part));
            }
        }
        Ok(members)
    }
}

fn concat(parts: &[&Tensor], axis: usize) -> Result<Tensor> {
    let first = parts[0];
    let mut shape = first.shape().to_vec();
    shape[axis] = parts.iter().map(|part| part.shape()[axis]).sum();
    let outer: usize = first.shape()[..axis].iter().product();
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.bytes().len()).sum());
    for row in 0..outer {
        for part in parts {
            let stride = part.bytes().len() / outer.max(1);
            bytes.extend_from_slice(&part.bytes()[row * stride..(row + 1) * stride]);
        }
    }
    Tensor::from_data(shape, TensorData::from_le_bytes(first.dtype(), &bytes)?)
}

fn parts(tensor: &Tensor, axis: usize, count: usize) -> Result<Vec<Tensor>> {
    let mut shape = tensor.shape().to_vec();
    if !shape[axis].is_multiple_of(count) {
        let what = format!("an output of {shape:?} has no {count} parts along axis {axis}");
        return Err(Error::new(ErrorKind::Internal, what));
    }
    shape[axis] /= count;
    let outer: usize = shape[..axis].iter().product();
    let piece = tensor.bytes().len() / (outer * count).max(1);
    let part = |at: usize| {
        let rows = (0..outer).map(|row| &tensor.bytes()[(row * count + at) * piece..(row * count + at + 1) * piece]);
        let bytes: Vec<u8> = rows.flatten().copied().collect();
        Tensor::from_data(shape.clone(), TensorData::from_le_bytes(tensor.dtype(), &bytes)?)
    };
    (0..count).map(part).collect()
}

/// Whether outputs are the wanted ones but for rounding.
pub(crate) fn close(got: &Tensors, want: &Tensors) -> bool {
    got.iter().zip(want).all(|((_, got), (_, want))| {
        let (a, b) = (reference::values(got), reference::values(want));
        let rms = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
        let off = rms(&mut a.iter().zip(&b).map(|(a, b)| a - b));
        a.len() == b.len() && off <= TOLERANCE * rms(&mut b.iter().copied())
    })
}

/// Requests to one tenant that wait to be joined.
#[derive(Debug)]
pub(crate) struct Batcher<T> {
    queue: VecDeque<(Nanos, T)>,
    /// Whether a batch is on the device.
    pub(crate) busy: bool,
}

impl<T> Default for Batcher<T> {
    fn default() -> Self {
        Batcher { queue: VecDeque::new(), busy: false }
    }
}

impl<T> Batcher<T> {
    pub(crate) fn push(&mut self, now: Nanos, member: T) {
        self.queue.push_back((now, member));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// A batch that is due, and is on the device from now on.
    pub(crate) fn due(&mut self, now: Nanos, batching: Batching) -> Option<Vec<T>> {
        let Batching { largest, .. } = batching;
        if self.queue.len() < largest && self.next(batching).is_none_or(|at| at > now) || self.busy {
            return None;
        }
        self.busy = true;
        let count = self.queue.len().min(largest);
        Some(self.queue.drain(..count).map(|(_, member)| member).collect())
    }

    /// When the next batch is due, if nothing changes.
    pub(crate) fn next(&self, batching: Batching) -> Option<Nanos> {
        self.queue.front().filter(|_| !self.busy).map(|(at, _)| at.saturating_add(batching.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str) -> Dim {
        Dim::Symbol(name.into())
    }

    #[test]
    fn the_batch_axis_is_in_every_tensor_once() {
        let (b, s, two) = (|| symbol("b"), || symbol("s"), || Dim::Known(2));
        let find = |inputs: &[Vec<Dim>], outputs: &[Vec<Dim>]| BatchAxes::find(inputs, outputs);
        let inputs = [vec![s(), b()], vec![two(), b(), two()]];
        let axes = BatchAxes { inputs: vec![1, 1], outputs: vec![0] };
        assert_eq!(find(&inputs, &[vec![b(), two()]]), Some(axes));
        assert_eq!(find(&inputs, &[vec![s()]]), None, "an input lacks it");
        assert_eq!(find(&[vec![b(), b()]], &[vec![b()]]), None, "twice in one tensor");
        assert_eq!(find(&[vec![two()]], &[vec![two()]]), None);
    }

    #[test]
    fn what_is_joined_comes_apart_again() {
        let axes = BatchAxes { inputs: vec![1], outputs: vec![1] };
        let tensor = |from: i32, rows: usize| {
            Tensor::new([2, rows, 3], (from..from + 6 * rows as i32).collect::<Vec<i32>>()).unwrap()
        };
        let members = [vec![("x".to_owned(), tensor(0, 1))], vec![("x".to_owned(), tensor(100, 1))]];
        let joined = axes.join(&[&members[0], &members[1]]).unwrap();
        assert_eq!(joined[0].1.shape(), [2, 2, 3]);
        assert_eq!(joined[0].1.as_slice::<i32>().unwrap(), [0, 1, 2, 100, 101, 102, 3, 4, 5, 103, 104, 105]);
        assert!(axes.split(&[("x", &joined[0].1)], 2).unwrap() == members);
        assert!(axes.split(&[("x", &tensor(0, 3))], 2).is_err());
    }

    #[test]
    fn closeness_has_a_limit() {
        let tensor = |x: f32| vec![("y".to_owned(), Tensor::new([2], vec![3.0, x]).unwrap())];
        assert!(close(&tensor(4.0001), &tensor(4.0)));
        assert!(!close(&tensor(4.01), &tensor(4.0)));
        assert!(!close(&tensor(f32::NAN), &tensor(4.0)));
    }

    #[test]
    fn batches_go_when_full_or_old_and_one_at_a_time() {
        let batching = Batching { window: 10, largest: 2 };
        let mut batcher = Batcher::default();
        batcher.push(5, 'a');
        assert_eq!((batcher.due(14, batching), batcher.next(batching)), (None, Some(15)));
        assert_eq!(batcher.due(15, batching), Some(vec!['a']));
        for (at, member) in [(16, 'b'), (17, 'c'), (18, 'd')] {
            batcher.push(at, member);
        }
        assert_eq!((batcher.due(90, batching), batcher.next(batching)), (None, None), "one is on the device");
        batcher.busy = false;
        assert_eq!(batcher.due(19, batching), Some(vec!['b', 'c']), "full");
        batcher.busy = false;
        assert_eq!(batcher.due(19, batching), None);
        assert_eq!(batcher.due(28, batching), Some(vec!['d']), "old");
    }
}
