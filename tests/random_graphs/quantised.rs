//! Operators on quantised tensors, and half precision. Scales are powers of two, so that what is quantised is told exactly.

use fascine::graph::Attr;
use fascine::tensor::DType;

use super::generate::{Family, Generator, Known, rounding};
use super::host::{self, Value, Window};

pub const FAMILIES: &[Family] = &[
    quantise,
    dequantise,
    by_range,
    integer_product,
    integer_conv,
    dequantised_product,
    dequantised_conv,
    packed_weights,
    half,
];

fn limits(dtype: DType) -> [f64; 2] {
    if dtype == DType::U8 { [0.0, 255.0] } else { [-128.0, 127.0] }
}

fn byte(g: &mut Generator) -> DType {
    if g.dice().chance(50) { DType::U8 } else { DType::I8 }
}

/// A power of two, or one for each of so many.
fn scales(g: &mut Generator, shape: &[usize]) -> Known {
    let len: usize = shape.iter().product();
    let data = (0..len).map(|_| [0.125, 0.25, 0.5][g.dice().below(3)]).collect();
    g.constant(Value::new(DType::F32, shape, data))
}

/// Bytes of that type and shape, a constant.
fn bytes(g: &mut Generator, dtype: DType, shape: &[usize]) -> Known {
    let [low, _] = limits(dtype);
    let len: usize = shape.iter().product();
    let data = (0..len).map(|_| low + g.dice().below(256) as f64).collect();
    g.constant(Value::new(dtype, shape, data))
}

fn quantised(x: f64, scale: f64, zero: f64, dtype: DType) -> f64 {
    let [low, high] = limits(dtype);
    ((x / scale).round_ties_even() + zero).clamp(low, high)
}

/// `x` quantised by one scale and zero point: the bytes, the scale and the zero point.
fn quantise_one(g: &mut Generator, x: &Known) -> Option<[Known; 3]> {
    let dtype = byte(g);
    let (scale, zero) = (scales(g, &[]), bytes(g, dtype, &[]));
    let (s, z) = (scale.value.data[0], zero.value.data[0]);
    let value = Value { dtype, ..x.value.map(|v| quantised(v, s, z, dtype)) };
    g.node("QuantizeLinear", &[x.id, scale.id, zero.id], &[], value)?;
    Some([g.newest()?, scale, zero])
}

fn quantise(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.error == 0.0)?;
    quantise_one(g, &x).map(|_| ())
}

fn dequantised(g: &mut Generator, x: &Known, scale: &Known, zero: &Known, axis: usize) -> Option<Known> {
    let own = |parameter: &Value, index: &[usize]| parameter.data[if parameter.rank() == 0 { 0 } else { index[axis] }];
    let value = Value::of(DType::F32, &x.value.shape, |index| {
        (x.value.get(index) - own(&zero.value, index)) * own(&scale.value, index)
    });
    let attrs = [("axis", Attr::Int(axis as i64))];
    g.node("DequantizeLinear", &[x.id, scale.id, zero.id], &attrs, value)?;
    g.newest()
}

fn dequantise(g: &mut Generator) -> Option<()> {
    let dtype = byte(g);
    let x = g.any_or_new(dtype, 1..=4)?;
    let axis = g.dice().below(x.value.rank());
    let per = if g.dice().chance(50) { vec![x.value.shape[axis]] } else { Vec::new() };
    let (scale, zero) = (scales(g, &per), bytes(g, dtype, &per));
    dequantised(g, &x, &scale, &zero, axis).map(|_| ())
}

/// DynamicQuantizeLinear of what lies far from where rounding turns.
fn by_range(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.error == 0.0 && !x.data.is_empty())?;
    let high = x.value.data.iter().fold(0.0f64, |a, &b| a.max(b));
    let low = x.value.data.iter().fold(0.0f64, |a, &b| a.min(b));
    let scale = if high == low { 1.0 } else { (high - low) / 255.0 };
    let sure = |quotient: f64| (quotient.fract().abs() - 0.5).abs() > 1e-3;
    let zero = -low / scale;
    if !sure(zero) || !x.value.data.iter().all(|v| sure(v / scale)) {
        return None;
    }
    let zero = zero.round();
    let value = x.value.map(|v| quantised(v, scale, zero, DType::U8));
    let one = |dtype, number| Value::new(dtype, &[], vec![number]);
    let values =
        vec![Value { dtype: DType::U8, ..value }, rounding(one(DType::F32, scale), 0.0, 2), one(DType::U8, zero)];
    g.nodes("DynamicQuantizeLinear", &[x.id], &[], values)
}

fn less(x: &Value, zero: &Value) -> Value {
    x.map(|v| v - zero.data[0])
}

fn integer_product(g: &mut Generator) -> Option<()> {
    let left = byte(g);
    let a = g.any_or_new(left, 2..=4)?;
    let (depth, columns, right) = (*a.value.shape.last()?, 1 + g.dice().below(40), byte(g));
    let b = bytes(g, right, &[depth, columns]);
    let (a_zero, b_zero) = (bytes(g, left, &[]), bytes(g, right, &[]));
    let value = host::matmul(&less(&a.value, &a_zero.value), &less(&b.value, &b_zero.value))?;
    let value = Value { dtype: DType::I32, ..value };
    g.node("MatMulInteger", &[a.id, b.id, a_zero.id, b_zero.id], &[], value.clone())?;
    if g.dice().chance(50) {
        return Some(());
    }
    // As f32, by a scale for each column.
    let sums = g.newest()?;
    g.node("Cast", &[sums.id], &[("to", Attr::Int(1))], Value { dtype: DType::F32, ..value })?;
    let (sums, scale) = (g.newest()?, scales(g, &[columns]));
    let value = host::zip(DType::F32, &[&sums.value, &scale.value], |v| v[0] * v[1])?;
    g.node("Mul", &[sums.id, scale.id], &[], rounding(value, 0.0, 1))
}

