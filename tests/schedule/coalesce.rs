//! Requests that run a dispatch as one lane: when they do, with whom, and what it saves.

use std::sync::Arc;

use fascine::schedule::log::{Log, Recorder, ScheduleLog};
use fascine::schedule::*;

const DEVICE: DeviceModel =
    DeviceModel { parallelism: 16, flops: 1e12, bytes: 1e11, bundle: 5_000, lane: 100, submission: 0 };

/// Pipelines for every set without `lacks`, or for single kernels and `sets`; remembers what was wanted.
#[derive(Default)]
struct Shop {
    any: bool,
    lacks: Option<u32>,
    sets: Vec<Vec<u32>>,
    wanted: Vec<Vec<u32>>,
}

impl Shop {
    fn any() -> Self {
        Shop { any: true, ..Shop::default() }
    }
}

impl Pipelines for Shop {
    fn ready(&mut self, kernels: &[KernelId]) -> bool {
        let in_set = |set: &Vec<u32>| kernels.iter().all(|kernel| set.contains(&kernel.0));
        let lacks = kernels.iter().any(|kernel| Some(kernel.0) == self.lacks);
        !lacks && (self.any || kernels.len() == 1 || self.sets.iter().any(in_set))
    }
    fn want(&mut self, kernels: &[KernelId]) {
        self.wanted.push(kernels.iter().map(|kernel| kernel.0).collect());
    }
    fn compatible(&self, _: KernelId, _: KernelId) -> bool {
        true
    }
}

fn options(policy: Policy) -> Options {
    Options { policy, device: DEVICE, ..Options::default() }
}

fn submit(scheduler: &mut Scheduler, plan: &Arc<PlanDesc>, deadline: Option<Nanos>) -> RequestId {
    scheduler.submit(RequestDesc { plan: plan.clone(), deadline, ..RequestDesc::default() }, 0)
}

/// A dispatch on kernel 3 that moves a megabyte of weights and some of its own; on kernel 30 for up to four requests.
fn weighty(shared: u64, flops: u64, workgroups: u32) -> Arc<PlanDesc> {
    let coalesce = Some(CoalesceDesc { kernel: KernelId(30), least: 2, width: 4, shared, alike: None });
    let dispatch = DispatchDesc { kernel: KernelId(3), workgroups, flops, bytes: 1_050_000, deps: vec![], coalesce };
    Arc::new(PlanDesc { model: ModelId(0), dispatches: vec![dispatch] })
}

/// LinkedKernel and requests of the runs of lanes of a submission's bundles.
fn runs(submission: &Submission) -> Vec<Vec<(u32, Vec<u64>)>> {
    let run = |run: &[Lane]| (run[0].kernel.0, run.iter().map(|lane| lane.request.0).collect());
    submission.bundles.iter().map(|bundle| bundle.runs().map(run).collect()).collect()
}

#[test]
fn requests_of_one_plan_run_a_dispatch_as_one_lane() {
    let plan = weighty(1_000_000, 1_000_000, 16);
    for (requests, expected) in [
        (1, vec![(3, vec![0])]),
        (2, vec![(30, vec![0, 1])]),
        (4, vec![(30, vec![0, 1, 2, 3])]),
        (6, vec![(30, vec![0, 1, 2, 3]), (30, vec![4, 5])]),
        (5, vec![(30, vec![0, 1, 2, 3]), (3, vec![4])]),
    ] {
        let mut scheduler = Scheduler::new(options(Policy::Bundled));
        for _ in 0..requests {
            submit(&mut scheduler, &plan, None);
        }
        let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
        assert_eq!(runs(&submission), [expected], "{requests} requests");
        let bundle = &submission.bundles[0];
        // Ten microseconds of weights, half a microsecond of its own, and the bundle.
        assert!(requests != 4 || (17_000..18_000).contains(&bundle.predicted), "{bundle:?}");
        assert!(requests != 4 || (62_000..63_000).contains(&bundle.separate), "{bundle:?}");
        let coalesced = if requests == 5 { 4 } else { requests * u64::from(requests > 1) };
        assert_eq!(scheduler.stats().coalesced, coalesced);
        assert_eq!(scheduler.retire(submission.id, Some(&[20_000]), 30_000), Retired::Done);
        assert_eq!((scheduler.take_ended().len() as u64, scheduler.outstanding()), (requests, 0));
    }
}

