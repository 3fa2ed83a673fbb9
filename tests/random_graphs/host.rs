//! A plain interpreter: what operators compute, an element at a time, in f64.

use fascine::tensor::{DType, Tensor};

/// A tensor on the host, and how far the device's may be from it.
#[derive(Clone, Debug)]
pub struct Value {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
    /// The most that an element may be wrong by when each operator rounds to f32; 0 if none can be.
    pub error: f64,
}

/// A few units of the last place of f32, for an operator's own rounding.
pub const EPSILON: f64 = 4.8e-7;

impl Value {
    pub fn new(dtype: DType, shape: &[usize], data: Vec<f64>) -> Value {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        Value { dtype, shape: shape.to_vec(), data, error: 0.0 }
    }

    pub fn with_error(mut self, error: f64) -> Value {
        self.error = error;
        self
    }

    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    pub fn most(&self) -> f64 {
        self.data.iter().fold(0.0, |most, x| most.max(x.abs()))
    }

    /// Whether every element is an integer that f32 holds.
    pub fn is_whole(&self) -> bool {
        self.data.iter().all(|x| x.fract() == 0.0 && x.abs() < f64::from(1 << 23))
    }

    pub fn tensor(&self) -> Tensor {
        let (shape, data) = (self.shape.clone(), &self.data);
        match self.dtype {
            DType::F32 => Tensor::new(shape, data.iter().map(|&x| x as f32).collect::<Vec<f32>>()),
            DType::Bf16 => Tensor::new(shape, data.iter().map(|&x| half::bf16::from_f32(x as f32)).collect::<Vec<_>>()),
            DType::F16 => Tensor::new(shape, data.iter().map(|&x| half::f16::from_f32(x as f32)).collect::<Vec<_>>()),
            DType::I8 => Tensor::new(shape, data.iter().map(|&x| x as i8).collect::<Vec<i8>>()),
            DType::I32 => Tensor::new(shape, data.iter().map(|&x| x as i32).collect::<Vec<i32>>()),
            DType::I64 => Tensor::new(shape, data.iter().map(|&x| x as i64).collect::<Vec<i64>>()),
            DType::U8 => Tensor::new(shape, data.iter().map(|&x| x as u8).collect::<Vec<u8>>()),
            DType::Bool => Tensor::new(shape, data.iter().map(|&x| x != 0.0).collect::<Vec<bool>>()),
            other => panic!("no values of {other}"),
        }
        .expect("the data fills its shape")
    }

    /// The value whose element at an index is `at(index)`.
    pub fn of(dtype: DType, shape: &[usize], mut at: impl FnMut(&[usize]) -> f64) -> Value {
        let data = indices(shape).map(|index| at(&index)).collect();
        Value::new(dtype, shape, data)
    }

    pub fn get(&self, index: &[usize]) -> f64 {
        self.data[offset(&self.shape, index)]
    }

    pub fn map(&self, f: impl Fn(f64) -> f64) -> Value {
        Value { data: self.data.iter().map(|&x| f(x)).collect(), ..self.clone() }
    }

    /// The element that stands at `index` of a larger shape when this is broadcast to it.
    fn broadcast(&self, index: &[usize]) -> f64 {
        let skip = index.len() - self.rank();
        let own: Vec<usize> =
            index[skip..].iter().zip(&self.shape).map(|(&i, &d)| if d == 1 { 0 } else { i }).collect();
        self.get(&own)
    }
}

/// The indices of a shape, the last dimension fastest.
pub fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    (0..shape.iter().product::<usize>()).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for (at, &size) in index.iter_mut().zip(&shape).rev() {
            *at = flat % size;
            flat /= size;
        }
        index
    })
}

pub fn offset(shape: &[usize], index: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |at, (&i, &size)| at * size + i)
}

/// The shape that two shapes broadcast to.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (dim(a, i), dim(b, i)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            _ => None,
        })
        .collect()
}

/// An element of each, at every place of the shape that all broadcast to.
pub fn zip(dtype: DType, inputs: &[&Value], f: impl Fn(&[f64]) -> f64) -> Option<Value> {
    let mut shape = Vec::new();
    for input in inputs {
        shape = broadcast(&shape, &input.shape)?;
    }
    Some(Value::of(dtype, &shape, |index| f(&inputs.iter().map(|x| x.broadcast(index)).collect::<Vec<f64>>())))
}

