//! Chains of elementwise operators into one.

use super::matcher::{Attempt, Matcher, output, rewrite, same_shape};
use super::{Outcome, Rewrite};
use crate::graph::{Graph, Node, ValueId};
use crate::ops::Operators;
use crate::ops::elementwise::program::Program;
use crate::ops::elementwise::program_of;
use crate::tensor::DType;

/// Elementwise operators whose results only another one uses join it as a `fascine.Elementwise`, as far as the kernel's
/// bounds allow. Wider integer results stay apart: they are mostly shape arithmetic, which the host does.
#[derive(Debug)]
pub struct FuseElementwise;

/// The node as a chain, with the values that the chain reads.
pub(super) fn chain(graph: &Graph, node: &Node) -> Option<(Program, Vec<ValueId>)> {
    let result = graph.value(output(node)?);
    let kinds = [DType::F32, DType::F16, DType::Bf16, DType::Bool, DType::I8, DType::U8];
    if !result.dtype.is_some_and(|dtype| kinds.contains(&dtype)) {
        return None;
    }
    let inputs: Option<Vec<_>> = node
        .inputs
        .iter()
        .map(|id| match id {
            None => Some(None),
            Some(id) => {
                let value = graph.value(*id);
                Some(Some((value.dtype?, value.constant.as_ref())))
            }
        })
        .collect();
    let (program, read) = program_of(node, &inputs?)?;
    let values = read.iter().map(|&k| node.inputs[k]).collect::<Option<Vec<_>>>()?;
    (!values.is_empty()).then(|| program.with_inputs_once(&values))
}

fn attempt(graph: &Graph, matcher: &Matcher, index: usize) -> Option<Attempt> {
    let root = &graph.nodes[index];
    let result = output(root)?;
    let (mut program, mut values) = chain(graph, root)?;
    let mut members = vec![index];
    let mut near = None;
    'grow: loop {
        for &value in &values {
            let Some((at, node)) = matcher.producer(graph, value) else { continue };
            let Some((inner, reads)) = chain(graph, node) else { continue };
            let uses = members.iter().flat_map(|&m| &graph.nodes[m].inputs).filter(|&&id| id == Some(value)).count();
            if !matcher.used(value, uses) {
                near = Some("an operand is used elsewhere");
                continue;
            }
            if !same_shape(graph, value, result) {
                near = Some("an operand is not provably of the result's shape");
                continue;
            }
            let Some((joined, names)) = Program::join((&inner, &reads), (&program, &values), &value) else {
                near = Some("the chain would exceed the kernel's bounds");
                continue;
            };
            if names.is_empty() {
                continue;
            }
            (program, values) = (joined, names);
            members.push(at);
            continue 'grow;
        }
        break;
    }
    if members.len() == 1 {
        return near.map(Attempt::Near);
    }
    let node = Node {
        name: root.name.clone(),
        domain: "fascine".to_owned(),
        op: "Elementwise".to_owned(),
        opset: 1,
        attrs: program.to_attrs(),
        inputs: values.into_iter().map(Some).collect(),
        outputs: root.outputs.clone(),
    };
    Some(Attempt::Fire { removed: members.split_off(1), nodes: vec![node] })
}

impl Rewrite for FuseElementwise {
    fn name(&self) -> &'static str {
        "FuseElementwise"
    }

    fn apply(&self, graph: &mut Graph, _: &mut Operators) -> Outcome {
        rewrite(graph, |graph, matcher, index| attempt(graph, matcher, index).unwrap_or(Attempt::No))
    }
}
