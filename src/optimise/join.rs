//! Products of one tensor with several constant matrices.

use std::collections::BTreeMap;

use super::matcher::{Attempt, Matcher, input, is_f32, output, pair, rewrite, scalar};
use super::{Outcome, Rewrite};
use crate::graph::{Attr, Dim, Graph, Kind, Node, Value, ValueId};
use crate::ops::Operators;
use crate::tensor::Tensor;

/// MatMuls of one tensor with constant matrices, each perhaps with a bias, are one MatMul with the matrices beside each other and
/// a Split: queries, keys and values, or both sides of a gated layer. Each number is the sum that it was, in its order. Only where
/// what follows reads a part as it lies: the heads' Reshape and Transpose, or the gate's product.
#[derive(Debug)]
pub struct JoinProducts;

/// Parts begin where a vector of four does.
const ALIGNED: usize = 4;

/// A product that may be joined.
#[derive(Clone, Copy)]
struct Member {
    product: usize,
    left: ValueId,
    weight: ValueId,
    /// The node that adds a bias, and the bias.
    bias: Option<(usize, ValueId)>,
    result: ValueId,
    columns: usize,
    /// Whether what follows could have joined the product.
    loses: bool,
}

/// What reads each value.
fn readers(graph: &Graph) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); graph.values.len()];
    for (index, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().flatten().for_each(|id| readers[id.0 as usize].push(index));
    }
    readers
}

/// Whether everything that reads the value reads it as it lies; and then whether that costs a dispatch.
fn follows(graph: &Graph, readers: &[Vec<usize>], id: ValueId) -> Option<bool> {
    let of = |id: ValueId| &readers[id.0 as usize];
    let is = |index: usize, op: &str| graph.nodes[index].domain.is_empty() && graph.nodes[index].op == op;
    let splits_heads = |index: usize| {
        is(index, "Transpose")
            || is(index, "Reshape")
                && output(&graph.nodes[index]).is_some_and(|y| {
                    !of(y).is_empty() && of(y).iter().all(|&next| is(next, "Transpose")) && !graph.outputs.contains(&y)
                })
    };
    let by_constant = |index: usize| {
        is(index, "Mul") && graph.nodes[index].inputs.iter().flatten().any(|&other| scalar(graph, other).is_some())
    };
    let gates = |index: usize| is(index, "Mul") || is(index, "Sigmoid");
    let all = of(id);
    if all.is_empty() || graph.outputs.contains(&id) {
        None
    } else if all.iter().all(|&index| splits_heads(index)) {
        Some(false)
    } else if all.len() == 1 && by_constant(all[0]) {
        Some(true)
    } else {
        all.iter().all(|&index| gates(index) && !by_constant(index)).then_some(false)
    }
}

fn member(graph: &Graph, matcher: &Matcher, readers: &[Vec<usize>], index: usize) -> Option<Member> {
    let node = &graph.nodes[index];
    if !node.domain.is_empty() || node.op != "MatMul" {
        return None;
    }
    let ([left, weight], mut result) = (pair(node)?, output(node)?);
    let constant = |id: ValueId| graph.value(id).constant.as_ref();
    let &[_, columns] = constant(weight)?.shape() else { return None };
    let rank = graph.value(left).shape.as_ref()?.len();
    // Of a matrix that another product reads as well there would be two.
    let shared = !matcher.used(weight, 1);
    if shared
        || constant(left).is_some()
        || rank < 2
        || columns % ALIGNED != 0
        || !is_f32(graph, left)
        || !is_f32(graph, weight)
    {
        return None;
    }
    let mut bias = None;
    if let (true, &[next]) = (matcher.used(result, 1), readers[result.0 as usize].as_slice()) {
        let add = &graph.nodes[next];
        let added = pair(add).filter(|_| add.domain.is_empty() && add.op == "Add");
        let added = added.map(|[a, b]| if a == result { b } else { a });
        let added =
            added.filter(|&id| constant(id).is_some_and(|t| t.shape() == [columns] && t.as_slice::<f32>().is_ok()));
        if let Some(added) = added {
            bias = Some((next, added));
            result = output(add)?;
        }
    }
    let loses = follows(graph, readers, result)?;
    Some(Member { product: index, left, weight, bias, result, columns, loses })
}

/// The first members, up to another product: those that are wanted later would take memory until then.
fn together(graph: &Graph, mut members: Vec<Member>) -> Vec<Member> {
    let heavy = |node: &Node| ["Attention", "Conv", "Gemm", "MatMul"].contains(&node.op.as_str());
    let apart = |pair: &[Member]| graph.nodes[pair[0].product + 1..pair[1].product].iter().any(|node| heavy(node));
    if let Some(first) = members.windows(2).position(apart) {
        members.truncate(first + 1);
    }
    members
}