#[test]
fn others_and_those_who_left_are_not_coalesced() {
    let (plan, other) = (weighty(1_000_000, 1_000_000, 16), weighty(1_000_000, 1_000_000, 16));
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let ids: Vec<_> = [&plan, &other, &plan, &plan, &other].map(|plan| submit(&mut scheduler, plan, None)).into();
    assert_eq!(scheduler.cancel(ids[2], 0), Cancelled::Ended);
    let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
    assert_eq!(runs(&submission), [[(30, vec![0, 3]), (30, vec![1, 4])]]);
    // Its number is taken by a request of another plan, which must not be taken for the one that left.
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    submit(&mut scheduler, &plan, None);
    let left = submit(&mut scheduler, &plan, None);
    scheduler.cancel(left, 0);
    let dispatch =
        DispatchDesc { kernel: KernelId(9), workgroups: 1, flops: 1_000, bytes: 0, deps: vec![], coalesce: None };
    submit(&mut scheduler, &Arc::new(PlanDesc { model: ModelId(0), dispatches: vec![dispatch] }), Some(1_000_000_000));
    let submission = scheduler.issue(0, &mut Shop { sets: vec![vec![3, 30]], ..Shop::default() }).unwrap();
    assert_eq!(runs(&submission), [[(9, vec![2])], [(3, vec![0])]]);
}

#[test]
fn best_effort_joins_a_request_with_a_deadline() {
    let plan = weighty(1_000_000, 1_000_000, 16);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    for deadline in [None, Some(5_000_000), None] {
        submit(&mut scheduler, &plan, deadline);
    }
    let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
    assert_eq!(runs(&submission), [[(30, vec![1, 0, 2])]]);
}

#[test]
fn nothing_waits_for_the_coalesced_kernel() {
    let plan = weighty(1_000_000, 1_000_000, 16);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let mut shop = Shop { lacks: Some(30), any: true, ..Shop::default() };
    submit(&mut scheduler, &plan, None);
    scheduler.issue(0, &mut shop).unwrap();
    assert!(shop.wanted.is_empty(), "there was no company: {:?}", shop.wanted);
    for _ in 0..3 {
        submit(&mut scheduler, &plan, None);
    }
    let submission = scheduler.issue(0, &mut shop).unwrap();
    assert_eq!(runs(&submission), [[(3, vec![1]), (3, vec![2]), (3, vec![3])]]);
    assert_eq!(shop.wanted, [[30]]);
}

#[test]
fn what_does_not_pay_is_not_coalesced() {
    let coalesced = |plan: &Arc<PlanDesc>, options: Options| {
        let mut scheduler = Scheduler::new(options);
        for _ in 0..4 {
            submit(&mut scheduler, plan, None);
        }
        scheduler.issue(0, &mut Shop::any()).unwrap();
        scheduler.stats().coalesced
    };
    // One workgroup that computes: four of them run side by side, a coalesced one takes four times as long.
    assert_eq!(coalesced(&weighty(0, 10_000_000, 1), options(Policy::Bundled)), 0);
    let plan = weighty(1_000_000, 1_000_000, 16);
    assert_eq!(coalesced(&plan, Options { coalesce: Coalesce::No, ..options(Policy::Bundled) }), 0);
    assert_eq!(coalesced(&plan, Options { max_lanes: 2, ..options(Policy::Bundled) }), 4);
    assert_eq!(coalesced(&plan, options(Policy::OnePass)), 0);
    let mut few = (*plan).clone();
    for (least, expected) in [(4, 4), (5, 0)] {
        few.dispatches[0].coalesce =
            Some(CoalesceDesc { kernel: KernelId(30), least, width: 8, shared: 1_000_000, alike: None });
        assert_eq!(coalesced(&Arc::new(few.clone()), options(Policy::Bundled)), expected, "{least} at least");
    }
}

/// The plan as one of another model.
fn of_model(plan: &Arc<PlanDesc>, model: u32) -> Arc<PlanDesc> {
    Arc::new(PlanDesc { model: ModelId(u64::from(model)), ..(**plan).clone() })
}

