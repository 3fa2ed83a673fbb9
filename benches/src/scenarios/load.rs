//! The driver: requests at their scheduled times, on one thread, whatever the system does meanwhile.
//!
//! An open stream's requests come when they come, late ones too, and their latency counts from when they should have come.
//! A closed stream keeps a number of requests outstanding.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use fascine::Request;
use fascine::error::{Error, ErrorKind, Result};
use fascine::runtime::{Clock, Completion};
use fascine::schedule::{Admission, Class, Nanos};
use futures::stream::{FuturesUnordered, Stream as _};

use super::batch::{self, Batcher, Batching};
use super::tenants::Tenant;
use super::watch::Watch;

/// The longest that the driver sleeps.
const NAP: Duration = Duration::from_millis(50);

/// Requests of open streams in a run.
const MAX_ARRIVALS: f64 = 1e7;

/// A source of requests to one tenant.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) tenant: usize,
    pub(crate) source: Source,
    /// From the scheduled arrival.
    pub(crate) deadline: Option<Nanos>,
    pub(crate) class: Class,
}

#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// At these times from the start, ascending.
    Open(Vec<Nanos>),
    /// So many outstanding at any time.
    Closed(usize),
}

/// Refuses a load of more requests than a run can hold in mind.
///
/// # Errors
/// `Input`.
pub(crate) fn check_size(per_second: f64, until: Nanos) -> Result<()> {
    let requests = per_second * until as f64 / 1e9;
    if requests <= MAX_ARRIVALS {
        return Ok(());
    }
    let what = format!("{requests:.0} requests in a run are too many; at most {MAX_ARRIVALS} can be kept");
    Err(Error::new(ErrorKind::Input, what))
}

/// What the system under test is told, and what is done above it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// Whether requests carry their deadlines.
    pub(crate) deadlines: bool,
    pub(crate) admission: Admission,
    pub(crate) batching: Option<Batching>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Served {
    pub(crate) stream: usize,
    /// From the start.
    pub(crate) scheduled: Nanos,
    /// From the scheduled arrival to the results; `None` if there are none.
    pub(crate) latency: Option<Nanos>,
    /// From the scheduled arrival to the start of its first dispatch on the device, where that was seen.
    pub(crate) blocked: Option<Nanos>,
    /// What the device did meanwhile, as long as it was to take by prediction.
    pub(crate) blocked_by_prediction: Option<Nanos>,
}

impl Served {
    pub(crate) fn done(&self) -> Option<Nanos> {
        Some(self.scheduled + self.latency?)
    }

    pub(crate) fn within(&self, deadline: Nanos) -> bool {
        self.latency.is_some_and(|latency| latency <= deadline)
    }
}

/// Who asks whom for what.
pub(crate) struct Load<'a> {
    pub(crate) tenants: &'a [Tenant],
    pub(crate) clock: &'a Clock,
    pub(crate) streams: &'a [Stream],
    pub(crate) rules: Rules,
    /// Closed streams go on until then, and until the open ones' requests are done, but not longer than twice. What is left of
    /// them then is cancelled.
    pub(crate) until: Nanos,
}

/// What came of a load.
pub(crate) struct Driven {
    /// In the order of their ends.
    pub(crate) served: Vec<Served>,
    /// Requests to the runtime.
    pub(crate) sent: u64,
}

/// A request before it is joined with others or sent.
#[derive(Clone, Copy, Debug)]
struct Member {
    stream: usize,
    sample: usize,
    /// On the clock.
    scheduled: Nanos,
}

