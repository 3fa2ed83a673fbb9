//! Bodies → nodes and values: of the model's graph, of subgraphs and of functions.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::attributes::{self, Decoded};
use super::function::Functions;
use super::live::{Live, live, outputs};
use super::model::{Opsets, domain};
use super::proto::{FunctionProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use super::scope::{Frame, Level, Weight};
use super::sort;
use super::tensor::Decoder;
use super::types::{Stated, value_type};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Attr, Graph, Kind, Node, Subgraph, ValueId, prune};

/// Nodes of a model at most, once its functions are unfolded. A guess: several times what large models have.
const MAX_NODES: usize = 1 << 18;

/// Names and attribute elements that all calls of functions may unfold to together; bounds the time of a small file whose
/// functions call each other. A guess.
const MAX_UNFOLDED: usize = 1 << 24;

/// Builds a model's graph.
pub(super) struct Importer<'p, 'a> {
    decoder: Decoder<'a>,
    functions: Functions<'p>,
    pub(super) levels: Vec<Level<'p>>,
    nodes: usize,
    unfolded: usize,
    calls: BTreeMap<String, usize>,
}

impl<'p, 'a> Importer<'p, 'a> {
    pub(super) fn new(decoder: Decoder<'a>, functions: &'p [FunctionProto]) -> Result<Self> {
        let functions = Functions::new(functions)?;
        Ok(Importer { decoder, functions, levels: Vec::new(), nodes: 0, unfolded: 0, calls: BTreeMap::new() })
    }

    /// The model's graph; its initialisers come by value.
    pub(super) fn import(mut self, proto: &'p GraphProto, weights: Vec<TensorProto>, opsets: Opsets) -> Result<Graph> {
        let level = self.graph(
            proto,
            weights.into_iter().map(|weight| Weight::Own(Box::new(weight))).collect(),
            opsets,
            String::new(),
        )?;
        let mut graph = level.graph;
        if graph.outputs.is_empty() {
            return Err(Error::invalid_model("the graph has no outputs"));
        }
        graph.name = proto.name.clone().unwrap_or_default();
        graph.functions = self.calls;
        Ok(graph)
    }

    /// A subgraph, and the values around it that it reads.
    fn subgraph(&mut self, proto: &'p GraphProto) -> Result<(Graph, Vec<ValueId>)> {
        let around = self.frame();
        let (opsets, prefix) = (around.opsets.clone(), around.prefix.clone());
        let Level { mut graph, captures, .. } =
            self.graph(proto, proto.initializer.iter().map(Weight::Shared).collect(), opsets, prefix)?;
        let needed = prune::read(&graph);
        let mut outer = Vec::new();
        for (from, to) in captures {
            if needed[to.0 as usize] {
                graph.inputs.push(to);
                outer.push(from);
            }
        }
        graph.name = proto.name.clone().unwrap_or_default();
        Ok((graph, outer))
    }

