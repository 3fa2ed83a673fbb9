//! Element types and symbolic shapes of all values, and the verdict on what is unsupported.
//!
//! Types come from the operators and are binding. Shapes come from rten-shape-inference's rules and are hints: where a
//! rule fails or might overflow, the shape stays unknown. Nothing that the file claims of intermediate values is believed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rten_shape_inference::{InferShapes, InferShapesContext, SymExpr, SymTensor, SymbolGen};

use super::rules::rule;
use super::versions;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Attr, Dim, Graph, Node, Value};
use crate::ops::{Operator, lookup};
use crate::tensor::{DType, Tensor, TensorData};

/// Numbers in shapes and shape values beyond this, or whose products exceed it, are not given to the rules, which
/// compute in i32.
const SANE: u64 = 1 << 30;

/// Constants of up to this many elements are given to the rules with their values; vectors of unknown values up to this
/// length with their length. A guess: shapes have few elements.
const SHAPE_ELEMENTS: usize = 64;

/// Expressions nested deeper than this are replaced by a new symbol.
const DEPTH: u32 = 12;

/// Sets the type and, as far as it can be found, the shape of every value.
///
/// # Errors
/// `Unsupported` or `InvalidModel` if operators are unknown or reject their node; the message lists all such nodes with
/// operator, opset, types and shapes.
pub fn infer(graph: &mut Graph) -> Result<()> {
    let objections = objections(graph);
    refusal(graph, &objections)
}

/// An error that lists the objections, if there are any.
///
/// # Errors
/// As [`infer`].
pub fn refusal(graph: &Graph, objections: &[Objection]) -> Result<()> {
    let Some(first) = objections.first() else { return Ok(()) };
    let message = match objections {
        [only] => format!("{} [{}]", only.error.message(), only.describe(graph)),
        all => all.iter().fold(format!("{} nodes cannot be run:", all.len()), |mut message, one| {
            let Objection { node, error, .. } = one;
            let name = &graph.nodes[*node].name;
            write!(message, "\n  '{name}': {} [{}]", error.message(), one.describe(graph))
                .expect("writing to a string");
            message
        }),
    };
    let kind = match objections {
        [only] => only.error.kind(),
        all if all.iter().all(|one| one.error.kind() == ErrorKind::Unsupported) => ErrorKind::Unsupported,
        _ => ErrorKind::InvalidModel,
    };
    let node = &graph.nodes[first.node];
    Err(Error::new(kind, message).at_node(&node.name, node.operator()))
}

/// A node that cannot be run.
#[derive(Clone, Debug)]
pub struct Objection {
    /// Its index in the graph.
    pub node: usize,
    /// Type and shape of each input, as far as they are known; `-` for one left out.
    pub inputs: Vec<String>,
    /// Why.
    pub error: Error,
}

impl Objection {
    /// Operator, opset, input types and shapes.
    fn describe(&self, graph: &Graph) -> String {
        let node = &graph.nodes[self.node];
        format!("{} of opset {}, inputs: {}", node.operator(), node.opset, self.inputs.join(", "))
    }
}

/// As [`infer`], but gives every node that cannot be run.
pub fn objections(graph: &mut Graph) -> Vec<Objection> {
    let mut inference = Inference::new(graph);
    let mut objections = Vec::new();
    for index in 0..graph.nodes.len() {
        let typed = type_branches(graph, index);
        let node = graph.nodes[index].clone();
        if let Err(error) = typed.and_then(|()| inference.node(graph, &node)) {
            let input = |id: &Option<_>| id.map_or("-".into(), |id| signature(graph.value(id)));
            objections.push(Objection { node: index, inputs: node.inputs.iter().map(input).collect(), error });
        }
    }
    objections
}

/// Finds the types of the outputs of a node's branches, and whether all of them can run.
fn type_branches(graph: &mut Graph, index: usize) -> Result<()> {
    let node = &graph.nodes[index];
    if !lookup(&node.domain, &node.op).is_some_and(Operator::has_branches) {
        return Ok(());
    }
    let names: Vec<String> = node.attrs.keys().cloned().collect();
    for name in names {
        let node = &graph.nodes[index];
        let Some(Attr::Graph(branch)) = node.attrs.get(&name) else { continue };
        let mut body = branch.graph.clone();
        for (&id, &capture) in branch.graph.inputs.iter().zip(&branch.captures) {
            if let Some(outer) = node.inputs.get(capture).copied().flatten() {
                let Value { dtype, shape, constant, .. } = graph.value(outer).clone();
                let value = body.value_mut(id);
                (value.dtype, value.shape, value.constant) = (dtype, shape, constant);
            }
        }
        let objections = super::prepare(&mut body);
        refusal(&body, &objections).map_err(|error| {
            Error::new(error.kind(), format!("in '{name}': {error}")).at_node(&node.name, node.operator())
        })?;
        let types: Vec<Option<DType>> = body.outputs.iter().map(|&id| body.value(id).dtype).collect();
        if let Some(Attr::Graph(branch)) = graph.nodes[index].attrs.get_mut(&name) {
            for (id, dtype) in branch.graph.outputs.clone().into_iter().zip(types) {
                branch.graph.value_mut(id).dtype = dtype;
            }
        }
    }
    Ok(())
}

