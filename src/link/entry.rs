//! The merged entry point: which lane is this workgroup's, and which arm is the lane's.
//!
//! Everything here depends on the workgroup's id and the read-only table alone, so it is the same for all invocations of a
//! workgroup, and barriers inside the arms stay in uniform control flow.

use naga::{
    BinaryOperator, Binding, BuiltIn, EntryPoint, Expression, FunctionArgument, Handle, Literal, LocalVariable, Scalar,
    ShaderStage, Span, Statement, SwitchCase, SwitchValue, TypeInner, VectorSize,
};

use super::relocate::{Builder, Relocated, Subgroup};
use super::splice::Merged;
use super::table;

type Expr = Handle<Expression>;

/// Adds the entry point that runs the arms.
pub(super) fn add_entry_point(merged: &mut Merged, arms: &[(&Relocated, u32)], workgroup_size: u32) {
    let u32_type = merged.u32_type();
    let vec3 = merged.insert_type(TypeInner::Vector { size: VectorSize::Tri, scalar: Scalar::U32 });
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
    let mut subgroup: Vec<Subgroup> = arms.iter().flat_map(|(arm, _)| arm.subgroup.iter().copied()).collect();
    subgroup.sort();
    subgroup.dedup();
    let subgroup: Vec<(Subgroup, Expr)> =
        subgroup.into_iter().map(|s| (s, argument(&mut builder, s.name(), s.builtin(), u32_type))).collect();

    let linear = linear_workgroup(&mut builder, workgroup, workgroups);
    let zero = builder.u32(0);
    let header = builder.load_vec4(merged.table, zero);
    let total = builder.component(header, table::HEADER_GROUPS);
    let surplus = builder.binary(BinaryOperator::GreaterEqual, linear, total);
    let accept = block(&mut builder, |builder| builder.statement(Statement::Return { value: None }));
    builder.statement(Statement::If { condition: surplus, accept, reject: naga::Block::new() });

    let lane = find_lane(&mut builder, merged, header, linear);
    builder.name(lane, "lane");
    let head = builder.load_vec4(merged.table, lane);
    let shift = builder.component(head, table::RECORD_SHIFT);

    let call = |builder: &mut Builder, &(arm, per_workgroup): &(&Relocated, u32)| {
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
        let passed = arm.subgroup.iter().filter_map(|s| subgroup.iter().find(|(known, _)| known == s).map(|(_, e)| *e));
        let arguments = [lane, group, local].into_iter().chain(passed).collect();
        let call = Statement::Call { function: arm.function, arguments, result: None };
        if per_workgroup == 1 {
            return builder.statement(call);
        }
        // The lane's last workgroup may have room for more than the lane has.
        let at = builder.add_const(lane, arm.grid / 4);
        let grid = builder.load_vec4(merged.table, at);
        let end = builder.component(grid, table::GRID_END);
        let condition = builder.binary(BinaryOperator::Less, group, end);
        let accept = block(builder, |builder| builder.statement(call));
        builder.statement(Statement::If { condition, accept, reject: naga::Block::new() });
    };
    if let [arm] = arms {
        call(&mut builder, arm);
    } else {
        let selector = builder.component(head, table::RECORD_ARM);
        let mut cases = Vec::with_capacity(arms.len() + 1);
        for (i, arm) in arms.iter().enumerate() {
            let body = block(&mut builder, |builder| call(builder, arm));
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

/// The dispatch folds the wave's workgroups over x and y.
fn linear_workgroup(builder: &mut Builder, workgroup: Expr, workgroups: Expr) -> Expr {
    let x = builder.component(workgroup, 0);
    let y = builder.component(workgroup, 1);
    let width = builder.component(workgroups, 0);
    let rows = builder.binary(BinaryOperator::Multiply, y, width);
    let linear = builder.binary(BinaryOperator::Add, rows, x);
    builder.name(linear, "linear");
    linear
}

/// An entry of the list behind the header.
fn listed(builder: &mut Builder, merged: &Merged, position: Expr) -> Expr {
    let vec4 = builder.div_const(position, 4);
    let vec4 = builder.add_const(vec4, table::HEADER_WORDS / 4);
    let base = builder.vec4_pointer(merged.table, vec4);
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

/// The position of the record of the workgroup's lane: as listed, or by search.
fn find_lane(builder: &mut Builder, merged: &mut Merged, header: Expr, linear: Expr) -> Expr {
    let ty = merged.u32_type();
    let variable = |builder: &mut Builder, name: &str, init| {
        let variable = LocalVariable { name: Some(name.to_owned()), ty, init };
        let variable = builder.function.local_variables.append(variable, Span::UNDEFINED);
        builder.push(Expression::LocalVariable(variable))
    };
    let zero = builder.push(Expression::Literal(Literal::U32(0)));
    let low = variable(builder, "low", Some(zero));
    let high = variable(builder, "high", None);
    let found = variable(builder, "found", None);
    let stride = builder.component(header, table::HEADER_STRIDE);
    let zero = builder.u32(0);
    let direct = builder.binary(BinaryOperator::Equal, stride, zero);
    let accept = block(builder, |builder| {
        let value = listed(builder, merged, linear);
        builder.statement(Statement::Store { pointer: found, value });
    });
    let reject = block(builder, |builder| {
        let position = search(builder, merged, [low, high], header, linear);
        let records = builder.component(header, table::HEADER_RECORDS);
        let skipped = builder.binary(BinaryOperator::Multiply, position, stride);
        let value = builder.binary(BinaryOperator::Add, records, skipped);
        builder.statement(Statement::Store { pointer: found, value });
    });
    builder.statement(Statement::If { condition: direct, accept, reject });
    load(builder, found)
}

/// The last lane whose first workgroup is not past `linear`, by binary search: no iteration for a single lane.
fn search(builder: &mut Builder, merged: &Merged, [low, high]: [Expr; 2], header: Expr, linear: Expr) -> Expr {
    let lanes = builder.component(header, table::HEADER_LANES);
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
        let first = listed(builder, merged, middle);
        let past = builder.binary(BinaryOperator::Greater, first, linear);
        let accept = block(builder, |builder| builder.statement(Statement::Store { pointer: high, value: middle }));
        let reject = block(builder, |builder| builder.statement(Statement::Store { pointer: low, value: middle }));
        builder.statement(Statement::If { condition: past, accept, reject });
    });
    builder.statement(Statement::Loop { body, continuing: naga::Block::new(), break_if: None });
    load(builder, low)
}
