//! The dispatch of a chain: how each input is read, and the parameters.

use crate::error::{Error, Result};
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Lowering, View, Work, collapse, params, word};
use crate::size::Size;

use super::codes::Scalar;
use super::generate::{Read, Source, kernel};
use super::program::Program;

/// The most dimensions of strided inputs, merged as far as they go: those that a chain's parameters have room for.
const MAX_RANK: usize = 8;

/// Emits the dispatch that runs `program` over `inputs`, however they lie, broadcast to `output`, which is the whole of a row-major
/// buffer of words or of packed elements.
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
    let mut reads: Vec<Read> = views.iter().map(|view| simple_read(view).unwrap_or(Read::Strided)).collect();
    let strided: Vec<&[Size]> = (views.iter().zip(&reads))
        .filter(|(_, read)| read.is_strided())
        .map(|(view, _)| view.strides.as_slice())
        .collect();
    let (sizes, merged) = collapse(&output.shape, &strided);
    let vectors = len.div_ceil(4);
    let mut words: Vec<(String, Size)> =
        vec![("vectors".to_owned(), vectors), ("last".to_owned(), len - 1), ("zero".to_owned(), Size::ZERO)];
    if !merged.is_empty() {
        for (axis, &size) in sizes.iter().enumerate() {
            words.push((format!("size{axis}"), word(size)?));
        }
    }
    let mut merged = merged.iter();
    for (k, view) in views.iter().enumerate() {
        if reads[k] != Read::Flat {
            words.push((format!("offset{k}"), word(view.offset)?));
        }
        if reads[k].is_strided() {
            let strides = merged.next().expect("a list of strides for each strided input");
            reads[k] = strided_read(view.offset, &sizes, strides);
            for (axis, &stride) in strides.iter().enumerate() {
                words.push((format!("stride{k}_{axis}"), word(stride)?));
            }
        }
    }
    for (k, value) in constant_words(program)?.into_iter().enumerate() {
        words.push((format!("c{k}"), Size::from(value)));
    }
    if sizes.len() > MAX_RANK {
        return Err(Error::unsupported(format!("{} dimensions that cannot be merged; {MAX_RANK} are", sizes.len())));
    }
    let sources: Vec<Source> =
        views.iter().zip(reads).map(|(view, read)| Source { read, storage: view.storage }).collect();
    let kernel = kernel(program, &sources, output.storage, sizes.len())?;
    let numbers: Vec<(&str, Size)> = words.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let operands: Vec<BufferId> = views.iter().map(|view| view.buffer).chain([output.buffer]).collect();
    let read: Size = inputs.iter().map(|view| view.storage.bytes(view.len().min(len))).sum();
    cx.emit(Emit {
        kernel: &kernel.name,
        constants: &[],
        groups: item_groups(vectors),
        operands: &operands,
        params: params(&kernel.name, &numbers, &[])?,
        cost: Work { flops: len * program.steps.len(), bytes: read + output.bytes() },
    })
}

/// Emits the dispatch that rounds words of f16 or bf16, which kernels have computed as f32.
///
/// # Errors
/// As [`emit_program`].
pub fn emit_rounding(cx: &mut Lowering<'_>, view: &View) -> Result<View> {
    let words = cx.words(view.dtype, &view.shape)?;
    emit_program(cx, &Program::half(view.dtype), std::slice::from_ref(view), &words)?;
    Ok(cx.rounded(words))
}

/// Flat or scalar, if it is one of these.
fn simple_read(view: &View) -> Option<Read> {
    let moves = |(size, stride): (&Size, &Size)| *size > 1 && !stride.is_zero();
    if !view.shape.iter().zip(&view.strides).any(moves) {
        return Some(Read::Scalar);
    }
    (view.offset.is_zero() && view.is_row_major()).then_some(Read::Flat)
}

/// How four neighbours lie; sizes and strides from the innermost dimension.
fn strided_read(offset: Size, sizes: &[Size], strides: &[Size]) -> Read {
    if !sizes[0].is_multiple_of(4) {
        Read::Strided
    } else if strides[0].is_zero() {
        Read::Splat
    } else if strides[0] == 1 && offset.is_multiple_of(4) && strides[1..].iter().all(|stride| stride.is_multiple_of(4))
    {
        Read::Vector
    } else {
        Read::Strided
    }
}

/// The constants of a program as words.
///
/// # Errors
/// `Input` for an integer that does not fit the device's 32 bits.
pub(super) fn constant_words(program: &Program) -> Result<Vec<u32>> {
    let word = |constant: &Scalar| match *constant {
        Scalar::F(x) => Ok(x.to_bits()),
        Scalar::B(x) => Ok(u32::from(x)),
        Scalar::I(x) => i32::try_from(x).map(|x| x as u32).or_else(|_| u32::try_from(x)).map_err(|_| {
            Error::input(format!("the i64 value {x} does not fit the 32 bits that the device computes with"))
        }),
    };
    program.constants.iter().map(word).collect()
}