#[test]
fn a_straggler_runs_with_its_own_alone() {
    let slow = weighty(1_000_000, 1_000_000, 16);
    let sound = of_model(&slow, 1);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let mut now = 0;
    let mut bundle = |scheduler: &mut Scheduler, plan: &Arc<PlanDesc>, time: Option<Nanos>| {
        for _ in 0..4 {
            scheduler.submit(RequestDesc { plan: plan.clone(), ..RequestDesc::default() }, now);
        }
        let submission = scheduler.issue(now, &mut Shop::any()).unwrap();
        assert_eq!(submission.bundles.len(), 1);
        let time = time.unwrap_or(submission.bundles[0].predicted);
        now += time;
        assert_eq!(scheduler.retire(submission.id, Some(&[time]), now), Retired::Done);
        time
    };
    // Both models' coalesced bundles are known, then those of one take ten times as long.
    let time = (0..12).map(|_| bundle(&mut scheduler, &sound, None).min(bundle(&mut scheduler, &slow, None))).min();
    assert_eq!(scheduler.stats().stragglers, 0, "{:?}", scheduler.stats());
    for _ in 0..40 {
        bundle(&mut scheduler, &slow, time.map(|time| 10 * time));
        bundle(&mut scheduler, &sound, time);
    }
    assert_eq!(scheduler.stats().stragglers, 1, "{:?}", scheduler.stats());
    let first = scheduler.submit(RequestDesc { plan: slow.clone(), ..RequestDesc::default() }, now).0;
    for plan in [&sound, &slow, &sound] {
        scheduler.submit(RequestDesc { plan: plan.clone(), ..RequestDesc::default() }, now);
    }
    let submission = scheduler.issue(now, &mut Shop::any()).unwrap();
    assert_eq!(runs(&submission), [[(30, vec![first + 1, first + 3])]]);
    let submission = scheduler.issue(now, &mut Shop::any()).unwrap();
    assert_eq!(runs(&submission), [[(30, vec![first, first + 2])]], "after the others, and not with them");
}

#[test]
fn a_log_of_coalesced_lanes_replays() {
    let record = ScheduleLog::default();
    let mut scheduler = Recorder::new(options(Policy::Bundled), Some(record.clone()));
    let plans = [weighty(1_000_000, 1_000_000, 16), weighty(900_000, 2_000_000, 8), chain(3, 5), chain(3, 6)];
    for round in 0..40u64 {
        let now = round * 20_000;
        for request in 0..1 + round % 6 {
            let plan = plans[(round + request) as usize % 4].clone();
            scheduler.submit(RequestDesc { plan, ..RequestDesc::default() }, now);
        }
        while let Some(submission) = scheduler.issue(now, &mut Shop::any()) {
            let times: Vec<_> =
                submission.bundles.iter().map(|bundle| bundle.predicted * (7 + round % 5) / 8).collect();
            scheduler.retire(submission.id, Some(&times), now + times.iter().sum::<Nanos>());
        }
        scheduler.take_ended();
    }
    assert!(scheduler.stats().coalesced > 40, "{:?}", scheduler.stats());
    let text = serde_json::to_string(&record.log()).unwrap();
    let log: Log = serde_json::from_str(&text).unwrap();
    assert!(log == record.log());
    assert_eq!(replay(&log).unwrap().requests as u64, scheduler.stats().completed);
}

/// A chain of dispatches that are like those of every other such chain, each on kernels of its own.
fn chain(length: u32, own: u64) -> Arc<PlanDesc> {
    let dispatch = |index: u32| DispatchDesc {
        kernel: KernelId(10 + index),
        workgroups: 16,
        flops: 1_000_000,
        bytes: 1_050_000,
        deps: index.checked_sub(1).into_iter().collect(),
        coalesce: Some(CoalesceDesc {
            kernel: KernelId(100 + index),
            least: 2,
            width: 4,
            shared: 1_000_000,
            alike: Some(index.into()),
        }),
    };
    let last = DispatchDesc {
        kernel: KernelId(3),
        workgroups: 1,
        flops: own,
        bytes: own,
        deps: vec![length - 1],
        coalesce: None,
    };
    Arc::new(PlanDesc { model: ModelId(0), dispatches: (0..length).map(dispatch).chain([last]).collect() })
}

