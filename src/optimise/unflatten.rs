//! Gemm between reshapes.

use super::matcher::{Attempt, Matcher, input, is_f32, rewrite};
use super::{Outcome, Rewrite};
use crate::graph::{Dim, Graph, Kind, Node, Value};
use crate::ops::Operators;

/// A Gemm of rows that a Reshape has joined, behind which another one parts them as they were, is a MatMul and a bias on the
/// tensor as it is: what follows can then join the product.
#[derive(Debug)]
pub struct UnflattenGemm;

fn attempt(graph: &mut Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = graph.nodes[index].clone();
    if !root.domain.is_empty() || root.op != "Reshape" {
        return None;
    }
    let product = input(&root, 0)?;
    let (gemm_at, gemm) = matcher.made_by(graph, product, "Gemm")?;
    let rows = input(gemm, 0)?;
    let (_, join) = matcher.made_by(graph, rows, "Reshape")?;
    let (x, result) = (input(join, 0)?, (*root.outputs.first()?)?);
    let (weight, bias) = (input(gemm, 1)?, input(gemm, 2));
    let plain = ["transA", "transB"].iter().all(|name| gemm.int(name, 0).is_ok_and(|value| value == 0))
        && ["alpha", "beta"].iter().all(|name| gemm.float(name, 1.0).is_ok_and(|value| value == 1.0));
    if !plain {
        return Some(Attempt::Near("the product is transposed or scaled"));
    }
    let constant = |id| graph.value(id).constant.as_ref();
    let &[depth, columns] = constant(weight)?.shape() else { return None };
    let is_bias = |id| constant(id).is_some_and(|bias| bias.shape() == [columns]);
    let shape = |id| graph.value(id).shape.as_deref();
    let (Some((k, lead)), Some((n, same))) = (shape(x)?.split_last(), shape(result)?.split_last()) else { return None };
    let fits = *k == Dim::Known(depth) && *n == Dim::Known(columns) && lead == same;
    if !fits || !is_f32(graph, x) || !bias.is_none_or(is_bias) {
        return Some(Attempt::Near("its rows are not provably parted as they were joined"));
    }
    if !matcher.used(product, 1) {
        return Some(Attempt::Near("the product is used elsewhere"));
    }
    let (opset, name) = (gemm.opset, gemm.name.clone());
    let node = |op: &str, inputs, output| Node {
        name: name.clone(),
        op: op.to_owned(),
        opset,
        inputs,
        outputs: vec![Some(output)],
        ..Node::default()
    };
    let operands = vec![Some(x), Some(weight)];
    let nodes = match bias {
        None => vec![node("MatMul", operands, result)],
        Some(_) => {
            let Value { dtype, shape, .. } = graph.value(result).clone();
            let sum = graph.add_value(Value {
                name: format!("{name}.product"),
                dtype,
                shape,
                constant: None,
                kind: Kind::Tensor,
            });
            vec![node("MatMul", operands, sum), node("Add", vec![Some(sum), bias], result)]
        }
    };
    Some(Attempt::Fire { removed: vec![gemm_at], nodes })
}

impl Rewrite for UnflattenGemm {
    fn name(&self) -> &'static str {
        "UnflattenGemm"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| attempt(graph, matcher, index).unwrap_or(Attempt::No))
    }
}
