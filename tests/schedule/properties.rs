//! Whatever happens in whatever order: every workgroup issues exactly once and after its dependencies, every request ends
//! exactly once, bounds hold, and the same events give the same decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fascine::schedule::log::{Event, Log, Recorder, ScheduleLog};
use fascine::schedule::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const KERNELS: u32 = 7;
/// The coalesced kernel of kernel `a` is `COALESCED + a`.
const COALESCED: u32 = 100;
const DEVICE: DeviceModel =
    DeviceModel { parallelism: 8, flops: 1e12, bytes: 1e11, bundle: 1_000, lane: 50, submission: 2_000 };

/// xorshift64*
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// The most bytes that a request takes, and those that there are.
const LARGEST: u64 = 6;
const MEMORY: u64 = 10;

/// Pipelines that become ready some time after they are wanted, and memory that is refused now and then though it is there.
struct Shop {
    sets: Vec<Vec<KernelId>>,
    wanted: Vec<Vec<KernelId>>,
    /// Bytes that requests that have not begun want, and that others have.
    wants: BTreeMap<RequestId, u64>,
    taken: BTreeMap<RequestId, u64>,
    moods: Dice,
    /// Whether a request was refused since that was last looked at.
    refused: bool,
}

impl Pipelines for Shop {
    fn ready(&mut self, kernels: &[KernelId]) -> bool {
        self.sets.iter().any(|set| kernels.iter().all(|kernel| set.contains(kernel)))
    }

    fn want(&mut self, kernels: &[KernelId]) {
        assert!(kernels.is_sorted() && !kernels.is_empty());
        for (i, &a) in kernels.iter().enumerate() {
            assert!(kernels[i + 1..].iter().all(|&b| self.compatible(a, b)), "wanted an impossible set");
        }
        if !self.wanted.iter().any(|set| set == kernels) {
            self.wanted.push(kernels.to_vec());
        }
    }

    fn compatible(&self, a: KernelId, b: KernelId) -> bool {
        (a.0 % COALESCED < 5) == (b.0 % COALESCED < 5)
    }

    fn begin(&mut self, request: RequestId, spare: u64) -> bool {
        let bytes = *self.wants.get(&request).unwrap();
        let used = self.taken.values().sum::<u64>();
        assert!(spare == 0 || !self.taken.is_empty(), "nobody else has begun");
        let refused = used + bytes + spare > MEMORY || !self.taken.is_empty() && self.moods.below(4) == 0;
        if refused {
            self.refused = true;
        } else {
            self.wants.remove(&request);
            self.taken.insert(request, bytes);
        }
        !refused
    }
}

/// What is known of a request from outside.
struct Seen {
    plan: Arc<PlanDesc>,
    /// Per dispatch and workgroup: how often it was issued.
    issued: Vec<Vec<u8>>,
    /// Per dispatch: the bundle of its last workgroup.
    done: Vec<Option<u64>>,
    deadline: Option<Nanos>,
    admission: Admission,
    key: Option<u64>,
    abandoned: bool,
    /// Lanes in submissions that have not retired.
    held: u32,
    ended: Option<Outcome>,
}

#[derive(Clone, Debug)]
struct Scenario {
    options: Options,
    plans: Vec<Arc<PlanDesc>>,
    seed: u64,
    events: usize,
}

/// Bundles in which a coalesced dispatch may be at a loss: several of a submission rest on one prediction.
const TRIES: u32 = 16;

struct World {
    scheduler: Recorder,
    record: ScheduleLog,
    options: Options,
    shop: Shop,
    requests: BTreeMap<RequestId, Seen>,
    flying: Vec<Submission>,
    /// Whether every bundle is measured. If not, predictions may be anything, and with them what counts as indivisible.
    timed: bool,
    bundles: u64,
    /// Bundles at a loss by coalesced dispatch: kernel, operations, bytes, workgroups.
    tries: BTreeMap<(KernelId, u64, u64, u32), u32>,
    log: Vec<String>,
    now: Nanos,
}

impl World {
    fn new(options: Options, timed: bool) -> Self {
        let record = ScheduleLog::default();
        World {
            scheduler: Recorder::new(options.clone(), Some(record.clone())),
            record,
            options,
            shop: Shop {
                sets: Vec::new(),
                wanted: Vec::new(),
                wants: BTreeMap::new(),
                taken: BTreeMap::new(),
                moods: Dice(0x9e37_79b9),
                refused: false,
            },
            requests: BTreeMap::new(),
            tries: BTreeMap::new(),
            flying: Vec::new(),
            timed,
            bundles: 0,
            log: Vec::new(),
            now: 0,
        }
    }

