//! Numbers of models, requests, sessions and plans. Each kind counts by itself, in 64 bits and over all runtimes of the process, so that no
//! number ever comes again.

use std::sync::atomic::{AtomicU64, Ordering};

use super::session::SessionId;
use crate::schedule::ModelId;

/// A plan, as the engine remembers what it resolved for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PlanId(u64);

/// A request as its caller knows it; the scheduler counts those that it is told of by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CallId(pub(super) u64);

fn next(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}

/// For a model or a user's kernel.
pub(super) fn model() -> ModelId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    ModelId(next(&NEXT))
}

pub(super) fn call() -> CallId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    CallId(next(&NEXT))
}

pub(super) fn session() -> SessionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    SessionId(next(&NEXT))
}

pub(super) fn plan() -> PlanId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    PlanId(next(&NEXT))
}
