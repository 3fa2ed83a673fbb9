//! Element types and shapes of all values for all sizes of the model's symbols, and the verdict on what cannot be run.
//!
//! Both come from the operators' own rules, the shapes by a trace in which every symbol is of an unknown size
//! ([`size::infer`](crate::size::infer())). They are true where they are known: what depends on how large a symbol is stays
//! unknown, be it a dimension, the rank or a value. Nothing that the file claims of intermediate values is believed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::bodies::type_branches;
use super::branches::is_if;
use super::kinds;
use super::loops::is_loop;
use super::objection::{Objection, refusal};
use super::sequences;
use crate::error::{Error, Result};
use crate::graph::{Attr, Dim, Graph, Kind, Node, Value, ValueId};
use crate::lower::storage::heap_bytes;
use crate::lower::{Fact, Known};
use crate::ops::{LoopParts, Operator, Operators, host_values, is_fixed, is_of_forms, output_types};
use crate::size::{self, Size, checked_len, decided, unknown, unknown_integer};
use crate::tensor::DType;

/// Integers of which only their number is known are followed in tensors of up to this many elements. A guess: shapes have few.
const SHAPE_ELEMENTS: i64 = 64;

/// Values of more elements are not computed here. A guess: what decides shapes is smaller, and constants are known in any case.
const VALUE_ELEMENTS: i64 = 1 << 10;

/// Sets the type and, as far as it can be found, the shape of every value. Nodes are parsed into `operators` as far as it does
/// not know them.
///
/// # Errors
/// `Unsupported` or `InvalidModel` if operators are unknown or reject their node; the message lists all such nodes with
/// operator, opset, types and shapes.
pub fn infer(graph: &mut Graph, operators: &mut Operators) -> Result<()> {
    let objections = objections(graph, operators);
    refusal(graph, &objections)
}

