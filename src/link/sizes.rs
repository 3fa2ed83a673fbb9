//! Workgroups of several sizes in one module.
//!
//! The module's workgroups are as large as the largest kernel's. A kernel of smaller ones runs several of its own in each, beside
//! each other, if nothing tells its invocations that they share a workgroup with more: no barrier, no workgroup memory, no
//! subgroup.

use naga::{AddressSpace, Block, Module, Statement};

use super::LinkedKernel;
use super::specialise::Specialised;
use crate::error::{Error, ErrorKind, Result};

/// Invocations of a workgroup of the kernel.
pub(super) fn invocations(kernel: &LinkedKernel) -> u32 {
    kernel.variant.kernel().workgroup_size.iter().product()
}

/// How many workgroups of the kernel one of `size` invocations runs.
///
/// # Errors
/// `Limit`, naming the kernel and what binds it to its own size.
pub(super) fn per_workgroup(kernel: &LinkedKernel, special: &Specialised, size: u32) -> Result<u32> {
    let own = invocations(kernel);
    if own == size {
        return Ok(1);
    }
    let bound = if !size.is_multiple_of(own) {
        Some("no whole number of them is as large")
    } else if kernel.variant.kernel().needs.subgroups {
        Some("it uses subgroups")
    } else if special.module.global_variables.iter().any(|(_, v)| v.space == AddressSpace::WorkGroup) {
        Some("it uses workgroup memory")
    } else if has_barrier(&special.module) {
        Some("it has barriers")
    } else {
        None
    };
    match bound {
        None => Ok(size / own),
        Some(why) => {
            let name = &kernel.variant.kernel().name;
            let what = format!("kernel {name}: workgroups of {own} invocations among those of {size}: {why}");
            Err(Error::new(ErrorKind::Limit, what))
        }
    }
}

fn has_barrier(module: &Module) -> bool {
    let mut bodies =
        module.functions.iter().map(|(_, f)| &f.body).chain(module.entry_points.iter().map(|e| &e.function.body));
    bodies.any(waits)
}

/// Whether a statement of the block makes invocations wait for each other.
fn waits(block: &Block) -> bool {
    block.iter().any(|statement| match statement {
        Statement::ControlBarrier(_)
        | Statement::MemoryBarrier(_)
        | Statement::WorkGroupUniformLoad { .. }
        | Statement::SubgroupBallot { .. }
        | Statement::SubgroupGather { .. }
        | Statement::SubgroupCollectiveOperation { .. }
        | Statement::CooperativeStore { .. } => true,
        Statement::Block(block) => waits(block),
        Statement::If { condition: _, accept, reject } => waits(accept) || waits(reject),
        Statement::Switch { selector: _, cases } => cases.iter().any(|case| waits(&case.body)),
        Statement::Loop { body, continuing, break_if: _ } => waits(body) || waits(continuing),
        Statement::Emit(_)
        | Statement::Break
        | Statement::Continue
        | Statement::Return { .. }
        | Statement::Kill
        | Statement::Store { .. }
        | Statement::ImageStore { .. }
        | Statement::Atomic { .. }
        | Statement::ImageAtomic { .. }
        | Statement::Call { .. }
        | Statement::RayQuery { .. }
        | Statement::RayPipelineFunction(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::kernel::{Kernel, Trust, Variant};
    use crate::link::{Clamp, Head, LinkedKernel, Scalars, link};

    fn kernel(name: &str, size: u32, declared: &str, body: &str) -> LinkedKernel {
        let text = format!(
            "@group(0) @binding(0) var<storage, read_write> out: array<u32>;
            {declared}
            @compute @workgroup_size({size}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{ {body} }}"
        );
        let kernel = Kernel::parse(name, &text, Trust::Project).unwrap();
        LinkedKernel::with_default_segments(Variant::new(Arc::new(kernel), []))
    }

    #[test]
    fn the_larger_workgroup_runs_several_of_the_smaller() {
        let sizes = [("a", 64), ("b", 256), ("c", 32), ("d", 256)];
        let kernels = sizes.map(|(name, size)| kernel(name, size, "", "out[id.x] = id.x;"));
        let linked = link(&kernels, Clamp::Users, Head::Table, Scalars::Components).unwrap();
        assert_eq!(linked.workgroup_size, 256);
        assert_eq!(linked.per_workgroup, [4, 1, 8, 1]);
        assert_eq!(link(&kernels[..1], Clamp::Users, Head::Table, Scalars::Components).unwrap().per_workgroup, [1]);
    }

    #[test]
    fn what_binds_a_kernel_to_its_size_is_named() {
        let cases = [
            ("", "workgroupBarrier();", 64, "barriers"),
            ("fn f() { storageBarrier(); }", "f();", 64, "barriers"),
            ("var<workgroup> w: array<u32, 64>;", "out[id.x] = w[0];", 64, "workgroup memory"),
            ("", "out[id.x] = subgroupAdd(id.x);", 64, "subgroups"),
            ("", "out[id.x] = 1u;", 96, "no whole number"),
        ];
        for (declared, body, size, why) in cases {
            let kernels = [kernel("large", 256, "", "out[id.x] = 1u;"), kernel("small", size, declared, body)];
            let error = link(&kernels, Clamp::Users, Head::Table, Scalars::Components).unwrap_err();
            assert!(error.message().contains("kernel small") && error.message().contains(why), "{error}");
        }
    }
}
