//! What becomes of models that take far longer than predicted, and of those beside them. All figures are simulated.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use fascine::schedule::*;
use fascine_bench::simulator::{Arrivals, Front, Scenario, Straggle, Stream, VirtualDevice, simulate};

const SECOND: Nanos = 1_000_000_000;
const DEVICE: DeviceModel =
    DeviceModel { parallelism: 128, flops: 8e12, bytes: 400e9, bundle: 6_000, lane: 100, submission: 15_000 };

/// A chain of dispatches of so many microseconds each, over ten kernels, that fill about a quarter of the device.
fn network(model: u32, dispatches: u32, micros: f64) -> Arc<PlanDesc> {
    let dispatches = (0..dispatches).map(|index| {
        let workgroups = 8 * (1 + (index * 5 + model) % 8);
        let filled = micros * 1e-6 * f64::from(workgroups) / 128.0;
        DispatchDesc {
            kernel: KernelId((index * 3 + model) % 10),
            workgroups,
            flops: (filled * DEVICE.flops) as u64,
            bytes: (filled * 0.4 * DEVICE.bytes) as u64,
            deps: index.checked_sub(1).into_iter().collect(),
            coalesce: None,
        }
    });
    Arc::new(PlanDesc { model: ModelId(u64::from(model)), dispatches: dispatches.collect() })
}

/// The part of the victims' requests in time, from a second after one of `tenants` began to straggle for good (if it does);
/// the worst victim, and all of them.
fn victims(tenants: u32, factor: Option<f64>, timestamps: bool) -> (f64, f64) {
    let from = 3 * SECOND;
    let stream = |model: u32| {
        let (dispatches, micros) = [(20, 25.0), (50, 15.0), (30, 20.0), (12, 10.0), (60, 12.0)][model as usize % 5];
        let alone = (f64::from(dispatches) * (micros * 1_000.0 + 6_100.0)) as Nanos;
        let plan = network(model, dispatches, micros);
        let straggle = factor.filter(|_| model == 0).map(|factor| Straggle { from, until: Nanos::MAX, factor });
        Stream {
            straggle,
            ..Stream::new(plan, Arrivals::Poisson { rate: 240.0 / f64::from(tenants) }, Some(5 * alone))
        }
    };
    let device = VirtualDevice { compile: 20_000_000, timestamps, ..VirtualDevice::new(DEVICE) };
    let streams = (0..tenants).map(stream).collect();
    let (warm_up, duration) = (from + SECOND, from + 4 * SECOND);
    let options = Options::for_parallelism(128);
    let report = simulate(&Scenario {
        seed: 7,
        warm_up,
        duration,
        device,
        options,
        front: Front::Direct,
        losses: Vec::new(),
        streams,
    });
    let victims = &report.streams[1..];
    let (in_time, all) = victims.iter().fold((0, 0), |(i, a), stream| (i + stream.in_time, a + stream.arrived));
    (victims.iter().map(|stream| stream.attainment()).fold(1.0, f64::min), in_time as f64 / all as f64)
}

#[test]
fn victims_are_back_in_deadline_within_a_second() {
    for timestamps in [true, false] {
        for tenants in [8, 32, 128] {
            let (worst, all) = victims(tenants, Some(8.0), timestamps);
            let (undisturbed_worst, undisturbed) = victims(tenants, None, timestamps);
            // One workgroup of a straggler then takes half a millisecond, and nothing can interrupt it.
            let (_, beside_a_slower) = victims(tenants, Some(20.0), timestamps);
            assert!(beside_a_slower >= undisturbed - 0.01, "{tenants} tenants, {timestamps}: {beside_a_slower}");
            assert!(all >= undisturbed - 0.005, "{tenants} tenants, {timestamps}: {all} of {undisturbed}");
            // Of 128 tenants each sends some seven requests, so that one makes a seventh.
            let (few, part) = (tenants == 128, worst / undisturbed_worst);
            assert!(part >= if few { 0.8 } else { 0.98 }, "{tenants} tenants, {timestamps}: {part}");
        }
    }
}

/// Pipelines for everything.
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

/// The time of a dispatch of [`World`], without its bundle.
const BODY: Nanos = 40_000;

