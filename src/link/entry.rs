//! The merged entry point: which lane is this workgroup's, and which kernel is the lane's.
//!
//! The first lane's record is read from where it lies in every table, without waiting for anything. Only in a bundle of several
//! lanes the workgroup's own lane is then found, and its record read in place of the first. Compilers see loads that do not depend on
//! each other, whatever the number of lanes turns out to be. How much is read before the choice is [`Ahead`]'s.
//!
//! Everything here depends on the workgroup's id and what is read-only alone, so it is the same for all invocations of a
//! workgroup, and barriers inside the kernels stay in uniform control flow.

use std::collections::BTreeSet;

use naga::{
    AddressSpace, BinaryOperator, Binding, BuiltIn, EntryPoint, Expression, FunctionArgument, GlobalVariable, Handle,
    Literal, LocalVariable, MemoryDecorations, ShaderStage, Span, Statement, StructMember, SwitchCase, SwitchValue,
    Type, TypeInner, VectorSize,
};

use super::relocate::{Builder, Relocated, Subgroup, Taken};
use super::splice::Merged;
use super::table;
use super::{Ahead, Head};

type Expr = Handle<Expression>;

/// Adds the entry point that runs the kernels, each with how many of its workgroups one of the module's runs.
pub(super) fn add_entry_point(
    merged: &mut Merged,
    kernels: &[(&Relocated, u32)],
    workgroup_size: u32,
    head: Head,
    ahead: Ahead,
) {
    let u32_type = merged.u32_type();
    let vec3 = merged.insert_type(TypeInner::Vector { size: VectorSize::Tri, scalar: naga::Scalar::U32 });
    let mut builder = Builder::default();
    let argument = |builder: &mut Builder, name: &str, builtin, ty| {
        let index = builder.function.arguments.len() as u32;
        let binding = Some(Binding::BuiltIn(builtin));
        builder.function.arguments.push(FunctionArgument { name: Some(name.to_owned()), ty, binding });
        builder.push(Expression::FunctionArgument(index))
    };
    let workgroup = argument(&mut builder, "workgroup", BuiltIn::WorkGroupId, vec3);
    let workgroups = argument(&mut builder, "workgroups", BuiltIn::NumWorkGroups, vec3);
    let local = argument(&mut builder, "local", BuiltIn::LocalInvocationIndex, u32_type);
    let mut subgroup: Vec<Subgroup> = kernels.iter().flat_map(|(kernel, _)| kernel.subgroup.iter().copied()).collect();
    subgroup.sort();
    subgroup.dedup();
    let subgroup: Vec<(Subgroup, Expr)> =
        subgroup.into_iter().map(|s| (s, argument(&mut builder, s.name(), s.builtin(), u32_type))).collect();

    let linear = linear_workgroup(&mut builder, workgroup, workgroups);
    let read = read_by(kernels, ahead);
    let first = First::new(merged, head, &read);
    let header = first.vec4(&mut builder, merged, 0);
    let total = builder.component(header, table::HEADER_GROUPS);
    let surplus = builder.binary(BinaryOperator::GreaterEqual, linear, total);
    let accept = block(&mut builder, |builder| builder.statement(Statement::Return { value: None }));
    builder.statement(Statement::If { condition: surplus, accept, reject: naga::Block::new() });

    let record = read_record(&mut builder, merged, &first, &read, header, linear);
    let own = record.vec4(&mut builder, merged, 0);
    let shift = builder.component(own, table::RECORD_SHIFT);

    let call = |builder: &mut Builder, &(kernel, per_workgroup): &(&Relocated, u32)| {
        let first = builder.mul_const(linear, per_workgroup);
        let mut group = builder.binary(BinaryOperator::Add, first, shift);
        let mut local = local;
        if per_workgroup > 1 {
            let size = workgroup_size / per_workgroup;
            let beside = builder.div_const(local, size);
            group = builder.binary(BinaryOperator::Add, group, beside);
            local = builder.rem_const(local, size);
        }
        builder.name(group, "group");
        let passed =
            kernel.subgroup.iter().filter_map(|s| subgroup.iter().find(|(known, _)| known == s).map(|(_, e)| *e));
        let mut arguments: Vec<Expr> = [group, local].into_iter().chain(passed).collect();
        arguments.extend(kernel.taken.iter().map(|taken| match *taken {
            Taken::Lane => record.lane,
            Taken::Record(index) => record.vec4(builder, merged, index),
        }));
        let call = Statement::Call { function: kernel.function, arguments, result: None };
        if per_workgroup == 1 {
            return builder.statement(call);
        }
        // The lane's last workgroup may have room for more than the lane has.
        let grid = record.vec4(builder, merged, kernel.grid / 4);
        let end = builder.component(grid, table::GRID_END);
        let condition = builder.binary(BinaryOperator::Less, group, end);
        let accept = block(builder, |builder| builder.statement(call));
        builder.statement(Statement::If { condition, accept, reject: naga::Block::new() });
    };
    if let [kernel] = kernels {
        call(&mut builder, kernel);
    } else {
        let selector = builder.component(own, table::RECORD_CASE);
        let mut cases = Vec::with_capacity(kernels.len() + 1);
        for (i, kernel) in kernels.iter().enumerate() {
            let body = block(&mut builder, |builder| call(builder, kernel));
            cases.push(SwitchCase { value: SwitchValue::U32(i as u32), body, fall_through: false });
        }
        cases.push(SwitchCase { value: SwitchValue::Default, body: naga::Block::new(), fall_through: false });
        builder.statement(Statement::Switch { selector, cases });
    }
    merged.module.entry_points.push(EntryPoint {
        name: "main".to_owned(),
        stage: ShaderStage::Compute,
        early_depth_test: None,
        workgroup_size: [workgroup_size, 1, 1],
        workgroup_size_overrides: None,
        function: builder.finish(),
        mesh_info: None,
        task_payload: None,
        incoming_ray_payload: None,
    });
}

