//! The operations of elementwise programs: name, number of operands, and what each computes on the host. On the device it is
//! the function of the same name, in snake case, in `shaders/functions/operations.wgsl`.

use half::{bf16, f16};

use crate::tensor::{DType, I2, I4, Minifloat, RoundMode, U2, U4};

/// A host value of a step: the kernel's word with its meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::ops) enum Scalar {
    F(f32),
    I(i64),
    B(bool),
}

impl Scalar {
    pub(super) fn f(self) -> f32 {
        match self {
            Scalar::F(x) => x,
            Scalar::I(x) => x as f32,
            Scalar::B(x) => f32::from(u8::from(x)),
        }
    }

    pub(super) fn i(self) -> i64 {
        match self {
            Scalar::F(x) => x as i64,
            Scalar::I(x) => x,
            Scalar::B(x) => i64::from(x),
        }
    }

    pub(super) fn b(self) -> bool {
        match self {
            Scalar::F(x) => x != 0.0,
            Scalar::I(x) => x != 0,
            Scalar::B(x) => x,
        }
    }
}

macro_rules! codes {
    ($($name:ident, $arity:literal, |$a:ident, $b:ident, $c:ident| $host:expr;)*) => {
        /// What a step computes. The last letter of a name says of what: F f32, I signed, U unsigned, B bool, W any word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum Code { $($name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// Its name, as in the attributes of `fascine.Elementwise`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => stringify!($name),)* }
            }

            /// The name of the function that computes it on the device.
            pub(super) fn function(self) -> String {
                snake_case(self.name())
            }

            /// Number of operands.
            pub fn arity(self) -> usize {
                match self { $(Code::$name => $arity,)* }
            }

            /// The result on the host.
            pub(super) fn host(self, a: Scalar, b: Scalar, c: Scalar) -> Scalar {
                #[allow(unused_variables)]
                match self { $(Code::$name => { let ($a, $b, $c) = (a, b, c); $host })* }
            }
        }
    };
}

