//! Lane tables: one submission's, one after the other, and the device buffers that hold them.

use super::fault::scoped;
use super::work::EncodedBundle;
use crate::error::{Error, Result};
use crate::link::table::{Case, EncodedLane, LaneTable};
use crate::schedule::KernelId;

/// Workgroups along one side of a dispatch that every device takes.
const SIDE: u32 = 65_535;

/// Most records of a bundle whose lanes are dealt out. Guessed: many lanes are spread by themselves.
const DEALT: u32 = 64;

/// The dispatch of one bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BundleTable {
    /// Bytes from the table buffer's start.
    pub(super) offset: u32,
    /// Workgroups: the linear index is folded over x and y.
    pub(super) grid: [u32; 3],
}

/// Writes the tables of one submission into words that are used again.
#[derive(Debug, Default)]
pub(super) struct TableWriter {
    words: Vec<u32>,
    /// By lane of one bundle.
    cases: Vec<Case>,
    /// Parts in which the lanes of a bundle are dealt out; none is one.
    parts: u32,
}

impl TableWriter {
    /// For a device that runs the workgroups of a dispatch as so many runs of equal length, side by side: 1 where it takes the next one whenever
    /// one is done.
    pub(super) fn new(parts: u32) -> Self {
        TableWriter { parts, ..TableWriter::default() }
    }

    pub(super) fn clear(&mut self) {
        self.words.clear();
    }

    pub(super) fn words(&self) -> &[u32] {
        &self.words
    }

    /// Appends a bundle at a multiple of `alignment` bytes. `linked` says what a kernel's case is in the pipeline.
    ///
    /// # Errors
    /// `Internal` for lanes that break the rules of [`EncodedLane`], `Limit` for more workgroups than one dispatch takes.
    pub(super) fn push(
        &mut self,
        bundle: &EncodedBundle,
        alignment: u32,
        linked: impl Fn(KernelId) -> Result<Case>,
    ) -> Result<BundleTable> {
        let Self { words, cases, parts } = self;
        cases.clear();
        let mut total = 0u32;
        for (kernel, lane) in &bundle.lanes {
            check(*kernel, lane)?;
            let case = linked(*kernel)?;
            total = total.checked_add(lane.workgroups(case)).ok_or_else(too_many)?;
            cases.push(case);
        }
        let grid = LaneTable::fold(total, SIDE);
        if grid[1] > SIDE {
            return Err(too_many());
        }
        let start = words.len().next_multiple_of((alignment / 4).max(4) as usize);
        let offset =
            u32::try_from(start * 4).map_err(|_| Error::limit("the lane tables of one submission exceed 4 GiB"))?;
        words.resize(start, 0);
        let parts = if cases.len() > 1 { (*parts).min(DEALT / cases.len() as u32) } else { 1 };
        LaneTable::deal(cases.iter().copied().zip(bundle.lanes.iter().map(|(_, lane)| lane)), parts, words);
        Ok(BundleTable { offset, grid })
    }
}

fn too_many() -> Error {
    Error::limit("a bundle has more workgroups than one dispatch takes")
}

fn check(kernel: KernelId, lane: &EncodedLane) -> Result<()> {
    let EncodedLane { grid, first, count, .. } = *lane;
    let all = grid.iter().try_fold(1u32, |product, &side| product.checked_mul(side));
    let end = first.checked_add(count);
    if count == 0 || !matches!((all, end), (Some(all), Some(end)) if end <= all) {
        return Err(Error::internal(format!("workgroups {first}+{count} of {kernel:?} do not lie in grid {grid:?}")));
    }
    Ok(())
}

/// Two, so that a submission's tables can be copied while the one before still reads its own.
pub(super) const TABLES: usize = 2;
/// Room for a few hundred lanes; what one bundle can see of the table buffer.
const MIN_SPAN: u64 = 64 << 10;
/// Room for the bundles of a usual submission.
const MIN_BYTES: u64 = 512 << 10;

/// The device buffers that hold lane tables, in turn.
#[derive(Debug)]
pub(super) struct TableBuffers {
    device: wgpu::Device,
    buffers: Vec<wgpu::Buffer>,
    /// Bytes that one bundle's binding sees.
    span: u64,
    turn: usize,
    limit: u64,
}

impl TableBuffers {
    pub(super) fn new(device: wgpu::Device) -> Self {
        let limits = device.limits();
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        TableBuffers { device, buffers: Vec::new(), span: MIN_SPAN, turn: 0, limit }
    }

    pub(super) fn reserved(&self) -> u64 {
        self.buffers.iter().map(wgpu::Buffer::size).sum()
    }

