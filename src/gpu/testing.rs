//! Test support: an arm `affine { factor }` computes `to[i] = from[i] * factor + add` on u32 words, with operands `from` and `to`
//! and one parameter `add`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::kernel::{Kernel, Trust, Variant};
use crate::link::{Arm, Slot, SlotKind};
use crate::schedule::{ArmId, Pipelines, SubmissionId};

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

/// The arm that multiplies by `factor` between these slots.
pub(super) fn affine(factor: u32, from: Slot, to: Slot) -> Arm {
    let variant = Variant::new(kernel("affine", AFFINE), [("factor", f64::from(factor))]);
    Arm { variant, slots: vec![from, to] }
}

/// An arm that cannot be linked: its override is no u32.
pub(super) fn broken(slot: Slot) -> Arm {
    Arm { variant: Variant::new(kernel("affine", AFFINE), [("factor", -1.0)]), slots: vec![slot, slot] }
}

pub(super) fn heap(index: u8) -> Slot {
    Slot { index, kind: SlotKind::Heap }
}

pub(super) fn gpu() -> Gpu {
    Gpu::open(&AdapterOptions::default()).unwrap()
}

pub(super) fn executor(gpu: Gpu, options: ExecutorOptions) -> Executor {
    Executor::new(gpu, options).unwrap()
}

/// Waits until these arms can issue together.
pub(super) fn prepare(executor: &mut Executor, arms: &[ArmId]) {
    let start = Instant::now();
    while !executor.pipelines().ready(arms) {
        executor.pipelines().want(arms);
        if let [arm] = arms {
            assert!(executor.pipelines().failure(*arm).is_none(), "{:?}", executor.pipelines().failure(*arm));
        }
        assert!(start.elapsed() < Duration::from_secs(20), "pipeline {arms:?} does not get ready");
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
    Work { id, clears: Vec::new(), uploads: Vec::new(), waves: Vec::new(), downloads: Vec::new() }
}

pub(super) fn bytes(words: &[u32]) -> Arc<[u8]> {
    Arc::from(bytemuck::cast_slice(words))
}

pub(super) fn words(bytes: &[u8]) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(bytes)
}

pub(super) fn upload(to: &Allocation, words: &[u32]) -> Upload {
    Upload { slot: to.slot(), offset: to.base(), bytes: bytes(words) }
}

pub(super) fn download(from: &Allocation, bytes: u64, tag: u64) -> Download {
    Download { slot: from.slot(), offset: from.base(), bytes, tag }
}

/// A lane over all of `words` words.
pub(super) fn lane(arm: ArmId, from: u64, to: u64, words: u32, add: u32) -> LaneWork {
    let groups = words.div_ceil(64);
    let length = u64::from(words) * 4;
    LaneWork {
        arm,
        grid: [groups, 1, 1],
        first: 0,
        count: groups,
        operands: vec![(from, length), (to, length)],
        params: Arc::from([add]),
    }
}

/// Interns `arm` and waits for its pipeline.
pub(super) fn single(executor: &mut Executor, arm: Arm) -> ArmId {
    let id = executor.intern(arm);
    prepare(executor, &[id]);
    id
}