fn signature(value: &Value) -> String {
    let dtype = value.dtype.map_or("?", DType::name);
    match &value.shape {
        None => format!("{dtype}[?]"),
        Some(dims) => {
            let dims: Vec<String> = dims.iter().map(Dim::to_string).collect();
            format!("{dtype}[{}]", dims.join(","))
        }
    }
}

struct Inference {
    /// By value id: what the rules know of it.
    symbolic: Vec<Option<SymTensor>>,
    /// By value id.
    is_output: Vec<bool>,
    symbols: SymbolGen,
    /// Names in rules that differ from the file's, which might read like an expression.
    quoted: BTreeMap<String, String>,
}

impl Inference {
    fn new(graph: &mut Graph) -> Self {
        let symbols = SymbolGen::with_prefix("?".into());
        let mut is_output = vec![false; graph.values.len()];
        for id in &graph.outputs {
            is_output[id.0 as usize] = true;
        }
        let mut inference = Inference { symbolic: Vec::new(), is_output, symbols, quoted: BTreeMap::new() };
        let produced: Vec<_> = graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten().copied()).collect();
        for id in produced {
            let value = graph.value_mut(id);
            value.shape = None;
        }
        for value in &graph.values {
            let known = match &value.constant {
                Some(tensor) => Some(of_constant(tensor)),
                None => value.shape.as_ref().map(|dims| inference.of_dims(dims)),
            };
            inference.symbolic.push(known);
        }
        inference
    }

    fn of_dims(&mut self, dims: &[Dim]) -> SymTensor {
        let exprs = dims.iter().map(|dim| match dim {
            Dim::Known(size) if (*size as u64) < SANE => SymExpr::Value(*size as i32),
            Dim::Known(_) => self.symbols.gen_positive(),
            Dim::Symbol(name) => {
                let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
                let quoted = if plain { name.clone() } else { format!("'{name}'") };
                self.quoted.insert(quoted.clone(), name.clone());
                SymExpr::pos_var(&quoted)
            }
        });
        SymTensor::from_shape(exprs.collect())
    }

    fn node(&mut self, graph: &mut Graph, node: &Node) -> Result<()> {
        let at = |error: Error| error.at_node(&node.name, node.operator());
        for id in node.inputs.iter().flatten() {
            if let Some(why) = graph.refused.get(id) {
                return Err(at(Error::unsupported(why)));
            }
        }
        let branches = lookup(&node.domain, &node.op).is_some_and(Operator::has_branches);
        for (name, attr) in &node.attrs {
            match attr {
                Attr::Graph(_) if branches => {}
                Attr::Graph(_) | Attr::Graphs(_) => {
                    let message = format!("the operator {} with a subgraph is not supported", node.operator());
                    return Err(at(Error::unsupported(message)));
                }
                Attr::Unsupported(why) => {
                    return Err(at(Error::unsupported(format!("attribute '{name}': {why}"))));
                }
                _ => {}
            }
        }
        if let Some(since) = versions::unknown_since(&node.op, node.opset).filter(|_| node.domain.is_empty()) {
            let message = format!("the operator {} as defined since opset {since} is not supported", node.op);
            return Err(at(Error::unsupported(message)));
        }
        let operator = lookup(&node.domain, &node.op)
            .ok_or_else(|| at(Error::unsupported(format!("the operator {} is not supported", node.operator()))))?;
        operator.check(node).map_err(at)?;
        let inputs: Vec<Option<DType>> = node.inputs.iter().map(|id| id.and_then(|id| graph.value(id).dtype)).collect();
        // An input of unknown type comes from a node that has failed already; its error is enough.
        if node.inputs.iter().zip(&inputs).any(|(id, dtype)| id.is_some() && dtype.is_none()) {
            return Ok(());
        }
        let dtypes = operator.dtypes(node, &inputs).map_err(at)?;
        if dtypes.len() < node.outputs.len() {
            let message = format!("{} outputs, the operator has {}", node.outputs.len(), dtypes.len());
            return Err(at(Error::invalid_model(message)));
        }
        let shapes = self.shapes(graph, node, operator).unwrap_or_default();
        for (k, id) in node.outputs.iter().enumerate() {
            let Some(id) = *id else { continue };
            let known = shapes.get(k).cloned();
            let value = graph.value_mut(id);
            if let (Some(stated), true) = (value.dtype, self.is_output[id.0 as usize])
                && stated != dtypes[k]
            {
                let name = &graph.value(id).name;
                return Err(at(Error::invalid_model(format!("graph output '{name}' is {}, not {stated}", dtypes[k]))));
            }
            let shape = known.as_ref().and_then(|known| self.dims(known));
            let value = graph.value_mut(id);
            value.dtype = Some(dtypes[k]);
            value.shape = shape;
            self.symbolic[id.0 as usize] = known;
        }
        Ok(())
    }

    fn shapes(&mut self, graph: &Graph, node: &Node, operator: &dyn Operator) -> Option<Vec<SymTensor>> {
        let rule = operator.symbolic(node).or_else(|| rule(node))?;
        let inputs: Vec<Option<SymTensor>> = node
            .inputs
            .iter()
            .map(|id| {
                id.map(|id| {
                    let long = |tensor: &SymTensor| is_index(graph.value(id)) && is_long(tensor);
                    let known = self.symbolic[id.0 as usize].clone().filter(|tensor| !long(tensor));
                    known.unwrap_or_else(|| SymTensor::unknown("unknown"))
                })
            })
            .collect();
        if !sane(node, &inputs) {
            return None;
        }
        let symbols = &mut self.symbols;
        // The rules are not written for hostile models; what `sane` lets through may still trip an assertion.
        let outcome = catch_unwind(AssertUnwindSafe(|| apply(&*rule, &inputs, symbols)));
        outcome.ok().flatten()
    }

    /// The shape as the graph states shapes.
    fn dims(&self, tensor: &SymTensor) -> Option<Vec<Dim>> {
        tensor
            .shape()?
            .map(|expr| match &expr {
                SymExpr::Value(size) => usize::try_from(*size).ok().map(Dim::Known),
                SymExpr::Var(symbol) => {
                    Some(Dim::Symbol(self.quoted.get(&symbol.name).unwrap_or(&symbol.name).clone()))
                }
                composite => Some(Dim::Symbol(composite.to_string())),
            })
            .collect()
    }
}

