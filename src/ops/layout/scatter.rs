//! Operators that put elements into a copy of their first input. Updates of one place are applied in their order, so that results
//! do not depend on the device: by a kernel that goes through them one after another where there are few to a row, else sorted by
//! their place.

use super::pick::{Give, block_shape, check_elements, emit_elements, emit_tuples};
use super::{INDEX, arity, axis, dtype, of_type};
use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{BufferId, Emit, Fact, Lowering, View, Work, params};
use crate::ops::combine::{Combine, bits};
use crate::ops::sort::{Rows, sort};
use crate::ops::{Operator, given};
use crate::size::{Size, agree};
use crate::tensor::DType;

/// The most updates that an invocation applies one after another. Guessed: sorting takes two dispatches or more.
const FEW: usize = 64;

/// Where updates go.
#[derive(Debug)]
enum Places {
    /// An index for each update, along an axis.
    Elements { axis: i64 },
    /// Tuples of indices, each for a block of updates.
    Tuples,
}

/// <https://onnx.ai/onnx/operators/onnx__ScatterElements.html>, before opset 11 `Scatter`, and
/// <https://onnx.ai/onnx/operators/onnx__ScatterND.html>: data, indices, updates. bool has no reductions.
#[derive(Debug)]
pub(super) struct Scatter {
    places: Places,
    reduction: Combine,
}

fn reduction(node: &Node) -> Result<Combine> {
    let since = match node.str("reduction", "none")? {
        "none" => return Ok(Combine::Second),
        "add" => (16, Combine::Sum),
        "mul" => (16, Combine::Product),
        "max" => (18, Combine::Larger),
        "min" => (18, Combine::Smaller),
        other => return Err(Error::invalid_model(format!("reduction '{other}'"))),
    };
    match since {
        (since, op) if node.opset >= since => Ok(op),
        _ => Err(Error::invalid_model(format!("a reduction in opset {}", node.opset))),
    }
}

impl Scatter {
    pub(super) fn elements(node: &Node) -> Result<Self> {
        arity(node, 3..=3, 1)?;
        let places = Places::Elements { axis: node.int("axis", 0)? };
        Ok(Scatter { places, reduction: reduction(node)? })
    }

    pub(super) fn nd(node: &Node) -> Result<Self> {
        arity(node, 3..=3, 1)?;
        Ok(Scatter { places: Places::Tuples, reduction: reduction(node)? })
    }

    /// Puts `updates` into `result`: blocks of `inner` of them have a place each; blocks of one row, of which there are `steps`,
    /// have places that no other row has.
    fn apply(
        &self,
        cx: &mut Lowering<'_>,
        (place, updates, result): (BufferId, &View, &View),
        [blocks, steps, inner]: [Size; 3],
        within: Size,
    ) -> Result<()> {
        let constants = self.reduction.constants(result.dtype)?;
        let report = self.reduction.report(cx, result.dtype)?;
        let len = updates.len();
        if steps > FEW {
            // Places are less than the elements of a tensor, and so in order as unsigned numbers.
            let order = sort(cx, Rows { keys: place, rows: Size::ONE, len: blocks, width: Size::ONE })?;
            let sizes = [("len", len), ("blocks", blocks), ("inner", inner), ("bits", bits(result.dtype))];
            return cx.emit(Emit {
                kernel: "scatter_sorted",
                constants: &constants,
                groups: item_groups(len),
                operands: &[order, place, updates.buffer, result.buffer, report],
                params: params("scatter_sorted", &sizes, &[])?,
                cost: Work::of_words(len, len * 3 + blocks * 2),
            });
        }
        let of_blocks = matches!(self.places, Places::Tuples);
        let rows = len / steps;
        let sizes = [("rows", rows), ("steps", steps), ("inner", within), ("bits", bits(result.dtype))];
        cx.emit(Emit {
            kernel: "scatter_steps",
            constants: &[&constants[..], &[("BLOCKS", f64::from(u8::from(of_blocks)))]].concat(),
            groups: item_groups(rows),
            operands: &[place, updates.buffer, result.buffer, report],
            params: params("scatter_steps", &sizes, &[])?,
            cost: Work::of_words(len, len * 3 + blocks),
        })
    }
}

impl Operator for Scatter {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let data = dtype(inputs, 0)?;
        of_type(inputs, 1, if matches!(self.places, Places::Tuples) { &[DType::I64] } else { INDEX })?;
        of_type(inputs, 2, &[data])?;
        if data == DType::Bool && self.reduction != Combine::Second {
            return Err(Error::unsupported("a reduction of bool"));
        }
        Ok(vec![data])
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let (shape, indices) = (&given(inputs, 0)?.shape, &given(inputs, 1)?.shape);
        let updates = &given(inputs, 2)?.shape;
        let wanted = match self.places {
            Places::Elements { axis: at } => {
                check_elements(shape, axis(at, shape.len())?, indices)?;
                indices.clone()
            }
            Places::Tuples => {
                let block = block_shape(shape, 0, indices)?;
                [&indices[..indices.len() - 1], &block].concat()
            }
        };
        if !agree(updates, &wanted) {
            return Err(Error::shape(format!("updates of shape {updates:?}, not {wanted:?}")));
        }
        Ok(vec![shape.clone()])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let data = cx.view(0)?;
        let mut result = cx.output(0);
        if matches!(self.reduction, Combine::Second | Combine::Larger | Combine::Smaller) {
            result = cx.rounded(result);
        }
        cx.copy(&data, &result)?;
        let (index, updates) = (cx.contiguous(1)?, cx.contiguous(2)?);
        if updates.is_empty() {
            return Ok(());
        }
        let shape = data.shape;
        match self.places {
            Places::Elements { axis: at } => {
                let at = axis(at, shape.len())?;
                let place = cx.words(DType::U32, &index.shape)?.buffer;
                emit_elements(cx, &shape, at, &index, (Give::Places, place))?;
                let within = index.shape[at + 1..].iter().product();
                let sizes = [updates.len(), index.shape[at], Size::ONE];
                self.apply(cx, (place, &updates, &result), sizes, within)
            }
            Places::Tuples => {
                let (&depth, rows) =
                    index.shape.split_last().ok_or_else(|| Error::shape("indices without dimensions"))?;
                let blocks = rows.iter().product();
                let inner = shape[depth.pin()..].iter().product();
                let place = cx.words(DType::U32, &[blocks])?.buffer;
                emit_tuples(cx, &shape, 0, &index, (Give::Places, place))?;
                self.apply(cx, (place, &updates, &result), [blocks, blocks, inner], inner)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attr;

    #[test]
    fn reductions_are_of_their_opsets() {
        let node = |opset, name: &str| Node {
            opset,
            attrs: [("reduction".to_owned(), Attr::Str(name.to_owned()))].into(),
            ..Node::default()
        };
        assert_eq!(reduction(&node(11, "none")).unwrap(), Combine::Second);
        assert_eq!(reduction(&node(16, "mul")).unwrap(), Combine::Product);
        assert_eq!(reduction(&node(18, "min")).unwrap(), Combine::Smaller);
        assert!(reduction(&node(16, "max")).is_err());
        assert!(reduction(&node(18, "mean")).is_err());
    }
}
