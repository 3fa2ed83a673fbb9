//! Bundling changes no bit: random kernels, shapes, splits, orders and co-tenants, each case once as bundles of many lanes
//! and once dispatch by dispatch, on the same memory image; the two images must be equal to the bit, gaps included.
//! Besides, every kernel alone on the heap is compared with the kernel as its author wrote it, on buffers of its own.

use crate::link_common::gpu::{Bundle, Merged, buffer, gpu, head, read, run, run_direct};
use crate::link_common::heap_kernel;
use crate::link_common::random::{Random, cases};
use fascine::kernel::{Access, Kernel, Trust, Variant};
use fascine::link::table::{Case, EncodedLane, LaneOperand};
use fascine::link::{Ahead, Clamp, Head, LinkedKernel, Scalars, SegmentId, SegmentKind, link, link_with};

/// A random dispatch of a test kernel: its grid, its operands' words and its parameters.
struct Shape {
    grid: [u32; 3],
    /// Words per binding.
    words: Vec<u32>,
    params: Vec<u32>,
}

type Shaper = fn(&mut Random) -> Shape;

fn linear(random: &mut Random, words: &[u32], params: &[u32]) -> Shape {
    let len = random.range(1, 300);
    let words = words.iter().map(|per| per * len).collect();
    Shape {
        grid: [len.div_ceil(64), 1, 1],
        words,
        params: std::iter::once(len).chain(params.iter().copied()).collect(),
    }
}

fn scale(random: &mut Random) -> Shape {
    let factor = random.float().to_bits();
    linear(random, &[1, 1, 1], &[factor])
}

fn vectors(random: &mut Random) -> Shape {
    linear(random, &[4, 2, 4, 4], &[])
}

fn particles(random: &mut Random) -> Shape {
    linear(random, &[8, 8], &[0.25f32.to_bits()])
}

fn reduce(random: &mut Random) -> Shape {
    let mut shape = linear(random, &[1, 1], &[]);
    shape.words[1] = 2 * shape.grid[0];
    shape
}

fn transpose(random: &mut Random) -> Shape {
    let (rows, columns) = (random.range(1, 40), random.range(1, 40));
    let grid = [columns.div_ceil(8), rows.div_ceil(8), 1];
    Shape { grid, words: vec![rows * columns; 2], params: vec![rows, columns] }
}

fn matrices(random: &mut Random) -> Shape {
    linear(random, &[28, 4], &[])
}

fn nested(random: &mut Random) -> Shape {
    let mut shape = linear(random, &[7, 1], &[]);
    shape.words[0] += 8;
    shape.params.push(random.range(0, 2));
    shape.params.extend([0, 0]);
    shape.params.extend((0..8).map(|_| random.range(0, 1000)));
    shape
}

fn stride(random: &mut Random) -> Shape {
    let len = random.range(1, 500);
    Shape { grid: [random.range(1, 5), 1, 1], words: vec![len; 2], params: vec![random.range(0, 99)] }
}

fn cube(random: &mut Random) -> Shape {
    let size = [random.range(1, 9), random.range(1, 9), random.range(1, 9)];
    let words = vec![size.iter().product::<u32>() * 4];
    Shape { grid: size.map(|n| n.div_ceil(4)), words, params: vec![size[0], size[1], size[2], 0] }
}

fn variant(random: &mut Random) -> Shape {
    linear(random, &[1], &[])
}

fn atomics(random: &mut Random) -> Shape {
    let mut shape = linear(random, &[1, 1, 2], &[]);
    shape.words[1] = 4 * shape.grid[0];
    shape
}

fn subgroup(random: &mut Random) -> Shape {
    linear(random, &[1], &[])
}

fn initial(random: &mut Random) -> Shape {
    linear(random, &[4], &[])
}

fn cluster(random: &mut Random) -> Shape {
    let mut shape = linear(random, &[1, 1, 2], &[]);
    shape.words[..2].copy_from_slice(&[12, 4]);
    shape
}

fn half(random: &mut Random) -> Shape {
    let len = 2 * random.range(1, 100);
    let words = vec![len / 2, len * 2, len * 2, len * 2, len];
    Shape { grid: [len.div_ceil(64), 1, 1], words, params: vec![len, 1.5f32.to_bits()] }
}

fn wide(random: &mut Random) -> Shape {
    let len = random.range(1, 900);
    Shape { grid: [len.div_ceil(256), 1, 1], words: vec![len; 2], params: vec![len, random.range(0, 99)] }
}

