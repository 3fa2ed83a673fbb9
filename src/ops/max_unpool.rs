//! Undoing MaxPool.

use std::ops::Range;

use super::window::{Window, check_axes, filled, vector};
use super::{Entry, Operator, check_arity, given, one_float, operator};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, params};
use crate::size::{Size, agree, checked_len, presumed};
use crate::tensor::DType;

pub(super) const OPERATORS: &[Entry] = &[("", "MaxUnpool", |node| operator(MaxUnpool::parse(node)))];

/// Runs of a plane that are written by themselves; each looks at all indices of the plane.
const RUNS: usize = 16;

/// <https://onnx.ai/onnx/operators/onnx__MaxUnpool.html>: inputs x, indices, output shape?. Indices count the elements of what the
/// windows span, which lies at the beginning of an output of another shape (onnxruntime counts the latter's). An index that does
/// not lie in the element's own plane is an error of the request; an output smaller than the windows span is not supported.
#[derive(Debug)]
struct MaxUnpool {
    kernel: Vec<i64>,
    window: Window,
}

impl MaxUnpool {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 2..=3, 1..=1)?;
        let kernel = node.ints("kernel_shape")?;
        let kernel = kernel.ok_or_else(|| Error::invalid_model("attribute 'kernel_shape' is missing"))?.to_vec();
        Ok(MaxUnpool { kernel, window: Window::parse(node)? })
    }

    /// What the windows span, and the output's shape.
    fn sizes(&self, inputs: &[Option<&Fact>]) -> Result<[Vec<Size>; 2]> {
        let (shape, indices) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        if !agree(shape, indices) {
            return Err(Error::shape(format!("indices of shape {indices:?} for elements of shape {shape:?}")));
        }
        let count = self.kernel.len();
        check_axes(count)?;
        if shape.len() != count + 2 {
            return Err(Error::shape(format!("a kernel of shape {:?} over an input of shape {shape:?}", self.kernel)));
        }
        let strides = filled("strides", self.window.strides.as_deref(), count, 1)?;
        let pads = filled("pads", self.window.pads.as_deref(), 2 * count, 0)?;
        let mut spanned = shape[..2].to_vec();
        for i in 0..count {
            let size = (shape[i + 2] - 1) * strides[i] + self.kernel[i] - pads[i] - pads[i + count];
            if !presumed(|| size >= Size::ONE) {
                return Err(Error::shape(format!("windows of {:?} that span {size} elements", self.kernel)));
            }
            spanned.push(size);
        }
        let Some(stated) = inputs.get(2).copied().flatten() else { return Ok([spanned.clone(), spanned]) };
        let stated = stated
            .integers()
            .ok_or_else(|| Error::unsupported("input 2 decides the shape, but only the device knows it"))?;
        let fits = stated.len() == spanned.len()
            && agree(&stated[..2], &spanned[..2])
            && stated.iter().zip(&spanned).all(|(&to, &from)| presumed(|| to >= from));
        match fits {
            true => Ok([spanned, stated]),
            false => Err(Error::unsupported(format!("an output of {stated:?} where windows span {spanned:?}"))),
        }
    }
}

impl Operator for MaxUnpool {
    fn host_inputs(&self) -> Range<usize> {
        2..3
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if let Some(other) = inputs.iter().skip(1).flatten().find(|&&dtype| dtype != DType::I64) {
            return Err(Error::invalid_model(format!("indices of type {other}")));
        }
        one_float(&inputs[..inputs.len().min(1)])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let [_, shape] = self.sizes(inputs)?;
        checked_len(&shape).ok_or_else(|| Error::shape(format!("shape {shape:?} overflows")))?;
        Ok(vec![shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let [spanned, shape] = self.sizes(&cx.facts())?;
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let (source, indices) = (cx.contiguous(0)?, cx.contiguous(1)?);
        // The elements of the input, moved, and zeros.
        let output = cx.rounded(output);
        let report = cx.check(ErrorKind::Input, "an index lies outside of its plane");
        let plane = |shape: &[Size]| shape[2..].iter().product::<Size>();
        let planes = shape[0] * shape[1];
        let run = plane(&shape).div_ceil(RUNS);
        let runs = plane(&shape).div_ceil(run);
        let numbers = [
            ("items", planes * runs),
            ("runs", runs),
            ("run", run),
            ("input", plane(&source.shape)),
            ("counted", plane(&spanned)),
            ("output", plane(&shape)),
        ];
        cx.emit(Emit {
            kernel: "max_unpool",
            constants: &[],
            groups: item_groups(planes * runs),
            operands: &[source.buffer, indices.buffer, output.buffer, report],
            params: params(
                "max_unpool",
                &numbers,
                &[("counted_size", &vector(&spanned[2..])), ("output_size", &vector(&shape[2..]))],
            )?,
            cost: Work::of_words(source.len() * RUNS, source.len() * 2 + output.len()),
        })
    }
}
