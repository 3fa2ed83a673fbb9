//! The event loop.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use super::batch::{Batcher, batched};
use super::compiler::Compiler;
use super::device::{Device, TrueCost, Truth};
use super::dice::Dice;
use super::jobs::{Job, Jobs};
use super::report::{Report, StreamReport};
use super::{Arrivals, Front, Scenario, Stream};
use fascine::schedule::{Bundle, KernelId, Lane, Nanos, Outcome, RequestDesc, Scheduler, Submission, SubmissionId};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Retire(SubmissionId),
    Arrive {
        stream: usize,
    },
    /// A batch's window ends, or a device is back.
    Look,
    Compiled,
    Lose {
        loss: usize,
    },
}

struct Flight {
    submission: Submission,
    times: Vec<Nanos>,
}

struct World<'a> {
    scenario: &'a Scenario,
    scheduler: Scheduler,
    device: Device,
    compiler: Compiler,
    batcher: Option<Batcher>,
    dice: Vec<Dice>,
    factors: Vec<Vec<f64>>,
    /// By plan, then dispatch. The plans of streams come first, then those of batches.
    costs: Vec<Vec<TrueCost>>,
    /// Plans of batches by stream and size, and where their costs are.
    batches: BTreeMap<(usize, u32), (std::sync::Arc<fascine::schedule::PlanDesc>, usize)>,
    /// By stream, its kernels, and whether all are known to have pipelines.
    kernels: Vec<(Vec<KernelId>, bool)>,
    arrived: Vec<usize>,
    jobs: Jobs,
    flights: VecDeque<Flight>,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    sequence: u64,
    free_at: Nanos,
    down_until: Nanos,
    busy: Nanos,
    blocked_since: Option<Nanos>,
    report: Report,
}

