//! What the linker's tests share: test kernels as arms, and (in `gpu`) running them on the adapter.
#![allow(dead_code, unreachable_pub)]

pub mod gpu;
pub mod random;

use std::sync::Arc;

use fascine::kernel::{Kernel, Trust, Variant};
use fascine::link::{Arm, Slot, SlotKind};

/// The text of a test kernel.
pub fn text(name: &str) -> String {
    let path = format!("{}/tests/kernels/{name}.wgsl", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A test kernel.
pub fn kernel(name: &str, trust: Trust) -> Arc<Kernel> {
    Arc::new(Kernel::parse(name, &text(name), trust).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// A test kernel with its read-only bindings in slab 1 and the others in heap segment 0.
pub fn arm(name: &str) -> Arm {
    Arm::with_default_slots(Variant::new(kernel(name, Trust::Project), []))
}

/// A user's test kernel, everything in heap segment 0.
pub fn user_arm(name: &str) -> Arm {
    heap_arm(Variant::new(kernel(name, Trust::User), []), 0)
}

/// A variant with everything in one heap segment.
pub fn heap_arm(variant: Variant, index: u8) -> Arm {
    let slots = vec![Slot { index, kind: SlotKind::Heap }; variant.kernel().bindings.len()];
    Arm { variant, slots }
}

/// Sorted and without duplicates, as the linker wants them.
pub fn sorted(arms: impl IntoIterator<Item = Arm>) -> Vec<Arm> {
    let mut arms: Vec<Arm> = arms.into_iter().collect();
    arms.sort();
    arms.dedup();
    arms
}
