//! <https://onnx.ai/onnx/operators/onnx__TopK.html>

use std::ops::Range;

use super::broadcast::axis_index;
use super::combine::kind;
use super::sort::{Direction, Keys, keys, sort};
use super::{Entry, Operator, check_arity, given, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, is_empty, presumed};
use crate::tensor::DType;

pub(super) static OPERATORS: &[Entry] = &[("", "TopK", |node| operator(TopK::parse(node)))];

/// The largest elements of each row along an axis or the smallest, and their indices: sorted, whether that is asked for or not. Of
/// equal elements the one with the lower index comes first; NaN is larger than any number, as in onnxruntime.
#[derive(Debug)]
struct TopK {
    axis: i64,
    direction: Direction,
    /// How many, where it is an attribute: before opset 10. Else it is input 1.
    most: Option<i64>,
}

impl TopK {
    fn parse(node: &Node) -> Result<Self> {
        let by_input = node.opset >= 10;
        let inputs = if by_input { 2 } else { 1 };
        check_arity(node, inputs..=inputs, 1..=2)?;
        let most = match (by_input, node.attrs.contains_key("k")) {
            (true, _) => None,
            (false, true) => Some(node.int("k", 0)?),
            (false, false) => return Err(Error::invalid_model("attribute 'k' is missing")),
        };
        let largest = node.opset < 11 || node.int("largest", 1)? != 0;
        let direction = if largest { Direction::Descending } else { Direction::Ascending };
        Ok(TopK { axis: node.int("axis", -1)?, direction, most })
    }

    fn most(&self, inputs: &[Option<&Fact>]) -> Result<Size> {
        match (self.most, given(inputs, usize::from(self.most.is_none()))?.integers().as_deref()) {
            (Some(most), _) => Ok(Size::from(most)),
            (None, Some(&[most])) => Ok(most),
            (None, Some(_)) => Err(Error::shape("the number of elements to take is not one number")),
            (None, None) => Err(Error::unsupported("only the device knows how many elements to take")),
        }
    }
}

impl Operator for TopK {
    fn host_inputs(&self) -> Range<usize> {
        if self.most.is_some() { 0..0 } else { 1..2 }
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(DType::Bool) => Err(Error::invalid_model("an order of bools")),
            Some(dtype) => kind(dtype).map(|_| vec![dtype, DType::I64]),
            None => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (mut shape, most) = (given(inputs, 0)?.shape.clone(), self.most(inputs)?);
        let at = axis_index(self.axis, shape.len())?;
        if !presumed(|| most >= Size::ZERO && most <= shape[at]) {
            return Err(Error::shape(format!("{most} elements of axis {at} of shape {shape:?}")));
        }
        shape[at] = most;
        Ok(vec![shape.clone(), shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let values = cx.output(0);
        let (values, indices) = (cx.rounded(values), cx.words(DType::I64, &cx.output_fact(0).shape.clone())?);
        if cx.wants_output(1) {
            cx.alias(1, indices.clone());
        }
        if is_empty(&values.shape) {
            return Ok(());
        }
        let x = cx.contiguous(0)?;
        let at = axis_index(self.axis, x.shape.len())?;
        let (len, inner) = (x.shape[at], x.shape[at + 1..].iter().product::<Size>());
        let rows = keys(cx, &x, [x.shape[..at].iter().product(), len, inner], Keys::Elements, self.direction)?;
        let order = sort(cx, rows)?;
        let count = values.len();
        let sizes = [("count", count), ("len", len), ("inner", inner), ("most", values.shape[at])];
        cx.emit(Emit {
            kernel: "top_k",
            constants: &[],
            groups: item_groups(count),
            operands: &[x.buffer, order, values.buffer, indices.buffer],
            params: params("top_k", &sizes, &[])?,
            cost: Work::of_words(Size::ZERO, count * 4),
        })
    }
}