/// What of a record is read ahead of the choice of a kernel: by offset in `vec4<u32>`s. All that a module's only kernel reads, and of
/// several kernels what `ahead` allows: a part that lies in any table, though the lane's record may be shorter.
fn read_by(kernels: &[(&Relocated, u32)], ahead: Ahead) -> BTreeSet<u32> {
    let mut read = BTreeSet::from([0]);
    for (kernel, per_workgroup) in kernels {
        read.extend((*per_workgroup > 1).then_some(kernel.grid / 4));
        read.extend(kernel.taken.iter().filter_map(|taken| match taken {
            Taken::Lane => None,
            Taken::Record(index) => Some(*index),
        }));
    }
    let ahead = match ahead {
        Ahead::Table => table::AHEAD,
        Ahead::Choice => 1,
    };
    read.retain(|index| kernels.len() == 1 || *index < ahead);
    read
}

/// The table up to the end of the first record.
struct First {
    /// A copy of so many `vec4<u32>`s from the start.
    immediates: Option<(Handle<GlobalVariable>, u32)>,
}

impl First {
    /// With room in the immediates, if there are any, for the header and what is read of the record.
    fn new(merged: &mut Merged, head: Head, read: &BTreeSet<u32>) -> First {
        if head == Head::Table {
            return First { immediates: None };
        }
        let held = read.range(..table::HEAD_RECORD).next_back().map_or(0, |last| last + 1);
        let names = std::iter::once("header".to_owned()).chain((0..held).map(|index| format!("record_{index}")));
        let members: Vec<StructMember> = (0..)
            .step_by(16)
            .zip(names)
            .map(|(offset, name)| StructMember { name: Some(name), ty: merged.vec4_type, binding: None, offset })
            .collect();
        let count = members.len() as u32;
        let inner = TypeInner::Struct { members, span: count * 16 };
        let ty = merged.module.types.insert(Type { name: Some("Head".to_owned()), inner }, Span::UNDEFINED);
        let variable = GlobalVariable {
            name: Some("head".to_owned()),
            space: AddressSpace::Immediate,
            binding: None,
            ty,
            init: None,
            memory_decorations: MemoryDecorations::empty(),
        };
        let variable = merged.module.global_variables.append(variable, Span::UNDEFINED);
        First { immediates: Some((variable, count)) }
    }

    fn vec4(&self, builder: &mut Builder, merged: &Merged, position: u32) -> Expr {
        match self.immediates {
            Some((variable, count)) if position < count => builder.load_member(variable, position),
            _ => {
                let position = builder.u32(position);
                builder.load_vec4(merged.table, position)
            }
        }
    }
}

/// The workgroup's lane.
struct Record {
    lane: Expr,
    /// By offset in `vec4<u32>`s.
    read: Vec<(u32, Expr)>,
}

impl Record {
    /// Four words of it: read already, or read now.
    fn vec4(&self, builder: &mut Builder, merged: &Merged, index: u32) -> Expr {
        if let Some((_, known)) = self.read.iter().find(|(read, _)| *read == index) {
            return *known;
        }
        let at = builder.add_const(self.lane, index);
        builder.load_vec4(merged.table, at)
    }
}

/// Reads the first lane's record, and where there are several lanes that of the workgroup's own.
fn read_record(
    builder: &mut Builder,
    merged: &mut Merged,
    first: &First,
    read: &BTreeSet<u32>,
    header: Expr,
    linear: Expr,
) -> Record {
    let (u32_type, vec4_type) = (merged.u32_type(), merged.vec4_type);
    let position = builder.push(Expression::Literal(Literal::U32(table::FIRST_RECORD)));
    let lane = variable(builder, "lane", u32_type, Some(position));
    let mut variables = Vec::with_capacity(read.len());
    for &index in read {
        let variable = variable(builder, &format!("record_{index}"), vec4_type, None);
        let value = first.vec4(builder, merged, table::FIRST_RECORD + index);
        builder.statement(Statement::Store { pointer: variable, value });
        variables.push((index, variable));
    }
    let lanes = builder.component(header, table::HEADER_LANES);
    let one = builder.u32(1);
    let several = builder.binary(BinaryOperator::Greater, lanes, one);
    let accept = block(builder, |builder| {
        let found = find_lane(builder, merged, header, linear);
        builder.statement(Statement::Store { pointer: lane, value: found });
        for &(index, pointer) in &variables {
            let at = builder.add_const(found, index);
            let value = builder.load_vec4(merged.table, at);
            builder.statement(Statement::Store { pointer, value });
        }
    });
    builder.statement(Statement::If { condition: several, accept, reject: naga::Block::new() });
    let lane = load(builder, lane);
    let read = variables.into_iter().map(|(index, variable)| (index, load(builder, variable))).collect();
    Record { lane, read }
}

