//! Who takes memory when: in the scheduler's order, with room left for the urgent, and nobody passed over for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use fascine::schedule::log::{Recorder, ScheduleLog};
use fascine::schedule::*;

const MILLI: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MILLI;

/// Memory of so many bytes, and every pipeline.
struct Heap {
    free: u64,
    wants: BTreeMap<RequestId, u64>,
    /// Requests that have begun, in order.
    begun: Vec<RequestId>,
}

impl Pipelines for Heap {
    fn ready(&mut self, _: &[KernelId]) -> bool {
        true
    }
    fn want(&mut self, _: &[KernelId]) {}
    fn compatible(&self, _: KernelId, _: KernelId) -> bool {
        true
    }
    fn begin(&mut self, request: RequestId, spare: u64) -> bool {
        assert!(!self.begun.contains(&request), "{request:?} begins twice");
        let bytes = self.wants[&request];
        let fits = bytes + spare <= self.free;
        if fits {
            self.free -= bytes;
            self.begun.push(request);
        }
        fits
    }
}

struct World {
    scheduler: Recorder,
    record: ScheduleLog,
    heap: Heap,
    flying: Vec<Submission>,
    ended: Vec<(RequestId, Outcome)>,
    now: Nanos,
}

impl World {
    fn new(bytes: u64) -> Self {
        let record = ScheduleLog::default();
        World {
            scheduler: Recorder::new(Options::for_parallelism(64), Some(record.clone())),
            record,
            heap: Heap { free: bytes, wants: BTreeMap::new(), begun: Vec::new() },
            flying: Vec::new(),
            ended: Vec::new(),
            now: 0,
        }
    }

    fn submit(&mut self, plan: &Arc<PlanDesc>, memory: u64, deadline: Option<Nanos>) -> RequestId {
        let deadline = deadline.map(|deadline| self.now + deadline);
        let id =
            self.scheduler.submit(RequestDesc { plan: plan.clone(), memory, deadline, ..Default::default() }, self.now);
        self.heap.wants.insert(id, memory);
        id
    }

    fn submit_forty(&mut self, plan: &Arc<PlanDesc>) {
        for _ in 0..40 {
            self.submit(plan, 1, None);
        }
    }

    fn issue(&mut self) {
        while let Some(submission) = self.scheduler.issue(self.now, &mut self.heap) {
            for lane in submission.bundles.iter().flat_map(|bundle| &bundle.lanes) {
                assert!(self.heap.begun.contains(&lane.request), "{lane:?} has no memory");
            }
            self.flying.push(submission);
        }
        self.collect();
    }

    fn retire(&mut self) {
        let submission = self.flying.remove(0);
        let times: Vec<_> = submission.bundles.iter().map(|bundle| bundle.predicted).collect();
        self.now += times.iter().sum::<Nanos>();
        assert_eq!(self.scheduler.retire(submission.id, Some(&times), self.now), Retired::Done);
        self.collect();
    }

    fn collect(&mut self) {
        for ended in self.scheduler.take_ended() {
            if self.heap.begun.contains(&ended.request) {
                self.heap.free += self.heap.wants[&ended.request];
            }
            self.ended.push((ended.request, ended.outcome));
        }
    }

    fn finish(&mut self) {
        self.issue();
        while !self.flying.is_empty() {
            self.retire();
            self.issue();
        }
        assert_eq!(self.scheduler.outstanding(), 0);
        replay(&self.record.log()).unwrap();
    }

    fn order(&self) -> Vec<u64> {
        self.heap.begun.iter().map(|request| request.0).collect()
    }
}

/// A chain of dispatches that fill the device.
fn plan(model: u64, dispatches: u32) -> Arc<PlanDesc> {
    let dispatch = |index: u32| DispatchDesc {
        kernel: KernelId(model as u32 * 100 + index),
        workgroups: 64,
        flops: 400_000_000,
        bytes: 1_000,
        deps: index.checked_sub(1).into_iter().collect(),
        coalesce: None,
    };
    Arc::new(PlanDesc { model: ModelId(model), dispatches: (0..dispatches).map(dispatch).collect() })
}

