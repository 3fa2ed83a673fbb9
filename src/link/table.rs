//! The lane table: what the host writes and the merged shader reads, in 32-bit words.
//!
//! The table of one bundle is a run of words, bound at binding 0 (`array<vec4<u32>>`, read-only, dynamic offset). Positions in it
//! are in units of `vec4<u32>`:
//!
//! ```text
//! word 0              number of lanes
//! word 1              number of workgroups of all lanes together
//! word 2              position of the list
//! word 3              from one record to the next (the longest kernel's); 0 where the list names records
//! words 4..           per lane a record: the first one's position is the same in every table, so that a bundle of one lane finds
//!                     it without reading anything before
//! then                the list, padded to a multiple of 4:
//!                       per workgroup the position of its lane's record, for several lanes of at most DIRECT workgroups;
//!                       else per lane its first workgroup in the bundle (ascending; lane 0 has 0)
//! ```
//! The table's head, which is the header and the first [`HEAD_RECORD`] `vec4<u32>`s from the first record on, also goes to the
//! shader as immediates where the device has them ([`super::Head`]).
//!
//! A record is
//!
//! ```text
//! word 0              case (position among the linked kernels)
//! word 1              what to add to a workgroup's index in the bundle, times the kernel's workgroups in one of the bundle's, to have
//!                     its index in the dispatch's grid (wrapping)
//! words 2..           per storage binding: base (in 16-byte units within its segment), length in bytes
//! then                padded to a multiple of 4: the parameter struct's words
//! then                padded to a multiple of 4: grid x, y, z (which linear kernels do not read), and the index in
//!                     the grid that follows the lane's last workgroup
//! ```

use std::sync::Arc;

/// Words before the records.
pub const HEADER_WORDS: u32 = 4;
/// Position of the first record.
pub const FIRST_RECORD: u32 = HEADER_WORDS / 4;
/// Leading `vec4<u32>`s of a record that may be read before the lane's kernel is known, whether its own record has so many or not.
pub const AHEAD: u32 = 7;
/// Leading `vec4<u32>`s of a record in the table's head.
pub const HEAD_RECORD: u32 = 3;
/// Bytes of the table's head: the least that WebGPU has a device with immediates take. More brought RADV nothing.
pub const HEAD_BYTES: u32 = (FIRST_RECORD + HEAD_RECORD) * 16;
/// Header word: number of lanes.
pub const HEADER_LANES: u32 = 0;
/// Header word: number of workgroups of all lanes.
pub const HEADER_GROUPS: u32 = 1;
/// Header word: position of the list.
pub const HEADER_LIST: u32 = 2;
/// Header word: from one record to the next, or 0 where the list names records.
pub const HEADER_STRIDE: u32 = 3;
/// Record word: position among the linked kernels.
pub const RECORD_CASE: u32 = 0;
/// Record word: from a workgroup's index in the bundle to that in the dispatch's grid.
pub const RECORD_SHIFT: u32 = 1;
/// Record words before the operands.
pub const RECORD_HEAD_WORDS: u32 = 2;
/// Words of an operand: base and length.
pub const OPERAND_WORDS: u32 = 2;
/// Words of the grid and the lane's end.
const GRID_WORDS: u32 = 4;
/// Word, counted from the grid, of the index that follows the lane's last workgroup.
pub const GRID_END: u32 = 3;
/// Most workgroups of a bundle of several lanes whose list names a record for each. Guessed: 16 KiB are written in the time of a few
/// workgroups; more workgroups are better searched than listed.
pub const DIRECT: u32 = 4096;

/// Word of a record at which operand `index` starts.
pub const fn operand_word(index: u32) -> u32 {
    RECORD_HEAD_WORDS + index * OPERAND_WORDS
}

/// Word of a record at which the parameters of a kernel with that many storage bindings start.
pub const fn params_word(operands: u32) -> u32 {
    operand_word(operands).next_multiple_of(4)
}

/// Word of a record at which the grid stands, for a kernel with that many storage bindings and words of parameters.
pub const fn grid_word(operands: u32, params: u32) -> u32 {
    (params_word(operands) + params).next_multiple_of(4)
}

