//! Builds the chain of an ONNX node from the types of its inputs.

use crate::error::{Error, Result};
use crate::lower::storage::check_dtype;
use crate::tensor::{DType, Minifloat, RoundMode, Tensor, TensorData};

use super::codes::{Code, Scalar, minifloat_word};
use super::program::{Program, Ref, Step};
use super::table::Build;

/// An input of a node as its chain sees it.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) dtype: DType,
    /// Its value, if it is one number that becomes a constant of the chain.
    pub(super) constant: Option<Scalar>,
}

/// A chain under construction.
pub(super) struct Chain {
    /// By input of the node; `None` where it is left out.
    inputs: Vec<Option<(Input, Ref)>>,
    program: Program,
    /// The result's type, where it is not the first input's.
    pub(super) result: Option<DType>,
}

/// The number that a tensor of one element holds, if a step can take it as it is. An i64 or u64 that does not fit the device's 32
/// bits cannot: as a tensor on the device it is refused.
pub(in crate::ops) fn scalar(tensor: &Tensor) -> Option<Scalar> {
    let value = (tensor.len() == 1).then(|| element(tensor.data(), 0))?;
    match value {
        Scalar::I(x) if tensor.dtype() == DType::I64 && i32::try_from(x).is_err() => None,
        Scalar::I(x) if tensor.dtype() == DType::U64 && u32::try_from(x).is_err() => None,
        value => Some(value),
    }
}

pub(super) fn element(data: &TensorData, index: usize) -> Scalar {
    match data {
        TensorData::F32(data) => Scalar::F(data[index]),
        TensorData::F16(data) => Scalar::F(data[index].to_f32()),
        TensorData::Bf16(data) => Scalar::F(data[index].to_f32()),
        TensorData::F64(data) => Scalar::F(data[index] as f32),
        TensorData::F8E4M3Fn(data) => Scalar::I(data[index].to_bits().into()),
        TensorData::F8E4M3Fnuz(data) => Scalar::I(data[index].to_bits().into()),
        TensorData::F8E5M2(data) => Scalar::I(data[index].to_bits().into()),
        TensorData::F8E5M2Fnuz(data) => Scalar::I(data[index].to_bits().into()),
        TensorData::F8E8M0(data) => Scalar::I(data[index].to_bits().into()),
        TensorData::F4E2M1(data) => Scalar::I(data[index].to_bits().into()),
        TensorData::I2(data) => Scalar::I(data[index].get().into()),
        TensorData::I4(data) => Scalar::I(data[index].get().into()),
        TensorData::U2(data) => Scalar::I(data[index].get().into()),
        TensorData::U4(data) => Scalar::I(data[index].get().into()),
        TensorData::I8(data) => Scalar::I(data[index].into()),
        TensorData::I16(data) => Scalar::I(data[index].into()),
        TensorData::I32(data) => Scalar::I(data[index].into()),
        TensorData::I64(data) => Scalar::I(data[index]),
        TensorData::U8(data) => Scalar::I(data[index].into()),
        TensorData::U16(data) => Scalar::I(data[index].into()),
        TensorData::U32(data) => Scalar::I(data[index].into()),
        TensorData::U64(data) => Scalar::I(data[index] as i64),
        TensorData::Bool(data) => Scalar::B(data[index]),
    }
}

impl Chain {
    /// The chain of a node with these inputs, and which of them it reads, in its order.
    pub(super) fn build(attrs: &[Scalar], inputs: Vec<Option<Input>>, build: Build) -> Result<(Program, Vec<usize>)> {
        let mut program = Program { inputs: 0, steps: Vec::new(), constants: Vec::new(), dtype: DType::F32 };
        let mut read = Vec::new();
        let mut known = Vec::with_capacity(inputs.len());
        for (index, input) in inputs.into_iter().enumerate() {
            let Some(input) = input else {
                known.push(None);
                continue;
            };
            check_dtype(input.dtype)?;
            let source = match input.constant {
                Some(value) => {
                    program.constants.push(value);
                    Ref::Constant(program.constants.len() - 1)
                }
                None => {
                    read.push(index);
                    program.inputs += 1;
                    Ref::Input(program.inputs - 1)
                }
            };
            known.push(Some((input, source)));
        }
        let mut chain = Chain { inputs: known, program, result: None };
        build(&mut chain, attrs)?;
        chain.program.dtype = chain.result.map_or_else(|| chain.dtype(0), Ok)?;
        chain.program.share_constants();
        chain.program.validate()?;
        Ok((chain.program, read))
    }

