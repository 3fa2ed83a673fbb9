//! The memory that shaders see: heap segments for tensors, weight segments for weights.
//!
//! A segment is one buffer that grows on demand, up to what the device binds: a larger buffer takes its contents and its index, and
//! offsets stay what they were. There is mostly one of each kind. Another is begun where the first has reached the device's limit,
//! or where there is no room for both buffers while one is copied into the other (`segment`). Heap segments take the lower indices
//! and weight segments the upper ones, so that an index never changes its kind.
//!
//! New buffers are zero (wgpu sees to it), but a range that is used again still holds its last tenant's bytes. Nobody reads
//! them: a plan writes every element before it reads it, and a user's kernel is clamped to its own tensors, whose memory the
//! engine writes or clears first.
//!
//! A range may be freed while submissions still use it. Submissions run in order, so whatever its next owner uploads or
//! computes comes after; and a buffer that is dropped lives on in wgpu until they are done. The same order makes growth safe: the
//! copy comes after all that was submitted for the old buffer, and whatever names the new one comes after the copy.

use std::collections::BTreeMap;

use serde::Serialize;

use super::alloc::{GRAIN, grains};
use super::device::{Gpu, Vendor};
use super::segment::{Mover, Segment};
use crate::error::{Error, ErrorKind, Result};
use crate::link::{SegmentId, SegmentKind};

/// Segments 0 to 31 are heap segments; weight segments follow. Neither runs out before memory does, but for a heap of buffers apart.
const HEAP_SEGMENTS: usize = 32;
/// Guessed: holds several requests of a small model; growing costs little until it holds more.
const FIRST_HEAP_SEGMENT: u64 = 32 << 20;
/// On a CPU adapter the first use of a buffer sets all of it to zero, page by page: 128 MiB held up the first request by 200 to
/// 500 ms on llvmpipe, beside other work and not isolated.
const FIRST_CPU_HEAP_SEGMENT: u64 = 8 << 20;
/// Guessed: holds a small model without wasting much on it.
const FIRST_WEIGHT_SEGMENT: u64 = 8 << 20;
/// The most that a segment takes beyond what is asked for when it grows: few enough copies, and no gigabyte that nobody needs.
/// Guessed.
const MOST_SLACK: u64 = 256 << 20;

/// A range of a heap segment. It is given back with `Executor::free`; dropping it leaks the range.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Allocation {
    segment: SegmentId,
    base: u64,
    bytes: u64,
}

impl Allocation {
    /// The segment.
    pub fn segment(&self) -> SegmentId {
        self.segment
    }

    /// Bytes from the segment's start, a multiple of 256.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Bytes taken, at least as many as asked for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Where one weight lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightRange {
    /// The weight segment.
    pub segment: SegmentId,
    /// Bytes from the weight segment's start, a multiple of 256.
    pub base: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Weights that were loaded, and are freed, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightsId(u64);

/// Where the bytes are. "Used" is handed out, "reserved" is what the buffers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryStats {
    /// Bytes of the heap handed out.
    pub heap_used: u64,
    /// Bytes of all heap segments.
    pub heap_reserved: u64,
    /// Number of heap segments.
    pub heap_segments: usize,
    /// The largest allocation that needs no new segment.
    pub heap_largest_free: u64,
    /// Bytes of weights.
    pub weights_used: u64,
    /// Bytes of all weight segments.
    pub weights_reserved: u64,
    /// Number of weight segments.
    pub weight_segments: usize,
    /// Bytes of buffers that were outgrown and that the device has not finished copying from.
    pub outgrown: u64,
    /// How often a segment has been moved into a larger or smaller buffer.
    pub moves: u64,
    /// Bytes copied by that.
    pub moved_bytes: u64,
    /// How often a segment did not grow, though the device could bind it, for want of room for both buffers.
    pub refused_moves: u64,
    /// Bytes of upload, read-back and table buffers.
    pub staging: u64,
    /// The limit on the reserved bytes.
    pub cap: Option<u64>,
}

/// How the heap is divided among allocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeapLayout {
    /// Allocations share segments, so that dispatches of any requests can share a bundle.
    #[default]
    Shared,
    /// Every allocation is a buffer of its own, so that wgpu puts no barrier between dispatches of different requests. A
    /// baseline for benchmarks: a bundle cannot hold lanes of several requests, and at most 32 allocations live at a time.
    Apart,
}

