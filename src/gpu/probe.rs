//! What the device can do, measured: small kernels of known work, timed on it.
//!
//! The scheduler's formula takes one workgroup of a dispatch alone to last `parallelism / workgroups` of what the whole device
//! needs for the dispatch. So `parallelism` is the rate of work with many workgroups over that with one, each lasting as long as
//! its arithmetic takes: how many workgroups are on the device is of no use where they only wait for each other. Work is a chain of
//! multiply-adds, each of which needs the one before; a kernel that mostly waits for memory gains from more workgroups than that,
//! up to all that the device holds. Every time is the difference between a long and a short loop, so that
//! what a submission and a dispatch cost whatever they do is not in it, and of each loop the shortest of several runs counts.
//!
//! Seen on llvmpipe with two threads, of debug builds: 2 where the processors were free and mostly 1 beside other work; 17 Gflop/s, 4 to 9
//! GB/s, and 25 to 65 us a dispatch, in 0.09 to 0.16 s with and without timestamps, 0.26 s beside other work. The number of threads is
//! the better figure there, and runtimes do not measure CPU adapters unasked. What is found on GPUs has not been seen yet.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::device::{Gpu, Timestamps, Vendor};
use super::fault::scoped;
use crate::error::{Error, Result};
use crate::schedule::DeviceModel;

/// What a probe found; `None` is a figure that made no sense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Probed {
    /// Workgroups of 64 that run at the same time.
    pub parallelism: Option<u32>,
    /// Floating-point operations per second of the whole device.
    pub flops: Option<f64>,
    /// Bytes per second of the whole device, over a buffer of [`Effort::bytes`].
    pub bytes: Option<f64>,
    /// Nanoseconds of a dispatch after another that do nothing.
    pub bundle: Option<u64>,
}

impl Probed {
    /// The model of the device, and the figures that had to be left to the guess.
    pub fn model(&self, class: Vendor, guessed_parallelism: u32) -> (DeviceModel, Vec<&'static str>) {
        let guess = guess(class, self.parallelism.unwrap_or(guessed_parallelism));
        let Probed { parallelism, flops, bytes, bundle } = *self;
        let missing = [
            ("parallelism", parallelism.is_none()),
            ("flops", flops.is_none()),
            ("bytes", bytes.is_none()),
            ("bundle", bundle.is_none()),
        ];
        let model = DeviceModel {
            flops: flops.unwrap_or(guess.flops),
            bytes: bytes.unwrap_or(guess.bytes),
            bundle: bundle.unwrap_or(guess.bundle),
            ..guess
        };
        (model, missing.into_iter().filter_map(|(name, missing)| missing.then_some(name)).collect())
    }
}

/// The model of a device of which nothing has been measured.
pub fn guess(class: Vendor, parallelism: u32) -> DeviceModel {
    match class {
        Vendor::Cpu => DeviceModel::cpu(parallelism),
        _ => DeviceModel::gpu(parallelism),
    }
}

/// How much of the device's time and memory a probe may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// What a long loop of one workgroup should last.
    pub long: Duration,
    /// Runs of each loop.
    pub runs: u32,
    /// Bytes of the buffer.
    pub bytes: u64,
    /// Nothing new is begun after so long.
    pub limit: Duration,
}

impl Effort {
    /// Enough for this device, with no more than a quarter of `memory_cap` bytes.
    pub fn of(gpu: &Gpu, memory_cap: Option<u64>) -> Self {
        let caps = gpu.caps();
        let effort = match (caps.class, caps.timestamps) {
            (Vendor::Cpu, _) => Effort { long: CPU_LONG, runs: 3, bytes: CPU_BYTES, limit: CPU_LIMIT },
            (_, Timestamps::None) => Effort { long: BLIND_LONG, runs: 3, bytes: GPU_BYTES, limit: GPU_LIMIT },
            _ => Effort { long: GPU_LONG, runs: 3, bytes: GPU_BYTES, limit: GPU_LIMIT },
        };
        let most = caps.max_segment_bytes.min(memory_cap.unwrap_or(u64::MAX) / 4);
        Effort { bytes: effort.bytes.min(most) / 256 * 256, ..effort }
    }
}

const GPU_LONG: Duration = Duration::from_micros(300);
/// Where times come from completions, which are known to some 50 us.
const BLIND_LONG: Duration = Duration::from_micros(500);
const CPU_LONG: Duration = Duration::from_millis(1);
/// Larger than most caches, but not all: the rate is that of tensors of this size.
const GPU_BYTES: u64 = 32 << 20;
const CPU_BYTES: u64 = 8 << 20;
const GPU_LIMIT: Duration = Duration::from_millis(80);
const CPU_LIMIT: Duration = Duration::from_millis(250);
/// A submission that takes longer than this is given up, and the probe with it.
const LOST: Duration = Duration::from_secs(2);