    pub(super) fn has(&self, k: usize) -> bool {
        self.inputs.get(k).is_some_and(Option::is_some)
    }

    fn known(&self, k: usize) -> Result<&(Input, Ref)> {
        self.inputs.get(k).and_then(Option::as_ref).ok_or_else(|| Error::invalid_model(format!("input {k} is missing")))
    }

    pub(super) fn input(&self, k: usize) -> Result<Ref> {
        Ok(self.known(k)?.1)
    }

    pub(super) fn dtype(&self, k: usize) -> Result<DType> {
        Ok(self.known(k)?.0.dtype)
    }

    /// Input `k`, if it is a float constant.
    pub(super) fn constant(&self, k: usize) -> Option<f32> {
        match self.known(k).ok()?.0.constant? {
            Scalar::F(x) => Some(x),
            _ => None,
        }
    }

    /// An error unless the input types are as the operator wants them.
    pub(super) fn want(&self, holds: bool) -> Result<()> {
        if holds {
            return Ok(());
        }
        let dtypes: Vec<&str> = self.inputs.iter().flatten().map(|(input, _)| input.dtype.name()).collect();
        Err(Error::unsupported(format!("inputs of type {}", dtypes.join(", "))))
    }

    pub(super) fn step(&mut self, code: Code, args: &[Ref]) -> Result<Ref> {
        self.program.steps.push(Step { code, args: args.to_vec() });
        Ok(Ref::Step(self.program.steps.len() - 1))
    }

    pub(super) fn number(&mut self, value: Scalar) -> Result<Ref> {
        self.program.constants.push(value);
        Ok(Ref::Constant(self.program.constants.len() - 1))
    }

    fn all(&self) -> Result<Vec<Ref>> {
        (0..self.inputs.len()).map(|k| self.input(k)).collect()
    }

    fn same_types(&self) -> Result<DType> {
        let first = self.dtype(0)?;
        self.want(self.inputs.iter().flatten().all(|(input, _)| input.dtype == first))?;
        Ok(first)
    }

    /// One step over all inputs, by their type; `None` for types that the operator does not take.
    pub(super) fn numeric(&mut self, f: Option<Code>, i: Option<Code>, u: Option<Code>) -> Result<Ref> {
        let args = self.all()?;
        self.same_types()?;
        self.numeric_of(f, i, u, &args)
    }

    /// As [`Chain::numeric`], over other operands of the first input's type.
    pub(super) fn numeric_of(
        &mut self,
        f: Option<Code>,
        i: Option<Code>,
        u: Option<Code>,
        args: &[Ref],
    ) -> Result<Ref> {
        let dtype = self.dtype(0)?;
        let code = by_type(dtype, f, i, u);
        self.want(code.is_some())?;
        let result = self.step(code.expect("checked"), args)?;
        self.wrap(result, dtype)
    }

    /// Brings a word back to what a narrow type has: into its range, or to its precision.
    pub(super) fn wrap(&mut self, x: Ref, dtype: DType) -> Result<Ref> {
        match dtype {
            DType::I8 => self.step(Code::WrapI8, &[x]),
            DType::I16 => self.step(Code::WrapI16, &[x]),
            DType::U8 => self.step(Code::WrapU8, &[x]),
            DType::U16 => self.step(Code::WrapU16, &[x]),
            DType::I2 => self.step(Code::WrapI2, &[x]),
            DType::I4 => self.step(Code::WrapI4, &[x]),
            DType::U2 => self.step(Code::WrapU2, &[x]),
            DType::U4 => self.step(Code::WrapU4, &[x]),
            dtype => Code::rounding(dtype).map_or(Ok(x), |code| self.step(code, &[x])),
        }
    }

    pub(super) fn float(&mut self, code: Code) -> Result<Ref> {
        self.numeric(Some(code), None, None)
    }

    /// One step over the first input, a float, and these numbers.
    pub(super) fn float_with(&mut self, code: Code, numbers: &[Scalar]) -> Result<Ref> {
        let mut args = vec![self.input(0)?];
        for &number in numbers {
            args.push(self.number(number)?);
        }
        let dtype = self.dtype(0)?;
        self.want(dtype.is_float())?;
        let x = self.step(code, &args)?;
        self.wrap(x, dtype)
    }

    pub(super) fn logic(&mut self, code: Code) -> Result<Ref> {
        self.want(self.same_types()? == DType::Bool)?;
        let args = self.all()?;
        self.step(code, &args)
    }