/// Models whose requests are three small dispatches each on kernels that all share, on a device that can be told who is slow.
struct World {
    scheduler: Scheduler,
    plans: Vec<Arc<PlanDesc>>,
    /// By model: how many times as long its lanes take.
    slow: Vec<u64>,
    /// The model of each request.
    models: Vec<u32>,
    timestamps: bool,
    now: Nanos,
}

impl World {
    fn new(models: u32, timestamps: bool) -> Self {
        let device =
            DeviceModel { parallelism: 16, flops: 16e9, bytes: 1e11, bundle: 5_000, lane: 100, submission: 2_000 };
        let dispatch = |index: u32| DispatchDesc {
            kernel: KernelId(index),
            workgroups: 1,
            flops: BODY,
            bytes: 0,
            deps: index.checked_sub(1).into_iter().collect(),
            coalesce: None,
        };
        let plan =
            |model| Arc::new(PlanDesc { model: ModelId(u64::from(model)), dispatches: (0..3).map(dispatch).collect() });
        World {
            scheduler: Scheduler::new(Options { device, ..Options::default() }),
            plans: (0..models).map(plan).collect(),
            slow: vec![1; models as usize],
            models: Vec::new(),
            timestamps,
            now: 0,
        }
    }

    fn submit(&mut self, model: u32, deadline: Option<Nanos>, admission: Admission) -> RequestId {
        self.models.push(model);
        let plan = self.plans[model as usize].clone();
        self.scheduler.submit(RequestDesc { plan, deadline, admission, ..RequestDesc::default() }, self.now)
    }

    /// A request of each model, to its end; the bundles by their models.
    fn round(&mut self) -> Vec<Vec<u32>> {
        let mut bundles = Vec::new();
        for model in 0..self.plans.len() as u32 {
            self.submit(model, None, Admission::RunLate);
        }
        while let Some(submission) = self.scheduler.issue(self.now, &mut All) {
            let mut times = Vec::new();
            for bundle in &submission.bundles {
                let mut models: Vec<u32> =
                    bundle.lanes.iter().map(|lane| self.models[lane.request.0 as usize]).collect();
                models.sort_unstable();
                models.dedup();
                let slowest = models.iter().map(|&model| self.slow[model as usize]).max().unwrap();
                times.push(5_000 + 100 * bundle.lanes.len() as Nanos + BODY * slowest);
                bundles.push(models);
            }
            self.now += times.iter().sum::<Nanos>() + 2_000;
            let times = self.timestamps.then_some(&times[..]);
            assert_eq!(self.scheduler.retire(submission.id, times, self.now), Retired::Done);
        }
        bundles
    }

    fn rounds(&mut self, count: usize) -> Vec<Vec<u32>> {
        (0..count).fold(Vec::new(), |_, _| self.round())
    }
}

#[test]
fn a_straggler_goes_alone_until_it_behaves() {
    for timestamps in [true, false] {
        let mut world = World::new(6, timestamps);
        let together = vec![vec![0, 1, 2, 3, 4, 5]; 3];
        assert_eq!(world.rounds(40), together);
        world.slow[2] = 8;
        let bundles = world.rounds(12);
        let stats = world.scheduler.stats();
        assert_eq!((stats.stragglers, stats.straggled), (1, 1), "timestamps: {timestamps}");
        for bundle in &bundles {
            assert!(*bundle == [2] || *bundle == [0, 1, 3, 4, 5], "timestamps: {timestamps}, {bundles:?}");
        }
        world.slow[2] = 1;
        assert_eq!(world.rounds(20), together, "timestamps: {timestamps}");
        let stats = world.scheduler.stats();
        assert_eq!((stats.stragglers, stats.straggled), (0, 1), "timestamps: {timestamps}");
    }
}

