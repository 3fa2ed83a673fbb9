//! How long anyone waits, on a device that takes exactly as long as predicted: the urgent, and every class of best effort.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fascine::schedule::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const DEVICE: DeviceModel =
    DeviceModel { parallelism: 8, flops: 1e12, bytes: 1e11, bundle: 1_000, lane: 50, submission: 0 };
const MILLI: Nanos = 1_000_000;

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

/// A scheduler and a device that runs submissions in order.
struct World {
    scheduler: Scheduler,
    now: Nanos,
    free_at: Nanos,
    flights: VecDeque<(Submission, Vec<Nanos>, Nanos)>,
    plans: BTreeMap<RequestId, Arc<PlanDesc>>,
    /// A model that takes so many times as long.
    slow: Option<(u32, u64)>,
    /// When the first and the last lane so far of each request began on the device.
    began: BTreeMap<RequestId, (Nanos, Nanos)>,
    ended: BTreeMap<RequestId, Ended>,
}

impl World {
    fn new(options: Options) -> Self {
        World {
            scheduler: Scheduler::new(options),
            now: 0,
            free_at: 0,
            flights: VecDeque::new(),
            plans: BTreeMap::new(),
            slow: None,
            began: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    fn submit(&mut self, desc: RequestDesc) -> RequestId {
        let plan = desc.plan.clone();
        let id = self.scheduler.submit(desc, self.now);
        self.plans.insert(id, plan);
        id
    }

    /// The true duration of a bundle.
    fn time(&self, bundle: &Bundle) -> Nanos {
        let mut loads = [0.0, 0.0, 0.0f64];
        let mut factor = 1;
        for run in bundle.runs() {
            let plan = &self.plans[&run[0].request];
            factor = factor.max(
                self.slow.filter(|&(model, _)| ModelId(model.into()) == plan.model).map_or(1, |(_, factor)| factor),
            );
            let dispatch = &plan.dispatches[run[0].dispatch as usize];
            let [compute, memory, longest] = load(dispatch, run.len() as u64, run[0].count);
            loads = [loads[0] + compute, loads[1] + memory, loads[2].max(longest)];
        }
        let fixed = DEVICE.bundle + DEVICE.lane * bundle.runs().count() as Nanos;
        (fixed as f64 + loads.into_iter().fold(0.0, f64::max)).ceil() as Nanos * factor
    }

    fn issue(&mut self) {
        while let Some(submission) = self.scheduler.issue(self.now, &mut All) {
            let mut at = self.now.max(self.free_at);
            let mut times = Vec::new();
            for bundle in &submission.bundles {
                for lane in &bundle.lanes {
                    self.began.entry(lane.request).or_insert((at, at)).1 = at;
                }
                times.push(self.time(bundle));
                at += times.last().unwrap();
            }
            self.free_at = at;
            self.flights.push_back((submission, times, at));
        }
    }

    /// When the first submission in flight ends.
    fn next(&self) -> Option<Nanos> {
        self.flights.front().map(|&(_, _, at)| at)
    }

    /// Lets time pass.
    fn advance(&mut self, to: Nanos) {
        self.issue();
        while let Some(next) = self.next().filter(|&next| next <= to) {
            self.now = next;
            if let Some((submission, times, at)) = self.flights.pop_front_if(|(_, _, at)| *at <= next) {
                assert_eq!(self.scheduler.retire(submission.id, Some(&times), at), Retired::Done);
                self.scheduler.recycle(submission);
                self.ended.extend(self.scheduler.take_ended().into_iter().map(|ended| (ended.request, ended)));
            }
            self.issue();
        }
        self.now = to;
    }

    fn finish(&mut self) {
        self.issue();
        while let Some(next) = self.next() {
            self.advance(next);
        }
        assert_eq!(self.scheduler.outstanding(), 0);
    }
}

/// Nanoseconds of `count` workgroups that each work for so many requests: of the whole device's arithmetic and memory, and the
/// longest workgroup.
fn load(dispatch: &DispatchDesc, requests: u64, count: u32) -> [f64; 3] {
    let shared = dispatch.coalesce.map_or(0, |coalesce| coalesce.shared);
    let compute = (requests * dispatch.flops) as f64 * 1e9 / DEVICE.flops;
    let memory = (shared + requests * (dispatch.bytes - shared)) as f64 * 1e9 / DEVICE.bytes;
    let part = f64::from(count) / f64::from(dispatch.workgroups);
    let longest = compute.max(memory) * f64::from(DEVICE.parallelism) / f64::from(dispatch.workgroups);
    [compute * part, memory * part, longest]
}

/// Plans whose dispatches can be cut into pieces of less than 0.2 ms.
fn plan(model: u32) -> impl Strategy<Value = Arc<PlanDesc>> {
    let coalesce = prop::option::of((2u32..4, 0u32..6, 0u64..=100));
    let dispatch = (0u32..5, 1u32..100, 1u64..20, any::<bool>(), any::<prop::sample::Index>(), coalesce);
    prop::collection::vec(dispatch, 1..10).prop_map(move |dispatches| {
        let dispatches = dispatches.into_iter().enumerate().map(|(index, dispatch)| {
            let (kernel, workgroups, micros, memory, dep, coalesce) = dispatch;
            let work = u64::from(workgroups) * micros;
            let bytes = if memory { work * 100_000 / 8 } else { 0 };
            DispatchDesc {
                kernel: KernelId(kernel),
                workgroups,
                // A workgroup alone has an eighth of the device.
                flops: work * 1_000_000 / 8,
                bytes,
                deps: (0..index).take(1).map(|_| dep.index(index) as u32).collect(),
                coalesce: coalesce.map(|(least, more, shared)| CoalesceDesc {
                    kernel: KernelId(100 + kernel),
                    least,
                    width: least + more,
                    shared: bytes * shared / 100,
                    alike: None,
                }),
            }
        });
        Arc::new(PlanDesc { model: ModelId(u64::from(model)), dispatches: dispatches.collect() })
    })
}

fn options() -> impl Strategy<Value = Options> {
    let hold_back = prop_oneof![Just(HoldBack::No), Just(HoldBack::Yes)];
    (hold_back, 500_000u64..3_000_000, 1usize..4, 2usize..40).prop_map(|(hold_back, slice, in_flight, max_lanes)| {
        Options { hold_back, slice, in_flight, max_lanes, device: DEVICE, ..Options::default() }
    })
}

const CLASSES: [Class; 3] = [Class::Interactive, Class::Normal, Class::Background];

/// How many random cases each property is tried on.
fn cases() -> u32 {
    std::env::var("FASCINE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        rng_seed: RngSeed::Fixed(0x00fa_5c1e),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_urgent_wait_no_longer_than_is_stated(
        options in options(),
        plans in prop::collection::vec(plan(1), 1..4),
        load in prop::collection::vec((any::<prop::sample::Index>(), 0u64..2 * MILLI, 0usize..4), 1..40),
        urgent in plan(2),
        at in 0u64..20 * MILLI,
    ) {
        let bound = options.longest_wait();
        let mut world = World::new(options.clone());
        let mut classes = [false; 3];
        let mut submit = |world: &mut World, (plan, _, class): (prop::sample::Index, Nanos, usize)| {
            let deadline = (class == 3).then_some(world.now + 200 * MILLI);
            classes[class.min(2)] |= deadline.is_none();
            let plan = plans[plan.index(plans.len())].clone();
            world.submit(RequestDesc { plan, deadline, class: CLASSES[class.min(2)], ..RequestDesc::default() });
        };
        for &load in &load {
            let next = world.now + load.1;
            if next > at {
                break;
            }
            world.advance(next);
            submit(&mut world, load);
        }
        world.advance(at);
        let id = world.submit(RequestDesc { plan: urgent, deadline: Some(at + 150 * MILLI), ..RequestDesc::default() });
        world.finish();
        // What best effort is owed goes first: no more than a slice and a half for each class that waits.
        let owed = classes.iter().filter(|&&waits| waits).count() as Nanos * options.slice * 3 / 2;
        let waited = world.began[&id].0 - at;
        prop_assert!(waited <= bound + owed + 1_000, "{waited} > {bound} + {owed}");
    }

    #[test]
    fn no_class_starves(
        options in options(),
        plans in prop::collection::vec(plan(1), 1..4),
        victim in plan(2),
        slow in prop::option::of(2u64..10),
    ) {
        let (slice, in_flight) = (options.slice, options.in_flight as Nanos);
        let Parts { interactive, normal, background } = options.parts;
        let mut world = World::new(options);
        world.slow = slow.map(|factor| (1, factor));
        let waiting = CLASSES.map(|class| {
            world.submit(RequestDesc { plan: victim.clone(), class, ..RequestDesc::default() })
        });
        // A flood with deadlines that can be kept for ever, always more than the device can take.
        let mut turn = 0;
        let began = |world: &World| waiting.iter().all(|id| world.began.contains_key(id));
        while !began(&world) && world.now < 3_000 * MILLI {
            while world.scheduler.outstanding() < 12 + waiting.len() {
                let deadline = Some(world.now + 1_000_000 * MILLI);
                let plan = plans[turn % plans.len()].clone();
                turn += 1;
                world.submit(RequestDesc { plan, deadline, ..RequestDesc::default() });
            }
            let next = world.now + slice / 4;
            world.advance(next);
        }
        for (id, part) in waiting.iter().zip([interactive, normal, background]) {
            // Until it is known how long they take, bundles are that much longer.
            let bound = (2.0 * slice as f64 / part) as Nanos + slice * (in_flight + 4) * slow.unwrap_or(1);
            let began = world.began.get(id).map(|began| began.0);
            prop_assert!(began.is_some_and(|began| began <= bound), "{began:?} > {bound} for a part of {part}");
        }
    }
}