    fn submit(&mut self, desc: RequestDesc) {
        let RequestDesc { plan, deadline, admission, key, memory, .. } = desc.clone();
        let id = self.scheduler.submit(desc, self.now);
        if memory > 0 {
            self.shop.wants.insert(id, memory);
        }
        let issued = plan.dispatches.iter().map(|d| vec![0; d.workgroups as usize]).collect();
        let done = vec![None; plan.dispatches.len()];
        let seen = Seen { plan, deadline, admission, key, issued, done, abandoned: false, held: 0, ended: None };
        assert!(self.requests.insert(id, seen).is_none(), "identity given twice");
        self.collect();
    }

    fn issue(&mut self) -> bool {
        let before = self.scheduler.in_flight();
        self.shop.refused = false;
        let submission = self.scheduler.issue(self.now, &mut self.shop);
        self.collect();
        let Some(submission) = submission else {
            self.check_busy();
            return false;
        };
        let bound = if self.options.policy == Policy::SubmitEach { 1 } else { self.options.in_flight };
        assert!(before < bound, "{before} in flight already");
        self.check_size(&submission);
        for bundle in &submission.bundles {
            self.bundles += 1;
            assert!(!bundle.lanes.is_empty() && bundle.lanes.len() <= self.options.max_lanes);
            assert!(self.shop.ready(&bundle.kernels()), "issued without a pipeline");
            bundle.runs().for_each(|run| self.check_run(run));
            bundle.lanes.iter().for_each(|lane| self.check_ready(lane));
            bundle.lanes.iter().for_each(|lane| self.note(lane));
        }
        self.log.push(format!("{submission:?}"));
        self.flying.push(submission);
        true
    }

    /// Nothing issued although there is room: then nothing may be ready, but for what has no pipeline or is held back.
    fn check_busy(&mut self) {
        let full = self.scheduler.in_flight() >= self.options.in_flight.max(1);
        // One request at a time waits for that one's pipelines.
        let serial = matches!(self.options.policy, Policy::SubmitEach | Policy::TimeOnly);
        if full || serial || self.shop.refused {
            return;
        }
        // Those that were dropped cannot be told from outside before what is in flight of them has retired.
        let droppable = |seen: &Seen| seen.abandoned || seen.admission == Admission::DropLate;
        for (id, seen) in self.requests.iter().filter(|(_, seen)| seen.ended.is_none() && !droppable(seen)) {
            for (index, dispatch) in seen.plan.dispatches.iter().enumerate() {
                let ready = dispatch.deps.iter().all(|&dep| seen.done[dep as usize].is_some());
                let left = seen.done[index].is_none();
                let could = ready && left && self.shop.ready(&[dispatch.kernel]);
                assert!(!could, "{id:?} could issue dispatch {index}");
            }
        }
    }

    fn check_size(&mut self, submission: &Submission) {
        let lanes: usize = submission.bundles.iter().map(|bundle| bundle.lanes.len()).sum();
        let predicted: u64 = submission.bundles.iter().map(|bundle| bundle.predicted).sum();
        let rounding = submission.bundles.len() as u64;
        let first = submission.bundles[0].lanes[0];
        match self.options.policy {
            Policy::SubmitEach => assert_eq!(lanes, 1),
            Policy::TimeOnly => {
                assert_eq!(lanes, submission.bundles.len());
                assert!(submission.bundles.iter().all(|bundle| bundle.lanes[0].request == first.request));
            }
            Policy::OnePass => {
                assert_eq!(lanes, submission.bundles.len());
                assert!(lanes == 1 || predicted <= self.options.slice + rounding, "{predicted}");
            }
            Policy::Bundled | Policy::Together => {
                let indivisible = !self.timed || submission.bundles.len() == 1 && first.count <= DEVICE.parallelism;
                assert!(indivisible || predicted <= self.options.slice + rounding, "{predicted}: {submission:?}");
            }
        }
        for bundle in &submission.bundles {
            if bundle.predicted <= bundle.separate {
                continue;
            }
            // Coalesced dispatches are tried a few times, whatever is predicted after the first.
            let dispatch = |lane: &Lane| &self.requests[&lane.request].plan.dispatches[lane.dispatch as usize];
            let coalesced = bundle.lanes.iter().filter(|lane| lane.coalesced > 1).map(|lane| {
                let DispatchDesc { flops, bytes, workgroups, .. } = *dispatch(lane);
                (lane.kernel, flops, bytes, workgroups)
            });
            let tried: BTreeSet<_> = coalesced.collect();
            assert!(!tried.is_empty(), "merged at a loss: {bundle:?}");
            for key in tried {
                let times = self.tries.entry(key).or_default();
                *times += 1;
                assert!(*times <= TRIES, "tried too often: {bundle:?}");
            }
        }
    }