/// Invocations of a workgroup.
const INVOCATIONS: u32 = 64;
/// Multiply-adds of a step.
const CHAIN: u32 = 16;
/// Steps of the first loop that is timed, a few microseconds.
const FIRST_STEPS: u32 = 64;
const MOST_STEPS: u32 = 1 << 20;
/// A long loop has so many times the steps of the short one.
const LONGER: u32 = 3;
const MOST_WORKGROUPS: u32 = 16_384;
/// Twice the workgroups that do not do so much more work in the same time do no more.
const GROWTH: f64 = 1.05;
/// Dispatches that show what one costs.
const DISPATCHES: u32 = 33;
/// What no device does: figures beyond these are wrong times.
const PLAUSIBLE_FLOPS: std::ops::RangeInclusive<f64> = 1e8..=1e16;
const PLAUSIBLE_BYTES: std::ops::RangeInclusive<f64> = 1e7..=1e15;
const PLAUSIBLE_BUNDLE: std::ops::RangeInclusive<f64> = 50.0..=1e7;

fn shader() -> String {
    let chain = "a = fma(a, k, k);".repeat(CHAIN as usize);
    format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<vec4<f32>>;
        @group(0) @binding(1) var<uniform> steps: vec4<u32>;
        @compute @workgroup_size({INVOCATIONS})
        fn chain(@builtin(global_invocation_id) id: vec3<u32>) {{
            let k = f32(id.x) * 1e-9 + 0.5;
            var a = k;
            for (var i = 0u; i < steps.x; i++) {{ {chain} }}
            if a > 0.0 {{ y[id.x / 4u].x = a; }}
        }}
        @compute @workgroup_size({INVOCATIONS})
        fn stream(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {{
            for (var i = id.x; i < arrayLength(&y); i += n.x * {INVOCATIONS}u) {{ y[i] += 1.0; }}
        }}"
    )
}

/// Measures the device. It waits for the device, and on one that an application shares polls it.
///
/// # Errors
/// `Memory` or `Device` if the device does not do what it is told.
pub fn probe(gpu: &Gpu, effort: Effort) -> Result<Probed> {
    let start = Instant::now();
    let device = Bench::new(gpu, effort)?;
    let probed = device.run(Instant::now() + effort.limit)?;
    gpu.fault.check()?;
    tracing::debug!(?probed, elapsed = ?start.elapsed(), "probed the device");
    Ok(probed)
}

/// Nanoseconds of each of `more` steps, from the times of a loop and of one with so many more.
fn each(short: f64, long: f64, more: u32) -> Option<f64> {
    let each = (long - short) / f64::from(more);
    (each.is_finite() && each > 0.0).then_some(each)
}

fn plausible(figure: f64, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
    range.contains(&figure).then_some(figure)
}

/// Numbers of workgroups, each with the nanoseconds that they take for a step of all of them. The first is one workgroup.
#[derive(Debug, Default)]
struct Steps(Vec<(u32, f64)>);

impl Steps {
    /// The most workgroups' steps in a nanosecond.
    fn best(&self) -> f64 {
        self.0.iter().map(|&(workgroups, each)| f64::from(workgroups) / each).fold(0.0, f64::max)
    }

    /// Whether the last two, or all, did no more than those before.
    fn is_level(&self) -> bool {
        let Some(earlier) = self.0.len().checked_sub(2).filter(|&earlier| earlier > 0) else { return false };
        self.best() <= GROWTH * Steps(self.0[..earlier].to_vec()).best()
    }

    fn parallelism(&self) -> Option<u32> {
        let (&(_, one), &(most, _)) = (self.0.first()?, self.0.last()?);
        let times = self.best() * one;
        // A device does as much with one workgroup as with all, or each does as much as if it were alone; what is far from
        // between was not measured but disturbed.
        (times.is_finite() && times >= 0.9 && times <= 1.25 * f64::from(most)).then(|| (times.round() as u32).max(1))
    }

    fn flops(&self) -> Option<f64> {
        let step = f64::from(2 * CHAIN * INVOCATIONS);
        plausible(self.best() * step * 1e9, PLAUSIBLE_FLOPS)
    }
}

