//! How exact the functions of `shaders/functions/` are: the device against 64-bit floats on the host, in units of the last
//! place, over random and hard arguments. `docs/numerics.md` has the table, which the test prints.
//!
//! WGSL lets a device flush denormals: where argument or result is one, 0 passes for it.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::common::direct::{direct, target};
use fascine::graph::Attr;
use fascine::graph::builder::GraphBuilder;
use fascine::lower::DeviceClass;
use fascine::lower::ModelWeights;
use fascine::plan::plan;
use fascine::tensor::{DType, Tensor, TensorData};
use half::{bf16, f16};

/// Where arguments are taken from.
enum Over {
    /// Any f32 at all.
    Bits,
    /// Between these.
    Between(f32, f32),
}

struct Case {
    op: &'static str,
    attrs: &'static [(&'static str, f32)],
    want: fn(f64) -> f64,
    over: Over,
    /// The most units of the last place that a result may be off.
    ulp: f64,
    /// What a result may be off whatever its size, for what is a difference of larger numbers.
    absolute: f64,
}

const fn case(op: &'static str, over: Over, ulp: f64, want: fn(f64) -> f64) -> Case {
    Case { op, attrs: &[], want, over, ulp, absolute: 0.0 }
}

fn cases() -> Vec<Case> {
    use Over::{Between, Bits};
    let near = |op, absolute, ulp, want| Case { absolute, ..case(op, Between(-12.0, 12.0), ulp, want) };
    vec![
        case("Exp", Bits, 2.0, f64::exp),
        case("Exp", Between(-88.0, 89.0), 2.0, f64::exp),
        case("Log", Bits, 2.0, f64::ln),
        case("Log", Between(0.5, 2.0), 2.0, f64::ln),
        case("Sqrt", Bits, 1.0, f64::sqrt),
        case("Reciprocal", Bits, 1.0, f64::recip),
        case("Sin", Bits, 2.0, f64::sin),
        case("Sin", Between(-1000.0, 1000.0), 2.0, f64::sin),
        case("Cos", Bits, 2.0, f64::cos),
        case("Cos", Between(-1000.0, 1000.0), 2.0, f64::cos),
        case("Tan", Bits, 4.0, f64::tan),
        case("Tan", Between(-1000.0, 1000.0), 4.0, f64::tan),
        case("Asin", Between(-1.0, 1.0), 4.0, f64::asin),
        case("Acos", Between(-1.0, 1.0), 4.0, f64::acos),
        case("Atan", Bits, 3.0, f64::atan),
        case("Atan", Between(-4.0, 4.0), 3.0, f64::atan),
        case("Sinh", Bits, 6.0, f64::sinh),
        case("Sinh", Between(-90.0, 90.0), 6.0, f64::sinh),
        case("Cosh", Between(-90.0, 90.0), 3.0, f64::cosh),
        case("Tanh", Bits, 3.0, f64::tanh),
        case("Tanh", Between(-12.0, 12.0), 3.0, f64::tanh),
        case("Asinh", Bits, 5.0, f64::asinh),
        case("Asinh", Between(-4.0, 4.0), 5.0, f64::asinh),
        case("Acosh", Between(1.0, 10.0), 5.0, f64::acosh),
        case("Acosh", Bits, 5.0, f64::acosh),
        case("Atanh", Between(-1.0, 1.0), 5.0, f64::atanh),
        case("Atanh", Bits, 5.0, f64::atanh),
        case("Erf", Bits, 3.0, erf),
        case("Erf", Between(-4.0, 4.0), 3.0, erf),
        case("Sigmoid", Between(-88.0, 88.0), 4.0, sigmoid),
        case("Softplus", Between(-88.0, 88.0), 4.0, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        case("Softsign", Bits, 2.0, |x| x / (1.0 + x.abs())),
        case("Elu", Between(-12.0, 12.0), 6.0, |x| if x < 0.0 { x.exp_m1() } else { x }),
        near("Gelu", 4e-7, 4.0, |x| 0.5 * x * (1.0 + erf(x * FRAC_1_SQRT_2))),
        Case {
            attrs: &[("tanh", 0.0)],
            ..near("Gelu", 1e-6, 4.0, |x| 0.5 * x * (1.0 + (FRAC_2_PI.sqrt() * (x + 0.044_715 * x * x * x)).tanh()))
        },
        near("Mish", 0.0, 8.0, |x| x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh()),
        near("HardSwish", 4e-7, 4.0, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
    ]
}

fn sigmoid(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// By its series, and from 2.5 on by the continued fraction of what is missing to 1.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    let scale = 2.0 / std::f64::consts::PI.sqrt();
    let y = if a.is_nan() {
        return a;
    } else if a < 2.5 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term.abs() > 1e-18 * sum {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
        }
        scale * sum
    } else if a < 7.0 {
        let fraction = (1..80).rev().fold(a, |tail, k| a + f64::from(k) / 2.0 / tail);
        1.0 - scale / 2.0 * (-a * a).exp() / fraction
    } else {
        1.0
    };
    y.copysign(x)
}

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn word(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.word() as f32 / u32::MAX as f32)
    }
}

