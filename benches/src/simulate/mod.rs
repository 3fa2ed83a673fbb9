//! `fascine-bench simulate`.

pub(crate) mod calibration;
pub(crate) mod device;
pub(crate) mod scenario;

use std::path::{Path, PathBuf};

use fascine::error::{Error, ErrorKind, Result};
use fascine::schedule::Nanos;
use fascine_bench::simulator::{Report, Scenario, StreamReport, simulate};
use serde::Serialize;

use crate::Answer;
use crate::table::{self, Align};
use scenario::Setup;

/// Streams that the table shows one by one.
const SHOWN: usize = 16;
/// Halvings of the interval that holds the capacity.
const STEPS: usize = 7;
/// The largest multiple of the scenario's rates that is tried.
const MOST: f64 = 64.0;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The scenario, as in benches/scenarios
    scenario: PathBuf,
    /// Search the largest multiple of the scenario's rates at which 99 % are in time
    #[arg(long)]
    capacity: bool,
}

/// What `--json` prints. All figures are simulated.
#[derive(Serialize)]
struct Summary {
    simulated: bool,
    requests: u64,
    attainment: f64,
    goodput_per_s: f64,
    throughput_per_s: f64,
    latency_ms: [f64; 3],
    busy: f64,
    lanes_per_bundle: f64,
    /// Lanes that ran as one with others of the same plan.
    lanes_coalesced: u64,
    pipelines_compiled: u64,
    /// Milliseconds that the device idled for want of pipelines, and requests that came before their kernels were there.
    blocked_ms: f64,
    cold_requests: u64,
    prediction_error: [f64; 2],
    fairness: f64,
    fastest_to_slowest: f64,
    /// Multiple of the scenario's rates up to which 99 % are in time.
    capacity_99: Option<f64>,
    streams: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    arrived: u64,
    refused: u64,
    failed: u64,
    attainment: f64,
    goodput_per_s: f64,
    latency_ms: [f64; 3],
    slowdown: [f64; 2],
}

pub(crate) fn run(args: &Args, json: bool) -> Result<Answer> {
    let setup = Setup::read(&args.scenario)?;
    let report = simulate(&setup.scenario);
    let capacity = args.capacity.then(|| capacity(&setup.scenario));
    let summary = summary(&setup, &report, capacity);
    Ok(if json { Answer::json(&summary) } else { Answer::text(text(&summary)) })
}

/// The largest multiple of the scenario's rates at which 99 % of all requests are in time, to about a hundredth.
pub(crate) fn capacity(scenario: &Scenario) -> f64 {
    let kept = |by: f64| {
        let mut scaled = scenario.clone();
        scaled.streams.iter_mut().for_each(|stream| stream.arrivals = stream.arrivals.scaled(by));
        simulate(&scaled).total.attainment() >= 0.99
    };
    let (mut low, mut high) = (0.0, 1.0);
    while high < MOST && kept(high) {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        *if kept(middle) { &mut low } else { &mut high } = middle;
    }
    low
}

fn summary(setup: &Setup, report: &Report, capacity_99: Option<f64>) -> Summary {
    let row = |((name, stream), &alone): ((&String, &StreamReport), &Nanos)| Row {
        name: name.clone(),
        arrived: stream.arrived,
        refused: stream.refused,
        failed: stream.failed,
        goodput_per_s: stream.in_time as f64 * 1e9 / report.span.max(1) as f64,
        attainment: stream.attainment(),
        latency_ms: latencies(stream),
        slowdown: [0.5, 0.99].map(|part| stream.latency(part) as f64 / alone.max(1) as f64),
    };
    let streams: Vec<Row> = setup.names.iter().zip(&report.streams).zip(&setup.alone).map(row).collect();
    let slowdowns: Vec<f64> = streams.iter().filter(|row| row.slowdown[1] > 0.0).map(|row| row.slowdown[1]).collect();
    let [_, bundles, lanes] = report.issued;
    Summary {
        simulated: true,
        requests: report.total.arrived,
        attainment: report.total.attainment(),
        goodput_per_s: report.goodput(),
        throughput_per_s: report.throughput(),
        latency_ms: latencies(&report.total),
        busy: report.busy,
        lanes_per_bundle: lanes as f64 / bundles.max(1) as f64,
        lanes_coalesced: report.coalesced,
        pipelines_compiled: report.compiled,
        blocked_ms: report.blocked as f64 / 1e6,
        cold_requests: report.cold,
        prediction_error: [report.error.median, report.error.p95],
        fairness: jain(&slowdowns),
        fastest_to_slowest: gap(&slowdowns),
        capacity_99,
        streams,
    }
}

