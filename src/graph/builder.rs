//! Builds graphs in code: for tests of rewrites and operators, and for models that come from no file.

use std::collections::BTreeMap;

use super::{Attr, Dim, Graph, Kind, Node, Value, ValueId};
use crate::tensor::{DType, Tensor};

/// Adds nodes one expression at a time.
///
/// ```
/// use fascine::graph::{Attr, builder::GraphBuilder};
/// use fascine::tensor::DType;
///
/// let mut b = GraphBuilder::new(17);
/// let x = b.input("x", DType::F32, ["batch", "8"]);
/// let y = b.node("Transpose", [x], [("perm", Attr::Ints(vec![1, 0]))]);
/// let graph = b.finish([y]);
/// assert_eq!(graph.nodes.len(), 1);
/// ```
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
    opset: i64,
}

impl GraphBuilder {
    /// An empty graph whose nodes have that opset.
    pub fn new(opset: i64) -> Self {
        GraphBuilder { graph: Graph::default(), opset }
    }

    /// A graph input; a dimension that is no number is a symbol.
    pub fn input<'a>(&mut self, name: &str, dtype: DType, dims: impl IntoIterator<Item = &'a str>) -> ValueId {
        let value = Value { name: name.to_owned(), dtype: Some(dtype), shape: Some(parse(dims)), ..Value::default() };
        let id = self.graph.add_value(value);
        self.graph.inputs.push(id);
        id
    }

    /// A constant.
    pub fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("constant_{}", self.graph.values.len());
        self.graph.add_constant(name, tensor)
    }

    /// An f32 constant.
    ///
    /// # Panics
    /// If the data does not fill the shape.
    pub fn floats(&mut self, shape: impl Into<Vec<usize>>, data: impl Into<Vec<f32>>) -> ValueId {
        self.constant(Tensor::new(shape, data.into()).expect("data fills the shape"))
    }

    /// An i64 vector constant.
    pub fn ints(&mut self, data: impl Into<Vec<i64>>) -> ValueId {
        let data = data.into();
        self.constant(Tensor::new([data.len()], data).expect("a vector of its own length"))
    }

    /// A node with one output. `op` may name a domain: `fascine.Conv`.
    pub fn node<'a>(
        &mut self,
        op: &str,
        inputs: impl IntoIterator<Item = ValueId>,
        attrs: impl IntoIterator<Item = (&'a str, Attr)>,
    ) -> ValueId {
        self.node_with(op, inputs.into_iter().map(Some), attrs, 1)[0]
    }

    /// A node that may leave inputs out and have several outputs.
    pub fn node_with<'a>(
        &mut self,
        op: &str,
        inputs: impl IntoIterator<Item = Option<ValueId>>,
        attrs: impl IntoIterator<Item = (&'a str, Attr)>,
        outputs: usize,
    ) -> Vec<ValueId> {
        let (domain, op) = op.rsplit_once('.').unwrap_or(("", op));
        let index = self.graph.nodes.len();
        let outputs: Vec<ValueId> = (0..outputs)
            .map(|k| self.graph.add_value(Value { name: format!("{op}_{index}.{k}"), ..Value::default() }))
            .collect();
        let attrs: BTreeMap<String, Attr> = attrs.into_iter().map(|(name, attr)| (name.to_owned(), attr)).collect();
        self.graph.add_node(Node {
            name: format!("{op}_{index}"),
            domain: domain.to_owned(),
            op: op.to_owned(),
            opset: self.opset,
            attrs,
            inputs: inputs.into_iter().collect(),
            outputs: outputs.iter().copied().map(Some).collect(),
        });
        outputs
    }

    /// States what inference would find of a value.
    pub fn state<'a>(&mut self, id: ValueId, dtype: DType, dims: impl IntoIterator<Item = &'a str>) -> ValueId {
        let value = self.graph.value_mut(id);
        value.dtype = Some(dtype);
        value.shape = Some(parse(dims));
        id
    }

    /// States that a value is no tensor; type and shape are those of its tensors.
    pub fn set_kind(&mut self, id: ValueId, kind: Kind) {
        self.graph.value_mut(id).kind = kind;
    }

    /// The graph with these outputs, which get these names.
    pub fn finish_named<'a>(mut self, outputs: impl IntoIterator<Item = (&'a str, ValueId)>) -> Graph {
        for (name, id) in outputs {
            self.graph.value_mut(id).name = name.to_owned();
            self.graph.outputs.push(id);
        }
        self.graph
    }

    /// The graph with these outputs.
    pub fn finish(mut self, outputs: impl IntoIterator<Item = ValueId>) -> Graph {
        self.graph.outputs = outputs.into_iter().collect();
        self.graph
    }
}

fn parse<'a>(dims: impl IntoIterator<Item = &'a str>) -> Vec<Dim> {
    let parse = |dim: &str| dim.parse().map_or_else(|_| Dim::Symbol(dim.to_owned()), Dim::Known);
    dims.into_iter().map(parse).collect()
}
