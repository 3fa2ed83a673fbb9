//! `ModelProto` → [`Graph`]: names to values, opsets to nodes, and the checks that make the graph well-formed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use rten_onnx::onnx::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TypeProto, ValueInfoProto};

use super::scan::Scan;
use super::tensor::{Decoder, MAX_RANK, element_type};
use super::{IR_VERSIONS, LoadOptions, OPSETS, attributes, sort};
use crate::error::{Error, Result};
use crate::graph::{Dim, Graph, Node, Value, ValueId};
use crate::tensor::DType;

/// Builds the graph of `model`.
pub(super) fn build(model: ModelProto, scan: &Scan, folder: Option<&Path>, options: &LoadOptions) -> Result<Graph> {
    let Some(graph) = model.graph else {
        return Err(Error::invalid_model("not an ONNX model: it has no graph"));
    };
    match model.ir_version {
        Some(version) if IR_VERSIONS.contains(&version) => {}
        Some(version) => {
            return Err(Error::unsupported(format!(
                "IR version {version} is not supported, only {} to {}",
                IR_VERSIONS.start(),
                IR_VERSIONS.end()
            )));
        }
        None => return Err(Error::invalid_model("not an ONNX model: it states no IR version")),
    }
    if scan.functions > 0 {
        return Err(Error::unsupported(format!("{} model-local functions are not supported", scan.functions)));
    }
    if scan.sparse_initializers > 0 {
        return Err(Error::unsupported(format!("{} sparse initialisers are not supported", scan.sparse_initializers)));
    }
    let opsets = opsets(&model.opset_import)?;
    let mut builder = Builder {
        graph: Graph::default(),
        ids: HashMap::new(),
        origin: Vec::new(),
        opsets,
        decoder: Decoder::new(folder, options),
    };
    builder.fill(graph)?;
    Ok(builder.graph)
}

fn opsets(imports: &[OperatorSetIdProto]) -> Result<BTreeMap<String, i64>> {
    let mut opsets = BTreeMap::new();
    for import in imports {
        let domain = domain(import.domain.as_deref());
        let version = import.version.unwrap_or(0);
        if domain.is_empty() && !OPSETS.contains(&version) {
            return Err(Error::unsupported(format!(
                "opset {version} is not supported, only {} to {}",
                OPSETS.start(),
                OPSETS.end()
            )));
        }
        if opsets.insert(domain.to_owned(), version).is_some() {
            return Err(Error::invalid_model(format!("opset domain '{domain}' is imported twice")));
        }
    }
    Ok(opsets)
}

/// ONNX's own domain has two names.
fn domain(name: Option<&str>) -> &str {
    match name {
        None | Some("ai.onnx") => "",
        Some(name) => name,
    }
}

/// Where a value gets its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Nothing,
    Input,
    Initializer,
    Node,
}

struct Builder<'a> {
    graph: Graph,
    ids: HashMap<String, ValueId>,
    /// Per value.
    origin: Vec<Origin>,
    opsets: BTreeMap<String, i64>,
    decoder: Decoder<'a>,
}

