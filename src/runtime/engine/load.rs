//! Weights on their way to the device: a piece a step, so that a large model holds up nobody else's requests.

use std::collections::VecDeque;

use super::Engine;
use crate::runtime::message::Prepared;
use crate::schedule::ModelId;

impl Engine {
    /// Sends a piece of the weights that are on their way, and lets the requests that waited for the last one on.
    pub(super) fn load(&mut self) -> bool {
        let Some(model) = self.loading.front().map(|prepared| prepared.plan.model) else { return false };
        let Some(residency) = self.models.get_mut(&model) else { return false };
        match residency.load(&mut self.executor) {
            Ok(sent) => {
                if residency.loading() {
                    return sent;
                }
                for prepared in self.take_loading(model).into_iter().rev() {
                    self.waiting.push_front(prepared);
                }
            }
            Err(error) => {
                residency.stop_loading(&mut self.executor);
                for prepared in self.take_loading(model) {
                    self.end(prepared, Err(error.clone()));
                }
            }
        }
        true
    }

    /// The requests that wait for this model's weights.
    fn take_loading(&mut self, model: ModelId) -> VecDeque<Prepared> {
        let (taken, rest) = std::mem::take(&mut self.loading).into_iter().partition(|one| one.plan.model == model);
        self.loading = rest;
        taken
    }

    /// Takes out a request that the scheduler does not know of.
    pub(super) fn take_unscheduled(&mut self, which: impl Fn(&Prepared) -> bool) -> Option<Prepared> {
        for queue in [&mut self.waiting, &mut self.loading] {
            if let Some(at) = queue.iter().position(&which) {
                return queue.remove(at);
            }
        }
        None
    }
}
