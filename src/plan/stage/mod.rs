//! Stages: a model whose plan depends on values that only the device computes is planned in parts.
//!
//! Planning a stage ends in a template, or tells which values are missing ([`Blocked`]). [`Stage::after`] then says what to do:
//! give the host's values of inputs, put a branch in place of its `If`, or split the graph in two: all that can run, and what
//! waits for the values that the first part reads back. What both parts need stays on the device between them. A loop whose trips are
//! not known in advance is a stage of its own, that runs once for each ([`Repeat`]).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::graph::{Form, Graph, Node, ValueId};
use crate::ops::{Operator, Operators};
use crate::optimise;
use crate::size::Program;
use crate::tensor::Tensor;

mod repeat;
mod sources;

pub use repeat::{Repeat, Taken, Yielded};

use super::Keep;
use super::bind::{Key, Symbols};

/// How an input of a stage comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// It goes up with the request; only its shape matters to the plan.
    Tensor,
    /// As [`Feed::Tensor`], and the plan may depend on its values.
    Values,
    /// It is in a region of its own, from an earlier request or stage, or goes up to there.
    Resident,
}

/// A graph that is planned as one, and what lies around it.
#[derive(Clone, Debug)]
pub struct Stage<'a> {
    /// The nodes.
    pub graph: Cow<'a, Graph>,
    /// By input; [`Feed::Tensor`] beyond its end.
    pub feeds: Vec<Feed>,
    /// By output; [`Keep::Read`] beyond its end.
    pub keeps: Vec<Keep>,
    /// By node.
    operators: Vec<Arc<dyn Operator>>,
    /// By value: the key of a constant that it shares with the whole model.
    shared: Vec<bool>,
    /// Tells the constants of this stage from those of others.
    number: u32,
}

/// Why a stage cannot be planned as it is, for all sizes at which it comes out so.
#[derive(Debug)]
pub struct Blocked {
    /// Values that the host has to know first.
    pub needs: Vec<ValueId>,
    /// Nodes with branches, and which one it is: whether the condition holds.
    pub choices: Vec<(usize, bool)>,
    /// Inputs of nodes that become constants: the node, which of its inputs, and the value.
    pub fixes: Vec<(usize, usize, Tensor)>,
    /// Loops that run trip by trip.
    pub loops: Vec<usize>,
    /// The nodes that wait for them, and those that follow.
    pub nodes: Vec<usize>,
    pub(super) program: Program,
    pub(super) key: Key,
}

impl Default for Blocked {
    fn default() -> Self {
        let program = Program::new(crate::size::Trace::default());
        Blocked {
            needs: Vec::new(),
            choices: Vec::new(),
            fixes: Vec::new(),
            loops: Vec::new(),
            nodes: Vec::new(),
            program,
            key: Key::default(),
        }
    }
}

impl Blocked {
    /// Whether it is so at these sizes too.
    pub fn serves(&self, symbols: &Symbols) -> bool {
        self.key == symbols.key && self.program.run(&symbols.sizes).is_some()
    }

    /// Whether anything can be done about it.
    pub(super) fn has_a_way(&self) -> bool {
        self.causes() > 0
    }

    /// In how many ways it is blocked.
    pub(super) fn causes(&self) -> usize {
        self.needs.len() + self.choices.len() + self.fixes.len() + self.loops.len()
    }

    /// The error where no stages are possible.
    pub(super) fn refusal(&self, graph: &Graph) -> Error {
        let node = self.nodes.first().map(|&index| &graph.nodes[index]);
        let values: Vec<&str> = self.needs.iter().map(|&id| graph.value(id).name.as_str()).collect();
        let error = match values.as_slice() {
            [] if self.choices.is_empty() => {
                Error::unsupported("only a request tells how often it repeats, or what it holds")
            }
            [] => Error::unsupported("a branch is chosen by a value that only a request has"),
            values => {
                Error::unsupported(format!("only the device knows {}, which decides the shape", values.join(", ")))
            }
        };
        match node {
            Some(node) => error.at_node(&node.name, node.operator()),
            None => error,
        }
    }
}

