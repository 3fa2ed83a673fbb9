//! Models by which of their inputs and outputs are on the device, apart from the request.

use std::sync::{Arc, Mutex, PoisonError};

use super::model::Inner;
use super::session::Link;
use super::stages::{Given, Staged};
use crate::plan::Keep;
use crate::plan::stage::{Feed, Stage};

/// Inputs that are on the device, and outputs that stay there, each once and in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Residents {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
}

/// Stages of a model, by the session's state and what is on the device besides; the most recently used last.
pub(super) type ByResidents = Mutex<Vec<(Vec<Link>, Residents, Arc<Staged>)>>;

impl Residents {
    /// Of a request with these inputs that keeps these outputs.
    pub(super) fn of(inputs: &[Given], kept: &[usize]) -> Self {
        let inputs = inputs.iter().enumerate().filter(|(_, given)| matches!(given, Given::Device(_)));
        let mut outputs = kept.to_vec();
        outputs.sort_unstable();
        Residents { inputs: inputs.map(|(index, _)| index).collect(), outputs }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.outputs.is_empty()
    }

    /// The stage with these in regions of their own, besides those that are.
    fn stage(&self, whole: &Stage<'static>) -> Stage<'static> {
        let mut stage = whole.clone();
        stage.feeds.resize(stage.graph.inputs.len(), Feed::Tensor);
        stage.keeps.resize(stage.graph.outputs.len(), Keep::Read);
        self.inputs.iter().for_each(|&index| stage.feeds[index] = Feed::Resident);
        self.outputs.iter().for_each(|&index| stage.keeps[index] = Keep::Resident);
        stage
    }
}

impl Inner {
    /// `whole`, which is the model with that state, with these inputs and outputs on the device.
    pub(super) fn with_residents(&self, whole: &Arc<Staged>, state: &[Link], residents: Residents) -> Arc<Staged> {
        if residents.is_empty() {
            return whole.clone();
        }
        let mut known = self.by_residents.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = match known.iter().position(|(links, other, _)| links == state && *other == residents) {
            Some(index) => known.remove(index),
            None => {
                let staged = Staged::new(residents.stage(whole.stage()));
                (state.to_vec(), residents, staged)
            }
        };
        if known.len() >= self.shared.plan_cache {
            known.remove(0);
        }
        let staged = entry.2.clone();
        known.push(entry);
        staged
    }
}
