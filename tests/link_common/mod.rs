//! What the linker's tests share: test kernels, linked, and (in `gpu`) running them on the adapter.
#![allow(dead_code, unreachable_pub)]

pub mod gpu;
pub mod random;

use std::sync::Arc;

use fascine::kernel::{Kernel, Trust, Variant};
use fascine::link::{LinkedKernel, SegmentId, SegmentKind};

/// The text of a test kernel.
pub fn text(name: &str) -> String {
    let path = format!("{}/tests/kernels/{name}.wgsl", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A test kernel.
pub fn kernel(name: &str, trust: Trust) -> Arc<Kernel> {
    Arc::new(Kernel::parse(name, &text(name), trust).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// A test kernel with its read-only bindings in weight segment 1 and the others in heap segment 0.
pub fn linked(name: &str) -> LinkedKernel {
    LinkedKernel::with_default_segments(Variant::new(kernel(name, Trust::Project), []))
}

/// A user's test kernel, everything in heap segment 0.
pub fn user_kernel(name: &str) -> LinkedKernel {
    heap_kernel(Variant::new(kernel(name, Trust::User), []), 0)
}

/// A variant with everything in one heap segment.
pub fn heap_kernel(variant: Variant, index: u8) -> LinkedKernel {
    let segments = vec![SegmentId { index, kind: SegmentKind::Heap }; variant.kernel().bindings.len()];
    LinkedKernel { variant, segments }
}

/// Sorted and without duplicates, as the linker wants them.
pub fn sorted(kernels: impl IntoIterator<Item = LinkedKernel>) -> Vec<LinkedKernel> {
    let mut kernels: Vec<LinkedKernel> = kernels.into_iter().collect();
    kernels.sort();
    kernels.dedup();
    kernels
}
