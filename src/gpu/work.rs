//! What the engine hands over and gets back: plain data.

use std::sync::Arc;

use crate::link::SegmentId;
use crate::link::table::EncodedLane;
use crate::schedule::{KernelId, SubmissionId};

/// One submission.
#[derive(Clone, Debug)]
pub struct Work {
    /// Its name, for [`Finished::id`].
    pub id: SubmissionId,
    /// Done first: memory whose earlier owner's bytes must not be seen.
    pub clears: Vec<Clear>,
    /// Done next.
    pub uploads: Vec<Upload>,
    /// In order; each sees the memory that earlier ones wrote.
    pub bundles: Vec<EncodedBundle>,
    /// Done last.
    pub downloads: Vec<Download>,
}

/// Bytes of heap memory to set to zero.
#[derive(Clone, Copy, Debug)]
pub struct Clear {
    /// The segment.
    pub segment: SegmentId,
    /// Bytes from the segment's start, a multiple of 4.
    pub offset: u64,
    /// How many; rounded up to whole words.
    pub bytes: u64,
}

/// Bytes to write into heap memory.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The segment.
    pub segment: SegmentId,
    /// Bytes from the segment's start, a multiple of 4.
    pub offset: u64,
    /// What to write; filled up with zeros to whole words.
    pub bytes: Arc<[u8]>,
}

/// Bytes to read from heap memory.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// The segment.
    pub segment: SegmentId,
    /// Bytes from the segment's start, a multiple of 4.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// Comes back with the bytes.
    pub tag: u64,
}

/// One dispatch of the device.
#[derive(Clone, Debug, Default)]
pub struct EncodedBundle {
    /// At least one, each with what runs. Their kernels must be [ready](crate::schedule::Pipelines::ready) together.
    pub lanes: Vec<(KernelId, EncodedLane)>,
    /// Which segment of the memory each of the kernels' is bound to, where it is not the one of that number: see [`linked_segments`].
    ///
    /// [`linked_segments`]: super::linked_segments
    pub bound: Vec<(SegmentId, SegmentId)>,
}

/// A submission that the device has finished.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Which.
    pub id: SubmissionId,
    /// How long each bundle took, where the device can tell.
    pub bundle_nanos: Option<Vec<u64>>,
    /// When the first bundle began and the last ended, where the device can tell: nanoseconds on its own clock, which has
    /// nothing to do with the host's.
    pub span: Option<[u64; 2]>,
    /// The tag and bytes of each download, in order.
    pub downloads: Vec<(u64, Vec<u8>)>,
}

impl Finished {
    /// How long the bundles took together, in nanoseconds, where the device can tell.
    pub fn gpu_nanos(&self) -> Option<u64> {
        self.span.map(|[start, end]| end.saturating_sub(start))
    }
}
