//! Control flow that an override decides is decided here: the driver compiles only the branch that runs.
//!
//! A function that is called with constants is copied for them, so that an operation code which is an override leaves one case
//! of the `switch` that it selects. Only integers and booleans are evaluated, and only to choose a branch: no expression that
//! stays is changed, so that no bit of a result is.

use std::collections::HashMap;

use naga::{
    Arena, BinaryOperator, Block, Expression, Function, Handle, Literal, Module, ScalarKind, Span, Statement,
    SwitchCase, SwitchValue, UnaryOperator,
};

/// Copies of functions for constant arguments. Guessed: kernels have a few dozen; beyond, calls go to the general function.
const MAX_COPIES: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Value {
    U32(u32),
    I32(i32),
    Bool(bool),
}

/// A function and what is known of its arguments.
type Key = (Handle<Function>, Vec<Option<Value>>);

/// Replaces each `if` and `switch` whose selector is known by the branch taken. What is not called any more, and the
/// expressions of the other branches, stay behind for `compact`.
pub(super) fn fold_branches(module: &mut Module) {
    let functions = std::mem::take(&mut module.functions);
    let entries = std::mem::take(&mut module.entry_points);
    let mut folder = Folder { module, old: &functions, new: Arena::new(), copies: HashMap::new() };
    let entries = entries.into_iter().map(|mut entry| {
        let unknown = vec![None; entry.function.arguments.len()];
        folder.function(&mut entry.function, &unknown);
        entry
    });
    let entries = entries.collect();
    let new = folder.new;
    module.functions = new;
    module.entry_points = entries;
}

struct Folder<'a> {
    module: &'a Module,
    old: &'a Arena<Function>,
    new: Arena<Function>,
    copies: HashMap<Key, Handle<Function>>,
}

