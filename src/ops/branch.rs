//! `If`. It has no kernels: where the condition is known, its branch takes its place (`plan/stage.rs`).

use std::ops::Range;

use super::{Entry, Operator, operator};
use crate::error::{Error, Result};
use crate::graph::{Attr, Node, Subgraph};
use crate::lower::{Fact, Lowering};
use crate::size::Size;
use crate::tensor::DType;

pub(super) const TABLE: &[Entry] = &[("", "If", |node| operator(If::parse(node)))];

/// <https://onnx.ai/onnx/operators/onnx__If.html>: a condition of one element; the outputs have the shapes that the branch that
/// is taken gives them.
#[derive(Debug)]
struct If {
    /// By branch: names and types of the outputs that take the place of the node's.
    outputs: [Vec<(String, Option<DType>)>; 2],
}

/// The attributes that are its branches.
const BRANCHES: [&str; 2] = ["then_branch", "else_branch"];

fn branch<'a>(node: &'a Node, name: &str) -> Result<&'a Subgraph> {
    match node.attrs.get(name) {
        Some(Attr::Graph(branch)) => Ok(branch),
        _ => Err(Error::invalid_model(format!("attribute '{name}' is no graph"))),
    }
}

impl If {
    fn parse(node: &Node) -> Result<Self> {
        if node.inputs.first().copied().flatten().is_none() {
            return Err(Error::invalid_model("the condition is missing"));
        }
        let outputs = |name: &str| {
            let Subgraph { graph, captures } = branch(node, name)?;
            if graph.inputs.len() != captures.len() {
                return Err(Error::invalid_model(format!("'{name}' has inputs of its own")));
            }
            if graph.outputs.len() < node.outputs.len() {
                let (has, wants) = (graph.outputs.len(), node.outputs.len());
                return Err(Error::invalid_model(format!("'{name}' has {has} outputs, not {wants}")));
            }
            let values = graph.outputs.iter().map(|&id| graph.value(id)).take(node.outputs.len());
            Ok(values.map(|value| (value.name.clone(), value.dtype)).collect())
        };
        Ok(If { outputs: [outputs(BRANCHES[0])?, outputs(BRANCHES[1])?] })
    }
}

impl Operator for If {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if inputs.first().copied().flatten() != Some(DType::Bool) {
            return Err(Error::invalid_model("the condition is no bool"));
        }
        let of = |index: usize| -> Result<Vec<DType>> {
            let unknown =
                |name: &str| Error::invalid_model(format!("output '{name}' of '{}' has no type", BRANCHES[index]));
            self.outputs[index].iter().map(|(name, dtype)| dtype.ok_or_else(|| unknown(name))).collect()
        };
        let (then, other) = (of(0)?, of(1)?);
        if then != other {
            return Err(Error::unsupported(format!("branches with outputs of types {then:?} and {other:?}")));
        }
        Ok(then)
    }

    fn shapes(&self, _: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Err(Error::unsupported("the shape depends on the branch that is taken"))
    }

    fn host_inputs(&self) -> Range<usize> {
        0..1
    }

    fn has_branches(&self) -> bool {
        true
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Err(Error::internal("an If is replaced by its branch before it is planned"))
    }
}
