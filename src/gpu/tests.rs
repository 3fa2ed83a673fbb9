//! The executor on a real device.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::testing::*;
use super::*;
use crate::error::ErrorKind;
use crate::link::{SegmentId, SegmentKind};
use crate::schedule::Pipelines;

#[test]
fn bundles_run_in_order_and_lanes_keep_to_their_ranges() {
    let mut executor = executor(gpu(), ExecutorOptions::default());
    let a = executor.allocate(4000).unwrap();
    let b = executor.allocate(4000).unwrap();
    let c = executor.allocate(4000).unwrap();
    let twice = executor.intern(affine(2, a.segment(), a.segment()));
    let thrice = executor.intern(affine(3, a.segment(), a.segment()));
    let both = if twice < thrice { [twice, thrice] } else { [thrice, twice] };
    prepare(&mut executor, &both);

    let input: Vec<u32> = (0..1000).collect();
    // The second lane of the first bundle is split; the last bundle reads what the first one wrote.
    let mut head = lane(thrice, a.base(), c.base(), 1000, 5);
    head.1.count = 7;
    let mut tail = head.clone();
    (tail.1.first, tail.1.count) = (7, 9);
    let bundles = vec![
        EncodedBundle { lanes: vec![lane(twice, a.base(), b.base(), 1000, 1), tail, head], ..Default::default() },
        EncodedBundle { lanes: vec![lane(thrice, b.base(), a.base(), 1000, 0)], ..Default::default() },
    ];
    let downloads = vec![download(&a, 4000, 10), download(&b, 4000, 11), download(&c, 4000, 12)];
    executor.submit(Work { uploads: vec![upload(&a, &input)], bundles, downloads, ..work(7) }).unwrap();

    let finished = drain(&mut executor).pop().unwrap();
    assert_eq!(finished.id.0, 7);
    assert_eq!(finished.downloads.iter().map(|d| d.0).collect::<Vec<_>>(), [10, 11, 12]);
    let expected: [&dyn Fn(u32) -> u32; 3] = [&|x| (2 * x + 1) * 3, &|x| 2 * x + 1, &|x| 3 * x + 5];
    for ((tag, bytes), expected) in finished.downloads.iter().zip(expected) {
        assert_eq!(words(bytes), input.iter().map(|&x| expected(x)).collect::<Vec<_>>(), "download {tag}");
    }
    assert!(executor.pipelines().stats().on_superset > 0, "the last bundle has no pipeline of its own");
    for allocation in [a, b, c] {
        executor.free(allocation);
    }
    assert_eq!(executor.memory().heap_used, 0);
}

#[test]
fn more_workgroups_than_one_side_takes() {
    let mut executor = executor(gpu(), ExecutorOptions::default());
    let words_in = 70_000 * 64;
    let a = executor.allocate(words_in * 4).unwrap();
    let b = executor.allocate(words_in * 4).unwrap();
    let kernel = executor.intern(affine(1, a.segment(), b.segment()));
    prepare(&mut executor, &[kernel]);
    let bundles =
        vec![EncodedBundle { lanes: vec![lane(kernel, a.base(), b.base(), words_in as u32, 9)], ..Default::default() }];
    let clears = vec![Clear { segment: a.segment(), offset: a.base(), bytes: words_in * 4 }];
    executor.submit(Work { clears, bundles, downloads: vec![download(&b, words_in * 4, 0)], ..work(0) }).unwrap();
    let finished = drain(&mut executor).pop().unwrap();
    let got = words(&finished.downloads[0].1);
    assert_eq!(got.len() as u64, words_in);
    assert!(got.iter().all(|&word| word == 9));
}

