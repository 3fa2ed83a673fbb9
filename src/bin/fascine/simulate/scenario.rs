//! A scenario's file, and what it means.

use std::path::Path;
use std::sync::Arc;

use fascine::error::{Error, ErrorKind, Result};
use fascine::schedule::simulate::{Arrivals, Scenario, Straggle, Stream, VirtualDevice, simulate};
use fascine::schedule::{
    Admission, ArmId, Class, DeviceModel, DispatchDesc, HoldBack, Nanos, Options, Order, PlanDesc, Policy,
};
use serde::Deserialize;

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
    #[serde(rename = "stream")]
    pub(crate) streams: Vec<StreamFile>,
}

/// A device, and how far it strays from what the scheduler is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeviceFile {
    /// A calibration file, relative to the scenario's, in place of the six figures below.
    pub(crate) calibration: Option<String>,
    pub(crate) parallelism: u32,
    pub(crate) flops: f64,
    pub(crate) bytes: f64,
    pub(crate) wave_ns: u64,
    pub(crate) lane_ns: u64,
    pub(crate) submission_ns: u64,
    pub(crate) skew: f64,
    pub(crate) noise: f64,
    pub(crate) compile_ms: f64,
    pub(crate) timestamps: bool,
}

impl Default for DeviceFile {
    fn default() -> Self {
        // The size of a GPU in a desktop. Guessed.
        DeviceFile {
            calibration: None,
            parallelism: 128,
            flops: 8e12,
            bytes: 400e9,
            wave_ns: 6_000,
            lane_ns: 100,
            submission_ns: 15_000,
            skew: 0.3,
            noise: 0.05,
            compile_ms: 20.0,
            timestamps: true,
        }
    }
}

/// The figures of a calibration file.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(crate) struct Calibration {
    pub(crate) adapter: String,
    pub(crate) parallelism: u32,
    pub(crate) flops: f64,
    pub(crate) bytes: f64,
    pub(crate) wave_ns: u64,
    pub(crate) lane_ns: u64,
    pub(crate) submission_ns: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SchedulerFile {
    pub(crate) policy: PolicyName,
    pub(crate) order: OrderName,
    pub(crate) hold_back: bool,
    pub(crate) slice_us: Option<u64>,
    pub(crate) in_flight: Option<usize>,
}

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

names! {
    PolicyName => Policy { Bundled, SubmitEach, TimeOnly, OnePass }
    OrderName => Order { EarliestDeadline, LeastSlack, Arrival }
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
    /// A chain of so many dispatches, each of so many microseconds alone.
    pub(crate) dispatches: u32,
    pub(crate) micros: f64,
    /// Workgroups of each; they fill that part of the device.
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
        let device = file.device.build(folder)?;
        let mut options = Options { device: device.model, ..Options::for_parallelism(device.model.parallelism) };
        let SchedulerFile { policy, order, hold_back, slice_us, in_flight } = file.scheduler;
        (options.policy, options.order) = (policy.into(), order.into());
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
                streams: Vec::new(),
            },
        };
        for stream in &file.streams {
            let plan = stream.plan(0, &device.model)?;
            let alone = setup.alone(plan);
            for copy in 0..stream.count {
                let at = setup.names.len();
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
                    ..Stream::new(stream.plan(at as u32, &device.model)?, arrivals, deadline)
                });
                let name = &stream.name;
                setup.names.push(if stream.count == 1 { name.clone() } else { format!("{name} #{copy}") });
                setup.alone.push(alone);
            }
        }
        Ok(setup)
    }

    /// The median of a plan that has the device for itself.
    fn alone(&self, plan: Arc<PlanDesc>) -> Nanos {
        let mut scenario = self.scenario.clone();
        scenario.streams = vec![Stream::new(plan, Arrivals::Closed { outstanding: 1 }, None)];
        (scenario.warm_up, scenario.duration) = (1_000_000_000, 2_000_000_000);
        simulate(&scenario).total.latency(0.5)
    }
}

impl DeviceFile {
    fn build(&self, folder: &Path) -> Result<VirtualDevice> {
        let mut device = self.clone();
        if let Some(file) = &self.calibration {
            let known: Calibration = parse(&folder.join(file))?;
            device.parallelism = known.parallelism;
            (device.flops, device.bytes) = (known.flops, known.bytes);
            (device.wave_ns, device.lane_ns, device.submission_ns) =
                (known.wave_ns, known.lane_ns, known.submission_ns);
        }
        let DeviceFile { parallelism, flops, bytes, skew, noise, compile_ms, .. } = device;
        let positive = parallelism > 0 && flops > 0.0 && bytes > 0.0 && flops.is_finite() && bytes.is_finite();
        if !positive
            || !(0.0..=3.0).contains(&skew)
            || !(0.0..=3.0).contains(&noise)
            || !(0.0..=1e6).contains(&compile_ms)
        {
            return Err(wrong("the device's rates are above 0, its skew and noise from 0 to 3"));
        }
        let (wave, lane, submission) = (device.wave_ns, device.lane_ns, device.submission_ns);
        let model = DeviceModel { parallelism, flops, bytes, wave, lane, submission };
        let compile = seconds(compile_ms / 1e3);
        Ok(VirtualDevice { model, skew, noise, compile, timestamps: device.timestamps })
    }
}

impl StreamFile {
    fn plan(&self, model: u32, device: &DeviceModel) -> Result<Arc<PlanDesc>> {
        let sound = (1..=MAX_DISPATCHES).contains(&self.dispatches)
            && self.workgroups > 0
            && (0.0..=1e6).contains(&self.micros)
            && (0.0..=1.0).contains(&self.memory);
        if !sound {
            return Err(wrong(&format!(
                "stream '{}': dispatches, micros, workgroups or memory out of range",
                self.name
            )));
        }
        // A dispatch that fills the device partly takes as long as its workgroups do, and does less.
        let filled = (f64::from(self.workgroups) / f64::from(device.parallelism)).min(1.0);
        let time = self.micros * 1e-6 * filled;
        let dispatches = (0..self.dispatches).map(|index| DispatchDesc {
            gather: None,
            arm: ArmId(index * 3 % 10),
            workgroups: self.workgroups,
            flops: (time * device.flops) as u64,
            bytes: (time * self.memory * device.bytes) as u64,
            deps: index.checked_sub(1).into_iter().collect(),
        });
        Ok(Arc::new(PlanDesc { model, dispatches: dispatches.collect() }))
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
                let text = text(&path)?;
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

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::new(ErrorKind::Io, error.to_string()).in_file(path))
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    toml::from_str(&text(path)?).map_err(|error| wrong(error.to_string().trim()).in_file(path))
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Input, what)
}

fn seconds(time: f64) -> Nanos {
    (time * 1e9) as Nanos
}