#[test]
fn an_urgent_request_overtakes_those_that_wait_for_memory() {
    let mut world = World::new(2);
    let (slow, quick) = (plan(1, 6), plan(2, 2));
    world.submit_forty(&slow);
    world.issue();
    assert_eq!(world.order(), [0, 1], "nobody with a deadline has come yet");
    let urgent = world.submit(&quick, 1, Some(200 * MILLI));
    world.finish();
    assert_eq!(world.order()[2], urgent.0, "it begins when the first has ended");
    assert_eq!(world.order()[3..], (2..40).collect::<Vec<u64>>(), "the others in their order");
    assert!(world.ended.iter().all(|(_, outcome)| *outcome == Outcome::Completed), "{:?}", world.ended);
}

#[test]
fn room_is_left_for_a_request_with_a_deadline() {
    let mut world = World::new(5);
    let (slow, quick) = (plan(1, 6), plan(2, 2));
    world.submit(&quick, 3, Some(200 * MILLI));
    world.finish();
    world.submit_forty(&slow);
    world.issue();
    assert_eq!((world.heap.free, world.heap.begun.len()), (3, 3));
    let urgent = world.submit(&quick, 3, Some(200 * MILLI));
    world.issue();
    world.retire();
    world.issue();
    assert_eq!(world.order().last(), Some(&urgent.0), "it waits for nobody's memory");
    world.finish();
    // Some seconds later nobody counts on it any more.
    world.now += 11 * SECOND;
    let before = world.heap.begun.len();
    world.submit_forty(&slow);
    world.issue();
    assert!(world.heap.free < 3 && world.heap.begun.len() - before > 2);
    world.finish();
}

#[test]
fn what_needs_more_than_is_left_for_others_begins_when_nothing_else_has() {
    let mut world = World::new(8);
    let (slow, quick) = (plan(1, 6), plan(2, 2));
    world.submit(&quick, 3, Some(200 * MILLI));
    world.finish();
    let large = world.submit(&slow, 7, None);
    world.finish();
    assert_eq!(world.ended.last(), Some(&(large, Outcome::Completed)));
}

#[test]
fn a_large_request_is_not_starved_by_small_ones() {
    let mut world = World::new(4);
    let small = plan(1, 4);
    for _ in 0..4 {
        world.submit(&small, 1, None);
    }
    world.issue();
    let large = world.submit(&plan(2, 4), 3, None);
    // There is always another small one, which would fit as soon as one ends.
    let mut later = Vec::new();
    while !world.heap.begun.contains(&large) {
        later.push(world.submit(&small, 1, None));
        world.issue();
        world.retire();
        assert!(later.len() < 200);
    }
    let before_it = later.iter().filter(|id| world.order().iter().position(|at| *at == id.0).is_some());
    assert_eq!(before_it.count(), 0, "{:?}", world.order());
    world.finish();
    assert_eq!(world.heap.free, 4);
}

#[test]
fn one_that_waits_for_memory_can_be_cancelled_or_replaced() {
    let mut world = World::new(1);
    let plan = plan(1, 4);
    let keyed = |world: &World| RequestDesc {
        plan: plan.clone(),
        memory: 1,
        key: Some(7),
        deadline: Some(world.now + SECOND),
        ..Default::default()
    };
    let first = world.submit(&plan, 1, None);
    world.issue();
    let cancelled = world.submit(&plan, 1, None);
    let desc = keyed(&world);
    let replaced = world.scheduler.submit(desc, world.now);
    world.heap.wants.insert(replaced, 1);
    world.issue();
    assert_eq!(world.order(), [first.0]);
    assert_eq!(world.scheduler.cancel(cancelled, world.now), Cancelled::Ended);
    let desc = keyed(&world);
    let last = world.scheduler.submit(desc, world.now);
    world.heap.wants.insert(last, 1);
    world.finish();
    assert_eq!(world.order(), [first.0, last.0]);
    let expected = [
        (cancelled, Outcome::Cancelled),
        (replaced, Outcome::Superseded),
        (first, Outcome::Completed),
        (last, Outcome::Completed),
    ];
    assert_eq!(world.ended, expected);
    assert_eq!(world.heap.free, 1);
}
