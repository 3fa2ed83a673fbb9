//! The graph of a model: nodes with ONNX semantics, values, constants. Built by `onnx/`, rewritten by
//! `optimise/` (constant folding, fusions).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

pub mod builder;
mod forms;
pub mod prune;

pub use forms::{Form, Kind};

/// Index of a value in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub u32);

/// A dimension as the file states it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A number.
    Known(usize),
    /// A name, equal wherever the same name stands; resolved by the inputs' shapes.
    Symbol(String),
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(size) => write!(f, "{size}"),
            Dim::Symbol(name) => f.write_str(name),
        }
    }
}

/// A tensor in the graph: an input, a constant, or a node's output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Value {
    /// Its name in the file; unique and never empty.
    pub name: String,
    /// Its element type, where the file says or inference found it.
    pub dtype: Option<DType>,
    /// Its shape, where the file says or inference found it.
    pub shape: Option<Vec<Dim>>,
    /// Its value, for initialisers and folded constants.
    pub constant: Option<Tensor>,
    /// What it is; type and shape are those of a sequence's members, of what is in an optional.
    pub kind: Kind,
}

/// An attribute of a node.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Attr {
    Int(i64),
    Float(f32),
    Str(String),
    Tensor(Tensor),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Strs(Vec<String>),
    /// A branch or a loop's body.
    Graph(Box<Subgraph>),
    Graphs(Vec<Subgraph>),
    /// One that cannot be represented, with the reason; the node is refused.
    Unsupported(String),
}

/// A graph within a node. It names nothing around it: what it takes from there is among its inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subgraph {
    /// Its inputs are those that the operator gives it, then one for each of `captures`.
    pub graph: Graph,
    /// Which of the node's inputs each captured value is. They follow the inputs that the operator has of its own.
    pub captures: Vec<usize>,
}

/// One operator applied to values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its name in the file, or one made from its first output.
    pub name: String,
    /// Empty for ONNX's own operators, `fascine` for fused ones.
    pub domain: String,
    /// The operator's name.
    pub op: String,
    /// The opset version that the file imports for the domain.
    pub opset: i64,
    /// Attributes by name.
    pub attrs: BTreeMap<String, Attr>,
    /// `None` for an optional input left out.
    pub inputs: Vec<Option<ValueId>>,
    /// `None` for an optional output left out.
    pub outputs: Vec<Option<ValueId>>,
}

/// A model as nodes in topological order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Its name in the file.
    pub name: String,
    /// Every value that a node, input or output names.
    pub values: Vec<Value>,
    /// Each after the producers of its inputs. They are shared with what is kept of them, such as their operators: who changes
    /// one makes another.
    pub nodes: Vec<Arc<Node>>,
    /// What a request must provide (initialisers are not among them).
    pub inputs: Vec<ValueId>,
    /// What a request returns.
    pub outputs: Vec<ValueId>,
    /// Constants that cannot be represented, with the reason; a node that reads one is refused.
    pub refused: BTreeMap<ValueId, String>,
    /// Functions, the model's own or of the standard, whose calls were replaced by their bodies, with the number of calls.
    pub functions: BTreeMap<String, usize>,
    /// Nodes `If` that were replaced by one of their branches.
    pub branches: Vec<Branch>,
    /// What its outputs were before sequences and optionals among them became their tensors. `None` if there were none.
    pub results: Option<Vec<(String, Form)>>,
    /// How far its loops go.
    pub limits: LoopLimits,
    /// Nodes that loops have become.
    pub unrolled: usize,
}

/// How far loops go; see [`LoadOptions`](crate::onnx::LoadOptions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopLimits {
    /// Nodes that the loops of a model unroll to, at most, all together.
    pub max_unrolled: usize,
    /// Trips of a loop that is not unrolled, at most.
    pub max_trips: usize,
}

impl Default for LoopLimits {
    fn default() -> Self {
        LoopLimits { max_unrolled: 4096, max_trips: 1024 }
    }
}

/// A node `If` whose condition is constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The node's name.
    pub node: String,
    /// The condition's value.
    pub taken: bool,
}

