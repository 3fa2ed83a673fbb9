//! A trace in Chrome's JSON format, as Perfetto and `chrome://tracing` open it.
//!
//! A process per model; in it, threads for what was queued, issued, on the GPU and read back, as many as overlap. A flow
//! leads each request from queue through its waves to its end. The device tells how long waves took, not when: within a
//! submission they are laid end to end from its issue, or from the end of the one before.

use std::collections::BTreeMap;
use std::path::Path;

use fascine::error::{Error, ErrorKind, Result};
use fascine::runtime::trace::{Records, WaveRecord};
use serde_json::{Value, json};

/// The process of the device's counters.
const DEVICE: u64 = 0;
const STAGES: [&str; 4] = ["queued", "issued", "on GPU", "read back"];
/// Threads of a stage: more overlapping pieces than these share the last.
const WIDTH: usize = 1000;

/// Writes the trace, and the folder that it lies in.
pub(crate) fn write(path: &Path, records: &Records) -> Result<()> {
    let io = |error: std::io::Error| Error::new(ErrorKind::Io, error.to_string()).in_file(path);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    std::fs::write(path, render(records).to_string()).map_err(io)
}

/// A stretch of a stage.
struct Piece {
    stage: usize,
    start: u64,
    end: u64,
    name: String,
    args: Value,
}

#[derive(Default)]
struct Request {
    model: u64,
    pieces: Vec<Piece>,
}

