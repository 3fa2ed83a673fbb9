//! Operators: for each, in one place, how its node is parsed, its shape rule, its host evaluation where shapes need one, and
//! its lowering to dispatches. One file per family; each family lists how its operators are parsed in a table, and [`lookup`]
//! joins the tables.

use std::fmt::Debug;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::{Fact, Known, Lowering};
use crate::size::Size;
use crate::tensor::{DType, RoundMode, Tensor};

mod attention;
mod batch_norm;
mod branch;
pub mod broadcast;
mod col2im;
mod combine;
mod conv;
mod conv_transpose;
mod deform_conv;
mod det;
mod dropout;
pub mod elementwise;
mod facts;
mod forms;
mod grid;
mod integer;
mod layout;
mod linear_attention;
mod loss;
mod lrn;
mod matmul;
mod max_unpool;
mod nonzero;
mod norm;
mod parsed;
mod pool;
mod quantise;
mod random;
mod reduce;
mod regions;
mod repeat;
mod resize;
mod rnn;
mod rotary;
mod scan;
mod signal;
mod sort;
mod suppression;
mod tiles;
mod top_k;
mod tree_ensemble;
mod unique;
pub mod window;

pub use facts::{host_values, is_fixed, output_types};
pub use forms::is_of_forms;
pub use parsed::Operators;
pub use repeat::LoopParts;

/// An ONNX operator (or a fused one of domain `fascine`) with what its node says of it: opset, attributes, which inputs and
/// outputs there are. Axes stay as the node has them until a rank is known.
pub trait Operator: Debug + Send + Sync {
    /// The output element types, given the inputs' (`None` for an input left out).
    ///
    /// # Errors
    /// `Unsupported` for types that the operator's kernels lack, `InvalidModel` for types that ONNX forbids.
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>>;

    /// The output shapes: at the sizes of a request, or while a model is loaded for all sizes of its symbols (see
    /// [`size`](crate::size)). What a node needs to make sense is [`presumed`](crate::size::presumed), so that it is no matter
    /// of sizes that are not known yet.
    ///
    /// # Errors
    /// `Shape` if the inputs do not fit; `Unsupported` if the shape depends on data that only the device has.
    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>>;

    /// The outputs' values computed on the host, where that is possible from what is known. Constant folding and shape
    /// arithmetic rest on it, so operators that occur there implement it; others return `None`.
    ///
    /// # Errors
    /// As [`Operator::shapes`].
    fn evaluate(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Tensor>>> {
        let _ = inputs;
        Ok(None)
    }

    /// The outputs' values where they are integers that follow from sizes, and the values are to stay expressions over them:
    /// shape arithmetic. Asked before [`Operator::evaluate`].
    ///
    /// # Errors
    /// As [`Operator::shapes`].
    fn integers(&self, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
        let _ = inputs;
        Ok(None)
    }

    /// The inputs whose values the host has to know before the node can be planned: shapes, axes, ends, conditions. Where one is
    /// computed on the device, the model runs in stages.
    fn host_inputs(&self) -> Range<usize> {
        0..0
    }

    /// Whether it is one of its subgraphs, by the value of its first input.
    fn has_branches(&self) -> bool {
        false
    }

    /// How it repeats its subgraph, if it is a loop.
    fn repeats(&self) -> Option<Repeats> {
        None
    }

    /// Whether it is one on sequences and optionals, which is gone once their members are known.
    fn is_of_forms(&self) -> bool {
        false
    }

    /// Emits the dispatches (or views) that compute the outputs.
    ///
    /// # Errors
    /// `Unsupported` where the kernels cannot do this case.
    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()>;
}

/// How a loop repeats its body.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    /// Whether its condition never ends it.
    pub steady: bool,
    /// Nodes of the body.
    pub nodes: usize,
    /// Whether it has sequences or optionals, so that its trips have to be known.
    pub of_forms: bool,
}

/// Makes an operator of a node of its name: all that can be said at load.
///
/// # Errors
/// `Unsupported` or `InvalidModel` if opset, attributes or number of inputs make no sense or are not supported; the caller
/// adds node and shapes.
pub type Parse = fn(&Node) -> Result<Arc<dyn Operator>>;

