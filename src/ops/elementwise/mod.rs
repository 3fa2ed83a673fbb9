//! Elementwise operators: a line each in `table`, run as a chain of steps by a kernel that is made for it, and
//! `fascine.Elementwise`, which carries a longer chain that the graph's rewrites have fused.

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Known, Lowering, View};
use crate::size::{Size, pins, sizes};
use crate::tensor::{DType, Tensor, TensorData, checked_len};
use half::{bf16, f16};

use super::broadcast::broadcast_shapes;
use super::integer::{BY_ZERO, IntegerOp, emit_integer};
use super::{Operator, Parse, check_inputs, operator};

mod chain;
mod codes;
mod dispatch;
mod epilogue;
mod generate;
mod integers;
pub mod program;
mod table;

pub use codes::Code;
pub(super) use codes::{Scalar, minifloat_word};
pub use dispatch::{emit_program, emit_rounding};
pub use epilogue::Epilogue;

use chain::{Chain, Input, element};
pub(super) use chain::{Narrowing, scalar};
use program::{MAX_INPUTS, Program, Ref, Step};
use table::{ROWS, Row, VARIADIC};

/// How the operator of that name is parsed, if it is elementwise.
pub(super) fn lookup(domain: &str, op: &str) -> Option<Parse> {
    match domain {
        "fascine" if op == "Elementwise" => Some(|node| operator(Program::from_node(node).map(Fused))),
        _ => row(domain, op).map(|_| -> Parse { |node| operator(Elementwise::parse(node)) }),
    }
}

fn row(domain: &str, op: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.domain == domain && row.name == op)
}

/// The chain that computes an ONNX node, for rewrites that fuse it, and which of the node's inputs the chain reads. Inputs
/// whose value is a scalar without dimensions become constants of the chain. `None` if the node is not elementwise or
/// needs more than one dispatch; unknown types give `None` too.
pub fn program_of(node: &Node, inputs: &[Option<(DType, Option<&Tensor>)>]) -> Option<(Program, Vec<usize>)> {
    if node.domain == "fascine" && node.op == "Elementwise" {
        return Some((Program::from_node(node).ok()?, (0..node.inputs.len()).collect()));
    }
    if node.domain.is_empty() && node.op == "Cast" {
        // Sums of integers on their way to a scale; others are mostly shape arithmetic.
        let [Some((DType::I32, None))] = inputs else { return None };
        let to_float = matches!(node.int("to", 0), Ok(1));
        let program = conversion(DType::I32, DType::F32, Narrowing::default()).ok().filter(|_| to_float);
        return program.map(|program| (program, vec![0]));
    }
    if let Some(program) = super::quantise::program_of(node, inputs) {
        return Some((program, vec![0]));
    }
    let row = row(&node.domain, &node.op).filter(|row| row.name != "Mean")?;
    let elementwise = Elementwise { row, attrs: (row.attrs)(node).ok()? };
    let dtype = |k: usize| inputs.get(k).copied().flatten().map(|(dtype, _)| dtype);
    let checked = dtype(0).and_then(|first| elementwise.checked(first, dtype(1)));
    if inputs.len() > MAX_INPUTS || checked.is_some() {
        return None;
    }
    let inputs = inputs.iter().map(|input| {
        input.map(|(dtype, value)| Input { dtype, constant: value.filter(|v| v.shape().is_empty()).and_then(scalar) })
    });
    elementwise.chain(inputs.collect()).ok()
}

/// An operator of the table: inputs broadcast to the output's shape.
#[derive(Debug)]
struct Elementwise {
    row: &'static Row,
    /// What the node's attributes say, as the row reads them.
    attrs: Vec<Scalar>,
}

impl Elementwise {
    fn parse(node: &Node) -> Result<Self> {
        let row = row(&node.domain, &node.op).ok_or_else(|| Error::internal("an operator without a row"))?;
        check_inputs(node, row.min_inputs..=row.max_inputs)?;
        if node.outputs.len() != 1 {
            return Err(Error::invalid_model(format!("{} outputs", node.outputs.len())));
        }
        if node.opset < 7 && (node.int("broadcast", 0)? != 0 || node.attrs.contains_key("axis")) {
            return Err(Error::unsupported("the broadcast and axis attributes of opsets before 7"));
        }
        Ok(Elementwise { row, attrs: (row.attrs)(node)? })
    }

    fn chain(&self, inputs: Vec<Option<Input>>) -> Result<(Program, Vec<usize>)> {
        Chain::build(&self.attrs, inputs, self.row.build)
    }

    /// What it computes on integers of these types, if it may fail.
    fn checked(&self, first: DType, second: Option<DType>) -> Option<IntegerOp> {
        IntegerOp::of(self.row.name, &self.attrs, first, second)
    }

