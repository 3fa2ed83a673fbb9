//! State that requests of a session hand on: what passes through unchanged, and what grows where it lies.
//!
//! A cache of keys and values is mostly the past with a Concat of further rows behind it. Such a state lies in a region with *room* for
//! more rows than there are: a request writes its own behind the others, where everything reads them, and no row is copied. Where the room is
//! not enough, the request leaves the state in a larger region and copies it there once. A request never writes rows that were
//! there before it, so that one that fails leaves the state as it was.
//!
//! Rooms are symbols of the template. There is always room for a row more than there are: no choice then depends on whether the rows of
//! one head end where those of the next begin.

use crate::error::{Error, Result};
use crate::graph::{Graph, Node, ValueId};
use crate::lower::builder::{Builder, Reserved};
use crate::lower::storage::{Storage, heap_bytes};
use crate::lower::{Fact, View};
use crate::size::Size;

use super::stage::Stage;

/// An output that is an input of the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Which input.
    pub input: usize,
    /// Which output.
    pub output: usize,
    /// The dimension along which it grows, if a Concat puts rows behind the input.
    pub axis: Option<usize>,
}

/// For how many rows there is room where a state that grows lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room<N = usize> {
    /// Where the input lies; `None` if it lies as tensors come and go.
    pub from: Option<N>,
    /// Where the output lies; `None` if that is where the input does.
    pub to: Option<N>,
}

impl<N: Copy> Room<N> {
    /// Where the output lies.
    pub fn after(&self) -> Option<N> {
        self.to.or(self.from)
    }

    pub(super) fn map<M>(&self, mut number: impl FnMut(N) -> M) -> Room<M> {
        Room { from: self.from.map(&mut number), to: self.to.map(&mut number) }
    }
}

impl State {
    /// The state that an output and an input of a graph are.
    pub(super) fn new(graph: &Graph, input: usize, output: usize) -> State {
        State { input, output, axis: axis(graph, input, output) }
    }
}

/// The dimension along which the output is the input and further rows.
fn axis(graph: &Graph, input: usize, output: usize) -> Option<usize> {
    let from = *graph.inputs.get(input)?;
    let (_, node) = maker(graph, output).filter(|(_, node)| node.domain.is_empty() && node.op == "Concat")?;
    let (&first, rest) = node.inputs.split_first()?;
    let value = graph.value(from);
    let rank = value.shape.as_ref()?.len() as i64;
    let at = node.int("axis", 0).ok()?;
    let axis = usize::try_from(if at < 0 { at + rank } else { at }).ok().filter(|&axis| axis < rank as usize)?;
    // Rows of packed elements need not begin in a word of their own.
    let in_words = value.dtype.is_some_and(|dtype| Storage::of(dtype) == Storage::Word);
    (first == Some(from) && !rest.contains(&first) && in_words).then_some(axis)
}

/// The node that makes an output, and which value of it that is; an Identity makes nothing.
pub fn maker(graph: &Graph, output: usize) -> Option<(ValueId, &Node)> {
    let mut id = *graph.outputs.get(output)?;
    // Nodes come before those that read them.
    for node in graph.nodes.iter().rev() {
        if !node.outputs.contains(&Some(id)) {
            continue;
        }
        match (node.op.as_str(), node.inputs.first()) {
            ("Identity", Some(&Some(same))) if node.domain.is_empty() => id = same,
            _ => return Some((id, node)),
        }
    }
    None
}

/// The rooms of a stage's states, as sizes.
pub(super) struct Rooms<'a> {
    pub(super) stage: &'a Stage<'a>,
    /// By state.
    rooms: Vec<Option<Room<Size>>>,
}

impl<'a> Rooms<'a> {
    pub(super) fn new(stage: &'a Stage<'a>, rooms: Vec<Option<Room<Size>>>) -> Self {
        Rooms { stage, rooms }
    }

    fn list(&self) -> impl Iterator<Item = (State, usize, Room<Size>)> {
        self.stage.states.iter().zip(&self.rooms).filter_map(|(state, room)| Some((*state, state.axis?, (*room)?)))
    }

    /// Where an input lies.
    pub(super) fn input(&self, index: usize, fact: &Fact, builder: &mut Builder) -> Result<View> {
        match self.of_input(index) {
            Some((axis, rows)) => roomy(fact, axis, rows, builder),
            None => {
                let buffer = builder.activation(heap_bytes(fact.dtype, &fact.shape)?);
                Ok(View::at_rest(buffer, fact.dtype, &fact.shape))
            }
        }
    }

    /// The axis and room of an input.
    pub(super) fn of_input(&self, input: usize) -> Option<(usize, Size)> {
        self.list().find(|(state, ..)| state.input == input).and_then(|(_, axis, room)| Some((axis, room.from?)))
    }

