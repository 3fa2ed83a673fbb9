//! The linker: kernels -> one naga module with one entry point that runs many lanes.
//!
//! `specialise` (overrides) -> `relocate` (bindings to heap and weight segments, parameters to the lane table) ->
//! `splice` (many kernels into one module) -> `entry` (lane search and kernel switch).

use std::sync::Arc;

use naga::compact::{KeepUnused, compact};

use crate::error::{Error, Result};
use crate::kernel::{Access, Kernel, Needs, Trust, Variant, merged_validator};

mod emit;
mod entry;
mod fold;
mod relocate;
mod sizes;
mod specialise;
mod splice;
pub mod table;

pub use emit::{Language, emit};

/// What a segment holds, which decides how it is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SegmentKind {
    /// Tensors of requests, bound read-write.
    Heap,
    /// Weights, bound read-only.
    Weights,
}

/// A piece of GPU memory as shaders see it: an `array<vec4<u32>>` at `@group(0) @binding(1 + index)`.
/// (Binding 0 is the lane table.) With [`Scalars::Words`] it is bound a second time as an `array<u32>`. Indices are unique over heap
/// segments of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId {
    /// Position among all segments of the runtime.
    pub index: u8,
    /// How it is bound.
    pub kind: SegmentKind,
}

/// A kernel variant with the segment of each of its storage bindings: one case of the merged shader's switch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkedKernel {
    /// The kernel and its overrides.
    pub variant: Variant,
    /// The segment of each storage binding, in the order of `Kernel::bindings`.
    pub segments: Vec<SegmentId>,
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

/// Where a workgroup reads the head of the lane table: its header and the start of its first record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Head {
    /// In the table.
    #[default]
    Table,
    /// In immediates, of which the device must have [`table::HEAD_BYTES`]: a bundle of one lane is found without a load of memory.
    Immediates,
}

/// How much of a lane's record a module of several kernels reads before it chooses the lane's kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ahead {
    /// What its kernels read of the first [`table::AHEAD`]: these loads do not wait for the choice.
    #[default]
    Table,
    /// What the choice needs: no kernel pays for what another one reads.
    Choice,
}

/// How a module sees the scalars of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scalars {
    /// As components of its `vec4<u32>`s, so that no memory is bound twice: browsers forbid that where it is written.
    #[default]
    Components,
    /// As elements of an `array<u32>`, a second binding of the same buffer. No linked kernel sees a heap segment both ways: shader compilers take
    /// it that two bindings do not overlap.
    Words,
}

/// A segment as a module binds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentBinding {
    /// Its number in `@group(0)`.
    pub binding: u32,
    /// What lies there.
    pub segment: SegmentId,
}

/// A merged module and what its host needs to know.
#[derive(Debug)]
pub struct Linked {
    /// The module; its only entry point is `main`.
    pub module: naga::Module,
    /// The validator's findings.
    pub info: naga::valid::ModuleInfo,
    /// The segments that the module binds, sorted.
    pub segments: Vec<SegmentId>,
    /// Its bindings but the lane table, sorted by number: a segment's `vec4<u32>`s are `@binding(1 + index)`, its words
    /// `@binding(257 + index)`.
    pub bindings: Vec<SegmentBinding>,
    /// Invocations of a workgroup, flat in x: as many as the largest kernel's.
    pub workgroup_size: u32,
    /// By linked kernel, how many of its workgroups one of the module's runs, for [`table::Case::per_workgroup`].
    pub per_workgroup: Vec<u32>,
    /// Bytes of immediates, to be set to the first bytes of the bundle's table; 0 with [`Head::Table`].
    pub immediate_bytes: u32,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Whether a user's kernel is among them, so that the driver's checks stay on.
    ///
    /// A user's kernel also counts on workgroup memory being zero at the start, and another tenant's values must not be left
    /// in it, so such a module's workgroup memory is to be initialised.
    pub has_user_kernel: bool,
    /// Device features that it needs.
    pub needs: Needs,
}

/// Links `kernels` (sorted, without duplicates: their positions are the cases) into one module.
///
/// The same kernels give a byte-identical module.
///
/// # Errors
/// `Kernel`, naming the kernel and binding that cannot be relocated and why; `Limit` where workgroups differ in size and a smaller
/// kernel cannot run several in a larger one.
pub fn link(kernels: &[LinkedKernel], clamp: Clamp, head: Head, scalars: Scalars) -> Result<Linked> {
    link_with(kernels, clamp, head, scalars, Ahead::default())
}