    pub(super) fn compare(&mut self, f: Code, i: Code, u: Code, swapped: bool) -> Result<Ref> {
        let mut args = self.all()?;
        if swapped {
            args.reverse();
        }
        let code = match self.same_types()? {
            DType::Bool => (i == Code::EqW).then_some(i),
            dtype => by_type(dtype, Some(f), Some(i), Some(u)),
        };
        self.want(code.is_some())?;
        self.result = Some(DType::Bool);
        self.step(code.expect("checked"), &args)
    }

    /// The inputs one after another; a single one is passed on.
    pub(super) fn variadic(&mut self, f: Code, i: Code, u: Code) -> Result<Ref> {
        let args = self.all()?;
        self.same_types()?;
        let mut x = args[0];
        for &next in &args[1..] {
            x = self.numeric_of(Some(f), Some(i), Some(u), &[x, next])?;
        }
        if args.len() == 1 { self.step(Code::Copy, &[x]) } else { Ok(x) }
    }

    /// The chain that converts its only input.
    pub(super) fn convert_only(input: Input, to: DType, narrowing: Narrowing) -> Result<Program> {
        check_dtype(input.dtype)?;
        let from = input.dtype;
        let program = Program { inputs: 1, steps: Vec::new(), constants: Vec::new(), dtype: to };
        let mut chain = Chain { inputs: vec![Some((input, Ref::Input(0)))], program, result: None };
        chain.convert(Ref::Input(0), from, to, narrowing)?;
        Ok(chain.program)
    }

    /// Converts a word of one type to another, as `Cast` does.
    pub(super) fn convert(&mut self, x: Ref, from: DType, to: DType, narrowing: Narrowing) -> Result<Ref> {
        check_dtype(to)?;
        if from == to {
            return self.step(Code::Copy, &[x]);
        }
        let (x, from) = match from.minifloat() {
            Some(format) => (self.widen(x, format)?, DType::F32),
            None => (x, from),
        };
        if from == to {
            return Ok(x);
        }
        if let Some(format) = to.minifloat() {
            let x = if from.is_f32() { x } else { self.convert(x, from, DType::F32, narrowing)? };
            let word = self.number(minifloat_word(format, narrowing.saturate, narrowing.mode))?;
            return self.step(Code::NarrowW, &[x, word]);
        }
        let signed = |dtype| matches!(dtype, DType::I2 | DType::I4 | DType::I8 | DType::I16 | DType::I32 | DType::I64);
        // Fewer bits of what is out of range: by way of the signed integer.
        let wraps = matches!(to, DType::U2 | DType::U4);
        let word = match (from.is_f32(), to.is_f32()) {
            (true, _) if to == DType::Bool => return self.step(Code::FloatToBoolW, &[x]),
            _ if to == DType::Bool => return self.step(Code::IntToBoolW, &[x]),
            // What f16 or bf16 holds, f32 does.
            (true, true) => self.step(Code::Copy, &[x])?,
            (true, false) if signed(to) || wraps => self.step(Code::FloatToIntW, &[x])?,
            (true, false) => self.step(Code::FloatToUintW, &[x])?,
            // What f32 rounds f16 does not hold; bf16 does.
            (false, true) if signed(from) => self.step(Code::IntToFloatW, &[x])?,
            (false, true) => self.step(Code::UintToFloatW, &[x])?,
            (false, false) => self.step(Code::Copy, &[x])?,
        };
        self.wrap(word, to)
    }

    /// A minifloat's bits as f32.
    fn widen(&mut self, x: Ref, format: Minifloat) -> Result<Ref> {
        let word = self.number(minifloat_word(format, true, RoundMode::default()))?;
        self.step(Code::WidenW, &[x, word])
    }

    /// Input `k` as a float to ask about, with those of 8 and 4 bits widened.
    pub(super) fn float_input(&mut self, k: usize) -> Result<Ref> {
        let (x, dtype) = (self.input(k)?, self.dtype(k)?);
        match dtype.minifloat() {
            Some(format) => self.widen(x, format),
            None => self.want(dtype.is_float()).map(|()| x),
        }
    }
}

/// How a cast narrows to floats of 8 bits.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) struct Narrowing {
    /// What lies beyond the range becomes its end.
    pub(in crate::ops) saturate: bool,
    /// How E8M0 rounds.
    pub(in crate::ops) mode: RoundMode,
}

impl Default for Narrowing {
    fn default() -> Self {
        Narrowing { saturate: true, mode: RoundMode::default() }
    }
}

fn by_type(dtype: DType, f: Option<Code>, i: Option<Code>, u: Option<Code>) -> Option<Code> {
    match dtype {
        DType::F32 | DType::F16 | DType::Bf16 => f,
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => i,
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => u,
        _ => None,
    }
}
