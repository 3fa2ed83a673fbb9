//! Memory that grows under load and holds what was written; its cap; weights.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::link::{SegmentId, SegmentKind};

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
