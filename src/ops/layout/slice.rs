//! Operators that take parts.

use super::gather::lower_table;
use super::{INDEX, List, arity, axes, axis, dtype, host, is_empty, of_type};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Known, Lowering, View};
use crate::ops::{Operator, given};
use crate::size::{Size, decided, determined, presumed};
use crate::tensor::{DType, Tensor};

/// <https://onnx.ai/onnx/operators/onnx__Slice.html>: starts, ends and axes are attributes before opset 10. Along a named axis
/// `ceil((end - start) / step)` are left.
#[derive(Debug)]
pub(super) struct Slice {
    starts: List,
    ends: List,
    axes: List,
    steps: List,
}

/// What a slice takes of one axis: `size` elements from `start` on, `step` apart.
#[derive(Clone, Copy, Debug)]
struct Cut {
    start: Size,
    step: i64,
    size: Size,
}

impl Cut {
    fn new(start: Size, end: Size, step: i64, dim: Size) -> Result<Cut> {
        if step == 0 {
            return Err(Error::shape("a slice with step 0"));
        }
        if dim.is_zero() {
            return Ok(Cut { start: Size::ZERO, step, size: Size::ZERO });
        }
        // A backward slice starts at an element, and may end before the first.
        let (before, high) = if step > 0 { (Size::ZERO, dim) } else { (Size::number(-1), dim - 1) };
        let clamp = |at: Size, low: Size| {
            // No axis is as long as what stands for its end or its beginning.
            match at.known() {
                Some(at) if at >= i64::from(i32::MAX) => return high,
                Some(at) if at <= -i64::from(i32::MAX) => return low,
                _ => {}
            }
            let at = if at < Size::ZERO { at + dim } else { at };
            let at = match decided(|| at <= low) {
                Some(true) => return low,
                Some(false) => at,
                None => at.max(low),
            };
            decided(|| if at >= high { high } else { at }).unwrap_or_else(|| at.min(high))
        };
        let (start, end) = (clamp(start, Size::ZERO), clamp(end, before));
        let distance = if step > 0 { end - start } else { start - end };
        let distance =
            decided(|| if distance <= Size::ZERO { Size::ZERO } else { distance }).unwrap_or_else(|| distance.max(0));
        let size = match step.unsigned_abs() {
            1 => distance,
            step => {
                determined(|| Ok::<_, Error>(if distance.is_zero() { Size::ZERO } else { (distance - 1) / step + 1 }))?
            }
        };
        Ok(Cut { start, step, size })
    }

    /// Elements from one taken to the next, in either direction; it counts only where there is a second one.
    fn stride(&self) -> usize {
        if self.size > 1 { usize::try_from(self.step.unsigned_abs()).unwrap_or(usize::MAX) } else { 1 }
    }
}

impl Slice {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let (starts, ends) = (List::required(node, "starts", 10, 1)?, List::required(node, "ends", 10, 2)?);
        arity(node, if node.opset < 10 { 1..=1 } else { 3..=5 }, 1)?;
        let steps = if node.opset < 10 { List::Attr(None) } else { List::Input(4) };
        Ok(Slice { starts, ends, axes: List::parse(node, "axes", 10, 3)?, steps })
    }

    /// One cut per axis.
    fn cuts(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Cut>> {
        let shape = &given(inputs, 0)?.shape;
        let missing = |name: &str| Error::invalid_model(format!("'{name}' is missing"));
        let starts = self.starts.sizes(inputs)?.ok_or_else(|| missing("starts"))?;
        let ends = self.ends.sizes(inputs)?.ok_or_else(|| missing("ends"))?;
        let on = self.axes.get(inputs)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.steps.get(inputs)?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), on.len(), steps.len()] != [starts.len(); 3] {
            return Err(Error::shape("starts, ends, axes and steps of different lengths"));
        }
        let mut cuts: Vec<Cut> = shape.iter().map(|&size| Cut { start: Size::ZERO, step: 1, size }).collect();
        for (i, at) in axes(&on, shape.len())?.into_iter().enumerate() {
            cuts[at] = Cut::new(starts[i], ends[i], steps[i], shape[at])?;
        }
        Ok(cuts)
    }
}

