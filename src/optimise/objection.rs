//! Why nodes cannot be run, and the error that lists them.

use std::fmt::Write as _;

use super::Skip;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::ops::{is_of_forms, lookup};

/// An error that lists the objections, if there are any.
///
/// # Errors
/// `Unsupported` or `InvalidModel`; the message lists all such nodes with operator, opset, types and shapes.
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
    /// Whether it is for the shapes of its inputs, whatever the sizes of symbols are.
    pub shapes: bool,
}

impl Objection {
    /// Says why an operator without kernels did not become others, where that is known.
    pub(super) fn explain(&mut self, graph: &Graph, reasons: &[Skip]) {
        let node = &graph.nodes[self.node];
        let lacks = is_of_forms(node) || lookup(&node.domain, &node.op).is_none();
        let reason = reasons.iter().find(|skip| skip.node == node.name && lacks);
        if let Some(Skip { reason, .. }) = reason {
            self.error = Error::new(self.error.kind(), format!("{}: {reason}", self.error.message()));
        }
    }

    /// Operator, opset, input types and shapes.
    fn describe(&self, graph: &Graph) -> String {
        let node = &graph.nodes[self.node];
        format!("{} of opset {}, inputs: {}", node.operator(), node.opset, self.inputs.join(", "))
    }
}
