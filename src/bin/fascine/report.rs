//! The page with the timeline: one self-contained HTML file.

use std::collections::BTreeMap;
use std::path::Path;

use fascine::error::{Error, ErrorKind, Result};
use fascine::runtime::trace::{BundleRecord, LaneRecord, Records};
use serde::Serialize;

use crate::arms::{ArmReport, Measured, Workload};
use crate::millis;

const TEMPLATE: &str = include_str!("report.html");

/// What the page's script reads.
#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    adapter: &'a str,
    rows: Vec<&'a str>,
    arms: Vec<Arm<'a>>,
    /// Labels and kernels, which lanes name by position.
    texts: Vec<&'a str>,
}

#[derive(Serialize)]
struct Arm<'a> {
    #[serde(flatten)]
    report: &'a ArmReport,
    jobs: Vec<JobRow>,
    columns: Vec<Bundle>,
}

#[derive(Serialize)]
struct JobRow {
    row: usize,
    total_ms: f64,
    deadline_ms: Option<f64>,
    in_time: Option<bool>,
    /// When it was due, from the timeline's start.
    due_ms: Option<f64>,
    /// By how much it missed its deadline.
    late_ms: Option<f64>,
    shared: u32,
    bundles: u32,
}

/// `[job, label, kernel, first workgroup, workgroups]` per lane.
#[derive(Serialize)]
struct Bundle {
    submission: u64,
    issued_ms: f64,
    retired_ms: f64,
    /// When it ended on the device, or where that is not known, when the host knew.
    ended_ms: f64,
    gpu_ms: Option<f64>,
    predicted_ms: f64,
    separate_ms: f64,
    lanes: Vec<(usize, usize, usize, u32, u32)>,
}

/// Writes the page, and the folder that it lies in.
pub(crate) fn write(path: &Path, title: &str, workload: &Workload, arms: &[Measured]) -> Result<()> {
    let io = |error: std::io::Error| Error::new(ErrorKind::Io, error.to_string()).in_file(path);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    std::fs::write(path, render(title, workload, arms)).map_err(io)
}

fn render(title: &str, workload: &Workload, arms: &[Measured]) -> String {
    let mut texts = Texts::default();
    let page = Page {
        title,
        adapter: arms.first().map_or("", |arm| arm.adapter.as_str()),
        rows: workload.tenants.iter().map(|tenant| tenant.label.as_str()).collect(),
        arms: arms.iter().map(|measured| arm(workload, measured, &mut texts)).collect(),
        texts: texts.list,
    };
    let json = serde_json::to_string(&page).expect("the structs have string keys only");
    // Neither an end tag nor a comment of the page may be read out of a model's labels.
    TEMPLATE.replacen("{{data}}", &json.replace('<', "\\u003c"), 1)
}

fn arm<'a>(workload: &Workload, measured: &'a Measured, texts: &mut Texts<'a>) -> Arm<'a> {
    let Measured { records, timings, report, .. } = measured;
    let ids = ids(records);
    let start = start(records);
    let mut due = vec![None; ids.len()];
    for request in &records.requests {
        let at = ids.binary_search(&request.request).expect("the numbers are those of these requests");
        due[at] = request.deadline.map(|deadline| (since(start, deadline), request.ended.saturating_sub(deadline)));
    }
    let jobs = workload.jobs.iter().zip(timings).enumerate().map(|(at, (job, timing))| {
        let due = due.get(at).copied().flatten();
        JobRow {
            row: job.tenant,
            total_ms: millis(timing.total),
            deadline_ms: job.deadline.map(millis),
            in_time: timing.in_time,
            due_ms: due.map(|(at, _)| at),
            late_ms: due.filter(|_| timing.in_time == Some(false)).map(|(_, late)| round_ms(late)),
            shared: timing.shared_bundles,
            bundles: timing.bundles,
        }
    });
    Arm { report, jobs: jobs.collect(), columns: bundles(&records.bundles, &ids, start, texts) }
}

/// The requests. They get ascending numbers as they are submitted, so that their order is that of the jobs.
fn ids(records: &Records) -> Vec<u64> {
    let lanes = records.bundles.iter().flat_map(|bundle| &bundle.lanes).map(|lane| lane.request);
    let mut ids: Vec<u64> = records.requests.iter().map(|request| request.request).chain(lanes).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn start(records: &Records) -> u64 {
    let issued = records.bundles.iter().map(|bundle| bundle.issued);
    records.requests.iter().map(|request| request.submitted).chain(issued).min().unwrap_or(0)
}

fn since(start: u64, at: u64) -> f64 {
    round_ms(at.saturating_sub(start))
}

fn bundles<'a>(records: &'a [BundleRecord], ids: &[u64], start: u64, texts: &mut Texts<'a>) -> Vec<Bundle> {
    let mut bundles: Vec<&BundleRecord> = records.iter().collect();
    bundles.sort_by_key(|bundle| bundle.submission);
    let mut lane = |lane: &'a LaneRecord| {
        let job = ids.binary_search(&lane.request).unwrap_or(0);
        (job, texts.number(&lane.label), texts.number(&lane.kernel), lane.first, lane.count)
    };
    bundles
        .into_iter()
        .map(|bundle| Bundle {
            submission: bundle.submission,
            issued_ms: since(start, bundle.issued),
            retired_ms: since(start, bundle.retired),
            ended_ms: since(start, bundle.on_device.map_or(bundle.retired, |on| on.ended)),
            gpu_ms: bundle.gpu.map(round_ms),
            predicted_ms: round_ms(bundle.predicted),
            separate_ms: round_ms(bundle.separate),
            lanes: bundle.lanes.iter().map(&mut lane).collect(),
        })
        .collect()
}

fn round_ms(nanos: u64) -> f64 {
    (nanos as f64 / 1e3).round() / 1e3
}

/// Texts, each once.
#[derive(Default)]
struct Texts<'a> {
    list: Vec<&'a str>,
    known: BTreeMap<&'a str, usize>,
}

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a str) -> usize {
        *self.known.entry(text).or_insert_with(|| {
            self.list.push(text);
            self.list.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_stands_alone() {
        assert_eq!(TEMPLATE.matches("{{data}}").count(), 1);
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!TEMPLATE.replace("http://www.w3.org/2000/svg", "").contains(outside), "{outside}");
        }
    }

    #[test]
    fn lanes_name_jobs_in_order_of_submission() {
        let lane = |request, label: &str| LaneRecord {
            dispatch: 0,
            coalesced: 1,
            request,
            model: 1,
            name: "m".into(),
            label: label.into(),
            kernel: "gemm".into(),
            first: 0,
            count: 4,
        };
        let bundle = |submission, lanes| BundleRecord {
            submission,
            issued: 1_000_000 * submission,
            retired: 9_000_000,
            gpu: None,
            on_device: None,
            predicted: 2_000_000,
            separate: 3_000_000,
            lanes,
        };
        let mut records = Records::default();
        records.bundles = vec![bundle(3, vec![lane(21, "b")]), bundle(2, vec![lane(21, "a"), lane(17, "</script>")])];
        let mut texts = Texts::default();
        let bundles = bundles(&records.bundles, &ids(&records), start(&records), &mut texts);
        assert_eq!(bundles[0].lanes, [(1, 0, 1, 0, 4), (0, 2, 1, 0, 4)]);
        assert_eq!((bundles[1].submission, bundles[1].issued_ms, bundles[1].retired_ms), (3, 1.0, 7.0));
        assert_eq!(texts.list, ["a", "gemm", "</script>", "b"]);
    }
}