/// Words of the record of a lane.
pub const fn record_words(operands: u32, params: u32) -> u32 {
    grid_word(operands, params) + GRID_WORDS
}

/// A tensor as a lane sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneOperand {
    /// Where it starts in its segment, in units of 16 bytes.
    pub base: u32,
    /// Its length in bytes.
    pub bytes: u32,
}

/// A lane as it is encoded: what the table says of it beside its [`Case`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedLane {
    /// The dispatch's grid: workgroups in x, y, z.
    pub grid: [u32; 3],
    /// Index of its first workgroup, in the grid's row-major order (x fastest).
    pub first: u32,
    /// Number of its workgroups; not zero.
    pub count: u32,
    /// One per storage binding of the kernel, in its order.
    pub operands: Vec<LaneOperand>,
    /// The parameter struct, word by word.
    pub params: Arc<[u32]>,
}

/// A linked kernel's case of the switch in a merged module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its position among the linked kernels.
    pub position: u32,
    /// How many of its workgroups one of the module's runs: its `Linked::per_workgroup`.
    pub per_workgroup: u32,
}

/// Workgroups of a lane that stand together in its bundle.
#[derive(Clone, Copy)]
struct Piece<'a> {
    case: Case,
    lane: &'a EncodedLane,
    /// Workgroups of the bundle.
    workgroups: u32,
    /// Its first workgroup in the dispatch's grid, and the one that follows its last.
    first: u32,
    end: u32,
}

impl<'a> Piece<'a> {
    /// Part `part` of `parts`, if anything is in it. Lanes with fewer workgroups than parts begin in turns.
    fn of(case: Case, lane: &'a EncodedLane, (part, parts): (u32, u32), index: u32) -> Option<Self> {
        let all = u64::from(lane.workgroups(case));
        let cut = |part: u32| match part {
            0 => 0,
            _ if part == parts => all,
            _ => (u64::from(part) * all + u64::from(index % parts)) / u64::from(parts),
        };
        let (from, to) = (cut(part) as u32, cut(part + 1) as u32);
        let last = lane.first.wrapping_add(lane.count);
        let first = lane.first.wrapping_add(from.wrapping_mul(case.per_workgroup));
        let end =
            if u64::from(to) == all { last } else { lane.first.wrapping_add(to.wrapping_mul(case.per_workgroup)) };
        (from < to).then_some(Piece { case, lane, workgroups: to - from, first, end })
    }
}

/// Writes lane tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaneTable;

impl LaneOperand {
    /// A tensor of `bytes` bytes that starts at byte `base` of its segment; `None` if that is no multiple of 16, or either is too large.
    pub fn new(base: u64, bytes: u64) -> Option<Self> {
        let base = base.is_multiple_of(16).then(|| u32::try_from(base / 16).ok())??;
        Some(LaneOperand { base, bytes: u32::try_from(bytes).ok()? })
    }
}

impl EncodedLane {
    /// Workgroups of the bundle that it takes, as that case.
    pub const fn workgroups(&self, case: Case) -> u32 {
        self.count.div_ceil(case.per_workgroup)
    }
}

