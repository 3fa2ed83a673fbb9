//! A scenario's file, and what it means.

use std::path::Path;
use std::sync::Arc;

use fascine::error::Result;
use fascine::schedule::{
    Admission, Class, DeviceModel, DispatchDesc, HoldBack, KernelId, ModelId, Nanos, Options, Order, PlanDesc, Policy,
};
use fascine_bench::simulator::{Arrivals, Front, Loss, Scenario, Straggle, Stream, simulate};
use serde::Deserialize;

use super::calibration::{Calibration, Kernels};
use super::device::DeviceFile;
use super::{parse, seconds, text_of, wrong};

/// Streams in all: more than this is a slip of the pen.
const MAX_STREAMS: usize = 10_000;
const MAX_DISPATCHES: u32 = 100_000;

/// `SCENARIO.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    #[serde(default)]
    pub(crate) seed: u64,
    #[serde(default = "one")]
    pub(crate) warm_up_s: f64,
    pub(crate) duration_s: f64,
    /// Exponent of Zipf's law that multiplies the streams' rates; 0 is uniform.
    #[serde(default)]
    pub(crate) zipf: f64,
    #[serde(default)]
    pub(crate) device: DeviceFile,
    #[serde(default)]
    pub(crate) scheduler: SchedulerFile,
    /// Times at which the device is gone.
    #[serde(default, rename = "loss")]
    pub(crate) losses: Vec<LossFile>,
    #[serde(rename = "stream")]
    pub(crate) streams: Vec<StreamFile>,
}

/// The device is gone, and comes back without pipelines.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossFile {
    pub(crate) at_s: f64,
    pub(crate) lasts_s: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SchedulerFile {
    pub(crate) policy: PolicyName,
    pub(crate) order: OrderName,
    pub(crate) hold_back: bool,
    pub(crate) slice_us: Option<u64>,
    pub(crate) in_flight: Option<usize>,
    /// Of `policy = "batching"`: how long a batch waits for more at most, and how many it may hold.
    pub(crate) batch_window_us: u64,
    pub(crate) batch_most: Option<u32>,
}

/// Requests of a batch where the scenario does not say.
const BATCH: u32 = 16;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident => $target:ident { $first:ident $(, $variant:ident)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, Deserialize)]
            #[serde(rename_all = "kebab-case")]
            pub(crate) enum $name {
                #[default]
                $first,
                $($variant,)*
            }

            impl From<$name> for $target {
                fn from(name: $name) -> $target {
                    match name {
                        $name::$first => $target::$first,
                        $($name::$variant => $target::$variant,)*
                    }
                }
            }
        )*
    };
}

/// A policy of the scheduler, or a baseline that is none.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicyName {
    #[default]
    Bundled,
    SubmitEach,
    TimeOnly,
    OnePass,
    SpaceOnly,
    Batching,
}

impl SchedulerFile {
    fn policy(&self) -> (Policy, Front) {
        let batch = Front::Batching {
            window: self.batch_window_us.saturating_mul(1_000),
            most: self.batch_most.unwrap_or(BATCH).max(1),
        };
        match self.policy {
            PolicyName::Bundled => (Policy::Bundled, Front::Direct),
            PolicyName::SubmitEach => (Policy::SubmitEach, Front::Direct),
            PolicyName::TimeOnly => (Policy::TimeOnly, Front::Direct),
            PolicyName::OnePass => (Policy::OnePass, Front::Direct),
            PolicyName::SpaceOnly => (Policy::OnePass, Front::SpaceOnly),
            PolicyName::Batching => (Policy::TimeOnly, batch),
        }
    }
}

names! {
    OrderName => Order { EarliestDeadline, Arrival }
    ClassName => Class { Normal, Interactive, Background }
    AdmissionName => Admission { RunLate, DropLate, RejectPredictedMiss }
}

/// Tenants that are alike, each with weights and arrivals of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamFile {
    pub(crate) name: String,
    #[serde(default = "one_of")]
    pub(crate) count: usize,
    /// A model of the calibration file, in place of a made-up chain.
    pub(crate) model: Option<String>,
    /// A chain of so many dispatches, each of so many microseconds alone.
    #[serde(default)]
    pub(crate) dispatches: u32,
    #[serde(default)]
    pub(crate) micros: f64,
    /// Workgroups of each; they fill that part of the device.
    #[serde(default)]
    pub(crate) workgroups: u32,
    /// Bytes over what the device could move in the time of a dispatch.
    #[serde(default = "memory")]
    pub(crate) memory: f64,
    pub(crate) arrivals: ArrivalsFile,
    pub(crate) deadline_ms: Option<f64>,
    /// In medians of the stream alone.
    pub(crate) deadline_x: Option<f64>,
    #[serde(default)]
    pub(crate) class: ClassName,
    #[serde(default)]
    pub(crate) admission: AdmissionName,
    #[serde(default)]
    pub(crate) latest_wins: bool,
    pub(crate) straggle: Option<StraggleFile>,
    /// When the tenant comes, and when it goes.
    #[serde(default)]
    pub(crate) from_s: f64,
    pub(crate) until_s: Option<f64>,
    /// Each further copy comes and goes so much later.
    #[serde(default)]
    pub(crate) stagger_s: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, tag = "process", rename_all = "kebab-case")]
