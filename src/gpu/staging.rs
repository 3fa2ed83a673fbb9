//! Upload and read-back buffers, used again and again: in steady state none is created.

use std::sync::mpsc;

use super::driver::driver;
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

/// Smallest buffer where there is room; a submission's tables and small inputs fit.
const MIN_BYTES: u64 = 64 << 10;
/// Smallest buffer where there is none: the timestamps of a submission fit.
const LEAST_BYTES: u64 = 4 << 10;
/// Bytes beyond those promised that are kept for lane tables.
const TABLE_BYTES: u64 = 64 << 10;
/// Free buffers beyond these bytes are released, largest first.
const KEEP_BYTES: u64 = 64 << 20;

/// A pool of host-visible buffers for one direction.
#[derive(Debug)]
pub(super) struct StagingPool {
    device: wgpu::Device,
    direction: Direction,
    free: Vec<wgpu::Buffer>,
    /// Memory of lists of buffers, to be used again.
    lists: Vec<Vec<wgpu::Buffer>>,
    reserved: u64,
    /// Bytes that are sure to be had once nothing is in flight: the buffers hold so many.
    promised: u64,
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
        StagingPool {
            device,
            direction,
            free: Vec::new(),
            lists: Vec::new(),
            reserved: 0,
            promised: 0,
            limits,
            send,
            mapped,
        }
    }

    /// Bytes of all buffers, in use or free.
    pub(super) fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Bytes of the buffers in use.
    pub(super) fn busy(&self) -> u64 {
        self.reserved - self.free.iter().map(wgpu::Buffer::size).sum::<u64>()
    }

    /// Sees to it that `bytes` more than are promised already can be had once nothing is in flight, whatever others are given then.
    ///
    /// # Errors
    /// `Memory` if the device has no room. Nothing is promised then.
    pub(super) fn promise(&mut self, bytes: u64) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.collect();
        let wanted = self.promised.saturating_add(bytes).saturating_add(TABLE_BYTES);
        if let Some(missing) = wanted.checked_sub(self.reserved).filter(|&missing| missing > 0) {
            let (largest, most) = self.limits;
            let rounded = missing.max(MIN_BYTES).checked_next_power_of_two().unwrap_or(missing).min(largest);
            let rounded = if self.reserved.saturating_add(rounded) <= most { rounded } else { missing };
            let mut left = rounded.max(missing);
            while left > 0 {
                let buffer = self.create(left.max(LEAST_BYTES).min(largest))?;
                left = left.saturating_sub(buffer.size());
                self.free.push(buffer);
            }
        }
        self.promised += bytes;
        Ok(())
    }

    /// Why so many bytes can never be promised, if that is so.
    pub(super) fn never_fits(&self, bytes: u64) -> Option<Error> {
        let (_, most) = self.limits;
        (bytes > 0 && bytes.saturating_add(TABLE_BYTES) > most).then(|| {
            Error::memory(format!("no room for {bytes} bytes of staging beside lane tables: there are {most}"))
        })
    }

    /// Takes back a promise that was kept or is not needed.
    pub(super) fn release(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
    }

    /// Buffers of at least `bytes` together, mapped if they are for uploads: one, unless there is no room for that.
    ///
    /// # Errors
    /// `Memory` if the device has no room now.
    pub(super) fn take_all(&mut self, bytes: u64) -> Result<Vec<wgpu::Buffer>> {
        match self.take(bytes) {
            Err(error) if error.kind() == ErrorKind::Memory => {
                if self.free.iter().map(wgpu::Buffer::size).sum::<u64>() < bytes {
                    return Err(error);
                }
                self.free.sort_by_key(wgpu::Buffer::size);
                let (mut taken, mut left) = (Vec::new(), bytes);
                while left > 0
                    && let Some(buffer) = self.free.pop()
                {
                    left = left.saturating_sub(buffer.size());
                    taken.push(buffer);
                }
                Ok(taken)
            }
            one => one.map(|buffer| {
                let mut list = self.lists.pop().unwrap_or_default();
                list.push(buffer);
                list
            }),
        }
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
                self.create(bytes.max(LEAST_BYTES))
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

    /// As [`StagingPool::give_back`], of all of a list.
    pub(super) fn give_back_all(&mut self, mut buffers: Vec<wgpu::Buffer>) {
        buffers.drain(..).for_each(|buffer| self.give_back(buffer));
        if buffers.capacity() > 0 {
            self.lists.push(buffers);
        }
    }

    /// Takes back a buffer that the device has no further use for after what has been submitted.
    pub(super) fn give_back(&mut self, buffer: wgpu::Buffer) {
        match self.direction {
            Direction::ReadBack => self.keep(buffer),
            Direction::Upload => {
                let send = self.send.clone();
                let handle = buffer.clone();
                let mapped = move |result: std::result::Result<(), wgpu::BufferAsyncError>| {
                    // The pool may be gone by then.
                    let _ = send.send((handle, result.is_ok()));
                };
                driver(|| buffer.map_async(wgpu::MapMode::Write, .., mapped));
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

    /// Releases the buffers that nothing uses, but for what is promised.
    pub(super) fn trim(&mut self) {
        self.collect();
        let least = self.least();
        let Self { free, reserved, .. } = self;
        free.retain(|buffer| {
            let goes = *reserved - buffer.size() >= least;
            *reserved -= if goes { buffer.size() } else { 0 };
            !goes
        });
    }

    /// Bytes that the buffers have to hold.
    fn least(&self) -> u64 {
        if self.promised == 0 { 0 } else { self.promised + TABLE_BYTES }
    }

    fn keep(&mut self, buffer: wgpu::Buffer) {
        self.free.push(buffer);
        while self.free.iter().map(wgpu::Buffer::size).sum::<u64>() > KEEP_BYTES {
            let largest = self.free.iter().enumerate().max_by_key(|(_, b)| b.size()).map(|(index, _)| index);
            let Some(index) = largest else { return };
            if self.reserved - self.free[index].size() < self.least() {
                return;
            }
            let buffer = self.free.swap_remove(index);
            self.discard(&buffer);
        }
    }
}

/// Where a run of bytes lies in buffers that stand for one: buffer, offset and length of each piece, in order.
pub(super) fn pieces(buffers: &[wgpu::Buffer], start: u64, bytes: u64) -> impl Iterator<Item = (usize, u64, u64)> + '_ {
    let mut base = 0;
    buffers.iter().enumerate().filter_map(move |(index, buffer)| {
        let (from, end) = (start.max(base), (start + bytes).min(base + buffer.size()));
        let piece = (from < end).then(|| (index, from - base, end - from));
        base += buffer.size();
        piece
    })
}

/// Copies move whole words.
pub(super) fn words_up(bytes: u64) -> u64 {
    bytes.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT)
}

/// Writes runs of bytes into mapped buffers, one after the other, each filled up to whole words.
pub(super) struct Filler<'a> {
    buffers: &'a [wgpu::Buffer],
    /// Of the first buffer, and of the others that are used.
    first: Option<wgpu::BufferViewMut>,
    others: Vec<wgpu::BufferViewMut>,
    at: u64,
}

