//! Bundles run on pipelines that are there, and nobody waits for one that another needs.

use std::sync::Arc;

use fascine::schedule::*;

const DEVICE: DeviceModel =
    DeviceModel { parallelism: 16, flops: 1e12, bytes: 1e11, bundle: 5_000, lane: 100, submission: 0 };

/// The sets that are there, and no others; a set serves its subsets.
struct Shop(Vec<Vec<u32>>);

impl Pipelines for Shop {
    fn ready(&mut self, kernels: &[KernelId]) -> bool {
        self.0.iter().any(|set| kernels.iter().all(|kernel| set.contains(&kernel.0)))
    }
    fn want(&mut self, _: &[KernelId]) {}
    fn compatible(&self, _: KernelId, _: KernelId) -> bool {
        true
    }
}

fn shop(sets: &[&[u32]]) -> Shop {
    Shop(sets.iter().map(|set| set.to_vec()).collect())
}

fn dispatch(kernel: u32, deps: &[u32]) -> DispatchDesc {
    DispatchDesc {
        kernel: KernelId(kernel),
        workgroups: 1,
        flops: 1_000_000,
        bytes: 0,
        deps: deps.to_vec(),
        coalesce: None,
    }
}

fn scheduler(hold_back: HoldBack) -> Scheduler {
    Scheduler::new(Options { device: DEVICE, hold_back, ..Options::default() })
}

fn submit(scheduler: &mut Scheduler, dispatches: Vec<DispatchDesc>, deadline: Option<Nanos>, class: Class) {
    let plan = Arc::new(PlanDesc { model: ModelId(0), dispatches });
    scheduler.submit(RequestDesc { plan, deadline, class, ..RequestDesc::default() }, 0);
}

/// The kernels of the next submission's bundles.
fn kernels(scheduler: &mut Scheduler, shop: &mut Shop) -> Vec<Vec<u32>> {
    let bundles = scheduler.issue(0, shop).map_or(Vec::new(), |submission| submission.bundles);
    bundles.iter().map(|bundle| bundle.kernels().iter().map(|kernel| kernel.0).collect()).collect()
}

#[test]
fn the_exact_set_serves_else_a_superset_else_smaller_bundles() {
    type Case<'a> = (&'a [&'a [u32]], &'a [&'a [u32]]);
    let cases: [Case<'_>; 5] = [
        (&[&[0], &[1], &[2], &[0, 1, 2]], &[&[0, 1, 2]]),
        (&[&[0, 1, 2, 9]], &[&[0, 1, 2]]),
        (&[&[0, 1], &[2]], &[&[0, 1], &[2]]),
        (&[&[0], &[1, 2, 7]], &[&[0], &[1, 2]]),
        (&[&[0], &[1], &[2]], &[&[0], &[1], &[2]]),
    ];
    for (sets, expected) in cases {
        let mut scheduler = scheduler(HoldBack::No);
        for kernel in 0..3 {
            submit(&mut scheduler, vec![dispatch(kernel, &[])], Some(50_000_000 + u64::from(kernel)), Class::Normal);
        }
        assert_eq!(kernels(&mut scheduler, &mut shop(sets)), expected, "{sets:?}");
    }
}

#[test]
fn a_kernel_without_a_pipeline_blocks_no_other_of_its_tier() {
    let mut scheduler = scheduler(HoldBack::No);
    for kernel in 0..20 {
        submit(&mut scheduler, vec![dispatch(kernel, &[])], Some(50_000_000 + u64::from(kernel)), Class::Normal);
    }
    assert_eq!(kernels(&mut scheduler, &mut shop(&[&[17], &[19]])), [[17], [19]]);
    assert_eq!(scheduler.in_flight(), 1);
    assert_eq!(kernels(&mut scheduler, &mut shop(&[&[3]])), [[3]]);
}

#[test]
fn a_kernel_without_a_pipeline_blocks_no_other_tier() {
    for blocked in 0..4 {
        let mut scheduler = scheduler(HoldBack::No);
        submit(&mut scheduler, vec![dispatch(0, &[])], Some(50_000_000), Class::Normal);
        for (kernel, class) in [(1, Class::Interactive), (2, Class::Normal), (3, Class::Background)] {
            submit(&mut scheduler, vec![dispatch(kernel, &[])], None, class);
        }
        let others: Vec<u32> = (0..4).filter(|&kernel| kernel != blocked).collect();
        let sets: Vec<&[u32]> = others.iter().map(std::slice::from_ref).collect();
        // What someone waits for ends its submission.
        let mut shop = shop(&sets);
        let both = [kernels(&mut scheduler, &mut shop), kernels(&mut scheduler, &mut shop)].concat();
        assert_eq!(both, sets, "without {blocked}");
    }
}

#[test]
fn a_kernel_without_a_pipeline_blocks_no_other_branch_of_its_request() {
    let mut scheduler = scheduler(HoldBack::No);
    let branches = vec![dispatch(0, &[]), dispatch(1, &[]), dispatch(2, &[1]), dispatch(3, &[0, 2])];
    submit(&mut scheduler, branches, Some(50_000_000), Class::Normal);
    let mut without = shop(&[&[1], &[2], &[3]]);
    assert_eq!(kernels(&mut scheduler, &mut without), [[1], [2]]);
    without.0.push(vec![0]);
    assert_eq!(kernels(&mut scheduler, &mut without), [[0], [3]]);
}

#[test]
fn nobody_waits_for_company_that_has_no_pipeline() {
    let mut scheduler = scheduler(HoldBack::Yes);
    submit(&mut scheduler, vec![dispatch(0, &[])], Some(50_000_000), Class::Normal);
    submit(&mut scheduler, vec![dispatch(1, &[]), dispatch(0, &[0])], Some(90_000_000), Class::Normal);
    assert_eq!(kernels(&mut scheduler, &mut shop(&[&[0]])), [[0]]);
}

#[test]
fn a_tier_that_is_owed_its_part_but_has_no_pipeline_blocks_nobody() {
    let mut scheduler = scheduler(HoldBack::No);
    submit(&mut scheduler, vec![dispatch(1, &[])], None, Class::Normal);
    let long = DispatchDesc { workgroups: 160, flops: 900_000_000, ..dispatch(0, &[]) };
    let mut shop = shop(&[&[0]]);
    let mut now = 0;
    for _ in 0..200 {
        submit(&mut scheduler, vec![long.clone()], Some(10_000_000_000), Class::Normal);
        let submission = scheduler.issue(now, &mut shop).unwrap();
        let times: Vec<_> = submission.bundles.iter().map(|bundle| bundle.predicted).collect();
        now += times.iter().sum::<Nanos>();
        assert_eq!(scheduler.retire(submission.id, Some(&times), now), Retired::Done);
    }
    assert_eq!(scheduler.stats().completed, 200);
}