impl LaneTable {
    /// Appends the table of a bundle to `words` (whose length should then be a multiple of 4) and gives the number of
    /// workgroups to dispatch, which must fit 32 bits. The lanes are gone through several times, so that nothing is allocated but `words`.
    pub fn encode<'a, I>(lanes: I, words: &mut Vec<u32>) -> u32
    where
        I: Iterator<Item = (Case, &'a EncodedLane)> + Clone,
    {
        Self::deal(lanes, 1, words)
    }

    /// As [`LaneTable::encode`], with every lane in so many parts: the first parts of all, then the second, and so on. So each of a
    /// device's threads has its part of every lane, where they run as many workgroups each, one behind the other.
    pub fn deal<'a, I>(lanes: I, parts: u32, words: &mut Vec<u32>) -> u32
    where
        I: Iterator<Item = (Case, &'a EncodedLane)> + Clone,
    {
        let parts = parts.max(1);
        let pieces = (0..parts).flat_map(move |part| {
            let lanes = lanes.clone().zip(0..);
            lanes.filter_map(move |((case, lane), index)| Piece::of(case, lane, (part, parts), index))
        });
        Self::write(pieces, words)
    }

    fn write<'a>(pieces: impl Iterator<Item = Piece<'a>> + Clone, words: &mut Vec<u32>) -> u32 {
        let (mut count, mut groups, mut stride) = (0u32, 0u32, 0u32);
        for Piece { lane, workgroups, .. } in pieces.clone() {
            count += 1;
            groups = groups.saturating_add(workgroups);
            stride = stride.max(record_words(lane.operands.len() as u32, lane.params.len() as u32));
        }
        let direct = count > 1 && groups <= DIRECT;
        // With one lane there is nothing to find.
        let listed = match count {
            0 | 1 => 0,
            _ if direct => groups,
            _ => count,
        };
        let end = HEADER_WORDS + count * stride;
        // What is read ahead of the last record lies within the table.
        let least = end.saturating_sub(stride) + AHEAD * 4;
        let start = words.len();
        words.resize(start + (end + listed.next_multiple_of(4)).max(least) as usize, 0);
        let (header, all) = words[start..].split_at_mut(HEADER_WORDS as usize);
        header[HEADER_LANES as usize] = count;
        header[HEADER_GROUPS as usize] = groups;
        header[HEADER_LIST as usize] = end / 4;
        header[HEADER_STRIDE as usize] = if direct { 0 } else { stride / 4 };
        let (records, list) = all.split_at_mut((count * stride) as usize);
        let mut first = 0u32;
        for (i, (piece, record)) in pieces.zip(records.chunks_exact_mut(stride as usize)).enumerate() {
            let Piece { case, lane, workgroups, first: own, end } = piece;
            if direct {
                let position = (HEADER_WORDS + i as u32 * stride) / 4;
                list[first as usize..][..workgroups as usize].fill(position);
            } else if let Some(entry) = list.get_mut(i) {
                *entry = first;
            }
            record[RECORD_CASE as usize] = case.position;
            record[RECORD_SHIFT as usize] = own.wrapping_sub(first.wrapping_mul(case.per_workgroup));
            first = first.saturating_add(workgroups);
            for (k, operand) in lane.operands.iter().enumerate() {
                let at = operand_word(k as u32) as usize;
                record[at] = operand.base;
                record[at + 1] = operand.bytes;
            }
            let (operands, params) = (lane.operands.len() as u32, lane.params.len() as u32);
            record[params_word(operands) as usize..][..lane.params.len()].copy_from_slice(&lane.params);
            let grid = &mut record[grid_word(operands, params) as usize..][..GRID_WORDS as usize];
            grid[..3].copy_from_slice(&lane.grid);
            grid[GRID_END as usize] = end;
        }
        groups
    }

    /// The grid of a dispatch of that many workgroups: x alone while it fits into `limit` (the adapter's greatest number of
    /// workgroups per dimension), else x and y. The surplus workgroups of the last row return at once.
    pub fn fold(groups: u32, limit: u32) -> [u32; 3] {
        let y = groups.div_ceil(limit.max(1)).max(1);
        [groups.div_ceil(y), y, 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: Case = Case { position: 0, per_workgroup: 1 };

    #[test]
    fn every_part_of_a_bundle_has_its_share_of_every_lane() {
        let lane = |first, count| EncodedLane { grid: [100, 1, 1], first, count, ..EncodedLane::default() };
        let pairs = Case { position: 1, per_workgroup: 2 };
        let lanes = [(CASE, lane(10, 5)), (pairs, lane(0, 7)), (CASE, lane(3, 1))];
        let mut words = Vec::new();
        let groups = LaneTable::deal(lanes.iter().map(|(case, lane)| (*case, lane)), 2, &mut words);
        assert_eq!((groups, words[HEADER_LANES as usize]), (10, 5));
        let list = &words[4 * words[HEADER_LIST as usize] as usize..];
        let run = |(group, &record): (u32, &u32)| {
            let record = &words[4 * record as usize..];
            let per_workgroup = 1 + record[RECORD_CASE as usize];
            let first = (group * per_workgroup).wrapping_add(record[RECORD_SHIFT as usize]);
            let end = record[(grid_word(0, 0) + GRID_END) as usize];
            (record[RECORD_CASE as usize], first..end.min(first + per_workgroup))
        };
        let ran: Vec<_> = (0..groups).zip(list).map(run).collect();
        let single = |first| (0, first..first + 1);
        let of_pair = |first, end| (1, first..end);
        let halves = [
            [single(10), single(11), of_pair(0, 2), of_pair(2, 4)].to_vec(),
            [single(12), single(13), single(14), of_pair(4, 6), of_pair(6, 7), single(3)].to_vec(),
        ];
        assert_eq!(ran, halves.concat());
    }

    #[test]
    fn operands_lie_on_boundaries_and_fit_the_table() {
        assert_eq!(LaneOperand::new(256, 100), Some(LaneOperand { base: 16, bytes: 100 }));
        for (base, bytes) in [(8, 16), (0, 1 << 32), (1 << 36, 16)] {
            assert_eq!(LaneOperand::new(base, bytes), None, "{base}, {bytes}");
        }
    }

    #[test]
    fn the_table_has_the_documented_layout() {
        let a = [
            LaneOperand { base: 7, bytes: 100 },
            LaneOperand { base: 9, bytes: 16 },
            LaneOperand { base: 1, bytes: 4 },
        ];
        let lanes = [
            (
                Case { position: 1, per_workgroup: 1 },
                EncodedLane { grid: [4, 2, 1], first: 5, count: 3, operands: a[..1].to_vec(), params: Arc::default() },
            ),
            (
                Case { position: 0, per_workgroup: 2 },
                EncodedLane { grid: [4, 1, 1], first: 0, count: 4, operands: a.to_vec(), params: [11, 12].into() },
            ),
        ];
        let mut words = vec![99; 4];
        assert_eq!(LaneTable::encode(lanes.iter().map(|(case, lane)| (*case, lane)), &mut words), 5);
        let minus_six = 6u32.wrapping_neg();
        #[rustfmt::skip]
        assert_eq!(words, [
            99, 99, 99, 99,
            2, 5, 9, 0,
            1, 5, 7, 100, 4, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0,
            0, minus_six, 7, 100, 9, 16, 1, 4, 11, 12, 0, 0, 4, 1, 1, 4,
            // The list, and what is read ahead of the last record.
            1, 1, 1, 5, 5, 0, 0, 0, 0, 0, 0, 0,
        ]);
    }

    #[test]
    fn one_lane_has_no_list_and_many_workgroups_are_searched() {
        let lane = |count| EncodedLane { grid: [DIRECT, 1, 1], first: 2, count, ..EncodedLane::default() };
        let cases: [(&[EncodedLane], [u32; 4], &[u32]); 2] =
            [(&[lane(3)], [1, 3, 3, 2], &[0; 4]), (&[lane(3), lane(DIRECT - 2)], [2, DIRECT + 1, 5, 2], &[0, 3, 0, 0])];
        for (lanes, header, list) in cases {
            let mut words = Vec::new();
            LaneTable::encode(lanes.iter().map(|lane| (CASE, lane)), &mut words);
            assert_eq!(words[..4], header);
            assert_eq!(words[4 + 8 * lanes.len()..][..4], *list);
        }
    }

    #[test]
    fn what_is_read_ahead_lies_within_the_table() {
        for count in 1..6 {
            let lane = EncodedLane { grid: [1, 1, 1], count: 1, ..EncodedLane::default() };
            let mut words = Vec::new();
            LaneTable::encode(std::iter::repeat_n((CASE, &lane), count), &mut words);
            let last = HEADER_WORDS as usize + (count - 1) * record_words(0, 0) as usize;
            assert!(words.len() >= last + 4 * AHEAD as usize && words.len() * 4 >= HEAD_BYTES as usize);
        }
    }

    #[test]
    fn folding_covers_all_workgroups_within_the_limit() {
        for (groups, grid) in [(0, [0, 1, 1]), (1, [1, 1, 1]), (65_535, [65_535, 1, 1]), (65_536, [32_768, 2, 1])] {
            assert_eq!(LaneTable::fold(groups, 65_535), grid);
        }
        let [x, y, _] = LaneTable::fold(1_000_003, 1000);
        assert!(x * y >= 1_000_003 && y > 1000 && x <= 1000);
    }
}
