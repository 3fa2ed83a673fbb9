//! What the scheduler decides in small situations.

use std::sync::Arc;

use fascine::schedule::*;

const DEVICE: DeviceModel =
    DeviceModel { parallelism: 16, flops: 1e12, bytes: 1e11, bundle: 5_000, lane: 100, submission: 0 };

/// Pipelines for every single kernel and for `sets`; remembers what was wanted.
#[derive(Default)]
struct Shop {
    any: bool,
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
        self.any || kernels.len() == 1 || self.sets.iter().any(in_set)
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

/// A plan of a chain of dispatches (kernel, workgroups, flops).
fn chain(dispatches: &[(u32, u32, u64)]) -> Arc<PlanDesc> {
    let dispatches = dispatches.iter().enumerate().map(|(index, &(kernel, workgroups, flops))| DispatchDesc {
        coalesce: None,
        kernel: KernelId(kernel),
        workgroups,
        flops,
        bytes: 0,
        deps: (0..index as u32).last().into_iter().collect(),
    });
    Arc::new(PlanDesc { model: ModelId(0), dispatches: dispatches.collect() })
}

fn submit(scheduler: &mut Scheduler, plan: &Arc<PlanDesc>, deadline: Option<Nanos>) -> RequestId {
    scheduler.submit(RequestDesc { plan: plan.clone(), deadline, ..RequestDesc::default() }, 0)
}

/// A submission as its bundles' lanes: request and dispatch.
fn lanes(submission: &Submission) -> Vec<Vec<(u64, u32)>> {
    submission
        .bundles
        .iter()
        .map(|bundle| bundle.lanes.iter().map(|lane| (lane.request.0, lane.dispatch)).collect())
        .collect()
}

#[test]
fn small_dispatches_of_one_kernel_leave_as_one_bundle() {
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let plan = chain(&[(3, 1, 100_000)]);
    for _ in 0..64 {
        submit(&mut scheduler, &plan, None);
    }
    let submission = scheduler.issue(0, &mut Shop::default()).unwrap();
    assert_eq!(submission.bundles.len(), 1);
    assert_eq!(submission.bundles[0].lanes.len(), 64);
    assert!(submission.bundles[0].predicted * 10 < submission.bundles[0].separate);
    assert_eq!(scheduler.issue(0, &mut Shop::default()), None);
}

#[test]
fn a_chain_is_one_submission_of_many_bundles() {
    let plan = chain(&[(0, 1, 1_000), (1, 1, 1_000), (2, 1, 1_000)]);
    for policy in [Policy::TimeOnly, Policy::OnePass, Policy::Bundled] {
        let mut scheduler = Scheduler::new(options(policy));
        submit(&mut scheduler, &plan, None);
        let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
        assert_eq!(lanes(&submission), [[(0, 0)], [(0, 1)], [(0, 2)]], "{policy:?}");
    }
}

#[test]
fn policies_group_two_chains_each_in_its_way() {
    let plan = chain(&[(0, 1, 1_000), (1, 1, 1_000)]);
    type Bundles<'a> = &'a [&'a [(u64, u32)]];
    let cases: [(Policy, Bundles<'_>); 4] = [
        (Policy::SubmitEach, &[&[(0, 0)]]),
        (Policy::TimeOnly, &[&[(0, 0)], &[(0, 1)]]),
        (Policy::OnePass, &[&[(0, 0)], &[(1, 0)], &[(0, 1)], &[(1, 1)]]),
        (Policy::Bundled, &[&[(0, 0), (1, 0)], &[(0, 1), (1, 1)]]),
    ];
    for (policy, expected) in cases {
        let mut scheduler = Scheduler::new(options(policy));
        submit(&mut scheduler, &plan, None);
        submit(&mut scheduler, &plan, None);
        let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
        assert_eq!(lanes(&submission), expected, "{policy:?}");
    }
}

#[test]
fn the_earliest_deadline_leads() {
    let heavy = chain(&[(0, 160, 800_000_000)]);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    for deadline in [None, Some(9_000_000), Some(3_000_000)] {
        submit(&mut scheduler, &heavy, deadline);
    }
    let submission = scheduler.issue(0, &mut Shop::default()).unwrap();
    assert_eq!(lanes(&submission), [[(2, 0)], [(1, 0)]]);
    let mut scheduler = Scheduler::new(Options { order: Order::Arrival, ..options(Policy::Bundled) });
    for deadline in [None, Some(9_000_000), Some(3_000_000)] {
        submit(&mut scheduler, &heavy, deadline);
    }
    let submission = scheduler.issue(0, &mut Shop::default()).unwrap();
    assert_eq!(lanes(&submission), [[(0, 0)], [(1, 0)]]);
}

#[test]
fn what_does_not_pay_shares_a_bundle_only_if_all_is_to() {
    let heavy = [0, 1].map(|kernel| chain(&[(kernel, 160, 800_000_000)]));
    type Bundles<'a> = &'a [&'a [(u64, u32)]];
    let cases: [(Policy, Bundles<'_>); 2] =
        [(Policy::Bundled, &[&[(0, 0)], &[(1, 0)]]), (Policy::Together, &[&[(0, 0), (1, 0)]])];
    for (policy, expected) in cases {
        let mut scheduler = Scheduler::new(options(policy));
        for plan in &heavy {
            submit(&mut scheduler, plan, None);
        }
        let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
        assert_eq!(lanes(&submission), expected, "{policy:?}");
    }
}

#[test]
fn dispatches_that_fill_the_device_are_not_merged() {
    let heavy = chain(&[(0, 160, 400_000_000)]);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    submit(&mut scheduler, &heavy, None);
    submit(&mut scheduler, &heavy, None);
    let submission = scheduler.issue(0, &mut Shop::default()).unwrap();
    assert_eq!(lanes(&submission), [[(0, 0)], [(1, 0)]]);
}

#[test]
fn a_long_dispatch_leaves_in_pieces_of_a_slice() {
    let long = chain(&[(0, 1_600, 16_000_000_000)]);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let request = submit(&mut scheduler, &long, None);
    let mut next = 0;
    let mut submissions = 0;
    while let Some(submission) = scheduler.issue(0, &mut Shop::default()) {
        submissions += 1;
        assert!(submission.bundles.iter().map(|bundle| bundle.predicted).sum::<u64>() <= 2_000_000);
        let times: Vec<_> = submission.bundles.iter().map(|bundle| bundle.predicted).collect();
        for lane in submission.bundles.iter().flat_map(|bundle| &bundle.lanes) {
            assert_eq!((lane.request, lane.first), (request, next));
            next += lane.count;
        }
        scheduler.retire(submission.id, Some(&times), submissions * 2_000_000);
    }
    assert_eq!((next, submissions), (1_600, 9));
    assert_eq!(scheduler.take_ended().len(), 1);
}

#[test]
fn riders_of_the_same_kernel_come_first() {
    let mut scheduler = Scheduler::new(Options { max_lanes: 3, ..options(Policy::Bundled) });
    for kernel in [0, 1, 0, 0] {
        submit(&mut scheduler, &chain(&[(kernel, 1, 100_000)]), None);
    }
    let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
    assert_eq!(lanes(&submission), vec![vec![(0, 0), (2, 0), (3, 0)], vec![(1, 0)]]);
}

#[test]
fn sets_without_a_pipeline_are_wanted_whole_and_then_used() {
    let mut scheduler = Scheduler::new(Options { want_after: 0, ..options(Policy::Bundled) });
    let mut shop = Shop::default();
    let plans: Vec<_> = [4, 2, 9].map(|kernel| chain(&[(kernel, 1, 100_000)])).into();
    plans.iter().for_each(|plan| _ = submit(&mut scheduler, plan, None));
    let submission = scheduler.issue(0, &mut shop).unwrap();
    assert_eq!(submission.bundles.len(), 3, "{submission:?}");
    assert_eq!(shop.wanted, [[2, 4, 9]]);
    shop.sets = std::mem::take(&mut shop.wanted);
    plans.iter().for_each(|plan| _ = submit(&mut scheduler, plan, None));
    let submission = scheduler.issue(0, &mut shop).unwrap();
    assert_eq!(submission.bundles.len(), 1, "{submission:?}");
    assert!(shop.wanted.is_empty());
}

#[test]
fn what_has_no_pipeline_waits_without_blocking_others() {
    struct Only(u32, Vec<KernelId>);
    impl Pipelines for Only {
        fn ready(&mut self, kernels: &[KernelId]) -> bool {
            kernels == [KernelId(self.0)]
        }
        fn want(&mut self, kernels: &[KernelId]) {
            self.1.extend(kernels);
        }
        fn compatible(&self, _: KernelId, _: KernelId) -> bool {
            true
        }
    }
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    submit(&mut scheduler, &chain(&[(0, 1, 1_000)]), Some(1));
    submit(&mut scheduler, &chain(&[(1, 1, 1_000)]), None);
    let mut only = Only(1, Vec::new());
    assert_eq!(lanes(&scheduler.issue(0, &mut only).unwrap()), [[(1, 0)]]);
    assert!(only.1.contains(&KernelId(0)));
    assert_eq!(scheduler.issue(0, &mut only), None);
    assert!(scheduler.has_ready());
}

#[test]
fn a_cancelled_request_ends_when_its_lanes_have_retired() {
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let long = chain(&[(0, 1_600, 16_000_000_000)]);
    let request = submit(&mut scheduler, &long, None);
    let submission = scheduler.issue(0, &mut Shop::default()).unwrap();
    assert_eq!(scheduler.cancel(request, 1), Cancelled::Draining);
    assert_eq!(scheduler.take_ended(), []);
    assert_eq!(scheduler.issue(1, &mut Shop::default()), None);
    assert_eq!(scheduler.retire(submission.id, None, 9), Retired::Done);
    assert_eq!(scheduler.take_ended(), [Ended { request, outcome: Outcome::Cancelled, at: 9 }]);
    assert_eq!(scheduler.cancel(request, 10), Cancelled::Unknown);
}

#[test]
fn what_was_issued_whole_can_fail_but_not_be_cancelled() {
    for fails in [false, true] {
        let mut scheduler = Scheduler::new(options(Policy::Bundled));
        let request = submit(&mut scheduler, &chain(&[(0, 16, 1_000)]), None);
        let submission = scheduler.issue(0, &mut Shop::default()).unwrap();
        let stopped = if fails { scheduler.fail(request, 1) } else { scheduler.cancel(request, 1) };
        assert_eq!(stopped, Cancelled::Draining);
        assert_eq!(scheduler.retire(submission.id, None, 9), Retired::Done);
        let outcome = if fails { Outcome::Failed } else { Outcome::Completed };
        assert_eq!(scheduler.take_ended(), [Ended { request, outcome, at: 9 }]);
        assert_eq!((scheduler.stats().failed, scheduler.stats().completed), (u64::from(fails), u64::from(!fails)));
    }
}

#[test]
fn empty_and_malformed_plans_end_at_once() {
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let empty = submit(&mut scheduler, &chain(&[]), None);
    let malformed = submit(&mut scheduler, &chain(&[(0, 0, 0)]), None);
    let outcomes: Vec<_> = scheduler.take_ended().iter().map(|ended| (ended.request, ended.outcome)).collect();
    assert_eq!(outcomes, [(empty, Outcome::Completed), (malformed, Outcome::Failed)]);
    assert_eq!(scheduler.outstanding(), 0);
}

#[test]
fn extreme_numbers_neither_panic_nor_hang() {
    let device = DeviceModel { parallelism: 0, flops: 0.0, bytes: f64::NAN, bundle: 0, lane: 0, submission: u64::MAX };
    let options = Options { device, slice: 0, in_flight: 0, max_lanes: 0, max_bundles: 0, ..Options::default() };
    let mut scheduler = Scheduler::new(options);
    let dispatch = |workgroups, flops, bytes| DispatchDesc {
        kernel: KernelId(u32::MAX),
        workgroups,
        flops,
        bytes,
        deps: vec![],
        coalesce: None,
    };
    let dispatches = vec![dispatch(3, u64::MAX, u64::MAX), dispatch(u32::MAX, 0, 0), dispatch(1, 0, u64::MAX)];
    let plan = Arc::new(PlanDesc { model: ModelId(0), dispatches });
    submit(&mut scheduler, &plan, Some(0));
    let mut now = 0;
    while let Some(submission) = scheduler.issue(now, &mut Shop::any()) {
        now += 1;
        scheduler.retire(submission.id, [None, Some(&[u64::MAX][..])][now as usize % 2], now);
    }
    assert_eq!(scheduler.take_ended().len(), 1);
}

/// Runs `plan` alone until its predictions count as measured; returns the time and its duration.
fn train(scheduler: &mut Scheduler, plan: &Arc<PlanDesc>) -> (Nanos, Nanos) {
    let (mut now, mut duration) = (0, 0);
    for _ in 0..40 {
        let start = now;
        scheduler.submit(RequestDesc { plan: plan.clone(), ..RequestDesc::default() }, now);
        while let Some(submission) = scheduler.issue(now, &mut Shop::any()) {
            now = retire(scheduler, &submission, now);
        }
        duration = now - start;
    }
    scheduler.take_ended();
    (now, duration)
}

/// Retires a submission that took as long as predicted; returns when.
fn retire(scheduler: &mut Scheduler, submission: &Submission, now: Nanos) -> Nanos {
    let times: Vec<_> = submission.bundles.iter().map(|bundle| bundle.predicted).collect();
    let now = now + times.iter().sum::<u64>();
    assert_eq!(scheduler.retire(submission.id, Some(&times), now), Retired::Done);
    now
}

fn outcomes(scheduler: &mut Scheduler) -> Vec<(u64, Outcome)> {
    scheduler.take_ended().iter().map(|ended| (ended.request.0, ended.outcome)).collect()
}

#[test]
fn what_cannot_keep_its_deadline_is_dropped_or_goes_behind() {
    let plan = chain(&[(0, 160, 900_000_000), (0, 160, 900_000_000)]);
    for (admission, expected) in [
        (Admission::DropLate, vec![(1, Outcome::Completed), (0, Outcome::Dropped)]),
        (Admission::RunLate, vec![(1, Outcome::Completed), (0, Outcome::CompletedLate)]),
        (Admission::RejectPredictedMiss, vec![(0, Outcome::Rejected), (1, Outcome::Completed)]),
    ] {
        let mut scheduler = Scheduler::new(options(Policy::Bundled));
        let (mut now, duration) = train(&mut scheduler, &plan);
        for part in [0.7, 1.5] {
            let deadline = Some(now + (duration as f64 * part) as Nanos);
            scheduler.submit(RequestDesc { plan: plan.clone(), deadline, admission, ..RequestDesc::default() }, now);
        }
        while let Some(submission) = scheduler.issue(now, &mut Shop::any()) {
            now = retire(&mut scheduler, &submission, now);
        }
        let mut ended = outcomes(&mut scheduler);
        ended.iter_mut().for_each(|(request, _)| *request -= 40);
        let mut expected = expected;
        if admission == Admission::DropLate {
            expected.reverse();
        }
        assert_eq!(ended, expected, "{admission:?}");
    }
}

#[test]
fn refusal_counts_the_work_ahead() {
    let plan = chain(&[(0, 160, 900_000_000)]);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let (now, duration) = train(&mut scheduler, &plan);
    for _ in 0..6 {
        let (deadline, admission) = (Some(now + duration * 7 / 2), Admission::RejectPredictedMiss);
        scheduler.submit(RequestDesc { plan: plan.clone(), deadline, admission, ..RequestDesc::default() }, now);
    }
    assert_eq!(outcomes(&mut scheduler), [43, 44, 45].map(|request| (request, Outcome::Rejected)));
}

#[test]
fn the_latest_of_a_key_wins_until_it_has_begun() {
    let plan = chain(&[(0, 1, 1_000)]);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let frame = |scheduler: &mut Scheduler| {
        scheduler.submit(RequestDesc { plan: plan.clone(), key: Some(7), ..RequestDesc::default() }, 0);
    };
    frame(&mut scheduler);
    frame(&mut scheduler);
    assert_eq!(outcomes(&mut scheduler), [(0, Outcome::Superseded)]);
    let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
    frame(&mut scheduler);
    assert_eq!(outcomes(&mut scheduler), []);
    retire(&mut scheduler, &submission, 0);
    assert_eq!(outcomes(&mut scheduler), [(1, Outcome::Completed)]);
}

#[test]
fn best_effort_gets_its_part_beside_a_flood_of_deadlines() {
    let heavy = chain(&[(0, 160, 900_000_000)]);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let mut waiting = Vec::new();
    for class in [Class::Normal, Class::Background] {
        waiting.push(scheduler.submit(RequestDesc { plan: heavy.clone(), class, ..RequestDesc::default() }, 0));
    }
    let mut now = 0;
    let mut ends = Vec::new();
    while ends.len() < 2 {
        for _ in 0..4 {
            submit(&mut scheduler, &heavy, Some(now + 1_000_000_000));
        }
        let submission = scheduler.issue(now, &mut Shop::any()).unwrap();
        now = retire(&mut scheduler, &submission, now);
        ends.extend(scheduler.take_ended().into_iter().filter(|ended| waiting.contains(&ended.request)));
    }
    let bound = |part: f64| (2.0 * 2_000_000.0 / part) as Nanos + 2_000_000;
    let Parts { normal, background, .. } = Parts::default();
    assert!(ends[0].at <= bound(normal), "{}", ends[0].at);
    assert!(ends[1].at <= bound(background), "{}", ends[1].at);
    assert!(ends[0].at > 2_000_000, "deadlines first");
}

#[test]
fn riders_do_not_cost_a_leader_its_deadline() {
    let urgent = chain(&[(0, 8, 30_000_000)]);
    let (fitting, spilling) = (chain(&[(0, 160, 14_000_000)]), chain(&[(0, 160, 60_000_000)]));
    for (stretch, rider, lanes) in [(1.0, &fitting, 1), (1.02, &fitting, 3), (1.02, &spilling, 1), (40.0, &spilling, 3)]
    {
        let mut scheduler = Scheduler::new(options(Policy::Bundled));
        let (now, duration) = train(&mut scheduler, &urgent);
        let deadline = Some(now + (duration as f64 * stretch) as Nanos);
        scheduler.submit(RequestDesc { plan: urgent.clone(), deadline, ..RequestDesc::default() }, now);
        for _ in 0..2 {
            scheduler.submit(RequestDesc { plan: rider.clone(), ..RequestDesc::default() }, now);
        }
        let submission = scheduler.issue(now, &mut Shop::any()).unwrap();
        assert_eq!(submission.bundles[0].lanes.len(), lanes, "{submission:?}");
    }
}

#[test]
fn a_lone_dispatch_waits_for_others_of_its_kernel() {
    let behind = chain(&[(1, 1, 1_000_000), (0, 1, 1_000_000)]);
    let ahead = chain(&[(0, 1, 1_000_000)]);
    for (hold_back, expected) in [
        (HoldBack::No, vec![vec![(0, 0)], vec![(1, 0)], vec![(1, 1)]]),
        (HoldBack::Yes, vec![vec![(1, 0)], vec![(0, 0), (1, 1)]]),
    ] {
        let mut scheduler = Scheduler::new(Options { hold_back, ..options(Policy::Bundled) });
        submit(&mut scheduler, &ahead, Some(100_000_000));
        submit(&mut scheduler, &behind, Some(200_000_000));
        let submission = scheduler.issue(0, &mut Shop::default()).unwrap();
        assert_eq!(lanes(&submission), expected, "{hold_back:?}");
    }
}

#[test]
fn who_misses_by_prediction_makes_way_and_goes_on() {
    let plan = chain(&[(0, 160, 20_000_000), (1, 160, 20_000_000)]);
    for (admission, part, leads, outcome) in [
        (Admission::RunLate, 101, 0, Outcome::Completed),
        (Admission::RunLate, 95, 1, Outcome::CompletedLate),
        (Admission::DropLate, 95, 1, Outcome::Dropped),
        (Admission::DropLate, 70, 1, Outcome::Dropped),
    ] {
        let mut scheduler = Scheduler::new(Options { max_lanes: 1, max_bundles: 1, ..options(Policy::Bundled) });
        let (mut now, duration) = train(&mut scheduler, &plan);
        let within = |part: u64| Some(now + duration * part / 100);
        let tight = RequestDesc { plan: plan.clone(), deadline: within(part), admission, ..RequestDesc::default() };
        let tight = scheduler.submit(tight, now);
        let easy = RequestDesc { plan: plan.clone(), deadline: within(1_000), ..RequestDesc::default() };
        let easy = scheduler.submit(easy, now);
        let mut order = Vec::new();
        while let Some(submission) = scheduler.issue(now, &mut Shop::any()) {
            order.push(submission.bundles[0].lanes[0].request);
            now = retire(&mut scheduler, &submission, now);
        }
        assert_eq!(order[0], [tight, easy][leads], "{admission:?}, {part} %");
        let ends = outcomes(&mut scheduler);
        assert!(ends.contains(&(tight.0, outcome)) && ends.contains(&(easy.0, Outcome::Completed)), "{ends:?}");
    }
}

#[test]
fn predictions_say_how_far_they_are_off() {
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    train(&mut scheduler, &chain(&[(0, 160, 900_000_000)]));
    let exact = scheduler.prediction_error();
    assert!(exact.p95 <= 0.051 && exact.bundles == 40, "{exact:?}");
}

#[test]
fn the_first_in_flight_is_done_when_its_bundles_are() {
    let mut scheduler = Scheduler::new(Options { max_bundles: 1, ..options(Policy::Bundled) });
    assert_eq!(scheduler.next_retirement(), None);
    let plan = chain(&[(0, 16, 16_000_000), (1, 16, 32_000_000)]);
    submit(&mut scheduler, &plan, None);
    let first = scheduler.issue(1_000, &mut Shop::any()).unwrap();
    let second = scheduler.issue(2_000, &mut Shop::any()).unwrap();
    let [one, two] = [&first, &second].map(|submission| submission.bundles[0].predicted);
    assert_eq!(scheduler.next_retirement(), Some(1_000 + one));
    let _ = scheduler.retire(first.id, None, 50_000);
    // Its predecessor held it up.
    assert_eq!(scheduler.next_retirement(), Some(50_000 + two));
    let _ = scheduler.retire(second.id, Some(&[]), 60_000);
    assert_eq!(scheduler.next_retirement(), None);
}

#[test]
fn what_was_not_measured_teaches_nothing() {
    let plan = chain(&[(0, 16, 16_000_000)]);
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    submit(&mut scheduler, &plan, None);
    let learned = scheduler.learned();
    let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
    assert_eq!(scheduler.retire(submission.id, Some(&[]), 900_000_000), Retired::Done);
    assert_eq!((scheduler.learned(), scheduler.prediction_error().bundles), (learned, 0));
}
