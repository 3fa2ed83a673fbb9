//! A kernel's entry point as a function of its lane.

use naga::{BinaryOperator, Binding, BuiltIn, Function, Handle, Scalar, Type, TypeInner, VectorSize};

use super::function::Relocator;
use super::{Context, Relocated, Taken};
use crate::error::{Error, Result};
use crate::link::splice::Merged;

type Expr = Handle<naga::Expression>;

/// Subgroup builtins: the merged entry point has them and passes them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::link) enum Subgroup {
    Count,
    Id,
    Size,
    Invocation,
}

impl Subgroup {
    pub(in crate::link) fn builtin(self) -> BuiltIn {
        match self {
            Subgroup::Count => BuiltIn::NumSubgroups,
            Subgroup::Id => BuiltIn::SubgroupId,
            Subgroup::Size => BuiltIn::SubgroupSize,
            Subgroup::Invocation => BuiltIn::SubgroupInvocationId,
        }
    }

    pub(in crate::link) fn name(self) -> &'static str {
        match self {
            Subgroup::Count => "num_subgroups",
            Subgroup::Id => "subgroup_id",
            Subgroup::Size => "subgroup_size",
            Subgroup::Invocation => "subgroup_invocation_id",
        }
    }
}

/// What the builtins are computed from.
struct Ids {
    group: Expr,
    local: Expr,
    subgroup: Vec<(Subgroup, Expr)>,
}

/// The function of a kernel.
pub(super) fn relocate_entry(merged: &mut Merged, context: &Context<'_>, name: String) -> Result<Relocated> {
    let entry = &context.special.module.entry_points[0];
    let info = context.special.info.get_entry_point(0);
    let mut relocator = Relocator::new(merged, context, &entry.function, info);
    let ty = relocator.merged.u32_type();
    let group = relocator.add_argument(Some("group".to_owned()), ty);
    let local = relocator.add_argument(Some("local".to_owned()), ty);
    let builtins = builtins(context, &entry.function);
    let mut subgroup: Vec<Subgroup> = builtins.iter().filter_map(|b| as_subgroup(*b)).collect();
    subgroup.sort();
    subgroup.dedup();
    let passed = subgroup.iter().map(|&s| (s, relocator.add_argument(Some(s.name().to_owned()), ty))).collect();

    let ids = Ids { group, local, subgroup: passed };
    for argument in &entry.function.arguments {
        let value = match &argument.binding {
            Some(binding) => builtin(&mut relocator, &ids, binding)?,
            None => {
                let TypeInner::Struct { members, span: _ } = &context.special.module.types[argument.ty].inner else {
                    return Err(Error::internal("an argument of an entry point without binding"));
                };
                let mut values = Vec::new();
                for member in members {
                    let binding = member.binding.as_ref();
                    let binding = binding.ok_or_else(|| Error::internal("a member without binding"))?;
                    values.push(builtin(&mut relocator, &ids, binding)?);
                }
                let ty = context.map.types.get(argument.ty);
                relocator.compose_known(ty, values)
            }
        };
        relocator.arguments.push(value);
    }
    let (mut function, taken) = relocator.run()?;
    function.name = Some(name);
    let function = merged.append(function);
    Ok(Relocated { function, subgroup, taken, grid: context.grid_word() })
}

fn builtins(context: &Context<'_>, function: &Function) -> Vec<BuiltIn> {
    let mut found = Vec::new();
    let mut add = |binding: &Option<Binding>| {
        if let Some(Binding::BuiltIn(builtin)) = binding {
            found.push(*builtin);
        }
    };
    for argument in &function.arguments {
        add(&argument.binding);
        if let TypeInner::Struct { members, span: _ } = &context.special.module.types[argument.ty].inner {
            members.iter().for_each(|member| add(&member.binding));
        }
    }
    found
}

fn as_subgroup(builtin: BuiltIn) -> Option<Subgroup> {
    [Subgroup::Count, Subgroup::Id, Subgroup::Size, Subgroup::Invocation].into_iter().find(|s| s.builtin() == builtin)
}

