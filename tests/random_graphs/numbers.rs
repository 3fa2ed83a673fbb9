//! Operators that compute.

use fascine::graph::Attr;
use fascine::tensor::DType;

use super::generate::{Family, Generator, Known, rounding};
use super::host::{self, Value, Window};

pub const FAMILIES: &[Family] = &[
    unary, unary, binary, binary, binary, integers, compare, logic, select, cast, round, reduce, arg, softmax, matmul,
    gemm, conv, pool, layer_norm, clip, cumulative,
];

/// Applied to each element; the second number is the most that a difference grows.
type Unary = (&'static str, fn(f64) -> f64, f64);

const UNARY: [Unary; 12] = [
    ("Relu", |x| x.max(0.0), 1.0),
    ("Neg", |x| -x, 1.0),
    ("Abs", f64::abs, 1.0),
    ("Tanh", f64::tanh, 1.0),
    ("Sigmoid", |x| 1.0 / (1.0 + (-x).exp()), 1.0),
    ("LeakyRelu", |x| if x < 0.0 { 0.01 * x } else { x }, 1.0),
    ("HardSigmoid", |x| (0.2 * x + 0.5).clamp(0.0, 1.0), 1.0),
    ("HardSwish", |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0), 2.0),
    ("Softplus", |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), 1.0),
    ("Elu", |x| if x < 0.0 { x.exp_m1() } else { x }, 1.0),
    ("Sin", f64::sin, 1.0),
    ("Atan", f64::atan, 1.0),
];

/// Those that jump: only of what nothing has rounded.
const STEPS: [Unary; 3] =
    [("Floor", f64::floor, 0.0), ("Sign", |x| if x == 0.0 { 0.0 } else { x.signum() }, 0.0), ("Ceil", f64::ceil, 0.0)];

fn unary(g: &mut Generator) -> Option<()> {
    let x = g.any_or_new(DType::F32, 0..=5)?;
    let exact = x.value.error == 0.0;
    let (op, f, grows) = if exact && g.dice().chance(20) { g.dice().pick(&STEPS)? } else { g.dice().pick(&UNARY)? };
    let value = rounding(x.value.map(f), x.value.error * grows, 4);
    g.node(op, &[x.id], &[], value)
}

/// A value that broadcasts with `x`.
fn beside(g: &mut Generator, x: &Value) -> Option<Known> {
    if g.dice().chance(60)
        && let Some(other) = g.any(|y| y.dtype == x.dtype && host::broadcast(&x.shape, &y.shape).is_some())
    {
        return Some(other);
    }
    let skip = g.dice().below(x.rank() + 1);
    let shape: Vec<usize> = x.shape[skip..].iter().map(|&size| if g.dice().chance(30) { 1 } else { size }).collect();
    Some(g.given(x.dtype, &shape))
}