#[test]
fn dispatches_that_are_alike_run_as_one_lane_whatever_their_plans() {
    let alike = |number: u64, change: &dyn Fn(&mut PlanDesc)| {
        let mut plan = (*weighty(1_000_000, 1_000_000, 16)).clone();
        if let Some(coalesce) = &mut plan.dispatches[0].coalesce {
            coalesce.alike = Some(number);
        }
        change(&mut plan);
        Arc::new(plan)
    };
    let same = || alike(7, &|_| {});
    let others: [Arc<PlanDesc>; 4] = [
        alike(8, &|_| {}),
        // A number alone is not relied on.
        alike(7, &|plan| plan.dispatches[0].workgroups = 8),
        alike(7, &|plan| plan.dispatches[0].bytes += 1),
        alike(7, &|plan| plan.model = ModelId(1)),
    ];
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    for plan in [same()].into_iter().chain(others).chain([same(), same()]) {
        submit(&mut scheduler, &plan, None);
    }
    let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
    let runs = runs(&submission).concat();
    assert!(runs.contains(&(30, vec![0, 5, 6])), "{runs:?}");
    assert_eq!(scheduler.stats().coalesced, 3, "{runs:?}");
}

#[test]
fn a_plan_that_is_new_each_time_finds_those_like_it() {
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let mut now = 0;
    for round in 0..500 {
        for request in 0..3 {
            let plan = chain(2, 1_000 + round * 3 + request);
            scheduler.submit(RequestDesc { plan, ..RequestDesc::default() }, now);
        }
        let mut members = Vec::new();
        while let Some(submission) = scheduler.issue(now, &mut Shop::any()) {
            let run = |run: &[Lane]| run.len();
            members.extend(submission.bundles.iter().flat_map(|bundle| bundle.runs().map(run)));
            let times: Vec<_> = submission.bundles.iter().map(|bundle| bundle.predicted).collect();
            now += times.iter().sum::<Nanos>();
            assert_eq!(scheduler.retire(submission.id, Some(&times), now), Retired::Done);
        }
        assert_eq!(members[..2], [3, 3], "round {round}: {members:?}");
    }
    let kept = scheduler.kept();
    assert!(kept.plans <= 128 && kept.requests <= 3, "{kept:?}");
}

/// Issues submissions of one bundle after another, and says what each bundle held; `come` may send requests after each.
fn bundle_by_bundle(
    scheduler: &mut Scheduler,
    mut come: impl FnMut(&mut Scheduler, usize, Nanos),
) -> Vec<Vec<(u32, Vec<u64>)>> {
    let (mut now, mut all) = (0, Vec::new());
    come(scheduler, 0, now);
    while let Some(submission) = scheduler.issue(now, &mut Shop::any()) {
        assert_eq!(submission.bundles.len(), 1);
        all.extend(runs(&submission));
        now += submission.bundles[0].predicted;
        assert_eq!(scheduler.retire(submission.id, Some(&[submission.bundles[0].predicted]), now), Retired::Done);
        come(scheduler, all.len(), now);
    }
    all
}

fn step_by_step() -> Options {
    Options { max_bundles: 1, in_flight: 1, max_kernels: 1, ..options(Policy::Bundled) }
}

#[test]
fn who_is_ahead_waits_for_those_who_come_after() {
    let mut scheduler = Scheduler::new(step_by_step());
    let plans = [chain(6, 1_000), chain(6, 2_000)];
    let bundles = bundle_by_bundle(&mut scheduler, |scheduler, bundles, now| {
        if bundles == 0 || bundles == 2 {
            let plan = plans[bundles / 2].clone();
            scheduler.submit(RequestDesc { plan, ..RequestDesc::default() }, now);
        }
    });
    let alone = |kernel: u32, request: u64| vec![(kernel, vec![request])];
    let expected = [alone(10, 0), alone(11, 0), alone(10, 1), alone(11, 1)];
    assert_eq!(bundles[..4], expected);
    let together = |kernel: u32| vec![(kernel, vec![0, 1])];
    assert_eq!(bundles[4..8], [102, 103, 104, 105].map(together));
    assert_eq!(bundles[8], [(3, vec![0]), (3, vec![1])]);
}