/// As [`link`], for devices that read records in another way.
///
/// # Errors
/// As [`link`].
pub fn link_with(kernels: &[LinkedKernel], clamp: Clamp, head: Head, scalars: Scalars, ahead: Ahead) -> Result<Linked> {
    let Some(workgroup_size) = kernels.iter().map(sizes::invocations).max() else {
        return Err(Error::internal("a module without kernels"));
    };
    let mut merged = splice::Merged::new();
    let mut relocated = Vec::with_capacity(kernels.len());
    let mut per_workgroup = Vec::with_capacity(kernels.len());
    for (position, linked) in kernels.iter().enumerate() {
        let prefix = format!("{}_{position}", linked.variant.kernel().name);
        let special = specialise::specialise(&linked.variant)?;
        per_workgroup.push(sizes::per_workgroup(linked, &special, workgroup_size)?);
        let map = merged.splice(&special, &prefix)?;
        relocated.push(relocate::relocate(&mut merged, linked, &special, map, clamp, scalars, &prefix)?);
    }
    let cases: Vec<_> = relocated.iter().zip(&per_workgroup).map(|(kernel, &per)| (kernel, per)).collect();
    entry::add_entry_point(&mut merged, &cases, workgroup_size, head, ahead);
    finish(merged, kernels, workgroup_size, per_workgroup)
}

fn finish(
    merged: splice::Merged,
    kernels: &[LinkedKernel],
    workgroup_size: u32,
    per_workgroup: Vec<u32>,
) -> Result<Linked> {
    let segments = merged.segments();
    let mut module = merged.module;
    let info = validate(&module)?;
    drop(info);
    compact(&mut module, KeepUnused::No);
    let info = validate(&module)?;
    let bindings = splice::bindings(&module, &segments);
    let workgroup = module.global_variables.iter().filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup);
    let bytes = workgroup.map(|(_, v)| module.types[v.ty].inner.try_size(module.to_ctx()).unwrap_or(u32::MAX));
    let workgroup_bytes = bytes.fold(0, u32::saturating_add);
    let immediate_bytes = naga::valid::ImmediateSlots::size_for_module(&module);
    let mut needs = Needs::default();
    for Needs { f16, subgroups } in kernels.iter().map(|kernel| kernel.variant.kernel().needs) {
        needs.f16 |= f16;
        needs.subgroups |= subgroups;
    }
    let has_user_kernel = kernels.iter().any(|kernel| kernel.variant.kernel().trust == Trust::User);
    Ok(Linked {
        module,
        info,
        segments,
        bindings,
        workgroup_size,
        per_workgroup,
        immediate_bytes,
        workgroup_bytes,
        has_user_kernel,
        needs,
    })
}

/// The linker's output is valid whatever kernels it got: anything else is a bug of the linker.
fn validate(module: &naga::Module) -> Result<naga::valid::ModuleInfo> {
    merged_validator().validate(module).map_err(|error| {
        let source = std::error::Error::source(error.as_inner()).map(ToString::to_string).unwrap_or_default();
        Error::internal(format!("the merged module is invalid: {} {source}", error.as_inner()))
    })
}

/// Links kernel texts as they would be: read-only bindings in a weight segment, the others on the heap.
///
/// # Errors
/// As [`Kernel::parse`] and [`link`].
pub fn link_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str, Trust)>, clamp: Clamp) -> Result<Linked> {
    let mut kernels = Vec::new();
    for (name, text, trust) in texts {
        let kernel = Arc::new(Kernel::parse(name, text, trust)?);
        kernels.push(LinkedKernel::with_default_segments(Variant::new(kernel, [])));
    }
    kernels.sort();
    kernels.dedup();
    link(&kernels, clamp, Head::Table, Scalars::Components)
}

impl LinkedKernel {
    /// The variant with its read-only bindings in weight segment 1 and the others in heap segment 0.
    pub fn with_default_segments(variant: Variant) -> Self {
        let segment = |access| match access {
            Access::Read => SegmentId { index: 1, kind: SegmentKind::Weights },
            Access::ReadWrite => SegmentId { index: 0, kind: SegmentKind::Heap },
        };
        let segments = variant.kernel().bindings.iter().map(|binding| segment(binding.access)).collect();
        LinkedKernel { variant, segments }
    }

