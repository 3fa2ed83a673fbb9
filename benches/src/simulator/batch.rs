//! Batching of requests of one model, as a server in front of the device does it (arm B4).
//!
//! Requests of a stream queue. A batch leaves when the device has room for it and the queue holds as many as a batch may,
//! or its first request has waited for the delay window; among several such queues the one whose first request is oldest.
//! Requests whose deadlines have passed by then are refused, as a queue with timeouts does.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Stream;
use fascine::schedule::{DispatchDesc, Nanos, PlanDesc};

/// Batches on the device at the same time: one runs while the next waits, so that the device never idles between them.
const OUTSTANDING: usize = 2;

#[derive(Debug)]
pub(super) struct Batcher {
    window: Nanos,
    most: usize,
    queues: Vec<VecDeque<Nanos>>,
}

/// Requests of a stream that go together, and those that are too late.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) stream: usize,
    pub(super) arrivals: Vec<Nanos>,
    pub(super) late: Vec<Nanos>,
}

impl Batcher {
    pub(super) fn new(window: Nanos, most: u32, streams: usize) -> Self {
        Batcher { window, most: most.max(1) as usize, queues: vec![VecDeque::new(); streams] }
    }

    /// Takes a request; says when its window ends.
    pub(super) fn push(&mut self, stream: usize, now: Nanos) -> Nanos {
        self.queues[stream].push_back(now);
        now.saturating_add(self.window)
    }

    /// The batch that leaves now, if one does, while so many are outstanding.
    pub(super) fn pop(&mut self, now: Nanos, outstanding: usize, streams: &[Stream]) -> Option<Batch> {
        if outstanding >= OUTSTANDING {
            return None;
        }
        let due = |queue: &VecDeque<Nanos>| {
            let first = *queue.front()?;
            (queue.len() >= self.most || first.saturating_add(self.window) <= now).then_some(first)
        };
        let firsts = self.queues.iter().enumerate().filter_map(|(stream, queue)| Some((due(queue)?, stream)));
        let (_, stream) = firsts.min()?;
        let mut batch = Batch { stream, ..Batch::default() };
        while batch.arrivals.len() < self.most
            && let Some(arrived) = self.queues[stream].pop_front()
        {
            let late = streams[stream].deadline.is_some_and(|deadline| arrived.saturating_add(deadline) < now);
            if late { &mut batch.late } else { &mut batch.arrivals }.push(arrived);
        }
        Some(batch)
    }
}

/// The plan of `size` requests of a stream at once: their workgroups, operations and bytes, but weights read once.
pub(super) fn batched(stream: &Stream, size: u32) -> Arc<PlanDesc> {
    if size == 1 {
        return stream.plan.clone();
    }
    let weights = stream.weights.as_deref().unwrap_or_default();
    let dispatch = |(index, dispatch): (usize, &DispatchDesc)| {
        let weights = weights.get(index).copied().unwrap_or(0).min(dispatch.bytes);
        DispatchDesc {
            workgroups: dispatch.workgroups.saturating_mul(size),
            flops: dispatch.flops.saturating_mul(size.into()),
            bytes: (dispatch.bytes - weights).saturating_mul(size.into()).saturating_add(weights),
            coalesce: None,
            ..dispatch.clone()
        }
    };
    let dispatches = stream.plan.dispatches.iter().enumerate().map(dispatch).collect();
    Arc::new(PlanDesc { model: stream.plan.model, dispatches })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Arrivals;
    use fascine::schedule::{KernelId, ModelId};

    fn stream(deadline: Nanos) -> Stream {
        let dispatch = DispatchDesc {
            kernel: KernelId(0),
            workgroups: 3,
            flops: 10,
            bytes: 100,
            deps: Vec::new(),
            coalesce: None,
        };
        let plan = Arc::new(PlanDesc { model: ModelId(0), dispatches: vec![dispatch] });
        Stream { weights: Some([80].into()), ..Stream::new(plan, Arrivals::Poisson { rate: 1.0 }, Some(deadline)) }
    }

    #[test]
    fn weights_are_read_once() {
        let plan = batched(&stream(1), 4);
        let DispatchDesc { workgroups, flops, bytes, .. } = plan.dispatches[0];
        assert_eq!((workgroups, flops, bytes), (12, 40, 160));
    }

    #[test]
    fn batches_leave_when_full_or_due() {
        let streams = [stream(1_000), stream(30)];
        let mut batcher = Batcher::new(50, 2, 2);
        assert_eq!(batcher.push(1, 0), 50);
        batcher.push(0, 10);
        assert!(batcher.pop(20, 0, &streams).is_none(), "neither full nor due");
        batcher.push(0, 20);
        assert!(batcher.pop(20, OUTSTANDING, &streams).is_none(), "no room");
        let full = batcher.pop(20, 1, &streams).unwrap();
        assert_eq!((full.stream, full.arrivals), (0, vec![10, 20]));
        let due = batcher.pop(50, 0, &streams).unwrap();
        assert_eq!((due.stream, due.arrivals.len(), due.late), (1, 0, vec![0]), "past its deadline");
        assert!(batcher.pop(99, 0, &streams).is_none());
    }
}