impl Folder<'_> {
    fn copy(&mut self, function: Handle<Function>, mut known: Vec<Option<Value>>) -> Handle<Function> {
        if self.copies.len() >= MAX_COPIES {
            known.fill(None);
        }
        let key = (function, known);
        if let Some(copy) = self.copies.get(&key) {
            return *copy;
        }
        let mut copy = self.old[function].clone();
        self.function(&mut copy, &key.1);
        let copy = self.new.append(copy, Span::UNDEFINED);
        self.copies.insert(key, copy);
        copy
    }

    fn function(&mut self, function: &mut Function, known: &[Option<Value>]) {
        for (_, expression) in function.expressions.iter_mut() {
            if let Expression::FunctionArgument(index) = *expression
                && let Some(value) = known[index as usize]
            {
                *expression = Expression::Literal(value.literal());
            }
        }
        let values = self.values(function);
        // What has a name counts as used, and the linker needs no names.
        function.named_expressions.clear();
        let body = std::mem::take(&mut function.body);
        function.body = self.block(function, &values, body);
    }

    /// What is known of each expression. Operands precede what uses them.
    fn values(&self, function: &Function) -> Vec<Option<Value>> {
        let mut values: Vec<Option<Value>> = Vec::with_capacity(function.expressions.len());
        for (_, expression) in function.expressions.iter() {
            let of = |handle: Handle<Expression>| values.get(handle.index()).copied().flatten();
            let value = match *expression {
                Expression::Literal(literal) => Value::of(literal),
                Expression::Constant(constant) => {
                    let init = &self.module.global_expressions[self.module.constants[constant].init];
                    if let Expression::Literal(literal) = *init { Value::of(literal) } else { None }
                }
                Expression::Unary { op, expr } => of(expr).and_then(|value| unary(op, value)),
                Expression::Binary { op, left, right } => match (of(left), of(right)) {
                    (Some(left), Some(right)) => binary(op, left, right),
                    _ => None,
                },
                Expression::Select { condition, accept, reject } => match of(condition) {
                    Some(Value::Bool(condition)) => of(if condition { accept } else { reject }),
                    Some(Value::U32(_) | Value::I32(_)) | None => None,
                },
                Expression::As { expr, kind, convert: Some(4) | None } => {
                    of(expr).and_then(|value| convert(kind, value))
                }
                // Of other sizes, of vectors, or not known before it runs.
                Expression::As { expr: _, kind: _, convert: Some(_) }
                | Expression::Override(_)
                | Expression::ZeroValue(_)
                | Expression::Compose { .. }
                | Expression::Access { .. }
                | Expression::AccessIndex { .. }
                | Expression::Splat { .. }
                | Expression::Swizzle { .. }
                | Expression::FunctionArgument(_)
                | Expression::GlobalVariable(_)
                | Expression::LocalVariable(_)
                | Expression::Load { .. }
                | Expression::ImageSample { .. }
                | Expression::ImageLoad { .. }
                | Expression::ImageQuery { .. }
                | Expression::Derivative { .. }
                | Expression::Relational { .. }
                | Expression::Math { .. }
                | Expression::CallResult(_)
                | Expression::AtomicResult { .. }
                | Expression::WorkGroupUniformLoadResult { .. }
                | Expression::ArrayLength(_)
                | Expression::RayQueryVertexPositions { .. }
                | Expression::RayQueryProceedResult
                | Expression::RayQueryGetIntersection { .. }
                | Expression::SubgroupBallotResult
                | Expression::SubgroupOperationResult { .. }
                | Expression::CooperativeLoad { .. }
                | Expression::CooperativeMultiplyAdd { .. } => None,
            };
            values.push(value);
        }
        values
    }

    fn block(&mut self, function: &mut Function, values: &[Option<Value>], block: Block) -> Block {
        let mut out = Block::with_capacity(block.len());
        for (statement, span) in block.span_into_iter() {
            let new = self.statement(function, values, statement);
            if let Statement::Block(block) = &new
                && block.is_empty()
            {
                continue;
            }
            let leaves = leaves(&new);
            out.push(new, span);
            if leaves {
                break;
            }
        }
        out
    }

    fn statement(&mut self, function: &mut Function, values: &[Option<Value>], statement: Statement) -> Statement {
        match statement {
            Statement::Block(block) => Statement::Block(self.block(function, values, block)),
            Statement::If { condition, accept, reject } => match values[condition.index()] {
                Some(Value::Bool(true)) => Statement::Block(self.block(function, values, accept)),
                Some(Value::Bool(false)) => Statement::Block(self.block(function, values, reject)),
                Some(Value::U32(_) | Value::I32(_)) | None => Statement::If {
                    condition,
                    accept: self.block(function, values, accept),
                    reject: self.block(function, values, reject),
                },
            },
            Statement::Switch { selector, cases } => self.switch(function, values, selector, cases),
            Statement::Loop { body, continuing, break_if } => Statement::Loop {
                body: self.block(function, values, body),
                continuing: self.block(function, values, continuing),
                break_if,
            },
            Statement::Call { function: callee, arguments, result } => {
                let known = arguments.iter().map(|argument| values[argument.index()]).collect();
                let callee = self.copy(callee, known);
                if let Some(result) = result {
                    function.expressions[result] = Expression::CallResult(callee);
                }
                Statement::Call { function: callee, arguments, result }
            }
            Statement::Emit(_)
            | Statement::Return { .. }
            | Statement::Break
            | Statement::Continue
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
            | Statement::CooperativeStore { .. } => statement,
        }
    }

    fn switch(
        &mut self,
        function: &mut Function,
        values: &[Option<Value>],
        selector: Handle<Expression>,
        cases: Vec<SwitchCase>,
    ) -> Statement {
        let wanted = match values[selector.index()] {
            Some(Value::U32(value)) => Some(SwitchValue::U32(value)),
            Some(Value::I32(value)) => Some(SwitchValue::I32(value)),
            Some(Value::Bool(_)) | None => None,
        };
        let Some(wanted) = wanted else {
            let fold = |SwitchCase { value, body, fall_through }| SwitchCase {
                value,
                body: self.block(function, values, body),
                fall_through,
            };
            return Statement::Switch { selector, cases: cases.into_iter().map(fold).collect() };
        };
        let at = |value| cases.iter().position(|case| case.value == value);
        let start = at(wanted).or_else(|| at(SwitchValue::Default)).unwrap_or(cases.len());
        let mut taken = Block::new();
        for SwitchCase { value: _, body, fall_through } in cases.into_iter().skip(start) {
            taken.extend_block(body);
            if !fall_through {
                break;
            }
        }
        let mut taken = self.block(function, values, taken);
        if let Some(Statement::Break) = taken.last() {
            let end = taken.len() - 1;
            taken.cull(end..);
        }
        if !breaks(&taken) {
            return Statement::Block(taken);
        }
        let case = SwitchCase { value: SwitchValue::Default, body: taken, fall_through: false };
        Statement::Switch { selector, cases: vec![case] }
    }
}

/// Whether nothing after the statement, in its block, can run.
fn leaves(statement: &Statement) -> bool {
    match statement {
        Statement::Return { .. } | Statement::Break | Statement::Continue | Statement::Kill => true,
        Statement::Block(block) => block.last().is_some_and(leaves),
        Statement::If { .. } | Statement::Switch { .. } | Statement::Loop { .. } | Statement::Call { .. } => false,
        Statement::Emit(_)
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
    }
}

