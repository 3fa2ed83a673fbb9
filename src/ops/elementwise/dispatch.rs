//! The dispatch of a chain: how each input is read, and the parameters.

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, Result};
use crate::lower::grid::item_grid;
use crate::lower::{BufferId, Emit, Lowering, View, word, words};
use crate::lower::{Cost, collapse};

use super::codes::Scalar;
use super::program::{MAX_CONSTANTS, MAX_INPUTS, Program};

/// How the kernel reads an input; the numbers are the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Flat = 0,
    Scalar = 1,
    Vector = 2,
    Splat = 3,
    Strided = 4,
}

#[cfg(test)]
pub(in crate::ops) const LAYOUTS: &[crate::ops::params::Layout] =
    &[crate::ops::params::layout!("elementwise", Params: vectors, last, pad, offset, constants, size, strides)];

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    vectors: u32,
    last: u32,
    pad: [u32; 2],
    offset: [u32; 4],
    constants: [u32; 8],
    size: [u32; 8],
    strides: [[u32; 8]; 4],
}

const MODES: [&str; 4] = ["M0", "M1", "M2", "M3"];
const CODES: [&str; 8] = ["OP0", "OP1", "OP2", "OP3", "OP4", "OP5", "OP6", "OP7"];
const ARGS: [&str; 8] = ["ARGS0", "ARGS1", "ARGS2", "ARGS3", "ARGS4", "ARGS5", "ARGS6", "ARGS7"];

/// Emits the dispatch that runs `program` over `inputs`, broadcast to `output`, which is the whole of a row-major buffer.
///
/// # Errors
/// `Shape` if an input does not broadcast; `Unsupported` for more than eight dimensions that cannot be merged; `Limit`.
pub fn emit_program(cx: &mut Lowering<'_>, program: &Program, inputs: &[View], output: &View) -> Result<()> {
    program.validate()?;
    let len = output.len();
    if len == 0 {
        return Ok(());
    }
    if inputs.len() != program.inputs || inputs.is_empty() || output.offset != 0 || !output.is_row_major() {
        return Err(Error::internal("the operands do not fit the elementwise chain"));
    }
    let views = inputs.iter().map(|view| view.broadcast(&output.shape)).collect::<Result<Vec<View>>>()?;
    let mut modes: Vec<Mode> = views.iter().map(|view| simple_mode(view).unwrap_or(Mode::Strided)).collect();
    let strided: Vec<&[usize]> = (views.iter().zip(&modes))
        .filter(|(_, mode)| **mode == Mode::Strided)
        .map(|(view, _)| view.strides.as_slice())
        .collect();
    let (sizes, merged) = collapse(&output.shape, &strided);
    let mut params = Params {
        vectors: word(len.div_ceil(4))?,
        last: word(len - 1)?,
        pad: [0; 2],
        offset: [0; 4],
        constants: constants(program)?,
        size: words(&sizes, 1)?,
        strides: [[0; 8]; 4],
    };
    let mut merged = merged.iter();
    for (k, view) in views.iter().enumerate() {
        params.offset[k] = word(view.offset)?;
        if modes[k] == Mode::Strided {
            let strides = merged.next().expect("a list of strides for each strided input");
            params.strides[k] = words(strides, 0)?;
            modes[k] = strided_mode(view.offset, &sizes, strides);
        }
    }
    let mut overrides: Vec<(&str, f64)> = vec![("RANK", sizes.len() as f64)];
    for (k, name) in MODES.iter().enumerate() {
        overrides.push((name, f64::from(*modes.get(k).unwrap_or(&Mode::Scalar) as u32)));
    }
    for (k, step) in program.steps.iter().enumerate() {
        let args = step.args.iter().enumerate().map(|(place, arg)| arg.number() << (8 * place)).sum::<u32>();
        overrides.push((CODES[k], f64::from(step.code as u32)));
        overrides.push((ARGS[k], f64::from(args)));
    }
    // Bindings that the chain does not use get a buffer that it does.
    let mut operands: Vec<BufferId> = (0..MAX_INPUTS).map(|k| views.get(k).unwrap_or(&views[0]).buffer).collect();
    operands.push(output.buffer);
    let read: u64 = (inputs.iter()).map(|view| 4 * view.len().min(len) as u64).sum();
    cx.emit(Emit {
        kernel: "elementwise",
        constants: &overrides,
        grid: item_grid(u64::from(params.vectors))?,
        operands: &operands,
        params: bytemuck::bytes_of(&params),
        cost: Cost { flops: len as u64 * program.steps.len() as u64, bytes: read + 4 * len as u64 },
    })
}

/// Flat or scalar, if it is one of these.
fn simple_mode(view: &View) -> Option<Mode> {
    let moves = |(&size, &stride): (&usize, &usize)| size > 1 && stride != 0;
    if !view.shape.iter().zip(&view.strides).any(moves) {
        return Some(Mode::Scalar);
    }
    (view.offset == 0 && view.is_row_major()).then_some(Mode::Flat)
}

/// How four neighbours lie; sizes and strides from the innermost dimension.
fn strided_mode(offset: usize, sizes: &[usize], strides: &[usize]) -> Mode {
    let aligned = offset.is_multiple_of(4) && strides[1..].iter().all(|stride| stride.is_multiple_of(4));
    match strides[0] {
        _ if !sizes[0].is_multiple_of(4) => Mode::Strided,
        0 => Mode::Splat,
        1 if aligned => Mode::Vector,
        _ => Mode::Strided,
    }
}

fn constants(program: &Program) -> Result<[u32; MAX_CONSTANTS]> {
    let mut words = [0; MAX_CONSTANTS];
    for (word, constant) in words.iter_mut().zip(&program.constants) {
        *word = match *constant {
            Scalar::F(x) => x.to_bits(),
            Scalar::B(x) => u32::from(x),
            Scalar::I(x) => i32::try_from(x).map(|x| x as u32).or_else(|_| u32::try_from(x)).map_err(|_| {
                Error::input(format!("the i64 value {x} does not fit the 32 bits that the device computes with"))
            })?,
        };
    }
    Ok(words)
}
