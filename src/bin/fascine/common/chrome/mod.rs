//! A trace in Chrome's JSON format, as Perfetto and `chrome://tracing` open it.
//!
//! The first process is the device: a track of bundles, each with its lanes and its predicted times, and counters. Then a
//! process per model; in it, threads for what was queued, issued, on the GPU and read back, as many as overlap, and one for
//! deadlines. A flow leads each request from queue through its bundles to its end, and one from each of its pieces on the
//! GPU to the bundle that carried it.

mod pieces;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fascine::error::{Error, ErrorKind, Result};
use fascine::runtime::trace::{Records, RequestRecord};
use fascine::schedule::Outcome;
use serde_json::{Value, json};

use pieces::{Piece, Timeline};

/// The device's process; models follow in the order in which they were loaded.
const DEVICE: u64 = 1;
/// Threads of models, in order.
const STAGES: [&str; 5] = ["queued", "issued", "on GPU", "read back", "deadlines"];
const DEADLINES: usize = 4;

/// Writes the trace, and the folder that it lies in.
pub(crate) fn write(path: &Path, records: &Records) -> Result<()> {
    let io = |error: std::io::Error| Error::new(ErrorKind::Io, error.to_string()).in_file(path);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    std::fs::write(path, render(records).to_string()).map_err(io)
}

pub(crate) fn render(records: &Records) -> Value {
    let timeline = Timeline::of(records);
    let mut events = Events::default();
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    names.extend(records.requests.iter().map(|request| (request.model, &*request.name)));
    names.extend(records.bundles.iter().flat_map(|bundle| &bundle.lanes).map(|lane| (lane.model, &*lane.name)));
    events.process(DEVICE, "device");
    let mut pids = BTreeMap::new();
    for (pid, (model, name)) in (DEVICE + 1..).zip(names) {
        events.process(pid, &format!("{name} ({model})"));
        pids.insert(model, pid);
    }
    requests(&timeline, &pids, &mut events);
    records.requests.iter().for_each(|request| deadline(request, pids[&request.model], &mut events));
    for level in &records.levels {
        let counters = [
            ("requests", level.requests as u64),
            ("queue depth", level.queued as u64),
            ("lanes in flight", level.lanes as u64),
            ("heap bytes", level.heap_bytes),
        ];
        for (name, value) in counters {
            events.counter(name, level.at, value);
        }
    }
    let within = records.bundles.iter().filter_map(|bundle| bundle.on_device).map(|on| on.within).max();
    let clock = match within {
        Some(_) => "the device's, brought to the host's",
        None => "the host's; bundles lie end to end from the issue of their submission",
    };
    json!({
        "displayTimeUnit": "ms",
        "otherData": { "clock": clock, "clock_error_us": within.map(micros) },
        "traceEvents": events.finish(),
    })
}

/// Pieces of requests, bundles, and the flows between them.
fn requests(timeline: &Timeline, pids: &BTreeMap<u64, u64>, events: &mut Events) {
    let mut placed: Vec<(u64, u64, usize, &Piece)> = Vec::new();
    for (&id, request) in &timeline.requests {
        let pid = pids[&request.model];
        placed.extend(request.pieces.iter().enumerate().map(|(index, piece)| (id, pid, index, piece)));
    }
    placed.sort_by_key(|(id, _, _, piece)| (piece.start, piece.end, piece.stage, *id));
    let last: BTreeMap<u64, usize> = placed.iter().enumerate().map(|(at, (id, ..))| (*id, at)).collect();
    let mut begun: BTreeSet<u64> = BTreeSet::new();
    let mut threads: BTreeMap<(u64, usize), u64> = BTreeMap::new();
    for (at, (id, pid, index, piece)) in placed.into_iter().enumerate() {
        let tid = events.piece(pid, piece);
        let phase = match (begun.insert(id), last[&id] == at) {
            (true, true) => None,
            (true, false) => Some("s"),
            (false, false) => Some("t"),
            (false, true) => Some("f"),
        };
        threads.insert((id, index), tid);
        if let Some(phase) = phase {
            events.flow(phase, "request", id, (pid, tid), piece.start);
        }
    }
    let mut flow = 0;
    for bundle in &timeline.bundles {
        let tid = events.piece(DEVICE, &bundle.piece);
        for &(request, index) in &bundle.riders {
            let pid = pids[&timeline.requests[&request].model];
            events.flow("s", "bundle", flow, (pid, threads[&(request, index)]), bundle.piece.start);
            events.flow("f", "bundle", flow, (DEVICE, tid), bundle.piece.start);
            flow += 1;
        }
    }
}