    /// The room of an output.
    pub(super) fn of_output(&self, output: usize) -> Option<Size> {
        self.list().find(|(state, ..)| state.output == output).and_then(|(.., room)| room.after())
    }

    /// The rows of every state after the request, if there is no room for one of them. By state; 0 for one that does not grow.
    pub(super) fn outgrown(&self, builder: &Builder) -> Option<Vec<usize>> {
        let rows = |state: &State| {
            let id = self.stage.graph.outputs[state.output];
            let fact = builder.facts[id.0 as usize].as_ref();
            fact.zip(state.axis).map_or(Size::ZERO, |(fact, axis)| fact.shape[axis])
        };
        let fits = |(state, _, room): (State, usize, Room<Size>)| room.after().is_some_and(|room| rows(&state) < room);
        // Each is asked, so that the template has a guard for each.
        let all: Vec<bool> = self.list().map(fits).collect();
        let estimate = |state: &State| usize::try_from(rows(state).estimate()).unwrap_or(usize::MAX);
        all.contains(&false).then(|| self.stage.states.iter().map(estimate).collect())
    }

    /// Whether an output is the state that came in, or its beginning, where it lies.
    pub(super) fn passes(&self, output: usize, view: &View, builder: &Builder) -> bool {
        let state = self.stage.states.iter().find(|state| state.output == output);
        let came = state.and_then(|state| builder.views[self.stage.graph.inputs[state.input].0 as usize].as_ref());
        let there = came.is_some_and(|came| came.buffer == view.buffer && came.storage == view.storage);
        there && view.offset.is_zero() && view.is_row_major()
    }

    /// Where an output lies, if that was settled before anything was lowered.
    pub(super) fn place<'b>(&self, output: usize, builder: &'b Builder) -> Option<&'b View> {
        let (id, _) = self.of_output(output).and_then(|_| maker(&self.stage.graph, output))?;
        builder.reserved[id.0 as usize].as_ref().map(|reserved| &reserved.view)
    }

    /// Reserves the places of the outputs that grow.
    pub(super) fn reserve(&self, builder: &mut Builder) -> Result<()> {
        let graph = &*self.stage.graph;
        for (state, axis, room) in self.list() {
            let Some((output, _)) = maker(graph, state.output) else { continue };
            let (input, output) = (graph.inputs[state.input].0 as usize, output.0 as usize);
            if !builder.needed[output] {
                continue;
            }
            let fact = builder.facts[output].clone();
            let fact = fact.ok_or_else(|| Error::internal("an output of which nothing is known"))?;
            // Stages that were made anew have other nodes, perhaps.
            if State::new(graph, state.input, state.output).axis != Some(axis) {
                let name = &graph.value(graph.outputs[state.output]).name;
                return Err(Error::internal(format!("the state '{name}' does not grow any more")));
            }
            let view = match (room.to, &builder.views[input]) {
                (Some(to), _) => roomy(&fact, axis, to, builder)?,
                (None, Some(view)) => View { shape: fact.shape, ..view.clone() },
                (None, None) => return Err(Error::internal("a state that grows where it is not")),
            };
            builder.reserved[output] = Some(Reserved { view, begun: room.to.is_none() });
        }
        Ok(())
    }
}