/// Whether the block leaves the `switch` that it is a case of.
fn breaks(block: &Block) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Break => true,
        Statement::Block(block) => breaks(block),
        Statement::If { condition: _, accept, reject } => breaks(accept) || breaks(reject),
        // Theirs is another `break`.
        Statement::Switch { .. } | Statement::Loop { .. } => false,
        Statement::Call { .. }
        | Statement::Emit(_)
        | Statement::Return { .. }
        | Statement::Continue
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

impl Value {
    fn of(literal: Literal) -> Option<Self> {
        match literal {
            Literal::U32(value) => Some(Value::U32(value)),
            Literal::I32(value) => Some(Value::I32(value)),
            Literal::Bool(value) => Some(Value::Bool(value)),
            Literal::F64(_)
            | Literal::F32(_)
            | Literal::F16(_)
            | Literal::U16(_)
            | Literal::I16(_)
            | Literal::U64(_)
            | Literal::I64(_)
            | Literal::AbstractInt(_)
            | Literal::AbstractFloat(_) => None,
        }
    }

    fn literal(self) -> Literal {
        match self {
            Value::U32(value) => Literal::U32(value),
            Value::I32(value) => Literal::I32(value),
            Value::Bool(value) => Literal::Bool(value),
        }
    }
}

fn unary(op: UnaryOperator, value: Value) -> Option<Value> {
    use UnaryOperator as Op;
    match (op, value) {
        (Op::LogicalNot, Value::Bool(value)) => Some(Value::Bool(!value)),
        (Op::BitwiseNot, Value::U32(value)) => Some(Value::U32(!value)),
        (Op::BitwiseNot, Value::I32(value)) => Some(Value::I32(!value)),
        (Op::Negate, Value::I32(value)) => Some(Value::I32(value.wrapping_neg())),
        (Op::LogicalNot, Value::U32(_) | Value::I32(_))
        | (Op::BitwiseNot, Value::Bool(_))
        | (Op::Negate, Value::U32(_) | Value::Bool(_)) => None,
    }
}

fn convert(kind: ScalarKind, value: Value) -> Option<Value> {
    match (kind, value) {
        (ScalarKind::Uint, Value::U32(_)) | (ScalarKind::Sint, Value::I32(_)) => Some(value),
        (ScalarKind::Uint, Value::I32(value)) => Some(Value::U32(value as u32)),
        (ScalarKind::Sint, Value::U32(value)) => Some(Value::I32(value as i32)),
        (_, Value::Bool(_))
        | (
            ScalarKind::Float | ScalarKind::Bool | ScalarKind::AbstractInt | ScalarKind::AbstractFloat,
            Value::U32(_) | Value::I32(_),
        ) => None,
    }
}

fn compare<T: Ord>(op: BinaryOperator, left: T, right: T) -> Option<Value> {
    use BinaryOperator as Op;
    let holds = match op {
        Op::Equal => left == right,
        Op::NotEqual => left != right,
        Op::Less => left < right,
        Op::LessEqual => left <= right,
        Op::Greater => left > right,
        Op::GreaterEqual => left >= right,
        Op::Add
        | Op::Subtract
        | Op::Multiply
        | Op::Divide
        | Op::Modulo
        | Op::And
        | Op::ExclusiveOr
        | Op::InclusiveOr
        | Op::LogicalAnd
        | Op::LogicalOr
        | Op::ShiftLeft
        | Op::ShiftRight => return None,
    };
    Some(Value::Bool(holds))
}

/// An operator on two whole numbers of one type, but for shifts.
macro_rules! whole {
    ($op:ident, $a:ident, $b:ident, $of:path) => {
        match $op {
            BinaryOperator::Add => Some($of($a.wrapping_add($b))),
            BinaryOperator::Subtract => Some($of($a.wrapping_sub($b))),
            BinaryOperator::Multiply => Some($of($a.wrapping_mul($b))),
            BinaryOperator::Divide => $a.checked_div($b).map($of),
            BinaryOperator::Modulo => $a.checked_rem($b).map($of),
            BinaryOperator::And => Some($of($a & $b)),
            BinaryOperator::InclusiveOr => Some($of($a | $b)),
            BinaryOperator::ExclusiveOr => Some($of($a ^ $b)),
            BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Less
            | BinaryOperator::LessEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterEqual => compare($op, $a, $b),
            BinaryOperator::LogicalAnd
            | BinaryOperator::LogicalOr
            | BinaryOperator::ShiftLeft
            | BinaryOperator::ShiftRight => None,
        }
    };
}

