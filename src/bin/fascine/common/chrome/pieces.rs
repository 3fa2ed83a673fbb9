//! What each request did, and each bundle, as stretches of time.

use std::collections::BTreeMap;

use fascine::runtime::trace::{BundleRecord, LaneRecord, Records};
use serde_json::{Value, json};

use super::micros;

/// Kernels that a bundle's name shows.
const SHOWN: usize = 3;

/// A stretch of a stage, in nanoseconds on the runtime's clock.
pub(super) struct Piece {
    pub(super) stage: usize,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) name: String,
    pub(super) args: Value,
}

#[derive(Default)]
pub(super) struct RequestPieces {
    pub(super) model: u64,
    pub(super) pieces: Vec<Piece>,
}

/// A bundle on the track of the device.
pub(super) struct Bundle {
    pub(super) piece: Piece,
    /// The requests that it has lanes of, with the position of their piece on the GPU.
    pub(super) riders: Vec<(u64, usize)>,
}

#[derive(Default)]
pub(super) struct Timeline {
    pub(super) requests: BTreeMap<u64, RequestPieces>,
    /// In order of issue.
    pub(super) bundles: Vec<Bundle>,
    /// When each request's last piece on the GPU ended.
    off_gpu: BTreeMap<u64, u64>,
    /// When the device was done with what came before.
    free: u64,
}

impl Timeline {
    pub(super) fn of(records: &Records) -> Timeline {
        let mut submissions: BTreeMap<u64, Vec<&BundleRecord>> = BTreeMap::new();
        for bundle in &records.bundles {
            submissions.entry(bundle.submission).or_default().push(bundle);
        }
        let mut timeline = Timeline::default();
        submissions.values().for_each(|bundles| timeline.submission(bundles));
        timeline.ends(records);
        timeline
    }

    fn submission(&mut self, bundles: &[&BundleRecord]) {
        let [issued, retired] = [bundles[0].issued, bundles[0].retired];
        let mut at = issued.max(self.free).min(retired);
        // Where nothing is known of the device's clock, bundles lie end to end, and without times share what there is.
        let each = (retired - at) / bundles.len() as u64;
        for bundle in bundles {
            let [start, end] = match bundle.on_device {
                Some(on) => [on.began.max(self.free), on.ended],
                None => [at, at + bundle.gpu.unwrap_or(each)],
            };
            let start = start.clamp(issued, retired);
            let end = end.clamp(start, retired);
            self.bundle(bundle, [start, end]);
            at = end;
            self.free = end;
        }
    }

    fn bundle(&mut self, bundle: &BundleRecord, [start, end]: [u64; 2]) {
        let number = bundle.submission;
        let mut riders = Vec::new();
        let mut lanes: BTreeMap<(u64, u64), Vec<&LaneRecord>> = BTreeMap::new();
        for lane in &bundle.lanes {
            lanes.entry((lane.request, lane.model)).or_default().push(lane);
        }
        for (&(id, model), own) in &lanes {
            let request = self.requests.entry(id).or_default();
            request.model = model;
            let last = request.pieces.iter().rev().find(|piece| piece.stage == 1).map(|piece| &piece.args);
            if last.is_none_or(|args| args["submission"] != number) {
                let args = json!({ "request": id, "submission": number });
                let name = format!("submission {number}");
                request.pieces.push(Piece { stage: 1, start: bundle.issued, end: start, name, args });
            }
            let args = json!({
                "request": id, "submission": number, "bundle": self.bundles.len(),
                "lanes": own.iter().map(|lane| text(lane)).collect::<Vec<_>>(), "lanes of all": bundle.lanes.len(),
                "timed": bundle.gpu.is_some(),
            });
            riders.push((id, request.pieces.len()));
            request.pieces.push(Piece { stage: 2, start, end, name: own[0].kernel.to_string(), args });
            self.off_gpu.insert(id, end);
        }
        let args = json!({
            "bundle": self.bundles.len(),
            "submission": number,
            "lanes": bundle.lanes.iter().map(|lane| format!("request {}: {}", lane.request, text(lane))).collect::<Vec<_>>(),
            "coalesced": bundle.lanes.iter().filter(|lane| lane.coalesced != 1).count(),
            "requests": lanes.keys().map(|(id, _)| id).collect::<Vec<_>>(),
            "predicted_us": micros(bundle.predicted),
            "separate_us": micros(bundle.separate),
            "measured_us": bundle.gpu.map(micros),
            "clock_error_us": bundle.on_device.map(|on| micros(on.within)),
        });
        let piece = Piece { stage: 0, start, end, name: name(bundle), args };
        self.bundles.push(Bundle { piece, riders });
    }

    /// The first and last piece of each request.
    fn ends(&mut self, records: &Records) {
        for record in &records.requests {
            let request = self.requests.entry(record.request).or_default();
            request.model = record.model;
            let args = json!({
                "request": record.request,
                "outcome": record.outcome,
                "deadline_us": record.deadline.map(micros),
                "in_time": record.deadline.map(|deadline| record.ended <= deadline),
            });
            let name = format!("request {}", record.request);
            let end = record.started.unwrap_or(record.ended).max(record.submitted);
            let (first, start) = (name.clone(), record.submitted);
            request.pieces.push(Piece { stage: 0, start, end, name: first, args: args.clone() });
            if let Some(&start) = self.off_gpu.get(&record.request) {
                request.pieces.push(Piece { stage: 3, start, end: record.ended.max(start), name, args });
            }
        }
    }
}

fn text(lane: &LaneRecord) -> String {
    let coalesced = if lane.coalesced == 1 { "" } else { " coalesced" };
    format!("{} {} [{}..{}){coalesced}", lane.kernel, lane.label, lane.first, lane.first + lane.count)
}

/// `conv 3 + copy`: its kernels, each with its lanes where there are several.
fn name(bundle: &BundleRecord) -> String {
    let mut kernels: Vec<(&str, usize)> = Vec::new();
    for lane in &bundle.lanes {
        match kernels.iter_mut().find(|(kernel, _)| *kernel == &*lane.kernel) {
            Some((_, count)) => *count += 1,
            None => kernels.push((&lane.kernel, 1)),
        }
    }
    let more = kernels.len().saturating_sub(SHOWN);
    let shown = kernels.iter().take(SHOWN);
    let mut parts: Vec<String> = shown
        .map(|&(kernel, count)| if count == 1 { kernel.to_owned() } else { format!("{kernel} x{count}") })
        .collect();
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    parts.join(" + ")
}
