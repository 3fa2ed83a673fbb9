//! A model under construction, and what families of them are made of.

use fascine::Tensor;
use fascine::graph::{Attr, ValueId, builder::GraphBuilder};
use fascine::tensor::TensorData;

use super::random::Random;

/// A model under construction, with the tensors for its inputs.
pub(super) struct Case<'a> {
    pub(super) random: &'a mut Random,
    pub(super) b: GraphBuilder,
    pub(super) inputs: Vec<(String, Tensor)>,
    /// Whether indices should lie outside, if the family has some.
    pub(super) outside: bool,
    /// Whether some do, so that the request must fail.
    pub(super) refused: bool,
}

impl Case<'_> {
    pub(super) fn size(&mut self, most: u32) -> usize {
        self.random.range(1, most) as usize
    }

    /// An attribute that is 0 or 1.
    pub(super) fn flag(&mut self) -> bool {
        self.random.range(0, 1) == 1
    }

    /// Mostly plain numbers; sometimes what no kernel expects.
    pub(super) fn floats(&mut self, len: usize) -> Vec<f32> {
        const ODD: [f32; 6] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MAX, 1e-30];
        let odd = self.random.range(0, 4) == 0;
        (0..len)
            .map(|_| match self.random.range(0, 30) {
                at @ 0..6 if odd => ODD[at as usize],
                _ => self.random.float(),
            })
            .collect()
    }

    pub(super) fn feed(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("input{}", self.inputs.len());
        let dims: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
        let id = self.b.input(&name, tensor.dtype(), dims.iter().map(String::as_str));
        self.inputs.push((name, tensor));
        id
    }

    /// An f32 input of that shape: as it is, or as a transposed or cut view of a larger one.
    pub(super) fn input(&mut self, shape: &[usize]) -> ValueId {
        let rank = shape.len();
        match self.random.range(0, 3) {
            0 if rank >= 2 => {
                let mut perm: Vec<usize> = (0..rank).collect();
                self.random.shuffle(&mut perm);
                let mut source = vec![0; rank];
                perm.iter().enumerate().for_each(|(to, &from)| source[from] = shape[to]);
                let x = self.tensor(&source);
                self.b.node("Transpose", [x], [("perm", Attr::Ints(perm.iter().map(|&p| p as i64).collect()))])
            }
            1 => {
                let larger: Vec<usize> = shape.iter().map(|&size| size + self.random.range(0, 3) as usize).collect();
                let x = self.tensor(&larger);
                // Negative axes, and starts counted from the end.
                let starts = self.b.ints(shape.iter().map(|&size| -(size as i64)).collect::<Vec<_>>());
                let ends = self.b.ints(vec![i64::MAX; rank]);
                let axes = self.b.ints((0..rank).map(|axis| axis as i64 - rank as i64).collect::<Vec<_>>());
                self.b.node("Slice", [x, starts, ends, axes], [])
            }
            _ => self.tensor(shape),
        }
    }

    pub(super) fn tensor(&mut self, shape: &[usize]) -> ValueId {
        let data = self.floats(shape.iter().product());
        self.feed(Tensor::new(shape, data).unwrap())
    }

    pub(super) fn weight(&mut self, shape: &[usize]) -> ValueId {
        let data = self.floats(shape.iter().product());
        self.b.floats(shape, data)
    }

    pub(super) fn integers(&mut self, shape: &[usize], least: i64, most: i64) -> ValueId {
        let span = (most - least) as u32;
        let data = (0..shape.iter().product()).map(|_| least + i64::from(self.random.range(0, span))).collect();
        self.feed(Tensor::from_data(shape, TensorData::I64(data)).unwrap())
    }

    pub(super) fn shape(&mut self, rank: usize, most: u32) -> Vec<usize> {
        (0..rank).map(|_| self.size(most)).collect()
    }

    /// An axis of so many, perhaps counted from the end.
    pub(super) fn axis(&mut self, rank: usize) -> i64 {
        self.random.range(0, 2 * rank as u32 - 1) as i64 - rank as i64
    }

    pub(super) fn one<const N: usize>(&mut self, op: &str, x: ValueId, attrs: [(&str, Attr); N]) -> Vec<ValueId> {
        vec![self.b.node(op, [x], attrs)]
    }
}

pub(super) fn ints(data: impl IntoIterator<Item = usize>) -> Attr {
    Attr::Ints(data.into_iter().map(|value| value as i64).collect())
}

pub(super) type Family = (&'static str, fn(&mut Case<'_>) -> Vec<ValueId>);
