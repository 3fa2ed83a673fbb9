//! Test support: a kernel `affine { factor }` computes `to[i] = from[i] * factor + add` on u32 words, with operands `from` and `to`
//! and one parameter `add`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::kernel::{Kernel, Trust, Variant};
use crate::link::table::{EncodedLane, LaneOperand};
use crate::link::{LinkedKernel, SegmentId, SegmentKind};
use crate::schedule::{KernelId, Pipelines, SubmissionId};

const AFFINE: &str = "
override factor: u32 = 1u;
struct Params { add: u32 }
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&result) {
        result[id.x] = source[id.x] * factor + params.add;
    }
}";

fn kernel(name: &str, text: &str) -> Arc<Kernel> {
    Arc::new(Kernel::parse(name, text, Trust::Project).unwrap())
}

/// The kernel that multiplies by `factor` between these segments.
pub(super) fn affine(factor: u32, from: SegmentId, to: SegmentId) -> LinkedKernel {
    let variant = Variant::new(kernel("affine", AFFINE), [("factor", f64::from(factor))]);
    LinkedKernel { variant, segments: vec![from, to] }
}

/// A kernel that cannot be linked: its override is no u32.
pub(super) fn broken(segment: SegmentId) -> LinkedKernel {
    LinkedKernel {
        variant: Variant::new(kernel("affine", AFFINE), [("factor", -1.0)]),
        segments: vec![segment, segment],
    }
}

pub(super) fn heap(index: u8) -> SegmentId {
    SegmentId { index, kind: SegmentKind::Heap }
}

pub(super) fn gpu() -> Gpu {
    Gpu::open(&AdapterOptions::default()).unwrap()
}

pub(super) fn executor(gpu: Gpu, options: ExecutorOptions) -> Executor {
    Executor::new(gpu, options).unwrap()
}

/// Waits until these kernels can issue together.
pub(super) fn prepare(executor: &mut Executor, kernels: &[KernelId]) {
    let start = Instant::now();
    while !executor.pipelines().ready(kernels) {
        executor.pipelines().want(kernels);
        if let [kernel] = kernels {
            assert!(executor.pipelines().failure(*kernel).is_none(), "{:?}", executor.pipelines().failure(*kernel));
        }
        assert!(start.elapsed() < Duration::from_secs(20), "pipeline {kernels:?} does not get ready");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Polls until everything in flight has finished.
pub(super) fn drain(executor: &mut Executor) -> Vec<Finished> {
    let start = Instant::now();
    let mut finished = executor.poll().unwrap();
    while executor.in_flight() > 0 {
        executor.wait(Duration::from_millis(20)).unwrap();
        finished.extend(executor.poll().unwrap());
        assert!(start.elapsed() < Duration::from_secs(120), "the device does not finish");
    }
    finished
}

pub(super) fn work(id: u64) -> Work {
    let id = SubmissionId(id);
    Work { id, clears: Vec::new(), uploads: Vec::new(), bundles: Vec::new(), downloads: Vec::new() }
}

pub(super) fn bytes(words: &[u32]) -> Arc<[u8]> {
    Arc::from(bytemuck::cast_slice(words))
}

pub(super) fn words(bytes: &[u8]) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(bytes)
}

pub(super) fn upload(to: &Allocation, words: &[u32]) -> Upload {
    Upload { segment: to.segment(), offset: to.base(), bytes: bytes(words) }
}

pub(super) fn download(from: &Allocation, bytes: u64, tag: u64) -> Download {
    Download { segment: from.segment(), offset: from.base(), bytes, tag }
}

/// A lane over all of `words` words.
pub(super) fn lane(kernel: KernelId, from: u64, to: u64, words: u32, add: u32) -> (KernelId, EncodedLane) {
    let count = words.div_ceil(64);
    let operands = [from, to].map(|base| LaneOperand::new(base, u64::from(words) * 4).unwrap()).to_vec();
    (kernel, EncodedLane { grid: [count, 1, 1], first: 0, count, operands, params: [add].into() })
}

/// Interns `kernel` and waits for its pipeline.
pub(super) fn single(executor: &mut Executor, kernel: LinkedKernel) -> KernelId {
    let id = executor.intern(kernel);
    prepare(executor, &[id]);
    id
}
