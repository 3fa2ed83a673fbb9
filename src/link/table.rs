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