/// Arguments at which reductions cancel, results overflow, vanish or change their way.
fn hard() -> Vec<f32> {
    let mut list = vec![0.0, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::NAN, 1e-8, 1e-4, 0.35, 0.4, 0.5, 0.625];
    list.extend([0.921_875, 1.0, 2.0, 4.0, 20.0, 88.722_83, 88.722_84, 89.0, 89.41, 89.42, 103.97, 104.1, 1e9, 1e8]);
    // Close to multiples of pi/2.
    list.extend([
        std::f32::consts::FRAC_PI_2,
        std::f32::consts::PI,
        355.0,
        710.0,
        16_367_173.0 * 4.0,
        5.372_186e8,
        1.717_987e10,
    ]);
    list.extend((1..200).map(|k| (f64::from(k) * std::f64::consts::FRAC_PI_2) as f32));
    list.extend((0..128).map(|e| f32::from_bits((e * 2 + 1) << 23)));
    let beside = |x: f32| [x, f32::from_bits(x.to_bits().saturating_sub(1)), f32::from_bits(x.to_bits() + 1)];
    list.into_iter().flat_map(beside).flat_map(|x| [x, -x]).collect()
}

/// Runs one elementwise node.
fn run(op: &str, inputs: &[Vec<f32>], attrs: &[(&str, Attr)]) -> Vec<f32> {
    let len = inputs[0].len();
    let mut b = GraphBuilder::new(20);
    let ids: Vec<_> =
        (0..inputs.len()).map(|k| b.input(&format!("x{k}"), DType::F32, [len.to_string().as_str()])).collect();
    let y = b.node(op, ids, attrs.iter().cloned());
    let graph = b.finish([y]);
    let weights = Arc::new(ModelWeights::new());
    let shapes = vec![vec![len]; inputs.len()];
    let plan = plan(&graph, &shapes, &weights, &target(DeviceClass::Gpu)).unwrap();
    let tensors: Vec<Tensor> = inputs.iter().map(|x| Tensor::new([len], x.clone()).unwrap()).collect();
    let outputs = direct().run(&plan, &weights, &tensors).unwrap();
    assert_eq!(outputs.len(), 1);
    outputs[0].as_slice::<f32>().unwrap().to_vec()
}

