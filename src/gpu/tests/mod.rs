//! The executor on a real device.

mod memory;

use std::time::{Duration, Instant};

use super::testing::*;
use super::*;
use crate::error::ErrorKind;
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
