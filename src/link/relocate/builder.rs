//! Builds a function expression by expression, keeping naga's rules: an `Emit` covers a run of expressions without those
//! that are there from the start (literals, constants, variables, arguments) or that a statement makes.

use std::collections::HashMap;

use naga::{
    BinaryOperator, Block, Expression, Function, GlobalVariable, Handle, Literal, MathFunction, ScalarKind, Span,
    Statement, Type,
};

#[derive(Default)]
pub(in crate::link) struct Builder {
    pub(in crate::link) function: Function,
    /// The block being built.
    block: Block,
    /// Number of expressions when the open `Emit` began.
    open: Option<usize>,
    literals: HashMap<u32, Handle<Expression>>,
    variables: HashMap<Handle<GlobalVariable>, Handle<Expression>>,
}

fn is_pre_emitted(expression: &Expression) -> bool {
    matches!(
        expression,
        Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::Override(_)
            | Expression::ZeroValue(_)
            | Expression::FunctionArgument(_)
            | Expression::GlobalVariable(_)
            | Expression::LocalVariable(_)
    )
}

impl Builder {
    /// Appends an expression and has it evaluated here.
    pub(in crate::link) fn push(&mut self, expression: Expression) -> Handle<Expression> {
        if is_pre_emitted(&expression) {
            return self.push_unemitted(expression);
        }
        self.open.get_or_insert(self.function.expressions.len());
        self.function.expressions.append(expression, Span::UNDEFINED)
    }

    /// Appends an expression that needs no `Emit`: there from the start, or the result of the next statement.
    pub(in crate::link) fn push_unemitted(&mut self, expression: Expression) -> Handle<Expression> {
        self.flush();
        self.function.expressions.append(expression, Span::UNDEFINED)
    }

    /// Ends the open `Emit`.
    fn flush(&mut self) {
        if let Some(start) = self.open.take() {
            let range = self.function.expressions.range_from(start);
            self.block.push(Statement::Emit(range), Span::UNDEFINED);
        }
    }

    pub(in crate::link) fn statement(&mut self, statement: Statement) {
        self.flush();
        self.block.push(statement, Span::UNDEFINED);
    }

    /// Starts a block within the current one, which the caller keeps for [`Builder::end_block`].
    pub(in crate::link) fn begin_block(&mut self) -> Block {
        self.flush();
        std::mem::take(&mut self.block)
    }

    /// Ends the inner block and returns to the `outer` one.
    pub(in crate::link) fn end_block(&mut self, outer: Block) -> Block {
        self.flush();
        std::mem::replace(&mut self.block, outer)
    }

    pub(in crate::link) fn finish(mut self) -> Function {
        self.flush();
        self.function.body = self.block;
        self.function
    }

    pub(in crate::link) fn name(&mut self, expression: Handle<Expression>, name: impl Into<String>) {
        self.function.named_expressions.insert(expression, name.into());
    }

    pub(in crate::link) fn u32(&mut self, value: u32) -> Handle<Expression> {
        if let Some(known) = self.literals.get(&value) {
            return *known;
        }
        let literal = self.push_unemitted(Expression::Literal(Literal::U32(value)));
        self.literals.insert(value, literal);
        literal
    }

