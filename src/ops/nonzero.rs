//! `NonZero` in two operators of domain `fascine` (`optimise/expand/various.rs`): the first counts, and the host reads how many there are;
//! the second, planned with that number, writes the coordinates.

use std::ops::Range;

use super::{Entry, Operator, given, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::check_dtype;
use crate::lower::{BufferId, Emit, Fact, Lowering, Work, params, words};
use crate::size::{Size, checked_len};
use crate::tensor::{DType, Tensor};

pub(super) const TABLE: &[Entry] = &[
    ("fascine", "NonZeroCount", |node| operator(given_inputs(node, 1).map(|()| NonZeroCount))),
    ("fascine", "NonZeroIndices", |node| operator(given_inputs(node, 3).map(|()| NonZeroIndices))),
];

fn given_inputs(node: &Node, count: usize) -> Result<()> {
    match node.inputs.iter().flatten().count() {
        given if given == count && node.inputs.len() == count => Ok(()),
        _ => Err(Error::invalid_model("NonZero has one input")),
    }
}

/// Elements that one invocation counts.
const CHUNK: usize = 64;

fn chunks(x: &Fact) -> Result<Size> {
    let len = checked_len(&x.shape).ok_or_else(|| Error::shape(format!("shape {:?} overflows", x.shape)))?;
    Ok(len.div_ceil(CHUNK))
}

/// The bits of a word that make an element differ from zero.
fn mask(dtype: DType) -> Size {
    Size::from(if dtype.is_float() { 0x7fff_ffffu32 } else { u32::MAX })
}

/// The positions of elements that differ from zero, in row-major order.
fn positions(x: &Tensor) -> Vec<usize> {
    let width = x.bytes().len() / x.len().max(1);
    let floats = x.dtype().is_float();
    let differs = |element: &[u8]| {
        let (last, rest) = element.split_last().unwrap_or((&0, &[]));
        // The machine is little-endian, as every one that fascine runs on: the last byte has the sign.
        rest.iter().any(|&byte| byte != 0) || last & if floats { 0x7f } else { 0xff } != 0
    };
    let elements = x.bytes().chunks(width.max(1)).enumerate();
    elements.filter(|(_, element)| differs(element)).map(|(at, _)| at).collect()
}

/// Input: a tensor. Outputs: for each chunk of 64 elements how many before it differ from zero (i32), and how many do in all
/// (i64, one element).
#[derive(Debug)]
struct NonZeroCount;

impl Operator for NonZeroCount {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if let Some(dtype) = inputs.first().copied().flatten() {
            check_dtype(dtype)?;
            if dtype.minifloat().is_some() {
                return Err(Error::unsupported(format!("which elements of type {dtype} are not 0")));
            }
        }
        Ok(vec![DType::I32, DType::I64])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![vec![chunks(given(inputs, 0)?)?], vec![Size::ONE]])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(x) = given(inputs, 0)?.value() else { return Ok(None) };
        let at = positions(x);
        let before = |chunk: usize| at.partition_point(|&at| at < chunk * CHUNK) as i32;
        let offsets: Vec<i32> = (0..x.len().div_ceil(CHUNK)).map(before).collect();
        let count = Tensor::new([1], vec![at.len() as i64])?;
        Ok(Some(vec![Tensor::new([offsets.len()], offsets)?, count]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let x = cx.contiguous(0)?;
        let (offsets, total) = (cx.output(0), cx.output(1));
        emit_counts(cx, x.buffer, (x.len(), mask(x.dtype)), [offsets.buffer, total.buffer])
    }
}

/// Counts words that have a bit of the mask: before each chunk, and in all.
fn emit_counts(
    cx: &mut Lowering<'_>,
    x: BufferId,
    (len, mask): (Size, Size),
    [offsets, total]: [BufferId; 2],
) -> Result<()> {
    let chunks = len.div_ceil(CHUNK);
    let counts = cx.words(DType::I32, &[chunks])?.buffer;
    cx.emit(Emit {
        kernel: "nonzero_count",
        constants: &[],
        groups: item_groups(chunks),
        operands: &[x, counts],
        params: params("nonzero_count", &[("len", len), ("mask", mask)], &[])?,
        cost: Work::of_words(Size::ZERO, len + chunks),
    })?;
    emit_scan(cx, [counts, offsets, total], chunks)
}

/// The sums of all counts before each, and of all.
pub(super) fn emit_scan(cx: &mut Lowering<'_>, buffers: [BufferId; 3], len: Size) -> Result<()> {
    cx.emit(Emit {
        kernel: "nonzero_scan",
        constants: &[],
        groups: Size::ONE,
        operands: &buffers,
        params: params("nonzero_scan", &[("len", len)], &[])?,
        cost: Work::of_words(len, len * 2),
    })
}

/// How many flags before each chunk of 64 are set, and in all.
pub(super) fn emit_offsets(cx: &mut Lowering<'_>, flags: BufferId, len: Size, total: BufferId) -> Result<BufferId> {
    let offsets = cx.words(DType::I32, &[len.div_ceil(CHUNK)])?.buffer;
    emit_counts(cx, flags, (len, Size::from(u32::MAX)), [offsets, total])?;
    Ok(offsets)
}

/// Inputs: the tensor, what `NonZeroCount` makes of it. Output: the coordinates, i64, one row for each dimension.
#[derive(Debug)]
struct NonZeroIndices;

impl Operator for NonZeroIndices {
    fn dtypes(&self, _: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![DType::I64])
    }

    fn host_inputs(&self) -> Range<usize> {
        2..3
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let rank = given(inputs, 0)?.shape.len();
        match given(inputs, 2)?.integers().as_deref() {
            Some(&[count]) => Ok(vec![vec![Size::from(rank), count]]),
            _ => Err(Error::unsupported("only the device knows how many elements differ from zero")),
        }
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(x) = given(inputs, 0)?.value() else { return Ok(None) };
        let at = positions(x);
        let mut stride = x.len();
        let mut rows = Vec::with_capacity(x.shape().len() * at.len());
        for &size in x.shape() {
            stride /= size.max(1);
            rows.extend(at.iter().map(|at| (at / stride % size) as i64));
        }
        Ok(Some(vec![Tensor::new([x.shape().len(), at.len()], rows)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let (x, offsets, y) = (cx.contiguous(0)?, cx.contiguous(1)?, cx.output(0));
        let (size, stride) = (words::<8>(&x.shape, 1)?, words::<8>(&x.strides, 1)?);
        let (len, count, chunks) = (x.len(), y.shape[1], offsets.len());
        cx.emit(Emit {
            kernel: "nonzero_write",
            constants: &[],
            groups: item_groups(chunks),
            operands: &[x.buffer, offsets.buffer, y.buffer],
            params: params(
                "nonzero_write",
                &[("len", len), ("mask", mask(x.dtype)), ("rank", Size::from(x.shape.len())), ("count", count)],
                &[
                    ("size_low", &size[..4]),
                    ("size_high", &size[4..]),
                    ("stride_low", &stride[..4]),
                    ("stride_high", &stride[4..]),
                ],
            )?,
            cost: Work::of_words(Size::ZERO, len + y.len()),
        })
    }
}