/// As [`infer`], but gives every node that cannot be run.
pub fn objections(graph: &mut Graph, operators: &mut Operators) -> Vec<Objection> {
    kinds::find(graph);
    let mut waits = Waits::of(graph);
    size::infer(|| {
        let mut inference = Inference::new(graph);
        let mut objections = Vec::new();
        for index in 0..graph.nodes.len() {
            let typed = type_branches(graph, index);
            let node = graph.nodes[index].clone();
            let at = |error: Error| error.at_node(&node.name, node.operator());
            let typed = match typed {
                Ok(()) if kinds::touches(graph, &node) => match waits.judge(graph, &node) {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                typed => typed,
            };
            let (error, shapes) = match typed.and_then(|()| inference.types(graph, &node, operators)) {
                Err(error) => (error, false),
                Ok(None) => continue,
                Ok(Some(operator)) => match inference.shapes(graph, &node, &*operator) {
                    Err(error) => (error, true),
                    Ok(()) => continue,
                },
            };
            let input = |id: &Option<_>| id.map_or("-".into(), |id| signature(graph.value(id)));
            let inputs = node.inputs.iter().map(input).collect();
            objections.push(Objection { node: index, inputs, error: at(error), shapes });
        }
        objections
    })
}

/// Which values wait for what only a request tells: what is in its sequences and optionals, how it chooses.
struct Waits {
    /// By value.
    values: Vec<bool>,
}

impl Waits {
    fn of(graph: &Graph) -> Self {
        let mut values = vec![false; graph.values.len()];
        for &id in &graph.inputs {
            values[id.0 as usize] = graph.value(id).kind != Kind::Tensor;
        }
        Waits { values }
    }

    /// Judges a node on sequences or optionals.
    ///
    /// # Errors
    /// `Unsupported` if no request can tell what its sequences are.
    fn judge(&mut self, graph: &Graph, node: &Arc<Node>) -> Result<()> {
        let constant =
            |i: usize| node.inputs.get(i).copied().flatten().is_none_or(|id| graph.value(id).constant.is_some());
        let decides = is_if(node) || is_loop(node);
        let asks = match node.op.as_str() {
            "SequenceAt" | "SequenceErase" | "SplitToSequence" => !constant(1),
            "SequenceInsert" => !constant(2),
            _ => false,
        };
        let waits = decides || asks || node.inputs.iter().flatten().any(|id| self.values[id.0 as usize]);
        if waits {
            node.outputs.iter().flatten().for_each(|id| self.values[id.0 as usize] = true);
            return if is_loop(node) { LoopParts::of(node).map(drop) } else { Ok(()) };
        }
        let known = match node.op.as_str() {
            "SequenceConstruct" | "SequenceEmpty" | "Optional" | "Identity" => true,
            "SequenceInsert" | "SequenceErase" => {
                node.outputs.iter().flatten().all(|&id| sequences::is_known(graph, id))
            }
            _ => false,
        };
        if known || !is_of_forms(node) {
            return Ok(());
        }
        Err(Error::unsupported(format!("the operator {} is not supported", node.operator())))
    }
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

/// What is known of a value for all sizes of the symbols.
struct Knowledge {
    fact: Fact,
    /// Whether every plan knows the value where the fact does, and only there.
    certain: bool,
}

struct Inference {
    /// By value id.
    known: Vec<Option<Knowledge>>,
    /// By value id.
    is_output: Vec<bool>,
    /// The symbols of the model's inputs, the first that there are.
    names: Vec<String>,
    /// What the names of symbols that came about by inference begin with, and no other's.
    prefix: String,
    /// The numbers of those that were shown, in their order.
    shown: RefCell<HashMap<u32, usize>>,
}

impl Inference {
    /// The graph's own claims of what its nodes yield are dropped.
    fn new(graph: &mut Graph) -> Self {
        let mut is_output = vec![false; graph.values.len()];
        for id in &graph.outputs {
            is_output[id.0 as usize] = true;
        }
        let produced: Vec<_> = graph.nodes.iter().flat_map(|node| node.outputs.iter().flatten().copied()).collect();
        for id in produced {
            graph.value_mut(id).shape = None;
        }
        let mut symbols: HashMap<&str, Size> = HashMap::new();
        let mut names = Vec::new();
        let mut size = |dim| match dim {
            &Dim::Known(size) => Some(Size::from(size)),
            Dim::Symbol(name) => symbols.get(name.as_str()).copied().or_else(|| {
                let size = unknown()?;
                names.push(name.clone());
                symbols.insert(name, size);
                Some(size)
            }),
        };
        let known = graph.values.iter().map(|value| {
            let fact = match &value.constant {
                Some(tensor) => Fact::constant(tensor.clone()),
                None => {
                    Fact::unknown(value.dtype?, value.shape.as_ref()?.iter().map(&mut size).collect::<Option<_>>()?)
                }
            };
            Some(Knowledge { fact, certain: true })
        });
        let known = known.collect();
        let mut prefix = "?".to_owned();
        while names.iter().any(|name| name.starts_with(&prefix)) {
            prefix.push('?');
        }
        Inference { known, is_output, names, prefix, shown: RefCell::default() }
    }

    /// Sets the types of the node's outputs. `None` where they are unknown.
    fn types(
        &self,
        graph: &mut Graph,
        node: &Arc<Node>,
        operators: &mut Operators,
    ) -> Result<Option<Arc<dyn Operator>>> {
        let Some((operator, dtypes)) = types(graph, node, operators)? else { return Ok(None) };
        for (id, &dtype) in node.outputs.iter().zip(&dtypes) {
            let Some(id) = *id else { continue };
            let value = graph.value_mut(id);
            if let (Some(stated), true) = (value.dtype, self.is_output[id.0 as usize])
                && stated != dtype
            {
                let name = &value.name;
                return Err(Error::invalid_model(format!("graph output '{name}' is {dtype}, not {stated}")));
            }
            value.dtype = Some(dtype);
        }
        Ok(Some(operator))
    }

    /// Sets the shapes of the node's outputs, as far as they can be found.
    fn shapes(&mut self, graph: &mut Graph, node: &Node, operator: &dyn Operator) -> Result<()> {
        let outputs = self.outputs(node, operator)?;
        for (id, known) in node.outputs.iter().zip(outputs.into_iter().flatten()) {
            let Some(id) = *id else { continue };
            graph.value_mut(id).shape = known.fact.shape.iter().map(|&size| self.dim(size)).collect();
            self.known[id.0 as usize] = Some(known);
        }
        Ok(())
    }

    /// What is known of the node's outputs, if anything is.
    ///
    /// # Errors
    /// Those of the operator's rules, where no sizes of the symbols would help.
    fn outputs(&self, node: &Node, operator: &dyn Operator) -> Result<Option<Vec<Knowledge>>> {
        let known = |id: &Option<ValueId>| match id {
            None => Some(None),
            Some(id) => self.known[id.0 as usize].as_ref().map(Some),
        };
        let inputs = node.inputs.iter().map(known).collect::<Option<Vec<_>>>();
        let Some(inputs) = inputs.filter(|_| !operator.has_branches() && operator.repeats().is_none()) else {
            return Ok(None);
        };
        let asked = operator.host_inputs();
        // The host will know it, though nobody does yet.
        let awaited = |(i, known): (usize, &Knowledge)| {
            let Fact { dtype, ref shape, ref known } = known.fact;
            let awaited = asked.contains(&i) && known.is_none();
            awaited.then(|| Fact { dtype, shape: shape.clone(), known: unknown_values(dtype, shape) })
        };
        let awaited: Vec<Option<Fact>> = inputs.iter().enumerate().map(|(i, known)| awaited((i, (*known)?))).collect();
        let certain = inputs.iter().flatten().all(|known| known.certain) && awaited.iter().all(Option::is_none);
        let facts: Vec<Option<&Fact>> = (inputs.iter().zip(&awaited))
            .map(|(known, awaited)| awaited.as_ref().or(known.map(|known| &known.fact)))
            .collect();
        let types = decided(|| {
            let types = output_types(operator, node.outputs.len(), &facts)?;
            // Of what symbols change, a request's plan knows how large it is.
            types
                .iter()
                .filter(|(_, shape)| is_fixed(shape))
                .try_for_each(|(dtype, shape)| heap_bytes(*dtype, shape).map(drop))?;
            Ok(types)
        });
        let types = match types {
            Some(Ok(types)) => types,
            Some(Err(error)) if certain => return Err(error),
            Some(Err(_)) | None => return Ok(None),
        };
        let from_device = facts.iter().flatten().any(|fact| fact.known.is_none());
        let large = types.iter().any(|(_, shape)| checked_len(shape).is_none_or(|len| len.estimate() > VALUE_ELEMENTS));
        let values = if large {
            from_device.then_some(None)
        } else {
            match decided(|| host_values(operator, &facts, &types)) {
                Some(Ok(values)) => Some(values),
                Some(Err(error)) if certain => return Err(error),
                Some(Err(_)) | None => None,
            }
        };
        let decided = values.is_some();
        let mut values = values.flatten().map(Vec::into_iter);
        let outputs = types.into_iter().map(|(dtype, shape)| {
            let value = values.as_mut().and_then(Iterator::next);
            // A plan may find a size of 1, and with it a value, where here is a symbol.
            let certain = certain && decided && (value.is_some() || is_fixed(&shape) || from_device);
            let known = value.or_else(|| if certain { None } else { unknown_values(dtype, &shape) });
            Knowledge { fact: Fact { dtype, shape, known }, certain }
        });
        Ok(Some(outputs.collect()))
    }

    /// The size as the graph states it.
    fn dim(&self, size: Size) -> Option<Dim> {
        if let Some(size) = size.known() {
            return usize::try_from(size).ok().map(Dim::Known);
        }
        // A name that might read like an expression is quoted in one.
        let part = |symbol: u32| match self.names.get(symbol as usize) {
            Some(name) if name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') => name.clone(),
            Some(name) => format!("'{}'", name.replace('\'', "''")),
            None => {
                let mut shown = self.shown.borrow_mut();
                let next = shown.len();
                format!("{}{}", self.prefix, shown.entry(symbol).or_insert(next))
            }
        };
        if let Some(name) = size::symbol(size).and_then(|number| self.names.get(number as usize)) {
            return Some(Dim::Symbol(name.clone()));
        }
        Some(Dim::Symbol(match size::notation(size, &part) {
            Ok(text) if self.names.contains(&text) => format!("({text})"),
            Ok(text) => text,
            Err(number) => format!("{}e{number}", self.prefix),
        }))
    }
}

/// Integers of which nothing is known but how many there are, so that a shape made of them has a rank.
fn unknown_values(dtype: DType, shape: &[Size]) -> Option<Known> {
    let fixed: Option<Vec<usize>> = shape.iter().map(|size| usize::try_from(size.known()?).ok()).collect();
    let len = checked_len(shape)?.known().filter(|&len| len <= SHAPE_ELEMENTS)?;
    Known::integers(dtype, &fixed?, (0..len).map(|_| unknown_integer()).collect::<Option<_>>()?)
}

/// The node's operator and the types of its outputs. `None` where an input is of unknown type: it comes from a node that has
/// failed already, whose error is enough.
fn types(
    graph: &Graph,
    node: &Arc<Node>,
    operators: &mut Operators,
) -> Result<Option<(Arc<dyn Operator>, Vec<DType>)>> {
    for id in node.inputs.iter().flatten() {
        if let Some(why) = graph.refused.get(id) {
            return Err(Error::unsupported(why));
        }
    }
    for (name, attr) in &node.attrs {
        match attr {
            Attr::Graph(_) if is_if(node) || is_loop(node) => {}
            Attr::Graph(_) | Attr::Graphs(_) => {
                let message = format!("the operator {} with a subgraph is not supported", node.operator());
                return Err(Error::unsupported(message));
            }
            Attr::Unsupported(why) => return Err(Error::unsupported(format!("attribute '{name}': {why}"))),
            _ => {}
        }
    }
    let operator = operators.of(node)?;
    let inputs: Vec<Option<DType>> = node.inputs.iter().map(|id| id.and_then(|id| graph.value(id).dtype)).collect();
    if node.inputs.iter().zip(&inputs).any(|(id, dtype)| id.is_some() && dtype.is_none()) {
        return Ok(None);
    }
    let dtypes = operator.dtypes(&inputs)?;
    if dtypes.len() < node.outputs.len() {
        let message = format!("{} outputs, the operator has {}", node.outputs.len(), dtypes.len());
        return Err(Error::invalid_model(message));
    }
    Ok(Some((operator, dtypes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::graph::Subgraph;
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
        infer(&mut graph, &mut Operators::default()).unwrap();
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
        let error = infer(&mut b.finish([z, w, v, u]), &mut Operators::default()).unwrap_err();
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
            match infer(&mut graph, &mut Operators::default()) {
                Ok(()) => assert!(dims.contains(&"n"), "{op} of {dims:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Shape, "{op} of {dims:?}"),
            }
        }
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["8"]);
        let (start, end) = (b.ints([5]), b.ints([2]));
        let shape_of = b.node("Shape", [x], []);
        let y = b.node("Slice", [shape_of, start, end], []);
        infer(&mut b.finish([y]), &mut Operators::default()).unwrap();
    }

    /// The shape that `op` gives of f32 inputs of these shapes, or the error.
    fn inferred<const N: usize>(
        op: &str,
        inputs: &[&[&str]],
        lists: &[&[i64]],
        attrs: [(&str, Attr); N],
    ) -> Result<String> {
        let mut b = GraphBuilder::new(17);
        let mut ids = Vec::new();
        for (k, dims) in inputs.iter().enumerate() {
            ids.push(b.input(&format!("x{k}"), DType::F32, dims.iter().copied()));
        }
        ids.extend(lists.iter().map(|list| b.ints(list.to_vec())));
        let y = b.node(op, ids, attrs);
        let mut graph = b.finish([y]);
        infer(&mut graph, &mut Operators::default()).map(|()| shape(&graph))
    }

    #[test]
    fn shapes_are_expressions_over_symbols() {
        let concat = |axis| [("axis", Attr::Int(axis))];
        let tests = [
            (inferred("Concat", &[&["past", "4"], &["1", "4"]], &[], concat(0)), "f32[past + 1,4]"),
            (inferred("Concat", &[&["past", "4"], &["seq", "4"]], &[], concat(0)), "f32[past + seq,4]"),
            (inferred("Reshape", &[&["seq", "2", "n"]], &[&[-1]], []), "f32[2*seq*n]"),
            (inferred("Reshape", &[&["seq", "6"]], &[&[0, -1, 3]], []), "f32[seq,2,3]"),
            (inferred("Reshape", &[&["a", "b"]], &[&[-1, 12]], []), "f32[a*b/12,12]"),
            (inferred("Slice", &[&["n", "4"]], &[&[0], &[10], &[0]], []), "f32[min(n, 10),4]"),
            (inferred("Slice", &[&["n", "4"]], &[&[1], &[i64::MAX], &[0]], []), "f32[n - 1,4]"),
            (inferred("Slice", &[&["n", "4"]], &[&[0], &[-1], &[0]], []), "f32[n - 1,4]"),
            (inferred("MatMul", &[&["n", "k"], &["4", "m"]], &[], []), "f32[n,m]"),
            (inferred("Add", &[&["n", "1"], &["n", "m"]], &[], []), "f32[n,m]"),
        ];
        for (got, want) in tests {
            assert_eq!(got.unwrap(), want);
        }
    }

    #[test]
    fn repeats_may_be_symbols() {
        let mut b = GraphBuilder::new(17);
        let (x, row) = (b.input("x", DType::F32, ["n", "4"]), b.input("row", DType::F32, ["1", "m"]));
        let shape_of = b.node("Shape", [x], []);
        let (zero, one) = (b.ints([0]), b.ints([1]));
        let n = b.node("Gather", [shape_of, zero], []);
        let repeats = b.node("Concat", [n, one], [("axis", Attr::Int(0))]);
        let y = b.node("Tile", [row, repeats], []);
        let mut graph = b.finish([y]);
        infer(&mut graph, &mut Operators::default()).unwrap();
        assert_eq!(shape(&graph), "f32[n,m]");
    }

    #[test]
    fn what_symbols_decide_is_unknown() {
        let tests = [
            // Either may be 1.
            (inferred("Add", &[&["n", "3"], &["m", "3"]], &[], []), "f32[?0,3]"),
            // Whoever is not 5 is 1.
            (inferred("Add", &[&["n"], &["5"]], &[], []), "f32[5]"),
            // It is gone if it is 1.
            (inferred("Squeeze", &[&["n", "1"]], &[], []), "f32[?]"),
            (inferred("Squeeze", &[&["3", "1"]], &[], []), "f32[3]"),
        ];
        for (got, want) in tests {
            assert_eq!(got.unwrap(), want);
        }
    }

    #[test]
    fn what_no_size_can_run_is_refused() {
        for (op, shapes) in [
            ("MatMul", [&["2", "3"], &["4", "5"]]),
            ("MatMul", [&["n", "3"], &["4", "m"]]),
            ("Add", [&["n", "3"], &["m", "4"]]),
        ] {
            let error = inferred(op, &[shapes[0], shapes[1]], &[], []).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
        }
        // Sizes may fit: 1 and 4.
        assert!(inferred("MatMul", &[&["n", "k"], &["4", "5"]], &[], []).is_ok());
    }

    #[test]
    fn a_shape_that_comes_with_the_request_has_a_rank() {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n", "4"]);
        let wanted = b.input("wanted", DType::I64, ["2"]);
        let y = b.node("Reshape", [x, wanted], []);
        let mut graph = b.finish([y]);
        infer(&mut graph, &mut Operators::default()).unwrap();
        assert_eq!(shape(&graph), "f32[?0,?1]");
    }

    #[test]
    fn a_branch_for_other_shapes_is_no_objection() {
        let mut outer = GraphBuilder::new(13);
        let x = outer.input("x", DType::F32, ["n", "3"]);
        let condition = outer.input("condition", DType::Bool, [""; 0]);
        let branch = |op: &str| {
            let mut b = GraphBuilder::new(13);
            let x = b.input("x", DType::F32, ["n", "3"]);
            let axes = b.ints([1]);
            let y = if op == "Squeeze" { b.node(op, [x, axes], []) } else { b.node(op, [x], []) };
            Attr::Graph(Box::new(Subgraph { graph: b.finish([y]), captures: vec![1] }))
        };
        let attrs = [("then_branch", branch("Squeeze")), ("else_branch", branch("Identity"))];
        let y = outer.node("If", [condition, x], attrs);
        infer(&mut outer.finish([y]), &mut Operators::default()).unwrap();
    }

    #[test]
    fn a_shape_by_way_of_floats_has_a_rank() {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n", "4"]);
        let shape_of = b.node("Shape", [x], []);
        let floats = b.node("Cast", [shape_of], [("to", Attr::Int(1))]);
        let rounded = b.node("Floor", [floats], []);
        let wanted = b.node("Cast", [rounded], [("to", Attr::Int(7))]);
        let y = b.node("Reshape", [x, wanted], []);
        let mut graph = b.finish([y]);
        infer(&mut graph, &mut Operators::default()).unwrap();
        assert_eq!(shape(&graph), "f32[?0,?1]");
    }

    #[test]
    fn an_expression_is_never_taken_for_a_symbol_that_reads_like_it() {
        let mut b = GraphBuilder::new(17);
        let (x, y) = (b.input("x", DType::F32, ["n"]), b.input("y", DType::F32, ["n + 1"]));
        let one = b.input("one", DType::F32, ["1"]);
        let longer = b.node("Concat", [x, one], [("axis", Attr::Int(0))]);
        let other = b.node("Concat", [y, one], [("axis", Attr::Int(0))]);
        let mut graph = b.finish([longer, other]);
        infer(&mut graph, &mut Operators::default()).unwrap();
        let shapes: Vec<String> = graph.outputs.iter().map(|&id| signature(graph.value(id))).collect();
        assert_eq!(shapes, ["f32[(n + 1)]", "f32['n + 1' + 1]"]);
    }

    #[test]
    fn a_symbol_that_reads_like_an_expression_is_a_symbol() {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["a + b", "n"]);
        let y = b.node("Identity", [x], []);
        let mut graph = b.finish([y]);
        infer(&mut graph, &mut Operators::default()).unwrap();
        assert_eq!(shape(&graph), "f32[a + b,n]");
    }
}
