//! Which nodes are parsed already.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Operator, parse};
use crate::error::Result;
use crate::graph::{Graph, Node, ValueId};

/// The operators of nodes, beside their graph, so that a node is parsed once however often the graph is looked at. A node that
/// is known here is shared with the graph: a change makes another node, which is parsed when it is met.
#[derive(Clone, Debug, Default)]
pub struct Operators {
    /// By the first value that the node makes.
    known: HashMap<ValueId, (Arc<Node>, Arc<dyn Operator>)>,
}

impl Operators {
    /// The operator of a node.
    ///
    /// # Errors
    /// Those of [`parse`].
    pub fn of(&mut self, node: &Arc<Node>) -> Result<Arc<dyn Operator>> {
        let first = node.outputs.iter().flatten().next();
        match first.and_then(|id| self.known.get(id)) {
            Some((known, operator)) if Arc::ptr_eq(known, node) => Ok(operator.clone()),
            _ => {
                let operator = parse(node)?;
                self.insert(node, &operator);
                Ok(operator)
            }
        }
    }

    /// The operators of all nodes of a graph, in their order.
    ///
    /// # Errors
    /// Those of [`parse`], with the node.
    pub fn of_all(&mut self, graph: &Graph) -> Result<Vec<Arc<dyn Operator>>> {
        let of = |node| self.of(node).map_err(|error| error.at_node(&node.name, node.operator()));
        graph.nodes.iter().map(of).collect()
    }

    /// Takes a node with its operator.
    pub fn insert(&mut self, node: &Arc<Node>, operator: &Arc<dyn Operator>) {
        if let Some(&first) = node.outputs.iter().flatten().next() {
            self.known.insert(first, (node.clone(), operator.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attr;
    use crate::graph::builder::GraphBuilder;
    use crate::tensor::DType;

    #[test]
    fn only_a_changed_node_is_parsed_again() {
        let mut b = GraphBuilder::new(17);
        let x = b.input("x", DType::F32, ["n", "4"]);
        let y = b.node("Softmax", [x], []);
        let z = b.node("Relu", [y], []);
        let mut graph = b.finish([z]);
        let mut operators = Operators::default();
        let before = operators.of_all(&graph).unwrap();
        Arc::make_mut(&mut graph.nodes[0]).attrs.insert("axis".to_owned(), Attr::Int(0));
        let after = operators.of_all(&graph).unwrap();
        let same: Vec<bool> = before.iter().zip(&after).map(|(a, b)| Arc::ptr_eq(a, b)).collect();
        assert_eq!(same, [false, true]);
        assert!(format!("{:?}", after[0]).contains("axis: 0"), "{:?}", after[0]);
    }
}