fn binary(g: &mut Generator) -> Option<()> {
    let a = g.any_or_new(DType::F32, 0..=5)?;
    let b = beside(g, &a.value)?;
    let (a, b) = if g.dice().chance(50) { (a, b) } else { (b, a) };
    let (x, y) = (&a.value, &b.value);
    let sum = x.error + y.error;
    let product = x.error * (y.most() + y.error) + y.error * x.most();
    let least = y.data.iter().fold(f64::INFINITY, |least, v| least.min(v.abs())) - y.error;
    let quotient = (x.error + y.error * x.most() / least) / least;
    type Binary = (&'static str, fn(&[f64]) -> f64, f64);
    let choices: [Binary; 6] = [
        ("Add", |v| v[0] + v[1], sum),
        ("Sub", |v| v[0] - v[1], sum),
        ("Mul", |v| v[0] * v[1], product),
        ("Max", |v| v[0].max(v[1]), sum),
        ("Min", |v| v[0].min(v[1]), sum),
        ("Div", |v| v[0] / v[1], quotient),
    ];
    let (op, f, error) = g.dice().pick(&choices)?;
    if op == "Div" && least < 0.25 {
        return None;
    }
    let value = rounding(host::zip(DType::F32, &[x, y], f)?, error, 2);
    g.node(op, &[a.id, b.id], &[], value)
}

fn integers(g: &mut Generator) -> Option<()> {
    let dtype = if g.dice().chance(50) { DType::I32 } else { DType::I64 };
    let a = g.any_or_new(dtype, 0..=4)?;
    let b = beside(g, &a.value)?;
    let choices: [(&'static str, fn(&[f64]) -> f64); 5] = [
        ("Add", |v| v[0] + v[1]),
        ("Sub", |v| v[0] - v[1]),
        ("Mul", |v| v[0] * v[1]),
        ("Max", |v| v[0].max(v[1])),
        ("Min", |v| v[0].min(v[1])),
    ];
    let (op, f) = g.dice().pick(&choices)?;
    let value = host::zip(dtype, &[&a.value, &b.value], f)?;
    g.node(op, &[a.id, b.id], &[], value)
}

fn compare(g: &mut Generator) -> Option<()> {
    let a = g.any(|x| x.error == 0.0 && matches!(x.dtype, DType::F32 | DType::I32 | DType::I64))?;
    let b = beside(g, &a.value).filter(|b| b.value.error == 0.0)?;
    let choices: [(&'static str, fn(&[f64]) -> f64); 4] = [
        ("Less", |v| f64::from(u8::from(v[0] < v[1]))),
        ("Greater", |v| f64::from(u8::from(v[0] > v[1]))),
        ("Equal", |v| f64::from(u8::from(v[0] == v[1]))),
        ("LessOrEqual", |v| f64::from(u8::from(v[0] <= v[1]))),
    ];
    let (op, f) = g.dice().pick(&choices)?;
    let value = host::zip(DType::Bool, &[&a.value, &b.value], f)?;
    g.node(op, &[a.id, b.id], &[], value)
}

fn logic(g: &mut Generator) -> Option<()> {
    let a = g.any_or_new(DType::Bool, 0..=4)?;
    if g.dice().chance(30) {
        let value = a.value.map(|x| 1.0 - x);
        return g.node("Not", &[a.id], &[], value);
    }
    let b = beside(g, &a.value)?;
    let choices: [(&'static str, fn(&[f64]) -> f64); 3] =
        [("And", |v| v[0] * v[1]), ("Or", |v| v[0].max(v[1])), ("Xor", |v| (v[0] - v[1]).abs())];
    let (op, f) = g.dice().pick(&choices)?;
    let value = host::zip(DType::Bool, &[&a.value, &b.value], f)?;
    g.node(op, &[a.id, b.id], &[], value)
}

fn select(g: &mut Generator) -> Option<()> {
    let a = g.any(|x| matches!(x.dtype, DType::F32 | DType::I32 | DType::I64 | DType::U8))?;
    let b = beside(g, &a.value)?;
    let skip = g.dice().below(a.value.rank() + 1);
    let which = g.given(DType::Bool, &a.value.shape[skip..]);
    let value =
        host::zip(a.value.dtype, &[&which.value, &a.value, &b.value], |v| if v[0] != 0.0 { v[1] } else { v[2] })?;
    let error = a.value.error.max(b.value.error);
    g.node("Where", &[which.id, a.id, b.id], &[], value.with_error(error))
}

fn cast(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.error == 0.0 && x.is_whole() && x.most() < 256.0)?;
    let choices =
        [(1, DType::F32), (6, DType::I32), (7, DType::I64), (9, DType::Bool), (2, DType::U8), (16, DType::Bf16)];
    let (code, to) = g.dice().pick(&choices)?;
    if to == DType::U8 && x.value.data.iter().any(|&v| v < 0.0) {
        return None;
    }
    let value = x.value.map(|v| if to == DType::Bool { f64::from(u8::from(v != 0.0)) } else { v });
    g.node("Cast", &[x.id], &[("to", Attr::Int(code))], Value { dtype: to, ..value })
}

/// To bf16 and back.
fn round(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32)?;
    let value = x.value.map(|v| half::bf16::from_f32(v as f32).into());
    let error = if x.value.error == 0.0 { 0.0 } else { x.value.error + x.value.most() / 128.0 };
    let value = value.with_error(error);
    g.node("Cast", &[x.id], &[("to", Attr::Int(16))], Value { dtype: DType::Bf16, ..value.clone() })?;
    let rounded = g.last()?;
    g.node("Cast", &[rounded], &[("to", Attr::Int(1))], value)
}

fn clip(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| matches!(x.dtype, DType::F32 | DType::I32))?;
    let bound = |number: f64| Value::new(x.value.dtype, &[], vec![number]);
    let (least, most) = (g.constant(bound(-1.0)), g.constant(bound(2.0)));
    let value = x.value.map(|v| v.clamp(-1.0, 2.0));
    g.node("Clip", &[x.id, least.id, most.id], &[], value)
}

fn reduce(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| matches!(x.dtype, DType::F32 | DType::I32) && x.rank() > 0)?;
    let (axes, keep) = (g.dice().part(x.value.rank()), g.dice().chance(50));
    let axes = if axes.is_empty() { vec![x.value.rank() - 1] } else { axes };
    let count: usize = axes.iter().map(|&axis| x.value.shape[axis]).product();
    let many = count as f64;
    type Reduce = (&'static str, fn(&[f64]) -> f64, f64);
    let choices: [Reduce; 7] = [
        ("ReduceSum", |v| v.iter().sum(), many),
        ("ReduceMax", |v| v.iter().copied().fold(f64::NEG_INFINITY, f64::max), 1.0),
        ("ReduceMin", |v| v.iter().copied().fold(f64::INFINITY, f64::min), 1.0),
        ("ReduceL1", |v| v.iter().map(|x| x.abs()).sum(), many),
        ("ReduceSumSquare", |v| v.iter().map(|x| x * x).sum(), 2.0 * many * (x.value.most() + x.value.error)),
        ("ReduceMean", |v| v.iter().sum::<f64>() / v.len() as f64, 1.0),
        (
            "ReduceLogSumExp",
            |v| {
                let top = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                top + v.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
            },
            1.0,
        ),
    ];
    let whole = if x.value.dtype == DType::F32 { choices.len() } else { 5 };
    let (op, f, grows) = g.dice().pick(&choices[..whole])?;
    let reduced = host::reduce(&x.value, x.value.dtype, &axes, keep, f);
    // The terms may be much larger than their sum.
    let own =
        if x.value.error == 0.0 && reduced.is_whole() { 0.0 } else { many * x.value.most() * super::host::EPSILON };
    let value = rounding(reduced, x.value.error * grows + own, 4);
    let signed: Vec<i64> =
        axes.iter().map(|&a| if g.dice().chance(30) { a as i64 - x.value.rank() as i64 } else { a as i64 }).collect();
    let list = g.ints(signed);
    g.node(op, &[x.id, list], &[("keepdims", Attr::Int(keep.into()))], value)
}

fn arg(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.error == 0.0 && matches!(x.dtype, DType::F32 | DType::I32) && x.rank() > 0)?;
    let (axis, last) = (g.dice().below(x.value.rank()), g.dice().chance(50));
    let value = host::reduce(&x.value, DType::I64, &[axis], true, |row| {
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let at = if last { row.iter().rposition(|&v| v == top) } else { row.iter().position(|&v| v == top) };
        at.unwrap_or(0) as f64
    });
    let attrs = [("axis", Attr::Int(axis as i64)), ("select_last_index", Attr::Int(last.into()))];
    g.node("ArgMax", &[x.id], &attrs, value)
}

fn softmax(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.rank() > 0 && x.most() < 50.0)?;
    let axis = g.dice().below(x.value.rank());
    let log = g.dice().chance(30);
    let value = host::rows(&x.value, axis, |row| {
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
        row.iter().map(|v| if log { v - top - sum.ln() } else { (v - top).exp() / sum }).collect()
    });
    let value = rounding(value.with_error(0.0), 2.0 * x.value.error, 16);
    g.node(if log { "LogSoftmax" } else { "Softmax" }, &[x.id], &[("axis", Attr::Int(axis as i64))], value)
}