/// The kernels, and what they work on.
struct Bench<'a> {
    gpu: &'a Gpu,
    effort: Effort,
    chain: wgpu::ComputePipeline,
    stream: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    steps: wgpu::Buffer,
    /// A query set, with buffers for what it resolves to and for reading that.
    ticks: Option<(wgpu::QuerySet, wgpu::Buffer, wgpu::Buffer)>,
    period: f64,
}

impl<'a> Bench<'a> {
    fn new(gpu: &'a Gpu, effort: Effort) -> Result<Self> {
        scoped(&gpu.device, "the probe's kernels", || Self::create(gpu, effort))
    }

    fn create(gpu: &'a Gpu, effort: Effort) -> Self {
        use wgpu::BufferUsages as Usage;
        let device = &gpu.device;
        let buffer = |size, usage| {
            let label = Some("fascine probe");
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let (y, steps) = (buffer(effort.bytes.max(256), Usage::STORAGE), buffer(16, Usage::UNIFORM | Usage::COPY_DST));
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("fascine probe"),
            entries: &[
                entry(0, wgpu::BufferBindingType::Storage { read_only: false }),
                entry(1, wgpu::BufferBindingType::Uniform),
            ],
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("fascine probe"),
            layout: &layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: y.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: steps.as_entire_binding() },
            ],
        });
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("fascine probe"),
            source: wgpu::ShaderSource::Wgsl(shader().into()),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("fascine probe"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = |entry_point| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some("fascine probe"),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(entry_point),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        };
        let told = gpu.caps().timestamps != Timestamps::None;
        let ticks = told.then(|| {
            let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("fascine probe"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            });
            (queries, buffer(16, Usage::QUERY_RESOLVE | Usage::COPY_SRC), buffer(16, Usage::COPY_DST | Usage::MAP_READ))
        });
        let period = if told { f64::from(gpu.queue.get_timestamp_period()) } else { 1.0 };
        Bench { gpu, effort, chain: pipeline("chain"), stream: pipeline("stream"), group, steps, ticks, period }
    }

    fn run(&self, until: Instant) -> Result<Probed> {
        let Some(short) = self.loops(until)? else { return Ok(Probed::default()) };
        let steps = self.chains(short, until)?;
        let (parallelism, flops) = (steps.parallelism(), steps.flops());
        let times = self.differ(&self.chain, [(1, 0, 1), (1, 0, DISPATCHES)], until)?;
        let bundle = times.and_then(|[one, all]| each(one, all, DISPATCHES - 1));
        let bundle = bundle.and_then(|bundle| plausible(bundle, PLAUSIBLE_BUNDLE)).map(|bundle| bundle as u64);
        let workgroups = parallelism.unwrap_or(1).saturating_mul(4).clamp(16, MOST_WORKGROUPS);
        let times = self.differ(&self.stream, [(workgroups, 0, 1), (workgroups, 0, 3)], until)?;
        // Read and written.
        let bytes = times.and_then(|[one, three]| each(one, three, 2)).map(|one| 2e9 * self.effort.bytes as f64 / one);
        let bytes = bytes.and_then(|bytes| plausible(bytes, PLAUSIBLE_BYTES));
        Ok(Probed { parallelism, flops, bytes, bundle })
    }

    /// Steps of the short loop, by loops that grow until they are long enough to be told from nothing.
    fn loops(&self, until: Instant) -> Result<Option<u32>> {
        let wanted = self.effort.long.as_nanos() as f64;
        let mut steps = FIRST_STEPS;
        // The first dispatch pays for what drivers put off.
        self.time(&self.chain, 1, 1, 1)?;
        while let Some([short, long]) = self.differ(&self.chain, [(1, steps, 1), (1, LONGER * steps, 1)], until)? {
            if long - short >= wanted / 8.0 || steps >= MOST_STEPS {
                let each = each(short, long, (LONGER - 1) * steps);
                return Ok(each.map(|each| ((wanted / each / f64::from(LONGER)) as u32).clamp(1, MOST_STEPS)));
            }
            steps *= 4;
        }
        Ok(None)
    }

    fn chains(&self, short: u32, until: Instant) -> Result<Steps> {
        let pair = |workgroups| [(workgroups, short, 1), (workgroups, LONGER * short, 1)];
        let more = (LONGER - 1) * short;
        let most = MOST_WORKGROUPS.min(self.gpu.device.limits().max_compute_workgroups_per_dimension);
        let (mut steps, mut workgroups, mut of_one) = (Steps::default(), 1, None);
        while workgroups <= most && !steps.is_level() {
            let Some([short, long]) = self.differ(&self.chain, pair(workgroups), until)? else { break };
            let Some(each) = each(short, long, more) else { break };
            of_one.get_or_insert([short, long]);
            steps.0.push((workgroups, each));
            workgroups *= 2;
        }
        if !steps.is_level() && workgroups <= most {
            return Ok(Steps::default());
        }
        // Once more, as the device may have been slow to wake.
        if let Some([short, long]) = of_one {
            let again = self.differ(&self.chain, pair(1), until)?;
            let [short, long] = again.map_or([short, long], |again| [short.min(again[0]), long.min(again[1])]);
            match each(short, long, more) {
                Some(each) => steps.0[0].1 = each,
                None => return Ok(Steps::default()),
            }
        }
        Ok(steps)
    }

    /// The shortest times of two: workgroups, steps and dispatches. They are run in turn, so that both meet the same disturbances.
    fn differ(
        &self,
        pipeline: &wgpu::ComputePipeline,
        work: [(u32, u32, u32); 2],
        until: Instant,
    ) -> Result<Option<[f64; 2]>> {
        let mut least = [f64::INFINITY; 2];
        for _ in 0..self.effort.runs {
            if Instant::now() >= until {
                return Ok(None);
            }
            for (least, (workgroups, steps, dispatches)) in least.iter_mut().zip(work) {
                *least = least.min(self.time(pipeline, workgroups, steps, dispatches)?);
            }
        }
        Ok(Some(least))
    }

    /// Nanoseconds of a submission: on the device's clock, or from the call until it is known to be over.
    fn time(&self, pipeline: &wgpu::ComputePipeline, workgroups: u32, steps: u32, dispatches: u32) -> Result<f64> {
        let (send, done) = mpsc::channel();
        let (start, index) = scoped(&self.gpu.device, "the probe", || {
            self.gpu.queue.write_buffer(&self.steps, 0, bytemuck::bytes_of(&[steps, 0, 0, 0]));
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("fascine probe"),
                timestamp_writes: self.ticks.as_ref().map(|(queries, ..)| wgpu::ComputePassTimestampWrites {
                    query_set: queries,
                    beginning_of_pass_write_index: Some(0),
                    end_of_pass_write_index: Some(1),
                }),
            });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &self.group, &[]);
            for _ in 0..dispatches {
                pass.dispatch_workgroups(workgroups, 1, 1);
            }
            drop(pass);
            if let Some((queries, resolved, read)) = &self.ticks {
                encoder.resolve_query_set(queries, 0..2, resolved, 0);
                encoder.copy_buffer_to_buffer(resolved, 0, read, 0, 16);
            }
            let commands = encoder.finish();
            let start = Instant::now();
            let index = self.gpu.queue.submit([commands]);
            match &self.ticks {
                // Whoever waits for it has given up if it cannot be sent.
                Some((.., read)) => read.map_async(wgpu::MapMode::Read, .., move |mapped| {
                    let _ = send.send(mapped.is_ok());
                }),
                None => self.gpu.queue.on_submitted_work_done(move || {
                    let _ = send.send(true);
                }),
            }
            (start, index)
        })?;
        if !self.wait(&done, index, start)? {
            return Err(Error::device("the probe's times cannot be read"));
        }
        let elapsed = start.elapsed().as_nanos() as f64;
        let Some((.., read)) = &self.ticks else { return Ok(elapsed) };
        let view = read.get_mapped_range(..);
        let view = view.map_err(|error| Error::device(format!("the probe's times cannot be read: {error}")))?;
        let ticks: [u64; 2] = bytemuck::pod_read_unaligned(&view);
        drop(view);
        read.unmap();
        Ok(ticks[1].saturating_sub(ticks[0]) as f64 * self.period)
    }

    fn wait(&self, done: &mpsc::Receiver<bool>, index: wgpu::SubmissionIndex, start: Instant) -> Result<bool> {
        loop {
            let how = match self.gpu.shared {
                // Waiting would hold up the app's `present`.
                true => wgpu::PollType::Poll,
                false => wgpu::PollType::Wait { submission_index: Some(index.clone()), timeout: Some(LOST) },
            };
            self.gpu.fault.poll(&self.gpu.device, how)?;
            if let Ok(mapped) = done.try_recv() {
                return Ok(mapped);
            }
            if start.elapsed() > LOST {
                return Err(Error::device("the device did not end the probe's work in time"));
            }
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::adapter::AdapterOptions;
    use super::super::device::request;
    use super::*;

    #[test]
    fn fixed_costs_cancel_and_wrong_times_are_no_figures() {
        assert_eq!(each(1_100.0, 1_300.0, 100), Some(2.0));
        for (short, long) in [(5.0, 5.0), (5.0, 4.0), (f64::INFINITY, f64::INFINITY), (0.0, f64::NAN)] {
            assert_eq!(each(short, long, 100), None, "{short} {long}");
        }
        for flops in [0.0, f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(plausible(flops, PLAUSIBLE_FLOPS), None);
        }
    }

    /// A device that holds so many workgroups, each of which takes a microsecond for a step.
    fn held(parallelism: u32) -> Steps {
        let mut steps = Steps::default();
        let mut workgroups = 1;
        while workgroups <= MOST_WORKGROUPS && !steps.is_level() {
            steps.0.push((workgroups, 1_000.0 * f64::from(workgroups.div_ceil(parallelism))));
            workgroups *= 2;
        }
        steps
    }

    #[test]
    fn parallelism_is_what_many_do_over_what_one_does() {
        for parallelism in [1, 2, 4, 64, 256, 4_096, 16_384] {
            let steps = held(parallelism);
            assert_eq!(steps.parallelism(), Some(parallelism));
            assert!(steps.0.last().unwrap().0 <= 4 * parallelism, "{parallelism} is found soon");
            let flops = f64::from(parallelism * 2 * CHAIN * INVOCATIONS) * 1e6;
            assert!((steps.flops().unwrap() / flops - 1.0).abs() < 1e-9);
        }
        // Whole rounds only: the best fit of a power of two.
        for parallelism in [3, 100, 4_224, 10_000] {
            let found = f64::from(held(parallelism).parallelism().unwrap()) / f64::from(parallelism);
            assert!((0.65..=1.0).contains(&found), "{parallelism}: {found}");
        }
    }

    #[test]
    fn disturbed_times_give_no_parallelism() {
        assert_eq!(Steps::default().parallelism(), None);
        // More at a time than there were.
        assert_eq!(Steps(vec![(1, 10.0), (2, 5.0), (4, 5.0)]).parallelism(), None);
        assert_eq!(Steps(vec![(1, f64::INFINITY)]).parallelism(), None);
        assert_eq!(Steps(vec![(1, 1e-300), (2, f64::INFINITY)]).flops(), None);
    }

    #[test]
    fn what_is_missing_is_guessed_and_named() {
        let found = Probed { parallelism: Some(4_000), flops: Some(6e13), bytes: Some(4e12), bundle: Some(2_500) };
        let (model, missing) = found.model(Vendor::Nvidia, 256);
        assert_eq!((model.parallelism, model.flops, model.bytes, model.bundle), (4_000, 6e13, 4e12, 2_500));
        assert!(missing.is_empty());
        let (model, missing) = Probed { flops: None, ..found }.model(Vendor::Other, 256);
        assert_eq!((model.flops, missing), (DeviceModel::gpu(4_000).flops, vec!["flops"]));
        let (model, missing) = Probed::default().model(Vendor::Cpu, 96);
        assert_eq!((model, missing.len()), (DeviceModel::cpu(96), 4));
    }

    #[test]
    fn the_probe_agrees_with_the_rule_for_cpus() {
        let own = Gpu::open(&AdapterOptions::default()).unwrap();
        // Without timestamps.
        let (device, queue) = request(&own.adapter, wgpu::Features::empty(), wgpu::Limits::default()).unwrap();
        let shared = Gpu::from_device(own.adapter.clone(), device, queue).unwrap();
        for gpu in [own, shared] {
            let start = Instant::now();
            let probed = probe(&gpu, Effort::of(&gpu, None)).unwrap();
            eprintln!("{probed:?} in {:?}, timestamps: {:?}", start.elapsed(), gpu.caps().timestamps);
            if gpu.caps().class == Vendor::Cpu {
                // Others may have the processors meanwhile.
                assert!(probed.parallelism.unwrap_or(1) <= 2 * gpu.caps().parallelism, "{probed:?}");
            }
        }
    }

    #[test]
    fn no_room_and_no_time_are_no_failures() {
        let gpu = Gpu::open(&AdapterOptions::default()).unwrap();
        let little = Effort { limit: Duration::ZERO, ..Effort::of(&gpu, Some(1_000)) };
        assert_eq!(little.bytes, 0);
        assert_eq!(probe(&gpu, little).unwrap(), Probed::default());
    }
}
