//! The elementwise operators of ONNX, a line each: name, number of inputs, and the chain of steps that computes it.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::tensor::DType;

use super::chain::{Chain, Narrowing};
use super::codes::Code::*;
use super::codes::Scalar;
use super::program::Ref;

/// An elementwise operator.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) domain: &'static str,
    pub(super) name: &'static str,
    pub(super) min_inputs: usize,
    pub(super) max_inputs: usize,
    /// What the attributes say, as `build` takes it.
    pub(super) attrs: fn(&Node) -> Result<Vec<Scalar>>,
    pub(super) build: Build,
}

/// Builds the chain; the result is its last step.
pub(super) type Build = fn(&mut Chain, &[Scalar]) -> Result<Ref>;

const fn row(name: &'static str, min: usize, max: usize, build: Build) -> Row {
    Row { domain: "", name, min_inputs: min, max_inputs: max, attrs: |_| Ok(Vec::new()), build }
}

impl Row {
    const fn with(self, attrs: fn(&Node) -> Result<Vec<Scalar>>) -> Row {
        Row { attrs, ..self }
    }

    /// Of a domain other than ONNX's own.
    const fn of(self, domain: &'static str) -> Row {
        Row { domain, ..self }
    }
}

/// Attributes by name with their defaults.
fn floats(node: &Node, attrs: &[(&str, f32)]) -> Result<Vec<Scalar>> {
    attrs.iter().map(|&(name, default)| node.float(name, default).map(Scalar::F)).collect()
}

/// Attributes by name with their defaults.
fn ints(node: &Node, attrs: &[(&str, i64)]) -> Result<Vec<Scalar>> {
    attrs.iter().map(|&(name, default)| node.int(name, default).map(Scalar::I)).collect()
}

/// Any number of inputs: [`Chain`] takes them in groups.
pub(super) const VARIADIC: usize = usize::MAX;