/// The error of sums of `k` products.
fn products(x: &Value, y: &Value, k: usize) -> f64 {
    let k = k as f64;
    let exact = x.error == 0.0 && y.error == 0.0 && x.is_whole() && y.is_whole();
    let own = if exact { 0.0 } else { k * x.most() * y.most() * super::host::EPSILON };
    k * (x.error * (y.most() + y.error) + y.error * x.most()) + own
}

fn matmul(g: &mut Generator) -> Option<()> {
    let a = g.any_or_new(DType::F32, 2..=4)?;
    let (k, n) = (a.value.shape[a.value.rank() - 1], g.shape(1)[0]);
    let mut shape = if g.dice().chance(50) { Vec::new() } else { a.value.shape[..a.value.rank() - 2].to_vec() };
    shape.extend([k, n]);
    let b = g.given(DType::F32, &shape);
    let value = host::matmul(&a.value, &b.value)?;
    let value = rounding(value, products(&a.value, &b.value, k), 1);
    g.node("MatMul", &[a.id, b.id], &[], value)
}

fn gemm(g: &mut Generator) -> Option<()> {
    let a = g.any_or_new(DType::F32, 2..=2)?;
    let (left, right) = (g.dice().chance(50), g.dice().chance(50));
    let turned = |x: &Value| Value::of(DType::F32, &[x.shape[1], x.shape[0]], |i| x.get(&[i[1], i[0]]));
    let x = if left { turned(&a.value) } else { a.value.clone() };
    let (k, n) = (x.shape[1], g.shape(1)[0]);
    let b = g.given(DType::F32, &if right { [n, k] } else { [k, n] });
    let y = if right { turned(&b.value) } else { b.value.clone() };
    let c = g.given(DType::F32, &[n]);
    let product = host::matmul(&x, &y)?;
    let value = host::zip(DType::F32, &[&product, &c.value], |v| 0.5 * v[0] + 2.0 * v[1])?;
    let value = rounding(value, products(&a.value, &b.value, k), 2);
    let attrs = [
        ("transA", Attr::Int(left.into())),
        ("transB", Attr::Int(right.into())),
        ("alpha", Attr::Float(0.5)),
        ("beta", Attr::Float(2.0)),
    ];
    g.node("Gemm", &[a.id, b.id, c.id], &attrs, value)
}

