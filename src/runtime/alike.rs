//! Dispatches of a model's plans that are the same but for where the memory of their requests lies. Conversations of one decoder have
//! pasts of different lengths, so their plans differ, and yet most of their dispatches do not.

use std::collections::HashMap;
use std::sync::Arc;

use crate::link::SegmentId;
use crate::lower::Coalescing;
use crate::plan::Dispatch;
use crate::schedule::{KernelId, ModelId};

/// Entries from which on those that no plan has any more are looked for. Guessed.
const SWEEP: usize = 1024;

/// Everything that a lane of a dispatch consists of, but for the base of its request's region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Content {
    pub(super) model: ModelId,
    /// What runs it alone.
    pub(super) kernel: KernelId,
    /// What runs it for several requests.
    pub(super) coalesced: KernelId,
    /// The fewest and the most requests, the first parameter word that tells of them, and bytes that are read once.
    by: (u32, u32, u32, u64),
    grid: [u32; 3],
    /// Operations and bytes.
    cost: (u64, u64),
    params: Arc<[u32]>,
    /// By operand: its segment, where it begins there or, of the request's own, in its region, and its bytes.
    operands: Vec<(SegmentId, u64, u64)>,
}

impl Content {
    pub(super) fn new(
        model: ModelId,
        [kernel, coalesced]: [KernelId; 2],
        dispatch: &Dispatch,
        by: &Coalescing,
        params: &Arc<[u32]>,
        operands: Vec<(SegmentId, u64, u64)>,
    ) -> Self {
        Content {
            model,
            kernel,
            coalesced,
            by: (by.least, by.width, by.word, by.shared),
            grid: dispatch.grid,
            cost: (dispatch.cost.flops, dispatch.cost.bytes),
            params: params.clone(),
            operands,
        }
    }
}

/// A number for each content, never given again to another.
#[derive(Debug, Default)]
pub(super) struct Alikes {
    numbers: HashMap<Arc<Content>, u64>,
    next: u64,
    sweep_at: usize,
}

impl Alikes {
    /// The number of a content, and the one copy of it, which keeps the number.
    pub(super) fn number(&mut self, content: Content) -> (u64, Arc<Content>) {
        if let Some((content, &number)) = self.numbers.get_key_value(&content) {
            return (number, content.clone());
        }
        if self.numbers.len() >= self.sweep_at {
            self.sweep();
        }
        let (number, content) = (self.next, Arc::new(content));
        self.next += 1;
        self.numbers.insert(content.clone(), number);
        (number, content)
    }

    /// Forgets contents that no plan has any more.
    pub(super) fn sweep(&mut self) {
        self.numbers.retain(|content, _| Arc::strong_count(content) > 1);
        self.sweep_at = 2 * self.numbers.len() + SWEEP;
    }
}