/// Units of the last place between a result and what it should be, infinite where it is of another kind.
fn distance(got: f32, want: f64, absolute: f64) -> f64 {
    let rounded = want as f32;
    if got.is_nan() || rounded.is_nan() {
        return if got.is_nan() == rounded.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if got == rounded || (f64::from(got) - want).abs() <= absolute {
        return 0.0;
    }
    if got == 0.0 && rounded.abs() <= f32::MIN_POSITIVE {
        return 0.0;
    }
    if got.is_infinite() || rounded.is_infinite() {
        // The largest number and infinity are neighbours.
        let finite = if got.is_infinite() { want.abs() } else { f64::from(got).abs() };
        return if got.signum() == rounded.signum() {
            (f64::from(f32::MAX) - finite).abs() / 2f64.powi(104) + 1.0
        } else {
            f64::INFINITY
        };
    }
    let exponent = (rounded.to_bits() >> 23 & 255).max(1) as i32 - 150;
    (f64::from(got) - want).abs() / 2f64.powi(exponent)
}

fn arguments(over: &Over, dice: &mut Dice) -> Vec<f32> {
    let mut list: Vec<f32> = match *over {
        Over::Bits => hard(),
        Over::Between(low, high) => hard().into_iter().filter(|x| (low..=high).contains(x)).collect(),
    };
    list.extend((0..40_000).map(|_| match *over {
        Over::Bits => f32::from_bits(dice.word()),
        Over::Between(low, high) => dice.between(low, high),
    }));
    list
}

#[test]
fn functions_are_as_exact_as_stated() {
    let mut dice = Dice(7);
    let (mut table, mut wrong) = (String::new(), String::new());
    for case in cases() {
        let x = arguments(&case.over, &mut dice);
        let approximate = case.attrs.iter().map(|(name, _)| ("approximate", Attr::Str((*name).into())));
        let got = run(case.op, std::slice::from_ref(&x), &approximate.collect::<Vec<_>>());
        let mut worst = (0.0, 0.0f32, 0.0f32);
        for (&x, &y) in x.iter().zip(&got) {
            let mut off = distance(y, (case.want)(x.into()), case.absolute);
            if x.abs() < f32::MIN_POSITIVE {
                off = off.min(distance(y, (case.want)(0f64.copysign(x.into())), case.absolute));
            }
            if off > worst.0 {
                worst = (off, x, y);
            }
        }
        let over = match case.over {
            Over::Bits => "all".to_owned(),
            Over::Between(low, high) => format!("{low} to {high}"),
        };
        let name = if case.attrs.is_empty() { case.op.to_owned() } else { format!("{} (tanh)", case.op) };
        let bound =
            if case.absolute > 0.0 { format!("{}, or {:e}", case.ulp, case.absolute) } else { case.ulp.to_string() };
        writeln!(table, "| {name} | {over} | {:.2} | {bound} |", worst.0).unwrap();
        if worst.0 > case.ulp {
            let (off, x, y) = worst;
            writeln!(wrong, "{name} over {over}: {off:.2} ulp at {x:e}: {y:e}, not {:e}", (case.want)(x.into()))
                .unwrap();
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "\n{wrong}\n{table}");
}

#[test]
fn powers_are_exact_where_they_are_whole_and_as_ieee_at_the_edges() {
    let inf = f32::INFINITY;
    let edges =
        [0.0, -0.0, 1.0, -1.0, inf, -inf, f32::NAN, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 16_777_215.0, 1e30, -1e30, 1e-30];
    let mut pairs: Vec<(f32, f32)> = edges.iter().flat_map(|&x| edges.iter().map(move |&y| (x, y))).collect();
    pairs.extend((2..300).flat_map(|x| (0..25).map(move |y| (x as f32, y as f32))));
    let mut dice = Dice(3);
    pairs.extend((0..40_000).map(|_| (f32::from_bits(dice.word() >> 1), dice.between(-40.0, 40.0))));
    pairs.extend((0..20_000).map(|_| (dice.between(0.5, 2.0), dice.between(-120.0, 120.0))));
    let (x, y) = pairs.iter().copied().unzip();
    let got = run("Pow", &[x, y], &[]);
    let (mut worst, mut wrong) = (0.0f64, Vec::new());
    for (&(x, y), &got) in pairs.iter().zip(&got) {
        let want = f64::from(x).powf(y.into());
        let exact = want.fract() == 0.0 && want.abs() <= 16_777_216.0;
        let off = distance(got, want, 0.0);
        let signs = want == 0.0 && got == 0.0 && want.is_sign_negative() != got.is_sign_negative();
        worst = worst.max(off);
        if (exact && off > 0.0) || off > 1.5 || signs {
            wrong.push(format!("{x:e}^{y:e}: {got:e}, not {want:e} ({off:.2} ulp)"));
        }
    }
    println!("| Pow | all | {worst:.2} | 1.5 |");
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

#[test]
fn remainders_of_floats_are_exact() {
    let mut dice = Dice(5);
    let edges = [
        0.0,
        -0.0,
        1.0,
        0.1,
        5.5,
        -5.5,
        1e30,
        1e-30,
        f32::MAX,
        f32::MIN_POSITIVE,
        f32::INFINITY,
        -f32::INFINITY,
        f32::NAN,
    ];
    let mut pairs: Vec<(f32, f32)> = edges.iter().flat_map(|&x| edges.iter().map(move |&y| (x, y))).collect();
    pairs.extend((0..30_000).map(|_| (f32::from_bits(dice.word()), f32::from_bits(dice.word()))));
    pairs.extend(
        (0..30_000).map(|_| ((dice.between(-1e4, 1e4)).round() / 10.0, (dice.between(-100.0, 100.0)).round() / 10.0)),
    );
    let (x, y) = pairs.iter().copied().unzip();
    let got = run("Mod", &[x, y], &[("fmod", Attr::Int(1))]);
    let denormal = |x: f32| x != 0.0 && x.abs() < f32::MIN_POSITIVE;
    let wrong: Vec<_> = (pairs.iter().zip(&got))
        .filter(|&(&(x, y), &got)| {
            let want = x % y;
            let same = got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan());
            let flushed = denormal(x) || denormal(y) || (denormal(want) && got == 0.0);
            !(same || flushed)
        })
        .take(20)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn zeros_keep_their_signs_and_nan_goes_through() {
    let odd = ["Tanh", "Sin", "Tan", "Atan", "Asin", "Sinh", "Asinh", "Atanh", "Erf"];
    for op in odd {
        let got = run(op, &[vec![0.0, -0.0, f32::NAN]], &[]);
        assert_eq!((got[0].to_bits(), got[1].to_bits(), got[2].is_nan()), (0, 1 << 31, true), "{op}");
    }
    let activations =
        ["Relu", "LeakyRelu", "Sigmoid", "HardSwish", "HardSigmoid", "Gelu", "Elu", "Selu", "Celu", "Softplus"];
    let rest = [
        "Softsign", "Mish", "Exp", "Log", "Cos", "Cosh", "Acosh", "Acos", "Sqrt", "Neg", "Abs", "Sign", "Floor",
        "Ceil", "Round",
    ];
    let lost: Vec<_> =
        (activations.iter().chain(&rest)).filter(|op| !run(op, &[vec![f32::NAN]], &[])[0].is_nan()).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// `x` cast to `to`, by a chain and by the kernels that pack behind and widen before another.
fn cast(x: Tensor, to: DType) -> [Tensor; 2] {
    let len = x.shape()[0].to_string();
    [false, true].map(|apart| {
        let mut b = GraphBuilder::new(17);
        let mut value = b.input("x", x.dtype(), [len.as_str()]);
        let reverse = |b: &mut GraphBuilder, value| {
            // What runs backwards is copied, as words.
            let [start, end, axis, step] = [-1, i64::MIN + 1, 0, -1].map(|number| b.ints([number]));
            b.node("Slice", [value, start, end, axis, step], [])
        };
        if apart {
            value = reverse(&mut b, value);
            value = reverse(&mut b, value);
        }
        value = b.node("Cast", [value], [("to", Attr::Int(i64::from(to.to_onnx())))]);
        if apart {
            value = reverse(&mut b, value);
            value = reverse(&mut b, value);
        }
        let graph = b.finish([value]);
        let weights = Arc::new(ModelWeights::new());
        let plan = plan(&graph, &[x.shape().to_vec()], &weights, &target(DeviceClass::Gpu)).unwrap();
        direct().run(&plan, &weights, std::slice::from_ref(&x)).unwrap().remove(0)
    })
}

#[test]
fn every_half_is_the_float_of_its_value() {
    let every: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let want: Vec<f32> = every.iter().map(|half| half.to_f32()).collect();
    for got in cast(Tensor::new([every.len()], every.clone()).unwrap(), DType::F32) {
        let got = got.as_slice::<f32>().unwrap();
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        let wrong = got.iter().zip(&want).position(|pair| !same(pair));
        assert_eq!(wrong.map(|at| (every[at], got[at])), None);
    }
}

#[test]
fn floats_round_to_the_nearest_half() {
    // About each half and about the middle between it and the next, on both sides of zero.
    let next = |x: f32, by: i32| f32::from_bits(x.to_bits().wrapping_add_signed(by));
    let mut x: Vec<f32> = (0..0x7c00u16)
        .flat_map(|bits| {
            let [low, high] = [bits, bits + 1].map(|bits| f16::from_bits(bits).to_f32());
            let middle = if high.is_finite() { f32::midpoint(low, high) } else { 65520.0 };
            [low, middle, next(middle, -1), next(middle, 1)]
        })
        .collect();
    x.extend([1e-30, f32::MAX, f32::INFINITY, f32::NAN]);
    x = x.iter().flat_map(|&x| [x, -x]).collect();
    let want: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
    for got in cast(Tensor::new([x.len()], x.clone()).unwrap(), DType::F16) {
        let got = got.as_slice::<f16>().unwrap();
        let same = |(a, b): (&f16, &f16)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        let wrong = got.iter().zip(&want).position(|pair| !same(pair));
        assert_eq!(wrong.map(|at| (x[at], got[at], want[at])), None);
    }
}

#[test]
fn every_bf16_is_the_float_of_its_upper_half_and_floats_round_to_the_nearest() {
    let every: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
    for got in cast(Tensor::new([every.len()], every.clone()).unwrap(), DType::F32) {
        let bits = got.as_slice::<f32>().unwrap().iter().map(|x| x.to_bits());
        let wrong = bits.zip(&every).position(|(got, bf16)| got != u32::from(bf16.to_bits()) << 16);
        assert_eq!(wrong.map(|at| every[at]), None);
    }
    // Each, the middle between it and the next, and what is next to that, of either sign and NaN too.
    let x: Vec<f32> = (0..=u16::MAX)
        .flat_map(|bits| [0, 0x7fff, 0x8000, 0x8001].map(|low| f32::from_bits(u32::from(bits) << 16 | low)))
        .collect();
    for got in cast(Tensor::new([x.len()], x.clone()).unwrap(), DType::Bf16) {
        let got = got.as_slice::<bf16>().unwrap();
        let wrong = got.iter().zip(&x).position(|(got, x)| {
            let want = bf16::from_f32(*x);
            got.to_bits() != want.to_bits() && !(got.is_nan() && want.is_nan())
        });
        assert_eq!(wrong.map(|at| (x[at], got[at])), None);
    }
}

/// Elements of 8, 4 and 2 bits that are widened, turned around twice and packed again, by way of a type of as many bits.
#[test]
fn every_narrow_element_survives_being_packed() {
    let small = (1..30).filter_map(DType::from_onnx).filter(|dtype| dtype.size() == 1 && *dtype != DType::Bool);
    for dtype in small {
        let other = match dtype.bits() {
            8 => [DType::U8, DType::I8][usize::from(dtype == DType::U8)],
            4 => [DType::U4, DType::I4][usize::from(dtype == DType::U4)],
            _ => [DType::U2, DType::I2][usize::from(dtype == DType::U2)],
        };
        for len in [1, 3, 8, 15, 17, 31, 33, 257] {
            let bits: Vec<u8> = (0..len).map(|k| (k * 7 + 3) as u8).collect();
            let x = Tensor::from_data([len], TensorData::from_le_bytes(dtype, &bits).unwrap()).unwrap();
            let mut b = GraphBuilder::new(26);
            let mut value = b.input("x", dtype, [len.to_string().as_str()]);
            for _ in 0..2 {
                let [start, end, axis, step] = [-1, i64::MIN + 1, 0, -1].map(|number| b.ints([number]));
                value = b.node("Slice", [value, start, end, axis, step], []);
            }
            let packed = b.node("BitCast", [value], [("to", Attr::Int(other.to_onnx().into()))]);
            let graph = b.finish([value, packed]);
            let weights = Arc::new(ModelWeights::new());
            let plan = plan(&graph, &[vec![len]], &weights, &target(DeviceClass::Gpu)).unwrap();
            let got = direct().run(&plan, &weights, std::slice::from_ref(&x)).unwrap();
            assert_eq!(got[0].bytes(), x.bytes(), "{dtype} {len}");
            assert_eq!(got[1].data(), &TensorData::from_le_bytes(other, &bits).unwrap(), "{dtype} to {other} {len}");
        }
    }
}
