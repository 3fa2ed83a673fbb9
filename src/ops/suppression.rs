//! `NonMaxSuppression` in two operators of domain `fascine` (`optimise/expand`): the first selects, and the host reads how many
//! boxes there are; the second, planned with that number, writes their indices.

use std::ops::Range;

use super::nonzero::emit_scan;
use super::sort::{Direction, Keys, keys, sort};
use super::{Entry, Operator, check_arity, given, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, agree, presumed};
use crate::tensor::DType;

pub(super) static OPERATORS: &[Entry] = &[
    ("fascine", "NonMaxSuppressionSelect", |node| operator(Select::parse(node))),
    ("fascine", "NonMaxSuppressionWrite", |node| operator(check_arity(node, 4..=4, 1..=1).map(|()| Write))),
];

/// Inputs as <https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html> has them. Outputs: for each class of each batch the
/// boxes that are selected, best first (i32, as many as may be); how many are of the classes before (i32); and how many there are
/// (i64, one element).
///
/// A score counts if it exceeds the threshold, as in onnxruntime and the reference; the standard's text would keep one that
/// equals it.
#[derive(Debug)]
struct Select {
    centre: bool,
}

impl Select {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=5, 3..=3)?;
        match node.int("center_point_box", 0)? {
            format @ 0..=1 => Ok(Select { centre: format == 1 }),
            other => Err(Error::invalid_model(format!("center_point_box {other}"))),
        }
    }
}

/// The most boxes of a class.
fn most(inputs: &[Option<&Fact>], boxes: Size) -> Result<Size> {
    let Some(fact) = inputs.get(2).copied().flatten() else { return Ok(Size::ZERO) };
    match fact.integers().as_deref() {
        Some(&[most]) => Ok(most.max(0).min(boxes)),
        Some(_) => Err(Error::shape("the most boxes of a class are not one number")),
        None => Err(Error::unsupported("only the device knows how many boxes a class may have")),
    }
}

/// Batches, classes, boxes.
fn sizes(inputs: &[Option<&Fact>]) -> Result<[Size; 3]> {
    let (boxes, scores) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
    match (boxes.as_slice(), scores.as_slice()) {
        (&[batch, count, four], &[_, classes, _])
            if agree(scores, &[batch, classes, count]) && presumed(|| four == 4) =>
        {
            Ok([batch, classes, count])
        }
        _ => Err(Error::shape(format!("boxes of shape {boxes:?} with scores of shape {scores:?}"))),
    }
}

impl Operator for Select {
    fn host_inputs(&self) -> Range<usize> {
        2..3
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        for (i, dtype) in inputs.iter().enumerate() {
            let wanted = if i == 2 { DType::I64 } else { DType::F32 };
            if let Some(dtype) = dtype.filter(|&dtype| dtype != wanted) {
                return Err(Error::invalid_model(format!("input {i} is {dtype}, not {wanted}")));
            }
        }
        Ok(vec![DType::I32, DType::I32, DType::I64])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let [batch, classes, boxes] = sizes(inputs)?;
        for (i, input) in inputs.iter().enumerate().skip(3) {
            if input.is_some_and(|fact| !presumed(|| fact.shape.iter().all(|&size| size == 1))) {
                return Err(Error::shape(format!("input {i} is not one number")));
            }
        }
        Ok(vec![vec![batch * classes, most(inputs, boxes)?], vec![batch * classes], vec![Size::ONE]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let [batch, classes, count] = sizes(&cx.facts())?;
        let (boxes, scores) = (cx.contiguous(0)?, cx.contiguous(1)?);
        let rows = batch * classes;
        let by_score = keys(cx, &scores, [rows, count, Size::ONE], Keys::Elements, Direction::Descending)?;
        let order = sort(cx, by_score)?;
        let threshold = |cx: &mut Lowering<'_>, i| match cx.input(i) {
            Some(_) => Ok(cx.contiguous(i)?.buffer),
            None => cx.constant_bytes(vec![0; 4]),
        };
        let (overlap, least) = (threshold(cx, 3)?, threshold(cx, 4)?);
        let with_least = cx.input(4).is_some();
        let selected = cx.output(0);
        let counts = cx.words(DType::I32, &[rows])?.buffer;
        let most = selected.shape[1];
        let numbers = [("rows", rows), ("classes", classes), ("boxes", count), ("most", most)];
        let flag = |set: bool| f64::from(u8::from(set));
        cx.emit(Emit {
            kernel: "nms_select",
            constants: &[("CENTRE", flag(self.centre)), ("SCORE", flag(with_least))],
            groups: item_groups(rows),
            operands: &[boxes.buffer, scores.buffer, order, overlap, least, selected.buffer, counts],
            params: params("nms_select", &numbers, &[])?,
            cost: Work::of_words(scores.len() * 32, scores.len() * 6),
        })?;
        let (offsets, total) = (cx.output(1), cx.output(2));
        emit_scan(cx, [counts, offsets.buffer, total.buffer], rows)
    }
}

/// Inputs: the scores, what `NonMaxSuppressionSelect` makes of them. Output: batch, class and index of each box, i64.
#[derive(Debug)]
struct Write;

impl Operator for Write {
    fn host_inputs(&self) -> Range<usize> {
        3..4
    }

    fn dtypes(&self, _: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![DType::I64])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        match given(inputs, 3)?.integers().as_deref() {
            Some(&[total]) => Ok(vec![vec![total, Size::from(3u32)]]),
            _ => Err(Error::unsupported("only the device knows how many boxes are selected")),
        }
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let total = output.shape[0];
        if total.is_zero() {
            return Ok(());
        }
        let facts = cx.facts();
        let classes = given(&facts, 0)?.shape[1];
        let (selected, offsets) = (cx.contiguous(1)?, cx.contiguous(2)?);
        let (rows, most) = (selected.shape[0], selected.shape[1]);
        let numbers = [("rows", rows), ("classes", classes), ("most", most), ("total", total)];
        cx.emit(Emit {
            kernel: "nms_write",
            constants: &[],
            groups: item_groups(rows * most),
            operands: &[selected.buffer, offsets.buffer, output.buffer],
            params: params("nms_write", &numbers, &[])?,
            cost: Work::of_words(Size::ZERO, rows * most + total * 3),
        })
    }
}