#[test]
fn small_segments_make_many_segments_and_empty_ones_go() {
    let mut executor = executor(gpu(), ExecutorOptions { segment_bytes: Some(1024), ..Default::default() });
    let allocations: Vec<_> = (0..3).map(|_| executor.allocate(1000).unwrap()).collect();
    let segments: Vec<u8> = allocations.iter().map(|a| a.segment().index).collect();
    assert_eq!(segments, [0, 1, 2]);
    assert_eq!(executor.memory().heap_reserved, 3 * 1024);
    let first = executor.intern(affine(2, heap(0), heap(1)));
    let second = executor.intern(affine(2, heap(1), heap(2)));
    prepare(&mut executor, &[first]);
    prepare(&mut executor, &[second]);
    let bundles = vec![
        EncodedBundle { lanes: vec![lane(first, 0, 0, 250, 1)], ..Default::default() },
        EncodedBundle { lanes: vec![lane(second, 0, 0, 250, 1)], ..Default::default() },
    ];
    let uploads = vec![upload(&allocations[0], &[5; 250])];
    executor.submit(Work { uploads, bundles, downloads: vec![download(&allocations[2], 1000, 0)], ..work(0) }).unwrap();
    // Freed while in flight: the device still finishes with it.
    for allocation in allocations {
        executor.free(allocation);
    }
    let finished = drain(&mut executor).pop().unwrap();
    assert_eq!(words(&finished.downloads[0].1), [23; 250]);
    let stats = executor.memory();
    assert_eq!((stats.heap_segments, stats.heap_used, stats.heap_largest_free), (1, 0, 1024));
    executor.trim();
    assert_eq!(executor.memory().heap_reserved, 0);

    let error = executor.allocate(1025).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.message().contains("1024 bytes"), "{error}");
    assert!(!executor.fits_ever(1025) && executor.fits_ever(1024) && !executor.fits_ever(u64::MAX));
}

#[derive(Clone, Debug)]
enum Step {
    /// Takes heap memory and writes both ends of it.
    Allocate(u64),
    /// Takes a weight segment's memory and writes all of it.
    Load(usize),
    /// Frees what was taken, heap or weight segment.
    Free(prop::sample::Index),
    /// Reads back both ends of everything.
    Read,
    Trim,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = prop_oneof![1u64..10_000, 10_000u64..3_000_000];
    let step = prop_oneof![
        6 => bytes.prop_map(Step::Allocate),
        3 => (1usize..400_000).prop_map(Step::Load),
        4 => any::<prop::sample::Index>().prop_map(Step::Free),
        2 => Just(Step::Read),
        1 => Just(Step::Trim),
    ];
    prop::collection::vec(step, 1..60)
}

/// What is taken, and the word that is written at each end.
enum Held {
    Heap(Allocation, u32),
    Weights(WeightsId, WeightRange, u32),
}

impl Held {
    /// SegmentId, and the bytes of the first and of the last word.
    fn ends(&self) -> (SegmentId, [u64; 2], u32) {
        match self {
            Held::Heap(range, word) => (range.segment(), [range.base(), range.base() + range.bytes() - 4], *word),
            Held::Weights(_, range, word) => (range.segment, [range.base, range.base + range.bytes - 4], *word),
        }
    }
}