impl Builder<'_> {
    fn fill(&mut self, proto: GraphProto) -> Result<()> {
        let GraphProto { node, initializer, input, output, value_info: _ } = proto;
        for mut tensor in initializer {
            let name = tensor.name.take().filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Error::invalid_model("an initialiser without a name"))?;
            let id = self.define(&name, Origin::Initializer)?;
            tensor.name = Some(name);
            let tensor = self.decoder.decode(tensor)?;
            self.graph.value_mut(id).set_constant(tensor);
        }
        for info in &input {
            self.input(info)?;
        }
        let mut nodes = Vec::with_capacity(node.len());
        for proto in node {
            nodes.extend(self.node(proto)?);
        }
        for node in &nodes {
            for &input in node.inputs.iter().flatten() {
                if self.origin[input.0 as usize] == Origin::Nothing {
                    let name = &self.graph.value(input).name;
                    return Err(Error::invalid_model(format!(
                        "input '{name}' is the output of no node and no initialiser"
                    ))
                    .at_node(&node.name, node.operator()));
                }
            }
        }
        self.graph.nodes = sort::sort(nodes, self.graph.values.len())?;
        let mut listed = HashSet::new();
        for info in &output {
            self.output(info, &mut listed)?;
        }
        if self.graph.outputs.is_empty() {
            return Err(Error::invalid_model("the graph has no outputs"));
        }
        Ok(())
    }

    fn id(&mut self, name: &str) -> ValueId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = self.graph.add_value(Value { name: name.to_owned(), ..Value::default() });
        self.origin.push(Origin::Nothing);
        self.ids.insert(name.to_owned(), id);
        id
    }

    fn define(&mut self, name: &str, origin: Origin) -> Result<ValueId> {
        let id = self.id(name);
        let known = &mut self.origin[id.0 as usize];
        if *known != Origin::Nothing {
            return Err(Error::invalid_model(format!("the name '{name}' is defined twice")));
        }
        *known = origin;
        Ok(id)
    }

    fn input(&mut self, info: &ValueInfoProto) -> Result<()> {
        let name = info.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(Error::invalid_model("a graph input without a name"));
        }
        // Up to IR version 3 initialisers are listed among the inputs; later that makes them defaults.
        if let Some(&id) = self.ids.get(name)
            && self.origin[id.0 as usize] == Origin::Initializer
        {
            return Ok(());
        }
        let id = self.define(name, Origin::Input)?;
        let (dtype, shape) = tensor_type(info.r#type.as_ref(), name)
            .map_err(|error| Error::new(error.kind(), format!("input '{name}': {}", error.message())))?;
        let dtype = dtype.ok_or_else(|| Error::invalid_model(format!("input '{name}' has no type")))?;
        let value = self.graph.value_mut(id);
        value.dtype = Some(dtype);
        value.shape = shape;
        self.graph.inputs.push(id);
        Ok(())
    }

    fn output(&mut self, info: &ValueInfoProto, listed: &mut HashSet<ValueId>) -> Result<()> {
        let name = info.name.as_deref().unwrap_or_default();
        let Some(&id) = self.ids.get(name).filter(|id| self.origin[id.0 as usize] != Origin::Nothing) else {
            return Err(Error::invalid_model(format!("graph output '{name}' is the output of no node")));
        };
        if !listed.insert(id) {
            return Err(Error::invalid_model(format!("graph output '{name}' is listed twice")));
        }
        let (dtype, shape) = tensor_type(info.r#type.as_ref(), name)
            .map_err(|error| Error::new(error.kind(), format!("output '{name}': {}", error.message())))?;
        let value = self.graph.value_mut(id);
        if let (Some(stated), Some(known)) = (dtype, value.dtype)
            && stated != known
        {
            return Err(Error::invalid_model(format!("graph output '{name}' is {known}, not {stated}")));
        }
        value.dtype = value.dtype.or(dtype);
        if value.shape.is_none() {
            value.shape = shape;
        }
        self.graph.outputs.push(id);
        Ok(())
    }

    /// The node, or none if it is a constant.
    fn node(&mut self, proto: NodeProto) -> Result<Option<Node>> {
        let op = proto.op_type.unwrap_or_default();
        let domain = domain(proto.domain.as_deref()).to_owned();
        let name = match proto.name.filter(|name| !name.is_empty()) {
            Some(name) => name,
            None => format!("{op} -> {}", proto.output.first().map_or("nothing", String::as_str)),
        };
        let mut node = Node { name, domain, op, ..Node::default() };
        let (name, operator) = (node.name.clone(), node.operator());
        let at = |error: Error| error.at_node(&name, &operator);
        if node.op.is_empty() {
            return Err(at(Error::invalid_model("the node names no operator")));
        }
        let opset = self.opsets.get(&node.domain).copied();
        node.opset = opset.ok_or_else(|| {
            at(Error::invalid_model(format!("the file imports no opset for domain '{}'", node.domain)))
        })?;
        node.attrs = attributes::decode(proto.attribute, &mut self.decoder).map_err(at)?;
        for input in &proto.input {
            let id = (!input.is_empty()).then(|| self.id(input));
            node.inputs.push(id);
        }
        for output in &proto.output {
            let id = if output.is_empty() { None } else { Some(self.define(output, Origin::Node).map_err(at)?) };
            node.outputs.push(id);
        }
        if node.domain.is_empty() && node.op == "Constant" {
            let &[Some(id)] = node.outputs.as_slice() else {
                return Err(at(Error::invalid_model("a Constant has exactly one output")));
            };
            let tensor = attributes::constant(&node.attrs).map_err(at)?;
            self.graph.value_mut(id).set_constant(tensor);
            return Ok(None);
        }
        Ok(Some(node))
    }
}

/// Element type and shape of a tensor, as far as stated.
fn tensor_type(proto: Option<&TypeProto>, name: &str) -> Result<(Option<DType>, Option<Vec<Dim>>)> {
    let Some(proto) = proto else { return Ok((None, None)) };
    let Some(tensor) = &proto.tensor_type else {
        return Err(Error::unsupported("only tensors are supported, not sequences, maps or optionals"));
    };
    let dtype = element_type(tensor.elem_type)?;
    let Some(shape) = &tensor.shape else { return Ok((Some(dtype), None)) };
    if shape.dim.len() > MAX_RANK {
        return Err(Error::unsupported(format!("rank {} is more than {MAX_RANK}", shape.dim.len())));
    }
    let mut dims = Vec::with_capacity(shape.dim.len());
    for (axis, dim) in shape.dim.iter().enumerate() {
        dims.push(match (dim.dim_value, dim.dim_param.as_deref()) {
            (Some(size), _) => Dim::Known(
                usize::try_from(size).map_err(|_| Error::invalid_model(format!("dimension {axis} is {size}")))?,
            ),
            (None, Some(symbol)) if !symbol.is_empty() => Dim::Symbol(symbol.to_owned()),
            // A dimension without a name is equal to no other.
            _ => Dim::Symbol(format!("{name}.{axis}")),
        });
    }
    Ok((Some(dtype), Some(dims)))
}
