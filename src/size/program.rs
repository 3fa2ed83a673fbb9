//! A trace as a list of instructions that other sizes of the symbols run through.

use super::Size;
use super::notation::describe;
use super::trace::{Expression, Guard, Operand, Relation, Trace, operand};

/// The expressions and guards of a trace, to be evaluated at other sizes of its symbols.
#[derive(Debug)]
pub struct Program {
    expressions: Vec<Expression>,
    /// In the order in which their operands come about.
    guards: Vec<Guard>,
    partial: bool,
}

/// The values of a program's expressions at some sizes.
#[derive(Debug)]
pub struct Values(Vec<i64>);

impl Program {
    /// The program of a trace.
    pub fn new(trace: Trace) -> Self {
        let Trace { expressions, mut guards, partial, .. } = trace;
        guards.sort_by_key(Guard::ready);
        Program { expressions, guards, partial }
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
            values.push(expression.value(symbols, &values)?);
        }
        Some(values)
    }

    /// Evaluates everything at these sizes of the symbols. `None` if a guard fails, or an expression has no value there:
    /// what was traced does not serve these sizes.
    pub fn run(&self, symbols: &[i64]) -> Option<Values> {
        if self.partial {
            return None;
        }
        // Mostly one of the first guards tells a template that does not serve.
        let mut values = Vec::with_capacity(self.expressions.len());
        let mut guards = self.guards.iter().peekable();
        for expression in &self.expressions {
            let value = expression.value(symbols, &values)?;
            values.push(value);
            while let Some(guard) = guards.next_if(|guard| guard.ready() <= values.len()) {
                if !guard.kept(&values) {
                    return None;
                }
            }
        }
        guards.all(|guard| guard.kept(&values)).then_some(Values(values))
    }
}

impl Expression {
    /// Its value, once those before it are known.
    fn value(self, symbols: &[i64], values: &[i64]) -> Option<i64> {
        match self {
            Expression::Symbol(number) => symbols.get(number as usize).copied(),
            Expression::Binary(op, a, b) => op.apply(read(values, a), read(values, b)),
        }
    }
}

impl Guard {
    /// How many expressions have to be known to check it.
    fn ready(&self) -> usize {
        let ready = |operand| match operand {
            Operand::Number(_) => 0,
            Operand::Expression(id) => id as usize + 1,
        };
        ready(self.a).max(ready(self.b))
    }

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