/// A view of a buffer of its own with room for `rows` along an axis.
fn roomy(fact: &Fact, axis: usize, rows: Size, builder: &mut Builder) -> Result<View> {
    let mut whole = fact.shape.clone();
    whole[axis] = rows;
    let buffer = builder.activation(heap_bytes(fact.dtype, &whole)?);
    Ok(View { shape: fact.shape.clone(), ..View::at_rest(buffer, fact.dtype, &whole) })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::Attr;
    use crate::graph::builder::GraphBuilder;
    use crate::lower::{DeviceClass, Target, Tuning};
    use crate::plan::bind::Symbols;
    use crate::plan::{Location, Plan, Source, Traced, traced};
    use crate::tensor::DType;

    const TARGET: Target = Target {
        class: DeviceClass::Gpu,
        parallelism: 2,
        max_binding_bytes: 1 << 20,
        subgroup_size: 32,
        tuning: Tuning::NONE,
    };

    /// `present`: `past` and `x` by their third dimension; and the softmax of `q` times all that, transposed.
    fn decoder() -> Graph {
        let mut b = GraphBuilder::new(17);
        let past = b.input("past", DType::F32, ["1", "3", "p", "8"]);
        let x = b.input("x", DType::F32, ["1", "3", "n", "8"]);
        let q = b.input("q", DType::F32, ["1", "3", "n", "8"]);
        let present = b.node("Concat", [past, x], [("axis", Attr::Int(-2))]);
        let keys = b.node("Transpose", [present], [("perm", Attr::Ints(vec![0, 1, 3, 2]))]);
        let scores = b.node("MatMul", [q, keys], []);
        let y = b.node("Softmax", [scores], [("axis", Attr::Int(-1))]);
        b.finish([present, y])
    }

    fn at(past: usize, new: usize) -> Vec<Vec<usize>> {
        vec![vec![1, 3, past, 8], vec![1, 3, new, 8], vec![1, 3, new, 8]]
    }

    /// Region and words of the copies into the state: an invocation takes one.
    fn copied(plan: &Plan) -> (u16, u64) {
        let Source::Device(state) = &plan.outputs[0].source else { panic!("a state on the device") };
        let Location::Activation { region, offset: 0 } = state.location else { panic!("a region from its start") };
        let copies = plan.dispatches.iter().filter(|one| one.variant.kernel().name.starts_with("copy"));
        let len = |one: &crate::plan::Dispatch| u64::from(one.params[0]);
        (region, copies.map(len).sum())
    }

    #[test]
    fn one_template_serves_every_length_and_room() {
        let graph = decoder();
        let stage = Stage::whole(&graph).unwrap().with_states(&[(0, 0)]);
        assert_eq!(stage.states, [State { input: 0, output: 0, axis: Some(2) }]);
        let weights = Arc::default();
        let trace = |past, new, room| traced(&stage, &at(past, new), &[], &[Some(room)], &weights, &TARGET).unwrap();
        for (room, words) in [
            (Room { from: Some(16), to: None }, 24),
            (Room { from: Some(16), to: Some(32) }, 24 * 8),
            (Room { from: None, to: Some(16) }, 24 * 8),
        ] {
            let Traced::Template(template) = trace(7, 1, room) else { panic!("a template at {room:?}") };
            let bind = |past, new, more: usize| {
                let room = room.map(|rows| rows * more);
                let symbols = Symbols::of(&graph, &at(past, new), &[], &[Some(room)]).unwrap();
                template.bind(&symbols)
            };
            let plan = bind(7, 1, 1).unwrap();
            let input = plan.inputs[0].operand.unwrap();
            let Location::Activation { region, offset: 0 } = input.location else { panic!("a region from its start") };
            assert_eq!(copied(&plan).1, words);
            assert_eq!(copied(&plan).0 != region, room.to.is_some(), "{room:?}");
            let rows = room.after().unwrap();
            assert_eq!(plan.regions[usize::from(copied(&plan).0)], 3 * 8 * 4 * rows as u64);
            assert_eq!((plan.inputs[0].room, plan.outputs[0].room), (room.from, Some(rows)));
            for (past, more) in [(8, 1), (14, 1), (15, 2), (31, 4), (62, 4), (40, 32)] {
                assert!(bind(past, 1, more).is_some(), "{room:?}: {past} rows, {more} times the room");
            }
            // No row would be left over.
            assert!(bind(rows - 1, 1, 1).is_none());
            let Traced::Outgrown(after) = trace(rows - 1, 1, room) else { panic!("outgrown at {room:?}") };
            assert_eq!(after, [rows]);
        }
    }

    #[test]
    fn only_what_lies_before_further_rows_grows() {
        let graph = |inputs: [usize; 2], dtype: DType| {
            let mut b = GraphBuilder::new(17);
            let past = b.input("past", dtype, ["p", "2"]);
            let x = b.input("x", dtype, ["n", "2"]);
            let all = b.node("Concat", inputs.map(|at| [past, x][at]), [("axis", Attr::Int(0))]);
            b.finish([all])
        };
        let axis = |graph: &Graph| State::new(graph, 0, 0).axis;
        assert_eq!(axis(&graph([0, 1], DType::F32)), Some(0));
        assert_eq!(axis(&graph([0, 1], DType::I64)), Some(0));
        // Behind an Identity too.
        let mut behind = graph([0, 1], DType::F32);
        let same = behind.add_value(crate::graph::Value { name: "same".into(), ..Default::default() });
        let (op, inputs) = ("Identity".to_owned(), vec![Some(behind.outputs[0])]);
        behind.add_node(Node { op, opset: 17, inputs, outputs: vec![Some(same)], ..Node::default() });
        behind.outputs[0] = same;
        assert_eq!(axis(&behind), Some(0));
        for (inputs, dtype) in [([1, 0], DType::F32), ([0, 0], DType::F32), ([0, 1], DType::F16)] {
            assert_eq!(axis(&graph(inputs, dtype)), None);
        }
    }
}
