//! Local response normalisation.

use super::{Entry, Operator, check_arity, given, one_float, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, Work, bits, params};
use crate::size::Size;
use crate::tensor::DType;

pub(super) const OPERATORS: &[Entry] = &[("", "LRN", |node| operator(Lrn::parse(node)))];

/// <https://onnx.ai/onnx/operators/onnx__LRN.html>: over the channels of `[n, c, ..]`, f32 and f16.
#[derive(Debug)]
struct Lrn {
    size: i64,
    alpha: f32,
    beta: f32,
    bias: f32,
}

impl Lrn {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 1..=1, 1..=1)?;
        let size = node.int("size", 0)?;
        if !(1..1 << 30).contains(&size) {
            return Err(Error::invalid_model(format!("a region of {size} channels")));
        }
        let (alpha, beta) = (node.float("alpha", 1e-4)?, node.float("beta", 0.75)?);
        Ok(Lrn { size, alpha, beta, bias: node.float("bias", 1.0)? })
    }
}

impl Operator for Lrn {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        one_float(inputs)
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = &given(inputs, 0)?.shape;
        match shape.len() {
            0..2 => Err(Error::shape(format!("an input of shape {shape:?} has no channels"))),
            _ => Ok(vec![shape.clone()]),
        }
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        if output.is_empty() {
            return Ok(());
        }
        let input = cx.contiguous(0)?;
        let items = output.len();
        // Half of the region less the element, the odd one behind it.
        let numbers = [
            ("items", items),
            ("channels", input.shape[1]),
            ("pixels", input.shape[2..].iter().product()),
            ("before", Size::from((self.size - 1) / 2)),
            ("behind", Size::from(self.size / 2)),
            ("alpha", bits(self.alpha / self.size as f32)),
            ("beta", bits(self.beta)),
            ("bias", bits(self.bias)),
        ];
        cx.emit(Emit {
            kernel: "lrn",
            constants: &[],
            groups: item_groups(items),
            operands: &[input.buffer, output.buffer],
            params: params("lrn", &numbers, &[])?,
            cost: Work::of_words(items * (2 * Size::from(self.size).min(input.shape[1]) + 20), items * 2),
        })
    }
}