fn apply(rule: &dyn InferShapes, inputs: &[Option<SymTensor>], symbols: &mut SymbolGen) -> Option<Vec<SymTensor>> {
    let outputs = rule.infer_shapes(InferShapesContext::new(inputs), symbols).ok()?;
    let simplify = |tensor: SymTensor| {
        let mut tensor = tensor.simplify();
        // One pass does not reach the end where a sum of constants only appears in it; four did for every model tried.
        for _ in 0..3 {
            tensor = tensor.simplify();
        }
        tensor.replace_complex_expressions(DEPTH, symbols);
        tensor
    };
    Some(outputs.into_iter().map(simplify).collect())
}

fn is_index(value: &Value) -> bool {
    matches!(value.dtype, Some(DType::I32 | DType::I64))
}

/// Whether it is a vector without values whose length a rule might take for a number of dimensions.
fn is_long(tensor: &SymTensor) -> bool {
    tensor.values().is_none()
        && tensor.ndim() == Some(1)
        && matches!(tensor.size(0), Some(SymExpr::Value(len)) if len > SHAPE_ELEMENTS as i32)
}

/// A constant with its values if it may be a shape, else its shape alone.
fn of_constant(tensor: &Tensor) -> SymTensor {
    let values: Option<Vec<i64>> = match tensor.data() {
        _ if tensor.shape().len() > 1 || tensor.len() > SHAPE_ELEMENTS => None,
        TensorData::I64(values) => Some(values.clone()),
        TensorData::I32(values) => Some(values.iter().map(|&v| v.into()).collect()),
        _ => None,
    };
    // What is beyond 32 bits stands for "to the end".
    let expr = |v: i64| SymExpr::Value(v.clamp(-i64::from(i32::MAX), i64::from(i32::MAX)) as i32);
    match values {
        Some(values) if tensor.shape().is_empty() => SymTensor::from_scalar(expr(values[0])),
        Some(values) => SymTensor::from_vec(values.into_iter().map(expr).collect()),
        None if tensor.shape().iter().all(|&size| (size as u64) < SANE) => SymTensor::from_fixed_shape(tensor.shape()),
        None => SymTensor::unknown("a dimension beyond 32 bits"),
    }
}