fn window(g: &mut Generator) -> Window {
    let mut two = |least: usize, more: usize| [least + g.dice().below(more), least + g.dice().below(more)];
    let (kernel, stride, dilation, before, after) = (two(1, 3), two(1, 2), two(1, 2), two(0, 2), two(0, 2));
    // A window over padding alone has no elements.
    let clip = |pad: usize, i: usize| pad.min(kernel[i] - 1);
    let pads = [clip(before[0], 0), clip(before[1], 1), clip(after[0], 0), clip(after[1], 1)];
    Window { kernel, stride, dilation, pads }
}

fn window_attrs(window: &Window) -> Vec<(&'static str, Attr)> {
    let list = |numbers: &[usize]| Attr::Ints(numbers.iter().map(|&n| n as i64).collect());
    vec![
        ("kernel_shape", list(&window.kernel)),
        ("strides", list(&window.stride)),
        ("dilations", list(&window.dilation)),
        ("pads", list(&window.pads)),
    ]
}

fn conv(g: &mut Generator) -> Option<()> {
    let x = g.any_or_new(DType::F32, 4..=4)?;
    let channels = x.value.shape[1];
    let groups = if g.dice().chance(30) { channels } else { 1 };
    let made = groups * (1 + g.dice().below(3));
    let window = window(g);
    let w = g.numbers(DType::F32, &[made, channels / groups, window.kernel[0], window.kernel[1]]);
    let (w, bias) = (g.constant(w), g.numbers(DType::F32, &[made]));
    let bias = g.constant(bias);
    let terms = w.value.data.len() / made;
    let value = host::conv(&x.value, &w.value, &bias.value, window, groups)?;
    let value = rounding(value, products(&x.value, &w.value, terms), 1);
    let mut attrs = window_attrs(&window);
    attrs.push(("group", Attr::Int(groups as i64)));
    g.node("Conv", &[x.id, w.id, bias.id], &attrs, value)
}