fn window(g: &mut Generator) -> (Window, Vec<(&'static str, Attr)>) {
    let (kernel, stride) = ([1 + 2 * g.dice().below(2), 1 + 2 * g.dice().below(2)], 1 + g.dice().below(2));
    let pads = [kernel[0] / 2, kernel[1] / 2, kernel[0] / 2, kernel[1] / 2];
    let ints = |list: &[usize]| Attr::Ints(list.iter().map(|&v| v as i64).collect());
    let attrs = vec![("strides", ints(&[stride; 2])), ("pads", ints(&pads))];
    (Window { kernel, stride: [stride; 2], dilation: [1; 2], pads }, attrs)
}

/// Weights for the channels of an image.
fn channels(g: &mut Generator, x: &Value, window: Window, dtype: DType) -> Known {
    let out = 1 + g.dice().below(36);
    bytes(g, dtype, &[out, x.shape[1], window.kernel[0], window.kernel[1]])
}

fn integer_conv(g: &mut Generator) -> Option<()> {
    let dtype = byte(g);
    let x = g.any_or_new(dtype, 4..=4)?;
    let (window, attrs) = window(g);
    let w = channels(g, &x.value, window, DType::I8);
    let zero = bytes(g, dtype, &[]);
    let none = Value::new(DType::F32, &[w.value.shape[0]], vec![0.0; w.value.shape[0]]);
    let value = host::conv(&less(&x.value, &zero.value), &w.value, &none, window, 1)?;
    g.node("ConvInteger", &[x.id, w.id, zero.id], &attrs, Value { dtype: DType::I32, ..value })
}

/// A product of what was quantised and dequantised with constants that are dequantised.
fn dequantised_product(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.error == 0.0 && x.rank() > 1)?;
    let [q, scale, zero] = quantise_one(g, &x)?;
    let a = dequantised(g, &q, &scale, &zero, 0)?;
    let (depth, columns, dtype) = (*x.value.shape.last()?, 1 + g.dice().below(40), byte(g));
    let (w, own, none) = (bytes(g, dtype, &[depth, columns]), scales(g, &[columns]), bytes(g, dtype, &[columns]));
    let b = dequantised(g, &w, &own, &none, 1)?;
    let product = rounding(host::matmul(&a.value, &b.value)?, 0.0, depth);
    g.node("MatMul", &[a.id, b.id], &[], product.clone())?;
    let y = g.newest()?;
    let bias = g.numbers(DType::F32, &[columns]);
    let bias = g.constant(bias);
    let sum = host::zip(DType::F32, &[&product, &bias.value], |v| v[0] + v[1])?;
    g.node("Add", &[y.id, bias.id], &[], rounding(sum, product.error, 1))
}

fn dequantised_conv(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.error == 0.0 && x.rank() == 4)?;
    let [q, scale, zero] = quantise_one(g, &x)?;
    let a = dequantised(g, &q, &scale, &zero, 0)?;
    let (window, attrs) = window(g);
    let w = channels(g, &x.value, window, DType::I8);
    let out = w.value.shape[0];
    let (own, none) = (scales(g, &[out]), g.constant(Value::new(DType::I8, &[out], vec![0.0; out])));
    let b = dequantised(g, &w, &own, &none, 0)?;
    let bias = g.numbers(DType::F32, &[out]);
    let bias = g.constant(bias);
    let value = host::conv(&a.value, &b.value, &bias.value, window, 1)?;
    let terms = w.value.data.len() / out + 1;
    g.node("Conv", &[a.id, b.id, bias.id], &attrs, rounding(value, 0.0, terms))
}

/// A product with more constants than are dequantised at load, by column or in blocks of 32 bits.
fn packed_weights(g: &mut Generator) -> Option<()> {
    let (rows, depth, columns) = (1 + g.dice().below(20), 32 + 4 * g.dice().below(3), 33 + g.dice().below(8));
    let x = g.given(DType::F32, &[rows, depth]);
    let dtype = byte(g);
    let w = bytes(g, dtype, &[depth, columns]);
    let (scale, zero) = (scales(g, &[columns]), bytes(g, dtype, &[columns]));
    let b = dequantised(g, &w, &scale, &zero, 1)?;
    let value = host::matmul(&x.value, &b.value)?;
    // The terms may be much larger than their sums.
    let most = depth as f64 * x.value.most() * b.value.most();
    let error = rounding(value.clone(), 0.0, depth).error.max(super::host::EPSILON * most);
    g.node("MatMul", &[x.id, b.id], &[], value.with_error(error))
}

/// To f16 and back.
fn half(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.most() < 6e4)?;
    let value = x.value.map(|v| half::f16::from_f32(v as f32).into());
    let error = if x.value.error == 0.0 { 0.0 } else { x.value.error + x.value.most() / 1024.0 };
    let value = value.with_error(error);
    g.node("Cast", &[x.id], &[("to", Attr::Int(10))], Value { dtype: DType::F16, ..value.clone() })?;
    let rounded = g.newest()?;
    g.node("Cast", &[rounded.id], &[("to", Attr::Int(1))], value)
}