#[test]
fn predictions_know_a_straggler_and_spare_its_victims() {
    let mut world = World::new(6, true);
    world.rounds(40);
    world.slow[2] = 8;
    world.rounds(20);
    let alone = 3 * (5_100 + BODY);
    let mut admitted = |model, part: f64| {
        let deadline = Some(world.now + (alone as f64 * part) as Nanos);
        let id = world.submit(model, deadline, Admission::RejectPredictedMiss);
        let ended = world.scheduler.take_ended();
        let refused = ended.iter().any(|ended| ended.request == id && ended.outcome == Outcome::Rejected);
        world.scheduler.cancel(id, world.now);
        !refused
    };
    assert!(admitted(1, 1.2), "a victim's prediction is what it was");
    assert!(!admitted(1, 0.8));
    assert!(admitted(2, 0.8), "nothing is known of when a straggler will be sound again");
}

impl World {
    /// The models of the next submission, if there is one.
    fn issue(&mut self) -> Option<(Submission, Vec<u32>)> {
        let submission = self.scheduler.issue(self.now, &mut All)?;
        let lanes = submission.bundles.iter().flat_map(|bundle| &bundle.lanes);
        let mut models: Vec<u32> = lanes.map(|lane| self.models[lane.request.0 as usize]).collect();
        models.sort_unstable();
        models.dedup();
        Some((submission, models))
    }

    /// Ends a submission, which takes as long as its models are slow.
    fn retire(&mut self, submission: &Submission) {
        let mut times = Vec::new();
        for bundle in &submission.bundles {
            let models = bundle.lanes.iter().map(|lane| self.models[lane.request.0 as usize] as usize);
            let slowest = models.map(|model| self.slow[model]).max().unwrap();
            times.push(5_000 + 100 * bundle.lanes.len() as Nanos + BODY * slowest);
        }
        self.now += times.iter().sum::<Nanos>() + 2_000;
        let times = self.timestamps.then_some(&times[..]);
        assert_eq!(self.scheduler.retire(submission.id, times, self.now), Retired::Done);
    }

    /// Model 2 straggles, and nothing is under way.
    fn with_a_straggler(timestamps: bool) -> Self {
        let mut world = World::new(6, timestamps);
        world.rounds(40);
        world.slow[2] = 8;
        world.rounds(20);
        assert_eq!(world.scheduler.stats().stragglers, 1);
        world
    }
}

#[test]
fn a_straggler_goes_behind_others_in_submissions_of_its_own_one_at_a_time() {
    for timestamps in [true, false] {
        let mut world = World::with_a_straggler(timestamps);
        for _ in 0..40 {
            world.submit(2, Some(world.now + 1_000_000), Admission::RunLate);
        }
        world.submit(1, Some(world.now + 50_000_000), Admission::RunLate);
        world.submit(3, None, Admission::RunLate);
        let (others, models) = world.issue().unwrap();
        assert_eq!(models, [1, 3], "though its deadline is the first");
        let (slow, models) = world.issue().unwrap();
        assert_eq!(models, [2]);
        world.retire(&others);
        assert_eq!(world.issue(), None, "one of its submissions is in flight");
        world.submit(4, Some(world.now + 50_000_000), Admission::RunLate);
        assert_eq!(world.issue().unwrap().1, [4]);
        world.retire(&slow);
        assert_eq!(world.issue().unwrap().1, [2]);
    }
}

#[test]
fn requests_that_wait_when_their_model_is_found_to_straggle_go_behind_too() {
    let mut world = World::new(6, true);
    world.rounds(40);
    // Bundles are as wide as can be here, but take as long as one lane.
    world.slow[2] = 100;
    for _ in 0..2_000 {
        world.submit(2, Some(world.now + 900_000_000), Admission::RunLate);
    }
    while world.scheduler.stats().stragglers == 0 {
        let (submission, _) = world.issue().unwrap();
        world.retire(&submission);
    }
    assert!(world.scheduler.outstanding() > 0);
    world.submit(1, Some(world.now + 990_000_000), Admission::RunLate);
    assert_eq!(world.issue().unwrap().1, [1]);
}

#[test]
fn a_straggler_is_not_starved() {
    let mut world = World::with_a_straggler(true);
    let slow = world.submit(2, None, Admission::RunLate);
    let from = world.now;
    // Others always wait, with deadlines that they can keep.
    let mut ended = false;
    while !ended {
        while world.scheduler.outstanding() < 40 {
            world.submit(1, Some(world.now + 900_000_000), Admission::RunLate);
        }
        let (submission, _) = world.issue().unwrap();
        world.retire(&submission);
        ended = world.scheduler.take_ended().iter().any(|ended| ended.request == slow);
        // Each of its three dispatches leads after 2 * slice / p of the device at the latest.
        assert!(world.now - from <= 3 * 2 * 2_000_000 * 20, "{}", world.now - from);
    }
}

