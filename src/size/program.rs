//! A trace as a list of instructions that other sizes of the symbols run through.

use super::trace::{Expression, Guard, Operand, Trace, operand_of};
use super::{Size, Term};

/// The expressions and guards of a trace, to be evaluated at other sizes of its symbols.
#[derive(Debug)]
pub struct Program {
    expressions: Vec<Expression>,
    guards: Vec<Guard>,
    partial: bool,
}

/// The values of a program's expressions at some sizes.
#[derive(Debug)]
pub struct Values(Vec<i64>);

impl Program {
    /// The program of a trace.
    pub fn new(trace: Trace) -> Self {
        Program { expressions: trace.expressions, guards: trace.guards, partial: trace.partial }
    }

    /// Number of expressions and of guards.
    pub fn len(&self) -> (usize, usize) {
        (self.expressions.len(), self.guards.len())
    }

    /// Evaluates everything at these sizes of the symbols. `None` if a guard fails, or an expression has no value there:
    /// what was traced does not serve these sizes.
    pub fn run(&self, symbols: &[i64]) -> Option<Values> {
        if self.partial {
            return None;
        }
        let mut values = Vec::with_capacity(self.expressions.len());
        for expression in &self.expressions {
            values.push(match *expression {
                Expression::Symbol(number) => *symbols.get(number as usize)?,
                Expression::Binary(op, a, b) => op.apply(read(&values, a), read(&values, b))?,
            });
        }
        let kept = |guard: &Guard| guard.relation.holds(read(&values, guard.a), read(&values, guard.b)) == guard.holds;
        self.guards.iter().all(kept).then_some(Values(values))
    }
}

fn read(values: &[i64], operand: Operand) -> i64 {
    match operand {
        Operand::Number(number) => number,
        Operand::Expression(id) => values[id as usize],
    }
}

impl Values {
    /// The number that a size of the trace has here.
    pub fn of(&self, size: Size) -> i64 {
        match size.term {
            Term::Number => size.value,
            Term::Expression(_) => read(&self.0, operand_of(size)),
        }
    }

    /// As [`Values::of`], where it is not negative by construction; 0 otherwise.
    pub fn count(&self, size: Size) -> u64 {
        u64::try_from(self.of(size)).unwrap_or(0)
    }
}
