//! Overrides become constants, and what the kernel does not use goes.

use naga::back::PipelineConstants;
use naga::back::pipeline_constants::process_overrides;
use naga::compact::{KeepUnused, compact};
use naga::proc::IndexableLength;
use naga::valid::ModuleInfo;
use naga::{ArraySize, Handle, Module, TypeInner};

use super::fold::fold_branches;
use crate::error::{Error, Result};
use crate::kernel::{Kernel, Trust, Variant, validator};

/// A kernel whose overrides have values, without unused functions and types; its handles are not the kernel's.
pub(super) struct Specialised {
    pub(super) module: Module,
    pub(super) info: ModuleInfo,
    /// Position among `Kernel::bindings` of each global variable that is one.
    pub(super) roles: Vec<(Handle<naga::GlobalVariable>, Role)>,
    /// By type: the size of an array, without overrides.
    pub(super) array_sizes: Vec<Option<ArraySize>>,
    pub(super) trust: Trust,
}

/// What a global variable is to the linker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The storage binding at this position among `Kernel::bindings`.
    Operand(u32),
    /// The parameter struct.
    Params,
}

/// Gives the variant's overrides their values.
pub(super) fn specialise(variant: &Variant) -> Result<Specialised> {
    let kernel: &Kernel = variant.kernel();
    let refuse = |what: String| Error::kernel(format!("kernel {}: {what}", kernel.name));
    let mut constants = PipelineConstants::default();
    for (name, value) in variant.constants() {
        if !kernel.overrides.iter().any(|known| known == name) {
            let known = kernel.overrides.join(", ");
            return Err(refuse(format!("there is no override {name} (it has: {known})")));
        }
        constants.insert(name.to_owned(), value);
    }
    let (module, _) = process_overrides(&kernel.module, &kernel.info, None, &constants)
        .map_err(|error| refuse(format!("overrides: {error}")))?;
    let mut module = module.into_owned();
    fold_branches(&mut module);
    compact(&mut module, KeepUnused::No);
    let info = validator().validate_resolved_overrides(&module).map_err(|error| refuse(error.emit_to_string("")))?;
    let sizes = module.types.iter().map(|(_, ty)| array_size(&ty.inner, &module));
    let array_sizes = sizes.collect::<Result<_, String>>().map_err(refuse)?;
    let roles = roles(kernel, &module);
    Ok(Specialised { module, info, roles, array_sizes, trust: kernel.trust })
}

/// The overrides stay in the module; only the sizes of arrays still name them.
fn array_size(inner: &TypeInner, module: &Module) -> Result<Option<ArraySize>, String> {
    let TypeInner::Array { base: _, size, stride: _ } = inner else { return Ok(None) };
    Ok(Some(match size.resolve(module.to_ctx()).map_err(|error| format!("the length of an array: {error}"))? {
        IndexableLength::Known(len) => {
            ArraySize::Constant(len.try_into().map_err(|_| "an array of length zero".to_owned())?)
        }
        IndexableLength::Dynamic => ArraySize::Dynamic,
    }))
}

fn roles(kernel: &Kernel, module: &Module) -> Vec<(Handle<naga::GlobalVariable>, Role)> {
    let role = |(handle, global): (_, &naga::GlobalVariable)| match global.space {
        naga::AddressSpace::Uniform => Some((handle, Role::Params)),
        naga::AddressSpace::Storage { .. } => {
            let index = global.binding?.binding;
            let position = kernel.bindings.iter().position(|binding| binding.index == index)?;
            Some((handle, Role::Operand(position as u32)))
        }
        _ => None,
    };
    module.global_variables.iter().filter_map(role).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kernel::Trust;

    fn kernel() -> Arc<Kernel> {
        let text = "
            override N: u32 = 3u;
            @group(0) @binding(2) var<storage, read> unused: array<f32>;
            @group(0) @binding(1) var<storage, read_write> a: array<u32>;
            @compute @workgroup_size(64) fn main() { a[0] = N; }";
        Arc::new(Kernel::parse("k", text, Trust::Project).unwrap())
    }

    #[test]
    fn values_replace_overrides_and_unused_bindings_go() {
        let special = specialise(&Variant::new(kernel(), [("N", 7.0)])).unwrap();
        assert_eq!(special.module.global_variables.len(), 1);
        assert_eq!(special.roles.iter().map(|(_, role)| *role).collect::<Vec<_>>(), [Role::Operand(0)]);
    }

    #[test]
    fn an_unknown_override_or_value_is_an_error() {
        let error = specialise(&Variant::new(kernel(), [("M", 7.0)])).err().unwrap();
        assert!(error.message().contains("no override M") && error.message().contains("N"), "{error}");
        assert!(specialise(&Variant::new(kernel(), [("N", -1.0)])).is_err());
        assert!(specialise(&Variant::new(kernel(), [("N", f64::NAN)])).is_err());
    }
}