/// Whether no arithmetic of the rules can overflow on these inputs and attributes.
fn sane(node: &Node, inputs: &[Option<SymTensor>]) -> bool {
    let magnitude = |expr: &SymExpr| {
        expr.iter().fold(1u64, |product, part| match part {
            SymExpr::Value(v) => product.saturating_mul(u64::from(v.unsigned_abs().max(1))),
            _ => product,
        })
    };
    let product = |exprs: &mut dyn Iterator<Item = SymExpr>| {
        exprs.fold(1u64, |product, expr| product.saturating_mul(magnitude(&expr)))
    };
    // A slice compares its numbers and multiplies none; its ends are often the largest integer.
    let multiplies_values = node.op != "Slice";
    let mut values = 1u64;
    for input in inputs.iter().flatten() {
        if let Some(mut shape) = input.shape()
            && product(&mut shape) >= SANE
        {
            return false;
        }
        if let Some(list) = input.values() {
            values = values.saturating_mul(product(&mut list.iter().cloned()));
        }
    }
    let attributes = node.attrs.values().fold(1u64, |product, attr| match attr {
        Attr::Ints(list) => list.iter().fold(product, |product, v| product.saturating_mul(v.unsigned_abs().max(1))),
        _ => product,
    });
    attributes < SANE && (!multiplies_values || values < SANE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::builder::GraphBuilder;

    fn shape(graph: &Graph) -> String {
        signature(graph.value(graph.outputs[0]))
    }

    #[test]
    fn shapes_of_shape_arithmetic_are_symbolic() {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["batch", "seq", "384"]);
        let shape_of = b.node("Shape", [x], []);
        let (zero, one) = (b.ints([0]), b.ints([1]));
        let batch = b.node("Gather", [shape_of, zero], []);
        let seq = b.node("Gather", [shape_of, one], []);
        let heads = b.ints([12, 32]);
        let wanted = b.node("Concat", [batch, seq, heads], [("axis", Attr::Int(0))]);
        let y = b.node("Reshape", [x, wanted], []);
        let z = b.node("Transpose", [y], [("perm", Attr::Ints(vec![0, 2, 1, 3]))]);
        let mut graph = b.finish([z]);
        infer(&mut graph).unwrap();
        assert_eq!(shape(&graph), "f32[batch,12,seq,32]");
    }

    #[test]
    fn every_unsupported_node_is_listed() {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n", "3"]);
        let y = b.node("NoSuchOperator", [x], []);
        let z = b.node("Identity", [y], []);
        let w = b.node("Concat", [x], []);
        let v = b.node("com.acme.Other", [x], []);
        let u = b.node("Scan", [x], [("body", Attr::Graph(Box::default()))]);
        let error = infer(&mut b.finish([z, w, v, u])).unwrap_err();
        let text = error.to_string();
        for part in ["NoSuchOperator_0", "com.acme.Other", "axis", "subgraph", "opset 17", "f32[n,3]", "4 nodes"] {
            assert!(text.contains(part), "no {part} in: {text}");
        }
        assert!(!text.contains("Identity"), "{text}");
    }

    #[test]
    fn hostile_numbers_leave_shapes_unknown() {
        let huge = i64::from(i32::MAX);
        for (op, dims, values) in [
            ("Reshape", ["65536", "65536"], vec![-1]),
            ("Reshape", ["n", "65536"], vec![-1, huge]),
            ("Tile", ["65536", "65536"], vec![65536, 65536]),
            ("Expand", ["1", "1"], vec![huge, huge]),
            ("Expand", ["3000000000", "1"], vec![i64::MAX, i64::MIN]),
        ] {
            let mut b = GraphBuilder::new(17);
            let x = b.input("x", DType::F32, dims);
            let list = b.ints(values);
            let y = b.node(op, [x, list], []);
            let size = b.node("Size", [y], []);
            let mut graph = b.finish([y, size]);
            infer(&mut graph).unwrap();
        }
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["8"]);
        let (start, end) = (b.ints([5]), b.ints([2]));
        let shape_of = b.node("Shape", [x], []);
        let y = b.node("Slice", [shape_of, start, end], []);
        infer(&mut b.finish([y])).unwrap();
    }

    #[test]
    fn a_symbol_that_reads_like_an_expression_is_a_symbol() {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["a + b", "n"]);
        let y = b.node("Identity", [x], []);
        let mut graph = b.finish([y]);
        infer(&mut graph).unwrap();
        assert_eq!(shape(&graph), "f32[a + b,n]");
    }
}