/// Runs a scenario to its end.
pub fn simulate(scenario: &Scenario) -> Report {
    let mut world = World::new(scenario);
    let mut now = 0;
    for (stream, spec) in scenario.streams.iter().enumerate() {
        world.arrange(stream, spec.from);
    }
    for (loss, spec) in scenario.losses.iter().enumerate() {
        world.post(spec.at, Event::Lose { loss });
    }
    let mut compiled_at = None;
    while let Some(Reverse((at, _, event))) = world.events.pop() {
        world.compiler.advance(at);
        match event {
            Event::Retire(id) => world.retire(id, at),
            Event::Arrive { stream } => world.arrive(stream, at),
            Event::Lose { loss } => world.lose(loss, at),
            Event::Compiled | Event::Look => {}
        }
        if matches!(event, Event::Retire(_) | Event::Arrive { .. }) {
            now = at;
        }
        world.batch(at);
        world.issue(at);
        world.note_blocked(at);
        let next = world.compiler.next();
        if next != compiled_at
            && let Some(at) = next
        {
            world.post(at, Event::Compiled);
        }
        compiled_at = next;
    }
    world.finish(now)
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let mut device = Device::new(scenario.device, scenario.seed);
        let seed = |stream: usize| scenario.seed.wrapping_mul(0x9e37_79b9).wrapping_add(stream as u64 + 1);
        let streams = &scenario.streams;
        let factors: Vec<_> =
            streams.iter().map(|stream| device.factors(&stream.plan, stream.measured.as_deref())).collect();
        let costs =
            |(stream, factors): (&Stream, &Vec<f64>)| device.costs(&stream.plan, factors, stream.coalesced.as_deref());
        let costs = streams.iter().zip(&factors).map(costs).collect();
        let kernels = |stream: &Stream| {
            let mut kernels: Vec<_> = stream.plan.dispatches.iter().map(|dispatch| dispatch.kernel).collect();
            kernels.sort_unstable();
            kernels.dedup();
            (kernels, false)
        };
        World {
            scheduler: Scheduler::new(scenario.options.clone()),
            compiler: Compiler::new(scenario.device.compile),
            batcher: match scenario.front {
                Front::Batching { window, most } => Some(Batcher::new(window, most, streams.len())),
                Front::Direct | Front::SpaceOnly => None,
            },
            dice: (0..streams.len()).map(|stream| Dice::new(seed(stream))).collect(),
            factors,
            costs,
            batches: BTreeMap::new(),
            kernels: streams.iter().map(kernels).collect(),
            arrived: vec![0; streams.len()],
            jobs: Jobs::default(),
            flights: VecDeque::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            free_at: 0,
            down_until: 0,
            busy: 0,
            blocked_since: None,
            report: Report { streams: vec![StreamReport::default(); streams.len()], ..Report::default() },
            device,
            scenario,
        }
    }

    fn post(&mut self, at: Nanos, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    /// Arranges the next arrival of a stream.
    fn arrange(&mut self, stream: usize, last: Nanos) {
        let Stream { arrivals, from, until, .. } = &self.scenario.streams[stream];
        let next = arrivals.next(last, self.arrived[stream], &mut self.dice[stream]).map(|at| at.max(*from));
        if let Some(at) = next.filter(|&at| at <= self.scenario.duration.min(*until)) {
            self.post(at, Event::Arrive { stream });
        }
    }

    fn arrive(&mut self, stream: usize, now: Nanos) {
        self.arrived[stream] += 1;
        let (kernels, warm) = &mut self.kernels[stream];
        *warm = *warm || self.compiler.knows(kernels);
        self.report.cold += u64::from(!*warm && now >= self.scenario.warm_up);
        if let Some(batcher) = &mut self.batcher {
            let due = batcher.push(stream, now);
            if due > now {
                self.post(due, Event::Look);
            }
        } else {
            let Stream { plan, deadline, class, admission, latest_wins, .. } = &self.scenario.streams[stream];
            let desc = RequestDesc {
                plan: plan.clone(),
                deadline: deadline.map(|deadline| now.saturating_add(deadline)),
                class: *class,
                admission: *admission,
                key: latest_wins.then_some(stream as u64),
                memory: 0,
            };
            let id = self.scheduler.submit(desc, now);
            self.jobs.insert(
                id,
                Job { stream, costs: stream, arrived: now, members: Vec::new(), started: false, lost: false },
            );
            self.collect(now);
        }
        self.arrange(stream, now);
    }

    /// Sends batches that are due to the scheduler.
    fn batch(&mut self, now: Nanos) {
        while now >= self.down_until
            && let Some(batcher) = &mut self.batcher
            && let Some(batch) = batcher.pop(now, self.scheduler.outstanding(), &self.scenario.streams)
        {
            let stream = batch.stream;
            for arrived in batch.late {
                self.end(stream, arrived, Outcome::Dropped, now);
            }
            let size = batch.arrivals.len() as u32;
            if size == 0 {
                continue;
            }
            let known = self.batches.get(&(stream, size)).cloned();
            let (plan, costs) = known.unwrap_or_else(|| {
                let plan = batched(&self.scenario.streams[stream], size);
                self.costs.push(self.device.costs(&plan, &self.factors[stream], None));
                let entry = (plan, self.costs.len() - 1);
                self.batches.insert((stream, size), entry.clone());
                entry
            });
            let id = self.scheduler.submit(RequestDesc { plan, ..RequestDesc::default() }, now);
            self.jobs
                .insert(id, Job { stream, costs, arrived: now, members: batch.arrivals, started: false, lost: false });
            self.collect(now);
        }
    }

    fn issue(&mut self, now: Nanos) {
        if now < self.down_until {
            return;
        }
        while let Some(submission) = self.scheduler.issue(now, &mut self.compiler) {
            let notice = self.scenario.device.notice;
            let start = self.free_at.max(now + notice);
            for lane in submission.bundles.iter().flat_map(|bundle| &bundle.lanes) {
                if let Some(job) = self.jobs.get_mut(lane.request) {
                    job.started = true;
                }
            }
            let times = self.times(&submission.bundles, start);
            let time = times.iter().sum::<Nanos>() + self.scenario.device.model.submission;
            self.busy += time;
            self.free_at = start + time;
            self.post(self.free_at + notice, Event::Retire(submission.id));
            self.flights.push_back(Flight { submission, times });
        }
        self.collect(now);
    }

    /// How long each bundle of a submission takes that starts at `start`.
    fn times(&mut self, bundles: &[Bundle], start: Nanos) -> Vec<Nanos> {
        let mut times = Vec::with_capacity(bundles.len());
        let (jobs, costs, streams) = (&self.jobs, &self.costs, &self.scenario.streams);
        let truth = |lane: &Lane, at: Nanos| -> Truth<'_> {
            let job = jobs.get(lane.request).expect("an issued request has not ended");
            let slow = streams[job.stream].straggle.filter(|slow| (slow.from..slow.until).contains(&at));
            (&costs[job.costs][lane.dispatch as usize], slow.map_or(1.0, |slow| slow.factor))
        };
        let mut at = start;
        if self.scenario.front != Front::SpaceOnly {
            for bundle in bundles {
                let desc = |lane: &Lane| {
                    let job = jobs.get(lane.request).expect("an issued request has not ended");
                    &streams[job.stream].plan.dispatches[lane.dispatch as usize]
                };
                let time = self.device.duration(bundle, at, |lane| truth(lane, at), desc);
                at += time;
                times.push(time);
            }
            return times;
        }
        let waits = |bundle: &Bundle, earlier: &[Bundle]| {
            let waits = |lane: &Lane| {
                let job = jobs.get(lane.request).expect("an issued request has not ended");
                let deps = &streams[job.stream].plan.dispatches[lane.dispatch as usize].deps;
                let mut lanes = earlier.iter().flat_map(|bundle| &bundle.lanes);
                lanes.any(|other| other.request == lane.request && deps.contains(&other.dispatch))
            };
            bundle.lanes.iter().any(waits)
        };
        let mut first = 0;
        for end in 1..=bundles.len() {
            if end == bundles.len() || waits(&bundles[end], &bundles[first..end]) {
                let time = self.device.overlapped(&bundles[first..end], |lane| truth(lane, at));
                at += time;
                times.extend(std::iter::repeat_n(time / (end - first) as u64, end - first));
                first = end;
            }
        }
        times
    }

    fn retire(&mut self, id: SubmissionId, now: Nanos) {
        // One that the device was lost with has been retired already.
        let Some(Flight { submission, times }) = self.flights.pop_front_if(|flight| flight.submission.id == id) else {
            return;
        };
        let times = self.scenario.device.timestamps.then_some(&times[..]);
        self.scheduler.retire(submission.id, times, now);
        self.scheduler.recycle(submission);
        self.collect(now);
    }

    /// The device is gone: what has begun fails, and there are no pipelines when it is back.
    fn lose(&mut self, loss: usize, now: Nanos) {
        for id in self.jobs.started() {
            if let Some(job) = self.jobs.get_mut(id) {
                job.lost = true;
            }
            self.scheduler.fail(id, now);
        }
        while let Some(Flight { submission, .. }) = self.flights.pop_front() {
            self.scheduler.retire(submission.id, Some(&[]), now);
            self.scheduler.recycle(submission);
        }
        self.compiler.forget();
        self.kernels.iter_mut().for_each(|(_, warm)| *warm = false);
        self.busy -= self.free_at.saturating_sub(now).min(self.busy);
        self.down_until = self.down_until.max(now.saturating_add(self.scenario.losses[loss].lasts));
        self.free_at = self.down_until;
        self.post(self.down_until, Event::Look);
        self.collect(now);
    }

    fn collect(&mut self, now: Nanos) {
        for ended in self.scheduler.take_ended() {
            let Some(Job { stream, arrived, members, lost, .. }) = self.jobs.remove(ended.request) else { continue };
            let outcome = if lost { Outcome::Failed } else { ended.outcome };
            if members.is_empty() {
                self.end(stream, arrived, outcome, ended.at);
            }
            for arrived in members {
                let late = self.scenario.streams[stream].deadline.is_some_and(|deadline| ended.at > arrived + deadline);
                let completed = outcome == Outcome::Completed;
                let outcome = if late && completed { Outcome::CompletedLate } else { outcome };
                self.end(stream, arrived, outcome, ended.at);
            }
            debug_assert!(ended.at <= now, "requests end when the scheduler is told so");
        }
    }

    /// A request has ended.
    fn end(&mut self, stream: usize, arrived: Nanos, outcome: Outcome, at: Nanos) {
        if arrived >= self.scenario.warm_up {
            self.report.streams[stream].add(outcome, arrived, at - arrived);
        }
        let Stream { arrivals, until, .. } = &self.scenario.streams[stream];
        if matches!(arrivals, Arrivals::Closed { .. }) && at < self.scenario.duration.min(*until) {
            self.post(at, Event::Arrive { stream });
        }
    }

    /// Notes for how long the device idles though something is ready, for want of pipelines.
    fn note_blocked(&mut self, now: Nanos) {
        let blocked = self.flights.is_empty() && now >= self.down_until && self.scheduler.has_ready();
        if let Some(since) = self.blocked_since.replace(now) {
            self.report.blocked += now.saturating_sub(since.max(self.scenario.warm_up));
        }
        if !blocked {
            self.blocked_since = None;
        }
    }

    fn finish(self, now: Nanos) -> Report {
        let stats = self.scheduler.stats();
        let mut report = Report {
            span: now.saturating_sub(self.scenario.warm_up),
            busy: self.busy as f64 / now.max(1) as f64,
            issued: [stats.submissions, stats.bundles, stats.lanes],
            coalesced: stats.coalesced,
            compiled: self.compiler.compiled,
            compiled_at: self.compiler.compiled_at,
            lookups: self.compiler.lookups,
            settled: self.compiler.settled,
            pipelines: self.compiler.pipelines(),
            error: self.scheduler.prediction_error(),
            ..self.report
        };
        report.finish();
        report
    }
}
