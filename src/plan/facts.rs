//! What is known of a stage's values before it is lowered, and what cannot be planned before the host knows more.

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, ValueId};
use crate::lower::builder::Builder;
use crate::lower::storage::{check_dtype, heap_bytes};
use crate::lower::{Fact, Known};
use crate::ops::{LoopParts, Operator, host_values, output_types};
use crate::size::{Size, checked_len, estimates};
use crate::tensor::Tensor;

use super::planner::at;
use super::stage::{Blocked, Stage};

/// The most elements of a value that the host reads back to go on. Guessed: lists of dimensions, axes and ends are far shorter.
const READ_ELEMENTS: i64 = 1 << 12;

/// Types, shapes and host values of every node's outputs, or the nodes that cannot be planned yet.
pub(super) fn find_facts(
    stage: &Stage<'_>,
    inputs: Vec<Fact>,
    builder: &mut Builder,
) -> Result<std::result::Result<Vec<Vec<Fact>>, Blocked>> {
    let graph = &*stage.graph;
    for (value, fact) in graph.values.iter().zip(&mut builder.facts) {
        *fact = value.constant.clone().map(Fact::constant);
    }
    for (&id, fact) in graph.inputs.iter().zip(inputs) {
        builder.facts[id.0 as usize] = Some(fact);
    }
    let mut all = Vec::with_capacity(graph.nodes.len());
    let mut blocked = Blocked::default();
    // By value: why it is not there, if it is not.
    let mut missing = vec![Missing::No; graph.values.len()];
    for (index, (node, operator)) in stage.nodes().enumerate() {
        let state = |id: &ValueId| missing[id.0 as usize];
        let follows = node.inputs.iter().flatten().map(state).max().unwrap_or(Missing::No);
        // What its sequence holds may be for this node to find out.
        let asks = operator.is_of_forms()
            || operator.has_branches()
            || operator.repeats().is_some_and(|repeats| repeats.of_forms);
        let knows = |i: usize| node.inputs.get(i).copied().flatten().is_none_or(|id| state(&id) == Missing::No);
        let looks = match follows {
            Missing::No => true,
            Missing::Form => asks && operator.host_inputs().all(knows),
            Missing::Waits => false,
        };
        let causes = blocked.causes();
        let blocks = looks
            && blocks(graph, (index, operator), builder, &mut blocked).map_err(|error| at(error, node, builder))?;
        if blocks || follows != Missing::No {
            blocked.nodes.push(index);
            let of_form = blocked.causes() == causes && (blocks || follows == Missing::Form);
            let state = if of_form { Missing::Form } else { Missing::Waits };
            node.outputs.iter().flatten().for_each(|id| missing[id.0 as usize] = state);
            continue;
        }
        let facts = node_facts(node, operator, builder).map_err(|error| at(error, node, builder))?;
        for (id, fact) in node.outputs.iter().zip(&facts) {
            if let Some(id) = id {
                builder.facts[id.0 as usize] = Some(fact.clone());
            }
        }
        all.push(facts);
    }
    let Some(&first) = blocked.nodes.first() else { return Ok(Ok(all)) };
    if !blocked.has_a_way() {
        let node = &graph.nodes[first];
        let error =
            Error::unsupported(format!("the operator {}: what its sequence holds is not known", node.operator()));
        return Err(at(error, node, builder));
    }
    Ok(Err(blocked))
}

/// Why a value is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    /// It is.
    No,
    /// It is, or comes from, a sequence or an optional whose contents are not known yet.
    Form,
    /// It comes from a node that waits.
    Waits,
}