    pub(in crate::link) fn binary(
        &mut self,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Handle<Expression> {
        self.push(Expression::Binary { op, left, right })
    }

    /// `left + right`, with a zero constant left out.
    pub(in crate::link) fn add_const(&mut self, left: Handle<Expression>, right: u32) -> Handle<Expression> {
        if right == 0 {
            return left;
        }
        let right = self.u32(right);
        self.binary(BinaryOperator::Add, left, right)
    }

    pub(in crate::link) fn mul_const(&mut self, left: Handle<Expression>, right: u32) -> Handle<Expression> {
        if right == 1 {
            return left;
        }
        let right = self.u32(right);
        self.binary(BinaryOperator::Multiply, left, right)
    }

    /// `left / right` for a constant divisor, as a shift where that is the same.
    pub(in crate::link) fn div_const(&mut self, left: Handle<Expression>, right: u32) -> Handle<Expression> {
        if right.is_power_of_two() {
            if right == 1 {
                return left;
            }
            let bits = self.u32(right.trailing_zeros());
            return self.binary(BinaryOperator::ShiftRight, left, bits);
        }
        let right = self.u32(right);
        self.binary(BinaryOperator::Divide, left, right)
    }

    /// `left % right` for a constant divisor, as a mask where that is the same.
    pub(in crate::link) fn rem_const(&mut self, left: Handle<Expression>, right: u32) -> Handle<Expression> {
        if right.is_power_of_two() {
            let mask = self.u32(right - 1);
            return self.binary(BinaryOperator::And, left, mask);
        }
        let right = self.u32(right);
        self.binary(BinaryOperator::Modulo, left, right)
    }

    pub(in crate::link) fn math2(
        &mut self,
        fun: MathFunction,
        arg: Handle<Expression>,
        arg1: Handle<Expression>,
    ) -> Handle<Expression> {
        self.push(Expression::Math { fun, arg, arg1: Some(arg1), arg2: None, arg3: None })
    }

    pub(in crate::link) fn math1(&mut self, fun: MathFunction, arg: Handle<Expression>) -> Handle<Expression> {
        self.push(Expression::Math { fun, arg, arg1: None, arg2: None, arg3: None })
    }

    /// The same 32 bits as another kind of number.
    pub(in crate::link) fn bitcast(&mut self, expr: Handle<Expression>, kind: ScalarKind) -> Handle<Expression> {
        self.push(Expression::As { expr, kind, convert: None })
    }

    pub(in crate::link) fn component(&mut self, base: Handle<Expression>, index: u32) -> Handle<Expression> {
        self.push(Expression::AccessIndex { base, index })
    }

    pub(in crate::link) fn compose(
        &mut self,
        ty: Handle<Type>,
        components: Vec<Handle<Expression>>,
    ) -> Handle<Expression> {
        self.push(Expression::Compose { ty, components })
    }

    fn variable(&mut self, variable: Handle<GlobalVariable>) -> Handle<Expression> {
        if let Some(known) = self.variables.get(&variable) {
            return *known;
        }
        let expression = self.push_unemitted(Expression::GlobalVariable(variable));
        self.variables.insert(variable, expression);
        expression
    }

    /// A pointer to the `index`-th element of a segment or of the table.
    pub(in crate::link) fn element_pointer(
        &mut self,
        memory: Handle<GlobalVariable>,
        index: Handle<Expression>,
    ) -> Handle<Expression> {
        let base = self.variable(memory);
        self.push(Expression::Access { base, index })
    }

    /// A member of a variable that is a struct.
    pub(in crate::link) fn load_member(&mut self, variable: Handle<GlobalVariable>, index: u32) -> Handle<Expression> {
        let base = self.variable(variable);
        let pointer = self.component(base, index);
        self.push(Expression::Load { pointer })
    }

    pub(in crate::link) fn load_vec4(
        &mut self,
        memory: Handle<GlobalVariable>,
        index: Handle<Expression>,
    ) -> Handle<Expression> {
        let pointer = self.element_pointer(memory, index);
        self.push(Expression::Load { pointer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emit_ends_before_what_needs_none() {
        let mut builder = Builder::default();
        let argument = builder.push(Expression::FunctionArgument(0));
        let sum = builder.add_const(argument, 5);
        let twice = builder.mul_const(sum, 2);
        builder.add_const(twice, 5);
        let function = builder.finish();
        let ranges: Vec<_> = function
            .body
            .iter()
            .map(|statement| match statement {
                Statement::Emit(range) => range.index_range(),
                other => panic!("{other:?}"),
            })
            .collect();
        // Argument, literal 5, sum, literal 2, product, sum: the literal is not repeated.
        assert_eq!(ranges, [2..3, 4..6]);
    }

    #[test]
    fn neutral_arithmetic_vanishes() {
        let mut builder = Builder::default();
        let x = builder.push(Expression::FunctionArgument(0));
        assert_eq!(builder.add_const(x, 0), x);
        assert_eq!(builder.mul_const(x, 1), x);
        assert_eq!(builder.div_const(x, 1), x);
        let halved = builder.div_const(x, 8);
        let shifted = &builder.function.expressions[halved];
        assert!(matches!(shifted, Expression::Binary { op: BinaryOperator::ShiftRight, .. }));
    }
}
