//! One buffer of the heap or of the weight segments, and its moves into larger and smaller ones.
//!
//! A move is a copy on the device in queue order: submissions before it still see the old buffer, which wgpu keeps until they are
//! done, and later ones the new. No host memory takes part and nobody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::alloc::RangeAllocator;
use super::device::Gpu;
use super::fault::scoped;
use super::memory::MemoryStats;
use crate::error::Result;

/// A buffer and what of it is handed out.
#[derive(Debug)]
pub(super) struct Segment {
    buffer: wgpu::Buffer,
    pub(super) ranges: RangeAllocator,
}

impl Segment {
    pub(super) fn buffer(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}

/// Makes segments and moves them.
#[derive(Debug)]
pub(super) struct Mover {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// Bytes of buffers that the device has not finished copying from.
    outgrown: Arc<AtomicU64>,
    moves: u64,
    moved_bytes: u64,
    refused: u64,
}

impl Mover {
    pub(super) fn new(gpu: &Gpu) -> Self {
        let (device, queue) = (gpu.device.clone(), gpu.queue.clone());
        Mover { device, queue, outgrown: Arc::default(), moves: 0, moved_bytes: 0, refused: 0 }
    }

    /// The part of the counts that is about moves.
    pub(super) fn stats(&self) -> MemoryStats {
        let Self { moves, moved_bytes, refused, .. } = *self;
        MemoryStats { outgrown: self.outgrown(), moves, moved_bytes, refused_moves: refused, ..Default::default() }
    }

    pub(super) fn outgrown(&self) -> u64 {
        self.outgrown.load(Ordering::Relaxed)
    }

    /// Notes that a segment did not grow for want of room.
    pub(super) fn refuse(&mut self) {
        self.refused += 1;
        tracing::debug!(refused = self.refused, "no room to grow a memory segment: another is begun");
    }

    /// A segment of `size` bytes, all free.
    ///
    /// # Errors
    /// `Memory` if the device has no room.
    pub(super) fn create(&self, label: &str, size: u64) -> Result<Segment> {
        Ok(Segment { buffer: self.buffer(label, size)?, ranges: RangeAllocator::new(size) })
    }

    fn buffer(&self, label: &str, size: u64) -> Result<wgpu::Buffer> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        scoped(&self.device, &format!("a buffer of {size} bytes"), || self.device.create_buffer(&descriptor))
    }

    /// Moves a segment into a buffer of `size` bytes, which holds at least what is handed out.
    ///
    /// # Errors
    /// `Memory` if the device has no room, `Device` if it failed. The segment is then as before.
    pub(super) fn resize(&mut self, segment: &mut Segment, label: &str, size: u64) -> Result<()> {
        let (old, end) = (segment.ranges.capacity(), segment.ranges.end());
        let buffer = self.buffer(label, size)?;
        scoped(&self.device, "a move of device memory", || {
            let mut encoder = self.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&segment.buffer, 0, &buffer, 0, end);
            self.queue.submit([encoder.finish()]);
        })?;
        self.outgrown.fetch_add(old, Ordering::Relaxed);
        let outgrown = self.outgrown.clone();
        self.queue.on_submitted_work_done(move || {
            outgrown.fetch_sub(old, Ordering::Relaxed);
        });
        segment.buffer = buffer;
        segment.ranges.resize(size);
        self.moves += 1;
        self.moved_bytes += end;
        tracing::debug!(label, old, size, copied = end, "memory segment moved");
        Ok(())
    }
}