pub(crate) fn render(records: &Records) -> Value {
    let requests = pieces(records);
    let mut events = Vec::new();
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    names.extend(records.requests.iter().map(|request| (request.model, &*request.name)));
    names.extend(records.waves.iter().flat_map(|wave| &wave.lanes).map(|lane| (lane.model, &*lane.name)));
    let process = |pid: u64, name: &str| json!({ "ph": "M", "name": "process_name", "pid": pid, "tid": 0, "ts": 0, "args": { "name": name } });
    events.push(process(DEVICE, "device"));
    events.extend(names.iter().map(|(&model, name)| process(model, &format!("{name} ({model})"))));

    let mut threads = Threads::default();
    let mut placed: Vec<(u64, u64, &Piece)> = Vec::new();
    for (&id, request) in &requests {
        placed.extend(request.pieces.iter().map(|piece| (id, request.model, piece)));
    }
    placed.sort_by_key(|(id, _, piece)| (piece.start, piece.end, piece.stage, *id));
    let last: BTreeMap<u64, usize> = placed.iter().enumerate().map(|(at, (id, ..))| (*id, at)).collect();
    let mut begun: BTreeMap<u64, ()> = BTreeMap::new();
    for (at, (id, model, piece)) in placed.into_iter().enumerate() {
        let tid = threads.place((model, piece.stage), piece.start, piece.end);
        let Piece { start, end, name, args, .. } = piece;
        events.push(json!({
            "ph": "X", "name": name, "cat": STAGES[piece.stage], "pid": model, "tid": tid,
            "ts": micros(*start), "dur": micros(end - start), "args": args,
        }));
        let phase = match (begun.insert(id, ()), last[&id] == at) {
            (None, true) => continue,
            (None, false) => "s",
            (Some(()), false) => "t",
            (Some(()), true) => "f",
        };
        events.push(json!({
            "ph": phase, "bp": "e", "name": "request", "cat": "request", "id": id, "pid": model, "tid": tid,
            "ts": micros(*start),
        }));
    }
    for ((pid, stage, row), tid) in threads.names() {
        let name = if row == 0 { STAGES[stage].to_owned() } else { format!("{} {}", STAGES[stage], row + 1) };
        events.push(
            json!({ "ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "ts": 0, "args": { "name": name } }),
        );
        events.push(json!({ "ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "ts": 0, "args": { "sort_index": tid } }));
    }
    for level in &records.levels {
        let counters = [
            ("queue depth", level.requests as u64),
            ("lanes in flight", level.lanes as u64),
            ("heap bytes", level.heap_bytes),
        ];
        for (name, value) in counters {
            events.push(json!({
                "ph": "C", "name": name, "pid": DEVICE, "tid": 0, "ts": micros(level.at), "args": { "value": value },
            }));
        }
    }
    json!({ "displayTimeUnit": "ms", "traceEvents": events })
}

/// What each request did, by request.
fn pieces(records: &Records) -> BTreeMap<u64, Request> {
    let mut requests: BTreeMap<u64, Request> = BTreeMap::new();
    let mut on_gpu: BTreeMap<u64, u64> = BTreeMap::new();
    let mut submissions: BTreeMap<u64, Vec<&WaveRecord>> = BTreeMap::new();
    for wave in &records.waves {
        submissions.entry(wave.submission).or_default().push(wave);
    }
    let mut free = 0;
    for (number, waves) in submissions {
        let (issued, retired) = (waves[0].issued, waves[0].retired);
        let mut start = issued.max(free).min(retired);
        // Without timestamps, waves share what there is.
        let each = (retired - start) / waves.len() as u64;
        for wave in &waves {
            let end = (start + wave.gpu.unwrap_or(each)).min(retired);
            let mut lanes: BTreeMap<(u64, u64), Vec<String>> = BTreeMap::new();
            for lane in &wave.lanes {
                let text = format!("{} {} [{}..{})", lane.kernel, lane.label, lane.first, lane.first + lane.count);
                lanes.entry((lane.request, lane.model)).or_default().push(text);
            }
            for ((id, model), own) in lanes {
                let request = requests.entry(id).or_default();
                request.model = model;
                let last = request.pieces.iter().rev().find(|piece| piece.stage == 1).map(|piece| &piece.args);
                if last.is_none_or(|args| args["submission"] != number) {
                    let args = json!({ "request": id, "submission": number });
                    let name = format!("submission {number}");
                    request.pieces.push(Piece { stage: 1, start: issued, end: start, name, args });
                }
                let name = own[0].split(' ').next().unwrap_or_default().to_owned();
                let args = json!({
                    "request": id, "submission": number, "lanes": own, "lanes of all": wave.lanes.len(),
                    "timed": wave.gpu.is_some(),
                });
                request.pieces.push(Piece { stage: 2, start, end, name, args });
                on_gpu.insert(id, end);
            }
            start = end;
        }
        free = start;
    }
    for record in &records.requests {
        let request = requests.entry(record.request).or_default();
        request.model = record.model;
        let args = json!({
            "request": record.request,
            "outcome": record.outcome,
            "deadline_us": record.deadline.map(micros),
            "in_time": record.deadline.map(|deadline| record.ended <= deadline),
        });
        let name = format!("request {}", record.request);
        let end = record.started.unwrap_or(record.ended).max(record.submitted);
        request.pieces.push(Piece { stage: 0, start: record.submitted, end, name: name.clone(), args: args.clone() });
        if let Some(&start) = on_gpu.get(&record.request) {
            request.pieces.push(Piece { stage: 3, start, end: record.ended.max(start), name, args });
        }
    }
    requests
}

/// Threads of models and stages: pieces on one do not overlap.
#[derive(Default)]
struct Threads(BTreeMap<(u64, usize), Vec<u64>>);

impl Threads {
    fn place(&mut self, key: (u64, usize), start: u64, end: u64) -> u64 {
        let rows = self.0.entry(key).or_default();
        let row = rows.iter().position(|&free| free <= start).unwrap_or(rows.len()).min(WIDTH - 1);
        match rows.get_mut(row) {
            Some(free) => *free = end.max(*free),
            None => rows.push(end),
        }
        Self::tid(key.1, row)
    }

    fn tid(stage: usize, row: usize) -> u64 {
        (1 + stage * WIDTH + row) as u64
    }

    fn names(&self) -> impl Iterator<Item = ((u64, usize, usize), u64)> + '_ {
        let rows = |(&(pid, stage), rows): (&(u64, usize), &Vec<u64>)| {
            (0..rows.len()).map(move |row| ((pid, stage, row), Self::tid(stage, row)))
        };
        self.0.iter().flat_map(rows)
    }
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}
