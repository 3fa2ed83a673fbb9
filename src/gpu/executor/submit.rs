//! From [`Work`] to a command buffer: lane tables, staging, passes, and who is told when it is done.

use super::{Executor, Promise, Sent, read_bytes};
use crate::error::{Error, Result};
use crate::gpu::driver::driver;
use crate::gpu::fault::scoped;
use crate::gpu::staging::{Filler, pieces, words_up};
use crate::gpu::tables::BundleTable;
use crate::gpu::timing::Timer;
use crate::gpu::work::{EncodedBundle, Upload, Work};
use crate::schedule::KernelId;

impl Executor {
    /// Sends work to the device. Never waits.
    ///
    /// # Errors
    /// As [`Executor::submit_ref`].
    pub fn submit(&mut self, work: Work) -> Result<()> {
        self.submit_ref(&work)
    }

    /// Sends work to the device. Never waits.
    ///
    /// # Errors
    /// `Internal` if a bundle has no ready pipeline or breaks the rules of its fields, `Memory` if there is no room for staging,
    /// `Limit` if its lane tables exceed what the device binds, `Device` if the device failed. Nothing of the work has run
    /// then, and nothing of it is kept.
    pub fn submit_ref(&mut self, work: &Work) -> Result<()> {
        let (index, read_back, timer) = self.send(work)?;
        self.watch_for(work, index, read_back, timer);
        Ok(())
    }

    fn send(&mut self, work: &Work) -> Result<(wgpu::SubmissionIndex, Vec<wgpu::Buffer>, Option<Timer>)> {
        let _span = tracing::trace_span!("submit", submission = work.id.0, bundles = work.bundles.len()).entered();
        self.gpu.fault.check()?;
        let mut bundles = std::mem::take(&mut self.bundle_tables);
        bundles.clear();
        let sent = self.write_tables(&work.bundles, &mut bundles).and_then(|()| self.send_bundles(work, &bundles));
        self.bundle_tables = bundles;
        sent
    }

    fn send_bundles(
        &mut self,
        work: &Work,
        bundles: &[BundleTable],
    ) -> Result<(wgpu::SubmissionIndex, Vec<wgpu::Buffer>, Option<Timer>)> {
        let table_bytes = (self.writer.words().len() * 4) as u64;
        let timer = self.timers.take(work.bundles.len())?;
        match self.encode(work, bundles, table_bytes, timer.as_ref(), read_bytes(timer.as_ref(), &work.downloads)) {
            Ok((index, read_back)) => Ok((index, read_back, timer)),
            Err(error) => {
                if let Some(timer) = timer {
                    self.timers.finish(timer, &[]);
                }
                Err(error)
            }
        }
    }

    /// Has it told when a submission is done and its results are mapped.
    fn watch_for(
        &mut self,
        work: &Work,
        index: wgpu::SubmissionIndex,
        read_back: Vec<wgpu::Buffer>,
        timer: Option<Timer>,
    ) {
        let serial = self.serial;
        self.serial += 1;
        let total = read_bytes(timer.as_ref(), &work.downloads);
        for (at, _, _) in pieces(&read_back, 0, total) {
            let before: u64 = read_back[..at].iter().map(wgpu::Buffer::size).sum();
            let used = (total - before).min(read_back[at].size());
            let send = self.send.clone();
            let mapped = move |result: std::result::Result<(), wgpu::BufferAsyncError>| {
                // The executor may be gone by then.
                let _ = send.send((serial, result.is_ok()));
            };
            driver(|| read_back[at].map_async(wgpu::MapMode::Read, ..used, mapped));
        }
        if read_back.is_empty() {
            let send = self.send.clone();
            let done = move || {
                let _ = send.send((serial, true));
            };
            driver(|| self.gpu.queue.on_submitted_work_done(done));
        }
        self.watch(index.clone());
        self.release(Promise::of(work));
        let mut downloads = self.spare_downloads.pop().unwrap_or_default();
        downloads.extend_from_slice(&work.downloads);
        let id = work.id;
        let left = read_back.len().max(1);
        self.in_flight.push_back(Sent { id, serial, index, read_back, timer, downloads, left });
    }

    fn write_tables(&mut self, bundles: &[EncodedBundle], tables: &mut Vec<BundleTable>) -> Result<()> {
        let alignment = self.gpu.caps().table_alignment;
        self.writer.clear();
        for bundle in bundles {
            bundle.lanes.iter().try_for_each(|(kernel, lane)| self.store.check(*kernel, lane))?;
            kernels_of(bundle, &mut self.kernels);
            let ready = self.store.pipeline(&self.kernels)?;
            let unknown = |kernel| Error::internal(format!("{kernel:?} is not in the pipeline of its bundle"));
            let case = |kernel| ready.case(kernel).ok_or_else(|| unknown(kernel));
            tables.push(self.writer.push(bundle, alignment, case)?);
        }
        Ok(())
    }

