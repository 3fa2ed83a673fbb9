//! Relocation: a kernel's bindings become offsets into heap and weight segments, its parameters words of the lane table, its
//! workgroup ids those of the lane.
//!
//! Contract. The kernel's entry point becomes a function of the workgroup's index in the dispatch's grid, the index of the
//! invocation in the workgroup, and the subgroup builtins that it declares. It and every other function take, after that or their
//! own arguments, what they and the functions that they call need of their lane ([`Taken`]): parts of its record, which the merged
//! entry point has read, and its position where an index into the parameters is not constant.
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

use naga::{Function, GlobalVariable, Handle};

use super::specialise::{Role, Specialised};
use super::splice::{Merged, ModuleMap};
use super::{LinkedKernel, SegmentId};
use crate::error::{Error, Result};
use crate::kernel::{Access, Kernel, Trust, functions};
use crate::link::{Clamp, Scalars, SegmentKind, table};

pub(super) use builder::Builder;
pub(super) use entry::Subgroup;
pub(super) use expression::remap_expression;

/// What a function takes of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The position of the record in the table, in units of `vec4<u32>`.
    Lane,
    /// The `vec4<u32>` at this offset within the record.
    Record(u32),
}

/// The function of a kernel.
pub(super) struct Relocated {
    pub(super) function: Handle<Function>,
    /// The subgroup builtins that it takes after group and local index, in this order.
    pub(super) subgroup: Vec<Subgroup>,
    /// What it takes after those.
    pub(super) taken: Vec<Taken>,
    /// Word of its record at which the grid stands.
    pub(super) grid: u32,
}

/// What relocating one kernel needs to know.
struct Context<'a> {
    kernel: &'a Kernel,
    special: &'a Specialised,
    map: ModuleMap,
    /// By position among the kernel's bindings.
    memory: Vec<Handle<GlobalVariable>>,
    /// By position: the same memory as words, where scalars are accessed through that.
    words: Vec<Option<Handle<GlobalVariable>>>,
    clamp: bool,
    /// What a function takes after its own arguments, by its index in the arena.
    taken: Vec<Vec<Taken>>,
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

    /// Word of the lane's record at which the parameters start.
    fn params_word(&self) -> u32 {
        table::params_word(self.kernel.bindings.len() as u32)
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

/// Adds the functions of `linked` to the merged module; their names start with `prefix`.
pub(super) fn relocate(
    merged: &mut Merged,
    linked: &LinkedKernel,
    special: &Specialised,
    map: ModuleMap,
    clamp: Clamp,
    scalars: Scalars,
    prefix: &str,
) -> Result<Relocated> {
    let kernel = &**linked.variant.kernel();
    if linked.segments.len() != kernel.bindings.len() {
        let (segments, bindings) = (linked.segments.len(), kernel.bindings.len());
        return Err(Error::internal(format!("kernel {}: {segments} segments for {bindings} bindings", kernel.name)));
    }
    let mut context = Context {
        kernel,
        special,
        map,
        memory: Vec::new(),
        words: Vec::new(),
        clamp: clamp == Clamp::All || kernel.trust == Trust::User,
        taken: Vec::new(),
    };
    for (binding, &segment) in kernel.bindings.iter().zip(&linked.segments) {
        let SegmentId { index: _, kind } = segment;
        if binding.access == Access::ReadWrite && kind == SegmentKind::Weights {
            let name = &binding.name;
            return Err(context
                .refuse(format_args!("binding {name}: is written, but lies in a weight segment, which is read-only")));
        }
        context.memory.push(merged.segment(segment)?);
        let words = scalars == Scalars::Words && as_words(linked, special, segment);
        context.words.push(words.then(|| merged.words(segment)));
    }
    for (handle, old) in special.module.functions.iter() {
        let (mut function, taken) = function::relocate_helper(merged, &context, handle, old)?;
        let old_name = old.name.as_deref().unwrap_or("function");
        // The project's kernels have the same functions of the library: those are kept once.
        let shared = kernel.trust == Trust::Project && taken.is_empty() && functions::contains(old_name);
        function.name = Some(if shared { old_name.to_owned() } else { format!("{prefix}_{old_name}") });
        context.taken.push(taken);
        let function = if shared { merged.share(function) } else { merged.append(function) };
        context.map.functions.insert(handle, function);
    }
    entry::relocate_entry(merged, &context, prefix.to_owned())
}

/// Whether a kernel may see a segment as words. Its bindings there may be one tensor, of which a compiler must not believe that another
/// variable leaves it alone: so either all that it accesses of a segment that is written is words, or nothing.
fn as_words(linked: &LinkedKernel, special: &Specialised, segment: SegmentId) -> bool {
    let Specialised { module, roles, .. } = special;
    segment.kind == SegmentKind::Weights
        || roles.iter().all(|&(variable, role)| match role {
            Role::Operand(position) if linked.segments[position as usize] == segment => {
                place::is_words(module.global_variables[variable].ty, &module.types)
            }
            Role::Operand(_) | Role::Params => true,
        })
}
