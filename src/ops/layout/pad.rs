//! <https://onnx.ai/onnx/operators/onnx__Pad.html>: pads and value are attributes before opset 11.

use super::gather::lower_table;
use super::{INDEX, List, arity, axes, dtype, host, is_empty, of_type, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::storage::Storage;
use crate::lower::{Fact, Lowering, View};
use crate::ops::{Operator, given};
use crate::size::{Size, pins, presumed};
use crate::tensor::{DType, Tensor};

/// <https://onnx.ai/onnx/operators/onnx__Pad.html>: `size + before + after` along each axis, where pads may be negative.
#[derive(Debug)]
pub(super) struct Pad {
    mode: Mode,
    pads: List,
    axes: List,
    /// The padding constant, where it is an attribute; else it is input 2.
    value: Option<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

impl Mode {
    fn of(node: &Node) -> Result<Mode> {
        match node.str("mode", "constant")? {
            "constant" => Ok(Mode::Constant),
            "reflect" => Ok(Mode::Reflect),
            "edge" => Ok(Mode::Edge),
            "wrap" if node.opset >= 19 => Ok(Mode::Wrap),
            other => Err(Error::unsupported(format!("mode '{other}' in opset {} is not supported", node.opset))),
        }
    }

    /// The element that stands at `at` of an axis padded so: what negative amounts cut off is gone before anything is repeated.
    fn source_of(self, at: usize, size: usize, (before, after): (i64, i64)) -> Option<usize> {
        let (front, back) = (usize::try_from(-before).unwrap_or(0), usize::try_from(-after).unwrap_or(0));
        let kept = size.saturating_sub(front + back);
        Some(front + self.source(at as i64 - before.max(0), kept)?)
    }

    /// The element that stands at `at` (which may lie outside), or none for a padding constant. `size` is not 0 but for that.
    fn source(self, at: i64, size: usize) -> Option<usize> {
        let size = size as i64;
        let inside = match self {
            Mode::Constant => return (0..size).contains(&at).then_some(at as usize),
            Mode::Edge => at.clamp(0, size - 1),
            Mode::Wrap => at.rem_euclid(size),
            Mode::Reflect => {
                let period = (2 * (size - 1)).max(1);
                let phase = at.rem_euclid(period);
                phase.min(period - phase).min(size - 1)
            }
        };
        Some(inside as usize)
    }
}

impl Pad {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let mode = Mode::of(node)?;
        let most = match node.opset {
            ..11 => 1,
            11..18 => 3,
            _ => 4,
        };
        arity(node, if node.opset < 11 { 1 } else { 2 }..=most, 1)?;
        let axes = if node.opset < 18 { List::Attr(None) } else { List::Input(3) };
        let value = if node.opset < 11 { Some(node.float("value", 0.0)?) } else { None };
        Ok(Pad { mode, pads: List::parse(node, "pads", 11, 1)?, axes, value })
    }

    /// Elements added before and after each axis; negative ones are cut off.
    fn amounts(&self, inputs: &[Option<&Fact>]) -> Result<Vec<(i64, i64)>> {
        let rank = given(inputs, 0)?.shape.len();
        let pads = self.pads.get(inputs)?.ok_or_else(|| Error::invalid_model("'pads' is missing"))?;
        let on = match self.axes.get(inputs)? {
            Some(on) => axes(&on, rank)?,
            None => (0..rank).collect(),
        };
        if pads.len() != 2 * on.len() {
            return Err(Error::shape(format!("{} pads for {} axes", pads.len(), on.len())));
        }
        if let Some(far) = pads.iter().find(|p| p.unsigned_abs() > 1 << 40) {
            return Err(Error::shape(format!("a padding of {far}")));
        }
        let mut amounts = vec![(0, 0); rank];
        for (i, &at) in on.iter().enumerate() {
            amounts[at] = (pads[i], pads[on.len() + i]);
        }
        Ok(amounts)
    }

    /// The padding constant as a tensor of one element.
    fn constant(&self, inputs: &[Option<&Fact>]) -> Result<Tensor> {
        let dtype = given(inputs, 0)?.dtype;
        let fact = match self.value {
            Some(value) if dtype.is_f32() => return Tensor::rounded(dtype, [1], vec![value]),
            Some(0.0) => None,
            Some(_) => return Err(Error::unsupported(format!("a padding value of {dtype} as an attribute"))),
            None => inputs.get(2).copied().flatten(),
        };
        let Some(fact) = fact else { return Tensor::zeros(dtype, [1]) };
        match fact.value() {
            Some(value) if value.len() == 1 && value.dtype() == dtype => value.reshaped([1]),
            Some(_) => Err(Error::shape("the padding value is not one element of the data's type")),
            None => Err(Error::unsupported("a padding value that only the device knows")),
        }
    }
}

impl Operator for Pad {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        if matches!(self.pads, List::Attr(_)) { 0..0 } else { 1..4 }
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let data = dtype(inputs, 0)?;
        of_type(inputs, 1, &[DType::I64])?;
        of_type(inputs, 2, &[data])?;
        of_type(inputs, 3, INDEX)?;
        Ok(vec![data])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        let padded_by_constant = self.mode == Mode::Constant;
        if padded_by_constant {
            self.constant(inputs)?;
        }
        let mut out = Vec::with_capacity(shape.len());
        for (&size, (before, after)) in shape.iter().zip(self.amounts(inputs)?) {
            let padded = size + before + after;
            if !presumed(|| padded >= Size::ZERO) {
                return Err(Error::shape(format!("size {size} padded by {before} and {after}")));
            }
            let kept = size + before.min(0) + after.min(0);
            if !padded_by_constant && !presumed(|| kept > Size::ZERO || padded <= 0) {
                return Err(Error::shape("an empty axis has no elements to pad with"));
            }
            out.push(padded);
        }
        Ok(vec![sized(out)?])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        let shape = pins(&self.shapes(inputs)?.remove(0));
        let amounts = self.amounts(inputs)?;
        // The constant stands behind the last element.
        let fill = self.constant(inputs)?;
        let data = host::join(&[value.data().clone(), fill.data().clone()])?;
        let mut at = vec![0usize; shape.len()];
        let len = shape.iter().product();
        let strides = host::strides(value.shape());
        let mut indices = Vec::with_capacity(len);
        for _ in 0..len {
            let place = (0..shape.len()).try_fold(0usize, |sum, k| {
                let from = self.mode.source_of(at[k], value.shape()[k], amounts[k])?;
                Some(sum + from * strides[k] as usize)
            });
            indices.push(place.unwrap_or(value.len()));
            for k in (0..shape.len()).rev() {
                at[k] += 1;
                if at[k] < shape[k] {
                    break;
                }
                at[k] = 0;
            }
        }
        Ok(Some(vec![Tensor::from_data(shape, host::pick(&data, indices.into_iter()))?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let amounts = self.amounts(&cx.facts())?;
        let mut view = cx.view(0)?;
        let shape = cx.output_fact(0).shape.clone();
        if is_empty(&shape) {
            cx.output(0);
            return Ok(());
        }
        if self.mode != Mode::Constant {
            for (at, &(before, after)) in amounts.iter().enumerate() {
                if (before, after) != (0, 0) {
                    let size = view.shape[at].pin();
                    let table = (0..shape[at].pin()).map(|i| self.mode.source_of(i, size, (before, after)));
                    let table: Vec<usize> = table.collect::<Option<_>>().expect("only constants have no source");
                    view = lower_table(cx, &view, at, &table)?;
                }
            }
            cx.alias(0, view);
            return Ok(());
        }
        let value = self.constant(&cx.facts())?;
        let amounts: Vec<(Size, Size)> =
            amounts.iter().map(|&(before, after)| (Size::from(before), Size::from(after))).collect();
        pad_with(cx, view, &amounts, &value)
    }
}

/// Makes output 0, which is not empty, a view with elements added before and after each axis, which are `value`, or cut off where there are
/// fewer than none.
pub(super) fn pad_with(cx: &mut Lowering<'_>, mut view: View, amounts: &[(Size, Size)], value: &Tensor) -> Result<()> {
    let buffer = cx.constant_bytes(Storage::Word.encode(value)?)?;
    let output = cx.output(0);
    let output = cx.rounded(output);
    let strides = vec![Size::ZERO; output.shape.len()];
    cx.copy(&View { buffer, offset: Size::ZERO, strides, ..output.clone() }, &output)?;
    let mut target = output;
    for (at, &(before, after)) in amounts.iter().enumerate() {
        let [cut_front, cut_back] = [before, after].map(|amount| (Size::ZERO - amount).max(0));
        let kept = view.shape[at].saturating_sub(cut_front + cut_back);
        view.offset += view.strides[at] * cut_front;
        view.shape[at] = kept;
        target.offset += target.strides[at] * before.max(0);
        target.shape[at] = kept;
    }
    if is_empty(&view.shape) { Ok(()) } else { cx.copy(&view, &target) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_follow_numpy() {
        let line = |mode: Mode| (-4..7).map(|at| mode.source(at, 3).map_or(-1, |s| s as i64)).collect::<Vec<_>>();
        assert_eq!(line(Mode::Constant), [-1, -1, -1, -1, 0, 1, 2, -1, -1, -1, -1]);
        assert_eq!(line(Mode::Edge), [0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2]);
        assert_eq!(line(Mode::Reflect), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(line(Mode::Wrap), [2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(Mode::Reflect.source(5, 1), Some(0));
        let cut = (0..5).map(|at| Mode::Reflect.source_of(at, 5, (-2, 2))).collect::<Vec<_>>();
        assert_eq!(cut, [2, 3, 4, 3, 2].map(Some));
    }
}