/// How the operator of that domain and name is parsed, if there is one.
pub fn lookup(domain: &str, op: &str) -> Option<Parse> {
    let mut rest = FAMILIES.iter().copied().flatten();
    elementwise::lookup(domain, op)
        .or_else(|| rest.find(|(d, o, _)| *d == domain && *o == op).map(|&(_, _, parse)| parse))
}

/// The node's operator.
///
/// # Errors
/// Those of its [`Parse`]; `Unsupported` if there is none.
pub fn parse(node: &Node) -> Result<Arc<dyn Operator>> {
    match lookup(&node.domain, &node.op) {
        Some(parse) => parse(node),
        None => Err(Error::unsupported(format!("the operator {} is not supported", node.operator()))),
    }
}

/// Domain, name, how it is parsed.
type Entry = (&'static str, &'static str, Parse);

/// What a family's parse function gives, as its table has it.
fn operator(parsed: Result<impl Operator + 'static>) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(parsed?))
}

/// Every family's table.
const FAMILIES: &[&[Entry]] = &[
    attention::TABLE,
    batch_norm::OPERATORS,
    branch::TABLE,
    col2im::OPERATORS,
    conv::TABLE,
    conv_transpose::OPERATORS,
    deform_conv::OPERATORS,
    det::OPERATORS,
    dropout::OPERATORS,
    forms::TABLE,
    grid::OPERATORS,
    layout::OPERATORS,
    linear_attention::OPERATORS,
    loss::OPERATORS,
    lrn::OPERATORS,
    matmul::TABLE,
    max_unpool::OPERATORS,
    nonzero::TABLE,
    norm::OPERATORS,
    pool::TABLE,
    quantise::OPERATORS,
    random::OPERATORS,
    reduce::OPERATORS,
    regions::OPERATORS,
    repeat::TABLE,
    resize::OPERATORS,
    rnn::OPERATORS,
    rotary::OPERATORS,
    scan::OPERATORS,
    signal::OPERATORS,
    suppression::OPERATORS,
    top_k::OPERATORS,
    tree_ensemble::OPERATORS,
    unique::OPERATORS,
];

/// Checks the number of inputs, left-out ones included.
fn check_inputs(node: &Node, allowed: RangeInclusive<usize>) -> Result<()> {
    match node.inputs.len() {
        given if allowed.contains(&given) => Ok(()),
        given => Err(Error::invalid_model(format!("{given} inputs"))),
    }
}

/// Checks the numbers of inputs and outputs, left-out ones included.
fn check_arity(node: &Node, inputs: RangeInclusive<usize>, outputs: RangeInclusive<usize>) -> Result<()> {
    let (given, named) = (node.inputs.len(), node.outputs.len());
    if inputs.contains(&given) && outputs.contains(&named) {
        return Ok(());
    }
    Err(Error::invalid_model(format!("{given} inputs, {named} outputs")))
}

/// The fact about input `i`.
///
/// # Errors
/// `InvalidModel` if it is left out.
fn given<'a>(inputs: &[Option<&'a Fact>], i: usize) -> Result<&'a Fact> {
    inputs.get(i).copied().flatten().ok_or_else(|| Error::invalid_model(format!("input {i} is missing")))
}

/// The word that is 1 in a type.
fn one(dtype: DType) -> Size {
    match dtype.minifloat() {
        Some(format) => Size::from(u32::from(format.encode(1.0, true, RoundMode::default()))),
        None if dtype.is_float() => crate::lower::bits(1.0),
        None => Size::ONE,
    }
}

/// The output type of operators whose kernels compute in f32: the inputs', f32, f16 or bf16.
///
/// # Errors
/// `Unsupported` for other types, or several.
fn one_float(inputs: &[Option<DType>]) -> Result<Vec<DType>> {
    let first = inputs.iter().flatten().copied().find(|&dtype| dtype.is_half()).unwrap_or(DType::F32);
    match inputs.iter().flatten().find(|&&dtype| dtype != first) {
        Some(other) if other.is_f32() => Err(Error::unsupported(format!("inputs of both {other} and {first}"))),
        Some(other) => Err(Error::unsupported(format!("element type {other}; f32, f16 and bf16 are supported"))),
        None => Ok(vec![first]),
    }
}
