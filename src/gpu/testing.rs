//! Test support: a linker that needs no kernels' text. An arm `affine { factor }` computes `to[i] = from[i] * factor + add` on u32
//! words, with operands `from` and `to` and one parameter `add`, through a lane table as the real linker lays it out.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::error::{Error, Result};
use crate::kernel::{Kernel, Trust, Variant};
use crate::link::{Arm, Clamp, Linked, Slot, SlotKind};
use crate::schedule::{ArmId, Pipelines, SubmissionId};

fn kernel(name: &str) -> Arc<Kernel> {
    Arc::new(Kernel {
        name: name.to_owned(),
        trust: Trust::Project,
        module: naga::Module::default(),
        info: validate(&naga::Module::default()),
        bindings: Vec::new(),
        params: None,
        workgroup_size: [64, 1, 1],
        workgroup_bytes: 0,
        overrides: vec!["factor".to_owned()],
    })
}

fn validate(module: &naga::Module) -> naga::valid::ModuleInfo {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    Validator::new(ValidationFlags::all(), Capabilities::all()).validate(module).unwrap()
}

/// The arm that multiplies by `factor` between these slots.
pub(super) fn affine(factor: u32, from: Slot, to: Slot) -> Arm {
    let variant = Variant::new(kernel("affine"), [("factor", f64::from(factor))]);
    Arm { variant, slots: vec![from, to] }
}

/// An arm that never links.
pub(super) fn broken(slot: Slot) -> Arm {
    Arm { variant: Variant::new(kernel("broken"), []), slots: vec![slot, slot] }
}

pub(super) fn heap(index: u8) -> Slot {
    Slot { index, kind: SlotKind::Heap }
}

fn link_affine(arms: &[Arm], _: Clamp) -> Result<Linked> {
    if arms.iter().any(|arm| arm.variant.kernel().name == "broken") {
        return Err(Error::kernel("broken kernel"));
    }
    let mut slots: Vec<Slot> = arms.iter().flat_map(|arm| arm.slots.clone()).collect();
    slots.sort();
    slots.dedup();
    let mut text = "@group(0) @binding(0) var<storage, read> table: array<vec4<u32>>;\n".to_owned();
    for Slot { index, kind } in &slots {
        let access = if *kind == SlotKind::Heap { "read_write" } else { "read" };
        let binding = u32::from(*index) + 1;
        writeln!(text, "@group(0) @binding({binding}) var<storage, {access}> m{index}: array<vec4<u32>>;").unwrap();
    }
    text += "fn word(i: u32) -> u32 { return table[i / 4u][i % 4u]; }
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let linear = group.x + group.y * 65535u;
    if linear >= word(1u) { return; }
    var lane = 0u;
    for (var i = 1u; i < word(0u); i++) { if word(4u + i) <= linear { lane = i; } }
    let record = word(2u) + lane * word(3u);
    let i = (word(record + 1u) + linear - word(4u + lane)) * 64u + local;
    if i * 4u >= word(record + 11u) { return; }
    let source = word(record + 8u) * 4u + i;
    let target_ = word(record + 10u) * 4u + i;
    switch word(record) {\n";
    for (position, arm) in arms.iter().enumerate() {
        let factor = arm.variant.constants().next().unwrap().1 as u32;
        let (from, to) = (arm.slots[0].index, arm.slots[1].index);
        writeln!(
            text,
            "case {position}u: {{ m{to}[target_ / 4u][target_ % 4u] = m{from}[source / 4u][source % 4u] * {factor}u + word(record + 12u); }}"
        )
        .unwrap();
    }
    text += "default: {} } }";
    let module = naga::front::wgsl::parse_str(&text).map_err(|error| Error::kernel(error.emit_to_string(&text)))?;
    let info = validate(&module);
    Ok(Linked { module, info, slots, workgroup_size: 64, workgroup_bytes: 0, has_user_kernel: false })
}

pub(super) fn gpu() -> Gpu {
    Gpu::open(&AdapterOptions::default()).unwrap()
}

pub(super) fn executor(gpu: Gpu, options: ExecutorOptions) -> Executor {
    Executor::with_linker(gpu, options, Arc::new(link_affine)).unwrap()
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