/// The elements along `axes` of each kept index, given to `f`.
pub fn reduce(x: &Value, dtype: DType, axes: &[usize], keep: bool, f: impl Fn(&[f64]) -> f64) -> Value {
    let kept: Vec<usize> = (0..x.rank()).map(|i| if axes.contains(&i) { 1 } else { x.shape[i] }).collect();
    let run: Vec<usize> = (0..x.rank()).map(|i| if axes.contains(&i) { x.shape[i] } else { 1 }).collect();
    let reduced = Value::of(dtype, &kept, |base| {
        let row: Vec<f64> = indices(&run)
            .map(|step| x.get(&base.iter().zip(&step).map(|(a, b)| a + b).collect::<Vec<usize>>()))
            .collect();
        f(&row)
    });
    let shape: Vec<usize> = (0..x.rank()).filter(|i| keep || !axes.contains(i)).map(|i| kept[i]).collect();
    Value::new(dtype, &shape, reduced.data)
}

/// Each row along an axis, replaced by `f` of it.
pub fn rows(x: &Value, axis: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Value {
    let mut result = x.clone();
    let base: Vec<usize> = (0..x.rank()).map(|i| if i == axis { 1 } else { x.shape[i] }).collect();
    for index in indices(&base) {
        let at = |k: usize| {
            let mut index = index.clone();
            index[axis] = k;
            offset(&x.shape, &index)
        };
        let row: Vec<f64> = (0..x.shape[axis]).map(|k| x.data[at(k)]).collect();
        f(&row).into_iter().enumerate().for_each(|(k, y)| result.data[at(k)] = y);
    }
    result
}

/// Matrices in the last two dimensions, the others broadcast.
pub fn matmul(a: &Value, b: &Value) -> Option<Value> {
    let [.., m, k] = a.shape[..] else { return None };
    let [.., inner, n] = b.shape[..] else { return None };
    let mut shape = broadcast(&a.shape[..a.rank() - 2], &b.shape[..b.rank() - 2])?;
    if inner != k {
        return None;
    }
    shape.extend([m, n]);
    Some(Value::of(DType::F32, &shape, |index| {
        let (batch, &[row, column]) = index.split_at(index.len() - 2) else { return 0.0 };
        let at = |x: &Value, i: usize, j: usize| x.broadcast(&[batch, &[i, j]].concat());
        (0..k).map(|step| at(a, row, step) * at(b, step, column)).sum()
    }))
}

/// A window along rows and columns of an image.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Before rows and columns, then after them.
    pub pads: [usize; 4],
}

impl Window {
    pub fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let along = |i: usize| {
            let reach = (self.kernel[i] - 1) * self.dilation[i] + 1;
            let padded = size[i] + self.pads[i] + self.pads[i + 2];
            Some(padded.checked_sub(reach)? / self.stride[i] + 1)
        };
        Some([along(0)?, along(1)?])
    }

    /// The kernel's elements that lie within an image of `size` for the output at `out`, with where they lie.
    pub fn taps(self, size: [usize; 2], out: [usize; 2]) -> impl Iterator<Item = ([usize; 2], [usize; 2])> {
        indices(&self.kernel).filter_map(move |k| {
            let along = |i: usize| {
                let at = out[i] * self.stride[i] + k[i] * self.dilation[i];
                at.checked_sub(self.pads[i]).filter(|&at| at < size[i])
            };
            Some(([k[0], k[1]], [along(0)?, along(1)?]))
        })
    }
}

/// Images `[n, c, h, w]` with weights `[m, c / groups, kh, kw]` and a bias for each of the `m` channels.
pub fn conv(x: &Value, w: &Value, bias: &Value, window: Window, groups: usize) -> Option<Value> {
    let (size, (own, made)) = ([x.shape[2], x.shape[3]], (w.shape[1], w.shape[0] / groups));
    let out = window.output(size)?;
    Some(Value::of(DType::F32, &[x.shape[0], w.shape[0], out[0], out[1]], |index| {
        let &[n, m, row, column] = index else { return 0.0 };
        let mut sum = bias.data[m];
        for c in 0..own {
            for (k, at) in window.taps(size, [row, column]) {
                sum += w.get(&[m, c, k[0], k[1]]) * x.get(&[n, m / made * own + c, at[0], at[1]]);
            }
        }
        sum
    }))
}

/// The elements under each window, given to `f`.
pub fn pool(x: &Value, window: Window, f: impl Fn(&[f64]) -> f64) -> Option<Value> {
    let size = [x.shape[2], x.shape[3]];
    let out = window.output(size)?;
    Some(Value::of(DType::F32, &[x.shape[0], x.shape[1], out[0], out[1]], |index| {
        let &[n, c, row, column] = index else { return 0.0 };
        let under: Vec<f64> = window.taps(size, [row, column]).map(|(_, at)| x.get(&[n, c, at[0], at[1]])).collect();
        f(&under)
    }))
}

/// The elements at `from(index)` for each index of a shape.
pub fn moved(x: &Value, shape: &[usize], from: impl Fn(&[usize]) -> Vec<usize>) -> Value {
    Value::of(x.dtype, shape, |index| x.get(&from(index))).with_error(x.error)
}
