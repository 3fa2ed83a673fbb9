//! The event loop.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use super::device::{Compiler, Device, TrueCost};
use super::dice::Dice;
use super::report::{Report, StreamReport};
use super::{Scenario, Stream};
use crate::schedule::{Nanos, RequestDesc, RequestId, Scheduler, Submission};

/// From the end of a submission on the device until the host knows, and from the host to an idle device. Guessed.
const NOTICE: Nanos = 20_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Retire,
    Arrive { stream: usize },
    Compiled,
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
    dice: Vec<Dice>,
    /// By stream, then dispatch.
    costs: Vec<Vec<TrueCost>>,
    arrived: Vec<usize>,
    /// Stream and time of arrival.
    requests: BTreeMap<RequestId, (usize, Nanos)>,
    flights: VecDeque<Flight>,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    sequence: u64,
    free_at: Nanos,
    busy: Nanos,
    report: Report,
}

/// Runs a scenario to its end.
pub fn simulate(scenario: &Scenario) -> Report {
    let mut world = World::new(scenario);
    let mut now = 0;
    for stream in 0..scenario.streams.len() {
        world.arrange(stream, 0);
    }
    let mut compiled_at = None;
    while let Some(Reverse((at, _, event))) = world.events.pop() {
        world.compiler.advance(at);
        match event {
            Event::Retire => world.retire(at),
            Event::Arrive { stream } => world.arrive(stream, at),
            Event::Compiled => {}
        }
        if event != Event::Compiled {
            now = at;
        }
        world.issue(at);
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
        World {
            scheduler: Scheduler::new(scenario.options.clone()),
            compiler: Compiler::new(scenario.device.compile),
            dice: (0..scenario.streams.len()).map(|stream| Dice::new(seed(stream))).collect(),
            costs: scenario.streams.iter().map(|stream| device.costs(&stream.plan)).collect(),
            arrived: vec![0; scenario.streams.len()],
            requests: BTreeMap::new(),
            flights: VecDeque::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            free_at: 0,
            busy: 0,
            report: Report { streams: vec![StreamReport::default(); scenario.streams.len()], ..Report::default() },
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
        let arrivals = &self.scenario.streams[stream].arrivals;
        let next = arrivals.next(last, self.arrived[stream], &mut self.dice[stream]);
        if let Some(at) = next.filter(|&at| at <= self.scenario.duration) {
            self.post(at, Event::Arrive { stream });
        }
    }

    fn arrive(&mut self, stream: usize, now: Nanos) {
        self.arrived[stream] += 1;
        let Stream { plan, deadline, class, admission, latest_wins, .. } = &self.scenario.streams[stream];
        let desc = RequestDesc {
            plan: plan.clone(),
            deadline: deadline.map(|deadline| now.saturating_add(deadline)),
            class: *class,
            admission: *admission,
            key: latest_wins.then_some(stream as u64),
        };
        let id = self.scheduler.submit(desc, now);
        self.requests.insert(id, (stream, now));
        self.arrange(stream, now);
        self.collect(now);
    }

    fn issue(&mut self, now: Nanos) {
        while let Some(submission) = self.scheduler.issue(now, &mut self.compiler) {
            let start = self.free_at.max(now + NOTICE);
            let (requests, costs, streams) = (&self.requests, &self.costs, &self.scenario.streams);
            let mut times = Vec::with_capacity(submission.waves.len());
            for wave in &submission.waves {
                let at = start + times.iter().sum::<Nanos>();
                times.push(self.device.duration(wave, |lane| {
                    let stream = requests[&lane.request].0;
                    let slow = streams[stream].straggle.filter(|slow| (slow.from..slow.until).contains(&at));
                    (&costs[stream][lane.dispatch as usize], slow.map_or(1.0, |slow| slow.factor))
                }));
            }
            let time = times.iter().sum::<Nanos>() + self.scenario.device.model.submission;
            self.busy += time;
            self.free_at = start + time;
            self.post(self.free_at + NOTICE, Event::Retire);
            self.flights.push_back(Flight { submission, times });
        }
        self.collect(now);
    }

    fn retire(&mut self, now: Nanos) {
        let Some(Flight { submission, times }) = self.flights.pop_front() else { return };
        let times = self.scenario.device.timestamps.then_some(&times[..]);
        self.scheduler.retire(submission.id, times, now);
        self.scheduler.recycle(submission);
        self.collect(now);
    }

    fn collect(&mut self, now: Nanos) {
        for ended in self.scheduler.take_ended() {
            let Some((stream, arrived)) = self.requests.remove(&ended.request) else { continue };
            if arrived >= self.scenario.warm_up {
                self.report.streams[stream].add(ended.outcome, ended.at - arrived);
            }
            if matches!(self.scenario.streams[stream].arrivals, super::Arrivals::Closed { .. })
                && now < self.scenario.duration
            {
                self.post(now, Event::Arrive { stream });
            }
        }
    }

    fn finish(self, now: Nanos) -> Report {
        let stats = self.scheduler.stats();
        let mut report = Report {
            span: now.saturating_sub(self.scenario.warm_up),
            busy: self.busy as f64 / now.max(1) as f64,
            issued: [stats.submissions, stats.waves, stats.lanes],
            compiled: self.compiler.compiled,
            error: self.scheduler.prediction_error(),
            ..self.report
        };
        report.finish();
        report
    }
}
