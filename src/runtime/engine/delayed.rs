//! A submission that the device has no staging for while others are in flight. Its requests were promised theirs, so that it goes
//! when these are done; only lane tables that the device cannot hold make it fail.

use super::{Engine, InFlight};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Promise, Work};
use crate::schedule::SubmissionId;

/// Whether the same work may go later, or its failure harms nobody else.
pub(super) fn is_shortage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Memory | ErrorKind::Limit)
}

impl Engine {
    /// Sends the submission that waits for staging, if there is one. Whether anything came of it.
    pub(super) fn send_delayed(&mut self) -> Result<bool> {
        let Some(work) = self.delayed.take() else { return Ok(false) };
        let id = work.id;
        match self.executor.submit_ref(&work) {
            Ok(()) => {
                self.spare.give_back(*work);
                Ok(true)
            }
            Err(error) if is_shortage(&error) && self.executor.is_busy() => {
                self.delayed = Some(work);
                Ok(false)
            }
            Err(error) if is_shortage(&error) => {
                self.fail_submission(id, &work, &error);
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    fn fail_submission(&mut self, id: SubmissionId, work: &Work, error: &Error) {
        self.executor.release(Promise::of(work));
        let Some(InFlight { bundles, .. }) = self.in_flight.remove(&id) else { return };
        for lane in bundles.iter().flat_map(|bundle| &bundle.lanes) {
            let Some(active) = self.active.get(&lane.request) else { continue };
            let error =
                Error::new(error.kind(), format!("a request of '{}': {}", active.prepared.plan.name, error.message()));
            self.fail(lane.request, error);
        }
        self.scheduler.retire(id, Some(&[]), self.clock.now());
        self.take_ended();
    }
}