codes! {
    Copy, 1, |a, b, c| a;
    AddF, 2, |a, b, c| Scalar::F(a.f() + b.f());
    SubF, 2, |a, b, c| Scalar::F(a.f() - b.f());
    MulF, 2, |a, b, c| Scalar::F(a.f() * b.f());
    DivF, 2, |a, b, c| Scalar::F(a.f() / b.f());
    PowF, 2, |a, b, c| Scalar::F(a.f().powf(b.f()));
    FmodF, 2, |a, b, c| Scalar::F(a.f() % b.f());
    FloorModF, 2, |a, b, c| Scalar::F(floor_mod_f(a.f(), b.f()));
    MinF, 2, |a, b, c| Scalar::F(if a.f() < b.f() || a.f().is_nan() { a.f() } else { b.f() });
    MaxF, 2, |a, b, c| Scalar::F(if a.f() > b.f() || a.f().is_nan() { a.f() } else { b.f() });
    NegF, 1, |a, b, c| Scalar::F(-a.f());
    AbsF, 1, |a, b, c| Scalar::F(a.f().abs());
    SignF, 1, |a, b, c| Scalar::F(if a.f() > 0.0 { 1.0 } else if a.f() < 0.0 { -1.0 } else { a.f() * 0.0 });
    SqrtF, 1, |a, b, c| Scalar::F(a.f().sqrt());
    RecipF, 1, |a, b, c| Scalar::F(1.0 / a.f());
    ExpF, 1, |a, b, c| Scalar::F(a.f().exp());
    LogF, 1, |a, b, c| Scalar::F(a.f().ln());
    SinF, 1, |a, b, c| Scalar::F(a.f().sin());
    CosF, 1, |a, b, c| Scalar::F(a.f().cos());
    TanF, 1, |a, b, c| Scalar::F(a.f().tan());
    AsinF, 1, |a, b, c| Scalar::F(a.f().asin());
    AcosF, 1, |a, b, c| Scalar::F(a.f().acos());
    AtanF, 1, |a, b, c| Scalar::F(a.f().atan());
    SinhF, 1, |a, b, c| Scalar::F(a.f().sinh());
    CoshF, 1, |a, b, c| Scalar::F(a.f().cosh());
    TanhF, 1, |a, b, c| Scalar::F(a.f().tanh());
    AsinhF, 1, |a, b, c| Scalar::F(a.f().asinh());
    AcoshF, 1, |a, b, c| Scalar::F(a.f().acosh());
    AtanhF, 1, |a, b, c| Scalar::F(a.f().atanh());
    ErfF, 1, |a, b, c| Scalar::F(erf(a.f()));
    FloorF, 1, |a, b, c| Scalar::F(a.f().floor());
    CeilF, 1, |a, b, c| Scalar::F(a.f().ceil());
    RoundF, 1, |a, b, c| Scalar::F(a.f().round_ties_even());
    SigmoidF, 1, |a, b, c| Scalar::F(sigmoid(a.f()));
    HardSigmoidF, 3, |a, b, c| Scalar::F((a.f() * b.f() + c.f()).clamp(0.0, 1.0));
    HardSwishF, 1, |a, b, c| Scalar::F(a.f() * (a.f() / 6.0 + 0.5).clamp(0.0, 1.0));
    ReluF, 1, |a, b, c| Scalar::F(if a.f() < 0.0 { 0.0 } else { a.f() });
    LeakyF, 2, |a, b, c| Scalar::F(if a.f() < 0.0 { a.f() * b.f() } else { a.f() });
    EluF, 2, |a, b, c| Scalar::F(if a.f() < 0.0 { b.f() * a.f().exp_m1() } else { a.f() });
    SeluF, 3, |a, b, c| Scalar::F(c.f() * if a.f() < 0.0 { b.f() * a.f().exp_m1() } else { a.f() });
    CeluF, 2, |a, b, c| Scalar::F(if a.f() < 0.0 { b.f() * (a.f() / b.f()).exp_m1() } else { a.f() });
    SoftplusF, 1, |a, b, c| Scalar::F(softplus(a.f()));
    SoftsignF, 1, |a, b, c| Scalar::F(a.f() / (1.0 + a.f().abs()));
    MishF, 1, |a, b, c| Scalar::F(a.f() * softplus(a.f()).tanh());
    GeluF, 1, |a, b, c| Scalar::F(0.5 * a.f() * (1.0 + erf(a.f() * std::f32::consts::FRAC_1_SQRT_2)));
    GeluTanhF, 1, |a, b, c| Scalar::F(gelu_tanh(a.f()));
    ThresholdedF, 2, |a, b, c| Scalar::F(if a.f() > b.f() { a.f() } else { 0.0 });
    ShrinkF, 3, |a, b, c| Scalar::F(if a.f() < -b.f() { a.f() + c.f() } else if a.f() > b.f() { a.f() - c.f() } else { 0.0 });
    AddI, 2, |a, b, c| Scalar::I(a.i().wrapping_add(b.i()));
    SubI, 2, |a, b, c| Scalar::I(a.i().wrapping_sub(b.i()));
    MulI, 2, |a, b, c| Scalar::I(a.i().wrapping_mul(b.i()));
    DivI, 2, |a, b, c| Scalar::I(quotient(a.i(), b.i()));
    PowI, 2, |a, b, c| Scalar::I(ipow(a.i(), b.i()));
    PowIF, 2, |a, b, c| Scalar::I(pow_if(a.i(), b.f()));
    ModI, 2, |a, b, c| Scalar::I(floor_mod(a.i(), b.i()));
    FmodI, 2, |a, b, c| Scalar::I(remainder(a.i(), b.i()));
    MinI, 2, |a, b, c| Scalar::I(a.i().min(b.i()));
    MaxI, 2, |a, b, c| Scalar::I(a.i().max(b.i()));
    NegI, 1, |a, b, c| Scalar::I(a.i().wrapping_neg());
    AbsI, 1, |a, b, c| Scalar::I(a.i().wrapping_abs());
    SignI, 1, |a, b, c| Scalar::I(a.i().signum());
    DivU, 2, |a, b, c| Scalar::I(quotient(a.i(), b.i()));
    ModU, 2, |a, b, c| Scalar::I(remainder(a.i(), b.i()));
    MinU, 2, |a, b, c| Scalar::I(a.i().min(b.i()));
    MaxU, 2, |a, b, c| Scalar::I(a.i().max(b.i()));
    NotB, 1, |a, b, c| Scalar::B(!a.b());
    AndB, 2, |a, b, c| Scalar::B(a.b() && b.b());
    OrB, 2, |a, b, c| Scalar::B(a.b() || b.b());
    XorB, 2, |a, b, c| Scalar::B(a.b() != b.b());
    ShiftLeftW, 2, |a, b, c| Scalar::I(if (0..64).contains(&b.i()) { a.i() << b.i() } else { 0 });
    ShiftRightI, 2, |a, b, c| Scalar::I(a.i() >> if (0..64).contains(&b.i()) { b.i() } else { 63 });
    ShiftRightU, 2, |a, b, c| Scalar::I(if (0..64).contains(&b.i()) { a.i() >> b.i() } else { 0 });
    BitNotW, 1, |a, b, c| Scalar::I(!a.i());
    BitAndW, 2, |a, b, c| Scalar::I(a.i() & b.i());
    BitOrW, 2, |a, b, c| Scalar::I(a.i() | b.i());
    BitXorW, 2, |a, b, c| Scalar::I(a.i() ^ b.i());
    EqF, 2, |a, b, c| Scalar::B(a.f() == b.f());
    GtF, 2, |a, b, c| Scalar::B(a.f() > b.f());
    GeF, 2, |a, b, c| Scalar::B(a.f() >= b.f());
    EqW, 2, |a, b, c| Scalar::B(a.i() == b.i());
    GtI, 2, |a, b, c| Scalar::B(a.i() > b.i());
    GeI, 2, |a, b, c| Scalar::B(a.i() >= b.i());
    GtU, 2, |a, b, c| Scalar::B(a.i() > b.i());
    GeU, 2, |a, b, c| Scalar::B(a.i() >= b.i());
    SelectW, 3, |a, b, c| if a.b() { b } else { c };
    IsNanF, 1, |a, b, c| Scalar::B(a.f().is_nan());
    IsInfF, 3, |a, b, c| Scalar::B(a.f() == f32::INFINITY && b.b() || a.f() == f32::NEG_INFINITY && c.b());
    FloatToIntW, 1, |a, b, c| Scalar::I(a.i());
    FloatToUintW, 1, |a, b, c| Scalar::I(a.i().max(0));
    IntToFloatW, 1, |a, b, c| Scalar::F(a.f());
    UintToFloatW, 1, |a, b, c| Scalar::F(a.f());
    FloatToBoolW, 1, |a, b, c| Scalar::B(a.b());
    IntToBoolW, 1, |a, b, c| Scalar::B(a.b());
    WrapI8, 1, |a, b, c| Scalar::I(i64::from(a.i() as i8));
    WrapI16, 1, |a, b, c| Scalar::I(i64::from(a.i() as i16));
    WrapU8, 1, |a, b, c| Scalar::I(i64::from(a.i() as u8));
    WrapU16, 1, |a, b, c| Scalar::I(i64::from(a.i() as u16));
    WrapI2, 1, |a, b, c| Scalar::I(I2::wrapping(a.i()).get().into());
    WrapI4, 1, |a, b, c| Scalar::I(I4::wrapping(a.i()).get().into());
    WrapU2, 1, |a, b, c| Scalar::I(U2::wrapping(a.i()).get().into());
    WrapU4, 1, |a, b, c| Scalar::I(U4::wrapping(a.i()).get().into());
    HalfF, 1, |a, b, c| Scalar::F(f16::from_f32(a.f()).to_f32());
    BrainF, 1, |a, b, c| Scalar::F(bf16::from_f32(a.f()).to_f32());
    WidenW, 2, |a, b, c| Scalar::F(minifloat(b).0.decode(a.i() as u8));
    NarrowW, 2, |a, b, c| {
        let (format, saturate, mode) = minifloat(b);
        Scalar::I(format.encode(a.f(), saturate, mode).into())
    };
}

