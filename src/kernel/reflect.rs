//! Parsing, validation and reflection of one kernel.

use std::sync::Arc;

use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ArraySize, Handle, Module, Scalar, ShaderStage, StorageAccess, Type, TypeInner};

use super::{Access, Binding, Field, Kernel, Needs, Params, Trust, limits, linear};
use crate::error::{Error, Result};

/// The parser and validator recurse along expressions; the limits keep them within this.
const STACK: usize = 64 << 20;
/// Deepest nesting of structs and arrays in a binding.
const MAX_TYPE_DEPTH: u32 = 15;
/// Bytes of the parameter struct: every lane record is as long as the longest kernel's.
const MAX_PARAMS: u32 = 1024;

/// What kernels may use, if the device has it.
const CAPABILITIES: Capabilities = Capabilities::SHADER_FLOAT16
    .union(Capabilities::SHADER_FLOAT16_IN_FLOAT32)
    .union(Capabilities::SUBGROUP)
    .union(Capabilities::SUBGROUP_BARRIER);

/// A validator for kernels.
pub(crate) fn validator() -> Validator {
    validator_for(CAPABILITIES)
}

/// A validator for merged modules, which have what kernels use, and immediates.
pub(crate) fn merged_validator() -> Validator {
    validator_for(CAPABILITIES | Capabilities::IMMEDIATES)
}

fn validator_for(capabilities: Capabilities) -> Validator {
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator.subgroup_stages(naga::valid::ShaderStages::COMPUTE);
    validator
}

