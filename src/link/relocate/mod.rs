//! Relocation: a kernel's bindings become offsets into heap segments and slabs, its parameters words of the lane table, its
//! workgroup ids those of the lane.
//!
//! Contract. A relocated function takes the position of its lane's record in the table (`lane`, in units of `vec4<u32>`)
//! as first argument, if it or a function that it calls needs it. The kernel's entry point becomes a function of the lane,
//! the workgroup's index in the dispatch's grid, the index of the invocation in the workgroup, and the subgroup builtins
//! that it declares. What it reads from the table it reads once, at its top.
//!
//! A kernel's arithmetic is taken over expression by expression, in the order of evaluation; nothing is reassociated, so
//! that the numbers are those of the kernel alone.
//!
//! With clamping, each index of a storage access is limited to its array before it is multiplied by the stride, so that no
//! overflow can lead outside; and a binding whose tensor is too short for even one element reads as zero and ignores stores.

mod access;
mod builder;
mod entry;
mod expression;
mod function;
mod place;
mod store;

use naga::{Expression, Function, GlobalVariable, Handle, Statement};

use super::specialise::{Role, Specialised};
use super::splice::{Merged, ModuleMap};
use super::{Arm, Slot};
use crate::error::{Error, Result};
use crate::kernel::{Access, Kernel, Trust, functions};
use crate::link::{Clamp, SlotKind, table};

pub(super) use builder::Builder;
pub(super) use entry::Subgroup;
pub(super) use expression::remap_expression;

/// The function of an arm.
pub(super) struct Relocated {
    pub(super) function: Handle<Function>,
    /// The subgroup builtins that it takes after lane, group and local index, in this order.
    pub(super) subgroup: Vec<Subgroup>,
    /// Word of its record at which the grid stands.
    pub(super) grid: u32,
}

/// What relocating one arm needs to know.
struct Context<'a> {
    kernel: &'a Kernel,
    special: &'a Specialised,
    map: ModuleMap,
    /// By position among the kernel's bindings.
    memory: Vec<Handle<GlobalVariable>>,
    clamp: bool,
    /// Whether a function needs the lane, by its index in the arena.
    needs_lane: Vec<bool>,
}

impl Context<'_> {
    fn refuse(&self, what: impl std::fmt::Display) -> Error {
        Error::kernel(format!("kernel {}: {what}", self.kernel.name))
    }

    fn refuse_binding(&self, source: place::Source, what: impl std::fmt::Display) -> Error {
        let name = match source {
            place::Source::Operand(k) => &self.kernel.bindings[k as usize].name,
            place::Source::Params => {
                let params = self.kernel.params.as_ref().map(|p| &self.kernel.module.global_variables[p.variable]);
                params.and_then(|p| p.name.as_ref()).unwrap_or(&self.kernel.name)
            }
        };
        self.refuse(format_args!("binding {name}: {what}"))
    }

    /// Word of the lane's record at which the grid stands.
    fn grid_word(&self) -> u32 {
        let params = self.kernel.params.as_ref().map_or(0, |params| params.size / 4);
        table::grid_word(self.kernel.bindings.len() as u32, params)
    }

    fn role(&self, variable: Handle<GlobalVariable>) -> Option<Role> {
        self.special.roles.iter().find(|(handle, _)| *handle == variable).map(|(_, role)| *role)
    }
}

/// Adds the functions of `arm` to the merged module; their names start with `prefix`.
pub(super) fn relocate(
    merged: &mut Merged,
    arm: &Arm,
    special: &Specialised,
    map: ModuleMap,
    clamp: Clamp,
    prefix: &str,
) -> Result<Relocated> {
    let kernel = &**arm.variant.kernel();
    if arm.slots.len() != kernel.bindings.len() {
        let (slots, bindings) = (arm.slots.len(), kernel.bindings.len());
        return Err(Error::internal(format!("kernel {}: {slots} slots for {bindings} bindings", kernel.name)));
    }
    let mut context = Context {
        kernel,
        special,
        map,
        memory: Vec::new(),
        clamp: clamp == Clamp::All || kernel.trust == Trust::User,
        needs_lane: Vec::new(),
    };
    for (binding, &slot) in kernel.bindings.iter().zip(&arm.slots) {
        let Slot { index: _, kind } = slot;
        if binding.access == Access::ReadWrite && kind == SlotKind::Slab {
            let name = &binding.name;
            return Err(context.refuse(format_args!("binding {name}: is written, but its slot is a read-only slab")));
        }
        context.memory.push(merged.slot(slot)?);
    }
    for (handle, old) in special.module.functions.iter() {
        let needs = needs_lane(&context, old);
        context.needs_lane.push(needs);
        let old_name = old.name.as_deref().unwrap_or("function");
        // The project's kernels have the same functions of the library: those are kept once.
        let shared = kernel.trust == Trust::Project && !needs && functions::contains(old_name);
        let name = if shared { old_name.to_owned() } else { format!("{prefix}_{old_name}") };
        let function = function::relocate_helper(merged, &context, handle, old, name)?;
        let function = if shared { merged.share(function) } else { merged.append(function) };
        context.map.functions.insert(handle, function);
    }
    let (function, subgroup) = entry::relocate_entry(merged, &context, prefix.to_owned())?;
    let function = merged.module.functions.append(function, naga::Span::UNDEFINED);
    Ok(Relocated { function, subgroup, grid: context.grid_word() })
}

/// Whether the function touches bindings, itself or through a function that it calls.
fn needs_lane(context: &Context<'_>, function: &Function) -> bool {
    let touches = |variable: &Handle<GlobalVariable>| context.role(*variable).is_some();
    let in_expressions = function.expressions.iter().any(|(_, expression)| match expression {
        Expression::GlobalVariable(variable) => touches(variable),
        _ => false,
    });
    in_expressions || calls_one(&function.body, &context.needs_lane)
}

fn calls_one(block: &naga::Block, needs_lane: &[bool]) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Call { function, arguments: _, result: _ } => needs_lane[function.index()],
        Statement::Block(block) => calls_one(block, needs_lane),
        Statement::If { condition: _, accept, reject } => {
            calls_one(accept, needs_lane) || calls_one(reject, needs_lane)
        }
        Statement::Switch { selector: _, cases } => cases.iter().any(|case| calls_one(&case.body, needs_lane)),
        Statement::Loop { body, continuing, break_if: _ } => {
            calls_one(body, needs_lane) || calls_one(continuing, needs_lane)
        }
        Statement::Emit(_)
        | Statement::Break
        | Statement::Continue
        | Statement::Return { .. }
        | Statement::Kill
        | Statement::ControlBarrier(_)
        | Statement::MemoryBarrier(_)
        | Statement::Store { .. }
        | Statement::ImageStore { .. }
        | Statement::Atomic { .. }
        | Statement::ImageAtomic { .. }
        | Statement::WorkGroupUniformLoad { .. }
        | Statement::RayQuery { .. }
        | Statement::RayPipelineFunction(_)
        | Statement::SubgroupBallot { .. }
        | Statement::SubgroupGather { .. }
        | Statement::SubgroupCollectiveOperation { .. }
        | Statement::CooperativeStore { .. } => false,
    })
}
