//! Operators: for each, in one place, its checks, its shape rule, its host evaluation where shapes need one, and its
//! lowering to dispatches. One file per family; each family lists its operators in a table, and [`lookup`] joins the tables.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Known, Lowering};
use crate::size::Size;
use crate::tensor::{DType, Tensor};

mod attention;
mod batch_norm;
mod branch;
pub mod broadcast;
mod conv;
pub mod elementwise;
mod facts;
mod integer;
mod layout;
mod matmul;
mod nonzero;
mod norm;
mod pool;
mod reduce;
mod rnn;
pub mod window;

pub use facts::{host_values, is_fixed, output_types};

/// An ONNX operator (or a fused one of domain `fascine`). Stateless: everything comes from the node.
pub trait Operator: Sync {
    /// What can be said at load: the opset, attributes and number of inputs make sense and are supported.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidModel`; the caller adds node and shapes.
    fn check(&self, node: &Node) -> Result<()>;

    /// The output element types, given the inputs' (`None` for an input left out).
    ///
    /// # Errors
    /// `Unsupported` for types that the operator's kernels lack, `InvalidModel` for types that ONNX forbids.
    fn dtypes(&self, node: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>>;

    /// The output shapes: at the sizes of a request, or while a model is loaded for all sizes of its symbols (see
    /// [`size`](crate::size)). What a node needs to make sense is [`presumed`](crate::size::presumed), so that it is no matter
    /// of sizes that are not known yet.
    ///
    /// # Errors
    /// `Shape` if the inputs do not fit; `Unsupported` if the shape depends on data that only the device has.
    fn shapes(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>>;

    /// The outputs' values computed on the host, where that is possible from what is known. Constant folding and shape
    /// arithmetic rest on it, so operators that occur there implement it; others return `None`.
    ///
    /// # Errors
    /// As [`Operator::shapes`].
    fn evaluate(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let _ = (node, inputs);
        Ok(None)
    }

    /// The outputs' values where they are integers that follow from sizes, and the values are to stay expressions over them:
    /// shape arithmetic. Asked before [`Operator::evaluate`].
    ///
    /// # Errors
    /// As [`Operator::shapes`].
    fn integers(&self, node: &Node, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let _ = (node, inputs);
        Ok(None)
    }

    /// The inputs whose values the host has to know before the node can be planned: shapes, axes, ends, conditions. Where one is
    /// computed on the device, the model runs in stages.
    fn host_inputs(&self, node: &Node) -> Range<usize> {
        let _ = node;
        0..0
    }

    /// Whether it is one of its subgraphs, by the value of its first input.
    fn has_branches(&self) -> bool {
        false
    }

    /// Emits the dispatches (or views) that compute the outputs.
    ///
    /// # Errors
    /// `Unsupported` where the kernels cannot do this case.
    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()>;
}

/// The operator of that domain and name, if there is one.
pub fn lookup(domain: &str, op: &str) -> Option<&'static dyn Operator> {
    if let Some(operator) = elementwise::lookup(domain, op) {
        return Some(operator);
    }
    FAMILIES
        .iter()
        .flat_map(|family| family.iter())
        .find(|(d, o, _)| *d == domain && *o == op)
        .map(|(_, _, operator)| *operator)
}

/// Domain, name, operator.
type Entry = (&'static str, &'static str, &'static dyn Operator);

/// Every family's table.
const FAMILIES: &[&[Entry]] = &[
    attention::TABLE,
    batch_norm::OPERATORS,
    branch::TABLE,
    conv::TABLE,
    layout::OPERATORS,
    matmul::TABLE,
    nonzero::TABLE,
    norm::OPERATORS,
    pool::TABLE,
    reduce::OPERATORS,
    rnn::OPERATORS,
];

/// The fact about input `i`.
///
/// # Errors
/// `InvalidModel` if it is left out.
fn given<'a>(inputs: &[Option<&'a Fact>], i: usize) -> Result<&'a Fact> {
    inputs.get(i).copied().flatten().ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))
}

/// The output type of operators whose kernels compute in f32: the inputs', f32 or f16.
///
/// # Errors
/// `Unsupported` for other types, or several.
fn one_float(inputs: &[Option<DType>]) -> Result<Vec<DType>> {
    let first = inputs.iter().flatten().copied().find(|&dtype| dtype == DType::F16).unwrap_or(DType::F32);
    match inputs.iter().flatten().find(|&&dtype| dtype != first) {
        Some(DType::F32 | DType::F16) => Err(Error::unsupported("inputs of both f32 and f16")),
        Some(other) => Err(Error::unsupported(format!("element type {other}; f32 and f16 are supported"))),
        None => Ok(vec![first]),
    }
}
