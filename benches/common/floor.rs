//! What the adapter can do at best: the rate of a kernel that only multiplies and adds, and of one that only copies. Both go
//! the way of every request, on memory that stays in the caches where there are any.

use fascine::{Completion, DType, Result, Runtime, Tensor};

use super::median;

const RUNS: usize = 9;

/// Workgroups of [`PEAK`].
const GROUPS: usize = 512;
/// Turns of its loop, and multiply-adds of four-vectors in a turn.
const TURNS: usize = 512;
const STEPS: usize = 24;

/// Three four-vectors are twelve chains that do not wait for each other: on AVX2 two units, with results after four or five
/// cycles, are busy with ten, and all operands fit sixteen registers.
fn peak_kernel() -> String {
    let turn = "a = fma(a, m, n); b = fma(b, m, n); c = fma(c, m, n);\n".repeat(STEPS / 3);
    format!(
        "@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
            let x = out[id.x];
            let m = vec4(x.x); let n = vec4(x.y);
            var a = x; var b = x + 1.0; var c = x + 2.0;
            for (var i = 0u; i < {TURNS}u; i++) {{ {turn} }}
            out[id.x] = a + b + c;
        }}"
    )
}

const COPY: &str = "
@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x * 4u;
    let a = source[at]; let b = source[at + 1u]; let c = source[at + 2u]; let d = source[at + 3u];
    out[at] = a; out[at + 1u] = b; out[at + 2u] = c; out[at + 3u] = d;
}";

/// The best that the adapter can do.
pub struct Floor {
    /// Floating-point operations in a second.
    pub flops: f64,
    /// Bytes read and written in a second.
    pub bytes: f64,
}

impl Floor {
    /// Measures it: the fastest of several runs, and of copies of several sizes.
    ///
    /// # Errors
    /// Those of the requests.
    pub fn measure(runtime: &Runtime) -> Result<Floor> {
        let peak = runtime.load_kernel(&peak_kernel())?;
        let invocations = GROUPS * 64;
        // Values that neither grow nor become subnormal.
        let start = Tensor::new([invocations * 4], [0.5f32, 0.25, 0.125, 1.0].repeat(invocations))?;
        let seconds = fastest(|| {
            peak.request().tensor("out", start.clone())?.workgroups([GROUPS as u32, 1, 1]).submit()?.wait()
        })?;
        let flops = 2.0 * 4.0 * (STEPS * TURNS * invocations) as f64 / seconds;
        let copy = runtime.load_kernel(COPY)?;
        let mut bytes: f64 = 0.0;
        for groups in [8usize, 32, 128, 1024] {
            let len = groups * 64 * 16;
            let source = Tensor::new([len], vec![1.0f32; len])?;
            let seconds = fastest(|| {
                let request = copy.request().tensor("source", source.clone())?.output("out", DType::F32, [len])?;
                request.workgroups([groups as u32, 1, 1]).submit()?.wait()
            })?;
            bytes = bytes.max(8.0 * len as f64 / seconds);
        }
        Ok(Floor { flops, bytes })
    }

    /// Seconds that this much takes at least.
    pub fn seconds(&self, flops: f64, bytes: f64) -> f64 {
        (flops / self.flops).max(bytes / self.bytes)
    }
}

impl std::fmt::Display for Floor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} GFLOP/s, copies at {:.1} GB/s", self.flops / 1e9, self.bytes / 1e9)
    }
}

/// Seconds of a request on the device, or as a whole where that is not measured.
pub fn seconds(done: &Completion) -> f64 {
    done.timing().gpu.unwrap_or(done.timing().total).as_secs_f64()
}

/// Seconds of the fastest run, after one that does not count.
fn fastest(mut run: impl FnMut() -> Result<Completion>) -> Result<f64> {
    run()?;
    let times = (0..RUNS).map(|_| Ok(seconds(&run()?))).collect::<Result<Vec<f64>>>()?;
    Ok(times.into_iter().fold(f64::INFINITY, f64::min))
}

/// Seconds of the median run, and of the first as a whole.
///
/// # Errors
/// Those of the runs.
pub fn time(runs: usize, mut run: impl FnMut() -> Result<Completion>) -> Result<(f64, f64)> {
    let first = run()?.timing().total.as_secs_f64();
    let mut times = (0..runs).map(|_| Ok(seconds(&run()?))).collect::<Result<Vec<f64>>>()?;
    Ok((median(&mut times), first))
}