#[test]
fn nobody_waits_for_company_in_vain_or_for_long() {
    type Desc = fn(RequestDesc) -> RequestDesc;
    let urgent: Desc = |desc| RequestDesc { deadline: Some(10_000_000), ..desc };
    let interactive: Desc = |desc| RequestDesc { class: Class::Interactive, ..desc };
    for (name, first, second) in [("urgent", urgent, urgent), ("interactive", interactive, interactive)] {
        let mut scheduler = Scheduler::new(step_by_step());
        let bundles = bundle_by_bundle(&mut scheduler, |scheduler, bundles, now| {
            let desc = |own| RequestDesc { plan: chain(6, own), ..RequestDesc::default() };
            match bundles {
                0 => drop(scheduler.submit(first(desc(1_000)), now)),
                2 => drop(scheduler.submit(second(desc(2_000)), now)),
                _ => {}
            }
        });
        let of_first: Vec<usize> = (0..bundles.len()).filter(|&at| bundles[at][0].1.contains(&0)).collect();
        assert_eq!(of_first[..6], [0, 1, 2, 3, 4, 5], "{name}: {bundles:?}");
    }
    // One that is on its way and is cancelled.
    let mut scheduler = Scheduler::new(step_by_step());
    let mut second = None;
    let bundles = bundle_by_bundle(&mut scheduler, |scheduler, bundles, now| {
        let desc = |own| RequestDesc { plan: chain(6, own), ..RequestDesc::default() };
        match bundles {
            0 => drop(scheduler.submit(desc(1_000), now)),
            2 => second = Some(scheduler.submit(desc(2_000), now)),
            3 => assert_ne!(scheduler.cancel(second.unwrap(), now), Cancelled::Unknown),
            _ => {}
        }
    });
    assert_eq!(bundles[2..5], [vec![(10, vec![1])], vec![(12, vec![0])], vec![(13, vec![0])]]);
    // Others come all the time, each time just behind: who was first is done none the less, not long after its time alone.
    let mut scheduler = Scheduler::new(step_by_step());
    let mut own = 0;
    let bundles = bundle_by_bundle(&mut scheduler, |scheduler, bundles, now| {
        if bundles < 60 {
            own += 1;
            scheduler.submit(RequestDesc { plan: chain(6, own), ..RequestDesc::default() }, now);
        }
    });
    let last = bundles.iter().rposition(|bundle| bundle.iter().any(|run| run.1.contains(&0))).unwrap();
    assert!(last < 3 * 7, "the first ended with bundle {last}");
}

#[test]
fn one_alone_is_not_sent_far_ahead_of_company() {
    let mut scheduler = Scheduler::new(Options { slice: 400_000, ..options(Policy::Bundled) });
    let mut now = 0;
    let round = |scheduler: &mut Scheduler, requests: u64, now: &mut Nanos| {
        (0..requests).for_each(|own| {
            scheduler.submit(RequestDesc { plan: chain(16, 1_000 + own), ..RequestDesc::default() }, *now);
        });
        let mut sizes = Vec::new();
        while let Some(submission) = scheduler.issue(*now, &mut Shop::any()) {
            let times: Vec<_> = submission.bundles.iter().map(|bundle| bundle.predicted).collect();
            let time = times.iter().sum::<Nanos>();
            sizes.push(time);
            *now += time;
            assert_eq!(scheduler.retire(submission.id, Some(&times), *now), Retired::Done);
        }
        sizes
    };
    let before = round(&mut scheduler, 1, &mut now);
    assert!(before[0] > 200_000, "nobody is expected: {before:?}");
    let together = round(&mut scheduler, 4, &mut now);
    assert!(together[0] > 200_000 && scheduler.stats().coalesced > 0, "all are there: {together:?}");
    let alone = round(&mut scheduler, 1, &mut now);
    assert!(alone[0] <= 100_000, "three more are expected: {alone:?}");
    now += 1_000_000_000;
    let later = round(&mut scheduler, 1, &mut now);
    assert!(later[0] > 200_000, "nobody is any more: {later:?}");
}

#[test]
fn a_log_without_numbers_of_what_is_alike_is_read() {
    let plan = chain(2, 1_000);
    let mut value = serde_json::to_value(&*plan).unwrap();
    assert_eq!(serde_json::from_value::<PlanDesc>(value.clone()).unwrap(), *plan);
    let coalesce = value["dispatches"][0]["coalesce"].as_object_mut().unwrap();
    assert!(coalesce.remove("alike").is_some());
    let old: PlanDesc = serde_json::from_value(value).unwrap();
    assert_eq!(old.dispatches[0].coalesce.unwrap().alike, None);
}
