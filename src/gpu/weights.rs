//! Weights on their way into their segments.

use std::sync::Arc;

use super::executor::{Executor, NAP};
use super::fault::scoped;
use super::memory::{WeightRange, WeightsId};
use super::staging::{Filler, words_up};
use crate::error::Result;
use crate::link::SegmentId;

/// Weights go up in pieces of these bytes: on llvmpipe one takes the host well under a millisecond. Guessed.
const PIECE_BYTES: u64 = 1 << 20;
/// Bytes of weights in flight before a load waits for the device.
const BYTES_IN_FLIGHT: u64 = 16 << 20;

/// Weights that have their memory, and go up piece by piece.
#[derive(Debug)]
pub struct WeightLoad {
    id: WeightsId,
    blobs: Vec<Arc<[u8]>>,
    ranges: Vec<WeightRange>,
    /// What comes next: a blob, and bytes of it that are on their way.
    next: (usize, usize),
}

impl WeightLoad {
    /// What to free.
    pub fn id(&self) -> WeightsId {
        self.id
    }

    /// Where the weights lie.
    pub fn ranges(&self) -> &[WeightRange] {
        &self.ranges
    }

    /// Whether every piece is on its way: later submissions see the weights.
    pub fn done(&self) -> bool {
        self.next.0 == self.blobs.len()
    }
}

impl Executor {
    /// Takes memory for weights: in one segment if they fit, else in several.
    ///
    /// # Errors
    /// `Limit` if one weight exceeds a weight segment, `Memory` if there is no room, `Device` if the device failed.
    pub fn begin_weights(&mut self, blobs: Vec<Arc<[u8]>>) -> Result<WeightLoad> {
        self.gpu.fault.check()?;
        let lengths: Vec<u64> = blobs.iter().map(|blob| blob.len() as u64).collect();
        let allocated = self.memory.allocate_weights(&lengths);
        self.relieve();
        self.groups.sync(&self.memory);
        let (id, ranges) = allocated?;
        Ok(WeightLoad { id, blobs, ranges, next: (0, 0) })
    }

    /// Sends the next piece of a load, unless too much is on its way already. Never waits; gives whether it sent one.
    ///
    /// # Errors
    /// `Memory` if there is no room for staging, `Device` if the device failed. The weights are then to be freed.
    pub fn continue_weights(&mut self, load: &mut WeightLoad) -> Result<bool> {
        self.uploads.collect();
        if load.done() || self.uploads.busy() > BYTES_IN_FLIGHT {
            return Ok(false);
        }
        // (segment, offset, bytes) of the runs of one piece.
        let mut batch: Vec<(SegmentId, u64, &[u8])> = Vec::new();
        let mut room = PIECE_BYTES as usize;
        let (mut index, mut start) = load.next;
        while room >= 4 && index < load.blobs.len() {
            let rest = &load.blobs[index][start..];
            let run = &rest[..rest.len().min(room)];
            let WeightRange { segment, base, bytes: _ } = load.ranges[index];
            batch.push((segment, base + start as u64, run));
            room -= (words_up(run.len() as u64) as usize).min(room);
            (index, start) = if run.len() == rest.len() { (index + 1, 0) } else { (index, start + run.len()) };
        }
        self.send_batch(&batch)?;
        load.next = (index, start);
        Ok(true)
    }

    /// Puts weights into their segments at once. Later submissions see them.
    ///
    /// It waits for the device when too many bytes are on their way; on a shared device it only polls and sleeps.
    ///
    /// # Errors
    /// As [`Executor::begin_weights`] and [`Executor::continue_weights`].
    pub fn upload_weights(&mut self, blobs: &[Arc<[u8]>]) -> Result<(WeightsId, Vec<WeightRange>)> {
        let mut load = self.begin_weights(blobs.to_vec())?;
        while !load.done() {
            let sent =
                self.continue_weights(&mut load).and_then(|sent| if sent { Ok(()) } else { self.await_uploads() });
            if let Err(error) = sent {
                self.free_weights(load.id);
                return Err(error);
            }
        }
        Ok((load.id, load.ranges))
    }

    /// Frees weights. Submissions that use them may still be in flight.
    pub fn free_weights(&mut self, id: WeightsId) {
        self.memory.free_weights(id);
        self.groups.sync(&self.memory);
    }

    fn await_uploads(&mut self) -> Result<()> {
        let how = if self.gpu.shared { wgpu::PollType::Poll } else { wgpu::PollType::wait_indefinitely() };
        self.gpu.fault.poll(&self.gpu.device, how)?;
        if self.gpu.shared {
            std::thread::sleep(NAP);
        }
        Ok(())
    }

    fn send_batch(&mut self, batch: &[(SegmentId, u64, &[u8])]) -> Result<()> {
        let total: u64 = batch.iter().map(|(_, _, bytes)| words_up(bytes.len() as u64)).sum();
        if total == 0 {
            return Ok(());
        }
        let buffer = self.uploads.take(total)?;
        let filler = Filler::new(std::slice::from_ref(&buffer), total);
        let mut filler = filler.inspect_err(|_| self.uploads.discard(&buffer))?;
        let mut copies = Vec::with_capacity(batch.len());
        for &(segment, offset, bytes) in batch {
            copies.push((segment, offset, filler.put(bytes)));
        }
        filler.finish();
        let Self { gpu, memory, .. } = self;
        let sent = scoped(&gpu.device, "an upload of weights", || {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            for (segment, offset, (from, bytes)) in copies {
                if let Some(target) = memory.buffer(segment) {
                    encoder.copy_buffer_to_buffer(&buffer, from, target, offset, bytes);
                }
            }
            gpu.queue.submit([encoder.finish()])
        });
        self.uploads.give_back(buffer);
        sent.map(|index| self.watch(index))
    }
}
