//! Pairs and copies of models: bundled beside time-only, space-only and one-pass.

use std::time::Instant;

use fascine::Request;
use fascine::error::{Error, ErrorKind, Result};
use indicatif::ProgressBar;
use serde::Serialize;

use super::super::arm::Arm;
use super::super::rig::{Rig, Setup, geometric, median, warm_up};
use super::super::tenants::{Tenant, Wanted};
use super::{Args, HARMED};
use crate::inputs::Dims;
use crate::progress::bar;
use crate::table::{self, Align};

/// Rounds that are timed: short and full.
pub(super) const ROUNDS: [u32; 2] = [9, 21];
/// Rounds behind the warm-up in which the scheduler learns how long things take, before those that are timed.
const LEARNING: u32 = 8;
/// Copies of a model.
const COPIES: [usize; 4] = [2, 4, 8, 16];
const SHORT_COPIES: [usize; 2] = [2, 4];
/// Bundles without deadlines, but in the order that applications get.
const BUNDLED: Arm = Arm::Deadlines;
const ARMS: [Arm; 4] = [Arm::TimeOnly, Arm::SpaceOnly, Arm::OnePass, BUNDLED];

/// A model of the zoo at the sizes of this scenario.
struct Member {
    name: &'static str,
    dims: &'static [(&'static str, usize)],
    /// Whether its kernels are so small that none fills a device.
    small: bool,
    short: bool,
}