fn narrow(random: &mut Random) -> Shape {
    let (rows, columns) = (random.range(1, 9), random.range(1, 70));
    Shape {
        grid: [columns.div_ceil(16), rows.div_ceil(2), 1],
        words: vec![rows * columns],
        params: vec![rows, columns],
    }
}

struct Subject {
    kernel: LinkedKernel,
    shaper: Shaper,
    alone: Merged,
}

const KERNELS: &[(&str, Shaper)] = &[
    ("scale", scale),
    ("vectors", vectors),
    ("particles", particles),
    ("reduce", reduce),
    ("transpose", transpose),
    ("matrices", matrices),
    ("nested", nested),
    ("stride", stride),
    ("cube", cube),
    ("variant", variant),
    ("atomics", atomics),
    ("subgroup", subgroup),
    ("cluster", cluster),
    ("initial", initial),
    ("half", half),
    ("wide", wide),
    ("narrow", narrow),
];
/// Kernels of 64 invocations that are bound to that size, by barriers, workgroup memory or subgroups.
const BOUND: &[&str] = &["reduce", "transpose", "atomics", "subgroup", "variant"];

fn available(name: &str) -> bool {
    let gpu = gpu();
    let here = match name {
        "half" => gpu.f16,
        "subgroup" => gpu.subgroups,
        _ => true,
    };
    if !here {
        eprintln!("skipped: {name} (the adapter lacks the feature)");
    }
    here
}

/// Words per segment: two heap segments around a weight segment.
const SEGMENT_WORDS: usize = 1 << 16;
const SEGMENTS: [SegmentKind; 3] = [SegmentKind::Heap, SegmentKind::Weights, SegmentKind::Heap];
const SENTINEL: u32 = 0x5e5e_5e5e;

/// What reads only lies in the weight segment for every second kernel, the rest in one of two heap segments.
fn place(position: usize, kernel: &Kernel, variant: Variant) -> LinkedKernel {
    let heap = if position.is_multiple_of(3) { 2 } else { 0 };
    if position.is_multiple_of(2) {
        return heap_kernel(variant, heap);
    }
    let segment = |access| match access {
        Access::Read => SegmentId { index: 1, kind: SegmentKind::Weights },
        Access::ReadWrite => SegmentId { index: heap, kind: SegmentKind::Heap },
    };
    let segments = kernel.bindings.iter().map(|binding| segment(binding.access)).collect();
    LinkedKernel { variant, segments }
}

fn subjects(clamp: Clamp, scalars: Scalars) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for (position, &(name, shaper)) in KERNELS.iter().enumerate().filter(|(_, (name, _))| available(name)) {
        let kernel = crate::link_common::kernel(name, Trust::Project);
        let modes: &[f64] = if name == "variant" { &[0.0, 1.0, 2.0] } else { &[0.0] };
        for &mode in modes {
            let constants = (name == "variant").then_some(("MODE", mode));
            let kernel = place(position, &kernel, Variant::new(kernel.clone(), constants));
            let alone = Merged::new(link(std::slice::from_ref(&kernel), clamp, head(position), scalars).unwrap());
            subjects.push(Subject { kernel, shaper, alone });
        }
    }
    subjects.sort_by(|a, b| a.kernel.cmp(&b.kernel));
    subjects
}

/// A dispatch placed in memory.
struct Placed {
    subject: usize,
    grid: [u32; 3],
    operands: Vec<LaneOperand>,
    params: Vec<u32>,
}

/// Floats that are no NaN, integers, and what else kernels of all types read without trouble.
fn word(random: &mut Random) -> u32 {
    if random.next().is_multiple_of(4) { random.range(0, 50) } else { random.float().to_bits() }
}

fn half_word(random: &mut Random) -> u32 {
    let half = |random: &mut Random| u32::from(half::f16::from_f32(random.float()).to_bits());
    half(random) | half(random) << 16
}

fn place_dispatch(
    random: &mut Random,
    subjects: &[Subject],
    subject: usize,
    image: &mut [Vec<u32>],
    next: &mut [usize],
) -> Option<Placed> {
    let Subject { kernel, shaper, alone: _ } = &subjects[subject];
    let Shape { grid, words, params } = shaper(random);
    let is_half = kernel.variant.kernel().name == "half";
    let mut operands = Vec::new();
    for (&words, segment) in words.iter().zip(&kernel.segments) {
        let segment = segment.index as usize;
        let start = next[segment].next_multiple_of(4) + 4 * random.range(0, 3) as usize;
        next[segment] = start + words as usize;
        let region = image[segment].get_mut(start..start + words as usize)?;
        region.fill_with(|| if is_half { half_word(random) } else { word(random) });
        operands.push(LaneOperand { base: (start / 4) as u32, bytes: words * 4 });
    }
    Some(Placed { subject, grid, operands, params })
}

