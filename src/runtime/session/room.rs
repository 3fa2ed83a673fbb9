//! How much room the states of a session get that grow where they lie.

use super::{Known, Link};
use crate::error::{Error, Result};
use crate::plan::stage::Stage;
use crate::plan::{Room, maker};
use crate::runtime::stages::Given;

/// The least room. Guessed: a region is seldom smaller than that many rows of one head.
const LEAST: usize = 16;

/// The rooms of a request's states.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Rooms {
    /// By state; `None` for one that does not grow where it lies.
    pub(in crate::runtime) list: Vec<Option<Room>>,
    max_len: Option<usize>,
}

impl Rooms {
    /// Those of the states as they are; of states that are given, what there is room for is not known yet.
    pub(super) fn new(stage: &Stage<'_>, inputs: &[Given], known: &[Option<Known>], max_len: Option<usize>) -> Self {
        let states = stage.states.iter().zip(known);
        let room = |(state, known): (&crate::plan::State, &Option<Known>)| {
            state.axis?;
            let lies = match inputs[state.input] {
                Given::State(..) => known.as_ref().and_then(|known| known.room),
                Given::Host(_) | Given::Device(_) => None,
            };
            Some(match lies {
                Some(rows) => Room { from: Some(rows), to: None },
                None => Room { from: None, to: Some(1) },
            })
        };
        Rooms { list: states.map(room).collect(), max_len }
    }

    /// Takes note that a request leaves that many rows of each state: those for which there is no room get more, at least twice as much
    /// as before.
    ///
    /// # Errors
    /// As [`check_len`].
    pub(in crate::runtime) fn outgrown(
        &mut self,
        stage: &Stage<'_>,
        shapes: &[Vec<usize>],
        rows: &[usize],
        most_bytes: u64,
    ) -> Result<()> {
        for ((room, state), &rows) in self.list.iter_mut().zip(&stage.states).zip(rows) {
            let (Some(room), Some(axis)) = (room, state.axis) else { continue };
            let mut shape = shapes[state.input].clone();
            if let Some(max_len) = self.max_len {
                let before = std::mem::replace(&mut shape[axis], rows);
                let after = shape.clone();
                shape[axis] = before;
                let link = Link { output: state.output, input: state.input };
                check_len(stage, link, &shape, &after, max_len)?;
            }
            if room.after().is_some_and(|room| rows < room) {
                continue;
            }
            shape[axis] = 1;
            let row_bytes = shape.iter().fold(4u64, |bytes, &size| bytes.saturating_mul(size as u64)).max(1);
            let most = usize::try_from(most_bytes / row_bytes).unwrap_or(usize::MAX);
            // There is always room for a row more.
            let least = rows.saturating_add(1);
            let wanted = match self.max_len {
                Some(max_len) => max_len.saturating_add(1),
                None => least.checked_next_power_of_two().unwrap_or(least).max(LEAST).min(most),
            };
            room.to = Some(wanted.max(least));
        }
        Ok(())
    }
}

/// Checks that a state does not grow beyond what its session was given.
///
/// # Errors
/// `Limit` naming the node that makes the state, and the shapes before and after the request.
pub(super) fn check_len(stage: &Stage<'_>, link: Link, before: &[usize], after: &[usize], max: usize) -> Result<()> {
    let grows = |(before, after): (&usize, &usize)| after > before && *after > max;
    let Some(axis) = before.iter().zip(after).position(grows) else { return Ok(()) };
    let graph = &stage.graph;
    let [input, output] = [graph.inputs[link.input], graph.outputs[link.output]].map(|id| &graph.value(id).name);
    let rows = after[axis];
    let error = Error::limit(format!(
        "the state '{input}' would grow from {before:?} to {after:?}, to {rows} along dimension {axis}; the session's `max_len` is {max}"
    ));
    Err(match maker(graph, link.output) {
        Some((_, node)) => error.at_node(&node.name, node.operator()),
        None => error.at_node(output, "output"),
    })
}