fn pool(g: &mut Generator) -> Option<()> {
    let x = g.any_or_new(DType::F32, 4..=4)?;
    let window = window(g);
    let (size, out) = ([x.value.shape[2], x.value.shape[3]], window.output([x.value.shape[2], x.value.shape[3]])?);
    // With dilation a window can still miss the image.
    if host::indices(&out).any(|at| window.taps(size, [at[0], at[1]]).next().is_none()) {
        return None;
    }
    let attrs = window_attrs(&window);
    if g.dice().chance(50) {
        let value = host::pool(&x.value, window, |v| v.iter().copied().fold(f64::NEG_INFINITY, f64::max))?;
        return g.node("MaxPool", &[x.id], &attrs, value.with_error(x.value.error));
    }
    let value = host::pool(&x.value, window, |v| v.iter().sum::<f64>() / v.len() as f64)?;
    let own = 9.0 * super::host::EPSILON * x.value.most();
    g.node("AveragePool", &[x.id], &attrs, rounding(value, x.value.error + own, 4))
}

fn layer_norm(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| x.dtype == DType::F32 && x.rank() > 0 && x.shape[x.rank() - 1] > 1)?;
    let last = x.value.shape[x.value.rank() - 1];
    let deviation = |row: &[f64]| {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        (mean, (row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / row.len() as f64 + 1e-5).sqrt())
    };
    let least = host::reduce(&x.value, DType::F32, &[x.value.rank() - 1], true, |row| deviation(row).1);
    let least = least.data.into_iter().fold(f64::INFINITY, f64::min);
    // Of a row that is nearly constant nothing but rounding is left.
    if least < 0.1 * x.value.most().max(0.1) {
        return None;
    }
    let scale = g.given(DType::F32, &[last]);
    let normal = host::rows(&x.value, x.value.rank() - 1, |row| {
        let (mean, deviation) = deviation(row);
        row.iter().map(|v| (v - mean) / deviation).collect()
    });
    let value = host::zip(DType::F32, &[&normal, &scale.value], |v| v[0] * v[1])?;
    let grows = 4.0 * scale.value.most() / least * (last as f64).sqrt();
    let inherited = x.value.error * grows + scale.value.error * normal.most();
    let own = super::host::EPSILON * x.value.most() * grows;
    g.node("LayerNormalization", &[x.id, scale.id], &[("axis", Attr::Int(-1))], rounding(value, inherited + own, 16))
}

fn cumulative(g: &mut Generator) -> Option<()> {
    let x = g.any(|x| matches!(x.dtype, DType::F32 | DType::I32) && x.rank() > 0)?;
    let axis = g.dice().below(x.value.rank());
    let (exclusive, reverse) = (g.dice().chance(50), g.dice().chance(50));
    let value = host::rows(&x.value, axis, |row| {
        let mut sums = vec![0.0; row.len()];
        let mut sum = 0.0;
        for step in 0..row.len() {
            let at = if reverse { row.len() - 1 - step } else { step };
            sums[at] = if exclusive { sum } else { sum + row[at] };
            sum += row[at];
        }
        sums
    });
    let many = x.value.shape[axis] as f64;
    let own = if x.value.error == 0.0 && value.is_whole() { 0.0 } else { many * super::host::EPSILON * x.value.most() };
    let value = rounding(value.with_error(0.0), x.value.error * many + own, 1);
    let at = g.constant(Value::new(DType::I64, &[], vec![axis as f64]));
    let attrs = [("exclusive", Attr::Int(exclusive.into())), ("reverse", Attr::Int(reverse.into()))];
    g.node("CumSum", &[x.id, at.id], &attrs, value)
}