/// A request, or several as one, on its way.
struct Flight {
    members: Vec<Member>,
    tenant: usize,
    submitted: Nanos,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

async fn answer(request: Request) -> (u64, Result<Completion>) {
    (request.id(), request.await)
}

type Answer = Pin<Box<dyn Future<Output = (u64, Result<Completion>)>>>;

struct Run<'a> {
    load: &'a Load<'a>,
    start: Nanos,
    /// By tenant.
    batchers: Vec<Batcher<Member>>,
    /// By stream.
    sent: Vec<usize>,
    requests: FuturesUnordered<Answer>,
    flights: HashMap<u64, Flight>,
    /// Requests of open streams that are not done.
    open: usize,
    requested: u64,
    served: Vec<Served>,
}

/// Runs a load to its end. Outputs are compared with the tenants'.
///
/// # Errors
/// Any that ended a request, but those of admission; `Internal` for outputs that are not the model's.
pub(crate) fn drive(load: &Load<'_>, watch: &mut Watch) -> Result<Driven> {
    let mut arrivals: Vec<(Nanos, usize)> = Vec::new();
    for (index, stream) in load.streams.iter().enumerate() {
        if let Source::Open(times) = &stream.source {
            arrivals.extend(times.iter().map(|&at| (at, index)));
        }
    }
    arrivals.sort_unstable();
    let mut run = Run {
        start: load.clock.now(),
        batchers: load.tenants.iter().map(|_| Batcher::default()).collect(),
        sent: vec![0; load.streams.len()],
        requests: FuturesUnordered::new(),
        flights: HashMap::new(),
        open: arrivals.len(),
        requested: 0,
        served: Vec::with_capacity(arrivals.len()),
        load,
    };
    for (index, stream) in load.streams.iter().enumerate() {
        if let Source::Closed(outstanding) = stream.source {
            for _ in 0..outstanding {
                run.come(index, run.start)?;
            }
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut next = 0;
    loop {
        let now = load.clock.now();
        while let Some(&(at, stream)) = arrivals.get(next).filter(|(at, _)| run.start + at <= now) {
            next += 1;
            run.come(stream, run.start + at)?;
        }
        run.flush(now)?;
        let mut done = Vec::new();
        while let Poll::Ready(Some(answer)) = Pin::new(&mut run.requests).poll_next(&mut Context::from_waker(&waker)) {
            done.push(answer);
        }
        if done.is_empty() {
            if run.is_over() {
                return Ok(Driven { served: run.served, sent: run.requested });
            }
            let arrival = arrivals.get(next).map(|(at, _)| run.start + at);
            let batch = load.rules.batching.and_then(|b| run.batchers.iter().filter_map(|q| q.next(b)).min());
            let wake = arrival.into_iter().chain(batch).min();
            let nap = wake.map_or(NAP, |at| Duration::from_nanos(at.saturating_sub(load.clock.now())));
            std::thread::park_timeout(nap.min(NAP));
            continue;
        }
        watch.look();
        for (id, result) in done {
            run.end(id, result, watch)?;
        }
    }
}

impl Run<'_> {
    /// Whether closed streams still send.
    fn goes_on(&self) -> bool {
        let (elapsed, Load { until, .. }) = (self.load.clock.now() - self.start, self.load);
        elapsed < *until || self.open > 0 && elapsed < until.saturating_mul(2)
    }

    fn is_over(&self) -> bool {
        let idle = self.flights.is_empty() && self.batchers.iter().all(Batcher::is_empty);
        self.open == 0 && (idle || !self.goes_on())
    }

    /// A request of a stream comes.
    fn come(&mut self, stream: usize, scheduled: Nanos) -> Result<()> {
        let tenant = self.load.streams[stream].tenant;
        let Tenant { samples, axes, .. } = &self.load.tenants[tenant];
        let member = Member { stream, sample: self.sent[stream] % samples.len(), scheduled };
        self.sent[stream] += 1;
        if self.load.rules.batching.is_some() && axes.is_some() {
            self.batchers[tenant].push(self.load.clock.now(), member);
            return Ok(());
        }
        self.send(tenant, vec![member])
    }

    /// Sends the batches that are due.
    fn flush(&mut self, now: Nanos) -> Result<()> {
        let Some(batching) = self.load.rules.batching else { return Ok(()) };
        for tenant in 0..self.batchers.len() {
            if let Some(members) = self.batchers[tenant].due(now, batching) {
                self.send(tenant, members)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, tenant: usize, members: Vec<Member>) -> Result<()> {
        let Load { tenants, streams, rules, clock, .. } = self.load;
        let Tenant { samples, axes, .. } = &tenants[tenant];
        let mut request = match (&members[..], axes) {
            (&[Member { sample, .. }], _) | (&[Member { sample, .. }, ..], None) => {
                tenants[tenant].request(&samples[sample].inputs)?
            }
            (_, Some(axes)) => {
                let inputs: Vec<_> = members.iter().map(|member| &samples[member.sample].inputs).collect();
                tenants[tenant].request(&axes.join(&inputs)?)?
            }
            ([], None) => return Ok(()),
        };
        let submitted = clock.now();
        let of = |member: &Member| Some(member.scheduled + streams[member.stream].deadline?);
        if rules.deadlines
            && let Some(deadline) = members.iter().filter_map(of).min()
        {
            let left = Duration::from_nanos(deadline.saturating_sub(submitted));
            request = request.deadline(left).admission(rules.admission);
        }
        let class = members.iter().map(|member| streams[member.stream].class).min().unwrap_or_default();
        let request = request.class(class).submit()?;
        self.requested += 1;
        self.flights.insert(request.id(), Flight { members, tenant, submitted });
        self.requests.push(Box::pin(answer(request)));
        Ok(())
    }

    fn end(&mut self, id: u64, result: Result<Completion>, watch: &mut Watch) -> Result<()> {
        let Some(flight) = self.flights.remove(&id) else { return Ok(()) };
        let tenant = &self.load.tenants[flight.tenant];
        self.batchers[flight.tenant].busy = false;
        let started = watch.take_start(id);
        let end = match result {
            Ok(done) => {
                let end = flight.submitted + nanos(done.timing().total);
                let joined = flight.members.len() > 1;
                let before = self.load.clock.now();
                check(tenant, &flight.members, &done)?;
                // Taking a batch apart is part of serving it.
                Some(if joined { end + self.load.clock.now().saturating_sub(before) } else { end })
            }
            Err(error) if is_refusal(&error) => None,
            Err(error) => return Err(Error::new(error.kind(), format!("{}: {}", tenant.label, error.message()))),
        };
        let now = self.load.clock.now();
        for member in flight.members {
            let Member { stream, scheduled, .. } = member;
            let since = |at: Nanos| at.saturating_sub(scheduled);
            self.served.push(Served {
                stream,
                scheduled: scheduled - self.start,
                latency: end.map(since),
                blocked: started.map(since),
                blocked_by_prediction: started.map(|started| watch.predicted(scheduled, started)),
            });
            match self.load.streams[stream].source {
                Source::Open(_) => self.open -= 1,
                Source::Closed(_) => {
                    if self.goes_on() {
                        self.come(stream, now)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn check(tenant: &Tenant, members: &[Member], done: &Completion) -> Result<()> {
    let outputs: Vec<_> = done.outputs().collect();
    match (members, &tenant.axes) {
        ([member], _) => tenant.check(member.sample, outputs.into_iter()),
        (_, Some(axes)) => {
            let parts = axes.split(&outputs, members.len())?;
            let wrong = members.iter().zip(&parts).find(|(member, part)| {
                let want = &tenant.samples[member.sample].outputs;
                !batch::close(part, want)
            });
            let what = || Error::new(ErrorKind::Internal, format!("{}: a batch has wrong outputs", tenant.label));
            wrong.map_or(Ok(()), |_| Err(what()))
        }
        (_, None) => Ok(()),
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Dropped | ErrorKind::Rejected | ErrorKind::Superseded)
}

fn nanos(time: Duration) -> Nanos {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
