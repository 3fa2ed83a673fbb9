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
pub(super) fn add_entry_point(merged: &mut Merged, arms: &[Relocated], workgroup_size: u32) {
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
    let mut subgroup: Vec<Subgroup> = arms.iter().flat_map(|arm| arm.subgroup.iter().copied()).collect();
    subgroup.sort();
    subgroup.dedup();
    let subgroup: Vec<(Subgroup, Expr)> =
        subgroup.into_iter().map(|s| (s, argument(&mut builder, s.name(), s.builtin(), u32_type))).collect();

    let linear = linear_workgroup(&mut builder, workgroup, workgroups);
    let zero = builder.u32(0);
    let header = builder.load_vec4(merged.table, zero);
    let total = builder.component(header, table::HEADER_GROUPS);
    let surplus = builder.binary(BinaryOperator::GreaterEqual, linear, total);
    let outer = builder.begin_block();
    builder.statement(Statement::Return { value: None });
    let accept = builder.end_block(outer);
    builder.statement(Statement::If { condition: surplus, accept, reject: naga::Block::new() });

    let position = search(&mut builder, merged, header, linear);
    let first = first_workgroup(&mut builder, merged, position);
    let records = builder.component(header, table::HEADER_RECORDS);
    let records = builder.div_const(records, 4);
    let stride = builder.component(header, table::HEADER_STRIDE);
    let stride = builder.div_const(stride, 4);
    let skipped = builder.binary(BinaryOperator::Multiply, position, stride);
    let lane = builder.binary(BinaryOperator::Add, records, skipped);
    builder.name(lane, "lane");
    let head = builder.load_vec4(merged.table, lane);
    let offset = builder.component(head, table::RECORD_OFFSET);
    let within = builder.binary(BinaryOperator::Subtract, linear, first);
    let group = builder.binary(BinaryOperator::Add, within, offset);
    builder.name(group, "group");

    let call = |builder: &mut Builder, arm: &Relocated| {
        let passed = arm.subgroup.iter().filter_map(|s| subgroup.iter().find(|(known, _)| known == s).map(|(_, e)| *e));
        let arguments = [lane, group, local].into_iter().chain(passed).collect();
        builder.statement(Statement::Call { function: arm.function, arguments, result: None });
    };
    if let [arm] = arms {
        call(&mut builder, arm);
    } else {
        let selector = builder.component(head, table::RECORD_ARM);
        let mut cases = Vec::with_capacity(arms.len() + 1);
        for (i, arm) in arms.iter().enumerate() {
            let outer = builder.begin_block();
            call(&mut builder, arm);
            let body = builder.end_block(outer);
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

fn first_workgroup(builder: &mut Builder, merged: &Merged, position: Expr) -> Expr {
    let vec4 = builder.div_const(position, 4);
    let vec4 = builder.add_const(vec4, table::HEADER_WORDS / 4);
    let base = builder.vec4_pointer(merged.table, vec4);
    let index = builder.rem_const(position, 4);
    let pointer = builder.push(Expression::Access { base, index });
    builder.push(Expression::Load { pointer })
}

/// The last lane whose first workgroup is not past `linear`, by binary search: no iteration for a single lane.
fn search(builder: &mut Builder, merged: &mut Merged, header: Expr, linear: Expr) -> Expr {
    let ty = merged.u32_type();
    let variable = |builder: &mut Builder, name: &str, init| {
        let variable = LocalVariable { name: Some(name.to_owned()), ty, init };
        let variable = builder.function.local_variables.append(variable, Span::UNDEFINED);
        builder.push(Expression::LocalVariable(variable))
    };
    let zero = builder.push(Expression::Literal(Literal::U32(0)));
    let low = variable(builder, "low", Some(zero));
    let high = variable(builder, "high", None);
    let lanes = builder.component(header, table::HEADER_LANES);
    builder.statement(Statement::Store { pointer: high, value: lanes });

    let load = |builder: &mut Builder, pointer| builder.push(Expression::Load { pointer });
    let outer = builder.begin_block();
    let (from, to) = (load(builder, low), load(builder, high));
    let next = builder.add_const(from, 1);
    let done = builder.binary(BinaryOperator::GreaterEqual, next, to);
    let block = builder.begin_block();
    builder.statement(Statement::Break);
    let accept = builder.end_block(block);
    builder.statement(Statement::If { condition: done, accept, reject: naga::Block::new() });
    let sum = builder.binary(BinaryOperator::Add, from, to);
    let middle = builder.div_const(sum, 2);
    builder.name(middle, "middle");
    let first = first_workgroup(builder, merged, middle);
    let past = builder.binary(BinaryOperator::Greater, first, linear);
    let block = builder.begin_block();
    builder.statement(Statement::Store { pointer: high, value: middle });
    let accept = builder.end_block(block);
    let block = builder.begin_block();
    builder.statement(Statement::Store { pointer: low, value: middle });
    let reject = builder.end_block(block);
    builder.statement(Statement::If { condition: past, accept, reject });
    let body = builder.end_block(outer);
    builder.statement(Statement::Loop { body, continuing: naga::Block::new(), break_if: None });
    load(builder, low)
}
