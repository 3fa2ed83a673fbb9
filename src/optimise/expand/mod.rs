//! Operators without kernels of their own as nodes of operators that have them, by the function bodies of the ONNX standard.

use super::matcher::{Attempt, input, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Dim, Graph, Node, Value, ValueId};
use crate::ops::{Operators, lookup};
use crate::tensor::{DType, Tensor};

mod attention;
mod attention_bias;
mod convolution;
mod einsum;
mod flex_attention;
mod loss;
mod microsoft;
mod microsoft_attention;
mod movement;
mod normalise;
mod norms;
mod quantised;
mod rotary;
mod signal;
mod various;

use attention::attention;
use convolution::causal_conv_with_state;
use einsum::einsum;
use flex_attention::flex_attention;
use loss::{negative_log_likelihood, softmax_cross_entropy};
use movement::{compress, hardmax, non_max_suppression, unique};
use normalise::{
    batch_normalization, group_normalization, instance_normalization, mean_variance_normalization, rms_normalization,
};
use norms::{global_lp_pool, lp_normalization, normalizer};
use rotary::rotary_embedding;
use signal::stft;
use various::{cast_like, non_zero, swiglu, swish};

/// An operator that is other operators.
#[derive(Debug)]
pub struct ExpandOperators;

/// The node's outputs, each made by the body or a value that was there; or why the body does not apply.
type Built = Result<Vec<ValueId>, &'static str>;