fn lane(placed: &Placed, merged: &Merged, kernel: u32, first: u32, count: u32) -> (Case, EncodedLane) {
    let case = Case { position: kernel, per_workgroup: merged.per_workgroup[kernel as usize] };
    let Placed { grid, operands, params, .. } = placed;
    (case, EncodedLane { grid: *grid, first, count, operands: operands.clone(), params: params.as_slice().into() })
}

fn groups(placed: &Placed) -> u32 {
    placed.grid.iter().product()
}

fn bytes(words: &[u32]) -> &[u8] {
    bytemuck::cast_slice(words)
}

fn check_bundled(subjects: &[Subject], merged_sets: &[(Vec<usize>, Merged)], seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let mut random = Random::new(seed);
        let (members, merged) = &merged_sets[random.range(0, merged_sets.len() as u32 - 1) as usize];
        let mut image = vec![vec![SENTINEL; SEGMENT_WORDS]; SEGMENTS.len()];
        let mut next = vec![0; SEGMENTS.len()];
        let mut placed = Vec::new();
        for _ in 0..random.range(1, 12) {
            // What no longer fits into the memory is left out.
            let subject = members[random.range(0, members.len() as u32 - 1) as usize];
            placed.extend(place_dispatch(&mut random, subjects, subject, &mut image, &mut next));
        }
        let together: Vec<_> = image.iter().map(|segment| buffer(bytes(segment))).collect();
        let apart: Vec<_> = image.iter().map(|segment| buffer(bytes(segment))).collect();

        let mut lanes = Vec::new();
        for dispatch in &placed {
            let kernel = members.iter().position(|&m| m == dispatch.subject).unwrap() as u32;
            let (mut offset, total) = (0, groups(dispatch));
            while offset < total {
                let count = if random.range(0, 1) == 0 { total - offset } else { random.range(1, total - offset) };
                lanes.push(lane(dispatch, merged, kernel, offset, count));
                offset += count;
            }
        }
        random.shuffle(&mut lanes);
        let cut = random.range(0, lanes.len() as u32) as usize;
        let cut = if random.range(0, 1) == 0 { 0 } else { cut };
        let width = [65_535, 7, 1, 3][random.range(0, 3) as usize];
        let bundles = [&lanes[..cut], &lanes[cut..]].map(|lanes| Bundle {
            merged,
            lanes: lanes.to_vec(),
            memory: &together,
            width,
        });
        let bundles: Vec<_> = bundles.into_iter().filter(|bundle| !bundle.lanes.is_empty()).collect();
        run(&bundles);
        let alone: Vec<_> = placed
            .iter()
            .map(|dispatch| Bundle {
                merged: &subjects[dispatch.subject].alone,
                lanes: vec![lane(dispatch, &subjects[dispatch.subject].alone, 0, 0, groups(dispatch))],
                memory: &apart,
                width: 65_535,
            })
            .collect();
        run(&alone);
        let images = read(&together.iter().chain(&apart).collect::<Vec<_>>());
        let (together, apart) = images.split_at(SEGMENTS.len());
        let names: Vec<_> = placed.iter().map(|d| &subjects[d.subject].kernel.variant.kernel().name).collect();
        assert!(together == apart, "seed {seed}: {names:?} differ between bundled and alone");
        assert!(together[0] != bytes(&image[0]) || together[2] != bytes(&image[2]), "seed {seed}: nothing ran");
        assert_eq!(together[1], bytes(&image[1]), "seed {seed}: the weight segment was written");
    }
}

fn merged_sets(subjects: &[Subject], clamp: Clamp) -> Vec<(Vec<usize>, Merged)> {
    let name = |i: usize| subjects[i].kernel.variant.kernel().name.as_str();
    let all: Vec<usize> = (0..subjects.len()).filter(|&i| name(i) != "wide").collect();
    // What is bound to 64 cannot ride in workgroups of 256; the rest does.
    let mixed: Vec<usize> = (0..subjects.len()).filter(|&i| !BOUND.contains(&name(i))).collect();
    let evens = all.iter().copied().filter(|i| i % 2 == 0).collect();
    let thirds = all.iter().copied().filter(|i| i % 3 == 1).collect();
    let merged = |members: Vec<usize>, head, scalars, ahead| {
        let kernels: Vec<LinkedKernel> = members.iter().map(|&m| subjects[m].kernel.clone()).collect();
        let linked = link_with(&kernels, clamp, head, scalars, ahead).unwrap();
        (members, Merged::new(linked))
    };
    let merged_sets = vec![
        merged(all, head(0), Scalars::Words, Ahead::Table),
        merged(mixed, head(0), Scalars::Components, Ahead::Choice),
        merged(evens, Head::Table, Scalars::Components, Ahead::Table),
        merged(thirds, Head::Table, Scalars::Words, Ahead::Choice),
    ];
    assert!(merged_sets[1].1.per_workgroup.contains(&4) && merged_sets[1].1.per_workgroup.contains(&8));
    merged_sets
}

