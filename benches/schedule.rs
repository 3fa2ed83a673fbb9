//! The scheduler's own cost: nanoseconds per lane by number of tenants, with a request of each always outstanding. Then the
//! simulator's speed: a million requests.

use std::sync::Arc;
use std::time::Instant;

use fascine::schedule::{
    DeviceModel, DispatchDesc, KernelId, ModelId, Nanos, Options, Order, Pipelines, PlanDesc, Policy, RequestDesc,
    Scheduler,
};
use fascine_bench::simulator::{Arrivals, Front, Scenario, Stream, VirtualDevice, simulate};

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

/// Sixty small dispatches over a dozen kernels, as a small convolutional network.
fn plan(model: u32) -> Arc<PlanDesc> {
    let dispatches = (0..60u32).map(|index| DispatchDesc {
        coalesce: None,
        kernel: KernelId((index * 7 + model) % 12),
        workgroups: 1 + index % 16,
        flops: 2_000_000,
        bytes: 100_000,
        deps: if index == 0 { Vec::new() } else { vec![index - 1] },
    });
    Arc::new(PlanDesc { model: ModelId(u64::from(model)), dispatches: dispatches.collect() })
}

/// Nanoseconds per lane, and mean lanes per bundle.
fn measure(policy: Policy, tenants: u32, lanes: u64) -> (f64, f64) {
    let options =
        Options { policy, order: Order::default(), device: DeviceModel::for_parallelism(256), ..Options::default() };
    let mut scheduler = Scheduler::new(options);
    let plans: Vec<_> = (0..tenants).map(plan).collect();
    let mut now: Nanos = 0;
    let submit = |scheduler: &mut Scheduler, tenant: u32, now: Nanos| {
        let deadline = Some(now + 5_000_000 + Nanos::from(tenant) * 100_000);
        let desc = RequestDesc { plan: plans[tenant as usize].clone(), deadline, ..RequestDesc::default() };
        scheduler.submit(desc, now);
    };
    (0..tenants).for_each(|tenant| submit(&mut scheduler, tenant, now));
    let mut tenant = 0;
    let mut times = Vec::new();
    let start = Instant::now();
    while scheduler.stats().lanes < lanes {
        let Some(submission) = scheduler.issue(now, &mut All) else { break };
        times.clear();
        times.extend(submission.bundles.iter().map(|bundle| bundle.predicted));
        now += times.iter().sum::<Nanos>();
        scheduler.retire(submission.id, Some(&times), now);
        scheduler.recycle(submission);
        for _ in scheduler.take_ended() {
            submit(&mut scheduler, tenant, now);
            tenant = (tenant + 1) % tenants;
        }
    }
    let stats = scheduler.stats();
    (start.elapsed().as_nanos() as f64 / stats.lanes as f64, stats.lanes as f64 / stats.bundles as f64)
}

/// A million requests of six dispatches each, to eight models at most of what the device can do.
fn million() {
    let device = DeviceModel::for_parallelism(256);
    let plan = |model| {
        let mut plan = (*plan(model)).clone();
        plan.dispatches.truncate(6);
        Arc::new(plan)
    };
    let stream = |model| Stream::new(plan(model), Arrivals::Poisson { rate: 1_000.0 }, Some(2_000_000));
    let scenario = Scenario {
        seed: 1,
        warm_up: 0,
        duration: 125_000_000_000,
        device: VirtualDevice::new(device),
        options: Options { device, ..Options::default() },
        front: Front::Direct,
        losses: Vec::new(),
        streams: (0..8).map(stream).collect(),
    };
    let start = Instant::now();
    let report = simulate(&scenario);
    let [_, bundles, lanes] = report.issued;
    let (seconds, requests) = (start.elapsed().as_secs_f64(), report.total.arrived);
    println!("\n{requests} simulated requests, {lanes} lanes in {bundles} bundles: {seconds:.1} s");
}

fn main() {
    println!("{:<10} {:>8} {:>12} {:>12}", "policy", "tenants", "ns/lane", "lanes/bundle");
    for policy in [Policy::TimeOnly, Policy::OnePass, Policy::Bundled] {
        for tenants in [1, 8, 32, 128] {
            let (nanos, width) = measure(policy, tenants, 300_000);
            println!("{:<10} {tenants:>8} {nanos:>12.0} {width:>12.1}", format!("{policy:?}"));
        }
    }
    million();
}
