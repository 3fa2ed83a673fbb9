//! Step codes of `shaders/elementwise.wgsl`: name, number, and what each computes on the host.
//! The kernel has a `case` of the same number for each.

/// A host value of a step: the kernel's word with its meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
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
    ($($name:ident = $number:literal, $arity:literal, |$a:ident, $b:ident, $c:ident| $host:expr;)*) => {
        /// What a step computes. The last letter of a name says of what: F f32, I signed, U unsigned, B bool, W any word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u32)]
        #[allow(missing_docs)]
        pub enum Code { $($name = $number,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// Its name, as in the attributes of `fascine.Elementwise`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => stringify!($name),)* }
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
    Copy = 1, 1, |a, b, c| a;
    AddF = 2, 2, |a, b, c| Scalar::F(a.f() + b.f());
    SubF = 3, 2, |a, b, c| Scalar::F(a.f() - b.f());
    MulF = 4, 2, |a, b, c| Scalar::F(a.f() * b.f());
    DivF = 5, 2, |a, b, c| Scalar::F(a.f() / b.f());
    PowF = 6, 2, |a, b, c| Scalar::F(a.f().powf(b.f()));
    FmodF = 7, 2, |a, b, c| Scalar::F(a.f() % b.f());
    MinF = 8, 2, |a, b, c| Scalar::F(if a.f() < b.f() || a.f().is_nan() { a.f() } else { b.f() });
    MaxF = 9, 2, |a, b, c| Scalar::F(if a.f() > b.f() || a.f().is_nan() { a.f() } else { b.f() });
    NegF = 10, 1, |a, b, c| Scalar::F(-a.f());
    AbsF = 11, 1, |a, b, c| Scalar::F(a.f().abs());
    SignF = 12, 1, |a, b, c| Scalar::F(if a.f() > 0.0 { 1.0 } else if a.f() < 0.0 { -1.0 } else { a.f() * 0.0 });
    SqrtF = 13, 1, |a, b, c| Scalar::F(a.f().sqrt());
    RecipF = 14, 1, |a, b, c| Scalar::F(1.0 / a.f());
    ExpF = 15, 1, |a, b, c| Scalar::F(a.f().exp());
    LogF = 16, 1, |a, b, c| Scalar::F(a.f().ln());
    SinF = 17, 1, |a, b, c| Scalar::F(a.f().sin());
    CosF = 18, 1, |a, b, c| Scalar::F(a.f().cos());
    TanF = 19, 1, |a, b, c| Scalar::F(a.f().tan());
    AsinF = 20, 1, |a, b, c| Scalar::F(a.f().asin());
    AcosF = 21, 1, |a, b, c| Scalar::F(a.f().acos());
    AtanF = 22, 1, |a, b, c| Scalar::F(a.f().atan());
    SinhF = 23, 1, |a, b, c| Scalar::F(a.f().sinh());
    CoshF = 24, 1, |a, b, c| Scalar::F(a.f().cosh());
    TanhF = 25, 1, |a, b, c| Scalar::F(a.f().tanh());
    AsinhF = 26, 1, |a, b, c| Scalar::F(a.f().asinh());
    AcoshF = 27, 1, |a, b, c| Scalar::F(a.f().acosh());
    AtanhF = 28, 1, |a, b, c| Scalar::F(a.f().atanh());
    ErfF = 29, 1, |a, b, c| Scalar::F(erf(a.f()));
    FloorF = 30, 1, |a, b, c| Scalar::F(a.f().floor());
    CeilF = 31, 1, |a, b, c| Scalar::F(a.f().ceil());
    RoundF = 32, 1, |a, b, c| Scalar::F(a.f().round_ties_even());
    SigmoidF = 33, 1, |a, b, c| Scalar::F(sigmoid(a.f()));
    HardSigmoidF = 34, 3, |a, b, c| Scalar::F((a.f() * b.f() + c.f()).clamp(0.0, 1.0));
    HardSwishF = 35, 1, |a, b, c| Scalar::F(a.f() * (a.f() / 6.0 + 0.5).clamp(0.0, 1.0));
    ReluF = 36, 1, |a, b, c| Scalar::F(if a.f() < 0.0 { 0.0 } else { a.f() });
    LeakyF = 37, 2, |a, b, c| Scalar::F(if a.f() < 0.0 { a.f() * b.f() } else { a.f() });
    EluF = 38, 2, |a, b, c| Scalar::F(if a.f() < 0.0 { b.f() * a.f().exp_m1() } else { a.f() });
    SeluF = 39, 3, |a, b, c| Scalar::F(c.f() * if a.f() < 0.0 { b.f() * a.f().exp_m1() } else { a.f() });
    CeluF = 40, 2, |a, b, c| Scalar::F(if a.f() < 0.0 { b.f() * (a.f() / b.f()).exp_m1() } else { a.f() });
    SoftplusF = 41, 1, |a, b, c| Scalar::F(softplus(a.f()));
    SoftsignF = 42, 1, |a, b, c| Scalar::F(a.f() / (1.0 + a.f().abs()));
    MishF = 43, 1, |a, b, c| Scalar::F(a.f() * softplus(a.f()).tanh());
    GeluF = 44, 1, |a, b, c| Scalar::F(0.5 * a.f() * (1.0 + erf(a.f() * std::f32::consts::FRAC_1_SQRT_2)));
    GeluTanhF = 45, 1, |a, b, c| Scalar::F(gelu_tanh(a.f()));
    ThresholdedF = 46, 2, |a, b, c| Scalar::F(if a.f() > b.f() { a.f() } else { 0.0 });
    ShrinkF = 47, 3, |a, b, c| Scalar::F(if a.f() < -b.f() { a.f() + c.f() } else if a.f() > b.f() { a.f() - c.f() } else { 0.0 });
    AddI = 48, 2, |a, b, c| Scalar::I(a.i().wrapping_add(b.i()));
    SubI = 49, 2, |a, b, c| Scalar::I(a.i().wrapping_sub(b.i()));
    MulI = 50, 2, |a, b, c| Scalar::I(a.i().wrapping_mul(b.i()));
    DivI = 51, 2, |a, b, c| Scalar::I(a.i().checked_div(b.i()).unwrap_or(a.i()));
    PowI = 52, 2, |a, b, c| Scalar::I(ipow(a.i(), b.i()));
    ModI = 53, 2, |a, b, c| Scalar::I(floor_mod(a.i(), b.i()));
    FmodI = 54, 2, |a, b, c| Scalar::I(a.i().checked_rem(b.i()).unwrap_or(0));
    MinI = 55, 2, |a, b, c| Scalar::I(a.i().min(b.i()));
    MaxI = 56, 2, |a, b, c| Scalar::I(a.i().max(b.i()));
    NegI = 57, 1, |a, b, c| Scalar::I(a.i().wrapping_neg());
    AbsI = 58, 1, |a, b, c| Scalar::I(a.i().wrapping_abs());
    SignI = 59, 1, |a, b, c| Scalar::I(a.i().signum());
    DivU = 60, 2, |a, b, c| Scalar::I(a.i().checked_div(b.i()).unwrap_or(a.i()));
    ModU = 61, 2, |a, b, c| Scalar::I(a.i().checked_rem(b.i()).unwrap_or(0));
    MinU = 62, 2, |a, b, c| Scalar::I(a.i().min(b.i()));
    MaxU = 63, 2, |a, b, c| Scalar::I(a.i().max(b.i()));
    NotB = 64, 1, |a, b, c| Scalar::B(!a.b());
    AndB = 65, 2, |a, b, c| Scalar::B(a.b() && b.b());
    OrB = 66, 2, |a, b, c| Scalar::B(a.b() || b.b());
    XorB = 67, 2, |a, b, c| Scalar::B(a.b() != b.b());
    BitNotW = 68, 1, |a, b, c| Scalar::I(!a.i());
    BitAndW = 69, 2, |a, b, c| Scalar::I(a.i() & b.i());
    BitOrW = 70, 2, |a, b, c| Scalar::I(a.i() | b.i());
    BitXorW = 71, 2, |a, b, c| Scalar::I(a.i() ^ b.i());
    EqF = 72, 2, |a, b, c| Scalar::B(a.f() == b.f());
    GtF = 73, 2, |a, b, c| Scalar::B(a.f() > b.f());
    GeF = 74, 2, |a, b, c| Scalar::B(a.f() >= b.f());
    EqW = 75, 2, |a, b, c| Scalar::B(a.i() == b.i());
    GtI = 76, 2, |a, b, c| Scalar::B(a.i() > b.i());
    GeI = 77, 2, |a, b, c| Scalar::B(a.i() >= b.i());
    GtU = 78, 2, |a, b, c| Scalar::B(a.i() > b.i());
    GeU = 79, 2, |a, b, c| Scalar::B(a.i() >= b.i());
    SelectW = 80, 3, |a, b, c| if a.b() { b } else { c };
    IsNanF = 81, 1, |a, b, c| Scalar::B(a.f().is_nan());
    IsInfF = 82, 3, |a, b, c| Scalar::B(a.f() == f32::INFINITY && b.b() || a.f() == f32::NEG_INFINITY && c.b());
    FloatToIntW = 83, 1, |a, b, c| Scalar::I(a.i());
    FloatToUintW = 84, 1, |a, b, c| Scalar::I(a.i().max(0));
    IntToFloatW = 85, 1, |a, b, c| Scalar::F(a.f());
    UintToFloatW = 86, 1, |a, b, c| Scalar::F(a.f());
    FloatToBoolW = 87, 1, |a, b, c| Scalar::B(a.b());
    IntToBoolW = 88, 1, |a, b, c| Scalar::B(a.b());
    WrapI8 = 89, 1, |a, b, c| Scalar::I(i64::from(a.i() as i8));
    WrapI16 = 90, 1, |a, b, c| Scalar::I(i64::from(a.i() as i16));
    WrapU8 = 91, 1, |a, b, c| Scalar::I(i64::from(a.i() as u8));
    WrapU16 = 92, 1, |a, b, c| Scalar::I(i64::from(a.i() as u16));
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

fn floor_mod(a: i64, b: i64) -> i64 {
    let r = a.checked_rem(b).unwrap_or(0);
    if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
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

    #[test]
    fn the_kernel_has_a_case_for_each_code() {
        let (_, text) = crate::kernel::library::SOURCES.iter().find(|(name, _)| *name == "elementwise").unwrap();
        for &code in Code::ALL {
            let case = format!("case {}u: {{", code as u32);
            let line = text.lines().find(|line| line.trim_start().starts_with(&case));
            let line = line.unwrap_or_else(|| panic!("no case for {code:?}"));
            assert!(line.ends_with(&format!("// {}", code.name())), "{line}");
        }
    }
}