/// Matrices beside each other.
fn beside(matrices: &[&Tensor]) -> Option<Tensor> {
    let depth = *matrices.first()?.shape().first()?;
    let columns = matrices.iter().map(|matrix| matrix.shape()[1]);
    let rows = matrices.iter().map(|matrix| matrix.as_slice::<f32>()).collect::<Result<Vec<_>, _>>().ok()?;
    let mut joined = Vec::with_capacity(rows.iter().map(|matrix| matrix.len()).sum());
    for row in 0..depth {
        for (matrix, columns) in rows.iter().zip(columns.clone()) {
            joined.extend_from_slice(&matrix[row * columns..(row + 1) * columns]);
        }
    }
    Tensor::new([depth, columns.sum()], joined).ok()
}

fn join(graph: &mut Graph, members: &[Member]) -> Option<Attempt> {
    let first = graph.nodes[members[0].product].clone();
    let constant = |id: ValueId| graph.value(id).constant.as_ref();
    let weights: Option<Vec<&Tensor>> = members.iter().map(|member| constant(member.weight)).collect();
    let weight = beside(&weights?)?;
    let mut biases: Vec<f32> = Vec::new();
    for member in members {
        match member.bias {
            Some((_, bias)) => biases.extend_from_slice(constant(bias)?.as_slice::<f32>().ok()?),
            None => biases.resize(biases.len() + member.columns, 0.0),
        }
    }
    let columns = biases.len();
    let mut shape = graph.value(members[0].result).shape.clone()?;
    *shape.last_mut()? = Dim::Known(columns);
    let name = format!("{}+joined", first.name);
    let value = |graph: &mut Graph, what: &str| {
        let (name, dtype) = (format!("{name}.{what}"), graph.value(members[0].result).dtype);
        graph.add_value(Value { name, dtype, shape: Some(shape.clone()), constant: None, kind: Kind::Tensor })
    };
    let weight = graph.add_constant(format!("{name}.weight"), weight);
    let product = value(graph, "product");
    let operands = vec![Some(members[0].left), Some(weight)];
    let mut nodes =
        vec![Node { name: name.clone(), inputs: operands, outputs: vec![Some(product)], ..Node::clone(&first) }];
    let mut whole = product;
    if members.iter().any(|member| member.bias.is_some()) {
        let bias = graph.add_constant(format!("{name}.bias"), Tensor::new([columns], biases).ok()?);
        whole = value(graph, "sum");
        nodes.push(Node {
            name: name.clone(),
            op: "Add".to_owned(),
            inputs: vec![Some(product), Some(bias)],
            outputs: vec![Some(whole)],
            ..Node::clone(&first)
        });
    }
    let sizes: Vec<i64> = members.iter().map(|member| member.columns as i64).collect();
    let sizes = graph.add_constant(format!("{name}.columns"), Tensor::new([sizes.len()], sizes).ok()?);
    nodes.push(Node {
        name,
        op: "Split".to_owned(),
        opset: 13,
        attrs: [("axis".to_owned(), Attr::Int(-1))].into(),
        inputs: vec![Some(whole), Some(sizes)],
        outputs: members.iter().map(|member| Some(member.result)).collect(),
        ..Node::default()
    });
    let added = members.iter().filter_map(|member| member.bias.map(|(add, _)| add));
    let removed = members[1..].iter().map(|member| member.product).chain(added).collect();
    Some(Attempt::Fire { removed, nodes })
}

impl Rewrite for JoinProducts {
    fn name(&self) -> &'static str {
        "JoinProducts"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        let readers = readers(graph);
        rewrite(graph, |graph, matcher, index| {
            let Some(first) = input(&graph.nodes[index], 0).filter(|_| graph.nodes[index].op == "MatMul") else {
                return Attempt::No;
            };
            let Some(others) = readers.get(first.0 as usize).filter(|others| others.len() > 1) else {
                return Attempt::No;
            };
            let members: BTreeMap<usize, Member> = (others.iter().filter(|&&other| other >= index))
                .filter_map(|&other| Some((other, member(graph, matcher, &readers, other)?)))
                .filter(|(_, member)| member.left == first)
                .collect();
            let members = together(graph, members.into_values().collect());
            if members.first().is_none_or(|member| member.product != index) || members.len() < 2 {
                return Attempt::No;
            }
            let lost = members.iter().filter(|member| member.loses).count();
            if lost + 1 >= members.len() {
                return Attempt::Near("what follows the products could join them instead");
            }
            join(graph, &members).unwrap_or(Attempt::No)
        })
    }
}
