//! Weights on their way into slabs.

use std::sync::Arc;

use super::executor::{Executor, NAP};
use super::fault::scoped;
use super::memory::{WeightPlace, WeightsId};
use super::staging::{Filler, words_up};
use crate::error::Result;
use crate::link::Slot;

/// Weights go up in pieces of these bytes.
const PIECE_BYTES: u64 = 8 << 20;
/// Bytes of weights in flight before a load waits for the device.
const PIECES_IN_FLIGHT: u64 = 64 << 20;

impl Executor {
    /// Puts weights into slabs: into one if they fit, else into several. Later submissions see them.
    ///
    /// A load waits for the device when too many of its bytes are on their way; on a shared device it only polls and sleeps.
    ///
    /// # Errors
    /// `Limit` if one weight exceeds a slab, `Memory` if there is no room, `Device` if the device failed.
    pub fn upload_weights(&mut self, blobs: &[Arc<[u8]>]) -> Result<(WeightsId, Vec<WeightPlace>)> {
        self.gpu.fault.check()?;
        let lengths: Vec<u64> = blobs.iter().map(|blob| blob.len() as u64).collect();
        let allocated = self.memory.allocate_weights(&lengths);
        self.relieve();
        self.groups.sync(&self.memory);
        let (id, places) = allocated?;
        match self.send_weights(blobs, &places) {
            Ok(()) => Ok((id, places)),
            Err(error) => {
                self.free_weights(id);
                Err(error)
            }
        }
    }

    /// Frees weights. Submissions that use them may still be in flight.
    pub fn free_weights(&mut self, id: WeightsId) {
        self.memory.free_weights(id);
        self.groups.sync(&self.memory);
    }

    fn send_weights(&mut self, blobs: &[Arc<[u8]>], places: &[WeightPlace]) -> Result<()> {
        // (slot, offset, bytes) of one piece.
        let mut batch: Vec<(Slot, u64, &[u8])> = Vec::new();
        let mut room = PIECE_BYTES;
        for (blob, place) in blobs.iter().zip(places) {
            let mut offset = place.base;
            let mut rest: &[u8] = blob;
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(rest.len().min(room as usize));
                batch.push((place.slot, offset, piece));
                offset += piece.len() as u64;
                rest = tail;
                room -= words_up(piece.len() as u64).min(room);
                if room < 4 {
                    self.send_batch(&batch)?;
                    batch.clear();
                    room = PIECE_BYTES;
                }
            }
        }
        self.send_batch(&batch)
    }

    fn send_batch(&mut self, batch: &[(Slot, u64, &[u8])]) -> Result<()> {
        let total: u64 = batch.iter().map(|(_, _, bytes)| words_up(bytes.len() as u64)).sum();
        if total == 0 {
            return Ok(());
        }
        while self.uploads.busy() > PIECES_IN_FLIGHT {
            let how = if self.gpu.shared { wgpu::PollType::Poll } else { wgpu::PollType::wait_indefinitely() };
            self.gpu.fault.poll(&self.gpu.device, how)?;
            self.uploads.collect();
            if self.gpu.shared {
                std::thread::sleep(NAP);
            }
        }
        let buffer = self.uploads.take(total)?;
        let mut filler = Filler::new(&buffer, total).inspect_err(|_| self.uploads.discard(&buffer))?;
        let mut copies = Vec::with_capacity(batch.len());
        for &(slot, offset, bytes) in batch {
            copies.push((slot, offset, filler.put(bytes)));
        }
        filler.finish();
        let Self { gpu, memory, .. } = self;
        let sent = scoped(&gpu.device, "an upload of weights", || {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            for (slot, offset, (from, bytes)) in copies {
                if let Some(target) = memory.buffer(slot) {
                    encoder.copy_buffer_to_buffer(&buffer, from, target, offset, bytes);
                }
            }
            gpu.queue.submit([encoder.finish()]);
        });
        self.uploads.give_back(buffer);
        sent
    }
}