    /// The chain over these inputs; scalars that the host knows become constants of it.
    fn program(&self, inputs: &[Option<&Fact>], fold: bool) -> Result<(Program, Vec<usize>)> {
        let known = |fact: &Fact| if fold && fact.has_one_element() { fact.value().and_then(scalar) } else { None };
        let mut chain_inputs: Vec<Option<Input>> =
            (inputs.iter()).map(|fact| fact.map(|fact| Input { dtype: fact.dtype, constant: known(fact) })).collect();
        if chain_inputs.iter().flatten().all(|input| input.constant.is_some())
            && let Some(Some(first)) = chain_inputs.first_mut()
        {
            // A dispatch reads something.
            first.constant = None;
        }
        self.chain(chain_inputs)
    }
}

impl Operator for Elementwise {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if self.row.max_inputs == VARIADIC && inputs.len() > MAX_INPUTS {
            let first = inputs[0];
            if inputs.iter().any(|&dtype| dtype != first) {
                return Err(Error::invalid_model("the inputs' types differ"));
            }
            return self.dtypes(&inputs[..1]);
        }
        let inputs = inputs.iter().map(|dtype| dtype.map(|dtype| Input { dtype, constant: None })).collect();
        match self.chain(inputs)?.0.dtype {
            dtype if self.row.name == "Mean" && !dtype.is_float() => {
                Err(Error::unsupported(format!("the mean of {dtype} tensors")))
            }
            dtype => Ok(vec![dtype]),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![broadcast_shapes(inputs.iter().flatten().map(|fact| fact.shape.as_slice()))?])
    }

    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        integers::integers(self.row.name, inputs)
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        if inputs.len() > MAX_INPUTS || self.row.name == "Mean" {
            return Ok(None);
        }
        let (program, read) = self.program(inputs, false)?;
        let values: Option<Vec<&Tensor>> = read.iter().map(|&k| inputs[k]?.value()).collect();
        let divides = matches!(self.row.name, "Div" | "Mod") && !program.dtype.is_float();
        if divides && values.as_ref().is_some_and(|values| has_zero(values[1])) {
            return Err(Error::input(BY_ZERO));
        }
        values.map(|values| Ok(vec![evaluate(&program, &values)?])).transpose()
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let dtype = |k: usize| cx.input(k).map(|fact| fact.dtype);
        if let Some(op) = dtype(0).and_then(|first| self.checked(first, dtype(1))) {
            let sound = op.only_divides() && cx.constant(1).is_some_and(|divisor| !has_zero(divisor));
            if !sound {
                return lower_checked(cx, op);
            }
        }
        if self.row.max_inputs == VARIADIC && (cx.inputs() > MAX_INPUTS || self.row.name == "Mean") {
            return self.lower_in_groups(cx);
        }
        let (program, read) = self.program(&cx.facts(), true)?;
        let views = read.iter().map(|&k| cx.stored(k)).collect::<Result<Vec<_>>>()?;
        let output = cx.packed_output(0);
        emit_program(cx, &program, &views, &output)
    }
}

impl Elementwise {
    /// Many inputs: the first of them, as many as a chain takes, then the result so far with the next, and so on.
    fn lower_in_groups(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let count = cx.inputs();
        let output = cx.packed_output(0);
        let mut done: Option<View> = None;
        let mut next = 0;
        while next < count {
            let mut views: Vec<_> = done.take().into_iter().collect();
            while views.len() < MAX_INPUTS && next < count {
                views.push(cx.stored(next)?);
                next += 1;
            }
            let inputs = views.iter().map(|view| Some(Input { dtype: view.dtype, constant: None })).collect();
            let (mut program, _) = self.chain(inputs)?;
            if next == count && self.row.name == "Mean" {
                program.constants.push(Scalar::F(count as f32));
                let args = vec![Ref::Step(program.steps.len() - 1), Ref::Constant(program.constants.len() - 1)];
                program.steps.push(Step { code: Code::DivF, args });
                if let Some(code) = Code::rounding(program.dtype) {
                    program.steps.push(Step { code, args: vec![Ref::Step(program.steps.len() - 1)] });
                }
            }
            let target = if next == count { output.clone() } else { cx.words(output.dtype, &output.shape)? };
            emit_program(cx, &program, &views, &target)?;
            done = Some(target);
        }
        Ok(())
    }
}

/// Integers, one operation after another, each checked.
fn lower_checked(cx: &mut Lowering<'_>, op: IntegerOp) -> Result<()> {
    let first = cx.view(0)?;
    let output = cx.output(0);
    let count = cx.inputs();
    if count == 1 {
        // A sum of one is that one.
        return match op {
            IntegerOp::Neg | IntegerOp::Abs => emit_integer(cx, op, &first, &first, &output),
            _ => cx.copy(&first, &output),
        };
    }
    let mut done = first;
    for k in 1..count {
        let next = cx.view(k)?;
        let target = if k + 1 == count { output.clone() } else { cx.words(output.dtype, &output.shape)? };
        emit_integer(cx, op, &done, &next, &target)?;
        done = target;
    }
    Ok(())
}