    /// Lanes that run as one are the same workgroups of one dispatch of one plan, or of dispatches that are alike, of different requests.
    fn check_run(&self, run: &[Lane]) {
        let plan = &self.requests[&run[0].request].plan;
        let dispatch = &plan.dispatches[run[0].dispatch as usize];
        assert_eq!(run[0].coalesced as usize, run.len(), "{run:?}");
        if run.len() == 1 {
            return assert_eq!(dispatch.kernel, run[0].kernel);
        }
        let coalesce = dispatch.coalesce.unwrap();
        assert!(
            self.options.coalesce == Coalesce::Yes && (coalesce.least..=coalesce.width).contains(&run[0].coalesced),
            "{run:?}"
        );
        for (at, lane) in run.iter().enumerate() {
            assert_eq!((lane.kernel, lane.first, lane.count), (coalesce.kernel, run[0].first, run[0].count));
            let other = &self.requests[&lane.request].plan;
            let same = Arc::ptr_eq(other, plan) && lane.dispatch == run[0].dispatch;
            let like = DispatchDesc { deps: dispatch.deps.clone(), ..other.dispatches[lane.dispatch as usize].clone() };
            assert!(same || coalesce.alike.is_some() && other.model == plan.model && like == *dispatch, "{run:?}");
            assert!(run[..at].iter().all(|other| other.request != lane.request), "{run:?}");
        }
    }

    fn check_ready(&self, lane: &Lane) {
        let seen = &self.requests[&lane.request];
        assert!(!seen.abandoned && seen.ended.is_none(), "issued after its end");
        assert!(!self.shop.wants.contains_key(&lane.request), "{lane:?} without memory");
        let dispatch = &seen.plan.dispatches[lane.dispatch as usize];
        for &dep in &dispatch.deps {
            let done = seen.done[dep as usize];
            assert!(done.is_some_and(|bundle| bundle < self.bundles), "{lane:?} before its dependency {dep}");
        }
    }

    fn note(&mut self, lane: &Lane) {
        let seen = self.requests.get_mut(&lane.request).unwrap();
        seen.held += 1;
        let groups = &mut seen.issued[lane.dispatch as usize];
        assert!(lane.count > 0);
        for group in &mut groups[lane.first as usize..][..lane.count as usize] {
            *group += 1;
            assert_eq!(*group, 1, "issued twice: {lane:?}");
        }
        if groups.iter().all(|&group| group == 1) {
            seen.done[lane.dispatch as usize] = Some(self.bundles);
        }
    }

    fn retire(&mut self, at: usize, dice: &mut Dice) {
        let submission = self.flying.remove(at);
        let noise = |predicted: Nanos, dice: &mut Dice| predicted * (70 + dice.below(70)) / 100;
        let times: Vec<_> = submission.bundles.iter().map(|bundle| noise(bundle.predicted, dice)).collect();
        self.now += times.iter().sum::<u64>() + dice.below(3_000);
        for lane in submission.bundles.iter().flat_map(|bundle| &bundle.lanes) {
            self.requests.get_mut(&lane.request).unwrap().held -= 1;
        }
        let times = (self.timed || dice.below(3) > 0).then_some(&times[..]);
        assert_eq!(self.scheduler.retire(submission.id, times, self.now), Retired::Done);
        assert_eq!(self.scheduler.retire(submission.id, times, self.now), Retired::Unknown);
        self.scheduler.recycle(submission);
        self.collect();
    }

