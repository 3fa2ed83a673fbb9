//! Device memory that outlives a request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::message::{Message, Port};
use crate::gpu::Allocation;

/// A region that outlives the request that made it; the last handle gives it back to the engine.
pub(super) struct Hold {
    allocation: Option<Allocation>,
    port: Port,
    holds: Holds,
}

/// All regions that outlive requests.
#[derive(Clone, Default)]
pub(super) struct Holds {
    /// Bytes of those that something holds.
    bytes: Arc<AtomicU64>,
    /// How many nothing holds any more that the engine has not been told of yet.
    returning: Arc<AtomicUsize>,
}

impl Holds {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn any_returning(&self) -> bool {
        self.returning.load(Ordering::Relaxed) > 0
    }

    /// One has been given back.
    pub(super) fn returned(&self) {
        self.returning.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hold {
    pub(super) fn new(allocation: Allocation, port: Port, holds: Holds) -> Self {
        holds.bytes.fetch_add(allocation.bytes(), Ordering::Relaxed);
        Hold { allocation: Some(allocation), port, holds }
    }

    /// Bytes of the region.
    pub(super) fn bytes(&self) -> u64 {
        self.allocation.as_ref().map_or(0, Allocation::bytes)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(allocation) = self.allocation.take() {
            self.holds.returning.fetch_add(1, Ordering::Relaxed);
            self.holds.bytes.fetch_sub(allocation.bytes(), Ordering::Relaxed);
            // An engine that has stopped has freed everything.
            let _ = self.port.send(Message::Free(allocation));
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.allocation).finish()
    }
}

/// A region of a request.
#[derive(Debug)]
pub(super) enum Region {
    /// Freed when the request ends.
    Own(Allocation),
    /// Shared with what came before or comes after.
    Held(Arc<Hold>),
}

impl Region {
    pub(super) fn allocation(&self) -> &Allocation {
        match self {
            Region::Own(allocation) => allocation,
            Region::Held(hold) => hold.allocation.as_ref().expect("taken by drop alone"),
        }
    }
}

impl std::ops::Deref for Region {
    type Target = Allocation;

    fn deref(&self) -> &Allocation {
        self.allocation()
    }
}