/// What to do about a stage that is blocked.
#[derive(Debug)]
pub enum After {
    /// Plan this in its place: it has the same inputs and outputs.
    Instead(Box<Stage<'static>>),
    /// Run one, then the other.
    Split(Box<Split>),
    /// Run a loop, then the rest.
    Repeat(Box<Repeat>),
}

/// A stage in two parts.
#[derive(Debug)]
pub struct Split {
    /// What can run.
    pub first: Stage<'static>,
    /// The rest.
    pub second: Stage<'static>,
    /// By input of the first part: the input of the whole.
    pub first_inputs: Vec<usize>,
    /// By input of the second part.
    pub second_inputs: Vec<Origin>,
    /// By output of the whole.
    pub outputs: Vec<Part>,
}

/// Where an input of a second part comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An input of the whole.
    Input(usize),
    /// An output of the first part.
    Output(usize),
}

/// Which part makes an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first part's output of that number.
    First(usize),
    /// The second part's.
    Second(usize),
}

impl<'a> Stage<'a> {
    /// A stage of nothing.
    pub fn empty() -> Stage<'static> {
        Stage {
            graph: Cow::Owned(Graph::default()),
            feeds: Vec::new(),
            keeps: Vec::new(),
            operators: Vec::new(),
            shared: Vec::new(),
            number: 0,
        }
    }

    /// All of a graph, with inputs that go up and outputs that are read back. Its nodes are parsed, and never again.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidModel` naming a node that cannot be parsed.
    pub fn whole(graph: &'a Graph) -> Result<Self> {
        Self::of(Cow::Borrowed(graph), &mut Operators::default())
    }

    fn of(graph: Cow<'a, Graph>, operators: &mut Operators) -> Result<Self> {
        let operators = operators.of_all(&graph)?;
        let shared = graph.values.iter().map(|value| value.constant.is_some()).collect();
        Ok(Stage { graph, feeds: Vec::new(), keeps: Vec::new(), operators, shared, number: 0 })
    }

    /// As [`Stage::whole`], of a graph of its own, of which `operators` knows the nodes that were parsed before.
    ///
    /// # Errors
    /// As [`Stage::whole`].
    pub fn owned(graph: Graph, operators: &mut Operators) -> Result<Stage<'static>> {
        Stage::of(Cow::Owned(graph), operators)
    }

    /// The nodes with their operators, in order.
    pub(super) fn nodes(&self) -> impl Iterator<Item = (&Node, &dyn Operator)> {
        self.graph.nodes.iter().map(|node| &**node).zip(self.operators.iter().map(|operator| &**operator))
    }

    /// The stage with inputs and outputs that lie in regions of their own.
    pub fn with_residents(&self, inputs: &[usize], outputs: &[usize]) -> Stage<'static> {
        let mut stage = self.to_owned_stage();
        stage.feeds.resize(self.graph.inputs.len(), Feed::Tensor);
        stage.keeps.resize(self.graph.outputs.len(), Keep::Read);
        inputs.iter().for_each(|&index| stage.feeds[index] = Feed::Resident);
        outputs.iter().for_each(|&index| stage.keeps[index] = Keep::Resident);
        stage
    }

    /// How input `index` comes.
    pub fn feed(&self, index: usize) -> Feed {
        self.feeds.get(index).copied().unwrap_or(Feed::Tensor)
    }

    /// What becomes of output `index`.
    pub fn keep(&self, index: usize) -> Keep {
        self.keeps.get(index).copied().unwrap_or(Keep::Read)
    }

    pub(super) fn is_resident(&self, index: usize) -> bool {
        self.feed(index) == Feed::Resident
    }

    /// By value: the key of a constant.
    pub(super) fn keys(&self) -> Vec<Option<u64>> {
        let key = |(index, value): (usize, &crate::graph::Value)| {
            let number = if self.shared.get(index).copied().unwrap_or(false) { 0 } else { self.number };
            value.constant.is_some().then_some(u64::from(number) << 32 | index as u64)
        };
        self.graph.values.iter().enumerate().map(key).collect()
    }

    /// What to plan in place of a stage that is blocked. `number` tells the constants of new graphs from those of others of the
    /// model.
    ///
    /// # Errors
    /// `Unsupported` if a branch that is taken has nodes that cannot run.
    pub fn after(&self, blocked: &Blocked, number: u32) -> Result<After> {
        if !blocked.choices.is_empty() || !blocked.fixes.is_empty() {
            let known = |graph: &mut Graph| {
                fix(graph, &blocked.fixes);
                optimise::take_branches(graph, &blocked.choices);
            };
            return Ok(After::Instead(Box::new(self.remade(known, number)?)));
        }
        if let (Some(&index), true) = (blocked.loops.first(), blocked.needs.is_empty()) {
            return self.repeat(index, blocked, number);
        }
        let mut inputs = self.sources(&blocked.needs);
        inputs.extend((0..self.graph.inputs.len()).filter(|&index| blocked.needs.contains(&self.graph.inputs[index])));
        // What went up with the request the host has; what lies on the device has to be read back first.
        let given: Vec<usize> = inputs.into_iter().filter(|&index| self.feed(index) == Feed::Tensor).collect();
        if given.is_empty() {
            return Ok(After::Split(Box::new(self.split(&blocked.nodes, &blocked.needs, true))));
        }
        let mut stage = self.to_owned_stage();
        stage.feeds.resize(self.graph.inputs.len(), Feed::Tensor);
        for index in given {
            stage.feeds[index] = Feed::Values;
        }
        Ok(After::Instead(Box::new(stage)))
    }

    fn to_owned_stage(&self) -> Stage<'static> {
        Stage {
            graph: Cow::Owned(self.graph.as_ref().clone()),
            feeds: self.feeds.clone(),
            keeps: self.keeps.clone(),
            operators: self.operators.clone(),
            shared: self.shared.clone(),
            number: self.number,
        }
    }

    /// The stage with sequences and optionals among its inputs in these forms, of which each is so many tensors.
    ///
    /// # Errors
    /// `Unsupported` if it has nodes then that cannot run.
    pub fn with_forms(&self, forms: &[Form], number: u32) -> Result<Stage<'static>> {
        self.remade(|graph| optimise::give_forms(graph, forms), number)
    }

    /// The stage with a graph in which more is known.
    fn remade(&self, change: impl FnOnce(&mut Graph), number: u32) -> Result<Stage<'static>> {
        let mut stage = self.to_owned_stage();
        let mut operators = Operators::default();
        self.graph.nodes.iter().zip(&self.operators).for_each(|(node, operator)| operators.insert(node, operator));
        let graph = stage.graph.to_mut();
        change(graph);
        make_ready(graph, &mut operators)?;
        // Constants that folding has made are this graph's own.
        let same = |index: usize| {
            let before = self.graph.values.get(index).and_then(|value| value.constant.as_ref());
            before.is_some() && self.shared.get(index).copied().unwrap_or(false)
        };
        stage.shared = (0..stage.graph.values.len()).map(same).collect();
        stage.number = number;
        stage.operators = operators.of_all(&stage.graph)?;
        Ok(stage)
    }

    /// What is not blocked, and the rest.
    ///
    /// The second part is planned for the values of `needs` where it `knows` them.
    fn split(&self, later: &[usize], needs: &[ValueId], knows: bool) -> Split {
        let graph = self.graph.as_ref();
        let later = |index: usize| later.binary_search(&index).is_ok();
        let nodes = graph.nodes.iter().cloned().zip(self.operators.iter().cloned());
        let (mut first_nodes, mut second_nodes) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for (index, (node, operator)) in nodes.enumerate() {
            let (nodes, operators) = if later(index) { &mut second_nodes } else { &mut first_nodes };
            nodes.push(node);
            operators.push(operator);
        }
        let ((first_nodes, first_operators), (second_nodes, second_operators)) = (first_nodes, second_nodes);
        let made = |nodes: &[Arc<Node>]| -> Vec<bool> {
            let mut made = vec![false; graph.values.len()];
            nodes.iter().flat_map(|node| node.outputs.iter().flatten()).for_each(|id| made[id.0 as usize] = true);
            made
        };
        let (by_first, by_second) = (made(&first_nodes), made(&second_nodes));
        // By value: which output of the first part it is.
        let mut outputs: Vec<(ValueId, Keep)> = Vec::new();
        let mut places: HashMap<ValueId, usize> = HashMap::new();
        let mut output = |id: ValueId, keep: Keep| {
            let place = *places.entry(id).or_insert_with(|| {
                outputs.push((id, keep));
                outputs.len() - 1
            });
            if outputs[place].1 != keep {
                outputs[place].1 = Keep::Both;
            }
            place
        };
        let mut parts = Vec::with_capacity(graph.outputs.len());
        let mut second_outputs: Vec<(ValueId, Keep)> = Vec::new();
        for (index, &id) in graph.outputs.iter().enumerate() {
            parts.push(if by_second[id.0 as usize] {
                second_outputs.push((id, self.keep(index)));
                Part::Second(second_outputs.len() - 1)
            } else {
                Part::First(output(id, self.keep(index)))
            });
        }
        let mut second_inputs: Vec<(ValueId, Origin, Feed)> = Vec::new();
        let read = second_nodes.iter().flat_map(|node| node.inputs.iter().flatten());
        for &id in needs.iter().chain(read) {
            let known = second_inputs.iter().any(|&(known, ..)| known == id);
            if known || by_second[id.0 as usize] || graph.value(id).constant.is_some() {
                continue;
            }
            let needed = needs.contains(&id);
            let input = graph.inputs.iter().position(|&input| input == id);
            let (origin, feed) = match input {
                _ if needed && knows => (Origin::Output(output(id, Keep::Read)), Feed::Values),
                _ if needed => (Origin::Output(output(id, Keep::Read)), Feed::Tensor),
                Some(input) => (Origin::Input(input), self.feed(input)),
                None if by_first[id.0 as usize] => (Origin::Output(output(id, Keep::Resident)), Feed::Resident),
                // Nothing makes it: planning says so.
                None => continue,
            };
            second_inputs.push((id, origin, feed));
        }
        let part = |(nodes, operators), inputs: Vec<ValueId>, outputs: &[(ValueId, Keep)], feeds: Vec<Feed>| {
            let mut part =
                Graph { nodes, inputs, outputs: outputs.iter().map(|&(id, _)| id).collect(), ..graph.clone() };
            part.results = None;
            for &id in &part.inputs {
                // What inference found of a value that the first part makes binds nobody, but for its rank.
                if !graph.inputs.contains(&id) {
                    part.values[id.0 as usize].shape = repeat::open_dims(graph, id);
                }
            }
            Stage {
                graph: Cow::Owned(part),
                feeds,
                keeps: outputs.iter().map(|&(_, keep)| keep).collect(),
                operators,
                shared: self.shared.clone(),
                number: self.number,
            }
        };
        let reads = |id: &ValueId| first_nodes.iter().any(|node| node.inputs.contains(&Some(*id)));
        let first_inputs: Vec<usize> = (0..graph.inputs.len())
            .filter(|&index| {
                let id = graph.inputs[index];
                reads(&id) || outputs.iter().any(|&(output, _)| output == id)
            })
            .collect();
        let first = part(
            (first_nodes, first_operators),
            first_inputs.iter().map(|&index| graph.inputs[index]).collect(),
            &outputs,
            first_inputs.iter().map(|&index| self.feed(index)).collect(),
        );
        let second = part(
            (second_nodes, second_operators),
            second_inputs.iter().map(|&(id, ..)| id).collect(),
            &second_outputs,
            second_inputs.iter().map(|&(.., feed)| feed).collect(),
        );
        let second_inputs = second_inputs.into_iter().map(|(_, origin, _)| origin).collect();
        Split { first, second, first_inputs, second_inputs, outputs: parts }
    }
}

/// Makes a graph runnable in which more is known than before, and optimises it.
fn make_ready(graph: &mut Graph, operators: &mut Operators) -> Result<()> {
    let objections = optimise::prepare(graph, operators);
    optimise::objection::refusal(graph, &objections)?;
    optimise::resolve_outputs(graph);
    optimise::optimise(graph, operators);
    Ok(())
}

/// Makes constants of inputs of nodes.
fn fix(graph: &mut Graph, fixes: &[(usize, usize, Tensor)]) {
    for (index, input, tensor) in fixes {
        let name = format!("{}/input_{input}_{}", graph.nodes[*index].name, graph.values.len());
        let id = graph.add_constant(name, tensor.clone());
        if let Some(input) = Arc::make_mut(&mut graph.nodes[*index]).inputs.get_mut(*input) {
            *input = Some(id);
        }
    }
}
