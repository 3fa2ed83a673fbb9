//! Small kernels that show what the device can do.

use fascine::error::{Error, ErrorKind, Result};
use fascine::runtime::trace::{BundleRecord, Trace};
use fascine::runtime::{KernelRequest, Runtime, UserKernel};
use fascine::schedule::{Nanos, Policy};
use fascine::tensor::{DType, Tensor};
use indicatif::ProgressBar;

use super::under;
use crate::simulate::calibration::Calibration;

/// Steps of the progress bar.
pub(super) const STEPS: u64 = 4;
/// Lanes of the bundle that shows what a lane costs, and bundles of the submission that shows what a bundle costs.
const MANY: usize = 64;
/// Workgroups for each that runs at the same time, so that the device is full.
const ROUNDS: u32 = 8;
/// Of the loop of fused multiply-adds.
const ITERATIONS: u32 = 512;
/// Operations of one iteration of one invocation: sixteen vectors of four, two each.
const FLOPS: u64 = 16 * 4 * 2;
/// Elements that the copy moves, of 4 bytes.
const COPIED: usize = 4 << 20;

const TINY: &str = "
@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = id.x; }
";
const COPY: &str = "
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = x[id.x]; }
";

/// Independent chains of fused multiply-adds, long enough that the loop itself does not count.
fn multiply_adds() -> String {
    let step = "a = fma(a, k, k); b = fma(b, k, k); c = fma(c, k, k); d = fma(d, k, k);\n".repeat(4);
    format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
            let k = vec4<f32>(f32(id.x) * 1e-9 + 0.5);
            var a = k; var b = k + 1.0; var c = k + 2.0; var d = k + 3.0;
            for (var i = 0u; i < {ITERATIONS}u; i++) {{
                {step}
            }}
            let sum = a + b + c + d;
            y[id.x] = sum.x + sum.y + sum.z + sum.w;
        }}"
    )
}

/// The middle of the values, if there are any.
pub(super) fn median(mut values: Vec<Nanos>) -> Option<Nanos> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Measures the device's rates and fixed costs.
pub(super) fn device(runtime: &Runtime, trace: &Trace, runs: usize, progress: &ProgressBar) -> Result<Calibration> {
    let model = runtime.schedule().device;
    let probe = Probe { trace, runs };
    let tiny = runtime.load_kernel(TINY)?;
    let small = || Ok(tiny.request().output("y", DType::U32, [64])?.workgroups([1, 1, 1]));

    progress.set_message("fixed costs");
    under(runtime, Policy::OnePass)?;
    let bundle = probe.medians(MANY, small, |bundles| bundles.iter().filter_map(duration).collect())?;
    under(runtime, Policy::SubmitEach)?;
    let overhead = |bundles: &[BundleRecord]| {
        let rest = |bundle: &BundleRecord| (bundle.retired - bundle.issued).saturating_sub(bundle.gpu.unwrap_or(0));
        bundles.iter().map(rest).collect()
    };
    let overhead = probe.medians(1, small, overhead)?;
    progress.inc(1);
    under(runtime, Policy::Bundled)?;
    let lane = probe.medians(MANY, small, |bundles| {
        let per_lane = |record: &BundleRecord| {
            let others = record.lanes.len().checked_sub(1).filter(|&others| others > 0)? as u64;
            let cost = duration(record)?.saturating_sub(bundle);
            Some(cost / others)
        };
        bundles.iter().filter_map(per_lane).collect()
    });
    // Where nothing shares a bundle, a lane costs nothing that could be told from the bundle.
    let lane = lane.unwrap_or(0).min(bundle);
    progress.inc(1);

    progress.set_message("multiply-adds");
    let kernel = runtime.load_kernel(&multiply_adds())?;
    let workgroups = model.parallelism.saturating_mul(ROUNDS).min(65_535);
    let len = workgroups as usize * 64;
    let full = || Ok(kernel.request().output("y", DType::F32, [len])?.workgroups([workgroups, 1, 1]));
    let time = probe.medians(1, full, |bundles| bundles.iter().filter_map(duration).collect())?;
    let flops = len as f64 * f64::from(ITERATIONS) * FLOPS as f64;
    let flops = flops * 1e9 / time.saturating_sub(bundle).max(1) as f64;
    progress.inc(1);

    progress.set_message("copies");
    let kernel = runtime.load_kernel(COPY)?;
    let data = Tensor::zeros(DType::F32, [COPIED])?;
    let time = probe.medians(1, || copy(&kernel, &data), |bundles| bundles.iter().filter_map(duration).collect())?;
    let bytes = (COPIED * 8) as f64 * 1e9 / time.saturating_sub(bundle).max(1) as f64;
    progress.inc(1);
    Ok(Calibration {
        adapter: runtime.adapter(),
        parallelism: model.parallelism,
        flops,
        bytes,
        bundle_ns: bundle.saturating_sub(lane),
        lane_ns: lane,
        // What an issue and a retirement are apart beyond the bundles is in part the device's, in part the way there and
        // back, and cannot be told apart from here: a half, and a quarter each way.
        submission_ns: overhead / 2,
        notice_ns: Some(overhead / 4),
        models: Vec::new(),
    })
}

fn copy(kernel: &UserKernel, data: &Tensor) -> Result<KernelRequest> {
    let request = kernel.request().tensor("x", data.clone())?.output("y", DType::F32, [COPIED])?;
    // A workgroup copies 64 vectors of four.
    Ok(request.workgroups([(COPIED / 256) as u32, 1, 1]))
}

/// On the device, or from issue to retirement where it has no timestamps.
fn duration(bundle: &BundleRecord) -> Option<Nanos> {
    bundle.gpu.or_else(|| bundle.retired.checked_sub(bundle.issued))
}

struct Probe<'a> {
    trace: &'a Trace,
    runs: usize,
}

impl Probe<'_> {
    /// Runs `count` requests at once, again and again, and returns the median of what `of` finds in the bundles.
    fn medians(
        &self,
        count: usize,
        request: impl Fn() -> Result<KernelRequest>,
        of: impl Fn(&[BundleRecord]) -> Vec<Nanos>,
    ) -> Result<Nanos> {
        let mut found = Vec::new();
        for run in 0..super::WARM_UP + self.runs {
            self.trace.take();
            let requests = (0..count).map(|_| request()?.submit()).collect::<Result<Vec<_>>>()?;
            for request in requests {
                request.wait()?;
            }
            if run >= super::WARM_UP {
                found.extend(of(&self.trace.take()));
            }
        }
        median(found).ok_or_else(|| Error::new(ErrorKind::Device, "the adapter gave nothing to measure"))
    }
}
