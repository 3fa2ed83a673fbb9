//! <https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html>

use super::steps::FAR;
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{DeviceClass, Emit, Fact, Lowering, Work, bits, params};
use crate::ops::{Operator, check_inputs, given};
use crate::size::Size;
use crate::tensor::DType;

/// Elements that an invocation quantises.
const ITEM: usize = 16;

/// Parts on CPU adapters, where each invocation that quantises reads all of them.
const PARTS: usize = 16;

/// x of f32. Gives u8 numbers with a scale and a zero point of their own: those of the range from the least to the largest element, widened to
/// hold 0. The scale of zeros, by which nothing can be divided, is 1, as in onnxruntime.
#[derive(Debug)]
pub(super) struct DynamicQuantizeLinear;

impl DynamicQuantizeLinear {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        check_inputs(node, 1..=1)?;
        match node.outputs.len() {
            1..=3 => Ok(DynamicQuantizeLinear),
            count => Err(Error::invalid_model(format!("{count} outputs"))),
        }
    }
}

impl Operator for DynamicQuantizeLinear {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(DType::F32) => Ok(vec![DType::U8, DType::F32, DType::U8]),
            Some(other) => Err(Error::invalid_model(format!("an input of type {other}, not f32"))),
            None => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![given(inputs, 0)?.shape.clone(), Vec::new(), Vec::new()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let source = cx.contiguous(0)?;
        let (len, vectors) = (source.len(), source.len().div_ceil(4));
        let (invocations, most) = if cx.target().class == DeviceClass::Gpu { (64, 64) } else { (1, PARTS) };
        let parts = vectors.div_ceil(invocations).min(most).max(1);
        let ranges = cx.scratch(parts * 8);
        let variant = [("INVOCATIONS", invocations as f64)];
        let infinity = bits(f32::INFINITY);
        let numbers = [("len", len), ("vectors", vectors), ("parts", parts), ("infinity", infinity)];
        cx.emit(Emit {
            kernel: "value_range",
            constants: &variant,
            groups: if invocations > 1 { parts } else { item_groups(parts) },
            operands: &[source.buffer, ranges],
            params: params("value_range", &numbers, &[])?,
            cost: Work::of_words(len * 2, len),
        })?;
        // Of the zero point a product reads words.
        let (result, scale, zero) = (cx.resting_output(0), cx.output(1), cx.output(2));
        let items = len.div_ceil(ITEM);
        let numbers = [
            ("items", items),
            ("vectors", vectors),
            ("parts", parts),
            ("zero", Size::ZERO),
            ("levels", bits(255.0)),
            ("far", bits(FAR)),
            ("infinity", infinity),
        ];
        cx.emit(Emit {
            kernel: "quantise_by_range",
            constants: &variant,
            groups: item_groups(items).max(1),
            operands: &[source.buffer, ranges, result.buffer, scale.buffer, zero.buffer],
            params: params("quantise_by_range", &numbers, &[])?,
            cost: Work { flops: len * 4, bytes: len * 5 },
        })
    }
}