/// Memory that holds what was written to it, however it moves.
fn follow(executor: &mut Executor, steps: Vec<Step>) {
    let mut held: Vec<Held> = Vec::new();
    let mut next = 0;
    let read = |executor: &mut Executor, held: &[Held]| {
        let ends = held.iter().flat_map(|held| {
            let (segment, offsets, word) = held.ends();
            offsets.map(|offset| Download { segment, offset, bytes: 4, tag: word.into() })
        });
        executor.submit(Work { downloads: ends.collect(), ..work(0) }).unwrap();
    };
    let check = |executor: &mut Executor| {
        for (word, bytes) in drain(executor).into_iter().flat_map(|finished| finished.downloads) {
            assert_eq!(u64::from(words(&bytes)[0]), word);
        }
    };
    for step in steps {
        next += 1;
        match step {
            Step::Allocate(bytes) => match executor.allocate(bytes) {
                Ok(range) => {
                    let uploads = [range.base(), range.base() + range.bytes() - 4].map(|offset| Upload {
                        segment: range.segment(),
                        offset,
                        bytes: bytes_of(next),
                    });
                    executor.submit(Work { uploads: uploads.to_vec(), ..work(0) }).unwrap();
                    held.push(Held::Heap(range, next));
                }
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Memory | ErrorKind::Limit), "{error}"),
            },
            Step::Load(words) => match executor.upload_weights(&[bytes(&vec![next; words])]) {
                Ok((id, ranges)) => held.push(Held::Weights(id, ranges[0], next)),
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Memory | ErrorKind::Limit), "{error}"),
            },
            Step::Free(at) if !held.is_empty() => match held.swap_remove(at.index(held.len())) {
                Held::Heap(range, _) => executor.free(range),
                Held::Weights(id, ..) => executor.free_weights(id),
            },
            Step::Free(_) => {}
            // Some of it is looked at when further moves have been made.
            Step::Read => read(executor, &held),
            Step::Trim => executor.trim(),
        }
        let stats = executor.memory();
        let used = |kind| {
            let sizes = held.iter().map(move |held| match held {
                Held::Heap(range, _) if kind == SegmentKind::Heap => range.bytes(),
                Held::Weights(_, range, _) if kind == SegmentKind::Weights => range.bytes.next_multiple_of(256),
                _ => 0,
            });
            sizes.sum::<u64>()
        };
        assert_eq!((stats.heap_used, stats.weights_used), (used(SegmentKind::Heap), used(SegmentKind::Weights)));
        assert!(stats.cap.is_none_or(|cap| stats.heap_reserved + stats.weights_reserved <= cap), "{stats:?}");
    }
    read(executor, &held);
    check(executor);
    for held in held {
        match held {
            Held::Heap(range, _) => executor.free(range),
            Held::Weights(id, ..) => executor.free_weights(id),
        }
    }
    executor.trim();
    drain(executor);
    let stats = executor.memory();
    assert_eq!((stats.heap_reserved, stats.weights_reserved), (0, 0), "{stats:?}");
}

fn bytes_of(word: u32) -> Arc<[u8]> {
    bytes(&[word])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn memory_keeps_its_bytes_however_it_moves(steps in steps()) {
        let limits = [(None, None), (Some(4 << 20), None), (None, Some(48 << 20)), (Some(16 << 20), Some(24 << 20))];
        for (segment_bytes, memory_cap) in limits {
            let options = ExecutorOptions { segment_bytes, memory_cap, compile_threads: 1, ..Default::default() };
            follow(&mut executor(gpu(), options), steps.clone());
        }
    }
}

#[test]
fn a_weight_segment_grows_keeps_its_index_and_shrinks() {
    let mut executor = executor(gpu(), ExecutorOptions::default());
    let load = |executor: &mut Executor, word: u32| executor.upload_weights(&[bytes(&vec![word; 1 << 20])]).unwrap();
    let loads: Vec<_> = (0..12).map(|word| load(&mut executor, word)).collect();
    let grown = executor.memory();
    assert_eq!((grown.weight_segments, grown.refused_moves), (1, 0), "{grown:?}");
    assert!(loads.iter().all(|(_, ranges)| ranges[0].segment == loads[0].1[0].segment));
    // Doubling: what is copied in all is less than twice what there is.
    assert!(grown.moves <= 4 && grown.moved_bytes < 2 * grown.weights_used, "{grown:?}");
    assert!(grown.weights_reserved <= 2 * grown.weights_used, "{grown:?}");
    for (id, _) in &loads[1..] {
        executor.free_weights(*id);
    }
    let shrunk = executor.memory();
    assert!(shrunk.weights_reserved <= grown.weights_reserved / 4, "{shrunk:?}");
    let range = loads[0].1[0];
    let downloads = vec![Download { segment: range.segment, offset: range.base, bytes: range.bytes, tag: 0 }];
    executor.submit(Work { downloads, ..work(0) }).unwrap();
    assert!(drain(&mut executor).pop().unwrap().downloads[0].1.iter().all(|&byte| byte == 0));
    assert_eq!(executor.memory().outgrown, 0, "the device is through with the old buffers");
}