const fn member(name: &'static str, dims: &'static [(&'static str, usize)], small: bool, short: bool) -> Member {
    Member { name, dims, small, short }
}

const MEMBERS: [Member; 10] = [
    member("lstm_vad", &[("samples", 1600)], true, true),
    member("minilm", &[("sequence", 16)], true, true),
    member("gpt2_small_kv", &[("sequence", 1), ("past", 16), ("total", 17)], true, false),
    member("llama_tiny_kv", &[("s10", 1), ("s70", 1), ("s43", 1), ("s53", 17), ("s15", 16), ("s89", 16)], true, false),
    member("squeezenet1_1", &[], false, true),
    member("mobilenet_v2", &[], false, false),
    member("mobilenet_v3_small", &[], false, false),
    member("shufflenet_v2_x0_5", &[], false, false),
    member("resnet18", &[], false, false),
    member("vit_tiny_patch16_224", &[], false, false),
];

#[derive(Serialize)]
pub(super) struct ModelsReport {
    rows: Vec<Row>,
    summaries: Vec<Summary>,
}

#[derive(Serialize)]
struct Row {
    what: String,
    /// Whether the kernels of all its models are small.
    small: bool,
    arms: Vec<ArmReport>,
    /// Bundled over the best of the others, wall time, if both were measured.
    bundled_to_best: Option<f64>,
}

#[derive(Serialize)]
struct ArmReport {
    arm: &'static str,
    /// From the first submission to the last result.
    wall_ms: f64,
    device_ms: Option<f64>,
    bundles: f64,
    lanes_per_bundle: f64,
    host_us_per_bundle: f64,
}

/// What several rows come to.
#[derive(Serialize)]
struct Summary {
    of: &'static str,
    rows: usize,
    /// The best of the others over bundled, geometric mean.
    gain: f64,
    /// Rows in which bundled takes longer than the mark allows.
    harmed: usize,
    /// The largest ratio of bundled to the best of the others.
    worst: f64,
}

/// Models that run together.
struct Company {
    what: String,
    wanted: Vec<Wanted>,
    small: bool,
}

fn wanted(name: &str, copies: usize) -> Wanted {
    let dims = MEMBERS.iter().find(|member| member.name == name).map(|member| member.dims);
    let dims: Dims = dims.into_iter().flatten().map(|(name, size)| ((*name).to_owned(), *size)).collect();
    Wanted { name: name.to_owned(), copies, dims }
}

/// In the order of the tables.
fn companies(args: &Args) -> Vec<Company> {
    let short = args.common.short;
    let members = || MEMBERS.iter().filter(|member| member.short || !short).map(|member| member.name.to_owned());
    let models: Vec<String> = if args.models.is_empty() { members().collect() } else { args.models.clone() };
    let small = |name: &str| MEMBERS.iter().any(|member| member.name == name && member.small);
    let all = args.pairs.is_empty() && args.copies.is_empty();
    let every = || {
        let with =
            |(at, a): (usize, &String)| models[at + 1..].iter().map(|b| (a.clone(), b.clone())).collect::<Vec<_>>();
        models.iter().enumerate().flat_map(with).collect()
    };
    let pairs: Vec<(String, String)> = if all { every() } else { args.pairs.clone() };
    let mut copies: Vec<usize> = args.copies.iter().map(|&copies| copies.into()).collect();
    if all {
        copies = if short { SHORT_COPIES.to_vec() } else { COPIES.to_vec() };
    }
    let of_pair = |(a, b): &(String, String)| Company {
        what: format!("{a} + {b}"),
        wanted: vec![wanted(a, 1), wanted(b, 1)],
        small: small(a) && small(b),
    };
    let of_copies = |model: &String, copies: usize| Company {
        what: format!("{model} x {copies}"),
        wanted: vec![wanted(model, copies)],
        small: small(model),
    };
    let copied = models.iter().flat_map(|model| copies.iter().map(move |&copies| of_copies(model, copies)));
    pairs.iter().map(of_pair).chain(copied).collect()
}

pub(super) fn run(args: &Args) -> Result<(Setup, ModelsReport)> {
    let common = &args.common;
    let given = |arm: &Arm| common.arms.is_empty() || common.arms.contains(arm);
    let arms: Vec<Arm> = ARMS.into_iter().filter(given).collect();
    if arms.is_empty() || common.arms.iter().any(|arm| !ARMS.contains(arm)) {
        let what = "the arms of s2 are time-only, space-only, one-pass and deadlines, which has none here";
        return Err(Error::new(ErrorKind::Input, what));
    }
    let companies = companies(args);
    let progress = bar(companies.len() as u64, "loading");
    let (mut rows, mut setup) = (Vec::new(), None);
    for company in &companies {
        let (found, row) = measure(args, &arms, company, &progress)?;
        setup.get_or_insert(found);
        rows.push(row);
        progress.inc(1);
    }
    progress.finish_and_clear();
    let setup =
        setup.ok_or_else(|| Error::new(ErrorKind::Input, "no models and no copies leave nothing to measure"))?;
    let summaries = summaries(&rows);
    Ok((setup, ModelsReport { rows, summaries }))
}

/// The arms in turns, each on a runtime of its own, so that none forgets what it learned.
fn measure(args: &Args, arms: &[Arm], company: &Company, progress: &ProgressBar) -> Result<(Setup, Row)> {
    let common = &args.common;
    let mut rigs = Vec::with_capacity(arms.len());
    for &arm in arms {
        progress.set_message(format!("{}, {}: warming up", company.what, arm.name()));
        let rig = Rig::new(common, &company.wanted, arm.heap())?;
        rig.set(arm)?;
        warm_up(&rig.runtime, common.warm_up(), || round(&rig.tenants).map(drop))?;
        for _ in 0..LEARNING {
            round(&rig.tenants)?;
        }
        rigs.push(rig);
    }
    let differs = rigs.iter().any(|rig| rig.tenants.iter().zip(&rigs[0].tenants).any(|(a, b)| !same(a, b)));
    if differs {
        return Err(Error::new(ErrorKind::Internal, format!("{}: models differ between runtimes", company.what)));
    }
    progress.set_message(company.what.clone());
    let before = rigs.iter().map(|rig| rig.runtime.stats()).collect::<Result<Vec<_>>>()?;
    let rounds = common.runs(ROUNDS);
    let mut walls = vec![Vec::new(); arms.len()];
    for turn in 0..rounds as usize {
        for at in 0..arms.len() {
            // Whoever goes first finds the caches as another left them.
            let arm = (turn + at) % arms.len();
            walls[arm].push(round(&rigs[arm].tenants)?);
        }
    }
    let mut reports = Vec::with_capacity(arms.len());
    for (((arm, rig), before), walls) in arms.iter().zip(&rigs).zip(before).zip(&walls) {
        let after = rig.runtime.stats()?;
        let bundles = (after.bundles - before.bundles) as f64;
        let device = (after.gpu_nanos - before.gpu_nanos) as f64 / 1e6 / f64::from(rounds);
        reports.push(ArmReport {
            arm: arm.name(),
            wall_ms: median(walls),
            device_ms: Some(device).filter(|&ms| ms > 0.0),
            bundles: bundles / f64::from(rounds),
            lanes_per_bundle: (after.lanes - before.lanes) as f64 / bundles.max(1.0),
            host_us_per_bundle: (after.host_nanos - before.host_nanos) as f64 / 1e3 / bundles.max(1.0),
        });
    }
    let walls = |ours: bool| arms.iter().zip(&reports).filter(move |(arm, _)| (**arm == BUNDLED) == ours);
    let best = walls(false).map(|(_, report)| report.wall_ms).reduce(f64::min);
    let bundled = walls(true).map(|(_, report)| report.wall_ms).next();
    let bundled_to_best = bundled.zip(best).map(|(bundled, best)| bundled / best);
    let row = Row { what: company.what.clone(), small: company.small, arms: reports, bundled_to_best };
    Ok((rigs[0].setup(), row))
}

/// A request to each, all at once; milliseconds from the first submission to the last result.
fn round(tenants: &[Tenant]) -> Result<f64> {
    let start = Instant::now();
    let request = |tenant: &Tenant| tenant.request(&tenant.samples[0].inputs)?.submit();
    let requests = tenants.iter().map(request).collect::<Result<Vec<Request>>>()?;
    let done = requests.into_iter().map(Request::wait).collect::<Result<Vec<_>>>()?;
    let wall = start.elapsed();
    tenants.iter().zip(&done).try_for_each(|(tenant, done)| tenant.check(0, done.outputs()))?;
    Ok(wall.as_secs_f64() * 1e3)
}

/// Whether two runtimes give the same alone, to the bit.
fn same(a: &Tenant, b: &Tenant) -> bool {
    a.check(0, b.samples[0].outputs.iter().map(|(name, tensor)| (name.as_str(), tensor))).is_ok()
}

fn summaries(rows: &[Row]) -> Vec<Summary> {
    let kinds: [(&str, fn(&Row) -> bool); 3] =
        [("small kernels", |row| row.small), ("others", |row| !row.small), ("all", |_| true)];
    let of = |(of, belongs): (&'static str, fn(&Row) -> bool)| {
        let ratios: Vec<f64> = rows.iter().filter(|row| belongs(row)).filter_map(|row| row.bundled_to_best).collect();
        (!ratios.is_empty()).then(|| Summary {
            of,
            rows: ratios.len(),
            gain: 1.0 / geometric(ratios.iter().copied()),
            harmed: ratios.iter().filter(|&&ratio| ratio > HARMED).count(),
            worst: ratios.iter().copied().fold(0.0, f64::max),
        })
    };
    kinds.into_iter().filter_map(of).collect()
}

impl ModelsReport {
    pub(super) fn text(&self) -> String {
        use Align::{Left, Right};
        let arms: Vec<&str> = self.rows.first().iter().flat_map(|row| &row.arms).map(|arm| arm.arm).collect();
        let bundled = arms.iter().position(|arm| *arm == BUNDLED.name());
        let mut titles = vec!["models".to_owned()];
        titles.extend(arms.iter().map(|arm| if *arm == BUNDLED.name() { "bundled".into() } else { (*arm).to_owned() }));
        titles.extend(["bundled / best", "bundles", "lanes/bundle", "host us/bundle"].map(str::to_owned));
        let mut header: Vec<(&str, Align)> = titles.iter().map(|title| (title.as_str(), Right)).collect();
        header[0].1 = Left;
        let row = |row: &Row| {
            let mut cells = vec![row.what.clone()];
            cells.extend(row.arms.iter().map(|arm| table::millis(arm.wall_ms)));
            cells.push(row.bundled_to_best.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")));
            let ours = bundled.and_then(|at| row.arms.get(at));
            let of = |digits: usize, value: fn(&ArmReport) -> f64| {
                ours.map_or_else(|| "-".to_owned(), |arm| format!("{:.digits$}", value(arm)))
            };
            cells.extend([
                of(0, |arm| arm.bundles),
                of(2, |arm| arm.lanes_per_bundle),
                of(0, |arm| arm.host_us_per_bundle),
            ]);
            cells
        };
        let mut text = "\nWall ms, a request to each model at once:\n\n".to_owned();
        text += &table::render(&header, &self.rows.iter().map(row).collect::<Vec<_>>());
        if self.summaries.is_empty() {
            return text;
        }
        let header = [
            ("models", Left),
            ("rows", Right),
            ("best / bundled, geometric mean", Right),
            ("bundled above 1.02 of the best", Right),
            ("worst bundled / best", Right),
        ];
        let row = |summary: &Summary| {
            let Summary { of, rows, gain, harmed, worst } = summary;
            vec![(*of).to_owned(), rows.to_string(), format!("{gain:.2}"), harmed.to_string(), format!("{worst:.2}")]
        };
        text + "\n" + &table::render(&header, &self.summaries.iter().map(row).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_count_what_bundling_harms() {
        let row = |small, bundled_to_best| Row { what: "a + b".into(), small, arms: Vec::new(), bundled_to_best };
        let rows = [row(true, Some(0.5)), row(true, Some(0.125)), row(false, Some(1.03)), row(false, None)];
        let summaries = summaries(&rows);
        let found: Vec<_> = summaries.iter().map(|s| (s.of, s.rows, s.harmed, s.worst)).collect();
        assert_eq!(found, [("small kernels", 2, 0, 0.5), ("others", 1, 1, 1.03), ("all", 3, 1, 1.03)]);
        assert!((summaries[0].gain - 4.0).abs() < 1e-9);
    }
}
