//! `fascine tune`.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use fascine::error::{Error, ErrorKind, Result};
use fascine::lower::DeviceClass;
use fascine::runtime::Options;
use fascine::runtime::tune::{self, Choice, Effort, Point, Report};

use crate::Answer;
use crate::args::TuneArgs;
use crate::progress::bar;
use crate::table::{self, Align};

pub(crate) fn run(args: &TuneArgs, json: bool) -> Result<Answer> {
    if args.device.share.is_some() {
        return Err(Error::new(ErrorKind::Input, "tune measures every share: --share has no place"));
    }
    let options = Options { class: args.gpu_kernels.then_some(DeviceClass::Gpu), ..args.device.options() };
    let effort = if args.short { Effort::Short } else { Effort::Full };
    let (start, limit) = (Instant::now(), args.limit.map(Duration::from_secs));
    let progress = bar(0, "opening the device");
    let report = tune::tune(&options, effort, |at| {
        progress.set_length(at.total as u64);
        progress.set_position(at.done as u64);
        progress.set_message(at.kernel.name());
        match limit.is_some_and(|limit| start.elapsed() > limit) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    progress.finish_and_clear();
    let report = report.map_err(|error| match error.kind() {
        ErrorKind::Unsupported => Error::new(error.kind(), format!("{}; --gpu-kernels measures them", error.message())),
        _ => error,
    })?;
    let error = report.faults.first().map(|fault| {
        let [rows, columns] = fault.results;
        let (kernel, count) = (fault.kernel.name(), report.faults.len());
        let first = format!("{kernel} {rows} x {columns} of {} as {}", fault.depth, name(fault.choice));
        Error::new(ErrorKind::Device, format!("{count} choices are wrong here and not made; {first}: {}", fault.why))
    });
    let answer = if json { Answer::json(&report) } else { Answer::text(text(&report)) };
    Ok(Answer { error, ..answer })
}

fn name(Choice { side, parts }: Choice) -> String {
    if parts == 1 { format!("{side}") } else { format!("{side}, {parts} parts") }
}

fn text(report: &Report) -> String {
    use Align::{Left, Right};
    let header = [
        ("kernel", Left),
        ("results", Right),
        ("depth", Right),
        ("share", Right),
        ("best", Left),
        ("us", Right),
        ("by rule", Left),
        ("us", Right),
        ("gain", Right),
        ("plain us", Right),
    ];
    let mut points: Vec<&Point> = report.points.iter().collect();
    // The shares of a size below each other.
    points.sort_by_key(|point| (point.kernel, point.depth, point.tiles, point.share));
    let rows: Vec<Vec<String>> = points.into_iter().map(row).collect();
    let kept = match &report.file {
        Some(file) => format!("kept in {}", file.display()),
        None => "not kept: no --cache-dir".to_owned(),
    };
    let clock = if report.timestamps { "the device's" } else { "the host's" };
    let Report { adapter, driver, parallelism, skipped, left, .. } = report;
    let adapter =
        if driver.is_empty() || adapter.contains(driver) { adapter.clone() } else { format!("{adapter}, {driver}") };
    let missing = [(skipped, "points for which there was no room"), (left, "points left when time was up")];
    let missing: String = missing.iter().filter(|(n, _)| **n > 0).map(|(n, what)| format!(", {n} {what}")).collect();
    format!(
        "{adapter}: {parallelism} workgroups at a time, times by {clock} clock{missing}; {kept}\n\n{}",
        table::render(&header, &rows)
    )
}

fn row(point: &Point) -> Vec<String> {
    let time = |choice| {
        let time = point.times.iter().find(|time| time.choice == choice);
        time.map_or_else(|| "wrong".to_owned(), |time| format!("{:.1}", time.nanos as f64 / 1e3))
    };
    let [rows, columns] = point.results;
    vec![
        point.kernel.name().to_owned(),
        format!("{rows} x {columns}"),
        point.depth.to_string(),
        format!("1/{}", point.share.divisor()),
        name(point.best),
        time(point.best),
        name(point.rule),
        time(point.rule),
        point.gain().map_or_else(String::new, |gain| format!("{gain:.2}")),
        time(Choice::PLAIN),
    ]
}