    /// Bytes that one bundle's binding sees.
    pub(super) fn span(&self) -> u64 {
        self.span
    }

    pub(super) fn buffer(&self, index: usize) -> &wgpu::Buffer {
        &self.buffers[index]
    }

    /// The next table buffer, for `bytes` of tables of which no bundle takes more than `longest`. Says whether the buffers are new,
    /// so that bind groups of the old ones are of no more use.
    ///
    /// # Errors
    /// `Limit` if the tables exceed what the device can bind, `Memory` if it has no room.
    pub(super) fn next(&mut self, bytes: u64, longest: u64) -> Result<(usize, bool)> {
        self.turn = (self.turn + 1) % TABLES;
        let span = self.span.max(longest.next_power_of_two());
        let size = bytes.saturating_add(span).max(MIN_BYTES).next_multiple_of(256);
        if span <= self.span && self.buffers.first().is_some_and(|buffer| buffer.size() >= size) {
            return Ok((self.turn, false));
        }
        if size > self.limit {
            return Err(Error::limit(format!(
                "{bytes} bytes of lane tables exceed the device's limit of {} bytes",
                self.limit
            )));
        }
        let size = size.next_power_of_two().min(self.limit);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let descriptor =
            wgpu::BufferDescriptor { label: Some("fascine lane tables"), size, usage, mapped_at_creation: false };
        let create = || (0..TABLES).map(|_| self.device.create_buffer(&descriptor)).collect();
        self.buffers = scoped(&self.device, "lane tables", create)?;
        self.span = span;
        Ok((self.turn, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::table::LaneOperand;

    const CASE: Case = Case { position: 0, per_workgroup: 1 };

    fn lane(
        grid: [u32; 3],
        first: u32,
        count: u32,
        operands: &[(u64, u64)],
        params: &[u32],
    ) -> (KernelId, EncodedLane) {
        let operands = operands.iter().map(|&(base, bytes)| LaneOperand::new(base, bytes).unwrap()).collect();
        (KernelId(7), EncodedLane { grid, first, count, operands, params: params.into() })
    }

    #[test]
    fn words_lie_as_the_linker_reads_them() {
        let mut writer = TableWriter::default();
        let lanes = vec![
            lane([2, 3, 1], 0, 6, &[(0, 64), (256, 32)], &[11, 12, 13]),
            lane([9, 1, 1], 4, 5, &[(4096, 16)], &[21, 22, 23, 24, 25]),
        ];
        let bundle = EncodedBundle { lanes, ..Default::default() };
        writer.push(&bundle, 32, |_| Ok(CASE)).unwrap();
        let first_length = writer.words().len();
        let table = writer.push(&bundle, 256, |_| Ok(Case { position: 1, ..CASE })).unwrap();
        assert_eq!(table.grid, [11, 1, 1]);
        assert!(table.offset.is_multiple_of(256) && table.offset as usize >= first_length * 4);

        let words = &writer.words()[table.offset as usize / 4..];
        // Record 0 takes 8 (6 padded) + 4 + 4 words, record 1 4 + 8 + 4; then the list of 11 workgroups.
        #[rustfmt::skip]
        let expected = [
            2, 11, 9, 0,
            1, 0, 0, 64,   16, 32, 0, 0,   11, 12, 13, 0,   2, 3, 1, 6,
            1, 2u32.wrapping_neg(), 256, 16,   21, 22, 23, 24,   25, 0, 0, 0,   9, 1, 1, 9,
            1, 1, 1, 1,   1, 1, 5, 5,   5, 5, 5, 0,
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn broken_lanes_are_refused() {
        let cases = [
            lane([4, 1, 1], 0, 0, &[], &[]),
            lane([4, 1, 1], 3, 2, &[], &[]),
            lane([4, 1, 1], u32::MAX, 2, &[], &[]),
            lane([65_536, 65_536, 1], 0, 1, &[], &[]),
        ];
        for lane in cases {
            let text = format!("{lane:?}");
            let result =
                TableWriter::default()
                    .push(&EncodedBundle { lanes: vec![lane], ..Default::default() }, 256, |_| Ok(CASE));
            assert_eq!(result.unwrap_err().kind(), crate::error::ErrorKind::Internal, "{text}");
        }
        let big = lane([65_535, 65_535, 1], 0, 65_535 * 65_535, &[], &[]);
        let two = EncodedBundle { lanes: vec![big.clone(), big], ..Default::default() };
        let error = TableWriter::default().push(&two, 256, |_| Ok(CASE)).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Limit);
    }
}
