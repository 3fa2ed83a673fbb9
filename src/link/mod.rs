//! The linker: kernels -> one naga module with one entry point that runs many lanes.
//!
//! `specialise` (overrides) -> `relocate` (bindings to heap segments and weight slabs, parameters to the lane table) ->
//! `splice` (many kernels into one module) -> `entry` (lane search and kernel switch).

use crate::error::{Error, Result};
use crate::kernel::Variant;

pub mod table;

/// What a memory slot holds, which decides how it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotKind {
    /// A heap segment, bound read-write.
    Heap,
    /// A slab of weights, bound read-only.
    Slab,
}

/// A piece of GPU memory as shaders see it: an `array<vec4<u32>>` at `@group(0) @binding(1 + index)`.
/// (Binding 0 is the lane table.) Indices are unique over heap segments and slabs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// Position among all segments and slabs of the runtime.
    pub index: u8,
    /// How it is bound.
    pub kind: SlotKind,
}

/// A kernel variant with the slot of each of its storage bindings: one arm of the merged shader's switch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Arm {
    /// The kernel and its overrides.
    pub variant: Variant,
    /// The slot of each storage binding, in the order of `Kernel::bindings`.
    pub slots: Vec<Slot>,
}

/// Whose indices are clamped to the lane's tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Clamp {
    /// Users' kernels only.
    #[default]
    Users,
    /// Every kernel: what the tests compare with.
    All,
}

/// A merged module and what its host needs to know.
#[derive(Debug)]
pub struct Linked {
    /// The module; its only entry point is `main`.
    pub module: naga::Module,
    /// The validator's findings.
    pub info: naga::valid::ModuleInfo,
    /// The slots that the module binds, sorted; slot `s` is `@group(0) @binding(1 + s.index)`.
    pub slots: Vec<Slot>,
    /// Invocations of a workgroup, flat in x.
    pub workgroup_size: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Whether a user's kernel is among the arms, so that the driver's checks stay on.
    pub has_user_kernel: bool,
}

/// Links `arms` (sorted, without duplicates; a lane names its arm by position) into one module.
///
/// The same arms give a byte-identical module.
///
/// # Errors
/// `Kernel`, naming the kernel and binding that cannot be relocated and why; `Limit` when workgroup sizes differ.
pub fn link(arms: &[Arm], clamp: Clamp) -> Result<Linked> {
    let _ = (arms, clamp);
    Err(Error::internal("skeleton"))
}
