//! Loops that run trip by trip: one stage for all trips, and one for what follows them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::{After, Blocked, Feed, Stage, make_ready};
use crate::error::{Error, Result};
use crate::graph::prune::{prune, read};
use crate::graph::{Dim, Graph, LoopLimits, Node, ValueId};
use crate::ops::{LoopParts, Operators};
use crate::optimise::{self, Trip};
use crate::plan::Keep;
use crate::tensor::Tensor;

/// A loop and what depends on it. All that the loop reads is there before.
#[derive(Debug)]
pub struct Repeat {
    /// The loop.
    pub node: Arc<Node>,
    /// One trip.
    pub body: Stage<'static>,
    /// By input of the body.
    pub inputs: Vec<Taken>,
    /// The condition, what is carried on, and what is gathered: from outputs of the body, or as they came.
    pub outputs: Vec<Yielded>,
    /// The most trips, where that is limited.
    pub count: Option<Taken>,
    /// Whether to begin; `None` for yes.
    pub condition: Option<Taken>,
    /// What the first trip gets.
    pub carried: Vec<Taken>,
    /// Whether its condition never ends it.
    pub steady: bool,
    rest: Stage<'static>,
}

/// What a stage around a loop takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken {
    /// The number of trips before this one.
    Counter,
    /// That it goes on.
    Condition,
    /// What the last trip gave of it.
    Carried(usize),
    /// What a trip gave for an output that gathers.
    Gathered {
        /// Which of those outputs.
        output: usize,
        /// Which trip.
        trip: usize,
    },
    /// An input of the whole.
    Input(usize),
    /// A constant.
    Value(Tensor),
}

/// Where an output of a trip comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Yielded {
    /// An output of the body.
    Made(usize),
    /// Something that the trip was given.
    Passed(Taken),
}

/// As many dimensions of which nothing is known.
pub(super) fn open_dims(graph: &Graph, id: ValueId) -> Option<Vec<Dim>> {
    let value = graph.value(id);
    let dims = value.shape.as_ref()?;
    Some((0..dims.len()).map(|axis| Dim::Symbol(format!("{}.{axis}", value.name))).collect())
}

impl Stage<'_> {
    /// Runs the loop at `index` trip by trip, once all that it reads is there.
    pub(super) fn repeat(&self, index: usize, blocked: &Blocked, number: u32) -> Result<After> {
        let graph = self.graph.as_ref();
        let node = graph.nodes[index].clone();
        let parts = LoopParts::of(&node)?;
        let place = |id: ValueId| graph.inputs.iter().position(|&input| input == id);
        let is_constant = |id: ValueId| graph.value(id).constant.is_some();
        let is_there = |id: ValueId| is_constant(id) || place(id).is_some();
        let on_host = |id: ValueId| is_constant(id) || place(id).is_some_and(|index| !self.is_resident(index));
        let needs: Vec<ValueId> =
            [parts.count(&node), parts.condition(&node)].into_iter().flatten().filter(|&id| !on_host(id)).collect();
        if !needs.is_empty() || !node.inputs.iter().flatten().all(|&id| is_there(id)) {
            return Ok(After::Split(Box::new(self.split(&blocked.nodes, &needs, false))));
        }
        let taken = |id: ValueId| match (&graph.value(id).constant, place(id)) {
            (Some(tensor), _) => Taken::Value(tensor.clone()),
            (None, place) => Taken::Input(place.unwrap_or(usize::MAX)),
        };
        let carried: Vec<ValueId> = parts.carried(&node).flatten().collect();
        let Trip { graph: mut body, formal, passed } = optimise::one_trip(graph, &node, &parts, true)?;
        let mut operators = Operators::default();
        let mut ready = make_ready(&mut body, &mut operators);
        // A value whose rank changes from trip to trip has none.
        let rank = |body: &Graph, id: ValueId| body.value(id).shape.as_ref().map(Vec::len);
        let made = body.outputs.iter().skip(1);
        let steady_ranks = carried.iter().zip(made).all(|(&from, &to)| rank(graph, from) == rank(&body, to));
        if ready.is_err() || !steady_ranks {
            body = optimise::one_trip(graph, &node, &parts, false)?.graph;
            operators = Operators::default();
            ready = make_ready(&mut body, &mut operators);
        }
        ready.map_err(|error| Error::new(error.kind(), format!("in 'body': {error}")).at_node(&node.name, "Loop"))?;

        let steady = parts.is_steady(&node);
        let inner = |id: ValueId| match formal.iter().position(|&known| known == id) {
            Some(0) => Taken::Counter,
            Some(1) => Taken::Condition,
            Some(k) => Taken::Carried(k - 2),
            None => taken(id),
        };
        let inputs: Vec<Taken> = body.inputs.iter().map(|&id| inner(id)).collect();
        let mut outputs = Vec::with_capacity(passed.len());
        let (mut kept, mut keeps) = (Vec::new(), Vec::new());
        for (k, (&id, passed)) in body.outputs.iter().zip(&passed).enumerate() {
            // Whether to go on is read, unless it is known.
            let passed = if k == 0 && steady { Some(formal[1]) } else { *passed };
            let passed =
                passed.map(&inner).filter(|taken| k > 0 || matches!(taken, Taken::Condition | Taken::Value(_)));
            outputs.push(match passed {
                Some(taken) => Yielded::Passed(taken),
                None => {
                    kept.push(id);
                    keeps.push(if k == 0 { Keep::Read } else { Keep::Resident });
                    Yielded::Made(kept.len() - 1)
                }
            });
        }
        body.outputs = kept;
        prune(&mut body);
        // What the whole gets as bytes stays bytes; what a trip hands to the next stays on the device.
        let feeds = inputs.iter().map(|taken| match taken {
            Taken::Input(index) => self.feed(*index),
            Taken::Carried(_) => Feed::Resident,
            _ => Feed::Tensor,
        });
        let shared = (0..body.values.len())
            .map(|index| graph.values.get(index).is_some_and(|value| value.constant.is_some()) && self.shared[index])
            .collect();
        let body = Stage {
            feeds: feeds.collect(),
            keeps,
            states: Vec::new(),
            operators: operators.of_all(&body)?,
            shared,
            number,
            graph: Cow::Owned(body),
        };
        Ok(After::Repeat(Box::new(Repeat {
            body,
            inputs,
            outputs,
            count: parts.count(&node).map(taken),
            condition: parts.condition(&node).map(taken),
            carried: carried.into_iter().map(taken).collect(),
            steady,
            rest: self.without(index),
            node,
        })))
    }

    /// All nodes but one.
    fn without(&self, index: usize) -> Stage<'static> {
        let mut stage = self.to_owned_stage();
        stage.graph.to_mut().nodes.remove(index);
        stage.operators.remove(index);
        stage
    }
}