/// What the second operand of [`Code::WidenW`] and [`Code::NarrowW`] says: a minifloat's number, 16 where a cast saturates, and 32
/// times the rounding mode.
pub(in crate::ops) fn minifloat_word(format: Minifloat, saturate: bool, mode: RoundMode) -> Scalar {
    Scalar::I(format as i64 | i64::from(saturate) << 4 | (mode as i64) << 5)
}

fn minifloat(word: Scalar) -> (Minifloat, bool, RoundMode) {
    let word = word.i();
    let format = match word & 15 {
        0 => Minifloat::E4M3Fn,
        1 => Minifloat::E4M3Fnuz,
        2 => Minifloat::E5M2,
        3 => Minifloat::E5M2Fnuz,
        4 => Minifloat::E8M0,
        _ => Minifloat::E2M1,
    };
    let mode = match word >> 5 {
        0 => RoundMode::Up,
        1 => RoundMode::Down,
        _ => RoundMode::Nearest,
    };
    (format, word & 16 != 0, mode)
}

impl Code {
    /// The step that rounds a result of that type, if it is computed in f32.
    pub(in crate::ops) fn rounding(dtype: DType) -> Option<Code> {
        match dtype {
            DType::F16 => Some(Code::HalfF),
            DType::Bf16 => Some(Code::BrainF),
            _ => None,
        }
    }

