//! Operators that move elements along an axis by as much as data say.

use super::{arity, axis, dtype, is_empty, of_type};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, View, Work, params};
use crate::ops::{Operator, given};
use crate::size::{Size, agree, presumed};
use crate::tensor::DType;

/// <https://onnx.ai/onnx/operators/onnx__ReverseSequence.html>: time and batch are the first two axes, in either order.
#[derive(Debug)]
pub(super) struct ReverseSequence {
    time_first: bool,
}

impl ReverseSequence {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 2..=2, 1)?;
        let time_first = match (node.int("time_axis", 0)?, node.int("batch_axis", 1)?) {
            (0, 1) => true,
            (1, 0) => false,
            (time, batch) => {
                return Err(Error::invalid_model(format!("time axis {time} and batch axis {batch}, not 0 and 1")));
            }
        };
        Ok(ReverseSequence { time_first })
    }

    /// Steps and sequences.
    fn sizes(&self, shape: &[Size]) -> (Size, Size) {
        if self.time_first { (shape[0], shape[1]) } else { (shape[1], shape[0]) }
    }
}

impl Operator for ReverseSequence {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        of_type(inputs, 1, &[DType::I64])?;
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (shape, lengths) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        if shape.len() < 2 || !agree(lengths, &[self.sizes(shape).1]) {
            return Err(Error::shape(format!("lengths of shape {lengths:?} for sequences of shape {shape:?}")));
        }
        Ok(vec![shape.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let (x, lengths) = (cx.contiguous(0)?, cx.contiguous(1)?);
        let report = cx.check(ErrorKind::Input, "a length exceeds the time axis, or is negative");
        let (time, batch) = self.sizes(&x.shape);
        let len = x.len();
        let sizes = [("len", len), ("time", time), ("batch", batch), ("inner", x.shape[2..].iter().product())];
        cx.emit(Emit {
            kernel: "reverse_sequence",
            constants: &[("TIME_FIRST", f64::from(u8::from(self.time_first)))],
            groups: item_groups(len),
            operands: &[x.buffer, lengths.buffer, output.buffer, report],
            params: params("reverse_sequence", &sizes, &[])?,
            cost: Work::of_words(Size::ZERO, len * 2),
        })
    }
}

/// <https://onnx.ai/onnx/operators/onnx__TensorScatter.html>: cache `[batch, .., size, ..]`, update `[batch, .., steps, ..]`, and
/// where the first step goes, for each of the batch.
#[derive(Debug)]
pub(super) struct TensorScatter {
    axis: i64,
    circular: bool,
}

impl TensorScatter {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 2..=3, 1)?;
        let circular = match node.str("mode", "linear")? {
            "linear" => false,
            "circular" => true,
            other => return Err(Error::invalid_model(format!("mode '{other}'"))),
        };
        Ok(TensorScatter { axis: node.int("axis", -2)?, circular })
    }

    fn axis(&self, rank: usize) -> Result<usize> {
        match axis(self.axis, rank)? {
            0 => Err(Error::shape("the batch cannot be the axis of steps")),
            at => Ok(at),
        }
    }
}

impl Operator for TensorScatter {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let cache = dtype(inputs, 0)?;
        of_type(inputs, 1, &[cache])?;
        of_type(inputs, 2, &[DType::I64])?;
        Ok(vec![cache])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (cache, update) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        let at = self.axis(cache.len())?;
        let mut wanted = cache.clone();
        if let Some(&steps) = update.get(at).filter(|steps| presumed(|| **steps <= cache[at])) {
            wanted[at] = steps;
        }
        if !agree(update, &wanted) {
            return Err(Error::shape(format!("an update of shape {update:?} of a cache of shape {cache:?}")));
        }
        if let Some(starts) = inputs.get(2).copied().flatten()
            && !agree(&starts.shape, &cache[..1])
        {
            return Err(Error::shape(format!("write indices of shape {:?} for a batch of {}", starts.shape, cache[0])));
        }
        Ok(vec![cache.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        let (cache, updates) = (cx.contiguous(0)?, cx.contiguous(1)?);
        let at = self.axis(cache.shape.len())?;
        let starts = match cx.input(2) {
            Some(_) => cx.contiguous(2)?.buffer,
            None => {
                let zeros = cx.constant_bytes(vec![0; 4])?;
                let zeros = View { strides: vec![Size::ZERO], ..View::row_major(zeros, DType::I64, &cache.shape[..1]) };
                cx.materialise(&zeros)?.buffer
            }
        };
        let report = cx.check(ErrorKind::Input, "a write index lies outside of the cache");
        let len = cache.len();
        let sizes = [
            ("len", len),
            ("size", cache.shape[at]),
            ("steps", updates.shape[at]),
            ("inner", cache.shape[at + 1..].iter().product()),
            ("blocks", cache.shape[1..at].iter().product()),
        ];
        cx.emit(Emit {
            kernel: "tensor_scatter",
            constants: &[("CIRCULAR", f64::from(u8::from(self.circular)))],
            groups: item_groups(len),
            operands: &[cache.buffer, updates.buffer, starts, output.buffer, report],
            params: params("tensor_scatter", &sizes, &[])?,
            cost: Work::of_words(Size::ZERO, len * 2),
        })
    }
}