/// `fascine.Elementwise`: a chain given by attributes.
#[derive(Debug)]
struct Fused(Program);

impl Operator for Fused {
    fn dtypes(&self, _: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![self.0.dtype])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![broadcast_shapes(inputs.iter().flatten().map(|fact| fact.shape.as_slice()))?])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let values: Option<Vec<&Tensor>> = inputs.iter().map(|input| (*input)?.value()).collect();
        values.map(|values| Ok(vec![evaluate(&self.0, &values)?])).transpose()
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let views = (0..cx.inputs()).map(|k| cx.stored(k)).collect::<Result<Vec<_>>>()?;
        let bytes = matches!(self.0.dtype, DType::I8 | DType::U8);
        let output = if bytes { cx.resting_output(0) } else { cx.packed_output(0) };
        emit_program(cx, &self.0, &views, &output)
    }
}

fn has_zero(tensor: &Tensor) -> bool {
    (0..tensor.len()).any(|k| element(tensor.data(), k).i() == 0)
}

/// The chain that converts elements of one type to another, as `Cast` does; rounded where f16 and bf16 are.
///
/// # Errors
/// `Unsupported` for types that the device does not compute with.
pub(super) fn conversion(from: DType, to: DType, narrowing: Narrowing) -> Result<Program> {
    let input = Input { dtype: from, constant: None };
    Chain::convert_only(input, to, narrowing)
}

/// Runs a chain on the host.
///
/// # Errors
/// `Shape` if the inputs do not broadcast; `Unsupported` for a result's type; `Input` for a u64 value beyond 32 bits.
pub(super) fn evaluate(program: &Program, inputs: &[&Tensor]) -> Result<Tensor> {
    for tensor in inputs {
        // Steps take the upper bit for a sign.
        if let TensorData::U64(data) = tensor.data()
            && let Some(x) = data.iter().find(|&&x| u32::try_from(x).is_err())
        {
            return Err(Error::input(format!(
                "the u64 value {x} does not fit the 32 bits that the device computes with"
            )));
        }
    }
    let shapes: Vec<Vec<Size>> = inputs.iter().map(|tensor| sizes(tensor.shape())).collect();
    let shape = pins(&broadcast_shapes(shapes.iter().map(Vec::as_slice))?);
    let len = checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
    let strides: Vec<Vec<usize>> = inputs
        .iter()
        .map(|tensor| {
            let lead = shape.len() - tensor.shape().len();
            let own = pins(&crate::lower::row_major(&sizes(tensor.shape())));
            let stride =
                |axis: usize| if axis < lead || tensor.shape()[axis - lead] == 1 { 0 } else { own[axis - lead] };
            (0..shape.len()).map(stride).collect()
        })
        .collect();
    let mut index = vec![0; shape.len()];
    let mut results = Vec::with_capacity(len);
    for _ in 0..len {
        let values: Vec<Scalar> = (inputs.iter().zip(&strides))
            .map(|(tensor, strides)| element(tensor.data(), index.iter().zip(strides).map(|(i, s)| i * s).sum()))
            .collect();
        results.push(program.host(&values));
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    let ints = || results.iter().map(|x| x.i());
    let data = match program.dtype {
        DType::F32 => TensorData::F32(results.iter().map(|x| x.f()).collect()),
        DType::F16 => TensorData::F16(results.iter().map(|x| f16::from_f32(x.f())).collect()),
        DType::Bf16 => TensorData::Bf16(results.iter().map(|x| bf16::from_f32(x.f())).collect()),
        DType::F8E4M3Fn
        | DType::F8E4M3Fnuz
        | DType::F8E5M2
        | DType::F8E5M2Fnuz
        | DType::F8E8M0
        | DType::F4E2M1
        | DType::I2
        | DType::I4
        | DType::U2
        | DType::U4 => TensorData::from_le_bytes(program.dtype, &ints().map(|x| x as u8).collect::<Vec<u8>>())?,
        DType::Bool => TensorData::Bool(results.iter().map(|x| x.b()).collect()),
        DType::I64 => TensorData::I64(ints().collect()),
        DType::U64 => TensorData::U64(ints().map(|x| x as u64).collect()),
        DType::I32 => TensorData::I32(ints().map(|x| x as i32).collect()),
        DType::I16 => TensorData::I16(ints().map(|x| x as i16).collect()),
        DType::I8 => TensorData::I8(ints().map(|x| x as i8).collect()),
        DType::U32 => TensorData::U32(ints().map(|x| x as u32).collect()),
        DType::U16 => TensorData::U16(ints().map(|x| x as u16).collect()),
        DType::U8 => TensorData::U8(ints().map(|x| x as u8).collect()),
        other => return Err(Error::unsupported(format!("elementwise results of type {other}"))),
    };
    Tensor::from_data(shape, data)
}
