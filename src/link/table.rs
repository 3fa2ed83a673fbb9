//! The lane table: what the host writes and the merged shader reads, in 32-bit words.
//!
//! The table of one wave is a run of words, bound at binding 0 (`array<vec4<u32>>`, read-only, dynamic offset):
//!
//! ```text
//! word 0              number of lanes
//! word 1              number of workgroups of all lanes together
//! word 2              word offset of the first lane record, a multiple of 4
//! word 3              0
//! words 4..           per lane: its first workgroup in the wave (ascending; lane 0 has 0), padded to a multiple of 4
//! then per lane       a record at a fixed stride (the longest arm's, a multiple of 4 words)
//! ```
//! The stride is written in word 3. A record is
//!
//! ```text
//! word 0              arm (position among the linked arms)
//! word 1              offset: index, within the dispatch's grid, of the lane's first workgroup
//! words 2..5          grid x, y, z
//! word 5..8           0
//! words 8..           per storage binding: base (in 16-byte units within its slot), length in bytes
//! then                padded to a multiple of 4: the parameter struct's words
//! ```

/// Words before the list of first workgroups.
pub const HEADER_WORDS: u32 = 4;
/// Header word: number of lanes.
pub const HEADER_LANES: u32 = 0;
/// Header word: number of workgroups of all lanes.
pub const HEADER_GROUPS: u32 = 1;
/// Header word: word offset of the first record.
pub const HEADER_RECORDS: u32 = 2;
/// Header word: words from one record to the next.
pub const HEADER_STRIDE: u32 = 3;
/// Record word: position among the linked arms.
pub const RECORD_ARM: u32 = 0;
/// Record word: index, within the dispatch's grid, of the lane's first workgroup.
pub const RECORD_OFFSET: u32 = 1;
/// Record words: grid x, y and z.
pub const RECORD_GRID: u32 = 2;
/// Record words before the operands.
pub const RECORD_HEAD_WORDS: u32 = 8;
/// Words of an operand: base and length.
pub const OPERAND_WORDS: u32 = 2;

/// Word of a record at which operand `index` starts.
pub const fn operand_word(index: u32) -> u32 {
    RECORD_HEAD_WORDS + index * OPERAND_WORDS
}

/// Word of a record at which the parameters of a kernel with that many storage bindings start.
pub const fn params_word(operands: u32) -> u32 {
    operand_word(operands).next_multiple_of(4)
}

/// Words of the record of a lane.
pub const fn record_words(operands: u32, params: u32) -> u32 {
    (params_word(operands) + params).next_multiple_of(4)
}

/// A tensor as a lane sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneOperand {
    /// Where it starts in its slot, in units of 16 bytes.
    pub base: u32,
    /// Its length in bytes.
    pub bytes: u32,
}

/// What the table says of one lane.
#[derive(Clone, Copy, Debug)]
pub struct LaneEntry<'a> {
    /// Position of its arm among the linked arms.
    pub arm: u32,
    /// Index, within the dispatch's grid, of its first workgroup.
    pub offset: u32,
    /// Number of its workgroups.
    pub count: u32,
    /// The dispatch's grid.
    pub grid: [u32; 3],
    /// One per storage binding of the kernel, in its order.
    pub operands: &'a [LaneOperand],
    /// The parameter struct, word by word.
    pub params: &'a [u32],
}

/// Writes lane tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaneTable;

impl LaneTable {
    /// Appends the table of a wave to `words` (whose length should then be a multiple of 4) and gives the number of
    /// workgroups to dispatch, which must fit 32 bits. The lanes are gone through several times, so that nothing is allocated but `words`.
    pub fn encode<'a, I>(lanes: I, words: &mut Vec<u32>) -> u32
    where
        I: Iterator<Item = LaneEntry<'a>> + Clone,
    {
        let (mut count, mut groups, mut stride) = (0u32, 0u32, 0u32);
        for lane in lanes.clone() {
            count += 1;
            groups = groups.saturating_add(lane.count);
            stride = stride.max(record_words(lane.operands.len() as u32, lane.params.len() as u32));
        }
        let records = (HEADER_WORDS + count).next_multiple_of(4);
        let start = words.len();
        words.resize(start + (records + count * stride) as usize, 0);
        let table = &mut words[start..];
        table[HEADER_LANES as usize] = count;
        table[HEADER_GROUPS as usize] = groups;
        table[HEADER_RECORDS as usize] = records;
        table[HEADER_STRIDE as usize] = stride;
        let mut first = 0;
        for (i, lane) in lanes.enumerate() {
            table[HEADER_WORDS as usize + i] = first;
            first = first.saturating_add(lane.count);
            let record = &mut table[records as usize + i * stride as usize..][..stride as usize];
            record[RECORD_ARM as usize] = lane.arm;
            record[RECORD_OFFSET as usize] = lane.offset;
            record[RECORD_GRID as usize..][..3].copy_from_slice(&lane.grid);
            for (k, operand) in lane.operands.iter().enumerate() {
                let at = operand_word(k as u32) as usize;
                record[at] = operand.base;
                record[at + 1] = operand.bytes;
            }
            record[params_word(lane.operands.len() as u32) as usize..][..lane.params.len()]
                .copy_from_slice(lane.params);
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

    #[test]
    fn the_table_has_the_documented_layout() {
        let a = [
            LaneOperand { base: 7, bytes: 100 },
            LaneOperand { base: 9, bytes: 16 },
            LaneOperand { base: 1, bytes: 4 },
        ];
        let lanes = [
            LaneEntry { arm: 1, offset: 5, count: 3, grid: [4, 2, 1], operands: &a[..1], params: &[] },
            LaneEntry { arm: 0, offset: 0, count: 2, grid: [2, 1, 1], operands: &a, params: &[11, 12] },
        ];
        let mut words = vec![99; 4];
        assert_eq!(LaneTable::encode(lanes.iter().copied(), &mut words), 5);
        #[rustfmt::skip]
        assert_eq!(words, [
            99, 99, 99, 99,
            2, 5, 8, 20,
            0, 3, 0, 0,
            1, 5, 4, 2, 1, 0, 0, 0, 7, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 2, 1, 1, 0, 0, 0, 7, 100, 9, 16, 1, 4, 0, 0, 11, 12, 0, 0,
        ]);
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