impl Graph {
    /// The value of that id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0 as usize]
    }

    /// Its nodes, those within nodes included.
    pub fn node_count(&self) -> usize {
        let within = |node: &Arc<Node>| -> usize {
            let inner = node.attrs.values().map(|attr| match attr {
                Attr::Graph(body) => body.graph.node_count(),
                _ => 0,
            });
            1 + inner.sum::<usize>()
        };
        self.nodes.iter().map(within).sum()
    }

    /// How many bodies of so many nodes loops may still become.
    pub fn bodies_left(&self, nodes: usize) -> usize {
        self.limits.max_unrolled.saturating_sub(self.unrolled) / nodes.max(1)
    }

    /// The value of that id, to change.
    pub fn value_mut(&mut self, id: ValueId) -> &mut Value {
        &mut self.values[id.0 as usize]
    }

    /// Adds a value and returns its id.
    pub fn add_value(&mut self, value: Value) -> ValueId {
        let id = ValueId(u32::try_from(self.values.len()).expect("fewer than 2^32 values"));
        self.values.push(value);
        id
    }

    /// Adds a node behind the others.
    pub fn add_node(&mut self, node: Node) {
        self.nodes.push(Arc::new(node));
    }

    /// Adds a constant under that name and returns its id.
    pub fn add_constant(&mut self, name: impl Into<String>, tensor: Tensor) -> ValueId {
        let mut value = Value { name: name.into(), ..Value::default() };
        value.set_constant(tensor);
        self.add_value(value)
    }
}

impl Value {
    /// Gives it a value, and so a type and shape.
    pub fn set_constant(&mut self, tensor: Tensor) {
        self.dtype = Some(tensor.dtype());
        self.shape = Some(tensor.shape().iter().map(|&size| Dim::Known(size)).collect());
        self.constant = Some(tensor);
    }
}

impl Node {
    /// The operator as messages name it: `Conv`, or `com.microsoft.Gelu` for other domains.
    pub fn operator(&self) -> String {
        if self.domain.is_empty() { self.op.clone() } else { format!("{}.{}", self.domain, self.op) }
    }

    /// Cuts what is left out at the end of inputs and outputs.
    pub(crate) fn trim(&mut self) {
        let whole = self.counts_outputs();
        let cut = |list: &mut Vec<Option<ValueId>>| {
            list.truncate(list.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        };
        cut(&mut self.inputs);
        if !whole {
            cut(&mut self.outputs);
        }
    }

    /// Whether the number of outputs says what the node computes, so that none may be left out because nothing reads it: a
    /// Split divides by it, and before opset 14 a BatchNormalization with more than one is in training mode.
    pub(crate) fn counts_outputs(&self) -> bool {
        self.domain.is_empty() && (self.op == "Split" || self.op == "BatchNormalization" && self.opset < 14)
    }

    /// The integer attribute `name`, or `default`.
    ///
    /// # Errors
    /// `InvalidModel` if it is of another type.
    pub fn int(&self, name: &str, default: i64) -> Result<i64> {
        match self.attrs.get(name) {
            None => Ok(default),
            Some(Attr::Int(value)) => Ok(*value),
            Some(_) => Err(self.wrong_type(name, "an integer")),
        }
    }

    /// The float attribute `name`, or `default`.
    ///
    /// # Errors
    /// `InvalidModel` if it is of another type.
    pub fn float(&self, name: &str, default: f32) -> Result<f32> {
        match self.attrs.get(name) {
            None => Ok(default),
            Some(Attr::Float(value)) => Ok(*value),
            Some(_) => Err(self.wrong_type(name, "a float")),
        }
    }

    /// The string attribute `name`, or `default`.
    ///
    /// # Errors
    /// `InvalidModel` if it is of another type.
    pub fn str<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str> {
        match self.attrs.get(name) {
            None => Ok(default),
            Some(Attr::Str(value)) => Ok(value),
            Some(_) => Err(self.wrong_type(name, "a string")),
        }
    }

    /// The integer-list attribute `name`, if given.
    ///
    /// # Errors
    /// `InvalidModel` if it is of another type.
    pub fn ints(&self, name: &str) -> Result<Option<&[i64]>> {
        match self.attrs.get(name) {
            None => Ok(None),
            Some(Attr::Ints(values)) => Ok(Some(values)),
            Some(_) => Err(self.wrong_type(name, "a list of integers")),
        }
    }

    fn wrong_type(&self, name: &str, wanted: &str) -> Error {
        Error::invalid_model(format!("attribute '{name}' is not {wanted}")).at_node(&self.name, self.operator())
    }
}