/// The deadline as an instant, lateness as a piece, and an end without results as an instant.
fn deadline(record: &RequestRecord, pid: u64, events: &mut Events) {
    let RequestRecord { request, ended, outcome, .. } = *record;
    let done = matches!(outcome, Outcome::Completed | Outcome::CompletedLate);
    if let Some(deadline) = record.deadline {
        let kept = done && ended <= deadline;
        let args = json!({ "request": request, "outcome": outcome, "kept": kept });
        let what = if kept { "deadline" } else { "missed deadline" };
        events.instant(pid, &format!("{what} of request {request}"), deadline, args);
        if done && !kept {
            let name = format!("request {request} late by {:.3} ms", micros(ended - deadline) / 1e3);
            let args = json!({ "request": request, "late_us": micros(ended - deadline) });
            events.piece(pid, &Piece { stage: DEADLINES, start: deadline, end: ended, name, args });
        }
    }
    if !done {
        let args = json!({ "request": request, "outcome": outcome });
        let what = format!("{outcome:?}").to_lowercase();
        events.instant(pid, &format!("request {request} {what}"), ended, args);
    }
}

/// Events, and the threads that they lie on.
#[derive(Default)]
struct Events {
    names: Vec<Value>,
    list: Vec<(u64, Value)>,
    /// Of each process and stage, the thread and the end of its last piece, row by row.
    threads: BTreeMap<(u64, usize), Vec<(u64, u64)>>,
    tids: u64,
}

impl Events {
    fn process(&mut self, pid: u64, name: &str) {
        self.meta("process_name", (pid, 0), json!({ "name": name }));
        self.meta("process_sort_index", (pid, 0), json!({ "sort_index": pid }));
    }

    fn meta(&mut self, what: &str, (pid, tid): (u64, u64), args: Value) {
        self.names.push(json!({ "ph": "M", "name": what, "pid": pid, "tid": tid, "ts": 0, "args": args }));
    }

    /// The thread of a piece: pieces on one do not overlap.
    fn thread(&mut self, pid: u64, stage: usize, [start, end]: [u64; 2]) -> u64 {
        let rows = self.threads.entry((pid, stage)).or_default();
        let row = rows.iter().position(|&(_, free)| free <= start).unwrap_or(rows.len());
        if let Some((tid, free)) = rows.get_mut(row) {
            *free = end;
            return *tid;
        }
        // Thread numbers are unique beyond processes, and none is a process's, which would mark it as its main thread.
        self.tids += 1;
        let tid = (1 << 20) + self.tids;
        rows.push((tid, end));
        let stage_name = if pid == DEVICE { "bundles" } else { STAGES[stage] };
        let name = if row == 0 { stage_name.to_owned() } else { format!("{stage_name} {}", row + 1) };
        self.meta("thread_name", (pid, tid), json!({ "name": name }));
        self.meta("thread_sort_index", (pid, tid), json!({ "sort_index": stage * 100_000 + row }));
        tid
    }

    fn piece(&mut self, pid: u64, piece: &Piece) -> u64 {
        let Piece { stage, start, end, name, args } = piece;
        let tid = self.thread(pid, *stage, [*start, *end]);
        let category = if pid == DEVICE { "bundle" } else { STAGES[*stage] };
        let event = json!({
            "ph": "X", "name": name, "cat": category, "pid": pid, "tid": tid,
            "ts": micros(*start), "dur": micros(end - start), "args": args,
        });
        self.list.push((*start, event));
        tid
    }

    fn instant(&mut self, pid: u64, name: &str, at: u64, args: Value) {
        let tid = match self.threads.get(&(pid, DEADLINES)).and_then(|rows| rows.first()) {
            Some(&(tid, _)) => tid,
            None => self.thread(pid, DEADLINES, [0, 0]),
        };
        let event = json!({
            "ph": "i", "s": "t", "name": name, "cat": STAGES[DEADLINES], "pid": pid, "tid": tid, "ts": micros(at),
            "args": args,
        });
        self.list.push((at, event));
    }

    fn flow(&mut self, phase: &str, category: &str, id: u64, (pid, tid): (u64, u64), at: u64) {
        let event = json!({
            "ph": phase, "bp": "e", "name": category, "cat": category, "id": id, "pid": pid, "tid": tid,
            "ts": micros(at),
        });
        self.list.push((at, event));
    }

    fn counter(&mut self, name: &str, at: u64, value: u64) {
        let event = json!({
            "ph": "C", "name": name, "pid": DEVICE, "tid": 0, "ts": micros(at), "args": { "value": value },
        });
        self.list.push((at, event));
    }

    /// In order of time.
    fn finish(mut self) -> Vec<Value> {
        self.list.sort_by_key(|(at, _)| *at);
        self.names.extend(self.list.into_iter().map(|(_, event)| event));
        self.names
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}
