//! Chains of elementwise steps that quantise and dequantise.

use crate::error::{Error, Result};
use crate::lower::Lowering;
use crate::lower::View;
use crate::ops::elementwise::program::{Program, Ref, Step};
use crate::ops::elementwise::{Code, Scalar, emit_program, minifloat_word};
use crate::tensor::{DType, Minifloat, RoundMode};

/// A bound that holds every sum of a rounded quotient and a zero point of 16 bits, and that f32 has exactly.
pub(super) const FAR: f32 = 1_048_576.0;

/// The least and the largest number of an integer type that is quantised to.
///
/// # Errors
/// `Unsupported` for other types.
pub(super) fn range(dtype: DType) -> Result<[i64; 2]> {
    match dtype {
        DType::U8 => Ok([0, 255]),
        DType::I8 => Ok([-128, 127]),
        DType::U16 => Ok([0, 65535]),
        DType::I16 => Ok([-32768, 32767]),
        DType::U4 => Ok([0, 15]),
        DType::I4 => Ok([-8, 7]),
        DType::U2 => Ok([0, 3]),
        DType::I2 => Ok([-2, 1]),
        other => Err(Error::unsupported(format!("quantisation to {other}"))),
    }
}

/// A chain under construction, and the views that are its inputs.
pub(super) struct Steps {
    program: Program,
    pub(super) views: Vec<View>,
}

impl Steps {
    pub(super) fn new(dtype: DType) -> Steps {
        Steps { program: Program { inputs: 0, steps: Vec::new(), constants: Vec::new(), dtype }, views: Vec::new() }
    }

    pub(super) fn step(&mut self, code: Code, args: &[Ref]) -> Ref {
        self.program.steps.push(Step { code, args: args.to_vec() });
        Ref::Step(self.program.steps.len() - 1)
    }

    pub(super) fn number(&mut self, value: Scalar) -> Ref {
        self.program.constants.push(value);
        Ref::Constant(self.program.constants.len() - 1)
    }

    /// The next input of the chain.
    pub(super) fn input(&mut self) -> Ref {
        self.program.inputs += 1;
        Ref::Input(self.program.inputs - 1)
    }

    /// The next input of the chain, a view.
    pub(super) fn view(&mut self, view: View) -> Ref {
        self.views.push(view);
        self.input()
    }

    /// Input `i` of the node, laid out by `place`; one number that the host knows is a constant of the chain.
    pub(super) fn node_input(
        &mut self,
        cx: &mut Lowering<'_>,
        i: usize,
        place: impl FnOnce(View) -> Result<View>,
    ) -> Result<Ref> {
        let known = cx.input(i).is_some_and(|fact| fact.has_one_element());
        let constant = if known { cx.constant(i).and_then(crate::ops::elementwise::scalar) } else { None };
        match constant {
            Some(value) => Ok(self.number(value)),
            None => {
                let view = place(cx.stored(i)?)?;
                Ok(self.view(view))
            }
        }
    }

    /// A word of that type as f32.
    pub(super) fn float(&mut self, x: Ref, dtype: DType) -> Ref {
        match dtype {
            DType::F32 | DType::F16 | DType::Bf16 => x,
            _ => match dtype.minifloat() {
                Some(format) => {
                    let word = self.number(minifloat_word(format, true, RoundMode::default()));
                    self.step(Code::WidenW, &[x, word])
                }
                None => self.step(Code::IntToFloatW, &[x]),
            },
        }
    }

    /// Rounded to the digits of `dtype`, if it is not of that type.
    pub(super) fn digits(&mut self, x: Ref, from: DType, to: DType) -> Ref {
        match Code::rounding(to).filter(|_| from != to) {
            Some(code) => self.step(code, &[x]),
            None => x,
        }
    }

    /// A quotient by the scale as a float of few bits, with the zero point, if that is not 0: by which -0 would be 0.
    pub(super) fn narrowed(&mut self, quotient: Ref, zero: Option<Ref>, format: Minifloat, saturate: bool) {
        let word = self.number(minifloat_word(format, saturate, RoundMode::default()));
        let mut x = quotient;
        if let Some(zero) = zero {
            let zero = self.step(Code::WidenW, &[zero, word]);
            let none = self.number(Scalar::F(0.0));
            let is_none = self.step(Code::EqF, &[zero, none]);
            let sum = self.step(Code::AddF, &[x, zero]);
            x = self.step(Code::SelectW, &[is_none, x, sum]);
        }
        self.step(Code::NarrowW, &[x, word]);
    }

    /// A quotient by the scale to the nearest whole number, of two the even one, with the zero point, within the range of `dtype`.
    /// NaN counts as 0.
    pub(super) fn saturated(&mut self, quotient: Ref, zero: Option<Ref>, dtype: DType) -> Result<Ref> {
        let [low, high] = range(dtype)?;
        let bounds = [self.number(Scalar::F(-FAR)), self.number(Scalar::F(FAR))];
        let mut x = self.step(Code::RoundF, &[quotient]);
        x = self.step(Code::MaxF, &[x, bounds[0]]);
        x = self.step(Code::MinF, &[x, bounds[1]]);
        x = self.step(Code::FloatToIntW, &[x]);
        if let Some(zero) = zero {
            x = self.step(Code::AddI, &[x, zero]);
        }
        let bounds = [self.number(Scalar::I(low)), self.number(Scalar::I(high))];
        x = self.step(Code::MaxI, &[x, bounds[0]]);
        Ok(self.step(Code::MinI, &[x, bounds[1]]))
    }

    /// The chain, if it can run.
    pub(super) fn finish(self) -> Result<(Program, Vec<View>)> {
        let Steps { mut program, views } = self;
        program.share_constants();
        program.validate()?;
        Ok((program, views))
    }
}

/// How the sums of a product are brought to its result: which inputs are the operands' scales, with how each is laid out, and the result's
/// scale and zero point.
pub(super) struct Scaled<'a> {
    pub(super) scales: [(usize, &'a dyn Fn(View) -> View); 2],
    pub(super) scale: usize,
    pub(super) zero: usize,
}

/// Emits the chain that takes sums of products to quantised numbers: they are multiplied by the product of the operands' scales over the
/// result's.
pub(super) fn requantise(cx: &mut Lowering<'_>, sums: View, scaled: &Scaled<'_>, output: &View) -> Result<()> {
    let mut steps = Steps::new(output.dtype);
    let sums = steps.view(sums);
    let [a, b] = scaled.scales;
    let a = steps.node_input(cx, a.0, |view| Ok((a.1)(view)))?;
    let b = steps.node_input(cx, b.0, |view| Ok((b.1)(view)))?;
    let scale = steps.node_input(cx, scaled.scale, one)?;
    let zero = match cx.input(scaled.zero) {
        Some(_) => Some(steps.node_input(cx, scaled.zero, one)?),
        None => None,
    };
    let mut factor = steps.step(Code::MulF, &[a, b]);
    factor = steps.step(Code::DivF, &[factor, scale]);
    let sums = steps.step(Code::IntToFloatW, &[sums]);
    let quotient = steps.step(Code::MulF, &[sums, factor]);
    steps.saturated(quotient, zero, output.dtype)?;
    let (program, views) = steps.finish()?;
    emit_program(cx, &program, &views, output)
}

/// The view of one number, without dimensions.
fn one(view: View) -> Result<View> {
    Ok(View { shape: Vec::new(), strides: Vec::new(), ..view })
}
