//! Models by which of their inputs and outputs are on the device, apart from the request.

use std::sync::{Arc, Mutex, PoisonError};

use super::model::Inner;
use super::session::Link;
use super::stages::{Given, Staged};

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
                let stage = whole.stage().with_residents(&residents.inputs, &residents.outputs);
                (state.to_vec(), residents, Staged::new(stage))
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
