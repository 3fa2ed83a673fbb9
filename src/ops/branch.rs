//! `If`. It has no kernels: where the condition is known, its branch takes its place (`plan/stage.rs`).

use std::ops::Range;

use super::{Entry, Operator};
use crate::error::{Error, Result};
use crate::graph::{Attr, Node, Subgraph};
use crate::lower::{Fact, Lowering};
use crate::size::Size;
use crate::tensor::DType;

pub(super) const TABLE: &[Entry] = &[("", "If", &If)];

/// <https://onnx.ai/onnx/operators/onnx__If.html>
struct If;

/// The attributes that are its branches.
const BRANCHES: [&str; 2] = ["then_branch", "else_branch"];

fn branch<'a>(node: &'a Node, name: &str) -> Result<&'a Subgraph> {
    match node.attrs.get(name) {
        Some(Attr::Graph(branch)) => Ok(branch),
        _ => Err(Error::invalid_model(format!("attribute '{name}' is no graph"))),
    }
}

impl Operator for If {
    fn check(&self, node: &Node) -> Result<()> {
        if node.inputs.first().copied().flatten().is_none() {
            return Err(Error::invalid_model("the condition is missing"));
        }
        for name in BRANCHES {
            let Subgraph { graph, captures } = branch(node, name)?;
            if graph.inputs.len() != captures.len() {
                return Err(Error::invalid_model(format!("'{name}' has inputs of its own")));
            }
            if graph.outputs.len() < node.outputs.len() {
                let (has, wants) = (graph.outputs.len(), node.outputs.len());
                return Err(Error::invalid_model(format!("'{name}' has {has} outputs, not {wants}")));
            }
        }
        Ok(())
    }

    fn dtypes(&self, node: &Node, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        if inputs.first().copied().flatten() != Some(DType::Bool) {
            return Err(Error::invalid_model("the condition is no bool"));
        }
        let of = |name: &str| -> Result<Vec<DType>> {
            let graph = &branch(node, name)?.graph;
            let dtype = |&id| {
                let value = graph.value(id);
                let unknown = || Error::invalid_model(format!("output '{}' of '{name}' has no type", value.name));
                value.dtype.ok_or_else(unknown)
            };
            graph.outputs.iter().take(node.outputs.len()).map(dtype).collect()
        };
        let (then, other) = (of(BRANCHES[0])?, of(BRANCHES[1])?);
        if then != other {
            return Err(Error::unsupported(format!("branches with outputs of types {then:?} and {other:?}")));
        }
        Ok(then)
    }

    fn shapes(&self, _: &Node, _: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        Err(Error::unsupported("the shape depends on the branch that is taken"))
    }

    fn host_inputs(&self, _: &Node) -> Range<usize> {
        0..1
    }

    fn has_branches(&self) -> bool {
        true
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Result<()> {
        Err(Error::internal("an If is replaced by its branch before it is planned"))
    }
}