impl Operator for Slice {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        if matches!(self.starts, List::Attr(_)) { 0..0 } else { 1..5 }
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        (1..inputs.len()).try_for_each(|i| of_type(inputs, i, INDEX))?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![self.cuts(inputs)?.iter().map(|cut| cut.size).collect()])
    }

    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let data = given(inputs, 0)?;
        let (Some(elements), [size]) = (data.integers(), data.shape.as_slice()) else { return Ok(None) };
        let cut = self.cuts(inputs)?[0];
        let (start, count, _) = (cut.start.pin(), cut.size.pin(), size.pin());
        let picked: Option<Vec<Size>> = (0..count as i64)
            .map(|i| elements.get(usize::try_from(start as i64 + i * cut.step).ok()?).copied())
            .collect();
        Ok(picked.and_then(|picked| Known::integers(data.dtype, &[count], picked)).map(|known| vec![known]))
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        let cuts = self.cuts(inputs)?;
        let shape: Vec<usize> = cuts.iter().map(|cut| cut.size.pin()).collect();
        let strides = host::strides(value.shape());
        let offset = cuts.iter().zip(&strides).map(|(cut, &stride)| cut.start.pin() as isize * stride).sum();
        let step = |cut: &Cut| cut.stride() as isize * cut.step.signum() as isize;
        let strides: Vec<isize> = cuts.iter().zip(&strides).map(|(cut, &stride)| stride * step(cut)).collect();
        Ok(Some(vec![host::window(value, offset, &shape, &strides)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let cuts = self.cuts(&cx.facts())?;
        // Nothing runs backwards among what lies packed.
        let turns = cuts.iter().any(|cut| cut.step < 0 && cut.size > 1);
        let mut view = if turns { cx.view(0)? } else { cx.stored(0)? };
        if cuts.iter().any(|cut| cut.size.is_zero()) {
            cx.output(0);
            return Ok(());
        }
        let mut backward = Vec::new();
        for (at, cut) in cuts.iter().enumerate() {
            // Views do not run backwards: those axes are taken in forward order here, and turned round below.
            let step = cut.stride();
            let first = if cut.step < 0 { cut.start - (cut.size - 1) * step } else { cut.start };
            view.offset += first * view.strides[at];
            view.strides[at] *= step;
            view.shape[at] = cut.size;
            if cut.step < 0 && cut.size > 1 {
                backward.push(at);
            }
        }
        for at in backward {
            let table: Vec<usize> = (0..view.shape[at].pin()).rev().collect();
            view = lower_table(cx, &view, at, &table)?;
        }
        cx.alias(0, view);
        Ok(())
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Split.html>: `split` is an attribute before opset 13. Each output has its part of the
/// axis, and all of the others.
#[derive(Debug)]
pub(super) struct Split {
    axis: i64,
    sizes: List,
    outputs: usize,
    /// Whether parts must be equal if nothing says how large they are: the last may be smaller from opset 18 on.
    equal: bool,
}

impl Split {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        let outputs = node.outputs.len();
        let stated = node.int("num_outputs", outputs as i64)?;
        if stated != outputs as i64 {
            return Err(Error::invalid_model(format!("'num_outputs' is {stated}, but there are {outputs}")));
        }
        arity(node, 1..=if node.opset < 13 { 1 } else { 2 }, usize::MAX)?;
        let (axis, sizes) = (node.int("axis", 0)?, List::parse(node, "split", 13, 1)?);
        Ok(Split { axis, sizes, outputs, equal: node.opset < 18 })
    }

    /// The axis and the parts' sizes.
    fn parts(&self, inputs: &[Option<&Fact>]) -> Result<(usize, Vec<Size>)> {
        let shape = &given(inputs, 0)?.shape;
        let (at, outputs) = (axis(self.axis, shape.len())?, self.outputs);
        let sizes: Vec<Size> = match self.sizes.get(inputs)? {
            Some(sizes) if sizes.iter().any(|&size| size < 0) => {
                return Err(Error::shape("a split into a negative size"));
            }
            Some(given) => given.into_iter().map(Size::from).collect(),
            None => {
                let each = shape[at].div_ceil(outputs.max(1));
                if self.equal && !presumed(|| each * outputs == shape[at]) {
                    return Err(Error::shape(format!(
                        "axis {at} of shape {shape:?} does not split into {outputs} equal parts"
                    )));
                }
                let part = |i: usize| if self.equal { each } else { each.min(shape[at].saturating_sub(each * i)) };
                (0..outputs).map(part).collect()
            }
        };
        let total: Size = sizes.iter().sum();
        if sizes.len() != outputs || !presumed(|| total == shape[at]) {
            return Err(Error::shape(format!(
                "axis {at} of shape {shape:?} split into {sizes:?} for {outputs} outputs"
            )));
        }
        Ok((at, sizes))
    }
}

impl Operator for Split {
    fn host_inputs(&self) -> std::ops::Range<usize> {
        self.sizes.host_inputs()
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?; self.outputs])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (at, sizes) = self.parts(inputs)?;
        let with = |size| {
            let mut shape = given(inputs, 0)?.shape.clone();
            shape[at] = size;
            Ok(shape)
        };
        sizes.into_iter().map(with).collect()
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        let (at, sizes) = self.parts(inputs)?;
        let strides = host::strides(value.shape());
        let mut start = 0;
        let mut outputs = Vec::with_capacity(sizes.len());
        for size in sizes.iter().map(|size| size.pin()) {
            let mut shape = value.shape().to_vec();
            shape[at] = size;
            outputs.push(host::window(value, start as isize * strides[at], &shape, &strides)?);
            start += size;
        }
        Ok(Some(outputs))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let view = cx.stored(0)?;
        let at = axis(self.axis, view.shape.len())?;
        let mut start = Size::ZERO;
        for i in 0..self.outputs {
            let size = cx.output_fact(i).shape[at];
            let mut part = View { offset: view.offset + start * view.strides[at], ..view.clone() };
            part.shape[at] = size;
            start += size;
            if is_empty(&part.shape) {
                cx.output(i);
            } else {
                cx.alias(i, part);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_follow_numpy() {
        // start, end, step, size of the axis; first element and count.
        for (start, end, step, dim, first, size) in [
            (0, i64::MAX, 1, 5, 0, 5),
            (1, -1, 1, 5, 1, 3),
            (-3, i64::MAX, 1, 5, 2, 3),
            (0, 5, 2, 5, 0, 3),
            (4, i64::MIN, -1, 5, 4, 5),
            (-1, i64::MIN, -2, 5, 4, 3),
            (100, -100, -1, 5, 4, 5),
            (3, 1, 1, 5, 3, 0),
            (1, 3, -1, 5, 1, 0),
            (0, 1, i64::MAX, 5, 0, 1),
            (4, i64::MIN, i64::MIN, 5, 4, 1),
            (0, 9, 1, 0, 0, 0),
            (-1, i64::MIN, -1, 0, 0, 0),
        ] {
            let [start, end, dim] = [start, end, dim].map(Size::number);
            let cut = Cut::new(start, end, step, dim).unwrap();
            assert_eq!((cut.start.estimate(), cut.size.estimate()), (first, size), "{start}:{end}:{step} of {dim}");
        }
        assert!(Cut::new(Size::ZERO, Size::ONE, 0, Size::number(5)).is_err());
    }
}