pub(crate) enum ArrivalsFile {
    Poisson {
        rate: f64,
    },
    Gamma {
        rate: f64,
        cv: f64,
    },
    LogNormal {
        rate: f64,
        sigma: f64,
    },
    Periodic {
        rate: f64,
    },
    Closed {
        outstanding: u32,
    },
    /// Seconds, ascending, one a line.
    Trace {
        file: String,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StraggleFile {
    pub(crate) from_s: f64,
    pub(crate) until_s: f64,
    pub(crate) factor: f64,
}

fn one() -> f64 {
    1.0
}

fn one_of() -> usize {
    1
}

fn memory() -> f64 {
    0.4
}

/// A scenario with the names of its streams, and their medians alone.
pub(crate) struct Setup {
    pub(crate) names: Vec<String>,
    pub(crate) alone: Vec<Nanos>,
    pub(crate) scenario: Scenario,
}

impl Setup {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file: File = parse(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::new(file, folder).map_err(|error| error.in_file(path))
    }

    pub(crate) fn new(file: File, folder: &Path) -> Result<Self> {
        let times = [file.warm_up_s, file.duration_s];
        if times.iter().any(|time| !(0.0..=1e6).contains(time)) || file.duration_s == 0.0 {
            return Err(wrong("times are from 0 to 1e6 s, the duration above 0"));
        }
        let calibration = file.device.calibration(folder)?;
        let device = file.device.build(calibration.as_ref())?;
        let mut options = Options { device: device.model, ..Options::for_parallelism(device.model.parallelism) };
        let (policy, front) = file.scheduler.policy();
        let SchedulerFile { order, hold_back, slice_us, in_flight, .. } = file.scheduler;
        (options.policy, options.order) = (policy, order.into());
        options.hold_back = if hold_back { HoldBack::Yes } else { HoldBack::No };
        options.slice = slice_us.map_or(options.slice, |slice| slice.saturating_mul(1_000));
        options.in_flight = in_flight.unwrap_or(options.in_flight);

        let total = file.streams.iter().map(|stream| stream.count).fold(0, usize::saturating_add);
        if total == 0 || total > MAX_STREAMS {
            return Err(wrong(&format!("there are {total} streams, not 1 to {MAX_STREAMS}")));
        }
        let weights: Vec<f64> = (1..=total).map(|rank| (rank as f64).powf(-file.zipf)).collect();
        let mean = weights.iter().sum::<f64>() / total as f64;
        let mut setup = Setup {
            names: Vec::new(),
            alone: Vec::new(),
            scenario: Scenario {
                seed: file.seed,
                warm_up: seconds(file.warm_up_s),
                duration: seconds(file.warm_up_s + file.duration_s),
                device,
                options,
                front,
                losses: file.losses.iter().map(LossFile::build).collect::<Result<_>>()?,
                streams: Vec::new(),
            },
        };
        let mut kernels = Kernels::default();
        for stream in &file.streams {
            let mut build = |model| stream.build(model, &device.model, calibration.as_ref(), &mut kernels);
            let alone = setup.alone(build(0)?);
            let times = [stream.from_s, stream.stagger_s, stream.until_s.unwrap_or(0.0)];
            if times.iter().any(|time| !(0.0..=1e6).contains(time)) {
                return Err(wrong(&format!("stream '{}': times are from 0 to 1e6 s", stream.name)));
            }
            for copy in 0..stream.count {
                let at = setup.names.len();
                let later = stream.stagger_s * copy as f64;
                let arrivals = stream.arrivals.build(folder)?.scaled(weights[at] / mean);
                let deadline = match (stream.deadline_ms, stream.deadline_x) {
                    (Some(_), Some(_)) => return Err(wrong("a stream has deadline_ms or deadline_x, not both")),
                    (Some(ms), None) => Some(seconds(ms / 1e3)),
                    (None, Some(times)) => Some((alone as f64 * times) as Nanos),
                    (None, None) => None,
                };
                setup.scenario.streams.push(Stream {
                    class: stream.class.into(),
                    admission: stream.admission.into(),
                    latest_wins: stream.latest_wins,
                    straggle: stream.straggle.map(|slow| Straggle {
                        from: seconds(slow.from_s),
                        until: seconds(slow.until_s),
                        factor: slow.factor,
                    }),
                    from: seconds(stream.from_s + later),
                    until: stream.until_s.map_or(Nanos::MAX, |until| seconds(until + later)),
                    arrivals,
                    deadline,
                    ..build(at as u32)?
                });
                let name = &stream.name;
                setup.names.push(if stream.count == 1 { name.clone() } else { format!("{name} #{copy}") });
                setup.alone.push(alone);
            }
        }
        Ok(setup)
    }

    /// The median of a stream that has the device for itself.
    fn alone(&self, stream: Stream) -> Nanos {
        alone(&self.scenario, stream)
    }
}

/// The median latency of a stream's requests, one at a time, on the scenario's device without anything else.
pub(crate) fn alone(scenario: &Scenario, stream: Stream) -> Nanos {
    let mut scenario = scenario.clone();
    (scenario.front, scenario.losses) = (Front::Direct, Vec::new());
    scenario.streams = vec![Stream { arrivals: Arrivals::Closed { outstanding: 1 }, deadline: None, ..stream }];
    (scenario.warm_up, scenario.duration) = (1_000_000_000, 2_000_000_000);
    simulate(&scenario).total.latency(0.5)
}

impl LossFile {
    fn build(&self) -> Result<Loss> {
        if ![self.at_s, self.lasts_s].iter().all(|time| (0.0..=1e6).contains(time)) {
            return Err(wrong("a loss's times are from 0 to 1e6 s"));
        }
        Ok(Loss { at: seconds(self.at_s), lasts: seconds(self.lasts_s) })
    }
}

impl StreamFile {
    /// A stream of its plans, without arrivals and deadline.
    fn build(
        &self,
        model: u32,
        device: &DeviceModel,
        calibration: Option<&Calibration>,
        kernels: &mut Kernels,
    ) -> Result<Stream> {
        let Some(name) = &self.model else {
            return Ok(Stream::new(self.plan(model, device)?, Arrivals::Closed { outstanding: 0 }, None));
        };
        let known = calibration.and_then(|known| known.models.iter().find(|known| known.name == *name));
        let known = known
            .ok_or_else(|| wrong(&format!("stream '{}': the calibration file has no model '{name}'", self.name)))?;
        known.stream(model, kernels)
    }

    fn plan(&self, model: u32, device: &DeviceModel) -> Result<Arc<PlanDesc>> {
        let sound = (1..=MAX_DISPATCHES).contains(&self.dispatches)
            && self.workgroups > 0
            && (0.0..=1e6).contains(&self.micros)
            && (0.0..=1.0).contains(&self.memory);
        if !sound {
            return Err(wrong(&format!(
                "stream '{}': it has no model, and dispatches, micros, workgroups or memory are missing or out of range",
                self.name
            )));
        }
        // A dispatch that fills the device partly takes as long as its workgroups do, and does less.
        let filled = (f64::from(self.workgroups) / f64::from(device.parallelism)).min(1.0);
        let time = self.micros * 1e-6 * filled;
        let dispatches = (0..self.dispatches).map(|index| DispatchDesc {
            coalesce: None,
            kernel: KernelId(index * 3 % 10),
            workgroups: self.workgroups,
            flops: (time * device.flops) as u64,
            bytes: (time * self.memory * device.bytes) as u64,
            deps: index.checked_sub(1).into_iter().collect(),
        });
        Ok(Arc::new(PlanDesc { model: ModelId(u64::from(model)), dispatches: dispatches.collect() }))
    }
}

impl ArrivalsFile {
    fn build(&self, folder: &Path) -> Result<Arrivals> {
        let sound = |rate: f64| (rate > 0.0 && rate <= 1e7).then_some(rate).ok_or_else(|| wrong("rates are above 0"));
        Ok(match *self {
            ArrivalsFile::Poisson { rate } => Arrivals::Poisson { rate: sound(rate)? },
            ArrivalsFile::Gamma { rate, cv } => Arrivals::Gamma { rate: sound(rate)?, cv: cv.clamp(0.01, 100.0) },
            ArrivalsFile::LogNormal { rate, sigma } => {
                Arrivals::LogNormal { rate: sound(rate)?, sigma: sigma.clamp(0.0, 10.0) }
            }
            ArrivalsFile::Periodic { rate } => Arrivals::Periodic { rate: sound(rate)? },
            ArrivalsFile::Closed { outstanding } => Arrivals::Closed { outstanding: outstanding.min(100_000) },
            ArrivalsFile::Trace { ref file } => {
                let path = folder.join(file);
                let time = |line: &str| {
                    line.trim().parse().map(seconds).map_err(|_| wrong("a line is no number").in_file(&path))
                };
                let text = text_of(&path)?;
                let times = text.lines().filter(|line| !line.trim().is_empty()).map(time);
                let times = times.collect::<Result<Vec<Nanos>>>()?;
                if !times.is_sorted() {
                    return Err(wrong("the times are not in order").in_file(&path));
                }
                Arrivals::Trace(times.into())
            }
        })
    }
}