pub(super) static ROWS: &[Row] = &[
    row("Add", 2, 2, |c, _| c.numeric(Some(AddF), Some(AddI), Some(AddI))),
    row("Sub", 2, 2, |c, _| c.numeric(Some(SubF), Some(SubI), Some(SubI))),
    row("Mul", 2, 2, |c, _| c.numeric(Some(MulF), Some(MulI), Some(MulI))),
    row("Div", 2, 2, |c, _| c.numeric(Some(DivF), Some(DivI), Some(DivU))),
    row("Pow", 2, 2, pow),
    row("Mod", 2, 2, |c, a| match a {
        [Scalar::I(0)] => c.numeric(Some(FloorModF), Some(ModI), Some(ModU)),
        _ => c.numeric(Some(FmodF), Some(FmodI), Some(ModU)),
    })
    .with(|n| ints(n, &[("fmod", 0)])),
    row("Min", 1, VARIADIC, |c, _| c.variadic(MinF, MinI, MinU)),
    row("Max", 1, VARIADIC, |c, _| c.variadic(MaxF, MaxI, MaxU)),
    row("Sum", 1, VARIADIC, |c, _| c.variadic(AddF, AddI, AddI)),
    row("Mean", 1, VARIADIC, |c, _| c.variadic(AddF, AddI, AddI)),
    row("Neg", 1, 1, |c, _| c.numeric(Some(NegF), Some(NegI), None)),
    row("Abs", 1, 1, |c, _| c.numeric(Some(AbsF), Some(AbsI), Some(Copy))),
    row("Sign", 1, 1, |c, _| match c.dtype(0)? {
        DType::U8 | DType::U16 | DType::U32 => {
            let one = c.number(Scalar::I(1))?;
            c.numeric_of(None, None, Some(MinU), &[c.input(0)?, one])
        }
        _ => c.numeric(Some(SignF), Some(SignI), None),
    }),
    row("Sqrt", 1, 1, |c, _| c.float(SqrtF)),
    row("Reciprocal", 1, 1, |c, _| c.float(RecipF)),
    row("Exp", 1, 1, |c, _| c.float(ExpF)),
    row("Log", 1, 1, |c, _| c.float(LogF)),
    row("Sin", 1, 1, |c, _| c.float(SinF)),
    row("Cos", 1, 1, |c, _| c.float(CosF)),
    row("Tan", 1, 1, |c, _| c.float(TanF)),
    row("Asin", 1, 1, |c, _| c.float(AsinF)),
    row("Acos", 1, 1, |c, _| c.float(AcosF)),
    row("Atan", 1, 1, |c, _| c.float(AtanF)),
    row("Sinh", 1, 1, |c, _| c.float(SinhF)),
    row("Cosh", 1, 1, |c, _| c.float(CoshF)),
    row("Tanh", 1, 1, |c, _| c.float(TanhF)),
    row("Asinh", 1, 1, |c, _| c.float(AsinhF)),
    row("Acosh", 1, 1, |c, _| c.float(AcoshF)),
    row("Atanh", 1, 1, |c, _| c.float(AtanhF)),
    row("Erf", 1, 1, |c, _| c.float(ErfF)),
    row("Floor", 1, 1, |c, _| c.float(FloorF)),
    row("Ceil", 1, 1, |c, _| c.float(CeilF)),
    row("Round", 1, 1, |c, _| c.float(RoundF)),
    row("Sigmoid", 1, 1, |c, _| c.float(SigmoidF)),
    row("HardSigmoid", 1, 1, |c, a| c.float_with(HardSigmoidF, a))
        .with(|n| floats(n, &[("alpha", 0.2), ("beta", 0.5)])),
    row("HardSwish", 1, 1, |c, _| c.float(HardSwishF)),
    row("Relu", 1, 1, |c, _| {
        let zero = c.number(Scalar::I(0))?;
        match c.dtype(0)? {
            DType::F32 | DType::F16 | DType::Bf16 => c.float(ReluF),
            _ => c.numeric_of(None, Some(MaxI), None, &[c.input(0)?, zero]),
        }
    }),
    row("LeakyRelu", 1, 1, |c, a| c.float_with(LeakyF, a)).with(|n| floats(n, &[("alpha", 0.01)])),
    row("PRelu", 2, 2, |c, _| c.numeric(Some(LeakyF), None, None)),
    row("Elu", 1, 1, |c, a| c.float_with(EluF, a)).with(|n| floats(n, &[("alpha", 1.0)])),
    row("Selu", 1, 1, |c, a| c.float_with(SeluF, a))
        .with(|n| floats(n, &[("alpha", 1.673_263_2), ("gamma", 1.050_701)])),
    row("Celu", 1, 1, |c, a| c.float_with(CeluF, a)).with(|n| floats(n, &[("alpha", 1.0)])),
    row("ThresholdedRelu", 1, 1, |c, a| c.float_with(ThresholdedF, a)).with(|n| floats(n, &[("alpha", 1.0)])),
    row("Shrink", 1, 1, |c, a| c.float_with(ShrinkF, a)).with(|n| floats(n, &[("lambd", 0.5), ("bias", 0.0)])),
    row("Softplus", 1, 1, |c, _| c.float(SoftplusF)),
    row("Softsign", 1, 1, |c, _| c.float(SoftsignF)),
    row("Mish", 1, 1, |c, _| c.float(MishF)),
    row("Gelu", 1, 1, |c, a| c.float(if a == [Scalar::B(true)] { GeluTanhF } else { GeluF })).with(|n| {
        match n.str("approximate", "none")? {
            "none" => Ok(vec![Scalar::B(false)]),
            "tanh" => Ok(vec![Scalar::B(true)]),
            other => Err(Error::invalid_model(format!("approximate '{other}'"))),
        }
    }),
    // Bounds are attributes before opset 11, optional inputs since.
    row("Clip", 1, 3, clip)
        .with(|n| if n.opset < 11 { floats(n, &[("min", f32::MIN), ("max", f32::MAX)]) } else { Ok(Vec::new()) }),
    row("Not", 1, 1, |c, _| c.logic(NotB)),
    row("And", 2, 2, |c, _| c.logic(AndB)),
    row("Or", 2, 2, |c, _| c.logic(OrB)),
    row("Xor", 2, 2, |c, _| c.logic(XorB)),
    row("BitShift", 2, 2, |c, a| match a {
        [Scalar::B(true)] => c.numeric(None, Some(ShiftLeftW), Some(ShiftLeftW)),
        _ => c.numeric(None, Some(ShiftRightI), Some(ShiftRightU)),
    })
    .with(|n| match n.str("direction", "")? {
        "LEFT" => Ok(vec![Scalar::B(true)]),
        "RIGHT" => Ok(vec![Scalar::B(false)]),
        other => Err(Error::invalid_model(format!("direction '{other}'"))),
    }),
    // The upper 32 bits of a u64 would be ones.
    row("BitwiseNot", 1, 1, |c, _| {
        c.want(c.dtype(0)? != DType::U64)?;
        c.numeric(None, Some(BitNotW), Some(BitNotW))
    }),
    row("BitwiseAnd", 2, 2, |c, _| c.numeric(None, Some(BitAndW), Some(BitAndW))),
    row("BitwiseOr", 2, 2, |c, _| c.numeric(None, Some(BitOrW), Some(BitOrW))),
    row("BitwiseXor", 2, 2, |c, _| c.numeric(None, Some(BitXorW), Some(BitXorW))),
    row("Equal", 2, 2, |c, _| c.compare(EqF, EqW, EqW, false)),
    row("Greater", 2, 2, |c, _| c.compare(GtF, GtI, GtU, false)),
    row("GreaterOrEqual", 2, 2, |c, _| c.compare(GeF, GeI, GeU, false)),
    row("Less", 2, 2, |c, _| c.compare(GtF, GtI, GtU, true)),
    row("LessOrEqual", 2, 2, |c, _| c.compare(GeF, GeI, GeU, true)),
    row("Where", 3, 3, |c, _| {
        c.want(c.dtype(0)? == DType::Bool && c.dtype(1)? == c.dtype(2)?)?;
        c.result = Some(c.dtype(1)?);
        c.step(SelectW, &[c.input(0)?, c.input(1)?, c.input(2)?])
    }),
    row("IsNaN", 1, 1, |c, _| {
        let x = c.float_input(0)?;
        c.result = Some(DType::Bool);
        c.step(IsNanF, &[x])
    }),
    row("IsInf", 1, 1, |c, a| {
        let mut args = vec![c.float_input(0)?];
        c.result = Some(DType::Bool);
        for &counts in a {
            args.push(c.number(counts)?);
        }
        c.step(IsInfF, &args)
    })
    .with(|n| ints(n, &[("detect_positive", 1), ("detect_negative", 1)])),
    row("Binarizer", 1, 1, binarizer).of("ai.onnx.ml").with(|n| floats(n, &[("threshold", 0.0)])),
];

