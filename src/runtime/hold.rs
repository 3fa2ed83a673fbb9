//! Device memory that outlives a request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::message::{Message, Port};
use crate::gpu::Allocation;

/// A region that outlives the request that made it; the last handle gives it back to the engine.
pub(super) struct Hold {
    allocation: Option<Allocation>,
    port: Port,
    returning: Returning,
}

/// How many regions nothing holds any more that the engine has not been told of yet.
#[derive(Clone, Default)]
pub(super) struct Returning(Arc<AtomicUsize>);

impl Returning {
    pub(super) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// One has been given back.
    pub(super) fn returned(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hold {
    pub(super) fn new(allocation: Allocation, port: Port, returning: Returning) -> Self {
        Hold { allocation: Some(allocation), port, returning }
    }

    /// Bytes of the region.
    pub(super) fn bytes(&self) -> u64 {
        self.allocation.as_ref().map_or(0, Allocation::bytes)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(allocation) = self.allocation.take() {
            self.returning.0.fetch_add(1, Ordering::Relaxed);
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