#[test]
fn a_straggler_that_is_refused_is_tried_anew() {
    for admission in [Admission::RejectPredictedMiss, Admission::DropLate] {
        let mut world = World::with_a_straggler(true);
        world.slow[2] = 1;
        let alone = 3 * (5_100 + BODY);
        world.scheduler.take_ended();
        let mut completed = 0;
        for _ in 0..60 {
            world.now += 50_000_000;
            world.submit(2, Some(world.now + 2 * alone), admission);
            while let Some((submission, _)) = world.issue() {
                world.retire(&submission);
            }
            let ended = world.scheduler.take_ended();
            completed += ended.iter().filter(|ended| ended.outcome == Outcome::Completed).count();
        }
        assert_eq!(world.scheduler.stats().stragglers, 0, "{admission:?}");
        assert!((20..=60).contains(&completed), "{admission:?}: {completed}");
    }
}

#[test]
fn a_hiccup_makes_no_straggler() {
    let mut world = World::new(6, true);
    let together = world.rounds(40);
    for model in 0..6 {
        world.slow[model] = 50;
        world.submit(model as u32, None, Admission::RunLate);
        let submission = world.scheduler.issue(world.now, &mut All).unwrap();
        let times: Vec<_> = submission.bundles.iter().map(|_| 2_000_000).collect();
        world.slow[model] = 1;
        world.now += 2_000_000;
        world.scheduler.retire(submission.id, Some(&times[..1]), world.now);
        world.rounds(10);
    }
    assert_eq!(world.scheduler.stats().straggled, 0);
    assert_eq!(world.round(), together);
}

#[test]
fn a_slower_device_makes_no_stragglers() {
    let mut world = World::new(6, true);
    let together = world.rounds(40);
    world.slow = vec![5; 6];
    world.rounds(400);
    assert_eq!(world.scheduler.stats().stragglers, 0);
    assert_eq!(world.round(), together);
    let error = world.scheduler.prediction_error();
    assert!(error.median <= 0.1, "{error:?}");
}

#[test]
fn a_long_dispatch_of_a_straggler_leaves_in_shorter_pieces() {
    let device = DeviceModel { parallelism: 16, flops: 16e9, bytes: 1e11, bundle: 5_000, lane: 100, submission: 2_000 };
    let mut scheduler = Scheduler::new(Options { device, ..Options::default() });
    let dispatch = DispatchDesc {
        kernel: KernelId(0),
        workgroups: 160,
        flops: 160 * 100_000,
        bytes: 0,
        deps: Vec::new(),
        coalesce: None,
    };
    let plan = |model| Arc::new(PlanDesc { model: ModelId(model), dispatches: vec![dispatch.clone()] });
    let (slow, sound) = (plan(0), plan(1));
    let mut now = 0;
    let mut run = |plan: &Arc<PlanDesc>, factor: u64| {
        scheduler.submit(RequestDesc { plan: plan.clone(), ..RequestDesc::default() }, now);
        let mut longest = 0;
        while let Some(submission) = scheduler.issue(now, &mut All) {
            let lanes = submission.bundles.iter().map(|bundle| bundle.lanes[0].count);
            let times: Vec<_> = lanes.map(|count| 5_100 + u64::from(count) * 6_250 * factor).collect();
            longest = longest.max(times.iter().sum());
            now += times.iter().sum::<Nanos>();
            scheduler.retire(submission.id, Some(&times), now);
        }
        longest
    };
    for _ in 0..20 {
        run(&slow, 1);
        run(&sound, 1);
    }
    let longest = (0..40).fold((0, 0), |_, _| (run(&slow, 8), run(&sound, 1)));
    assert!(longest.0 <= 2_100_000 && longest.1 == 5_100 + 160 * 6_250, "{longest:?}");
}
