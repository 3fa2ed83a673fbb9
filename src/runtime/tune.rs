//! Measures on the adapter at hand how products and convolutions are best divided into tiles.
//!
//! What is found is kept in [`Options::cache_dir`], and runtimes that open the folder later plan by it: each by the times for the
//! [`Options::share`] of the device that it reckons with. A dispatch has an eighth of the device where eight of its size run beside each
//! other, so that is what is timed.

mod bench;
mod case;

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::Serialize;

use super::Options;
use super::tiles::TileFile;
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, Timestamps};
use crate::lower::DeviceClass;
pub use crate::lower::tuning::{Choice, Share, Tiled};
use bench::{Bench, Measured};
use case::Case;

/// How much is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Every power of two of the number of tiles, and four depths.
    #[default]
    Full,
    /// Every second of these, and two depths.
    Short,
}

impl Effort {
    /// Runs of each choice, of which the median counts.
    fn runs(self) -> usize {
        match self {
            Effort::Full => 7,
            Effort::Short => 3,
        }
    }

    /// Binary logarithm of the ratio of one number of tiles to the one before.
    fn step(self) -> usize {
        match self {
            Effort::Full => 1,
            Effort::Short => 2,
        }
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is measured next.
    pub kernel: Tiled,
    /// Points that are done.
    pub done: usize,
    /// All points.
    pub total: usize,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The adapter's name.
    pub adapter: String,
    /// Its driver.
    pub driver: String,
    /// Workgroups that it runs at a time, to the nearest power of two.
    pub parallelism: u32,
    /// Whether the device's own clock was read, and not the host's.
    pub timestamps: bool,
    /// In the order in which they were measured.
    pub points: Vec<Point>,
    /// What gave wrong results or did not compile, and is not chosen.
    pub faults: Vec<Fault>,
    /// Points for which there was no memory that one dispatch can bind, or no right results to compare with.
    pub skipped: usize,
    /// Points that were left when the caller broke it off.
    pub left: usize,
    /// Where the table is kept.
    pub file: Option<PathBuf>,
}

/// A size of the results at a share of the device.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// The kernel.
    pub kernel: Tiled,
    /// The share of the device.
    pub share: Share,
    /// Rows and columns of the results; channels and pixels of a convolution.
    pub results: [usize; 2],
    /// Terms of each result.
    pub depth: usize,
    /// Small tiles.
    pub tiles: usize,
    /// The choice that plans make from now on.
    pub best: Choice,
    /// What they choose where nothing was measured.
    pub rule: Choice,
    /// Nanoseconds of all choices.
    pub times: Vec<Time>,
}

/// How long a choice took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Time {
    /// The choice.
    #[serde(flatten)]
    pub choice: Choice,
    /// The median of its runs, in nanoseconds, of as many dispatches beside each other as the device has shares.
    pub nanos: u64,
}

impl Point {
    /// How many times as long as by the best choice it takes by the rule's; `None` if that gave wrong results.
    pub fn gain(&self) -> Option<f64> {
        let of = |choice| self.times.iter().find(|time| time.choice == choice).map(|time| time.nanos as f64);
        Some(of(self.rule)? / of(self.best)?)
    }
}

/// A choice that must not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// The kernel.
    pub kernel: Tiled,
    /// The choice.
    #[serde(flatten)]
    pub choice: Choice,
    /// Rows and columns of the results.
    pub results: [usize; 2],
    /// Terms of each result.
    pub depth: usize,
    /// What was wrong.
    pub why: String,
}

/// Measures the adapter that `options` name, for every share of it, and puts what it finds into [`Options::cache_dir`]: point by point, from
/// small to large, so that what is there after an interruption is right as far as it goes. The device should have nothing else to do
/// meanwhile. `progress` is told what comes next, and may break it off.
///
/// Points that the folder has from before are replaced as they are measured; the others stay.
///
/// # Errors
/// `Unsupported` for an adapter whose plans have no tiles to choose; `Io` if the folder cannot be written; else as
/// [`Runtime::new`](super::Runtime::new).
pub fn tune(
    options: &Options,
    effort: Effort,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Report> {
    let gpu = Gpu::open(&options.adapter)?;
    let given = options.schedule.as_ref().map(|schedule| schedule.device);
    let device = options.device.find(&gpu, given, options.cache_dir.as_deref(), options.memory_cap);
    let target = options.target(gpu.caps(), &device.model);
    if target.class == DeviceClass::Cpu {
        let what =
            format!("'{}' is a CPU adapter, for which plans take other kernels than those with tiles", gpu.caps().name);
        return Err(Error::new(ErrorKind::Unsupported, what));
    }
    let file = options.cache_dir.as_deref().map(|folder| TileFile::new(folder, gpu.caps()));
    let mut table = file.as_ref().map(TileFile::read).unwrap_or_default();
    let caps = gpu.caps().clone();
    let mut report = Report {
        adapter: caps.name,
        driver: caps.driver,
        parallelism: target.parallelism,
        timestamps: caps.timestamps != Timestamps::None,
        points: Vec::new(),
        faults: Vec::new(),
        skipped: 0,
        left: 0,
        file: file.as_ref().map(|file| file.path().to_owned()),
    };
    let cases = case::all(target.parallelism, effort);
    let total = cases.iter().map(|(_, shares)| shares.len()).sum();
    let mut bench = Bench::new(gpu, options.executor(), target, effort.runs())?;
    let mut done = 0;
    for (case, shares) in cases {
        let Case { kernel, results, depth, tiles } = case;
        let copies = shares.last().map_or(1, |share| share.divisor());
        if report.left > 0 {
            report.left += shares.len();
            continue;
        }
        let prepared = bench.prepare(&case, copies)?;
        for share in shares {
            if report.left > 0 || progress(Progress { kernel, done, total }).is_break() {
                report.left += 1;
                continue;
            }
            done += 1;
            let Measured { timed, rule, faults } = bench.measure(&prepared, share)?;
            for (choice, why) in faults {
                let fault = Fault { kernel, choice, results, depth, why };
                tracing::warn!(?fault, "a choice of tiles that is not made");
                report.faults.push(fault);
            }
            if timed.is_empty() {
                report.skipped += 1;
                continue;
            }
            let best = table.insert(kernel, share, [depth as u32, tiles as u32], timed.clone());
            if let Some(file) = &file {
                file.write(&table).map_err(|error| Error::io(&error, file.path()))?;
            }
            let times = timed.into_iter().map(|timed| Time { choice: timed.choice, nanos: timed.nanos }).collect();
            report.points.push(Point { kernel, share, results, depth, tiles, best, rule, times });
        }
        bench.end(prepared);
    }
    Ok(report)
}
