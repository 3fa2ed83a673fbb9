//! <https://onnx.ai/onnx/operators/onnx__Dropout.html>

use std::ops::Range;

use super::random::key;
use super::{Entry, Operator, check_arity, given, operator};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::storage::Storage;
use crate::lower::{Emit, Fact, Lowering, View, Work, params};
use crate::size::{Size, is_empty};
use crate::tensor::{DType, Tensor};

pub(super) static OPERATORS: &[Entry] = &[("", "Dropout", |node| operator(Dropout::parse(node)))];

/// Outside of training it gives its input back, and a mask of ones. In training, by the generator of `random`: the host has to
/// know whether that is so, but not the ratio.
#[derive(Debug)]
struct Dropout {
    /// Whether inputs say that it trains and how much it drops: from opset 12 on. Before, it does not train.
    by_input: bool,
    key: [Size; 2],
}

/// How much is dropped if nothing says so.
const RATIO: f32 = 0.5;

impl Dropout {
    fn parse(node: &Node) -> Result<Self> {
        if node.opset < 7 && node.int("is_test", 0)? == 0 {
            // Whether what stays is scaled the standard did not say then.
            return Err(Error::unsupported("training in opsets before 7"));
        }
        if node.opset < 10 && node.outputs.get(1).copied().flatten().is_some() {
            return Err(Error::unsupported("the mask of opsets before 10, whose type is the input's"));
        }
        let by_input = node.opset >= 12;
        check_arity(node, 1..=if by_input { 3 } else { 1 }, 1..=2)?;
        Ok(Dropout { by_input, key: key(node)? })
    }

    fn trains(&self, inputs: &[Option<&Fact>]) -> Result<bool> {
        let Some(fact) = inputs.get(2).copied().flatten().filter(|_| self.by_input) else { return Ok(false) };
        match fact.value().map(Tensor::as_slice::<bool>) {
            Some(Ok(&[trains])) => Ok(trains),
            Some(_) => Err(Error::invalid_model("the training mode is no single bool")),
            None => Err(Error::unsupported("a training mode that only the device knows")),
        }
    }
}

impl Operator for Dropout {
    fn host_inputs(&self) -> Range<usize> {
        2..3
    }

    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        match inputs.first().copied().flatten() {
            Some(dtype) => Ok(vec![dtype, DType::Bool]),
            None => Err(Error::invalid_model("input 0 is missing")),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let shape = given(inputs, 0)?.shape.clone();
        Ok(vec![shape.clone(), shape])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        if !self.trains(&cx.facts())? {
            let view = cx.stored(0)?;
            if cx.wants_output(1) {
                let one = Tensor::new([1], vec![true])?;
                let buffer = cx.constant_bytes(Storage::Word.encode(&one)?)?;
                let strides = vec![Size::ZERO; view.shape.len()];
                cx.alias(1, View { strides, ..View::row_major(buffer, DType::Bool, &view.shape) });
            }
            cx.alias(0, view);
            return Ok(());
        }
        let (x, output) = (cx.contiguous(0)?, cx.output(0));
        if !x.dtype.is_f32() {
            return Err(Error::unsupported(format!("training on {}", x.dtype)));
        }
        let mask = cx.words(DType::Bool, &output.shape)?;
        if cx.wants_output(1) {
            cx.alias(1, mask.clone());
        }
        if is_empty(&output.shape) {
            return Ok(());
        }
        let ratio = match cx.input(1) {
            Some(fact) if fact.dtype.is_f32() => cx.contiguous(1)?.buffer,
            Some(fact) => return Err(Error::unsupported(format!("a ratio of type {}", fact.dtype))),
            None => cx.constant_bytes(RATIO.to_ne_bytes().to_vec())?,
        };
        let len = output.len();
        cx.emit(Emit {
            kernel: "dropout",
            constants: &[],
            groups: item_groups(len),
            operands: &[x.buffer, ratio, output.buffer, mask.buffer],
            params: params("dropout", &[("len", len)], &[("key", &self.key)])?,
            cost: Work::of_words(len * 100, len * 3),
        })
    }
}