/// All segments.
#[derive(Debug)]
pub(super) struct Memory {
    mover: Mover,
    segments: Vec<Option<Segment>>,
    weights: BTreeMap<WeightsId, Vec<Allocation>>,
    next_weights: u64,
    max_segment_bytes: u64,
    first_heap_segment: u64,
    cap: Option<u64>,
    layout: HeapLayout,
    /// Goes up whenever a segment gets another buffer or none.
    generation: u64,
}

/// Segments as shaders are linked with them: of each kind, numbered in the order in which they come. A kernel is then the same linked
/// kernel wherever its tensors lie, and [`EncodedBundle::bound`](super::work::EncodedBundle::bound) says what they are bound to.
pub fn linked_segments(segments: &[SegmentId]) -> Vec<SegmentId> {
    let mut seen: Vec<SegmentId> = Vec::new();
    segments
        .iter()
        .map(|&segment| {
            let same_kind = |other: &&SegmentId| other.kind == segment.kind;
            let first = match segment.kind {
                SegmentKind::Heap => 0,
                SegmentKind::Weights => HEAP_SEGMENTS,
            };
            let at = seen.iter().filter(same_kind).position(|&other| other == segment).unwrap_or_else(|| {
                seen.push(segment);
                seen.iter().filter(same_kind).count() - 1
            });
            SegmentId { index: (first + at) as u8, kind: segment.kind }
        })
        .collect()
}

fn label(index: usize) -> String {
    format!("fascine {:?} {index}", kind_of(index))
}

fn kind_of(index: usize) -> SegmentKind {
    if index < HEAP_SEGMENTS { SegmentKind::Heap } else { SegmentKind::Weights }
}