impl Repeat {
    /// How far it goes.
    pub fn limits(&self) -> LoopLimits {
        self.rest.graph.limits
    }

    /// What follows so many trips, and what each of its inputs is.
    ///
    /// # Errors
    /// `Unsupported` if there were none, and it is not known what the outputs are then.
    pub fn after(&self, trips: usize, number: u32) -> Result<(Stage<'static>, Vec<Taken>)> {
        let mut stage = self.rest.to_owned_stage();
        let parts = LoopParts::of(&self.node)?;
        let before = stage.graph.inputs.clone();
        let (feeds, mut operators) = (std::mem::take(&mut stage.feeds), Operators::default());
        stage.graph.nodes.iter().zip(&stage.operators).for_each(|(node, operator)| operators.insert(node, operator));
        let graph = stage.graph.to_mut();
        let mut taken: HashSet<String> = graph.values.iter().map(|value| value.name.clone()).collect();
        let carried = self.carried.len();
        let mut given: Vec<(ValueId, Taken, Feed)> = Vec::new();
        let mut nodes = Vec::new();
        for (k, id) in self.node.outputs.iter().enumerate() {
            let Some(id) = *id else { continue };
            if k < carried {
                graph.value_mut(id).shape = None;
                given.push((id, Taken::Carried(k), Feed::Resident));
                continue;
            }
            let output = k - carried;
            let axis = parts.scan_axis(&self.node, output);
            if trips == 0 {
                let empty = optimise::empty_scan(&self.rest.graph, &self.node, &parts, 1 + k, axis);
                let empty = empty
                    .map_err(|reason| Error::unsupported(reason).at_node(&self.node.name, self.node.operator()))?;
                graph.value_mut(id).set_constant(empty);
                continue;
            }
            let dtype = graph.value(id).dtype;
            let mut members = Vec::with_capacity(trips);
            for trip in 0..trips {
                let name = format!("{}/gathered_{output}_{trip}", self.node.name);
                let member = optimise::fresh(graph, &mut taken, name);
                graph.value_mut(member).dtype = dtype;
                members.push(member);
                given.push((member, Taken::Gathered { output, trip }, Feed::Resident));
            }
            let backwards = parts.scans_backwards(&self.node, output);
            nodes.extend(optimise::joined_scans(graph, &mut taken, &self.node, &members, backwards, axis, id));
        }
        graph.nodes.splice(0..0, nodes.into_iter().map(Arc::new));
        let read = read(graph);
        for (index, &id) in before.iter().enumerate() {
            given.push((id, Taken::Input(index), feeds.get(index).copied().unwrap_or(Feed::Tensor)));
        }
        given.retain(|(id, ..)| read[id.0 as usize]);
        graph.inputs = given.iter().map(|(id, ..)| *id).collect();
        stage.feeds = given.iter().map(|(.., feed)| *feed).collect();
        stage.number = number;
        stage.operators = operators.of_all(&stage.graph)?;
        // Constants that are this stage's own.
        stage.shared.resize(self.rest.shared.len(), false);
        Ok((stage, given.into_iter().map(|(_, taken, _)| taken).collect()))
    }
}
