//! Inputs that the host has to look at to find a value itself, in place of the device.

use super::{Feed, Stage};
use crate::graph::{Dim, ValueId};

/// Inputs of more elements are data, which the host does not compute with.
const MAX_ELEMENTS: usize = 16;
/// What more values lie behind is more than a mode or a rate that is looked at.
const MAX_VALUES: usize = 64;

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source {
    Input(usize),
    Node(usize),
    /// From nowhere; a constant has no source.
    None,
}

impl Stage<'_> {
    /// The inputs from which some of `needs` follow, each of these from a few integers or bools alone that go up with the request: a mode, a
    /// rate.
    pub(super) fn sources(&self, needs: &[ValueId]) -> Vec<usize> {
        let graph = self.graph.as_ref();
        let mut source = vec![Source::None; graph.values.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            node.outputs.iter().flatten().for_each(|id| source[id.0 as usize] = Source::Node(index));
        }
        graph.inputs.iter().enumerate().for_each(|(index, id)| source[id.0 as usize] = Source::Input(index));
        let mut sources: Vec<usize> =
            needs.iter().filter_map(|&need| self.sources_of(need, &source)).flatten().collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    fn sources_of(&self, need: ValueId, source: &[Source]) -> Option<Vec<usize>> {
        let (mut values, mut next, mut sources) = (vec![need], 0, Vec::new());
        while let Some(&id) = values.get(next) {
            next += 1;
            if self.graph.value(id).constant.is_some() {
                continue;
            }
            match source[id.0 as usize] {
                Source::Input(index) if self.feed(index) != Feed::Resident && self.is_small(id) => sources.push(index),
                Source::Node(index) => {
                    for &id in self.graph.nodes[index].inputs.iter().flatten() {
                        if !values.contains(&id) {
                            values.push(id);
                        }
                    }
                }
                Source::Input(_) | Source::None => return None,
            }
            if values.len() > MAX_VALUES {
                return None;
            }
        }
        Some(sources)
    }

    fn is_small(&self, id: ValueId) -> bool {
        let value = self.graph.value(id);
        let known = |dim: &Dim| match dim {
            Dim::Known(size) => Some(*size),
            Dim::Symbol(_) => None,
        };
        let sizes = value.shape.as_ref().and_then(|shape| shape.iter().map(known).collect::<Option<Vec<usize>>>());
        let count = sizes.and_then(|sizes| sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size)));
        value.dtype.is_some_and(|dtype| !dtype.is_float()) && count.is_some_and(|count| count <= MAX_ELEMENTS)
    }
}
