//! Model-local functions: a call becomes the nodes of the function's body.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::attributes::{self, Decoded};
use super::body::Importer;
use super::live::live;
use super::model::{domain, opsets};
use super::proto::{FunctionProto, NodeProto};
use super::scope::Frame;
use crate::error::{Error, Result};
use crate::graph::{Attr, Node, ValueId};

/// A model's functions, by domain, name and overload.
pub(super) struct Functions<'p>(HashMap<(&'p str, &'p str, &'p str), &'p FunctionProto>);

impl<'p> Functions<'p> {
    pub(super) fn new(functions: &'p [FunctionProto]) -> Result<Self> {
        let mut map = HashMap::new();
        for function in functions {
            let name = function.name.as_deref().unwrap_or_default();
            let key = (domain(function.domain.as_deref()), name, function.overload.as_deref().unwrap_or_default());
            if map.insert(key, function).is_some() {
                return Err(Error::invalid_model(format!("the function {} is defined twice", label(function))));
            }
        }
        Ok(Functions(map))
    }

    /// The function that the node calls, if it calls one.
    pub(super) fn called(&self, node: &NodeProto) -> Option<&'p FunctionProto> {
        let name = node.op_type.as_deref().unwrap_or_default();
        let overload = node.overload.as_deref().unwrap_or_default();
        self.0.get(&(domain(node.domain.as_deref()), name, overload)).copied()
    }
}

/// The function as messages name it.
fn label(function: &FunctionProto) -> String {
    let name = function.name.as_deref().unwrap_or_default();
    let overload = function.overload.as_deref().filter(|text| !text.is_empty());
    let overload = overload.map_or_else(String::new, |overload| format!(":{overload}"));
    match domain(function.domain.as_deref()) {
        "" => format!("{name}{overload}"),
        domain => format!("{domain}.{name}{overload}"),
    }
}

impl<'p> Importer<'p, '_> {
    /// Puts the body's nodes where the call is; `name` is the call's and leads the names of what comes from it.
    pub(super) fn call(&mut self, name: &str, function: &'p FunctionProto, node: &'p NodeProto) -> Result<()> {
        if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
            return Err(Error::invalid_model(format!(
                "{} inputs and {} outputs, the function has {} and {}",
                node.input.len(),
                node.output.len(),
                function.input.len(),
                function.output.len()
            )));
        }
        let attrs = self.arguments(function, node)?;
        let mut names = HashMap::with_capacity(function.input.len());
        for (k, formal) in function.input.iter().enumerate() {
            let actual = match node.input.get(k).filter(|actual| !actual.is_empty()) {
                Some(actual) => self.input(actual)?,
                None => None,
            };
            if names.insert(formal.as_str(), actual).is_some() {
                return Err(Error::invalid_model(format!("the function's input '{formal}' is defined twice")));
            }
        }
        let made: HashSet<&str> = function.node.iter().flat_map(|node| &node.output).map(String::as_str).collect();
        if let Some(input) = function.input.iter().find(|input| made.contains(input.as_str())) {
            return Err(Error::invalid_model(format!("the function's input '{input}' is defined twice")));
        }
        let results: Vec<(&str, ValueId)> = function
            .output
            .iter()
            .zip(&node.output)
            .filter_map(|(formal, actual)| Some((formal.as_str(), self.declared(actual)?)))
            .collect();
        let needed = live(&function.node, results.iter().map(|&(formal, _)| formal));
        let opsets = opsets(&function.opset_import)?;
        let frame = Frame::of_call(names, opsets, format!("{name}/"), attrs);
        self.enter(frame)?;
        // An output that is an input, or is listed twice, is copied.
        let mut copies = Vec::new();
        for (formal, id) in results {
            if !self.bind(formal, id) {
                copies.push((formal, id));
            } else if !made.contains(formal) {
                return Err(Error::invalid_model(format!("the function's output '{formal}' is the output of no node")));
            }
        }
        self.nodes(&function.node, &needed)?;
        for (formal, id) in copies {
            let from = self.input(formal)?;
            self.push(Node {
                name: format!("{name}/{formal}"),
                op: "Identity".to_owned(),
                opset: 13,
                inputs: vec![from],
                outputs: vec![Some(id)],
                ..Node::default()
            });
        }
        self.leave();
        self.note_call(label(function));
        Ok(())
    }

    /// The function's attributes, as the call gives them or by default.
    fn arguments(&mut self, function: &'p FunctionProto, node: &'p NodeProto) -> Result<BTreeMap<String, Attr>> {
        let mut given = attributes::decode(&node.attribute, self.decoder())?;
        let mut defaults = attributes::decode(&function.attribute_proto, self.decoder())?;
        let mut attrs = BTreeMap::new();
        let stated = function.attribute_proto.iter().filter_map(|proto| proto.name.as_ref());
        for name in function.attribute.iter().chain(stated) {
            let argument = given.remove(name.as_str()).or_else(|| defaults.remove(name.as_str()));
            let attr = match argument {
                None => None,
                Some(Decoded::Attr(attr)) => Some(attr),
                Some(Decoded::Reference(outer)) => self.reference(outer)?,
                Some(Decoded::Graph(_) | Decoded::Graphs(_)) => {
                    return Err(Error::unsupported(format!("the function takes a graph as its attribute '{name}'")));
                }
            };
            if let Some(attr) = attr {
                attrs.insert(name.clone(), attr);
            }
        }
        Ok(attrs)
    }
}
