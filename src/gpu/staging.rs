//! Upload and read-back buffers, used again and again: in steady state none is created.

use std::sync::mpsc;

use super::fault::scoped;
use crate::error::{Error, ErrorKind, Result};

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Host to device: free buffers are mapped for writing.
    Upload,
    /// Device to host: free buffers are unmapped.
    ReadBack,
}

/// Smallest buffer; a submission's tables and small inputs fit.
const MIN_BYTES: u64 = 64 << 10;
/// Free buffers beyond these bytes are released, largest first.
const KEEP_BYTES: u64 = 64 << 20;

/// A pool of host-visible buffers for one direction.
#[derive(Debug)]
pub(super) struct StagingPool {
    device: wgpu::Device,
    direction: Direction,
    free: Vec<wgpu::Buffer>,
    reserved: u64,
    /// The most bytes of one buffer, and of all.
    limits: (u64, u64),
    send: mpsc::Sender<(wgpu::Buffer, bool)>,
    mapped: mpsc::Receiver<(wgpu::Buffer, bool)>,
}

impl StagingPool {
    /// A pool of at most `limit` bytes.
    pub(super) fn new(device: wgpu::Device, direction: Direction, limit: Option<u64>) -> Self {
        let (send, mapped) = mpsc::channel();
        let largest = device.limits().max_buffer_size / wgpu::COPY_BUFFER_ALIGNMENT * wgpu::COPY_BUFFER_ALIGNMENT;
        let limits = (largest, limit.unwrap_or(u64::MAX));
        StagingPool { device, direction, free: Vec::new(), reserved: 0, limits, send, mapped }
    }

    /// Bytes of all buffers, in use or free.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Bytes of the buffers in use.
    pub(super) fn busy(&self) -> u64 {
        self.reserved - self.free.iter().map(wgpu::Buffer::size).sum::<u64>()
    }

    /// A buffer of at least `bytes`, mapped if it is for uploads.
    ///
    /// # Errors
    /// `Memory` if the device has no room.
    pub(super) fn take(&mut self, bytes: u64) -> Result<wgpu::Buffer> {
        self.collect();
        let fits = |buffer: &wgpu::Buffer| buffer.size() >= bytes;
        let best = self.free.iter().enumerate().filter(|(_, b)| fits(b)).min_by_key(|(_, b)| b.size());
        if let Some((index, _)) = best {
            return Ok(self.free.swap_remove(index));
        }
        let (largest, _) = self.limits;
        if bytes > largest {
            return Err(Error::memory(format!(
                "a submission's {bytes} bytes of staging exceed the device's buffer limit of {largest} bytes"
            )));
        }
        let size = bytes.max(MIN_BYTES).checked_next_power_of_two().map_or(bytes, |size| size.min(largest));
        match self.create(size) {
            // What is too small for this one, and a power of two, are more than there is room for.
            Err(error) if error.kind() == ErrorKind::Memory => {
                self.trim();
                self.create(bytes)
            }
            made => made,
        }
    }

    fn create(&mut self, size: u64) -> Result<wgpu::Buffer> {
        let (_, most) = self.limits;
        if self.reserved.saturating_add(size) > most {
            let reserved = self.reserved;
            return Err(Error::memory(format!(
                "no room for {size} bytes of staging: of {most} bytes {reserved} are in use"
            )));
        }
        let (usage, label) = match self.direction {
            Direction::Upload => (wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC, "fascine upload"),
            Direction::ReadBack => (wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST, "fascine read-back"),
        };
        let mapped_at_creation = self.direction == Direction::Upload;
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation };
        let buffer = scoped(&self.device, &format!("a staging buffer of {size} bytes"), || {
            self.device.create_buffer(&descriptor)
        })?;
        self.reserved += size;
        Ok(buffer)
    }

    /// Takes back a buffer that the device has no further use for after what has been submitted.
    pub(super) fn give_back(&mut self, buffer: wgpu::Buffer) {
        match self.direction {
            Direction::ReadBack => self.keep(buffer),
            Direction::Upload => {
                let send = self.send.clone();
                let handle = buffer.clone();
                buffer.map_async(wgpu::MapMode::Write, .., move |result| {
                    // The pool may be gone by then.
                    let _ = send.send((handle, result.is_ok()));
                });
            }
        }
    }

    /// Forgets a buffer that failed.
    pub(super) fn discard(&mut self, buffer: &wgpu::Buffer) {
        self.reserved -= buffer.size();
    }

    /// Takes in the upload buffers that the device is done with.
    pub(super) fn collect(&mut self) {
        while let Ok((buffer, good)) = self.mapped.try_recv() {
            if good {
                self.keep(buffer);
            } else {
                self.discard(&buffer);
            }
        }
    }

    /// Releases the buffers that nothing uses.
    pub(super) fn trim(&mut self) {
        self.collect();
        for buffer in std::mem::take(&mut self.free) {
            self.discard(&buffer);
        }
    }

    fn keep(&mut self, buffer: wgpu::Buffer) {
        self.free.push(buffer);
        while self.free.iter().map(wgpu::Buffer::size).sum::<u64>() > KEEP_BYTES {
            let largest = self.free.iter().enumerate().max_by_key(|(_, b)| b.size()).map(|(index, _)| index);
            let Some(index) = largest else { return };
            let buffer = self.free.swap_remove(index);
            self.discard(&buffer);
        }
    }
}

/// Copies move whole words.
pub(super) fn words_up(bytes: u64) -> u64 {
    bytes.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT)
}

/// Writes runs of bytes into a mapped buffer, one after the other, each filled up to whole words.
pub(super) struct Filler<'a> {
    buffer: &'a wgpu::Buffer,
    view: wgpu::BufferViewMut,
    at: usize,
}

impl<'a> Filler<'a> {
    pub(super) fn new(buffer: &'a wgpu::Buffer, total: u64) -> Result<Self> {
        let view = buffer
            .get_mapped_range_mut(..total)
            .map_err(|error| Error::device(format!("an upload buffer is not mapped: {error}")))?;
        Ok(Filler { buffer, view, at: 0 })
    }

    /// Gives where the bytes are, and how many with what fills them up.
    pub(super) fn put(&mut self, bytes: &[u8]) -> (u64, u64) {
        let start = self.at;
        let padded = words_up(bytes.len() as u64) as usize;
        self.view.slice(start..start + bytes.len()).copy_from_slice(bytes);
        if padded > bytes.len() {
            self.view.slice(start + bytes.len()..start + padded).copy_from_slice(&[0; 3][..padded - bytes.len()]);
        }
        self.at += padded;
        (start as u64, padded as u64)
    }

    pub(super) fn finish(self) {
        let Filler { buffer, view, .. } = self;
        drop(view);
        buffer.unmap();
    }
}
