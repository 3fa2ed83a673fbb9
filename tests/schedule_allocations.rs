//! In steady state nothing is allocated for a lane: what the scheduler needs, it has from earlier.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fascine::schedule::*;

/// The system's allocator, counted.
struct Counter;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTER: Counter = Counter;

struct All;

impl Pipelines for All {
    fn ready(&mut self, _: &[KernelId]) -> bool {
        true
    }
    fn want(&mut self, _: &[KernelId]) {}
    fn compatible(&self, _: KernelId, _: KernelId) -> bool {
        true
    }
}

/// Allocations and lanes of so many submissions, with a request of each tenant always outstanding.
struct Steady {
    scheduler: Scheduler,
    plans: Vec<Arc<PlanDesc>>,
    ended: Vec<Ended>,
    times: Vec<Nanos>,
    turn: usize,
    now: Nanos,
}

impl Steady {
    fn new(tenants: u32) -> Self {
        let plan = |model: u32| {
            let dispatches = (0..60u32).map(|index| DispatchDesc {
                kernel: KernelId((index * 7 + model) % 12),
                workgroups: 1 + index % 16,
                flops: 2_000_000,
                bytes: 100_000,
                deps: index.checked_sub(1).into_iter().collect(),
                coalesce: None,
            });
            Arc::new(PlanDesc { model: ModelId(u64::from(model)), dispatches: dispatches.collect() })
        };
        let mut steady = Steady {
            scheduler: Scheduler::new(Options::for_parallelism(256)),
            plans: (0..tenants).map(plan).collect(),
            ended: Vec::new(),
            times: Vec::new(),
            turn: 0,
            now: 0,
        };
        (0..tenants).for_each(|_| steady.submit());
        steady
    }

    fn submit(&mut self) {
        self.turn += 1;
        let plan = self.plans[self.turn % self.plans.len()].clone();
        let deadline = Some(self.now + 5_000_000 + (self.turn % 64) as Nanos * 100_000);
        // The default would allocate an empty plan.
        let (class, admission, key) = (Class::Normal, Admission::RunLate, None);
        self.scheduler.submit(RequestDesc { plan, deadline, class, admission, key, memory: 1 }, self.now);
    }

    /// Allocations, lanes and requests of so many submissions.
    fn run(&mut self, submissions: u64) -> [u64; 3] {
        let counts = |scheduler: &Scheduler| {
            let stats = scheduler.stats();
            [ALLOCATIONS.load(Ordering::Relaxed), stats.lanes, stats.completed + stats.late]
        };
        let before = counts(&self.scheduler);
        for _ in 0..submissions {
            let submission = self.scheduler.issue(self.now, &mut All).unwrap();
            self.times.clear();
            self.times.extend(submission.bundles.iter().map(|bundle| bundle.predicted));
            self.now += self.times.iter().sum::<Nanos>();
            assert_eq!(self.scheduler.retire(submission.id, Some(&self.times), self.now), Retired::Done);
            self.scheduler.recycle(submission);
            self.scheduler.drain_ended(&mut self.ended);
            for _ in 0..self.ended.len() {
                self.submit();
            }
            self.ended.clear();
        }
        let after = counts(&self.scheduler);
        std::array::from_fn(|index| after[index] - before[index])
    }
}

// One test: others would allocate meanwhile.
#[test]
fn a_steady_state_allocates_nothing() {
    for tenants in [1, 8, 128] {
        let mut steady = Steady::new(tenants);
        steady.run(2_000);
        // Memory that is used again has its final size only when each piece has held the largest bundle.
        let mut allocated = (0..10).map(|_| steady.run(1_000));
        let [allocations, lanes, requests] = allocated.find(|counts| counts[0] == 0).unwrap_or([1, 2_000, 200]);
        println!("{tenants} tenants: {allocations} allocations for {lanes} lanes of {requests} requests");
        assert!(lanes > 1_000 && requests > 100, "{lanes} {requests}");
        assert_eq!(allocations, 0, "{tenants} tenants, {lanes} lanes");
    }
}
