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
use crate::graph::{Graph, Node};
use crate::lower::builder::Builder;
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
    let (from, to) = (*graph.inputs.get(input)?, *graph.outputs.get(output)?);
    let node = maker(graph, output).filter(|node| node.domain.is_empty() && node.op == "Concat")?;
    let (&first, rest) = node.inputs.split_first()?;
    let value = graph.value(from);
    let rank = value.shape.as_ref()?.len() as i64;
    let at = node.int("axis", 0).ok()?;
    let axis = usize::try_from(if at < 0 { at + rank } else { at }).ok().filter(|&axis| axis < rank as usize)?;
    // Rows of packed elements need not begin in a word of their own.
    let in_words = value.dtype.is_some_and(|dtype| Storage::of(dtype) == Storage::Word);
    let alone = graph.outputs.iter().filter(|&&id| id == to).count() == 1;
    (first == Some(from) && !rest.contains(&first) && in_words && alone).then_some(axis)
}

/// The node that makes an output.
pub fn maker(graph: &Graph, output: usize) -> Option<&Node> {
    let id = graph.outputs.get(output)?;
    graph.nodes.iter().map(|node| &**node).find(|node| node.outputs.contains(&Some(*id)))
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

    /// Reserves the places of the outputs that grow.
    pub(super) fn reserve(&self, builder: &mut Builder) -> Result<()> {
        let graph = &*self.stage.graph;
        for (state, axis, room) in self.list() {
            let (input, output) = (graph.inputs[state.input].0 as usize, graph.outputs[state.output].0 as usize);
            if !builder.needed[output] {
                continue;
            }
            let fact = builder.facts[output].clone();
            let fact = fact.ok_or_else(|| Error::internal("an output of which nothing is known"))?;
            let view = match (room.to, &builder.views[input]) {
                (Some(to), _) => roomy(&fact, axis, to, builder)?,
                (None, Some(view)) => View { shape: fact.shape, ..view.clone() },
                (None, None) => return Err(Error::internal("a state that grows where it is not")),
            };
            builder.reserved[output] = Some(view);
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
