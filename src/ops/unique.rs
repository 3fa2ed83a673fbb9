//! `Unique` in two operators of domain `fascine` (`optimise/expand`): the first sorts and counts, and the host reads how many
//! kinds of elements there are; the second, planned with that number, takes them.

use std::ops::Range;

use super::broadcast::axis_index;
use super::combine::kind;
use super::layout::take;
use super::nonzero::emit_offsets;
use super::sort::{Direction, Keys, keys, sort};
use super::{Entry, Operator, check_arity, given, operator};
use crate::error::{Error, Result};
use crate::graph::{Attr, Node};
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Fact, Lowering, View, Work, params};
use crate::size::{Size, checked_len};
use crate::tensor::DType;

pub(super) static OPERATORS: &[Entry] = &[
    ("fascine", "UniqueOrder", |node| operator(Of::parse(node, 1).map(UniqueOrder))),
    ("fascine", "UniqueTake", |node| operator(Of::parse(node, 5).map(UniqueTake))),
];

/// What is compared, as <https://onnx.ai/onnx/operators/onnx__Unique.html> has it.
#[derive(Debug)]
struct Of {
    /// Slices along it; without, elements.
    axis: Option<i64>,
    sorted: bool,
}

impl Of {
    fn parse(node: &Node, inputs: usize) -> Result<Self> {
        check_arity(node, inputs..=inputs, 1..=4)?;
        let axis = match node.attrs.get("axis") {
            None => None,
            Some(Attr::Int(axis)) => Some(*axis),
            Some(_) => return Err(Error::invalid_model("attribute 'axis' is not an integer")),
        };
        Ok(Of { axis, sorted: node.int("sorted", 1)? != 0 })
    }

    /// The tensor as outer x len x inner, of which len are compared.
    fn sizes(&self, shape: &[Size]) -> Result<[Size; 3]> {
        let Some(axis) = self.axis else {
            let len = checked_len(shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
            return Ok([Size::ONE, len, Size::ONE]);
        };
        let at = axis_index(axis, shape.len())?;
        Ok([shape[..at].iter().product(), shape[at], shape[at + 1..].iter().product()])
    }
}

/// Input: a tensor. Outputs, i32 but for the last: by place in the sorted order the index; by place the kind, numbered in the
/// order; by index, how many kinds have their first element before it; and how many kinds there are (i64, one element).
#[derive(Debug)]
struct UniqueOrder(Of);

/// How many of `flags` before each are set, or up to each but one.
fn prefix(
    cx: &mut Lowering<'_>,
    flags: BufferId,
    result: BufferId,
    len: Size,
    total: BufferId,
    up_to: bool,
) -> Result<()> {
    let offsets = emit_offsets(cx, flags, len, total)?;
    cx.emit(Emit {
        kernel: "prefix",
        constants: &[("INCLUSIVE", f64::from(u8::from(up_to)))],
        groups: item_groups(len.div_ceil(64)),
        operands: &[flags, offsets, result],
        params: params("prefix", &[("len", len), ("less", Size::from(u8::from(up_to)))], &[])?,
        cost: Work::of_words(len, len * 2),
    })
}

impl Operator for UniqueOrder {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if let Some(dtype) = inputs.first().copied().flatten() {
            kind(dtype)?;
        }
        Ok(vec![DType::I32, DType::I32, DType::I32, DType::I64])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let [_, len, _] = self.0.sizes(&given(inputs, 0)?.shape)?;
        Ok(vec![vec![len], vec![len], vec![len], vec![Size::ONE]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let x = cx.contiguous(0)?;
        let sizes = self.0.sizes(&x.shape)?;
        let kept = if self.0.axis.is_some() { Keys::Slices } else { Keys::Elements };
        let rows = keys(cx, &x, sizes, kept, Direction::Ascending)?;
        let order = sort(cx, rows)?;
        let [kinds, rank, total] = [1, 2, 3].map(|i| cx.output(i).buffer);
        let len = sizes[1];
        let flags = [cx.words(DType::U32, &[len])?.buffer, cx.words(DType::U32, &[len])?.buffer];
        cx.emit(Emit {
            kernel: "unique_flags",
            constants: &[],
            groups: item_groups(len),
            operands: &[rows.keys, order, flags[0], flags[1]],
            params: params("unique_flags", &[("len", len), ("width", rows.width)], &[])?,
            cost: Work::of_words(len, len * (rows.width + 4)),
        })?;
        prefix(cx, flags[0], kinds, len, total, true)?;
        if !self.0.sorted {
            let unread = cx.words(DType::U32, &[Size::ONE])?.buffer;
            prefix(cx, flags[1], rank, len, unread, false)?;
        }
        cx.alias(0, View::row_major(order, DType::I32, &[len]));
        Ok(())
    }
}

/// Inputs: the tensor, what `UniqueOrder` makes of it. Outputs as `Unique` has them.
#[derive(Debug)]
struct UniqueTake(Of);

impl Operator for UniqueTake {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(dtype) => Ok(vec![dtype, DType::I64, DType::I64, DType::I64]),
            None => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn host_inputs(&self) -> Range<usize> {
        4..5
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let mut shape = given(inputs, 0)?.shape.clone();
        let len = given(inputs, 1)?.shape.clone();
        let Some(&[count]) = given(inputs, 4)?.integers().as_deref() else {
            return Err(Error::unsupported("only the device knows how many kinds of elements there are"));
        };
        match self.0.axis {
            Some(axis) => {
                let at = axis_index(axis, shape.len())?;
                shape[at] = count;
            }
            None => shape = vec![count],
        }
        Ok(vec![shape, vec![count], len, vec![count]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let (x, order, kinds, rank) = (cx.contiguous(0)?, cx.contiguous(1)?, cx.contiguous(2)?, cx.contiguous(3)?);
        let output = cx.output(0);
        let output = cx.rounded(output);
        let [indices, inverse, counts] = [1, 2, 3].map(|i| cx.output_fact(i).shape.clone());
        let [indices, inverse, counts] =
            [cx.words(DType::I64, &indices)?, cx.words(DType::I64, &inverse)?, cx.words(DType::I64, &counts)?];
        let (len, count) = (inverse.len(), indices.len());
        for (i, view) in [&indices, &inverse, &counts].into_iter().enumerate() {
            if cx.wants_output(i + 1) {
                cx.alias(i + 1, view.clone());
            }
        }
        if count.is_zero() {
            return Ok(());
        }
        let starts = cx.words(DType::U32, &[count])?.buffer;
        let sizes = [("len", len), ("count", count)];
        cx.emit(Emit {
            kernel: "unique_starts",
            constants: &[],
            groups: item_groups(len),
            operands: &[kinds.buffer, starts],
            params: params("unique_starts", &sizes, &[])?,
            cost: Work::of_words(len, len + count),
        })?;
        cx.emit(Emit {
            kernel: "unique_take",
            constants: &[("SORTED", f64::from(u8::from(self.0.sorted)))],
            groups: item_groups(len),
            operands: &[order.buffer, kinds.buffer, starts, rank.buffer, indices.buffer, inverse.buffer, counts.buffer],
            params: params("unique_take", &sizes, &[])?,
            cost: Work::of_words(len, len * 4 + count * 2),
        })?;
        let [outer, len, inner] = self.0.sizes(&x.shape)?;
        take(cx, [x.buffer, indices.buffer, output.buffer], [outer, len, inner, count])
    }
}
