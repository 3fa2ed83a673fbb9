//! Operators that move blocks of an image between its channels and its plane: one copy.

use super::{arity, dtype, is_empty, sized};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Lowering, View};
use crate::ops::{Operator, given};
use crate::size::{Size, presumed};
use crate::tensor::DType;

/// How the parts of a channel are numbered.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// By row and column of the block, then channel.
    DepthLast,
    /// By channel, then row and column of the block.
    DepthFirst,
}

/// <https://onnx.ai/onnx/operators/onnx__DepthToSpace.html>: `[n, c * b * b, h, w]` gives `[n, c, h * b, w * b]`.
/// <https://onnx.ai/onnx/operators/onnx__SpaceToDepth.html>: the other way.
#[derive(Debug)]
pub(super) struct Blocks {
    size: usize,
    order: Order,
    to_depth: bool,
}

impl Blocks {
    pub(super) fn parse(node: &Node, to_depth: bool) -> Result<Self> {
        arity(node, 1..=1, 1)?;
        let size = node.int("blocksize", 0)?;
        let size = usize::try_from(size).ok().filter(|size| (1..1 << 16).contains(size));
        let size = size.ok_or_else(|| Error::invalid_model("'blocksize' is missing or no size of a block"))?;
        // A mode since opset 11, of SpaceToDepth since 28.
        let since = if to_depth { 28 } else { 11 };
        let order = match node.str("mode", "DCR")? {
            "DCR" => Order::DepthLast,
            "CRD" if node.opset >= since => Order::DepthFirst,
            other => return Err(Error::invalid_model(format!("mode '{other}' in opset {}", node.opset))),
        };
        Ok(Blocks { size, order, to_depth })
    }

    /// Batch, channels of the image with fewer, rows and columns of the one with fewer.
    fn sizes(&self, shape: &[Size]) -> Result<[Size; 4]> {
        let &[n, c, h, w] = shape else { return Err(Error::shape(format!("an image of shape {shape:?}"))) };
        let (b, wrong) = (self.size, || Error::shape(format!("shape {shape:?} in blocks of {}", self.size)));
        if self.to_depth {
            let fits = presumed(|| h.is_multiple_of(b) && w.is_multiple_of(b));
            return if fits { Ok([n, c, h / b, w / b]) } else { Err(wrong()) };
        }
        if presumed(|| c.is_multiple_of(b * b)) { Ok([n, c / (b * b), h, w]) } else { Err(wrong()) }
    }
}

impl Operator for Blocks {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        Ok(vec![dtype(inputs, 0)?])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let [n, c, h, w] = self.sizes(&given(inputs, 0)?.shape)?;
        let b = self.size;
        let shape = if self.to_depth { vec![n, c * (b * b), h, w] } else { vec![n, c, h * b, w * b] };
        Ok(vec![sized(shape)?])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let x = cx.view(0)?;
        let [n, c, h, w] = self.sizes(&x.shape)?;
        let b = Size::from(self.size);
        let output = cx.output(0);
        let output = cx.rounded(output);
        if is_empty(&output.shape) {
            return Ok(());
        }
        // The six dimensions, in the order n, c, row and column of the block, h, w.
        let plane = |view: &View| {
            let [sn, sc, sh, sw] = [0, 1, 2, 3].map(|k| view.strides[k]);
            [sn, sc, sh, sw, sh * b, sw * b]
        };
        let depth = |view: &View| {
            let [sn, sc, sh, sw] = [0, 1, 2, 3].map(|k| view.strides[k]);
            match self.order {
                Order::DepthLast => [sn, sc, sc * c * b, sc * c, sh, sw],
                Order::DepthFirst => [sn, sc * b * b, sc * b, sc, sh, sw],
            }
        };
        let (from, to) = if self.to_depth { (plane(&x), depth(&output)) } else { (depth(&x), plane(&output)) };
        let shape = vec![n, c, b, b, h, w];
        // In the order of what is written.
        let order = if self.to_depth {
            match self.order {
                Order::DepthLast => [0, 2, 3, 1, 4, 5],
                Order::DepthFirst => [0, 1, 2, 3, 4, 5],
            }
        } else {
            [0, 1, 4, 2, 5, 3]
        };
        let part = |view: View, strides: [Size; 6]| {
            View { shape: shape.clone(), strides: strides.to_vec(), ..view }.permuted(&order)
        };
        cx.copy(&part(x, from), &part(output, to))
    }
}