    fn abandon(&mut self, id: RequestId, fail: bool) {
        let seen = self.requests.get_mut(&id).unwrap();
        let left = seen.done.iter().any(Option::is_none);
        let result = if fail { self.scheduler.fail(id, self.now) } else { self.scheduler.cancel(id, self.now) };
        let expected = match (seen.ended, seen.held) {
            (Some(_), _) => Cancelled::Unknown,
            (None, 0) => Cancelled::Ended,
            (None, _) => Cancelled::Draining,
        };
        assert_eq!(result, expected);
        seen.abandoned |= (left || fail) && seen.ended.is_none();
        self.collect();
    }

    fn collect(&mut self) {
        for ended in self.scheduler.take_ended() {
            self.shop.wants.remove(&ended.request);
            self.shop.taken.remove(&ended.request);
            let seen = self.requests.get_mut(&ended.request).unwrap();
            assert_eq!(seen.held, 0, "ended while its memory was in use");
            assert_eq!(seen.ended.replace(ended.outcome), None, "ended twice");
            let all = seen.done.iter().all(Option::is_some);
            let none = seen.issued.iter().flatten().all(|&count| count == 0);
            let late = seen.deadline.is_some_and(|deadline| ended.at > deadline);
            let expected = match ended.outcome {
                Outcome::Completed => all && !seen.abandoned && !late,
                Outcome::CompletedLate => all && !seen.abandoned && late,
                Outcome::Dropped => !all && seen.admission == Admission::DropLate,
                Outcome::Rejected => none && seen.admission == Admission::RejectPredictedMiss,
                Outcome::Superseded => none && !seen.abandoned && seen.key.is_some(),
                Outcome::Failed => seen.abandoned,
                _ => !all && seen.abandoned,
            };
            assert!(expected, "{ended:?}");
            self.log.push(format!("{ended:?}"));
        }
        let live = self.requests.values().filter(|seen| seen.ended.is_none()).count();
        assert_eq!(self.scheduler.outstanding(), live);
    }
}

fn run(scenario: &Scenario) -> World {
    let mut world = World::new(scenario.options.clone(), !scenario.seed.is_multiple_of(4));
    let mut dice = Dice(scenario.seed | 1);
    for _ in 0..scenario.events {
        match dice.below(10) {
            0..=2 => {
                let plan = &scenario.plans[dice.below(scenario.plans.len() as u64) as usize];
                let deadline = (dice.below(3) > 0).then(|| world.now + dice.below(5_000_000));
                let class = [Class::Interactive, Class::Normal, Class::Background][dice.below(3) as usize];
                let admission = [Admission::RunLate, Admission::DropLate, Admission::RejectPredictedMiss];
                world.submit(RequestDesc {
                    plan: plan.clone(),
                    deadline,
                    class,
                    admission: admission[dice.below(3) as usize],
                    key: (dice.below(3) == 0).then(|| dice.below(3)),
                    memory: dice.below(LARGEST + 1),
                });
            }
            3..=5 => {
                world.issue();
            }
            6 | 7 if !world.flying.is_empty() => {
                let at = dice.below(world.flying.len() as u64) as usize;
                world.retire(at, &mut dice);
            }
            8 if !world.requests.is_empty() => {
                let at = dice.below(world.requests.len() as u64) as usize;
                let id = *world.requests.keys().nth(at).unwrap();
                world.abandon(id, dice.below(2) == 0);
            }
            _ if !world.shop.wanted.is_empty() => {
                let at = dice.below(world.shop.wanted.len() as u64) as usize;
                let set = world.shop.wanted.remove(at);
                world.shop.sets.push(set);
            }
            _ => world.now += dice.below(500_000),
        }
    }
    world.shop.sets.extend((0..KERNELS).map(|kernel| vec![KernelId(kernel)]));
    while world.scheduler.outstanding() > 0 {
        let issued = world.issue();
        if !world.flying.is_empty() {
            let at = dice.below(world.flying.len() as u64) as usize;
            world.retire(at, &mut dice);
        } else {
            let outstanding = world.scheduler.outstanding();
            assert!(issued || outstanding == 0, "stuck with {outstanding} requests");
        }
    }
    assert!(!world.issue() && !world.scheduler.has_ready() && world.scheduler.in_flight() == 0);
    world
}