/// Operator, and what builds its body.
const BODIES: &[(&str, fn(&mut Body<'_>) -> Built)] = &[
    ("Attention", attention),
    ("BatchNormalization", batch_normalization),
    ("CastLike", cast_like),
    ("CausalConvWithState", causal_conv_with_state),
    ("Compress", compress),
    ("Einsum", einsum),
    ("GlobalLpPool", global_lp_pool),
    ("GroupNormalization", group_normalization),
    ("Hardmax", hardmax),
    ("InstanceNormalization", instance_normalization),
    ("LpNormalization", lp_normalization),
    ("MeanVarianceNormalization", mean_variance_normalization),
    ("NegativeLogLikelihoodLoss", negative_log_likelihood),
    ("NonMaxSuppression", non_max_suppression),
    ("NonZero", non_zero),
    ("RMSNormalization", rms_normalization),
    ("RotaryEmbedding", rotary_embedding),
    ("STFT", stft),
    ("SimplifiedLayerNormalization", microsoft::simplified_layer_normalization),
    ("SoftmaxCrossEntropyLoss", softmax_cross_entropy),
    ("SwiGLU", swiglu),
    ("Swish", swish),
    ("Unique", unique),
];

/// As [`BODIES`], of the operators that ONNX has for trial.
const PREVIEW_BODIES: &[(&str, fn(&mut Body<'_>) -> Built)] = &[("FlexAttention", flex_attention)];

/// As [`BODIES`], of the operators of classical machine learning.
const ML_BODIES: &[(&str, fn(&mut Body<'_>) -> Built)] = &[("Normalizer", normalizer)];

/// As [`BODIES`], of onnxruntime's own domain.
const MICROSOFT_BODIES: &[(&str, fn(&mut Body<'_>) -> Built)] = &[
    ("Attention", microsoft_attention::attention),
    ("BiasGelu", microsoft::bias_gelu),
    ("EmbedLayerNormalization", microsoft::embed_layer_normalization),
    ("FastGelu", microsoft::fast_gelu),
    ("FusedConv", microsoft::fused_conv),
    ("FusedMatMul", microsoft::fused_matmul),
    ("Gelu", microsoft::gelu),
    ("GroupQueryAttention", microsoft_attention::group_query_attention),
    ("MultiHeadAttention", microsoft_attention::multi_head_attention),
    ("QGemm", quantised::qgemm),
    ("QLinearAdd", quantised::qlinear_add),
    ("QLinearAveragePool", quantised::qlinear_average_pool),
    ("QLinearConcat", quantised::qlinear_concat),
    ("QLinearGlobalAveragePool", quantised::qlinear_global_average_pool),
    ("QLinearLeakyRelu", quantised::qlinear_leaky_relu),
    ("QLinearMul", quantised::qlinear_mul),
    ("QLinearSigmoid", quantised::qlinear_sigmoid),
    ("QLinearSoftmax", quantised::qlinear_softmax),
    ("QuickGelu", microsoft::quick_gelu),
    ("RotaryEmbedding", microsoft_attention::rotary_embedding),
    ("SimplifiedLayerNormalization", microsoft::simplified_layer_normalization),
    ("SkipLayerNormalization", microsoft::skip_layer_normalization),
    ("SkipSimplifiedLayerNormalization", microsoft::skip_simplified_layer_normalization),
];

impl Rewrite for ExpandOperators {
    fn name(&self) -> &'static str {
        "ExpandOperators"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| {
            let node = &graph.nodes[index];
            let bodies = match node.domain.as_str() {
                "" => BODIES,
                "ai.onnx.ml" => ML_BODIES,
                "ai.onnx.preview" => PREVIEW_BODIES,
                "com.microsoft" => MICROSOFT_BODIES,
                _ => return Attempt::No,
            };
            let body = bodies.iter().find(|(op, _)| *op == node.op);
            // A BatchNormalization has kernels, but none for training.
            let lacks = |op: &str| lookup(&node.domain, op).is_none() || op == "BatchNormalization";
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

    /// A node of that opset, some of whose inputs may be left out.
    fn op_since(&mut self, op: &str, opset: i64, inputs: &[Option<ValueId>], attrs: &[(&str, Attr)]) -> ValueId {
        let id = self.op(op, &[]);
        if let Some(node) = self.nodes.last_mut() {
            let given = inputs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
            node.inputs = inputs[..given].to_vec();
            node.opset = opset;
            node.attrs = attrs.iter().map(|(name, attr)| ((*name).to_owned(), attr.clone())).collect();
        }
        id
    }

    /// A node's output of which only the attributes' number is not fixed.
    fn op_set(&mut self, op: &str, inputs: &[ValueId], attrs: &[(&str, i64)]) -> ValueId {
        let id = self.op(op, inputs);
        if let Some(node) = self.nodes.last_mut() {
            node.attrs = attrs.iter().map(|&(name, value)| (name.to_owned(), Attr::Int(value))).collect();
        }
        id
    }

    /// Another output of the node made last.
    fn next_output(&mut self) -> ValueId {
        let name = format!("{}/output_{}", self.node.name, self.graph.values.len());
        let id = self.graph.add_value(Value { name, ..Value::default() });
        if let Some(node) = self.nodes.last_mut() {
            node.outputs.push(Some(id));
        }
        id
    }

    fn number(&mut self, value: f32) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    /// A number of the type that `like` has, which is f32, f16 or bf16.
    fn number_like(&mut self, value: f32, like: ValueId) -> Result<ValueId, &'static str> {
        let number = Tensor::rounded(self.dtype(like)?, [], vec![value]);
        Ok(self.constant(number.map_err(|_| "its input is none of f32, f16 and bf16")?))
    }

    fn dtype(&self, id: ValueId) -> Result<DType, &'static str> {
        self.graph.value(id).dtype.ok_or("the type of its input is not known")
    }

    fn ints(&mut self, values: Vec<i64>) -> Result<ValueId, &'static str> {
        let tensor = Tensor::new([values.len()], values).map_err(|_| "a list does not fill its shape")?;
        Ok(self.constant(tensor))
    }

    /// A whole number without dimensions.
    fn integer(&mut self, value: i64) -> ValueId {
        self.constant(Tensor::scalar(value))
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("{}/constant_{}", self.node.name, self.graph.values.len());
        self.graph.add_constant(name, tensor)
    }

    fn mean(&mut self, x: ValueId, axes: &[i64]) -> ValueId {
        self.op_with("ReduceMean", &[x], [("axes", Attr::Ints(axes.to_vec())), ("keepdims", Attr::Int(1))])
    }

    fn rank(&self, id: ValueId) -> Result<i64, &'static str> {
        self.graph.value(id).shape.as_ref().map(|shape| shape.len() as i64).ok_or("the rank of its input is not known")
    }

    /// The attribute `name`, an integer.
    fn int(&self, name: &str, default: i64) -> Result<i64, &'static str> {
        self.node.int(name, default).map_err(|_| "an attribute is no integer")
    }

    /// The attribute `name`, a number.
    fn float(&self, name: &str, default: f32) -> Result<f32, &'static str> {
        self.node.float(name, default).map_err(|_| "an attribute is no number")
    }

    /// Input `i`, if it is given.
    fn optional(&self, i: usize) -> Option<ValueId> {
        input(self.node, i)
    }

    /// Whether output `i` is named.
    fn names(&self, i: usize) -> bool {
        self.node.outputs.get(i).is_some_and(Option::is_some)
    }

    /// The size of a dimension of a value of the graph, where it is a number.
    fn dim(&self, id: ValueId, axis: usize) -> Option<usize> {
        match self.graph.value(id).shape.as_ref()?.get(axis)? {
            Dim::Known(size) => Some(*size),
            Dim::Symbol(_) => None,
        }
    }

    /// Whether two dimensions of values of the graph are known to be the same.
    fn same_dim(&self, (a, i): (ValueId, usize), (b, k): (ValueId, usize)) -> bool {
        let dim = |id, axis: usize| self.graph.value(id).shape.as_ref().and_then(|shape| shape.get(axis));
        dim(a, i).is_some() && dim(a, i) == dim(b, k)
    }

    /// The sizes of the dimensions from `start` up to `end`, as a list.
    fn sizes(&mut self, x: ValueId, start: i64, end: i64) -> ValueId {
        self.op_set("Shape", &[x], &[("start", start), ("end", end)])
    }

    fn concat(&mut self, parts: &[ValueId], axis: i64) -> ValueId {
        self.op_set("Concat", parts, &[("axis", axis)])
    }

    fn transpose<const N: usize>(&mut self, x: ValueId, perm: [i64; N]) -> ValueId {
        self.op_with("Transpose", &[x], [("perm", Attr::Ints(perm.to_vec()))])
    }

    /// Reshape, where 0 keeps a dimension and -1 takes what is left.
    fn reshape(&mut self, x: ValueId, shape: Vec<i64>) -> Result<ValueId, &'static str> {
        let shape = self.ints(shape)?;
        Ok(self.op("Reshape", &[x, shape]))
    }

    fn unsqueeze(&mut self, x: ValueId, axes: Vec<i64>) -> Result<ValueId, &'static str> {
        let axes = self.ints(axes)?;
        Ok(self.op("Unsqueeze", &[x, axes]))
    }

    fn cast(&mut self, x: ValueId, to: DType) -> Result<ValueId, &'static str> {
        let code = to.to_onnx();
        Ok(self.op_set("Cast", &[x], &[("to", code.into())]))
    }

    /// The vector at input `i` along axis 1 of a tensor of that rank.
    fn per_channel(&mut self, i: usize, rank: i64) -> Result<ValueId, &'static str> {
        let (vector, axes) = (self.input(i)?, self.ints((1..rank - 1).collect())?);
        Ok(if rank > 2 { self.op("Unsqueeze", &[vector, axes]) } else { vector })
    }

    /// A value of that type as f32, in which f16 and bf16 are computed where roundings would add up.
    fn widened(&mut self, x: ValueId, dtype: DType) -> Result<ValueId, &'static str> {
        if dtype.is_half() { self.cast(x, DType::F32) } else { Ok(x) }
    }

    /// What was computed of [`Body::widened`] values, as that type.
    fn narrowed(&mut self, x: ValueId, dtype: DType) -> Result<ValueId, &'static str> {
        if dtype.is_half() { self.cast(x, dtype) } else { Ok(x) }
    }
}
