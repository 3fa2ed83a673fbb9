//! Memory that is used again, so that in steady state nothing is allocated for a submission, a bundle or a lane.

use std::sync::Arc;

use crate::gpu::{EncodedBundle, Finished, Work};
use crate::link::SegmentId;
use crate::link::table::LaneOperand;
use crate::runtime::hold::Region;
use crate::schedule::{Ended, Nanos, RequestId, SubmissionId};

#[derive(Default)]
pub(super) struct Spare {
    works: Vec<Work>,
    pub(super) bundles: Vec<EncodedBundle>,
    pub(super) operands: Vec<Vec<LaneOperand>>,
    /// Parameters of coalesced lanes.
    params: Vec<Arc<[u32]>>,
    /// How many dispatches the bundles of a submission take.
    pub(super) parts: Vec<Vec<usize>>,
    pub(super) nanos: Vec<Nanos>,
    pub(super) bases: Vec<u64>,
    pub(super) lanes_of: Vec<(RequestId, u32)>,
    pub(super) ended: Vec<Ended>,
    pub(super) finished: Vec<Finished>,
    pub(super) segments: Vec<SegmentId>,
    /// Of requests: their regions, and what of them was read back.
    pub(super) regions: Vec<Vec<Region>>,
    pub(super) downloads: Vec<Vec<Option<Vec<u8>>>>,
}

impl Spare {
    /// Work without anything in it.
    pub(super) fn work(&mut self, id: SubmissionId) -> Work {
        let work = self.works.pop().unwrap_or_else(|| Work {
            id,
            clears: Vec::new(),
            uploads: Vec::new(),
            bundles: Vec::new(),
            downloads: Vec::new(),
        });
        Work { id, ..work }
    }

    pub(super) fn give_back(&mut self, mut work: Work) {
        for mut bundle in work.bundles.drain(..) {
            for (_, mut lane) in bundle.lanes.drain(..) {
                lane.operands.clear();
                self.operands.push(lane.operands);
                // Those of a plan are its own.
                if Arc::get_mut(&mut lane.params).is_some() {
                    self.params.push(lane.params);
                }
            }
            bundle.bound.clear();
            self.bundles.push(bundle);
        }
        work.clears.clear();
        work.uploads.clear();
        work.downloads.clear();
        self.works.push(work);
    }

    /// A copy of parameters that is to be changed.
    pub(super) fn params(&mut self, words: &[u32]) -> Arc<[u32]> {
        let Some(at) = self.params.iter().position(|params| params.len() == words.len()) else { return words.into() };
        let mut params = self.params.swap_remove(at);
        if let Some(own) = Arc::get_mut(&mut params) {
            own.copy_from_slice(words);
        }
        params
    }
}