/// 1 above the threshold, else 0, of the input's type.
fn binarizer(c: &mut Chain, attrs: &[Scalar]) -> Result<Ref> {
    let [Scalar::F(threshold)] = *attrs else { return Err(Error::internal("a Binarizer without threshold")) };
    let (x, dtype) = (c.input(0)?, c.dtype(0)?);
    c.want(matches!(dtype, DType::F32 | DType::I32 | DType::I64))?;
    let above = if dtype == DType::F32 {
        let threshold = c.number(Scalar::F(threshold))?;
        c.step(GtF, &[x, threshold])?
    } else {
        // An integer is above a number if it is above the whole part of it. All are above what lies below the range, none above NaN.
        let whole = if threshold.is_nan() { i32::MAX } else { threshold.floor() as i32 };
        let code = if threshold < i32::MIN as f32 { GeI } else { GtI };
        let whole = c.number(Scalar::I(whole.into()))?;
        c.step(code, &[x, whole])?
    };
    let number = |n: u8| if dtype == DType::F32 { Scalar::F(n.into()) } else { Scalar::I(n.into()) };
    let (one, zero) = (c.number(number(1))?, c.number(number(0))?);
    c.step(SelectW, &[above, one, zero])
}

/// The exponent may be of another type than the base; the result is the base's.
fn pow(c: &mut Chain, _: &[Scalar]) -> Result<Ref> {
    let (base, exponent) = (c.input(0)?, c.input(1)?);
    match (c.dtype(0)?, c.dtype(1)?) {
        (dtype @ (DType::F32 | DType::F16 | DType::Bf16), of) => {
            let x = match c.constant(1) {
                Some(2.0) => c.step(MulF, &[base, base])?,
                Some(0.5) => c.step(SqrtF, &[base])?,
                _ => {
                    let exponent = if of.is_float() {
                        exponent
                    } else {
                        c.convert(exponent, of, DType::F32, Narrowing::default())?
                    };
                    c.step(PowF, &[base, exponent])?
                }
            };
            c.wrap(x, dtype)
        }
        // On the device an i64 base takes another way, which checks the result's range.
        (DType::I32 | DType::I64, DType::F32 | DType::F16 | DType::Bf16) => c.step(PowIF, &[base, exponent]),
        (DType::I32 | DType::I64, DType::I8 | DType::I16 | DType::I32 | DType::I64 | DType::U8 | DType::U16) => {
            c.step(PowI, &[base, exponent])
        }
        (base, exponent) => Err(Error::unsupported(format!("{base} to the power of {exponent}"))),
    }
}

fn clip(c: &mut Chain, bounds: &[Scalar]) -> Result<Ref> {
    let mut x = c.input(0)?;
    if let &[low, high] = bounds {
        let dtype = c.dtype(0)?;
        c.want(dtype.is_float())?;
        let (low, high) = (c.number(low)?, c.number(high)?);
        x = c.step(MaxF, &[x, low])?;
        x = c.step(MinF, &[x, high])?;
        return c.wrap(x, dtype);
    }
    let mut any = false;
    for (k, f, i, u) in [(1, MaxF, MaxI, MaxU), (2, MinF, MinI, MinU)] {
        if c.has(k) {
            c.want(c.dtype(k)? == c.dtype(0)?)?;
            x = c.numeric_of(Some(f), Some(i), Some(u), &[x, c.input(k)?])?;
            any = true;
        }
    }
    if any { Ok(x) } else { c.step(Copy, &[x]) }
}