/// Whether the node cannot be planned before the host knows a value, or a branch is chosen.
fn blocks(
    graph: &Graph,
    (index, operator): (usize, &dyn Operator),
    builder: &Builder,
    blocked: &mut Blocked,
) -> Result<bool> {
    let node = &*graph.nodes[index];
    let before = blocked.needs.len();
    for i in operator.host_inputs() {
        let Some(id) = node.inputs.get(i).copied().flatten() else { continue };
        let Some(fact) = &builder.facts[id.0 as usize] else { continue };
        if fact.known.is_some() {
            continue;
        }
        check_dtype(fact.dtype)?;
        if checked_len(&fact.shape).map_or(i64::MAX, Size::estimate) > READ_ELEMENTS {
            let message = format!("input {i} decides what is planned and has more than {READ_ELEMENTS} elements");
            return Err(Error::limit(message));
        }
        blocked.needs.push(id);
    }
    let added = blocked.needs.len() > before;
    if !added && operator.has_branches() {
        let condition = node.inputs.first().copied().flatten().and_then(|id| builder.facts[id.0 as usize].as_ref());
        let condition = condition.and_then(Fact::value).map(Tensor::as_slice::<bool>);
        match condition {
            Some(Ok(&[condition])) => blocked.choices.push((index, condition)),
            _ => return Err(Error::shape("the condition is no single bool")),
        }
        return Ok(true);
    }
    if added {
        return Ok(true);
    }
    let known = |i: usize| -> Option<(usize, Tensor)> {
        let id = node.inputs.get(i).copied().flatten()?;
        let open = graph.value(id).constant.is_none();
        open.then(|| Some((i, builder.facts[id.0 as usize].as_ref()?.value()?.clone()))).flatten()
    };
    if operator.is_of_forms() {
        blocked.fixes.extend(operator.host_inputs().filter_map(known).map(|(i, tensor)| (index, i, tensor)));
        return Ok(true);
    }
    let Some(repeats) = operator.repeats() else { return Ok(false) };
    // Whoever knows the trips in advance makes one plan of all; else they come one after the other.
    let parts = LoopParts::of(node)?;
    let fact = |id: Option<ValueId>| id.map(|id| builder.facts[id.0 as usize].as_ref());
    let decided = |fact: Option<Option<&Fact>>| fact.is_none_or(|fact| fact.is_some_and(|fact| fact.known.is_some()));
    let (count, condition) = (fact(parts.count(node)), fact(parts.condition(node)));
    let most = i64::try_from(graph.bodies_left(repeats.nodes)).unwrap_or(i64::MAX);
    let few = repeats.steady && decided(count) && decided(condition) && {
        let count = count.flatten().and_then(Fact::integers).and_then(|list| list.first().copied());
        count.is_some_and(|count| count <= Size::from(most))
    };
    if repeats.of_forms || few {
        let fixes: Vec<_> = (0..2).filter_map(known).map(|(i, tensor)| (index, i, tensor)).collect();
        if fixes.is_empty() && repeats.of_forms {
            let trips = "a loop with sequences or optionals, whose trips are not known before it runs";
            return Err(Error::unsupported(format!("{trips}, or unroll to more nodes than `max_unrolled`")));
        }
        if !fixes.is_empty() {
            blocked.fixes.extend(fixes);
            return Ok(true);
        }
    }
    blocked.loops.push(index);
    Ok(true)
}

fn node_facts(node: &Node, operator: &dyn Operator, builder: &Builder) -> Result<Vec<Fact>> {
    let inputs: Vec<Option<&Fact>> = (node.inputs.iter())
        .map(|id| match id {
            None => Ok(None),
            Some(id) => builder.facts[id.0 as usize]
                .as_ref()
                .map(Some)
                .ok_or_else(|| Error::invalid_model("an input is produced by no earlier node")),
        })
        .collect::<Result<_>>()?;
    let outputs = output_types(operator, node.outputs.len(), &inputs)?;
    for (dtype, shape) in &outputs {
        heap_bytes(*dtype, shape)?;
    }
    let mut known = host_values(operator, &inputs, &outputs)?.map(Vec::into_iter);
    let mut facts = Vec::with_capacity(outputs.len());
    for (dtype, shape) in outputs {
        let known = known.as_mut().and_then(Iterator::next);
        if let Some(value) = known.as_ref().map(Known::estimate)
            && (value.dtype() != dtype || value.shape() != estimates(&shape))
        {
            return Err(Error::internal(format!("evaluated to {value:?}, not {dtype}{shape:?}")));
        }
        facts.push(Fact { dtype, shape, known });
    }
    Ok(facts)
}
