//! What the scheduler has been given and has not ended.

use std::collections::VecDeque;

use fascine::schedule::{Nanos, RequestId};

/// A request of the scheduler's: one of a stream's, or a batch of them.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) stream: usize,
    /// Index of its plan's true costs.
    pub(super) costs: usize,
    pub(super) arrived: Nanos,
    /// The members of a batch; empty for a request that goes alone.
    pub(super) members: Vec<Nanos>,
    /// Whether anything of it has been issued.
    pub(super) started: bool,
    /// Whether the device was lost with it. One that is wholly issued has completed, for all that the scheduler knows.
    pub(super) lost: bool,
}

/// By request. The scheduler numbers them one after the other, so that a ring does.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    first: u64,
    ring: VecDeque<Option<Job>>,
}

impl Jobs {
    pub(super) fn insert(&mut self, RequestId(id): RequestId, job: Job) {
        let at = (id - self.first) as usize;
        if self.ring.len() <= at {
            self.ring.resize(at + 1, None);
        }
        self.ring[at] = Some(job);
    }

    pub(super) fn get(&self, RequestId(id): RequestId) -> Option<&Job> {
        self.ring.get(id.checked_sub(self.first)? as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, RequestId(id): RequestId) -> Option<&mut Job> {
        self.ring.get_mut(id.checked_sub(self.first)? as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, RequestId(id): RequestId) -> Option<Job> {
        let job = self.ring.get_mut(id.checked_sub(self.first)? as usize)?.take();
        while self.ring.front().is_some_and(Option::is_none) {
            self.ring.pop_front();
            self.first += 1;
        }
        job
    }

    /// Those of which something has been issued.
    pub(super) fn started(&self) -> Vec<RequestId> {
        let ids = self.ring.iter().zip(self.first..);
        ids.filter(|(job, _)| job.as_ref().is_some_and(|job| job.started)).map(|(_, id)| RequestId(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_round() {
        let mut jobs = Jobs::default();
        let job = |stream| Job { stream, costs: 0, arrived: 0, members: Vec::new(), started: stream == 3, lost: false };
        for id in 0..5 {
            jobs.insert(RequestId(id), job(id as usize));
        }
        assert_eq!(jobs.remove(RequestId(1)).unwrap().stream, 1);
        assert_eq!(jobs.remove(RequestId(0)).unwrap().stream, 0);
        assert!(jobs.get(RequestId(1)).is_none() && jobs.remove(RequestId(0)).is_none());
        assert_eq!(jobs.get(RequestId(2)).unwrap().stream, 2);
        assert_eq!(jobs.started(), [RequestId(3)]);
        jobs.insert(RequestId(7), job(7));
        assert_eq!(jobs.get(RequestId(7)).unwrap().stream, 7);
    }
}