    /// Whether `lane` is one of this kernel: as many operands as the kernel has bindings, all words of its parameters, and
    /// workgroups within the grid. A table with any other lane would have the kernel read its neighbour's record.
    ///
    /// # Errors
    /// `Input`, naming the kernel and what does not match.
    pub fn check(&self, lane: &table::EncodedLane) -> Result<()> {
        self.check_record(lane.operands.len(), lane.params.len())?;
        let [x, y, z] = lane.grid;
        let kernel = self.variant.kernel();
        if kernel.linear && (y, z) != (1, 1) {
            let name = &kernel.name;
            return Err(Error::input(format!("kernel {name} is linear: it has no grid of {:?}", lane.grid)));
        }
        let grid = x.checked_mul(y).and_then(|xy| xy.checked_mul(z));
        let end = lane.first.checked_add(lane.count);
        match (grid, end) {
            (Some(grid), Some(end)) if end <= grid => Ok(()),
            _ => Err(Error::input(format!(
                "kernel {}: workgroups {} + {} of a grid of {:?}",
                kernel.name, lane.first, lane.count, lane.grid
            ))),
        }
    }

    /// Whether a lane with that many operands and words of parameters fills the kernel's record.
    ///
    /// # Errors
    /// As [`LinkedKernel::check`].
    pub fn check_record(&self, operands: usize, params: usize) -> Result<()> {
        let kernel = self.variant.kernel();
        let refuse = |what: String| Err(Error::input(format!("kernel {}: {what}", kernel.name)));
        let bindings = kernel.bindings.len();
        if operands != bindings {
            return refuse(format!("{operands} tensors for {bindings} bindings"));
        }
        let words = kernel.params.as_ref().map_or(0, |params| params.size as usize / 4);
        if params != words {
            return refuse(format!("{params} words of parameters where the kernel has {words}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::table::{EncodedLane, LaneOperand};
    use super::*;

    #[test]
    fn only_complete_lanes_within_the_grid_pass() {
        let kernel = crate::kernel::library::get("copy");
        let kernel = LinkedKernel::with_default_segments(Variant::new(kernel, []));
        let lane = |operands: usize, params: &[u32], first, count, grid| EncodedLane {
            grid,
            first,
            count,
            operands: vec![LaneOperand::default(); operands],
            params: params.into(),
        };
        assert!(kernel.check(&lane(2, &[1], 3, 5, [8, 1, 1])).is_ok());
        assert!(kernel.check(&lane(2, &[1], 3, 5, [4, 2, 1])).is_err());
        assert!(kernel.check(&lane(3, &[1], 0, 1, [1, 1, 1])).is_err());
        assert!(kernel.check(&lane(2, &[], 0, 1, [1, 1, 1])).is_err());
        assert!(kernel.check(&lane(2, &[1], 3, 6, [8, 1, 1])).is_err());
        assert!(kernel.check(&lane(2, &[1], 0, 1, [65_536, 65_536, 1])).is_err());
        assert!(kernel.check(&lane(2, &[1], u32::MAX, 1, [u32::MAX, 1, 1])).is_err());
    }

    #[test]
    fn no_kernel_waits_for_what_another_reads() {
        let texts = ["a[0] = 1u;", "a[0] = p.v[3].x;"].map(|body| {
            format!(
                "struct Params {{ v: array<vec4<u32>, 4> }}
                @group(0) @binding(0) var<storage, read_write> a: array<u32>;
                @group(0) @binding(1) var<uniform> p: Params;
                @compute @workgroup_size(64) fn main() {{ {body} }}"
            )
        });
        let kernels = ["short", "long"].into_iter().zip(&texts).map(|(name, text)| {
            let kernel = Arc::new(Kernel::parse(name, text, Trust::Project).unwrap());
            LinkedKernel::with_default_segments(Variant::new(kernel, []))
        });
        let kernels: Vec<_> = kernels.collect();
        let ahead = |kernels: &[LinkedKernel], ahead| {
            let linked = link_with(kernels, Clamp::Users, Head::Table, Scalars::Components, ahead).unwrap();
            let locals = &linked.module.entry_points[0].function.local_variables;
            let is_record = |name: &str| name.starts_with("record_");
            locals.iter().filter(|(_, local)| local.name.as_deref().is_some_and(is_record)).count()
        };
        assert_eq!([Ahead::Table, Ahead::Choice].map(|which| ahead(&kernels, which)), [2, 1]);
        assert_eq!(ahead(&kernels[1..], Ahead::Choice), 2, "there is no choice");
    }

    #[test]
    fn no_kernels_are_no_module() {
        assert!(link(&[], Clamp::Users, Head::Table, Scalars::Components).is_err());
    }
}