    fn graph(
        &mut self,
        proto: &'p GraphProto,
        weights: Vec<Weight<'p>>,
        opsets: Opsets,
        prefix: String,
    ) -> Result<Level<'p>> {
        self.levels.push(Level::default());
        self.enter(Frame { opsets, prefix, ..Frame::default() })?;
        let is_model = self.levels.len() == 1;
        let sparse = proto.sparse_initializer.iter().map(|sparse| {
            let values = sparse.values.as_deref();
            (values.and_then(|values| values.name.clone()), Weight::Sparse)
        });
        let dense = weights.into_iter().map(|weight| {
            let name = match &weight {
                Weight::Own(proto) => proto.name.clone(),
                Weight::Shared(proto) => proto.name.clone(),
                Weight::Sparse => None,
            };
            (name, weight)
        });
        for (name, weight) in dense.chain(sparse) {
            let name = name.filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Error::invalid_model("an initialiser without a name"))?;
            if self.frame().weights.insert(name.clone(), weight).is_some() {
                return Err(twice(&name));
            }
        }
        for info in &proto.input {
            self.graph_input(info, is_model)?;
        }
        let needed = live(&proto.node, outputs(proto));
        self.declare(&proto.node, &needed)?;
        let mut listed = HashSet::new();
        for info in &proto.output {
            self.graph_output(info, is_model, &mut listed)?;
        }
        self.build(&proto.node, &needed)?;
        self.finish()
    }

    /// Orders the level's nodes, drops what nothing needs, and decodes the constants that remain.
    fn finish(&mut self) -> Result<Level<'p>> {
        let mut level = self.levels.pop().expect("a level is open");
        let nodes = std::mem::take(&mut level.graph.nodes);
        level.graph.nodes = sort::sort(nodes, level.graph.values.len())?;
        prune::prune(&mut level.graph);
        let needed = prune::read(&level.graph);
        for (id, (name, weight)) in std::mem::take(&mut level.weights) {
            if !needed[id.0 as usize] {
                continue;
            }
            let decoded = match weight {
                Weight::Own(proto) => self.decoder.decode(*proto),
                Weight::Shared(proto) => self.decoder.shared(proto),
                Weight::Sparse => {
                    Err(Error::unsupported(format!("tensor '{name}': it is sparse, which is not supported")))
                }
            };
            match decoded {
                Ok(tensor) => {
                    let stated = level.graph.value(id).dtype;
                    if stated.is_some_and(|stated| stated != tensor.dtype()) {
                        return Err(other_type(&name, tensor.dtype().name(), stated));
                    }
                    level.graph.value_mut(id).set_constant(tensor);
                }
                Err(error) if error.kind() == ErrorKind::Unsupported && !level.graph.outputs.contains(&id) => {
                    level.graph.refused.insert(id, error.message().to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(level)
    }

    pub(super) fn decoder(&mut self) -> &mut Decoder<'a> {
        &mut self.decoder
    }

    pub(super) fn note_call(&mut self, function: String) {
        *self.calls.entry(function).or_insert(0) += 1;
    }

    pub(super) fn push(&mut self, node: Node) {
        self.level().graph.add_node(node);
    }

    fn graph_input(&mut self, info: &'p ValueInfoProto, is_model: bool) -> Result<()> {
        let name = info.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(Error::invalid_model("a graph input without a name"));
        }
        // Up to IR version 3 initialisers are listed among the inputs; later that makes them defaults.
        if self.frame().weights.contains_key(name) {
            return Ok(());
        }
        let stated = value_type(info.r#type.as_ref(), name);
        let id = self.level().add(name.to_owned());
        if !self.bind(name, id) {
            return Err(twice(name));
        }
        // What a subgraph's inputs are, the operator says.
        let stated = if is_model {
            let stated =
                stated.map_err(|error| Error::new(error.kind(), format!("input '{name}': {}", error.message())))?;
            stated.dtype.ok_or_else(|| Error::invalid_model(format!("input '{name}' has no type")))?;
            stated
        } else {
            stated.unwrap_or_default()
        };
        let graph = &mut self.level().graph;
        let value = graph.value_mut(id);
        (value.kind, value.dtype, value.shape) = (stated.kind, stated.dtype, stated.shape);
        graph.inputs.push(id);
        Ok(())
    }

    fn graph_output(&mut self, info: &'p ValueInfoProto, is_model: bool, listed: &mut HashSet<ValueId>) -> Result<()> {
        let name = info.name.as_deref().unwrap_or_default();
        let id = self.resolve(self.levels.len() - 1, name).flatten();
        let id = id.ok_or_else(|| Error::invalid_model(format!("graph output '{name}' is the output of no node")))?;
        if !listed.insert(id) && is_model {
            return Err(Error::invalid_model(format!("graph output '{name}' is listed twice")));
        }
        if is_model {
            let Stated { kind, dtype, shape } = value_type(info.r#type.as_ref(), name)
                .map_err(|error| Error::new(error.kind(), format!("output '{name}': {}", error.message())))?;
            let value = self.level().graph.value_mut(id);
            if let (Some(stated), Some(known)) = (dtype, value.dtype)
                && stated != known
            {
                return Err(other_type(name, known.name(), dtype));
            }
            value.dtype = value.dtype.or(dtype);
            if kind != Kind::Tensor {
                value.kind = kind;
            }
            if value.shape.is_none() {
                value.shape = shape;
            }
        }
        self.level().graph.outputs.push(id);
        Ok(())
    }

    /// The nodes of a function's body, once its inputs and outputs are bound.
    pub(super) fn nodes(&mut self, nodes: &'p [NodeProto], needed: &Live<'p>) -> Result<()> {
        self.declare(nodes, needed)?;
        self.build(nodes, needed)
    }

    /// Gives every output that something reads its value.
    fn declare(&mut self, nodes: &'p [NodeProto], needed: &Live<'p>) -> Result<()> {
        let mut defined = HashSet::new();
        for (node, &is_needed) in nodes.iter().zip(&needed.nodes) {
            for output in node.output.iter().map(String::as_str).filter(|name| !name.is_empty()) {
                let frame = self.frame();
                // A function's outputs are bound to the call's already.
                let bound = frame.names.contains_key(output) && frame.call.is_none();
                if bound || frame.weights.contains_key(output) || !defined.insert(output) {
                    let op = node.op_type.as_deref().unwrap_or_default();
                    return Err(twice(output).at_node(label(node), op));
                }
                let wanted = needed.read.contains(output) || counts_outputs(node);
                if is_needed && wanted && !frame.names.contains_key(output) {
                    let value = format!("{}{output}", frame.prefix);
                    let id = self.level().add(value);
                    self.bind(output, id);
                }
            }
        }
        Ok(())
    }

    fn build(&mut self, nodes: &'p [NodeProto], needed: &Live<'p>) -> Result<()> {
        for (node, &is_needed) in nodes.iter().zip(&needed.nodes) {
            if is_needed {
                let name = format!("{}{}", self.frame().prefix, label(node));
                let operator = Node {
                    domain: domain(node.domain.as_deref()).to_owned(),
                    op: node.op_type.clone().unwrap_or_default(),
                    ..Node::default()
                }
                .operator();
                self.node(&name, node).map_err(|error| error.at_node(&name, operator))?;
            }
        }
        Ok(())
    }

    fn node(&mut self, name: &str, proto: &'p NodeProto) -> Result<()> {
        self.charge(proto)?;
        let op = proto.op_type.as_deref().unwrap_or_default();
        if op.is_empty() {
            return Err(Error::invalid_model("the node names no operator"));
        }
        if let Some(function) = self.functions.called(proto) {
            return self.call(name, function, proto);
        }
        let mut node = Node {
            name: name.to_owned(),
            domain: domain(proto.domain.as_deref()).to_owned(),
            op: op.to_owned(),
            ..Node::default()
        };
        let opset = self.frame().opsets.get(&node.domain).copied();
        node.opset = opset
            .ok_or_else(|| Error::invalid_model(format!("the file imports no opset for domain '{}'", node.domain)))?;
        for input in &proto.input {
            node.inputs.push(if input.is_empty() { None } else { self.input(input)? });
        }
        node.outputs = proto.output.iter().map(|output| self.declared(output)).collect();
        node.trim();
        self.attributes(&mut node, &proto.attribute)?;
        if node.domain.is_empty() && node.op == "Constant" {
            let &[Some(id)] = node.outputs.as_slice() else {
                return Err(Error::invalid_model("a Constant has exactly one output"));
            };
            let graph = &mut self.level().graph;
            match attributes::constant(&node.attrs)? {
                Ok(tensor) => graph.value_mut(id).set_constant(tensor),
                Err(why) if graph.outputs.contains(&id) => return Err(Error::unsupported(why)),
                Err(why) => drop(graph.refused.insert(id, why)),
            }
            return Ok(());
        }
        self.push(node);
        Ok(())
    }

    fn attributes(&mut self, node: &mut Node, protos: &'p [super::proto::AttributeProto]) -> Result<()> {
        let mut captured = HashMap::new();
        for (name, decoded) in attributes::decode(protos, &mut self.decoder)? {
            let attr = match decoded {
                Decoded::Attr(attr) => Some(attr),
                Decoded::Reference(outer) => self.reference(outer)?,
                Decoded::Graph(proto) => Some(Attr::Graph(Box::new(self.inside(node, proto, &mut captured)?))),
                Decoded::Graphs(protos) => {
                    let graphs = protos.iter().map(|proto| self.inside(node, proto, &mut captured));
                    Some(Attr::Graphs(graphs.collect::<Result<_>>()?))
                }
            };
            node.attrs.extend(attr.map(|attr| (name.to_owned(), attr)));
        }
        Ok(())
    }

    /// A subgraph of `node`, which takes what the subgraph captures as further inputs, each once.
    fn inside(
        &mut self,
        node: &mut Node,
        proto: &'p GraphProto,
        captured: &mut HashMap<ValueId, usize>,
    ) -> Result<Subgraph> {
        let (graph, outer) = self.subgraph(proto)?;
        let mut capture = |id: ValueId| {
            *captured.entry(id).or_insert_with(|| {
                node.inputs.push(Some(id));
                node.inputs.len() - 1
            })
        };
        Ok(Subgraph { graph, captures: outer.into_iter().map(&mut capture).collect() })
    }

    /// Counts a node, and what it unfolds to within a function.
    fn charge(&mut self, node: &NodeProto) -> Result<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Error::unsupported(format!("the model has more than {MAX_NODES} nodes")));
        }
        let body = self.functions.called(node);
        let in_call = self.levels.iter().any(|level| level.frames.iter().any(|frame| frame.call.is_some()));
        let inside = body.map_or(0, |function| function.node.iter().map(size).sum());
        self.unfolded = self.unfolded.saturating_add(inside).saturating_add(if in_call { size(node) } else { 0 });
        if self.unfolded > MAX_UNFOLDED {
            return Err(Error::unsupported(format!("the model's functions unfold to more than {MAX_UNFOLDED} names")));
        }
        Ok(())
    }
}

