//! Branches and bodies as graphs of their own: what is known of their inputs, and the types of their outputs.

use std::sync::Arc;

use super::branches::is_if;
use super::loops::is_loop;
use super::objection::refusal;
use crate::error::{Error, Result};
use crate::graph::{Attr, Graph, Node, Subgraph, Value, ValueId};
use crate::ops::{LoopParts, Operators};
use crate::tensor::DType;

/// The body of a node with what is known of its inputs: the constants and shapes that all of its trips have, where it is a loop's.
fn with_inputs(graph: &Graph, node: &Node, branch: &Subgraph) -> Graph {
    let mut body = branch.graph.clone();
    let own = body.inputs.len().saturating_sub(branch.captures.len());
    let formal: Vec<Option<ValueId>> = (0..own).map(|k| node.inputs.get(k).copied().flatten()).collect();
    for (k, id) in body.inputs.clone().into_iter().enumerate() {
        let captured = k.checked_sub(own).and_then(|k| node.inputs.get(branch.captures[k]).copied().flatten());
        let Some(outer) = captured.or_else(|| formal.get(k).copied().flatten().filter(|_| k >= 2)) else {
            if is_loop(node) && k < 2 {
                let value = body.value_mut(id);
                value.dtype = Some(if k == 0 { DType::I64 } else { DType::Bool });
                value.shape = Some(Vec::new());
            }
            continue;
        };
        let Value { dtype, shape, constant, kind, .. } = graph.value(outer).clone();
        let constant = constant.filter(|_| k >= own);
        let value = body.value_mut(id);
        (value.dtype, value.shape, value.constant, value.kind) = (dtype, shape, constant, kind);
    }
    (body.limits, body.unrolled) = (graph.limits, graph.unrolled);
    body
}

/// As [`with_inputs`], with types and shapes of its outputs: those of the first trip. `None` if it cannot run.
pub(super) fn typed_body(graph: &Graph, node: &Node, branch: &Subgraph) -> Option<Graph> {
    let mut body = with_inputs(graph, node, branch);
    super::prepare(&mut body, &mut Operators::default()).is_empty().then_some(body)
}

/// Finds the types of the outputs of a node's branches or of its body, and whether all of them can run.
pub(super) fn type_branches(graph: &mut Graph, index: usize) -> Result<()> {
    let node = &graph.nodes[index];
    if is_loop(node) {
        LoopParts::of(node)?;
    } else if !is_if(node) {
        return Ok(());
    }
    let names: Vec<String> = node.attrs.keys().cloned().collect();
    for name in names {
        let node = &graph.nodes[index];
        let Some(Attr::Graph(branch)) = node.attrs.get(&name) else { continue };
        let mut body = with_inputs(graph, node, branch);
        let mut objections = super::prepare(&mut body, &mut Operators::default());
        // The branch may be there for other shapes than those that the outer graph has.
        objections.retain(|objection| !objection.shapes);
        refusal(&body, &objections).map_err(|error| {
            Error::new(error.kind(), format!("in '{name}': {error}")).at_node(&node.name, node.operator())
        })?;
        let types: Vec<Option<DType>> = body.outputs.iter().map(|&id| body.value(id).dtype).collect();
        let same = |(&id, &dtype): (&ValueId, &Option<DType>)| branch.graph.value(id).dtype == dtype;
        if branch.graph.outputs.iter().zip(&types).all(same) {
            continue;
        }
        if let Some(Attr::Graph(branch)) = Arc::make_mut(&mut graph.nodes[index]).attrs.get_mut(&name) {
            for (id, dtype) in branch.graph.outputs.clone().into_iter().zip(types) {
                branch.graph.value_mut(id).dtype = dtype;
            }
        }
    }
    Ok(())
}