/// Jain's index: 1 if all are alike, 1/n if one has all.
fn jain(values: &[f64]) -> f64 {
    let (sum, squares) = values.iter().fold((0.0, 0.0), |(sum, squares), value| (sum + value, squares + value * value));
    if squares > 0.0 { sum * sum / (values.len() as f64 * squares) } else { 1.0 }
}

/// The largest over the smallest.
pub(crate) fn gap(values: &[f64]) -> f64 {
    let (low, high) = values.iter().fold((f64::MAX, 0.0f64), |(low, high), &value| (low.min(value), high.max(value)));
    if high > 0.0 { high / low } else { 1.0 }
}

fn latencies(stream: &StreamReport) -> [f64; 3] {
    [0.5, 0.99, 0.999].map(|part| stream.latency(part) as f64 / 1e6)
}

fn text(summary: &Summary) -> String {
    use Align::{Left, Right};
    let percent = |part: f64| format!("{:.2} %", part * 100.0);
    let [p50, p99, p999] = summary.latency_ms.map(table::millis);
    let [median, p95] = summary.prediction_error.map(percent);
    let mut text = "simulated: no device ran anything\n\n".to_owned();
    let mut pairs = vec![
        ("requests", summary.requests.to_string()),
        ("in time", percent(summary.attainment)),
        ("goodput", format!("{:.1}/s", summary.goodput_per_s)),
        ("throughput", format!("{:.1}/s", summary.throughput_per_s)),
        ("p50, p99, p99.9", format!("{p50}, {p99}, {p999} ms")),
        ("device busy", percent(summary.busy)),
        ("lanes per bundle", format!("{:.2}", summary.lanes_per_bundle)),
        ("lanes coalesced", summary.lanes_coalesced.to_string()),
        ("pipelines compiled", summary.pipelines_compiled.to_string()),
        ("requests before their pipelines", summary.cold_requests.to_string()),
        ("device idle for want of pipelines", format!("{} ms", table::millis(summary.blocked_ms))),
        ("prediction error, median and p95", format!("{median}, {p95}")),
        ("fairness of p99 slowdowns (Jain)", format!("{:.3}", summary.fairness)),
        ("slowest to fastest p99 slowdown", format!("{:.2}", summary.fastest_to_slowest)),
    ];
    if let Some(capacity) = summary.capacity_99 {
        pairs.push(("Capacity@99", format!("{capacity:.2} x the scenario's rates")));
    }
    text += &table::pairs(&pairs);
    text.push('\n');
    let header = [
        ("stream", Left),
        ("requests", Right),
        ("refused", Right),
        ("failed", Right),
        ("in time", Right),
        ("goodput/s", Right),
        ("p50 ms", Right),
        ("p99 ms", Right),
        ("p99.9 ms", Right),
        ("slowdown p50", Right),
        ("p99", Right),
    ];
    let row = |row: &Row| {
        let mut cells =
            vec![row.name.clone(), row.arrived.to_string(), row.refused.to_string(), row.failed.to_string()];
        cells.extend([percent(row.attainment), format!("{:.1}", row.goodput_per_s)]);
        cells.extend(row.latency_ms.map(table::millis));
        cells.extend(row.slowdown.map(|slowdown| format!("{slowdown:.2}")));
        cells
    };
    text += &table::render(&header, &summary.streams.iter().take(SHOWN).map(row).collect::<Vec<_>>());
    if summary.streams.len() > SHOWN {
        text += &format!("and {} more\n", summary.streams.len() - SHOWN);
    }
    text
}

fn text_of(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::new(ErrorKind::Io, error.to_string()).in_file(path))
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    toml::from_str(&text_of(path)?).map_err(|error| wrong(error.to_string().trim()).in_file(path))
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Input, what)
}

fn seconds(time: f64) -> Nanos {
    (time * 1e9) as Nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_is_one_among_equals() {
        assert_eq!((jain(&[2.0, 2.0]), gap(&[2.0, 2.0])), (1.0, 1.0));
        assert_eq!((jain(&[1.0, 0.0]), gap(&[4.0, 1.0])), (0.5, 4.0));
        assert_eq!((jain(&[]), gap(&[])), (1.0, 1.0));
    }
}
