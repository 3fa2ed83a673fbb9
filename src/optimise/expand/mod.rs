//! Operators without kernels of their own as nodes of operators that have them, by the function bodies of the ONNX standard.

use super::matcher::{Attempt, input, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Graph, Node, Value, ValueId};
use crate::ops::{Operators, lookup};
use crate::tensor::Tensor;

mod normalise;
mod norms;
mod various;

use normalise::{
    batch_normalization, group_normalization, instance_normalization, mean_variance_normalization, rms_normalization,
};
use norms::{global_lp_pool, lp_normalization};
use various::{cast_like, non_zero, swish};

/// An operator that is other operators.
#[derive(Debug)]
pub struct ExpandOperators;

/// The node's outputs, each made by the body or a value that was there; or why the body does not apply.
type Built = Result<Vec<ValueId>, &'static str>;

/// Operator, and what builds its body.
const BODIES: &[(&str, fn(&mut Body<'_>) -> Built)] = &[
    ("BatchNormalization", batch_normalization),
    ("CastLike", cast_like),
    ("GlobalLpPool", global_lp_pool),
    ("GroupNormalization", group_normalization),
    ("InstanceNormalization", instance_normalization),
    ("LpNormalization", lp_normalization),
    ("MeanVarianceNormalization", mean_variance_normalization),
    ("NonZero", non_zero),
    ("RMSNormalization", rms_normalization),
    ("Swish", swish),
];

impl Rewrite for ExpandOperators {
    fn name(&self) -> &'static str {
        "ExpandOperators"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| {
            let node = &graph.nodes[index];
            let body = BODIES.iter().find(|(op, _)| *op == node.op && node.domain.is_empty());
            // A BatchNormalization has kernels, but none for training.
            let lacks = |op: &str| lookup("", op).is_none() || op == "BatchNormalization";
            let Some((_, build)) = body.filter(|(op, _)| lacks(op)) else { return Attempt::No };
            let node = node.clone();
            let mut body = Body { graph, node: &node, nodes: Vec::new() };
            let results = match build(&mut body) {
                Err(reason) => return Attempt::Near(reason),
                Ok(results) => results,
            };
            for (i, output) in node.outputs.iter().enumerate() {
                let Some(output) = *output else { continue };
                match results.get(i) {
                    Some(&result) => body.becomes(result, output),
                    None if matcher.used(output, 0) => {}
                    None => return Attempt::Near("an output is read that the body does not make"),
                }
            }
            let nodes = body.nodes;
            *graph.functions.entry(node.op.clone()).or_insert(0) += 1;
            Attempt::Fire { removed: Vec::new(), nodes }
        })
    }
}

/// The nodes that stand for `node`.
struct Body<'g> {
    graph: &'g mut Graph,
    node: &'g Node,
    nodes: Vec<Node>,
}

impl Body<'_> {
    /// A result of the body is an output of the node: under its own name if a node of the body makes it and nothing else reads it.
    fn becomes(&mut self, result: ValueId, output: ValueId) {
        let read = self.nodes.iter().any(|node| node.inputs.contains(&Some(result)));
        let made = self.nodes.iter_mut().flat_map(|node| &mut node.outputs).find(|made| **made == Some(result));
        match made {
            Some(made) if !read => *made = Some(output),
            _ => {
                let copy = self.op("Identity", &[result]);
                self.becomes(copy, output);
            }
        }
    }

    fn input(&self, i: usize) -> Result<ValueId, &'static str> {
        input(self.node, i).ok_or("an input is missing")
    }

    fn op(&mut self, op: &str, inputs: &[ValueId]) -> ValueId {
        self.op_with(op, inputs, [])
    }

    fn op_with<const N: usize>(&mut self, op: &str, inputs: &[ValueId], attrs: [(&str, Attr); N]) -> ValueId {
        let name = format!("{}/{op}_{}", self.node.name, self.nodes.len());
        let id = self.graph.add_value(Value { name: name.clone(), ..Value::default() });
        self.nodes.push(Node {
            name,
            op: op.to_owned(),
            opset: 13,
            attrs: attrs.into_iter().map(|(name, attr)| (name.to_owned(), attr)).collect(),
            inputs: inputs.iter().copied().map(Some).collect(),
            outputs: vec![Some(id)],
            ..Node::default()
        });
        id
    }

    fn op_of(&mut self, domain: &str, op: &str, inputs: &[ValueId]) -> ValueId {
        let id = self.op(op, inputs);
        if let Some(node) = self.nodes.last_mut() {
            node.domain = domain.to_owned();
        }
        id
    }

    fn number(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    fn ints(&mut self, values: Vec<i64>) -> Result<ValueId, &'static str> {
        let tensor = Tensor::new([values.len()], values).map_err(|_| "a list does not fill its shape")?;
        Ok(self.constant(tensor))
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("{}/constant_{}", self.node.name, self.graph.values.len());
        self.graph.add_constant(name, tensor)
    }

    fn mean(&mut self, x: ValueId, axes: &[i64]) -> ValueId {
        self.op_with("ReduceMean", &[x], [("axes", Attr::Ints(axes.to_vec())), ("keepdims", Attr::Int(1))])
    }

    fn epsilon(&self) -> Result<f32, &'static str> {
        self.node.float("epsilon", 1e-5).map_err(|_| "epsilon is no number")
    }

    fn rank(&self, id: ValueId) -> Result<i64, &'static str> {
        self.graph.value(id).shape.as_ref().map(|shape| shape.len() as i64).ok_or("the rank of its input is not known")
    }

    /// The vector at input `i` along axis 1 of a tensor of that rank.
    fn per_channel(&mut self, i: usize, rank: i64) -> Result<ValueId, &'static str> {
        let (vector, axes) = (self.input(i)?, self.ints((1..rank - 1).collect())?);
        Ok(if rank > 2 { self.op("Unsqueeze", &[vector, axes]) } else { vector })
    }

    /// `(x - mean x) / sqrt(mean (x - mean x)^2 + epsilon)` over the axes.
    fn normalise(&mut self, x: ValueId, axes: &[i64], epsilon: f32) -> ValueId {
        let mean = self.mean(x, axes);
        let centred = self.op("Sub", &[x, mean]);
        let square = self.op("Mul", &[centred, centred]);
        let variance = self.mean(square, axes);
        let epsilon = self.number(epsilon);
        let shifted = self.op("Add", &[variance, epsilon]);
        let deviation = self.op("Sqrt", &[shifted]);
        self.op("Div", &[centred, deviation])
    }
}
