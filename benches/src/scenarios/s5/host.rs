//! What the scheduler costs the host, a request of each tenant always outstanding.

use std::time::Instant;

use fascine::schedule::{KernelId, Nanos, Options, Pipelines, RequestDesc, Scheduler};
use fascine_bench::simulator::Stream;

/// Enough for times that repeat to some percent.
const LANES: u64 = 200_000;

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

/// Microseconds of the host per lane, from `submit` to `retire`.
pub(super) fn micros_per_lane(tenant: &Stream, tenants: u32, options: &Options) -> f64 {
    let mut scheduler = Scheduler::new(options.clone());
    let plans: Vec<_> = (0..tenants).map(|_| std::sync::Arc::new((*tenant.plan).clone())).collect();
    let submit = |scheduler: &mut Scheduler, at: usize, now: Nanos| {
        let deadline = Some(now + 5_000_000 + at as Nanos * 100_000);
        scheduler.submit(RequestDesc { plan: plans[at].clone(), deadline, ..RequestDesc::default() }, now);
    };
    let mut now = 0;
    (0..plans.len()).for_each(|at| submit(&mut scheduler, at, now));
    let (mut next, mut times) = (0, Vec::new());
    let start = Instant::now();
    while scheduler.stats().lanes < LANES {
        let Some(submission) = scheduler.issue(now, &mut All) else { break };
        times.clear();
        times.extend(submission.bundles.iter().map(|bundle| bundle.predicted));
        now += times.iter().sum::<Nanos>();
        scheduler.retire(submission.id, Some(&times), now);
        scheduler.recycle(submission);
        for _ in scheduler.take_ended() {
            submit(&mut scheduler, next, now);
            next = (next + 1) % plans.len();
        }
    }
    start.elapsed().as_secs_f64() * 1e6 / scheduler.stats().lanes.max(1) as f64
}
