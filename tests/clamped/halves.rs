//! Products, convolutions and recurrent operators of half precision, whose weights lie two a word.

use super::{Attr, Case, DType, Family, Tensor, TensorData, ValueId, ints};

/// Numbers as f16 or bf16 has them.
fn halves(shape: &[usize], data: Vec<f32>, dtype: DType) -> Tensor {
    let data = match dtype {
        DType::F16 => TensorData::F16(data.into_iter().map(half::f16::from_f32).collect()),
        _ => TensorData::Bf16(data.into_iter().map(half::bf16::from_f32).collect()),
    };
    Tensor::from_data(shape, data).unwrap()
}

fn input(c: &mut Case<'_>, shape: &[usize], dtype: DType) -> ValueId {
    let data = c.floats(shape.iter().product());
    c.feed(halves(shape, data, dtype))
}

/// Finite numbers, so that they are packed.
fn weight(c: &mut Case<'_>, shape: &[usize], dtype: DType) -> ValueId {
    let data = (0..shape.iter().product()).map(|_| c.random.range(0, 2_000) as f32 / 1_000.0 - 1.0).collect();
    c.b.constant(halves(shape, data, dtype))
}

fn dtype(c: &mut Case<'_>) -> DType {
    if c.flag() { DType::F16 } else { DType::Bf16 }
}

pub(super) const FAMILIES: &[Family] = &[
    ("products of halves", |c| {
        let dtype = dtype(c);
        let fours = if c.flag() { 4 } else { 1 };
        let [m, k, n] = [c.size(20), fours * c.size(30), fours * c.size(20)];
        let (x, w, bias) = (input(c, &[m, k], dtype), weight(c, &[k, n], dtype), weight(c, &[n], dtype));
        let y = c.b.node("MatMul", [x, w], []);
        let y = c.b.node("Add", [y, bias], []);
        vec![c.b.node("Relu", [y], [])]
    }),
    ("convolutions of halves", |c| {
        let dtype = dtype(c);
        let [groups, channels, out, kernel] = [c.size(3), c.size(3), c.size(9), c.size(3)];
        // A volume, an image or a line.
        let axes = c.size(3);
        let size: Vec<usize> = (0..axes).map(|_| kernel + c.size(5)).collect();
        let x = input(c, &[&[1, groups * channels][..], &size].concat(), dtype);
        let shape = [&[groups * out, channels][..], &vec![kernel; axes]].concat();
        let w = weight(c, &shape, dtype);
        let attrs = [("group", Attr::Int(groups as i64)), ("pads", ints(vec![1; 2 * axes]))];
        vec![c.b.node("Conv", [x, w], attrs)]
    }),
    ("recurrent of halves", |c| {
        let dtype = dtype(c);
        let [steps, batch, inputs, hidden] = [c.size(3), c.size(3), c.size(9), c.size(7)];
        let (op, gates) = [("LSTM", 4), ("GRU", 3)][usize::from(c.flag())];
        let x = input(c, &[steps, batch, inputs], dtype);
        let w = weight(c, &[1, gates * hidden, inputs], dtype);
        let r = weight(c, &[1, gates * hidden, hidden], dtype);
        vec![c.b.node(op, [x, w, r], [("hidden_size", Attr::Int(hidden as i64))])]
    }),
];