fn variable(builder: &mut Builder, name: &str, ty: Handle<Type>, init: Option<Expr>) -> Expr {
    let variable = LocalVariable { name: Some(name.to_owned()), ty, init };
    let variable = builder.function.local_variables.append(variable, Span::UNDEFINED);
    builder.push(Expression::LocalVariable(variable))
}

/// The dispatch folds the bundle's workgroups over x and y.
fn linear_workgroup(builder: &mut Builder, workgroup: Expr, workgroups: Expr) -> Expr {
    let x = builder.component(workgroup, 0);
    let y = builder.component(workgroup, 1);
    let width = builder.component(workgroups, 0);
    let rows = builder.binary(BinaryOperator::Multiply, y, width);
    let linear = builder.binary(BinaryOperator::Add, rows, x);
    builder.name(linear, "linear");
    linear
}

/// An entry of the list.
fn listed(builder: &mut Builder, merged: &Merged, header: Expr, position: Expr) -> Expr {
    let list = builder.component(header, table::HEADER_LIST);
    let vec4 = builder.div_const(position, 4);
    let vec4 = builder.binary(BinaryOperator::Add, list, vec4);
    let base = builder.element_pointer(merged.table, vec4);
    let index = builder.rem_const(position, 4);
    let pointer = builder.push(Expression::Access { base, index });
    builder.push(Expression::Load { pointer })
}

fn load(builder: &mut Builder, pointer: Expr) -> Expr {
    builder.push(Expression::Load { pointer })
}

/// Builds a block by itself.
fn block(builder: &mut Builder, build: impl FnOnce(&mut Builder)) -> naga::Block {
    let outer = builder.begin_block();
    build(builder);
    builder.end_block(outer)
}

/// The position of the record of the workgroup's lane, of several: as listed, or by search.
fn find_lane(builder: &mut Builder, merged: &mut Merged, header: Expr, linear: Expr) -> Expr {
    let ty = merged.u32_type();
    let [low, high, found] = ["low", "high", "found"].map(|name| variable(builder, name, ty, None));
    let stride = builder.component(header, table::HEADER_STRIDE);
    let zero = builder.u32(0);
    let direct = builder.binary(BinaryOperator::Equal, stride, zero);
    let accept = block(builder, |builder| {
        let value = listed(builder, merged, header, linear);
        builder.statement(Statement::Store { pointer: found, value });
    });
    let reject = block(builder, |builder| {
        let position = search(builder, merged, [low, high], header, linear);
        let skipped = builder.binary(BinaryOperator::Multiply, position, stride);
        let value = builder.add_const(skipped, table::FIRST_RECORD);
        builder.statement(Statement::Store { pointer: found, value });
    });
    builder.statement(Statement::If { condition: direct, accept, reject });
    load(builder, found)
}

/// The last lane whose first workgroup is not past `linear`, by binary search.
fn search(builder: &mut Builder, merged: &Merged, [low, high]: [Expr; 2], header: Expr, linear: Expr) -> Expr {
    let lanes = builder.component(header, table::HEADER_LANES);
    let zero = builder.u32(0);
    builder.statement(Statement::Store { pointer: low, value: zero });
    builder.statement(Statement::Store { pointer: high, value: lanes });
    let body = block(builder, |builder| {
        let (from, to) = (load(builder, low), load(builder, high));
        let next = builder.add_const(from, 1);
        let done = builder.binary(BinaryOperator::GreaterEqual, next, to);
        let accept = block(builder, |builder| builder.statement(Statement::Break));
        builder.statement(Statement::If { condition: done, accept, reject: naga::Block::new() });
        let sum = builder.binary(BinaryOperator::Add, from, to);
        let middle = builder.div_const(sum, 2);
        builder.name(middle, "middle");
        let first = listed(builder, merged, header, middle);
        let past = builder.binary(BinaryOperator::Greater, first, linear);
        let accept = block(builder, |builder| builder.statement(Statement::Store { pointer: high, value: middle }));
        let reject = block(builder, |builder| builder.statement(Statement::Store { pointer: low, value: middle }));
        builder.statement(Statement::If { condition: past, accept, reject });
    });
    builder.statement(Statement::Loop { body, continuing: naga::Block::new(), break_if: None });
    load(builder, low)
}