#[test]
fn segments_are_numbered_as_they_come() {
    let weights = |index| SegmentId { index, kind: SegmentKind::Weights };
    let cases: [(&[SegmentId], &[SegmentId]); 3] = [
        (&[heap(0), weights(32)], &[heap(0), weights(32)]),
        (&[weights(40), heap(7), weights(40), weights(35)], &[weights(32), heap(0), weights(32), weights(33)]),
        (&[heap(5), heap(2), heap(5)], &[heap(0), heap(1), heap(0)]),
    ];
    for (segments, linked) in cases {
        assert_eq!(linked_segments(segments), linked, "{segments:?}");
    }
}

#[test]
fn weights_lie_in_one_segment_if_they_fit_else_in_several() {
    let mut executor = executor(gpu(), ExecutorOptions { segment_bytes: Some(64 << 10), ..Default::default() });
    let blob = |word: u32, words: usize| bytes(&vec![word; words]);
    let (small, ranges) = executor.upload_weights(&[blob(1, 10), blob(2, 100), blob(3, 1)]).unwrap();
    assert!(
        ranges.iter().all(|range| range.segment == ranges[0].segment && range.segment.kind == SegmentKind::Weights)
    );
    assert_eq!(ranges.iter().map(|range| range.bytes).collect::<Vec<_>>(), [40, 400, 4]);

    let (large, more) = executor.upload_weights(&[blob(4, 12_000), blob(5, 12_000), blob(6, 3)]).unwrap();
    assert_ne!(more[0].segment, more[1].segment);
    assert_eq!(more[1].segment, more[2].segment, "as few pieces as their order allows");

    let out = executor.allocate(400).unwrap();
    for (range, expected) in [(ranges[1], 2), (more[0], 4), (more[2], 6)] {
        let words_in = (range.bytes.min(400) / 4) as u32;
        let kernel = executor.intern(affine(1, range.segment, out.segment()));
        prepare(&mut executor, &[kernel]);
        let bundles = vec![EncodedBundle {
            lanes: vec![lane(kernel, range.base, out.base(), words_in, 0)],
            ..Default::default()
        }];
        let downloads = vec![download(&out, u64::from(words_in) * 4, 0)];
        executor.submit(Work { bundles, downloads, ..work(0) }).unwrap();
        let finished = drain(&mut executor).pop().unwrap();
        assert_eq!(words(&finished.downloads[0].1), vec![expected; words_in as usize]);
    }

    assert_eq!(executor.upload_weights(&[blob(0, 20_000)]).unwrap_err().kind(), ErrorKind::Limit);
    let before = executor.memory();
    assert!(before.weights_used > 96_000);
    executor.free_weights(large);
    executor.free_weights(small);
    let after = executor.memory();
    assert_eq!((after.weights_used, after.weights_reserved, after.weight_segments), (0, 0, 0));
}

#[test]
fn large_weights_go_up_in_pieces() {
    let mut executor = executor(gpu(), ExecutorOptions::default());
    let blob: Arc<[u8]> = (0..18u32 << 20).map(|i| (i % 251) as u8).collect();
    let odd: Arc<[u8]> = Arc::from([7u8, 8, 9].as_slice());
    let (_, ranges) = executor.upload_weights(&[odd, blob.clone()]).unwrap();
    // A weight segment cannot be downloaded through the public types' intent, but it is memory like any other.
    let downloads = ranges
        .iter()
        .map(|range| Download { segment: range.segment, offset: range.base, bytes: range.bytes, tag: 0 })
        .collect();
    executor.submit(Work { downloads, ..work(0) }).unwrap();
    let finished = drain(&mut executor).pop().unwrap();
    assert_eq!(finished.downloads[0].1, [7, 8, 9]);
    assert!(finished.downloads[1].1 == *blob);
}