fn plan() -> impl Strategy<Value = Arc<PlanDesc>> {
    let deps = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    let coalesce = prop::option::of((2u32..4, 0u32..6, 0u64..1 << 30, prop::option::of(0u64..3)));
    let dispatch = (0..KERNELS, 0u32..11, 0u64..34, 0u64..30, deps, coalesce);
    (0u32..4, prop::collection::vec(dispatch, 0..12)).prop_map(|(model, dispatches)| {
        let dispatches =
            dispatches.into_iter().enumerate().map(|(index, (kernel, groups, flops, bytes, deps, coalesce))| {
                let mut deps: Vec<u32> = match index {
                    0 => Vec::new(),
                    _ => deps.iter().map(|dep| dep.index(index) as u32).collect(),
                };
                deps.sort_unstable();
                let coalesce = coalesce.map(|(least, more, shared, alike)| {
                    let (kernel, width) = (KernelId(COALESCED + kernel), least + more);
                    CoalesceDesc { kernel, least, width, shared, alike }
                });
                let (kernel, workgroups) = (KernelId(kernel), 1 << groups);
                DispatchDesc { kernel, workgroups, flops: 1 << flops, bytes: 1 << bytes, deps, coalesce }
            });
        Arc::new(PlanDesc { model: ModelId(u64::from(model)), dispatches: dispatches.collect() })
    })
}

fn options() -> impl Strategy<Value = Options> {
    let policy = prop_oneof![
        1 => Just(Policy::SubmitEach),
        1 => Just(Policy::TimeOnly),
        1 => Just(Policy::OnePass),
        3 => Just(Policy::Bundled),
    ];
    let order = prop_oneof![
        Just((Order::Arrival, HoldBack::No)),
        Just((Order::EarliestDeadline, HoldBack::Yes)),
        Just((Order::EarliestDeadline, HoldBack::No)),
        Just((Order::Arrival, HoldBack::Yes)),
    ];
    let order = (order, prop_oneof![2 => Just(Coalesce::Yes), 1 => Just(Coalesce::No)]);
    (policy, order, 100_000u64..3_000_000, 1usize..4, 1usize..40, 1usize..20, 1usize..6).prop_map(
        |(policy, ((order, hold_back), coalesce), slice, in_flight, max_lanes, max_bundles, max_kernels)| Options {
            policy,
            order,
            hold_back,
            coalesce,
            slice,
            in_flight,
            max_lanes,
            max_bundles,
            max_kernels,
            device: DEVICE,
            ..Options::default()
        },
    )
}

fn scenario() -> impl Strategy<Value = Scenario> {
    (options(), prop::collection::vec(plan(), 1..5), any::<u64>(), 10usize..200)
        .prop_map(|(options, plans, seed, events)| Scenario { options, plans, seed, events })
}

/// How many random cases each property is tried on.
fn cases() -> u32 {
    std::env::var("FASCINE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        rng_seed: RngSeed::Fixed(0x00fa_5c1e),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn order_bounds_and_ends_hold(scenario in scenario()) {
        run(&scenario);
    }

    #[test]
    fn the_same_events_give_the_same_decisions(scenario in scenario()) {
        prop_assert_eq!(run(&scenario).log, run(&scenario).log);
    }

    #[test]
    fn a_log_gives_the_same_decisions_again(scenario in scenario(), at in any::<prop::sample::Index>()) {
        let log = run(&scenario).record.log();
        let text = serde_json::to_string(&log).unwrap();
        let log: Log = serde_json::from_str(&text).unwrap();
        let replayed = replay(&log).unwrap();
        prop_assert_eq!(replayed.events, log.events.len());
        prop_assert_eq!(replayed.ended, replayed.requests);
        // Another result is noticed where it stands.
        let at = at.index(log.events.len());
        let mut other = log;
        match &mut other.events[at] {
            Event::Submit { request, .. } => request.0 += 1,
            Event::Issue { submission: Some(submission), .. } => submission.bundles[0].predicted += 1,
            Event::Issue { asked, .. } => asked.push(log::Asked::Want(Vec::new())),
            Event::Ended { ended } => ended[0].at += 1,
            Event::Retire { retired, .. } => *retired = match *retired {
                Retired::Done => Retired::Unknown,
                Retired::Unknown => Retired::Done,
            },
            _ => return Ok(()),
        }
        let Err(Difference::Decision { event, .. }) = replay(&other) else { panic!("unnoticed at {at}") };
        prop_assert_eq!(event, at);
    }
}
