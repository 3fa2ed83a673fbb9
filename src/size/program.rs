//! A trace as a list of instructions that other sizes of the symbols run through.

use super::Size;
use super::notation::describe;
use super::trace::{Expression, Guard, Operand, Relation, Trace, operand};

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

    /// Why these sizes of the symbols are not served: the first guard that comes out otherwise, in terms of the symbols.
    pub fn objection(&self, symbols: &[i64]) -> Option<String> {
        if self.partial {
            return Some("an expression had no value where it was traced".to_owned());
        }
        let Some(values) = self.evaluate(symbols) else { return Some("an expression has no value there".to_owned()) };
        let guard = self.guards.iter().find(|guard| !guard.kept(&values))?;
        let relation = match (guard.relation, guard.holds) {
            (Relation::Equal, true) => "=",
            (Relation::Equal, false) => "!=",
            (Relation::Less, true) => "<",
            (Relation::Less, false) => ">=",
        };
        Some(format!("{} {relation} {}", self.describe(guard.a), self.describe(guard.b)))
    }

    fn describe(&self, operand: Operand) -> String {
        let name = |symbol| format!("s{symbol}");
        describe(&self.expressions, operand, &name).unwrap_or_else(|| "..".to_owned())
    }

    fn evaluate(&self, symbols: &[i64]) -> Option<Vec<i64>> {
        let mut values = Vec::with_capacity(self.expressions.len());
        for expression in &self.expressions {
            values.push(match *expression {
                Expression::Symbol(number) => *symbols.get(number as usize)?,
                Expression::Binary(op, a, b) => op.apply(read(&values, a), read(&values, b))?,
            });
        }
        Some(values)
    }

    /// Evaluates everything at these sizes of the symbols. `None` if a guard fails, or an expression has no value there:
    /// what was traced does not serve these sizes.
    pub fn run(&self, symbols: &[i64]) -> Option<Values> {
        if self.partial {
            return None;
        }
        let values = self.evaluate(symbols)?;
        self.guards.iter().all(|guard| guard.kept(&values)).then_some(Values(values))
    }
}

impl Guard {
    fn kept(&self, values: &[i64]) -> bool {
        self.relation.holds(read(values, self.a), read(values, self.b)) == self.holds
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
        read(&self.0, operand(size))
    }

    /// As [`Values::of`], where it is not negative by construction; 0 otherwise.
    pub fn count(&self, size: Size) -> u64 {
        u64::try_from(self.of(size)).unwrap_or(0)
    }
}
