//! What the scheduler decides in small situations.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use fascine::schedule::*;

const DEVICE: DeviceModel =
    DeviceModel { parallelism: 16, flops: 1e12, bytes: 1e11, wave: 5_000, lane: 100, submission: 0 };

/// Pipelines for every single arm and for `sets`; remembers what was wanted.
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
    fn ready(&mut self, arms: &[ArmId]) -> bool {
        let in_set = |set: &Vec<u32>| arms.iter().all(|arm| set.contains(&arm.0));
        self.any || arms.len() == 1 || self.sets.iter().any(in_set)
    }
    fn want(&mut self, arms: &[ArmId]) {
        self.wanted.push(arms.iter().map(|arm| arm.0).collect());
    }
    fn compatible(&self, _: ArmId, _: ArmId) -> bool {
        true
    }
}

fn options(policy: Policy) -> Options {
    Options { policy, device: DEVICE, ..Options::default() }
}

/// A plan of a chain of dispatches (arm, workgroups, flops).
fn chain(dispatches: &[(u32, u32, u64)]) -> Arc<PlanDesc> {
    let dispatches = dispatches.iter().enumerate().map(|(index, &(arm, workgroups, flops))| DispatchDesc {
        arm: ArmId(arm),
        workgroups,
        flops,
        bytes: 0,
        deps: (0..index as u32).last().into_iter().collect(),
    });
    Arc::new(PlanDesc { model: 0, dispatches: dispatches.collect() })
}

fn submit(scheduler: &mut Scheduler, plan: &Arc<PlanDesc>, deadline: Option<Nanos>) -> RequestId {
    scheduler.submit(RequestDesc { plan: plan.clone(), deadline, class: Class::Normal }, 0)
}

/// A submission as its waves' lanes: request and dispatch.
fn lanes(submission: &Submission) -> Vec<Vec<(u64, u32)>> {
    submission
        .waves
        .iter()
        .map(|wave| wave.lanes.iter().map(|lane| (lane.request.0, lane.dispatch)).collect())
        .collect()
}

#[test]
fn small_dispatches_of_one_arm_leave_as_one_wave() {
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    let plan = chain(&[(3, 1, 100_000)]);
    for _ in 0..64 {
        submit(&mut scheduler, &plan, None);
    }
    let submission = scheduler.issue(0, &mut Shop::default()).unwrap();
    assert_eq!(submission.waves.len(), 1);
    assert_eq!(submission.waves[0].lanes.len(), 64);
    assert!(submission.waves[0].predicted * 10 < submission.waves[0].separate);
    assert_eq!(scheduler.issue(0, &mut Shop::default()), None);
}

#[test]
fn a_chain_is_one_submission_of_many_waves() {
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
    let cases: [(Policy, &[&[(u64, u32)]]); 4] = [
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
        assert!(submission.waves.iter().map(|wave| wave.predicted).sum::<u64>() <= 2_000_000);
        let times: Vec<_> = submission.waves.iter().map(|wave| wave.predicted).collect();
        for lane in submission.waves.iter().flat_map(|wave| &wave.lanes) {
            assert_eq!((lane.request, lane.first), (request, next));
            next += lane.count;
        }
        scheduler.retire(submission.id, Some(&times), submissions * 2_000_000);
    }
    assert_eq!((next, submissions), (1_600, 9));
    assert_eq!(scheduler.take_ended().len(), 1);
}

#[test]
fn riders_of_the_same_arm_come_first() {
    let mut scheduler = Scheduler::new(Options { max_lanes: 3, ..options(Policy::Bundled) });
    for arm in [0, 1, 0, 0] {
        submit(&mut scheduler, &chain(&[(arm, 1, 100_000)]), None);
    }
    let submission = scheduler.issue(0, &mut Shop::any()).unwrap();
    assert_eq!(lanes(&submission), vec![vec![(0, 0), (2, 0), (3, 0)], vec![(1, 0)]]);
}

#[test]
fn sets_without_a_pipeline_are_wanted_whole_and_then_used() {
    let mut scheduler = Scheduler::new(Options { want_after: 0, ..options(Policy::Bundled) });
    let mut shop = Shop::default();
    let plans: Vec<_> = [4, 2, 9].map(|arm| chain(&[(arm, 1, 100_000)])).into();
    plans.iter().for_each(|plan| _ = submit(&mut scheduler, plan, None));
    let submission = scheduler.issue(0, &mut shop).unwrap();
    assert_eq!(submission.waves.len(), 3, "{submission:?}");
    assert_eq!(shop.wanted, [[2, 4, 9]]);
    shop.sets = std::mem::take(&mut shop.wanted);
    plans.iter().for_each(|plan| _ = submit(&mut scheduler, plan, None));
    let submission = scheduler.issue(0, &mut shop).unwrap();
    assert_eq!(submission.waves.len(), 1, "{submission:?}");
    assert!(shop.wanted.is_empty());
}

#[test]
fn what_has_no_pipeline_waits_without_blocking_others() {
    struct Only(u32, Vec<ArmId>);
    impl Pipelines for Only {
        fn ready(&mut self, arms: &[ArmId]) -> bool {
            arms == [ArmId(self.0)]
        }
        fn want(&mut self, arms: &[ArmId]) {
            self.1.extend(arms);
        }
        fn compatible(&self, _: ArmId, _: ArmId) -> bool {
            true
        }
    }
    let mut scheduler = Scheduler::new(options(Policy::Bundled));
    submit(&mut scheduler, &chain(&[(0, 1, 1_000)]), Some(1));
    submit(&mut scheduler, &chain(&[(1, 1, 1_000)]), None);
    let mut only = Only(1, Vec::new());
    assert_eq!(lanes(&scheduler.issue(0, &mut only).unwrap()), [[(1, 0)]]);
    assert_eq!(only.1, [ArmId(0)]);
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
    let device = DeviceModel { parallelism: 0, flops: 0.0, bytes: f64::NAN, wave: 0, lane: 0, submission: u64::MAX };
    let options = Options { device, slice: 0, in_flight: 0, max_lanes: 0, max_waves: 0, ..Options::default() };
    let mut scheduler = Scheduler::new(options);
    let dispatch =
        |workgroups, flops, bytes| DispatchDesc { arm: ArmId(u32::MAX), workgroups, flops, bytes, deps: vec![] };
    let dispatches = vec![dispatch(3, u64::MAX, u64::MAX), dispatch(u32::MAX, 0, 0), dispatch(1, 0, u64::MAX)];
    let plan = Arc::new(PlanDesc { model: 0, dispatches });
    submit(&mut scheduler, &plan, Some(0));
    let mut now = 0;
    while let Some(submission) = scheduler.issue(now, &mut Shop::any()) {
        now += 1;
        scheduler.retire(submission.id, [None, Some(&[u64::MAX][..])][now as usize % 2], now);
    }
    assert_eq!(scheduler.take_ended().len(), 1);
}