impl Memory {
    /// `segment_bytes` bounds segments below the device's limit.
    pub(super) fn new(gpu: &Gpu, cap: Option<u64>, segment_bytes: Option<u64>, layout: HeapLayout) -> Self {
        let caps = gpu.caps();
        let max_segment_bytes =
            caps.max_segment_bytes.min(segment_bytes.unwrap_or(u64::MAX)).max(GRAIN) / GRAIN * GRAIN;
        let segments = std::iter::repeat_with(|| None).take(caps.total_segments).collect();
        let first_heap_segment = match caps.class {
            Vendor::Cpu => FIRST_CPU_HEAP_SEGMENT,
            _ => FIRST_HEAP_SEGMENT,
        };
        Memory {
            mover: Mover::new(gpu),
            segments,
            weights: BTreeMap::new(),
            next_weights: 0,
            max_segment_bytes,
            first_heap_segment,
            cap,
            layout,
            generation: 0,
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn layout(&self) -> HeapLayout {
        self.layout
    }

    pub(super) fn buffer(&self, segment: SegmentId) -> Option<&wgpu::Buffer> {
        self.segments.get(usize::from(segment.index))?.as_ref().map(Segment::buffer)
    }

    pub(super) fn stats(&self, staging: u64) -> MemoryStats {
        let mut stats = MemoryStats { staging, cap: self.cap, ..self.mover.stats() };
        for (index, segment) in self.live() {
            let (used, reserved, count) = match kind_of(index) {
                SegmentKind::Heap => {
                    stats.heap_largest_free = stats.heap_largest_free.max(segment.ranges.largest_free());
                    (&mut stats.heap_used, &mut stats.heap_reserved, &mut stats.heap_segments)
                }
                SegmentKind::Weights => {
                    (&mut stats.weights_used, &mut stats.weights_reserved, &mut stats.weight_segments)
                }
            };
            *used += segment.ranges.used();
            *reserved += segment.ranges.capacity();
            *count += 1;
        }
        stats
    }

    fn live(&self) -> impl Iterator<Item = (usize, &Segment)> {
        self.segments.iter().enumerate().filter_map(|(index, segment)| Some((index, segment.as_ref()?)))
    }

    /// Whether a heap allocation of `bytes` could succeed if every other heap allocation were freed.
    pub(super) fn fits_ever(&self, bytes: u64) -> bool {
        let Some(bytes) = grains(bytes) else { return false };
        let weights = self.stats(0).weights_reserved;
        let room = self.cap.map_or(u64::MAX, |cap| cap.saturating_sub(weights));
        bytes <= self.max_segment_bytes.min(room)
    }

    /// Why heap allocations of these lengths could not be had together even if every other were freed, if that is so.
    pub(super) fn never_fits(&self, lengths: impl Iterator<Item = u64>) -> Option<Error> {
        let (cap, weights) = (self.cap.unwrap_or(u64::MAX), self.stats(0).weights_reserved);
        let mut total = 0u64;
        for bytes in lengths {
            let rounded = grains(bytes).filter(|&rounded| rounded <= self.max_segment_bytes);
            let Some(rounded) = rounded else { return Some(self.too_large("tensor memory", bytes)) };
            total = total.saturating_add(rounded);
        }
        (total > cap.saturating_sub(weights)).then(|| {
            Error::memory(format!(
                "no room for {total} bytes of tensor memory: the cap is {cap} bytes, and weights take {weights}"
            ))
        })
    }

    fn too_large(&self, what: &str, bytes: u64) -> Error {
        let limit = self.max_segment_bytes;
        Error::limit(format!("{what} of {bytes} bytes in one piece exceeds the device's buffer limit of {limit} bytes"))
    }

    /// Whether `bytes` of the heap could be had now, as far as can be told without moving anything: in one piece if one segment
    /// can hold them.
    pub(super) fn may_have(&self, bytes: u64) -> bool {
        if bytes == 0 {
            return true;
        }
        let Some(bytes) = grains(bytes.min(self.max_segment_bytes)) else { return false };
        let heap = self.live().filter(|(index, _)| kind_of(*index) == SegmentKind::Heap);
        if self.layout == HeapLayout::Apart || heap.into_iter().any(|(_, one)| one.ranges.largest_free() >= bytes) {
            return true;
        }
        // What trimming gives back at most.
        let idle = |(_, segment): (usize, &Segment)| match segment.ranges.is_empty() {
            true => segment.ranges.capacity(),
            false => segment.ranges.capacity().saturating_sub(2 * segment.ranges.end()),
        };
        self.room().saturating_add(self.live().map(idle).sum()) >= bytes
    }

    /// Takes `bytes` of a segment of that kind.
    ///
    /// # Errors
    /// `Limit` if no segment can be that large, `Memory` if there is no room now.
    pub(super) fn allocate(&mut self, kind: SegmentKind, bytes: u64) -> Result<Allocation> {
        let what = match kind {
            SegmentKind::Heap => "tensor memory",
            SegmentKind::Weights => "weights",
        };
        let rounded = grains(bytes).filter(|&rounded| rounded <= self.max_segment_bytes);
        let rounded = rounded.ok_or_else(|| self.too_large(what, bytes))?;
        if kind == SegmentKind::Heap && self.layout == HeapLayout::Apart {
            return self.allocate_apart(rounded, what);
        }
        if let Some(allocation) = self.take(kind, rounded) {
            return Ok(allocation);
        }
        if !self.enlarge(kind, rounded) {
            self.begin(kind, rounded, what)?;
        }
        self.take(kind, rounded).ok_or_else(|| Error::internal(format!("{what} of {rounded} bytes have no segment")))
    }

    /// Takes what a segment has free.
    fn take(&mut self, kind: SegmentKind, bytes: u64) -> Option<Allocation> {
        let segments = self.segments.iter_mut().enumerate().filter(|(index, _)| kind_of(*index) == kind);
        segments.filter_map(|(index, segment)| Some((index, segment.as_mut()?))).find_map(|(index, segment)| {
            let base = segment.ranges.allocate(bytes)?;
            Some(Allocation { segment: SegmentId { index: index as u8, kind }, base, bytes })
        })
    }

    /// Makes room for `bytes` more at the end of a segment, if one can be moved into a buffer that is large enough.
    fn enlarge(&mut self, kind: SegmentKind, bytes: u64) -> bool {
        let mut refused = false;
        for index in (0..self.segments.len()).filter(|&index| kind_of(index) == kind) {
            let Some(segment) = &self.segments[index] else { continue };
            if segment.ranges.is_empty() {
                // There is nothing to keep.
                self.release(index);
                continue;
            }
            let (capacity, least) = (segment.ranges.capacity(), segment.ranges.end() + bytes);
            if least > self.max_segment_bytes {
                continue;
            }
            // While it is copied there are both buffers. Half of the room that is left then stays for the other kind.
            let room = self.room().saturating_sub(self.mover.outgrown());
            let wanted = capacity.saturating_add(capacity.min(MOST_SLACK)).min(capacity.saturating_add(room / 2));
            let size = (wanted.min(self.max_segment_bytes) / GRAIN * GRAIN).min(room / GRAIN * GRAIN).max(least);
            refused = true;
            if least <= room && (self.resize(index, size) || size > least && self.resize(index, least)) {
                return true;
            }
        }
        if refused {
            self.mover.refuse();
        }
        false
    }

    /// Moves a segment into a buffer of that size. Whether the device gave one.
    fn resize(&mut self, index: usize, size: u64) -> bool {
        let Some(segment) = &mut self.segments[index] else { return false };
        match self.mover.resize(segment, &label(index), size) {
            Ok(()) => {
                self.generation += 1;
                true
            }
            Err(error) => {
                tracing::debug!(%error, index, size, "a memory segment stays as it is");
                false
            }
        }
    }

    /// Moves a segment that is nearly empty into a smaller buffer: then it has to grow to twice its size before that costs again.
    fn shrink(&mut self, index: usize) {
        let first = self.first(kind_of(index));
        let Some(segment) = &self.segments[index] else { return };
        let (capacity, end) = (segment.ranges.capacity(), segment.ranges.end());
        let size = (2 * end).max(first.min(self.max_segment_bytes));
        if end <= capacity / 4 && size <= capacity / 2 && size <= self.room() {
            self.resize(index, size);
        }
    }

    fn first(&self, kind: SegmentKind) -> u64 {
        match kind {
            SegmentKind::Heap => self.first_heap_segment,
            SegmentKind::Weights => FIRST_WEIGHT_SEGMENT,
        }
    }

    /// Takes the smallest empty segment that holds `bytes`, or makes one.
    fn allocate_apart(&mut self, bytes: u64, what: &str) -> Result<Allocation> {
        let kind = SegmentKind::Heap;
        let empty = self.live().filter(|(index, segment)| kind_of(*index) == kind && segment.ranges.is_empty());
        let mut empty: Vec<(u64, usize)> = empty.map(|(index, segment)| (segment.ranges.capacity(), index)).collect();
        empty.sort_unstable();
        let index = match empty.iter().find(|(capacity, _)| *capacity >= bytes) {
            Some(&(_, index)) => index,
            None => {
                let full = self.live().filter(|(index, _)| kind_of(*index) == kind).count() == HEAP_SEGMENTS;
                if let Some(&(_, index)) = empty.first().filter(|_| full) {
                    self.release(index);
                }
                self.begin(kind, bytes, what)?
            }
        };
        let segment = self.segments[index].as_mut().expect("a live segment, or one that was just begun");
        let base = segment.ranges.allocate(bytes).expect("it is empty and large enough");
        Ok(Allocation { segment: SegmentId { index: index as u8, kind }, base, bytes })
    }

    /// Makes a segment that holds `needed` bytes.
    fn begin(&mut self, kind: SegmentKind, needed: u64, what: &str) -> Result<usize> {
        if self.room() < needed {
            self.trim();
        }
        let room = self.room();
        if room < needed {
            let stats = self.stats(0);
            let cap = self.cap.unwrap_or(u64::MAX);
            return Err(Error::memory(format!(
                "no room for {needed} bytes of {what}: of the cap of {cap} bytes the heap holds {}, weights {}",
                stats.heap_reserved, stats.weights_reserved
            )));
        }
        let free = |(index, segment): (usize, &Option<Segment>)| {
            (kind_of(index) == kind && segment.is_none()).then_some(index)
        };
        let index = self.segments.iter().enumerate().find_map(free).ok_or_else(|| {
            Error::memory(format!("no room for {needed} bytes of {what}: all segments of the device are taken"))
        })?;
        let first = self.first(kind);
        // Half of the room stays for the other kind.
        let size = match (kind, self.layout) {
            (SegmentKind::Heap, HeapLayout::Apart) => needed,
            _ => first.min(self.max_segment_bytes).min(room / 2 / GRAIN * GRAIN).max(needed),
        };
        let segment = match self.mover.create(&label(index), size) {
            Err(error) if error.kind() == ErrorKind::Memory => {
                self.trim();
                self.mover.create(&label(index), needed)?
            }
            made => made?,
        };
        self.segments[index] = Some(segment);
        self.generation += 1;
        tracing::debug!(?kind, index, size, "new memory segment");
        Ok(index)
    }

    fn room(&self) -> u64 {
        let stats = self.stats(0);
        self.cap.map_or(u64::MAX, |cap| cap.saturating_sub(stats.heap_reserved + stats.weights_reserved))
    }

    /// Gives back an allocation. An empty weight segment goes at once, one that is nearly empty shrinks; one empty heap segment stays, for the
    /// next request.
    pub(super) fn free(&mut self, allocation: Allocation) {
        let Allocation { segment: SegmentId { index, kind }, base, bytes } = allocation;
        let index = usize::from(index);
        let Some(segment) = self.segments.get_mut(index).and_then(Option::as_mut) else { return };
        segment.ranges.free(base, bytes);
        if !segment.ranges.is_empty() {
            // What requests free, the next ones take again; models that go may not come back.
            if kind == SegmentKind::Weights {
                self.shrink(index);
            }
            return;
        }
        match kind {
            SegmentKind::Weights => self.release(index),
            SegmentKind::Heap if self.layout == HeapLayout::Apart => {}
            SegmentKind::Heap => {
                let second = |this: &Self| this.empty_segments().filter(|&i| kind_of(i) == SegmentKind::Heap).nth(1);
                while let Some(index) = second(self) {
                    self.release(index);
                }
            }
        }
    }

    fn empty_segments(&self) -> impl Iterator<Item = usize> {
        self.live().filter(|(_, segment)| segment.ranges.is_empty()).map(|(index, _)| index)
    }

    fn release(&mut self, index: usize) {
        self.segments[index] = None;
        self.generation += 1;
    }

    /// Releases every empty segment, and shrinks those that are nearly empty.
    pub(super) fn trim(&mut self) {
        let empty: Vec<usize> = self.empty_segments().collect();
        for index in empty {
            self.release(index);
        }
        if self.layout == HeapLayout::Shared {
            (0..self.segments.len()).for_each(|index| self.shrink(index));
        }
    }

    /// Takes memory for weights of these lengths: in one piece if they fit one weight segment, else in as few as their order allows.
    ///
    /// # Errors
    /// As [`Memory::allocate`]; nothing stays allocated then.
    pub(super) fn allocate_weights(&mut self, lengths: &[u64]) -> Result<(WeightsId, Vec<WeightRange>)> {
        let mut group: Vec<Allocation> = Vec::new();
        let mut ranges = Vec::with_capacity(lengths.len());
        let mut rest = lengths;
        while !rest.is_empty() {
            let (count, bytes) = self.run(rest);
            let (run, tail) = rest.split_at(count);
            rest = tail;
            match self.allocate(SegmentKind::Weights, bytes) {
                Ok(allocation) => {
                    let mut base = allocation.base;
                    for &bytes in run {
                        ranges.push(WeightRange { segment: allocation.segment, base, bytes });
                        base += grains(bytes).unwrap_or(0);
                    }
                    group.push(allocation);
                }
                Err(error) => {
                    for allocation in group {
                        self.free(allocation);
                    }
                    return Err(error);
                }
            }
        }
        let id = WeightsId(self.next_weights);
        self.next_weights += 1;
        self.weights.insert(id, group);
        Ok((id, ranges))
    }

    /// How many of these go into one piece, and its bytes.
    fn run(&self, lengths: &[u64]) -> (usize, u64) {
        let mut total = 0u64;
        for (count, &bytes) in lengths.iter().enumerate() {
            let sum =
                grains(bytes).and_then(|bytes| total.checked_add(bytes)).filter(|&sum| sum <= self.max_segment_bytes);
            match sum {
                Some(sum) => total = sum,
                // One that is too large alone goes alone, to be refused with its own size.
                None if count == 0 => return (1, bytes),
                None => return (count, total),
            }
        }
        (lengths.len(), total)
    }

    pub(super) fn free_weights(&mut self, id: WeightsId) {
        for allocation in self.weights.remove(&id).unwrap_or_default() {
            self.free(allocation);
        }
    }
}
