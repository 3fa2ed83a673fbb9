//! `fascine devices`.

use fascine::error::{Error, ErrorKind, Result};
use fascine::gpu::probe::{self, Effort, Probed};
use fascine::gpu::{self, AdapterOptions, AdapterReport, Gpu, Select};
use serde::Serialize;

use crate::Answer;
use crate::table::{self, Align};

#[derive(Serialize)]
struct Devices {
    adapters: Vec<Adapter>,
}

#[derive(Serialize)]
struct Adapter {
    #[serde(flatten)]
    report: AdapterReport,
    /// What it can do, measured just now.
    measured: Option<Probed>,
}

pub(crate) fn run(json: bool) -> Result<Answer> {
    let reports = gpu::adapters().into_iter();
    let adapters: Vec<Adapter> = reports.map(|report| Adapter { measured: measure(&report), report }).collect();
    let error = adapters.iter().all(|adapter| adapter.report.unfit.is_some()).then(|| {
        let what = if adapters.is_empty() { "no adapter at all" } else { "no adapter that fascine can use" };
        Error::new(ErrorKind::NoAdapter, format!("{what}; scripts/setup-vulkan.sh installs one that runs on the CPU"))
    });
    let answer = if json { Answer::json(&Devices { adapters }) } else { Answer::text(text(&adapters)) };
    Ok(Answer { error, ..answer })
}

/// A failure leaves the figures out: what the adapter is said to be stands without them.
fn measure(report: &AdapterReport) -> Option<Probed> {
    if report.unfit.is_some() {
        return None;
    }
    let options = AdapterOptions { select: Select::Index(report.index), ..AdapterOptions::default() };
    let probed = Gpu::open(&options).and_then(|gpu| probe::probe(&gpu, Effort::of(&gpu, None)));
    probed.inspect_err(|error| tracing::warn!(%error, adapter = report.caps.name, "not measured")).ok()
}

fn text(adapters: &[Adapter]) -> String {
    use Align::{Left, Right};
    let header = [
        ("#", Right),
        ("adapter", Left),
        ("type", Left),
        ("api", Left),
        ("driver", Left),
        ("largest buffer", Right),
        ("buffers", Right),
        ("workgroup memory", Right),
        ("subgroups", Left),
        ("f16", Left),
        ("timestamps", Left),
        ("workgroups at once", Right),
        ("Gflop/s", Right),
        ("GB/s", Right),
    ];
    let giga = |rate: Option<f64>| rate.map_or_else(|| "?".to_owned(), |rate| format!("{:.1}", rate / 1e9));
    let yes = |has: bool| if has { "yes" } else { "no" }.to_owned();
    let rows: Vec<Vec<String>> = adapters
        .iter()
        .map(|Adapter { report: AdapterReport { index, caps, .. }, measured }| {
            let Probed { parallelism, flops, bytes, .. } = measured.unwrap_or_default();
            vec![
                index.to_string(),
                caps.name.clone(),
                caps.device_type.to_string(),
                caps.backend.clone(),
                caps.driver.clone(),
                table::bytes(caps.max_segment_bytes),
                caps.max_segments.to_string(),
                table::bytes(caps.workgroup_bytes.into()),
                if caps.subgroups {
                    format!("{}..{}", caps.subgroup_size[0], caps.subgroup_size[1])
                } else {
                    yes(false)
                },
                yes(caps.f16),
                format!("{:?}", caps.timestamps).to_lowercase(),
                parallelism.map_or_else(|| "?".to_owned(), |most| most.to_string()),
                giga(flops),
                giga(bytes),
            ]
        })
        .collect();
    let mut text = if rows.is_empty() { String::new() } else { table::render(&header, &rows) };
    for AdapterReport { index, missing, unfit, .. } in adapters.iter().map(|adapter| &adapter.report) {
        if let Some(why) = unfit {
            text += &format!("\n{index} cannot be used: {why}\n");
        }
        if !missing.is_empty() {
            text += &format!("\n{index} lacks\n");
            missing.iter().for_each(|what| text += &format!("  {what}\n"));
        }
    }
    text
}