impl Kernel {
    /// Parses, validates and reflects WGSL text with exactly one compute entry point.
    ///
    /// # Errors
    /// `Kernel`, naming the line, binding or limit concerned.
    pub fn parse(name: &str, text: &str, trust: Trust) -> Result<Kernel> {
        limits::check(name, text)?;
        let parse = || parse(name, text, trust);
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parse);
            match thread.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(Error::kernel(format!("kernel {name}: the parser gave up on this text"))),
                Err(error) => Err(Error::internal(format!("cannot start a thread to parse kernel {name}: {error}"))),
            }
        })
    }

    /// A user's kernel, named by a hash of its text.
    ///
    /// # Errors
    /// As [`Kernel::parse`].
    pub fn user(text: &str) -> Result<Kernel> {
        Self::parse(&format!("user:{:016x}", fnv1a(text.as_bytes())), text, Trust::User)
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn parse(name: &str, text: &str, trust: Trust) -> Result<Kernel> {
    let refuse = |what: &str| Error::kernel(format!("kernel {name}: {what}"));
    let module = naga::front::wgsl::parse_str(text).map_err(|e| refuse(&e.emit_to_string(text)))?;
    check_globals(&module).map_err(|what| refuse(&what))?;
    let info = validator().validate(&module).map_err(|e| refuse(&e.emit_to_string(text)))?;
    let size = limits::check_module(&module, &info).map_err(|what| refuse(&what))?;

    let [entry] = module.entry_points.as_slice() else {
        return Err(refuse(&format!("{} entry points; a kernel has exactly one", module.entry_points.len())));
    };
    if entry.stage != ShaderStage::Compute {
        return Err(refuse("the entry point is not a compute shader"));
    }
    if entry.workgroup_size_overrides.is_some() {
        return Err(refuse("the workgroup size depends on an override; it must be constant"));
    }
    let workgroup_size = entry.workgroup_size;
    let overrides = module.overrides.iter().map(|(_, o)| override_name(o)).collect();
    Ok(Kernel {
        name: name.to_owned(),
        trust,
        text: Arc::from(text),
        bindings: bindings(&module).map_err(|what| refuse(&what))?,
        params: params(&module).map_err(|what| refuse(&what))?,
        workgroup_size,
        linear: trust == Trust::Project && linear::is_linear(&module, &info),
        workgroup_bytes: default_workgroup_bytes(&module, &info),
        overrides,
        size,
        needs: needs(&module),
        module,
        info,
    })
}

/// The name under which naga takes a value: the `@id` where there is one.
fn override_name(o: &naga::Override) -> String {
    match o.id {
        Some(id) => id.to_string(),
        None => o.name.clone().unwrap_or_default(),
    }
}

/// Refuses variables that cannot be relocated, before validation, so that the message names the variable.
fn check_globals(module: &Module) -> Result<(), String> {
    let mut taken: Vec<(u32, &str)> = Vec::new();
    for (_, variable) in module.global_variables.iter() {
        let name = variable.name.as_deref().unwrap_or("(unnamed)");
        let what = match variable.space {
            AddressSpace::Storage { access } if access.contains(StorageAccess::ATOMIC) => Some("storage atomics"),
            AddressSpace::Storage { .. } | AddressSpace::Uniform => None,
            AddressSpace::WorkGroup | AddressSpace::Private => continue,
            AddressSpace::Handle => Some(match module.types[variable.ty].inner {
                TypeInner::Image { .. } => "textures",
                TypeInner::Sampler { .. } => "samplers",
                TypeInner::AccelerationStructure { .. } => "acceleration structures",
                TypeInner::BindingArray { .. } => "binding arrays",
                _ => "resources that are not buffers",
            }),
            AddressSpace::Immediate => Some("immediates (parameters belong in a uniform struct)"),
            AddressSpace::Function
            | AddressSpace::TaskPayload
            | AddressSpace::RayPayload
            | AddressSpace::IncomingRayPayload => Some("variables of this address space"),
        };
        if let Some(what) = what {
            return Err(format!("binding {name}: {what} cannot be relocated onto the heap"));
        }
        if !variable.memory_decorations.is_empty() {
            return Err(format!("binding {name}: coherent and volatile memory cannot be relocated onto the heap"));
        }
        let Some(naga::ResourceBinding { group, binding }) = variable.binding else {
            return Err(format!("binding {name}: lacks @group and @binding"));
        };
        if group != 0 {
            return Err(format!("binding {name}: is in group {group}; all bindings of a kernel are in group 0"));
        }
        if let Some((_, other)) = taken.iter().find(|(index, _)| *index == binding) {
            return Err(format!("binding {name}: has the same @binding({binding}) as {other}"));
        }
        taken.push((binding, name));
        check_type(module, variable.ty, 0).map_err(|what| format!("binding {name}: {what}"))?;
    }
    Ok(())
}

/// Whether values of the type can be put together from 32-bit words.
fn check_type(module: &Module, ty: Handle<Type>, depth: u32) -> Result<(), String> {
    if depth > MAX_TYPE_DEPTH {
        return Err(format!("its type nests deeper than {MAX_TYPE_DEPTH}"));
    }
    match &module.types[ty].inner {
        TypeInner::Scalar(scalar)
        | TypeInner::Vector { size: _, scalar }
        | TypeInner::Matrix { columns: _, rows: _, scalar } => check_scalar(*scalar),
        TypeInner::Atomic(_) => Err("storage atomics cannot be relocated onto the heap".to_owned()),
        TypeInner::Array { base, size, stride: _ } => {
            if matches!(size, ArraySize::Pending(_)) {
                return Err("the length of an array in a buffer cannot be an override".to_owned());
            }
            check_type(module, *base, depth + 1)
        }
        TypeInner::Struct { members, span: _ } => {
            members.iter().try_for_each(|member| check_type(module, member.ty, depth + 1))
        }
        TypeInner::Image { .. } | TypeInner::Sampler { .. } => {
            Err("textures and samplers cannot be relocated onto the heap".to_owned())
        }
        TypeInner::CooperativeMatrix { .. }
        | TypeInner::Pointer { .. }
        | TypeInner::ValuePointer { .. }
        | TypeInner::AccelerationStructure { .. }
        | TypeInner::RayQuery { .. }
        | TypeInner::BindingArray { .. } => Err("its type cannot be relocated onto the heap".to_owned()),
    }
}

fn check_scalar(scalar: Scalar) -> Result<(), String> {
    if [Scalar::F32, Scalar::I32, Scalar::U32, Scalar::F16].contains(&scalar) {
        return Ok(());
    }
    Err(format!(
        "elements of {} bits ({:?}) are not supported; use f32, i32, u32 or f16",
        scalar.width * 8,
        scalar.kind
    ))
}

fn bindings(module: &Module) -> Result<Vec<Binding>, String> {
    let mut bindings = Vec::new();
    for (variable, global) in module.global_variables.iter() {
        let AddressSpace::Storage { access } = global.space else { continue };
        let inner = &module.types[global.ty].inner;
        let stride = match *inner {
            TypeInner::Array { base: _, size: ArraySize::Dynamic, stride } => Some(stride),
            _ => inner.try_size(module.to_ctx()),
        };
        let name = global.name.clone().unwrap_or_default();
        bindings.push(Binding {
            stride: stride.ok_or_else(|| format!("binding {name}: its type is too large"))?,
            name,
            index: global.binding.as_ref().map_or(0, |b| b.binding),
            access: if access.contains(StorageAccess::STORE) { Access::ReadWrite } else { Access::Read },
            variable,
        });
    }
    bindings.sort_by_key(|binding| binding.index);
    Ok(bindings)
}

fn params(module: &Module) -> Result<Option<Params>, String> {
    let mut found: Option<(Params, &str)> = None;
    for (variable, global) in module.global_variables.iter() {
        if global.space != AddressSpace::Uniform {
            continue;
        }
        let name = global.name.as_deref().unwrap_or("(unnamed)");
        if let Some((_, other)) = found {
            return Err(format!("binding {name}: a second uniform beside {other}; put all parameters into one struct"));
        }
        let inner = &module.types[global.ty].inner;
        let TypeInner::Struct { members, span: _ } = inner else {
            return Err(format!("binding {name}: a uniform must be a struct of parameters"));
        };
        let size = |inner: &TypeInner| inner.try_size(module.to_ctx()).filter(|&size| size <= MAX_PARAMS);
        let too_large = || format!("binding {name}: parameters take more than {MAX_PARAMS} bytes");
        let fields = members.iter().map(|member| {
            Ok(Field {
                name: member.name.clone().unwrap_or_default(),
                offset: member.offset,
                size: size(&module.types[member.ty].inner).ok_or_else(too_large)?,
            })
        });
        let fields = fields.collect::<Result<_, String>>()?;
        found = Some((Params { size: size(inner).ok_or_else(too_large)?.next_multiple_of(4), fields, variable }, name));
    }
    Ok(found.map(|(params, _)| params))
}

fn default_workgroup_bytes(module: &Module, info: &ModuleInfo) -> u32 {
    let entry = info.get_entry_point(0);
    let used = module.global_variables.iter().filter(|(handle, _)| !entry[*handle].is_empty());
    let sizes = used.filter(|(_, global)| global.space == AddressSpace::WorkGroup).map(|(_, global)| {
        let inner = &module.types[global.ty].inner;
        match *inner {
            TypeInner::Array { base: _, size: ArraySize::Pending(handle), stride } => {
                let len = module.overrides[handle].init.and_then(|init| match module.global_expressions[init] {
                    naga::Expression::Literal(naga::Literal::U32(value)) => Some(value),
                    naga::Expression::Literal(naga::Literal::I32(value)) => u32::try_from(value).ok(),
                    _ => None,
                });
                len.unwrap_or(0).saturating_mul(stride)
            }
            _ => inner.try_size(module.to_ctx()).unwrap_or(u32::MAX),
        }
    });
    sizes.fold(0, u32::saturating_add)
}

/// A feature is needed if the module is invalid without it.
fn needs(module: &Module) -> Needs {
    let invalid_without = |missing: Capabilities| validator_for(CAPABILITIES - missing).validate(module).is_err();
    Needs {
        f16: invalid_without(Capabilities::SHADER_FLOAT16),
        subgroups: invalid_without(Capabilities::SUBGROUP | Capabilities::SUBGROUP_BARRIER),
    }
}
