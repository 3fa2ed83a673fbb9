//! The dispatch of a chain: how each input is read, and the parameters.

use crate::error::{Error, Result};
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Lowering, View, Work, collapse, params, word, words};
use crate::size::Size;

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

const STRIDES: [[&str; 2]; 4] = [
    ["strides_low0", "strides_high0"],
    ["strides_low1", "strides_high1"],
    ["strides_low2", "strides_high2"],
    ["strides_low3", "strides_high3"],
];
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
    if len.is_zero() {
        return Ok(());
    }
    let fits = inputs.len() == program.inputs && !inputs.is_empty();
    if !fits || !output.offset.is_zero() || !output.is_row_major() {
        return Err(Error::internal("the operands do not fit the elementwise chain"));
    }
    let views = inputs.iter().map(|view| view.broadcast(&output.shape)).collect::<Result<Vec<View>>>()?;
    let mut modes: Vec<Mode> = views.iter().map(|view| simple_mode(view).unwrap_or(Mode::Strided)).collect();
    let strided: Vec<&[Size]> = (views.iter().zip(&modes))
        .filter(|(_, mode)| **mode == Mode::Strided)
        .map(|(view, _)| view.strides.as_slice())
        .collect();
    let (sizes, merged) = collapse(&output.shape, &strided);
    let mut merged = merged.iter();
    let mut offsets = [Size::ZERO; 4];
    let mut strides = [[Size::ZERO; 8]; 4];
    for (k, view) in views.iter().enumerate() {
        offsets[k] = word(view.offset)?;
        if modes[k] == Mode::Strided {
            let own = merged.next().expect("a list of strides for each strided input");
            strides[k] = words(own, 0)?;
            modes[k] = strided_mode(view.offset, &sizes, own);
        }
    }
    let (size, constants) = (words::<8>(&sizes, 1)?, constants(program)?.map(Size::from));
    let mut lists: Vec<(&str, &[Size])> = vec![
        ("offset", &offsets),
        ("constants_low", &constants[..4]),
        ("constants_high", &constants[4..]),
        ("size_low", &size[..4]),
        ("size_high", &size[4..]),
    ];
    for (names, strides) in STRIDES.iter().zip(&strides) {
        lists.extend([(names[0], &strides[..4]), (names[1], &strides[4..])]);
    }
    let vectors = len.div_ceil(4);
    let params = params("elementwise", &[("vectors", vectors), ("last", len - 1)], &lists)?;
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
    let read: Size = inputs.iter().map(|view| view.len().min(len) * 4).sum();
    cx.emit(Emit {
        kernel: "elementwise",
        constants: &overrides,
        groups: item_groups(vectors),
        operands: &operands,
        params,
        cost: Work { flops: len * program.steps.len(), bytes: read + len * 4 },
    })
}

/// Flat or scalar, if it is one of these.
fn simple_mode(view: &View) -> Option<Mode> {
    let moves = |(size, stride): (&Size, &Size)| *size > 1 && !stride.is_zero();
    if !view.shape.iter().zip(&view.strides).any(moves) {
        return Some(Mode::Scalar);
    }
    (view.offset.is_zero() && view.is_row_major()).then_some(Mode::Flat)
}

/// How four neighbours lie; sizes and strides from the innermost dimension.
fn strided_mode(offset: Size, sizes: &[Size], strides: &[Size]) -> Mode {
    if !sizes[0].is_multiple_of(4) {
        Mode::Strided
    } else if strides[0].is_zero() {
        Mode::Splat
    } else if strides[0] == 1 && offset.is_multiple_of(4) && strides[1..].iter().all(|stride| stride.is_multiple_of(4))
    {
        Mode::Vector
    } else {
        Mode::Strided
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
