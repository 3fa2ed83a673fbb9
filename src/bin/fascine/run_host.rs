//! What requests cost the host, as `fascine run` tells it.

use std::time::{Duration, Instant};

use fascine::error::Result;
use fascine::runtime::{Completion, Model, RequestBuilder, Runtime};
use fascine::tensor::Tensor;
use serde::Serialize;

use crate::args::RunArgs;
use crate::inputs;
use crate::millis;
use crate::run::median;

/// Milliseconds of the host, medians over the runs after the first where there are several.
#[derive(Serialize)]
pub(crate) struct Host {
    /// Reading the file, optimising the graph.
    pub(crate) load_ms: f64,
    /// The first plan.
    pub(crate) plan_ms: f64,
    /// In `submit`, on the caller's thread.
    pub(crate) submit_ms: f64,
    /// From `submit` to the issue of the first dispatch.
    pub(crate) queued_ms: f64,
    /// As `submit_ms` and `queued_ms`, of requests whose shapes were not seen before.
    pub(crate) new_shape: Option<NewShape>,
    /// The most memory that the process has held, where the system tells.
    pub(crate) peak_bytes: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct NewShape {
    pub(crate) requests: usize,
    pub(crate) submit_ms: f64,
    pub(crate) queued_ms: f64,
    /// What the process holds after half of them and after all, where the system tells.
    pub(crate) resident_bytes: [Option<u64>; 2],
    /// What the device has set aside after half of them and after all.
    pub(crate) device_bytes: [u64; 2],
}

/// The times of a request.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// From before its inputs were given to the results.
    pub(crate) whole: Duration,
    /// In `submit`.
    submit: Duration,
    /// From `submit` to the issue of its first dispatch.
    queued: Duration,
}

/// Runs a request.
pub(crate) fn once(model: &Model, tensors: &[(String, Tensor)]) -> Result<(Times, Completion)> {
    let give = |request: RequestBuilder, (name, tensor): &(String, Tensor)| request.input(name, tensor.clone());
    timed(|| tensors.iter().try_fold(model.request(), give))
}

/// Makes a request and runs it.
pub(crate) fn timed(make: impl FnOnce() -> Result<RequestBuilder>) -> Result<(Times, Completion)> {
    let start = Instant::now();
    let request = make()?;
    let before = Instant::now();
    let request = request.submit()?;
    let submit = before.elapsed();
    let completion = request.wait()?;
    Ok((Times { whole: start.elapsed(), submit, queued: completion.timing().queued }, completion))
}

/// The medians of the times in `submit`, and to the issue of the first dispatch.
fn medians(runs: &[Times]) -> (f64, f64) {
    let of = |time: fn(&Times) -> Duration| median(&runs.iter().map(time).collect::<Vec<_>>());
    (of(|times| times.submit), of(|times| times.queued))
}

/// Runs requests in which the dimensions of `--vary` are larger by other numbers each time.
pub(crate) fn new_shapes(runtime: &Runtime, model: &Model, args: &RunArgs) -> Result<Option<NewShape>> {
    if args.vary.is_empty() {
        return Ok(None);
    }
    let info = model.inputs();
    let base = inputs::dims(&args.load.dims)?;
    let count = args.shapes;
    // Steps of about the golden section: any half of them has short and long ones alike.
    let step = (0..count).map(|k| k + count * 618 / 1000).find(|&k| coprime(k, count)).unwrap_or(1);
    let mut runs = Vec::with_capacity(count);
    let mut half = (None, 0);
    for k in 0..count {
        let mut dims = base.clone();
        for name in &args.vary {
            // Every open dimension has a size: the first run had.
            dims.entry(name.clone()).and_modify(|size| *size += 1 + k * step % count);
        }
        let shapes = inputs::resolve(&info, &dims).map_err(|missing| inputs::unresolved(&missing))?;
        let tensors = info.iter().zip(&shapes).map(|(input, shape)| {
            Ok((input.name.clone(), inputs::random(&input.name, input.dtype, shape, args.seed)?))
        });
        runs.push(once(model, &tensors.collect::<Result<Vec<_>>>()?)?.0);
        if k == count / 2 {
            half = (resident_bytes(), reserved(runtime)?);
        }
    }
    let (submit_ms, queued_ms) = medians(&runs);
    let (resident_bytes, device_bytes) = ([half.0, resident_bytes()], [half.1, reserved(runtime)?]);
    Ok(Some(NewShape { requests: runs.len(), submit_ms, queued_ms, resident_bytes, device_bytes }))
}

fn coprime(a: usize, b: usize) -> bool {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

/// What the device has set aside for tensors, weights and staging.
fn reserved(runtime: &Runtime) -> Result<u64> {
    let memory = runtime.memory()?;
    Ok(memory.heap_reserved + memory.weights_reserved + memory.staging)
}

/// What the process holds now, where `/proc` tells it.
fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// The process' largest resident size so far, where `/proc` tells it.
pub(crate) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

fn status(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The rows of the text.
pub(crate) fn pairs(host: &Host) -> Vec<(&'static str, String)> {
    let ms = |ms: f64| format!("{} ms", crate::table::millis(ms));
    let mut pairs = vec![
        ("loading, first plan", format!("{}, {}", ms(host.load_ms), ms(host.plan_ms))),
        ("submit, to the first bundle", format!("{}, {}", ms(host.submit_ms), ms(host.queued_ms))),
    ];
    if let Some(new) = &host.new_shape {
        pairs.push(("the same with a new shape", format!("{}, {}", ms(new.submit_ms), ms(new.queued_ms))));
        let bytes = crate::table::bytes;
        if let [Some(half), Some(all)] = new.resident_bytes {
            let text = format!("{}, {}", bytes(half), bytes(all));
            pairs.push(("memory of the process after half of the shapes, after all", text));
        }
        let text = format!("{}, {}", bytes(new.device_bytes[0]), bytes(new.device_bytes[1]));
        pairs.push(("memory of the device, the same", text));
    }
    pairs.extend(host.peak_bytes.map(|bytes| ("memory of the process, peak", crate::table::bytes(bytes))));
    pairs
}

impl Host {
    pub(crate) fn of(load: Duration, plan: Duration, steady: &[Times], new_shape: Option<NewShape>) -> Self {
        let (submit_ms, queued_ms) = medians(steady);
        let (load_ms, plan_ms) = (millis(load), millis(plan));
        Host { load_ms, plan_ms, submit_ms, queued_ms, new_shape, peak_bytes: peak_bytes() }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_system_tells_the_peak_in_whole_pages() {
        if cfg!(target_os = "linux") {
            assert!(super::peak_bytes().is_some_and(|bytes| bytes > 1 << 20 && bytes.is_multiple_of(1024)));
        }
    }
}
