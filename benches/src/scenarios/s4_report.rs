//! The tables of `fascine-bench s4`.

use super::rig::BatchReport;
use super::s4::{ArmReport, Report};
use crate::table::{self, Align};

pub(super) fn text(report: &Report) -> String {
    let Report { setup, streams, capacity_per_s, cv, zipf, runs, seconds, seed, .. } = report;
    let mut text = format!("S4, streams with deadlines at rising load, on {}streams:", setup.text());
    for stream in streams {
        text += &format!(" {} ({} ms alone)", stream.model, table::millis(stream.alone_ms));
    }
    let arrivals = if *cv == 1.0 { "Poisson".to_owned() } else { format!("Gamma, CV {cv}") };
    let popularity = if *zipf == 0.0 { "uniform".to_owned() } else { format!("Zipf({zipf})") };
    text += &format!(
        "\n{arrivals}, {popularity}; capacity of time-only {capacity_per_s:.1} per second; {runs} runs of {seconds} s a point, \
         seed {seed}; outputs compared: equal to the bit, in batches within 1e-4\n"
    );
    for &k in &report.k {
        text += &format!("\ndeadlines of {k} x alone: part in time of those issued, by load\n");
        text += &one(report, k);
        text += &headline(report, k);
    }
    if let Some(BatchReport { window_ms, largest }) = report.arms.iter().find_map(|arm| arm.batch) {
        let window = table::millis(window_ms);
        text += &format!("\nB4: best of the settings tried: a window of {window} ms, at most {largest}\n");
    }
    text
}

fn one(report: &Report, k: f64) -> String {
    use Align::{Left, Right};
    let loads: Vec<String> = report.loads.iter().map(f64::to_string).collect();
    let mut header = vec![("arm", Left)];
    header.extend(loads.iter().map(|load| (load.as_str(), Right)));
    header.extend([("Capacity@99", Right), ("peak goodput/s", Right), ("kept at the last load", Right)]);
    let row = |arm: &ArmReport| {
        let mut row = vec![arm.arm.to_owned()];
        let points = arm.points.iter().filter(|point| point.k == k);
        row.extend(points.map(|point| format!("{:.1} %", point.attainment * 100.0)));
        if let Some(summary) = arm.by_k.iter().find(|summary| summary.k == k) {
            row.push(summary.capacity_at_99.to_string());
            row.push(format!("{:.1}", summary.peak_goodput_per_s));
            row.push(format!("{:.1} %", summary.goodput_kept * 100.0));
        }
        row
    };
    table::render(&header, &report.arms.iter().map(row).collect::<Vec<_>>())
}

/// The best of fascine's arms beside the best baseline.
fn headline(report: &Report, k: f64) -> String {
    let best = |baseline: bool| {
        let arms = report.arms.iter().filter(|arm| arm.baseline == baseline);
        let capacity = |arm: &ArmReport| arm.by_k.iter().find(|summary| summary.k == k).map(|s| s.capacity_at_99);
        arms.filter_map(|arm| Some((capacity(arm)?, arm.arm))).max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let (Some((own, name)), Some((theirs, other))) = (best(false), best(true)) else { return String::new() };
    let ratio = if theirs > 0.0 { format!("{:.2}", own / theirs) } else { "-".to_owned() };
    format!("Capacity@99: {name} {own}, best baseline {other} {theirs}, ratio {ratio}\n")
}