#[test]
fn bundled_split_and_reordered_equals_alone_to_the_bit() {
    let subjects = subjects(Clamp::Users, Scalars::Components);
    let merged_sets = merged_sets(&subjects, Clamp::Users);
    check_bundled(&subjects, &merged_sets, 0..cases());
}

#[test]
fn clamped_equals_unclamped_to_the_bit() {
    let alone = subjects(Clamp::Users, Scalars::Components);
    let clamped = subjects(Clamp::All, Scalars::Components);
    let merged_sets = merged_sets(&clamped, Clamp::All);
    check_bundled(&alone, &merged_sets[..2], 1_000_000..1_000_000 + cases() / 4);
}

#[test]
fn on_the_heap_equals_buffers_of_its_own() {
    for scalars in [Scalars::Components, Scalars::Words] {
        compare_with_own_buffers(&subjects(Clamp::Users, scalars));
    }
}

fn compare_with_own_buffers(subjects: &[Subject]) {
    for (position, subject) in subjects.iter().enumerate() {
        let kernel = subject.kernel.variant.kernel().clone();
        let direct = direct_pipeline(&subject.kernel.variant);
        for seed in 0..4 {
            let mut random = Random::new(seed * 1000 + position as u64);
            let mut image = vec![vec![SENTINEL; SEGMENT_WORDS]; SEGMENTS.len()];
            let mut next = vec![0; SEGMENTS.len()];
            let only = std::slice::from_ref(subject);
            let placed = place_dispatch(&mut random, only, 0, &mut image, &mut next).unwrap();
            let own: Vec<_> = placed
                .operands
                .iter()
                .zip(&subject.kernel.segments)
                .map(|(operand, segment)| {
                    let start = operand.base as usize * 16;
                    let all = bytes(&image[segment.index as usize]);
                    sized_buffer(&all[start..start + operand.bytes as usize])
                })
                .collect();
            let mut bindings: Vec<_> = kernel.bindings.iter().map(|b| b.index).zip(&own).collect();
            let params = buffer(bytes(&placed.params));
            if let Some(p) = &kernel.params {
                let global = &kernel.module.global_variables[p.variable];
                bindings.push((global.binding.as_ref().unwrap().binding, &params));
            }
            run_direct(&direct, &bindings, placed.grid);
            let memory: Vec<_> = image.iter().map(|segment| buffer(bytes(segment))).collect();
            let lanes = vec![lane(&placed, &subject.alone, 0, 0, groups(&placed))];
            run(&[Bundle { merged: &subject.alone, lanes, memory: &memory, width: 65_535 }]);
            let segments = read(&memory.iter().collect::<Vec<_>>());
            let expected = read(&own.iter().collect::<Vec<_>>());
            for (k, operand) in placed.operands.iter().enumerate() {
                let start = operand.base as usize * 16;
                let segment = &segments[subject.kernel.segments[k].index as usize];
                let (name, binding) = (&kernel.name, &kernel.bindings[k].name);
                let (got, want) = (&segment[start..start + operand.bytes as usize], &expected[k]);
                assert!(got == &want[..operand.bytes as usize], "{name}, binding {binding}, seed {seed}");
            }
        }
    }
}

/// A buffer of exactly that size, so that `arrayLength` is the tensor's.
fn sized_buffer(bytes: &[u8]) -> wgpu::Buffer {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let descriptor = wgpu::BufferDescriptor { label: None, size: bytes.len() as u64, usage, mapped_at_creation: false };
    let buffer = gpu().device.create_buffer(&descriptor);
    gpu().queue.write_buffer(&buffer, 0, bytes);
    buffer
}

fn direct_pipeline(variant: &Variant) -> wgpu::ComputePipeline {
    let source = wgpu::ShaderSource::Wgsl(variant.kernel().text.to_string().into());
    let module = gpu().device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let constants: Vec<(&str, f64)> = variant.constants().collect();
    gpu().device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
        cache: None,
    })
}
