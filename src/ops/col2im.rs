//! Images of columns of blocks.

use std::ops::Range;

use super::window::{Axis, Window, check_axes, filled, planes_rows_columns, step, vector, window_vectors};
use super::{Entry, Operator, check_arity, given, one_float, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, checked_len, presumed};
use crate::tensor::DType;

pub(super) const OPERATORS: &[Entry] = &[("", "Col2Im", |node| operator(Col2Im::parse(node)))];

/// The most that kernels add up without overflow.
const LARGEST: i64 = 1 << 30;

/// <https://onnx.ai/onnx/operators/onnx__Col2Im.html>: columns `[n, c * block, blocks]`, and the shapes of image and block, which the
/// host has to know. Up to three axes of f32 and f16.
#[derive(Debug)]
struct Col2Im {
    window: Window,
}

/// Sizes: of each axis, the input is the number of blocks, the output the image.
struct Geometry {
    images: Size,
    channels: Size,
    axes: Vec<Axis>,
    steps: Vec<Size>,
}

impl Col2Im {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=3, 1..=1)?;
        Ok(Col2Im { window: Window::parse(node)? })
    }

    fn geometry(&self, inputs: &[Option<&Fact>]) -> Result<Geometry> {
        let shape = &given(inputs, 0)?.shape;
        let list = |i: usize| {
            let known = given(inputs, i)?.integers();
            known
                .ok_or_else(|| Error::unsupported(format!("input {i} decides the shape, but only the device knows it")))
        };
        let (image, block) = (list(1)?, list(2)?);
        let count = image.len();
        check_axes(count)?;
        if block.len() != count || shape.len() != 3 {
            return Err(Error::shape(format!("columns of shape {shape:?} of blocks {block:?} of an image {image:?}")));
        }
        let strides = filled("strides", self.window.strides.as_deref(), count, 1)?;
        let dilations = filled("dilations", self.window.dilations.as_deref(), count, 1)?;
        let pads = filled("pads", self.window.pads.as_deref(), 2 * count, 0)?;
        let axis = |i: usize| {
            let (output, kernel, stride, dilation) = (image[i], block[i], strides[i], dilations[i]);
            let (begin, end) = (pads[i], pads[i + count]);
            let span = (kernel - 1) * dilation + 1;
            let room = output + begin + end - span;
            let sound = presumed(|| kernel >= 1 && output >= Size::ZERO && room >= Size::ZERO);
            if !sound || span.estimate() >= LARGEST || output.estimate() >= LARGEST {
                return Err(Error::shape(format!("blocks of {kernel} that span {span} of an axis of {output}")));
            }
            Ok(Axis { input: room / stride + 1, output, kernel, stride, dilation, begin, end })
        };
        let axes = (0..count).map(axis).collect::<Result<Vec<Axis>>>()?;
        let taps: Size = axes.iter().map(|axis| axis.kernel).product();
        let blocks: Size = axes.iter().map(|axis| axis.input).product();
        if !presumed(|| shape[1].is_multiple_of(taps) && shape[2] == blocks) {
            return Err(Error::shape(format!("columns of shape {shape:?} for {blocks} blocks of {taps} elements")));
        }
        let steps = (0..count).map(|i| step(strides[i], dilations[i])).collect();
        Ok(Geometry { images: shape[0], channels: shape[1] / taps, axes, steps })
    }
}

impl Operator for Col2Im {
    fn host_inputs(&self) -> Range<usize> {
        1..3
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if let Some(other) = inputs.iter().skip(1).flatten().find(|&&dtype| dtype != DType::I64) {
            return Err(Error::invalid_model(format!("shapes of type {other}")));
        }
        one_float(&inputs[..inputs.len().min(1)])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let geometry = self.geometry(inputs)?;
        let mut shape = vec![geometry.images, geometry.channels];
        shape.extend(geometry.axes.iter().map(|axis| axis.output));
        checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let geometry = self.geometry(&cx.facts())?;
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let input = cx.contiguous(0)?;
        let vectors = window_vectors(&planes_rows_columns(&geometry.axes));
        let step = vector(&geometry.steps);
        let mut lists: Vec<(&str, &[Size])> = vectors.iter().map(|(name, vector)| (*name, vector.as_slice())).collect();
        lists.push(("step", &step));
        let items = output.len();
        cx.emit(Emit {
            kernel: "col2im",
            constants: &[],
            groups: item_groups(items),
            operands: &[input.buffer, output.buffer],
            params: params("col2im", &[("items", items)], &lists)?,
            cost: Work::of_words(input.len(), input.len() + items),
        })
    }
}