impl<'a> Filler<'a> {
    pub(super) fn new(buffers: &'a [wgpu::Buffer], total: u64) -> Result<Self> {
        let mut filler = Filler { buffers, first: None, others: Vec::new(), at: 0 };
        for (index, _, _) in pieces(buffers, 0, total) {
            let before: u64 = buffers[..index].iter().map(wgpu::Buffer::size).sum();
            let view = driver(|| buffers[index].get_mapped_range_mut(..(total - before).min(buffers[index].size())))
                .map_err(|error| Error::device(format!("an upload buffer is not mapped: {error}")))?;
            match index {
                0 => filler.first = Some(view),
                _ => filler.others.push(view),
            }
        }
        Ok(filler)
    }

    /// Gives where the bytes are, and how many with what fills them up.
    pub(super) fn put(&mut self, bytes: &[u8]) -> (u64, u64) {
        let (start, padded) = (self.at, words_up(bytes.len() as u64));
        let mut rest = bytes;
        for (index, offset, length) in pieces(self.buffers, start, padded) {
            let (own, others) = rest.split_at(rest.len().min(length as usize));
            rest = others;
            let (offset, length) = (offset as usize, length as usize);
            let view = match index {
                0 => self.first.as_mut(),
                _ => self.others.get_mut(index - 1),
            };
            let Some(view) = view else { continue };
            view.slice(offset..offset + own.len()).copy_from_slice(own);
            if own.len() < length {
                view.slice(offset + own.len()..offset + length).copy_from_slice(&[0; 3][..length - own.len()]);
            }
        }
        self.at += padded;
        (start, padded)
    }

    pub(super) fn finish(self) {
        let Filler { buffers, first, others, .. } = self;
        let used = usize::from(first.is_some()) + others.len();
        driver(|| drop((first, others)));
        buffers[..used].iter().for_each(|buffer| driver(|| buffer.unmap()));
    }
}
