//! What a name means where it stands.
//!
//! A *level* is a graph in the making, the model's or a subgraph's within it. A *frame* is a range of names in a level: the
//! graph's own, or a function's body whose nodes go into the same graph. Names are looked up in the innermost frame; a
//! subgraph's frame goes on in the frame around it, and what it finds there becomes an input of the subgraph.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::body::Importer;
use super::model::Opsets;
use super::proto::TensorProto;
use crate::error::{Error, Result};
use crate::graph::{Attr, Graph, Value, ValueId};

/// Frames that may be open at once: calls in calls and graphs in graphs. A guess that keeps recursion far below any stack.
const MAX_FRAMES: usize = 48;

/// An initialiser before anything reads it.
pub(super) enum Weight<'p> {
    Own(Box<TensorProto>),
    Shared(&'p TensorProto),
    Sparse,
}

/// A range of names.
#[derive(Default)]
pub(super) struct Frame<'p> {
    /// `None` for a function's input that the call leaves out.
    pub(super) names: HashMap<&'p str, Option<ValueId>>,
    pub(super) opsets: Opsets,
    /// Leads the names of nodes and values.
    pub(super) prefix: String,
    /// In a function, its attributes.
    pub(super) call: Option<BTreeMap<String, Attr>>,
    pub(super) weights: HashMap<String, Weight<'p>>,
}

impl<'p> Frame<'p> {
    /// Of a function's body, with the values of its inputs and its attributes.
    pub(super) fn of_call(
        names: HashMap<&'p str, Option<ValueId>>,
        opsets: Opsets,
        prefix: String,
        attrs: BTreeMap<String, Attr>,
    ) -> Self {
        Frame { names, opsets, prefix, call: Some(attrs), weights: HashMap::new() }
    }
}

/// A graph in the making.
#[derive(Default)]
pub(super) struct Level<'p> {
    pub(super) graph: Graph,
    pub(super) frames: Vec<Frame<'p>>,
    /// Names of values.
    taken: HashSet<String>,
    /// Values of the level around it, and the inputs that they are here.
    pub(super) captures: Vec<(ValueId, ValueId)>,
    /// Constants to decode if they are needed in the end.
    pub(super) weights: BTreeMap<ValueId, (String, Weight<'p>)>,
}

impl Level<'_> {
    /// A new value, with that name or one like it.
    pub(super) fn add(&mut self, wanted: String) -> ValueId {
        let mut name = wanted.clone();
        let mut count = 1;
        while !self.taken.insert(name.clone()) {
            count += 1;
            name = format!("{wanted}_{count}");
        }
        self.graph.add_value(Value { name, ..Value::default() })
    }
}

impl<'p> Importer<'p, '_> {
    pub(super) fn level(&mut self) -> &mut Level<'p> {
        self.levels.last_mut().expect("a level is open")
    }

    pub(super) fn frame(&mut self) -> &mut Frame<'p> {
        self.level().frames.last_mut().expect("a frame is open")
    }

    pub(super) fn enter(&mut self, frame: Frame<'p>) -> Result<()> {
        if self.levels.iter().map(|level| level.frames.len()).sum::<usize>() >= MAX_FRAMES {
            return Err(Error::unsupported(format!("calls of functions and subgraphs nest deeper than {MAX_FRAMES}")));
        }
        self.level().frames.push(frame);
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.level().frames.pop();
    }

    /// Binds a name of the innermost frame, unless it is bound.
    pub(super) fn bind(&mut self, name: &'p str, id: ValueId) -> bool {
        let names = &mut self.frame().names;
        let free = !names.contains_key(name);
        if free {
            names.insert(name, Some(id));
        }
        free
    }

    /// The value of an output's name, where something reads it.
    pub(super) fn declared(&mut self, name: &str) -> Option<ValueId> {
        self.frame().names.get(name).copied().flatten()
    }

    /// What `name` is in the innermost frame of that level; outer `None` if it is nothing.
    pub(super) fn resolve(&mut self, level: usize, name: &'p str) -> Option<Option<ValueId>> {
        let at = &mut self.levels[level];
        let frame = at.frames.last_mut().expect("a frame is open");
        if let Some(&known) = frame.names.get(name) {
            return Some(known);
        }
        if let Some(weight) = frame.weights.remove(name) {
            let value = format!("{}{name}", frame.prefix);
            let id = at.add(value);
            at.weights.insert(id, (name.to_owned(), weight));
            at.frames.last_mut().expect("as above").names.insert(name, Some(id));
            return Some(Some(id));
        }
        if frame.call.is_some() || level == 0 {
            return None;
        }
        let outer = self.resolve(level - 1, name)?;
        let inner = outer.map(|outer| {
            let wanted = self.levels[level - 1].graph.value(outer).name.clone();
            let at = &mut self.levels[level];
            let inner = at.add(wanted);
            at.captures.push((outer, inner));
            inner
        });
        self.levels[level].frames.last_mut().expect("as above").names.insert(name, inner);
        Some(inner)
    }

    /// The value that a node's input names.
    pub(super) fn input(&mut self, name: &'p str) -> Result<Option<ValueId>> {
        self.resolve(self.levels.len() - 1, name)
            .ok_or_else(|| Error::invalid_model(format!("input '{name}' is the output of no node and no initialiser")))
    }

    /// The attribute of that name of the function around, if the call gives it.
    pub(super) fn reference(&self, name: &str) -> Result<Option<Attr>> {
        let call = self.levels.iter().rev().find_map(|level| level.frames.last().and_then(|frame| frame.call.as_ref()));
        let call = call.ok_or_else(|| {
            Error::invalid_model(format!("a reference to the attribute '{name}' outside any function"))
        })?;
        Ok(call.get(name).cloned())
    }
}