    fn encode(
        &mut self,
        work: &Work,
        bundles: &[BundleTable],
        table_bytes: u64,
        timer: Option<&Timer>,
        read_bytes: u64,
    ) -> Result<(wgpu::SubmissionIndex, Vec<wgpu::Buffer>)> {
        for (what, segment) in work.uploads.iter().map(|u| ("upload to", u.segment)).chain(
            work.downloads
                .iter()
                .map(|d| ("download from", d.segment))
                .chain(work.clears.iter().map(|c| ("clear of", c.segment))),
        ) {
            if self.memory.buffer(segment).is_none() {
                return Err(Error::internal(format!("{what} segment {segment:?}, which holds nothing")));
            }
        }
        let longest = bundles.iter().zip(bundles.iter().skip(1)).map(|(a, b)| b.offset - a.offset).max().unwrap_or(0);
        let last = bundles.last().map_or(0, |bundle| table_bytes - u64::from(bundle.offset));
        let (table, fresh) = self.tables.next(table_bytes, last.max(longest.into()))?;
        if fresh {
            self.groups.clear();
        }

        let upload_bytes: u64 = work.uploads.iter().map(|upload| words_up(upload.bytes.len() as u64)).sum();
        let read_back = match read_bytes {
            0 => Vec::new(),
            bytes => self.with_room(|this| this.read_backs.take_all(bytes))?,
        };
        let staged = match self.with_room(|this| this.stage(&work.uploads, table_bytes + upload_bytes)) {
            Ok(staged) => staged,
            Err(error) => {
                self.read_backs.give_back_all(read_back);
                return Err(error);
            }
        };

        let Self { gpu, memory, groups, tables, writer, store, kernels, .. } = self;
        let sent = scoped(&gpu.device, "a submission", || {
            let mut encoder = driver(|| gpu.device.create_command_encoder(&Default::default()));
            for clear in &work.clears {
                if let Some(buffer) = memory.buffer(clear.segment) {
                    driver(|| encoder.clear_buffer(buffer, clear.offset, Some(words_up(clear.bytes))));
                }
            }
            let mut from = 0;
            let mut copy = |target: Option<&wgpu::Buffer>, mut to: u64, bytes: u64| {
                for (at, offset, length) in pieces(&staged, from, bytes) {
                    if let Some(target) = target {
                        driver(|| encoder.copy_buffer_to_buffer(&staged[at], offset, target, to, length));
                    }
                    to += length;
                }
                from += bytes;
            };
            if table_bytes > 0 {
                copy(Some(tables.buffer(table)), 0, table_bytes);
            }
            for upload in &work.uploads {
                copy(memory.buffer(upload.segment), upload.offset, words_up(upload.bytes.len() as u64));
            }
            if !bundles.is_empty() {
                let timestamp_writes = timer.and_then(Timer::pass_writes);
                let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
                let mut pass = driver(|| encoder.begin_compute_pass(&descriptor));
                for (index, (bundle, at)) in work.bundles.iter().zip(bundles).enumerate() {
                    kernels_of(bundle, kernels);
                    let compiled = &store.pipeline(kernels)?.compiled;
                    driver(|| pass.set_pipeline(&compiled.pipeline));
                    let group = groups.get(&compiled.layout, &compiled.bindings, &bundle.bound, memory, tables, table);
                    driver(|| pass.set_bind_group(0, group, &[at.offset]));
                    if compiled.immediate_bytes > 0 {
                        let table: &[u8] = &bytemuck::cast_slice(writer.words())[at.offset as usize..];
                        driver(|| pass.set_immediates(0, &table[..compiled.immediate_bytes as usize]));
                    }
                    if let Some(timer) = timer {
                        driver(|| timer.mark(&mut pass, index));
                    }
                    let [x, y, z] = at.grid;
                    driver(|| pass.dispatch_workgroups(x, y, z));
                }
                if let Some(timer) = timer {
                    driver(|| timer.mark(&mut pass, bundles.len()));
                }
                driver(|| drop(pass));
            }
            if let (Some(timer), Some(first)) = (timer, read_back.first()) {
                driver(|| timer.resolve(&mut encoder, first, 0));
            }
            let mut to = timer.map_or(0, Timer::bytes);
            for download in &work.downloads {
                let (mut from, bytes) = (download.offset, words_up(download.bytes));
                for (at, offset, length) in pieces(&read_back, to, bytes) {
                    if let Some(source) = memory.buffer(download.segment) {
                        driver(|| encoder.copy_buffer_to_buffer(source, from, &read_back[at], offset, length));
                    }
                    from += length;
                }
                to += bytes;
            }
            Ok(driver(|| gpu.queue.submit([encoder.finish()])))
        });
        self.uploads.give_back_all(staged);
        match sent.and_then(|sent| sent) {
            Ok(index) => Ok((index, read_back)),
            Err(error) => {
                self.read_backs.give_back_all(read_back);
                Err(error)
            }
        }
    }

    /// Writes tables and uploads into upload buffers: one, unless there is no room for that.
    fn stage(&mut self, uploads: &[Upload], total: u64) -> Result<Vec<wgpu::Buffer>> {
        if total == 0 {
            return Ok(Vec::new());
        }
        let buffers = self.uploads.take_all(total)?;
        let discard = |_: &Error| buffers.iter().for_each(|buffer| self.uploads.discard(buffer));
        let mut filler = Filler::new(&buffers, total).inspect_err(discard)?;
        filler.put(bytemuck::cast_slice(self.writer.words()));
        for upload in uploads {
            filler.put(&upload.bytes);
        }
        filler.finish();
        Ok(buffers)
    }
}

/// The kernels of a bundle, sorted, without duplicates.
fn kernels_of(bundle: &EncodedBundle, kernels: &mut Vec<KernelId>) {
    kernels.clear();
    kernels.extend(bundle.lanes.iter().map(|(kernel, _)| *kernel));
    kernels.sort_unstable();
    kernels.dedup();
}