    /// Whether it does arithmetic on f32 that a driver may merge with the arithmetic that makes its operands: cancel, contract
    /// or reassociate. The others choose, compare, round to whole numbers or work on bits.
    pub(super) fn merges(self) -> bool {
        let chooses = matches!(
            self,
            Code::MinF
                | Code::MaxF
                | Code::NegF
                | Code::AbsF
                | Code::SignF
                | Code::ReluF
                | Code::ThresholdedF
                | Code::IsNanF
                | Code::IsInfF
                | Code::HalfF
                | Code::BrainF
        );
        self.name().ends_with('F') && !chooses
    }
}

fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in name.char_indices() {
        if c.is_ascii_uppercase() && at > 0 && !(at + 1 == name.len() && name.as_bytes()[at - 1].is_ascii_uppercase()) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn sigmoid(x: f32) -> f32 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + ((2.0 / std::f32::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
}

/// The kernel's polynomial in double precision.
fn erf(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let poly = |coefficients: &[f64], at: f64| coefficients.iter().fold(0.0, |sum, c| sum * at + c);
    if a < 0.921875 {
        let s = [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1];
        let x = f64::from(x);
        return (poly(&s, x * x) * x + x) as f32;
    }
    let l = [-1.72853470e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1];
    let r = 1.0 - ((poly(&l, a) * a - 1.28717512e-1) * a - a).exp();
    if x.is_nan() { x } else { r.copysign(f64::from(x)) as f32 }
}

/// Towards zero; over zero it is 0, as in the kernels, though no plan is to get there.
fn quotient(a: i64, b: i64) -> i64 {
    if b == 0 { 0 } else { a.wrapping_div(b) }
}

fn remainder(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { a.wrapping_rem(b) }
}

fn floor_mod(a: i64, b: i64) -> i64 {
    let r = remainder(a, b);
    if r != 0 && b != 0 && (r < 0) != (b < 0) { r + b } else { r }
}

/// With the sign of `b`, zeros too.
fn floor_mod_f(a: f32, b: f32) -> f32 {
    let r = a % b;
    if r == 0.0 {
        r.copysign(b)
    } else if (r < 0.0) != (b < 0.0) {
        r + b
    } else {
        r
    }
}

/// A whole exponent is taken exactly.
fn pow_if(base: i64, exponent: f32) -> i64 {
    if exponent.fract() == 0.0 && exponent.abs() < i32::MAX as f32 {
        ipow(base, exponent as i64)
    } else {
        (base as f64).powf(exponent.into()) as i64
    }
}

fn ipow(base: i64, exponent: i64) -> i64 {
    match (base, exponent) {
        (1, _) => 1,
        (-1, e) => {
            if e % 2 == 0 {
                1
            } else {
                -1
            }
        }
        (_, e) if e < 0 => 0,
        (_, e) => (0..e.min(64)).fold(1i64, |p, _| p.wrapping_mul(base)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::functions;

    #[test]
    fn every_operation_has_its_function_and_every_function_its_operation() {
        let (_, text) = functions::FILES.iter().find(|(name, _)| *name == "operations").unwrap();
        let module = naga::front::wgsl::parse_str(&functions::join(text)).unwrap();
        let own = |name: &str| text.contains(&format!("fn {name}("));
        let mut functions: Vec<(String, usize)> = (module.functions.iter())
            .map(|(_, function)| (function.name.clone().unwrap(), function.arguments.len()))
            .filter(|(name, _)| own(name))
            .collect();
        functions.sort();
        let mut codes: Vec<(String, usize)> = Code::ALL.iter().map(|code| (code.function(), code.arity())).collect();
        codes.sort();
        assert_eq!(functions, codes);
    }
}