/// Whether unread outputs must stay; see [`Node::counts_outputs`], which knows the opset.
fn counts_outputs(node: &NodeProto) -> bool {
    domain(node.domain.as_deref()).is_empty() && matches!(node.op_type.as_deref(), Some("Split" | "BatchNormalization"))
}

/// The names and attribute elements of a node, in its subgraphs too.
fn size(node: &NodeProto) -> usize {
    let attribute = |attribute: &super::proto::AttributeProto| {
        let text =
            attribute.s.as_ref().map_or(0, |s| s.len()) + attribute.strings.iter().map(|s| s.len() + 1).sum::<usize>();
        1 + attribute.ints.len() + attribute.floats.len() + text
    };
    let own = 1 + node.input.len() + node.output.len() + node.attribute.iter().map(attribute).sum::<usize>();
    own + super::live::subgraphs(node).flat_map(|graph| &graph.node).map(size).sum::<usize>()
}

/// The node's name, or one made from its first output.
fn label(node: &NodeProto) -> String {
    match node.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => {
            let output = node.output.iter().find(|name| !name.is_empty());
            format!("{} -> {}", node.op_type.as_deref().unwrap_or_default(), output.map_or("nothing", String::as_str))
        }
    }
}

fn twice(name: &str) -> Error {
    Error::invalid_model(format!("the name '{name}' is defined twice"))
}

fn other_type(name: &str, known: &str, stated: Option<crate::tensor::DType>) -> Error {
    let stated = stated.map_or("?", crate::tensor::DType::name);
    Error::invalid_model(format!("graph output '{name}' is {known}, not {stated}"))
}