fn builtin(relocator: &mut Relocator<'_, '_>, ids: &Ids, binding: &Binding) -> Result<Expr> {
    let Binding::BuiltIn(builtin) = *binding else {
        return Err(Error::internal("a compute kernel with user-defined inputs"));
    };
    if let Some(subgroup) = as_subgroup(builtin) {
        let passed = ids.subgroup.iter().find(|(s, _)| *s == subgroup);
        return passed.map(|(_, e)| *e).ok_or_else(|| Error::internal("a subgroup builtin that was not collected"));
    }
    let components = match builtin {
        BuiltIn::LocalInvocationIndex => return Ok(ids.local),
        BuiltIn::LocalInvocationId => local_id(relocator, ids),
        BuiltIn::WorkGroupId => group_id(relocator, ids),
        BuiltIn::GlobalInvocationId => {
            let size = relocator.context.kernel.workgroup_size;
            let (group, local) = (group_id(relocator, ids), local_id(relocator, ids));
            [0, 1, 2].map(|axis| {
                let builder = &mut relocator.builder;
                let first = builder.mul_const(group[axis], size[axis]);
                if size[axis] == 1 { first } else { builder.binary(BinaryOperator::Add, first, local[axis]) }
            })
        }
        BuiltIn::NumWorkGroups => [0, 1, 2].map(|axis| grid(relocator, axis)),
        BuiltIn::WorkGroupSize => relocator.context.kernel.workgroup_size.map(|n| relocator.builder.u32(n)),
        other => return Err(relocator.context.refuse(format_args!("the builtin {other:?} is not supported"))),
    };
    let ty = TypeInner::Vector { size: VectorSize::Tri, scalar: Scalar::U32 };
    let ty: Handle<Type> = relocator.merged.insert_type(ty);
    Ok(relocator.compose_known(ty, components.to_vec()))
}

/// The dispatch's size along an axis; a linear kernel's grid is one-dimensional.
fn grid(relocator: &mut Relocator<'_, '_>, axis: u32) -> Expr {
    if relocator.context.kernel.linear && axis > 0 {
        return relocator.builder.u32(1);
    }
    let word = relocator.context.grid_word() + axis;
    let vec4 = relocator.take(Taken::Record(word / 4));
    relocator.builder.component(vec4, word % 4)
}

/// The workgroup's position in the dispatch's grid.
fn group_id(relocator: &mut Relocator<'_, '_>, ids: &Ids) -> [Expr; 3] {
    if relocator.context.kernel.linear {
        let zero = relocator.builder.u32(0);
        return [ids.group, zero, zero];
    }
    let [width, height] = [0, 1].map(|axis| grid(relocator, axis));
    let builder = &mut relocator.builder;
    let x = builder.binary(BinaryOperator::Modulo, ids.group, width);
    let rows = builder.binary(BinaryOperator::Divide, ids.group, width);
    let y = builder.binary(BinaryOperator::Modulo, rows, height);
    let z = builder.binary(BinaryOperator::Divide, rows, height);
    [x, y, z]
}

/// The invocation's position in a workgroup of the kernel's own shape; the merged one is flat.
fn local_id(relocator: &mut Relocator<'_, '_>, ids: &Ids) -> [Expr; 3] {
    let [x, y, z] = relocator.context.kernel.workgroup_size;
    let builder = &mut relocator.builder;
    let zero = builder.u32(0);
    let flat = y == 1 && z == 1;
    let plane = x.saturating_mul(y);
    [
        if flat { ids.local } else { builder.rem_const(ids.local, x) },
        if y == 1 {
            zero
        } else {
            let rows = builder.div_const(ids.local, x);
            if z == 1 { rows } else { builder.rem_const(rows, y) }
        },
        if z == 1 { zero } else { builder.div_const(ids.local, plane) },
    ]
}
