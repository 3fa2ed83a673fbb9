//! `Loop`. It has no kernels: one of few trips is its body's nodes, any other runs part by part (`plan/stage/`).

use std::ops::Range;

use super::{Entry, Operator, operator};
use crate::error::{Error, Result};
use crate::graph::{Attr, Kind, Node, Subgraph, ValueId};
use crate::lower::{Fact, Lowering};
use crate::size::Size;
use crate::tensor::DType;

pub(super) const TABLE: &[Entry] = &[("", "Loop", |node| operator(Loop::parse(node)))];

/// What a `Loop` is made of.
///
/// One that was a `Scan` has two attributes more: `scan_output_axes` and `scan_output_directions`, as `Scan` has them.
#[derive(Clone, Copy, Debug)]
pub struct LoopParts<'n> {
    /// Its inputs are counter, condition and what is carried; its outputs whether to go on, what is carried, and what is gathered.
    pub body: &'n Subgraph,
    carried: usize,
    /// Inputs of the node that are not captured.
    own: usize,
}

impl<'n> LoopParts<'n> {
    /// Takes the node apart.
    ///
    /// # Errors
    /// `InvalidModel` if the body's inputs and outputs are not those of such a node.
    pub fn of(node: &'n Node) -> Result<Self> {
        let Some(Attr::Graph(body)) = node.attrs.get("body") else {
            return Err(Error::invalid_model("attribute 'body' is no graph"));
        };
        let own = body.captures.iter().copied().min().unwrap_or(node.inputs.len());
        let carried = own.saturating_sub(2);
        let (has, wants) = (body.graph.inputs.len().saturating_sub(body.captures.len()), 2 + carried);
        if has != wants {
            return Err(Error::invalid_model(format!("the body has {has} inputs, not {wants}")));
        }
        let (has, wants) = (body.graph.outputs.len(), 1 + carried.max(node.outputs.len()));
        if has < wants {
            return Err(Error::invalid_model(format!("the body has {has} outputs, not {wants}")));
        }
        Ok(LoopParts { body, carried, own })
    }

    fn input(&self, node: &Node, i: usize) -> Option<ValueId> {
        node.inputs[..self.own].get(i).copied().flatten()
    }

    /// The most trips; `None` if there is no such limit.
    pub fn count(&self, node: &Node) -> Option<ValueId> {
        self.input(node, 0)
    }

    /// Whether to begin; `None` for yes.
    pub fn condition(&self, node: &Node) -> Option<ValueId> {
        self.input(node, 1)
    }

    /// What the first trip gets.
    pub fn carried(&self, node: &'n Node) -> impl ExactSizeIterator<Item = Option<ValueId>> {
        (2..2 + self.carried).map(move |i| node.inputs.get(i).copied().flatten())
    }

    /// Outputs that gather something of every trip.
    pub fn scans(&self) -> usize {
        self.body.graph.outputs.len() - 1 - self.carried
    }

    /// The axis along which output `k` of those gathers.
    pub fn scan_axis(&self, node: &Node, k: usize) -> i64 {
        scan_attribute(node, "scan_output_axes", k)
    }

    /// Whether output `k` of those begins with the last trip.
    pub fn scans_backwards(&self, node: &Node, k: usize) -> bool {
        scan_attribute(node, "scan_output_directions", k) == 1
    }

    /// The nodes of the body, those within them included.
    pub fn nodes(&self) -> usize {
        self.body.graph.node_count()
    }

    /// Whether its condition never ends it: none is given to begin with, or it is handed on, or always true.
    ///
    /// Without one the standard ignores what the body says, which onnxruntime 1.32 does not; the reference of onnx 1.23.2 then makes
    /// no trip.
    pub fn is_steady(&self, node: &Node) -> bool {
        if self.condition(node).is_none() {
            return true;
        }
        let body = &self.body.graph;
        let mut id = body.outputs[0];
        loop {
            if id == body.inputs[1] {
                return true;
            }
            if let Some(constant) = &body.value(id).constant {
                return constant.as_slice::<bool>().is_ok_and(|condition| condition == [true]);
            }
            let made = body.nodes.iter().find(|node| node.outputs.contains(&Some(id)));
            match made.map(|node| (node, node.inputs.as_slice())) {
                Some((node, &[Some(from)])) if node.domain.is_empty() && node.op == "Identity" => id = from,
                _ => return false,
            }
        }
    }
}

fn scan_attribute(node: &Node, name: &str, k: usize) -> i64 {
    match node.attrs.get(name) {
        Some(Attr::Ints(list)) => list.get(k).copied().unwrap_or(0),
        _ => 0,
    }
}

/// <https://onnx.ai/onnx/operators/onnx__Loop.html>: trips as long as a condition holds, with values that are carried from one to the
/// next, and outputs that gather something of each. Carried values keep their types; sequences and optionals may be carried where the
/// number of trips is known.
#[derive(Debug)]
struct Loop {
    has: [bool; 2],
    carried: usize,
    /// Of the body's outputs behind the condition: name and type.
    outputs: Vec<(String, Option<DType>)>,
    steady: bool,
    nodes: usize,
    /// Whether it carries or reads what is no tensor.
    of_forms: bool,
}

impl Loop {
    fn parse(node: &Node) -> Result<Self> {
        let parts = LoopParts::of(node)?;
        let body = &parts.body.graph;
        if parts.carried(node).any(|id| id.is_none()) {
            return Err(Error::invalid_model("what it carries is left out"));
        }
        let outputs = body.outputs[1..].iter().map(|&id| (body.value(id).name.clone(), body.value(id).dtype));
        let of_forms = body.inputs.iter().chain(&body.outputs).any(|&id| body.value(id).kind != Kind::Tensor);
        Ok(Loop {
            has: [parts.count(node).is_some(), parts.condition(node).is_some()],
            carried: parts.carried,
            outputs: outputs.take(parts.carried.max(node.outputs.len())).collect(),
            steady: parts.is_steady(node),
            nodes: parts.nodes(),
            of_forms,
        })
    }
}

impl Operator for Loop {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let input = |i: usize| inputs.get(i).copied().flatten();
        if self.has[0] && input(0) != Some(DType::I64) {
            return Err(Error::invalid_model("the number of trips is no i64"));
        }
        if self.has[1] && input(1) != Some(DType::Bool) {
            return Err(Error::invalid_model("the condition is no bool"));
        }
        let mut types = Vec::with_capacity(self.outputs.len());
        for (k, (name, dtype)) in self.outputs.iter().enumerate() {
            let dtype = dtype.ok_or_else(|| Error::invalid_model(format!("output '{name}' of 'body' has no type")))?;
            if k < self.carried
                && let Some(given) = input(2 + k).filter(|&given| given != dtype)
            {
                return Err(Error::unsupported(format!(
                    "'body' is given {given} and goes on with {dtype} as '{name}'"
                )));
            }
            types.push(dtype);
        }
        Ok(types)
    }

    fn shapes(&self, _: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Err(Error::unsupported("the shape depends on the trips that are made"))
    }

    fn host_inputs(&self) -> Range<usize> {
        if self.of_forms { 0..2 } else { 0..0 }
    }

    fn repeats(&self) -> Option<super::Repeats> {
        let Loop { steady, nodes, of_forms, .. } = *self;
        Some(super::Repeats { steady, nodes, of_forms })
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Err(Error::internal("a Loop is replaced by its trips before it is planned"))
    }
}