#[test]
fn the_cap_bounds_everything_and_waiting_is_told_from_hopeless() {
    let cap = Some(1 << 20);
    let mut executor = executor(gpu(), ExecutorOptions { memory_cap: cap, ..Default::default() });
    let (id, _) = executor.upload_weights(&[Arc::from(vec![0u8; 256 << 10])]).unwrap();
    let weights = executor.memory().weights_reserved;
    assert!(weights < 1 << 20, "a weight segment leaves room under the cap: {weights}");
    executor.free_weights(id);

    let a = executor.allocate(400 << 10).unwrap();
    let stats = executor.memory();
    assert!(stats.heap_reserved + stats.weights_reserved + stats.staging <= 1 << 20, "{stats:?}");
    let error = executor.allocate(600 << 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    assert!(error.message().contains("1048576"), "{error}");
    assert!(executor.fits_ever(600 << 10), "waiting helps");
    assert!(!executor.fits_ever(2 << 20), "waiting does not help");
    executor.free(a);
    assert!(executor.allocate(600 << 10).is_ok());
}

#[test]
fn pipelines_are_wanted_found_by_superset_and_fail_alone() {
    let mut executor = executor(gpu(), ExecutorOptions { compile_threads: 1, ..Default::default() });
    let memory = executor.allocate(1024).unwrap();
    let segment = memory.segment();
    let kernels: Vec<_> = (0..3).map(|factor| executor.intern(affine(factor, segment, segment))).collect();
    assert_eq!(executor.intern(affine(1, segment, segment)), kernels[1], "a linked kernel has one number");
    assert!(!executor.pipelines().ready(&kernels[..2]));
    prepare(&mut executor, &kernels);
    for subset in [&kernels[..1], &kernels[1..], &[kernels[0], kernels[2]]] {
        assert!(executor.pipelines().ready(subset), "{subset:?}");
    }
    let other = executor.intern(affine(3, segment, segment));
    assert!(!executor.pipelines().ready(&[kernels[0], other]));

    let bad = executor.intern(broken(segment));
    for set in [vec![bad], vec![kernels[0], bad]] {
        executor.pipelines().want(&set);
        executor.pipelines().want(&set);
    }
    let start = Instant::now();
    while executor.pipelines().stats().failed < 2 && start.elapsed() < Duration::from_secs(60) {
        executor.poll().unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    let failures = executor.pipelines().take_failures();
    assert_eq!(failures.len(), 1, "only a kernel alone makes requests fail");
    assert_eq!((failures[0].0, failures[0].1.kind()), (bad, ErrorKind::Kernel));
    assert!(executor.pipelines().failure(bad).is_some() && executor.pipelines().failure(other).is_none());

    let bundles =
        vec![EncodedBundle { lanes: vec![lane(other, memory.base(), memory.base(), 64, 0)], ..Default::default() }];
    let error = executor.submit(Work { bundles, ..work(0) }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert_eq!(executor.in_flight(), 0);
    executor.free(memory);
}

#[test]
fn sets_that_bind_too_much_are_never_tried() {
    let mut executor = executor(
        shared(wgpu::Features::empty(), 4),
        ExecutorOptions { segment_bytes: Some(256), ..Default::default() },
    );
    assert_eq!(executor.caps().max_segments, 3);
    let a = executor.intern(affine(1, heap(0), heap(1)));
    let b = executor.intern(affine(1, heap(2), heap(3)));
    let c = executor.intern(affine(1, heap(1), heap(2)));
    assert!(!executor.pipelines().compatible(a, b));
    assert!(executor.pipelines().compatible(a, c));
    executor.pipelines().want(&[a, b]);
    let stats = executor.pipelines().stats();
    assert_eq!(stats.waiting + stats.compiling, 0);
}

/// An app's device with these features, `storage_buffers` of them, and otherwise default limits.
fn shared(features: wgpu::Features, storage_buffers: u32) -> Gpu {
    let adapter = adapter::choose(&AdapterOptions::default()).unwrap();
    let limits = wgpu::Limits { max_storage_buffers_per_shader_stage: storage_buffers, ..Default::default() };
    let (device, queue) = device::request(&adapter, features, limits).unwrap();
    Gpu::from_device(adapter, device, queue).unwrap()
}

fn run_once(executor: &mut Executor, factor: u32) -> Finished {
    let memory = executor.allocate(256).unwrap();
    let kernel = single(executor, affine(factor, memory.segment(), memory.segment()));
    let at = memory.base();
    let bundles =
        (0..2).map(|_| EncodedBundle { lanes: vec![lane(kernel, at, at, 64, 1)], ..Default::default() }).collect();
    let uploads = vec![upload(&memory, &[10; 64])];
    executor.submit(Work { uploads, bundles, downloads: vec![download(&memory, 256, 0)], ..work(1) }).unwrap();
    executor.free(memory);
    let finished = drain(executor).pop().unwrap();
    assert_eq!(words(&finished.downloads[0].1), [(10 * factor + 1) * factor + 1; 64]);
    finished
}

#[test]
fn a_device_with_default_limits_and_no_features_works() {
    let mut executor = executor(shared(wgpu::Features::empty(), 8), ExecutorOptions::default());
    let caps = executor.caps();
    assert_eq!((caps.max_segments, caps.timestamps, caps.pipeline_cache), (7, Timestamps::None, false));
    assert!(!caps.words, "7 buffers are too few for segments that are bound twice");
    assert_eq!(caps.max_segment_bytes, 128 << 20);
    let finished = run_once(&mut executor, 3);
    assert_eq!((finished.bundle_nanos, finished.span), (None, None));
}

#[test]
fn timestamps_come_per_bundle_or_per_submission() {
    let all = adapter::choose(&AdapterOptions::default()).unwrap().features();
    let grades = [
        wgpu::Features::TIMESTAMP_QUERY,
        wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS
            | wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES,
    ];
    for features in grades.into_iter().filter(|features| all.contains(*features)) {
        let mut executor = executor(shared(features, 8), ExecutorOptions::default());
        let start = Instant::now();
        let finished = run_once(&mut executor, 2);
        let most = start.elapsed().as_nanos() as u64;
        let total = finished.gpu_nanos().unwrap();
        assert!(total > 0 && total <= most, "{total} of {most} ns");
        match executor.caps().timestamps {
            Timestamps::Bundle => {
                let bundles = finished.bundle_nanos.unwrap();
                assert_eq!(bundles.len(), 2);
                let sum: u64 = bundles.iter().sum();
                assert!(sum.abs_diff(total) <= 4, "{bundles:?} against {total}");
            }
            grade => assert!(grade == Timestamps::Pass && finished.bundle_nanos.is_none()),
        }
    }
}

#[test]
fn two_executors_work_side_by_side() {
    std::thread::scope(|scope| {
        for factor in [2, 5] {
            scope.spawn(move || {
                let mut executor = executor(gpu(), ExecutorOptions::default());
                for _ in 0..3 {
                    run_once(&mut executor, factor);
                }
            });
        }
    });
}

#[test]
fn neither_poll_nor_wait_blocks_on_a_shared_device() {
    let mut executor = executor(shared(wgpu::Features::empty(), 8), ExecutorOptions::default());
    let words_in = 8 << 20;
    let memory = executor.allocate(words_in * 4).unwrap();
    let kernel = single(&mut executor, affine(3, memory.segment(), memory.segment()));
    let at = memory.base();
    let bundles = (0..20)
        .map(|_| EncodedBundle { lanes: vec![lane(kernel, at, at, words_in as u32, 1)], ..Default::default() })
        .collect();
    let start = Instant::now();
    executor.submit(Work { bundles, ..work(1) }).unwrap();
    let mut polls = 0;
    while executor.poll().unwrap().is_empty() {
        executor.wait(Duration::from_secs(100)).unwrap();
        polls += 1;
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    // The work takes tens of milliseconds at the least, a blocking wait would need one turn.
    assert!(polls > 5, "{polls} polls in {:?}", start.elapsed());
    executor.free(memory);
}

#[test]
fn steady_state_makes_no_buffers() {
    let mut executor = executor(gpu(), ExecutorOptions::default());
    run_once(&mut executor, 2);
    run_once(&mut executor, 2);
    let before = executor.memory();
    for _ in 0..20 {
        run_once(&mut executor, 2);
    }
    assert_eq!(executor.memory(), before);
}

#[test]
fn work_without_room_for_staging_leaves_nothing_behind() {
    let adapter = adapter::choose(&AdapterOptions::default()).unwrap();
    let limits = wgpu::Limits { max_buffer_size: 2 << 20, ..Default::default() };
    let (device, queue) = device::request(&adapter, wgpu::Features::empty(), limits).unwrap();
    let small = Gpu::from_device(adapter, device, queue).unwrap();
    let few = ExecutorOptions { staging_bytes: Some(2 << 20), ..Default::default() };
    for (gpu, options) in [(small, ExecutorOptions::default()), (gpu(), few)] {
        let mut executor = executor(gpu, options);
        let a = executor.allocate(1 << 20).unwrap();
        let b = executor.allocate(1 << 20).unwrap();
        run_once(&mut executor, 2);
        executor.trim();
        let before = executor.memory();
        let words = vec![7; 1 << 18];
        let uploads = || [&a, &b, &a].map(|to| upload(to, &words)).to_vec();
        let downloads = || [&a, &b, &a].map(|from| download(from, 1 << 20, 0)).to_vec();
        for (uploads, downloads) in [(uploads(), Vec::new()), (Vec::new(), downloads()), (uploads(), downloads())] {
            let error = executor.submit(Work { uploads, downloads, ..work(0) }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
            assert!(error.message().contains("3145728"), "{error}");
            assert_eq!(executor.in_flight(), 0);
        }
        executor.trim();
        assert_eq!(executor.memory(), before);
        let (uploads, downloads) = (vec![upload(&a, &words)], vec![download(&a, 1 << 20, 3)]);
        executor.submit(Work { uploads, downloads, ..work(1) }).unwrap();
        assert_eq!(drain(&mut executor).pop().unwrap().downloads, [(3, bytes(&words).to_vec())]);
        run_once(&mut executor, 3);
        [a, b].into_iter().for_each(|allocation| executor.free(allocation));
    }
}

#[test]
fn a_lost_device_gives_errors_not_panics() {
    for gpu in [gpu(), shared(wgpu::Features::empty(), 8)] {
        let device = gpu.device.clone();
        let shared = gpu.is_shared();
        let mut executor = executor(gpu, ExecutorOptions::default());
        run_once(&mut executor, 2);
        let memory = executor.allocate(256).unwrap();
        device.destroy();
        let mut failed = None;
        for id in 0..100 {
            let submit = executor.submit(Work { downloads: vec![download(&memory, 256, 0)], ..work(id) });
            failed = submit.err().or_else(|| executor.poll().err());
            if failed.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let failed = failed.unwrap_or_else(|| panic!("no error on a lost device (shared: {shared})"));
        assert_eq!(failed.kind(), ErrorKind::Device, "{failed} (shared: {shared})");
        let again = executor.submit(work(200)).and_then(|()| executor.poll().map(|_| ()));
        assert!(again.is_err(), "shared: {shared}");
        assert!(executor.upload_weights(&[bytes(&[1])]).is_err());
    }
}

#[test]
fn broken_work_is_refused_and_harms_nothing() {
    let mut executor = executor(gpu(), ExecutorOptions::default());
    let memory = executor.allocate(256).unwrap();
    let far = Download { segment: memory.segment(), offset: 1 << 40, bytes: 4, tag: 0 };
    let nothing = Download { segment: heap(9), offset: 0, bytes: 4, tag: 0 };
    for downloads in [vec![far], vec![nothing]] {
        assert!(executor.submit(Work { downloads, ..work(0) }).is_err());
    }
    executor.free(memory);
    run_once(&mut executor, 4);
}

#[test]
fn compiled_pipelines_are_kept_on_disk_and_a_damaged_file_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let options = || ExecutorOptions { cache_dir: Some(folder.path().join("cache")), ..Default::default() };
    if !gpu().caps().pipeline_cache {
        return;
    }
    let files = || -> Vec<_> {
        std::fs::read_dir(folder.path().join("cache")).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut first = executor(gpu(), options());
    run_once(&mut first, 6);
    drop(first);
    assert_eq!(files().len(), 1, "{:?}", files());
    for damage in [None, Some(b"rubbish".as_slice())] {
        if let Some(damage) = damage {
            std::fs::write(&files()[0], damage).unwrap();
        }
        run_once(&mut executor(gpu(), options()), 6);
        assert_eq!(files().len(), 1);
    }
    assert!(std::fs::metadata(&files()[0]).unwrap().len() > 24, "the damaged file was replaced");
}