fn binary(op: BinaryOperator, left: Value, right: Value) -> Option<Value> {
    use BinaryOperator as Op;
    match (left, op, right) {
        (Value::U32(a), Op::ShiftLeft, Value::U32(b)) => a.checked_shl(b).map(Value::U32),
        (Value::U32(a), Op::ShiftRight, Value::U32(b)) => a.checked_shr(b).map(Value::U32),
        (Value::I32(a), Op::ShiftLeft, Value::U32(b)) => a.checked_shl(b).map(Value::I32),
        (Value::I32(a), Op::ShiftRight, Value::U32(b)) => a.checked_shr(b).map(Value::I32),
        (Value::U32(a), op, Value::U32(b)) => whole!(op, a, b, Value::U32),
        (Value::I32(a), op, Value::I32(b)) => whole!(op, a, b, Value::I32),
        (Value::Bool(a), Op::LogicalAnd | Op::And, Value::Bool(b)) => Some(Value::Bool(a && b)),
        (Value::Bool(a), Op::LogicalOr | Op::InclusiveOr, Value::Bool(b)) => Some(Value::Bool(a || b)),
        (Value::Bool(a), op, Value::Bool(b)) => compare(op, a, b),
        (Value::U32(_), _, Value::I32(_) | Value::Bool(_))
        | (Value::I32(_), _, Value::U32(_) | Value::Bool(_))
        | (Value::Bool(_), _, Value::U32(_) | Value::I32(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::kernel::{Kernel, Trust, Variant};
    use crate::link::{Clamp, Head, LinkedKernel, Scalars, emit, link};

    fn linked(text: &str, overrides: &[(&str, f64)]) -> String {
        let kernel = Arc::new(Kernel::parse("k", text, Trust::Project).unwrap());
        let kernel = LinkedKernel::with_default_segments(Variant::new(kernel, overrides.iter().copied()));
        String::from_utf8(
            emit(
                &link(&[kernel], Clamp::Users, Head::Table, Scalars::Components).unwrap(),
                crate::link::Language::Wgsl,
            )
            .unwrap(),
        )
        .unwrap()
    }

    fn kernel(body: &str) -> String {
        format!(
            "override OP: u32 = 0u; override MASK: u32 = 0u;
            @group(0) @binding(0) var<storage, read_write> a: array<u32>;
            fn apply(op: u32, x: u32) -> u32 {{
                switch op & 255u {{
                    case 1u, 2u: {{ return x + 1001u; }}
                    case 3u: {{ if x > 7u {{ break; }} return x + 1003u; }}
                    default: {{ return x + 1000u; }}
                }}
                return 1009u;
            }}
            @compute @workgroup_size(64) fn main() {{ {body} }}"
        )
    }

    #[test]
    fn the_taken_branch_alone_is_left() {
        #[rustfmt::skip]
        let cases: [(&str, f64, &[&str], &[&str]); 8] = [
            ("if OP == 2u { a[0] = 91u; } else { a[0] = 92u; }", 2.0, &["91u"], &["92u"]),
            ("if OP == 2u { a[0] = 91u; } else { a[0] = 92u; }", 5.0, &["92u"], &["91u"]),
            ("let unused = apply(9u, 1u); if (OP & 6u) != 0u { return; } a[0] = 91u;", 4.0, &[], &["91u"]),
            ("if OP > a[1] { a[0] = 91u; } else { a[0] = 92u; }", 2.0, &["91u", "92u"], &[]),
            ("a[0] = apply(OP, a[1]);", 2.0, &["1001u"], &["1000u", "1003u", "1009u", "switch"]),
            ("a[0] = apply(OP + 256u, a[1]);", 9.0, &["1000u"], &["1001u", "1003u", "1009u"]),
            ("a[0] = apply(OP, a[1]);", 3.0, &["1003u", "1009u"], &["1000u", "1001u"]),
            ("if OP > 9u { let dead = apply(3u, a[1]); a[0] = dead; } a[0] = apply(1u, a[1]) + apply(OP, a[1]);", 7.0, &["1001u", "1000u"], &["1003u", "1009u"]),
        ];
        for (body, op, there, gone) in cases {
            let text = linked(&kernel(body), &[("OP", op)]);
            let wrong = there.iter().any(|t| !text.contains(t)) || gone.iter().any(|t| text.contains(t));
            assert!(!wrong, "{body} with {op}: {text}");
        }
    }

    #[test]
    fn copies_are_bounded() {
        let mut text = "@group(0) @binding(0) var<storage, read_write> a: array<u32>;
            fn f0(n: u32) { if n > 99999u { a[0] += n; } }"
            .to_owned();
        for level in 1..12 {
            let below = level - 1;
            text += &format!("fn f{level}(n: u32) {{ f{below}(n * 2u); f{below}(n * 2u + 1u); }}\n");
        }
        text += "@compute @workgroup_size(64) fn main() { f11(1u); }";
        linked(&text, &[]);
    }
}
