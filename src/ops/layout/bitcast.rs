//! <https://onnx.ai/onnx/operators/onnx__BitCast.html>

use super::{arity, dtype};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::storage::Storage;
use crate::lower::{Fact, Lowering, View};
use crate::ops::{Operator, given};
use crate::size::Size;
use crate::tensor::{DType, Tensor, TensorData};

/// The same bits as another type of as many bits: no data move. Only bools become bools, since others hold more than 0 and 1.
#[derive(Debug)]
pub(super) struct BitCast {
    to: DType,
}

impl BitCast {
    pub(super) fn parse(node: &Node) -> Result<Self> {
        arity(node, 1..=1, 1)?;
        let number = node.int("to", 0)?;
        let to = i32::try_from(number).ok().and_then(DType::from_onnx);
        Ok(BitCast { to: to.ok_or_else(|| Error::unsupported(format!("the bits of element type {number}")))? })
    }
}

impl Operator for BitCast {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let (from, to) = (dtype(inputs, 0)?, self.to);
        if from.bits() != to.bits() {
            return Err(Error::invalid_model(format!("the bits of {from} as {to}")));
        }
        // The device has 32 bits of either, and what lies above them follows from the type.
        if from != to && matches!((from, to), (DType::I64 | DType::U64 | DType::F64, _)) {
            return Err(Error::unsupported(format!("the bits of {from} as {to}")));
        }
        if to == DType::Bool && from != to {
            return Err(Error::unsupported(format!("the bits of {from} as bool")));
        }
        Ok(vec![to])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Ok(vec![given(inputs, 0)?.shape.clone()])
    }

    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let Some(value) = given(inputs, 0)?.value() else { return Ok(None) };
        // The machine is little-endian, as every one that fascine runs on.
        let data = TensorData::from_le_bytes(self.to, value.bytes())?;
        Ok(Some(vec![Tensor::from_data(value.shape(), data)?]))
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let view = cx.stored(0)?;
        // A word means something else for each type: what is narrower is packed, as it is at rest.
        let view = if view.storage == Storage::of(view.dtype) { view } else { cx.at_rest(&view)? };
        cx.alias(0, View { dtype: self.to, storage: Storage::of(self.to), ..view });
        Ok(())
    }
}
