//! The trace under way on this thread: expressions, each once, and guards.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::{Size, Term};

/// What an expression computes, in 64-bit integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    /// Rounded towards zero.
    Div,
    Rem,
    Min,
    Max,
}

impl Op {
    /// The result; `None` where there is none or it exceeds 64 bits.
    pub(super) fn apply(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Op::Add => a.checked_add(b),
            Op::Sub => a.checked_sub(b),
            Op::Mul => a.checked_mul(b),
            Op::Div => a.checked_div(b),
            Op::Rem => a.checked_rem(b),
            Op::Min => Some(a.min(b)),
            Op::Max => Some(a.max(b)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Relation {
    Equal,
    Less,
}

impl Relation {
    pub(super) fn holds(self, a: i64, b: i64) -> bool {
        match self {
            Relation::Equal => a == b,
            Relation::Less => a < b,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operand {
    Number(i64),
    Expression(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Expression {
    /// The symbol of that number.
    Symbol(u32),
    Binary(Op, Operand, Operand),
}

/// A comparison, and how it came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Guard {
    pub(super) a: Operand,
    pub(super) relation: Relation,
    pub(super) b: Operand,
    pub(super) holds: bool,
}

/// What was traced: the expressions in the order in which they came about, and the guards.
#[derive(Debug, Default)]
pub struct Trace {
    pub(super) expressions: Vec<Expression>,
    pub(super) guards: Vec<Guard>,
    index: HashMap<Expression, u32>,
    known: HashSet<Guard>,
    /// By expression: the least value that it can have under the guards, as far as that is tracked.
    least: Vec<i64>,
    symbols: u32,
    /// Whether something had no value at the traced sizes, which might have one at others.
    pub(super) partial: bool,
}

thread_local! {
    static CURRENT: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// Runs `body` with the symbols' sizes and gives what it computed and what was traced.
///
/// A symbol of size 0 or 1 is that number, and the trace holds for it alone: broadcasting, empty tensors and single rows
/// make such plans different ones anyway. Every other symbol stands for sizes from 2 on.
pub fn trace<R>(symbols: &[i64], body: impl FnOnce(&[Size]) -> R) -> (R, Trace) {
    /// Puts the outer trace back, also when `body` unwinds.
    struct Restore(Option<Trace>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let outer = self.0.take();
            CURRENT.with(|current| *current.borrow_mut() = outer);
        }
    }
    let outer = CURRENT.with(|current| current.borrow_mut().replace(Trace::default()));
    let restore = Restore(outer);
    let sizes: Vec<Size> = symbols.iter().map(|&value| symbol(value)).collect();
    let result = body(&sizes);
    let traced = CURRENT.with(|current| current.borrow_mut().take()).unwrap_or_default();
    drop(restore);
    (result, traced)
}

fn symbol(value: i64) -> Size {
    with(|trace| {
        let number = trace.symbols;
        trace.symbols += 1;
        let id = trace.intern(Expression::Symbol(number), 2);
        let (relation, bound) = if value < 2 { (Relation::Equal, value) } else { (Relation::Less, 2) };
        let guard = Guard {
            a: Operand::Expression(id),
            relation,
            b: Operand::Number(bound),
            holds: relation.holds(value, bound),
        };
        trace.record(guard);
        let term = if value < 2 { Term::Number } else { Term::Expression(id) };
        Size { value, term }
    })
    .unwrap_or(Size::number(value))
}

fn with<R>(body: impl FnOnce(&mut Trace) -> R) -> Option<R> {
    CURRENT.with(|current| current.borrow_mut().as_mut().map(body))
}

/// A size as expressions name it.
pub(super) fn operand(size: Size) -> Operand {
    match size.term {
        Term::Number => Operand::Number(size.value),
        Term::Expression(id) => Operand::Expression(id),
    }
}

/// The result of an operation. Where it has no result (an overflow, a division by zero) it is the largest number, which
/// no tensor's size is and every check refuses.
pub(super) fn combine(op: Op, a: Size, b: Size) -> Size {
    let value = op.apply(a.value, b.value);
    let numbers = a.term == Term::Number && b.term == Term::Number;
    let Some(value) = value else {
        if !numbers {
            with(|trace| trace.partial = true);
        }
        return Size::number(i64::MAX);
    };
    if numbers {
        return Size::number(value);
    }
    if let Some(simple) = simplify(op, a, b) {
        return simple;
    }
    let term = with(|trace| {
        let (a, b) = match (op, operand(a), operand(b)) {
            // Sums and products of the same in either order are the same.
            (Op::Add | Op::Mul | Op::Min | Op::Max, Operand::Number(n), b) => (b, Operand::Number(n)),
            (Op::Add | Op::Mul | Op::Min | Op::Max, Operand::Expression(x), Operand::Expression(y)) if y < x => {
                (Operand::Expression(y), Operand::Expression(x))
            }
            (_, a, b) => (a, b),
        };
        Term::Expression(trace.combine(op, a, b))
    });
    Size { value, term: term.unwrap_or(Term::Number) }
}

/// Identities that leave no expression behind.
fn simplify(op: Op, a: Size, b: Size) -> Option<Size> {
    let number = |size: Size, value| size.known() == Some(value);
    match op {
        Op::Add if number(a, 0) => Some(b),
        Op::Add | Op::Sub if number(b, 0) => Some(a),
        Op::Mul if number(a, 1) => Some(b),
        Op::Mul | Op::Div if number(b, 1) => Some(a),
        Op::Mul if number(a, 0) || number(b, 0) => Some(Size::ZERO),
        Op::Rem if number(b, 1) => Some(Size::ZERO),
        Op::Sub if a.term == b.term && a.term != Term::Number => Some(Size::ZERO),
        Op::Min | Op::Max if a.term == b.term && a.term != Term::Number => Some(a),
        Op::Max if number(b, 0) && least(a) >= 0 => Some(a),
        Op::Max if number(b, 1) && least(a) >= 1 => Some(a),
        _ => None,
    }
}

fn least(size: Size) -> i64 {
    match size.term {
        Term::Number => size.value,
        Term::Expression(id) => with(|trace| trace.least[id as usize]).unwrap_or(i64::MIN),
    }
}

impl Trace {
    fn intern(&mut self, expression: Expression, least: i64) -> u32 {
        let Trace { expressions, index, least: bounds, .. } = self;
        *index.entry(expression).or_insert_with(|| {
            expressions.push(expression);
            bounds.push(least);
            expressions.len() as u32 - 1
        })
    }

    fn get(&self, operand: Operand) -> Option<Expression> {
        match operand {
            Operand::Number(_) => None,
            Operand::Expression(id) => Some(self.expressions[id as usize]),
        }
    }

    fn bound(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Number(n) => n,
            Operand::Expression(id) => self.least[id as usize],
        }
    }

    /// The expression, a sum or product with a number folded into one of the same kind below it.
    fn combine(&mut self, op: Op, a: Operand, b: Operand) -> u32 {
        use Operand::Number;
        let folded = match (op, self.get(a), b) {
            (Op::Add, Some(Expression::Binary(Op::Add, inner, Number(m))), Number(n)) => {
                m.checked_add(n).map(|sum| (Op::Add, inner, sum))
            }
            (Op::Mul, Some(Expression::Binary(Op::Mul, inner, Number(m))), Number(n)) => {
                m.checked_mul(n).map(|product| (Op::Mul, inner, product))
            }
            (Op::Div, Some(Expression::Binary(Op::Mul, inner, Number(m))), Number(n)) if n > 0 && m % n == 0 => {
                Some((Op::Mul, inner, m / n))
            }
            _ => None,
        };
        if let Some((op, inner, number)) = folded {
            let neutral = matches!((op, number), (Op::Add, 0) | (Op::Mul, 1));
            return match inner {
                Operand::Expression(id) if neutral => id,
                _ => self.insert(op, inner, Number(number)),
            };
        }
        self.insert(op, a, b)
    }

    fn insert(&mut self, op: Op, a: Operand, b: Operand) -> u32 {
        let (x, y) = (self.bound(a), self.bound(b));
        // What cannot be negative stays so; of differences nothing is known.
        let least = match op {
            Op::Add => x.saturating_add(y),
            Op::Mul if x >= 0 && y >= 0 => x.saturating_mul(y),
            Op::Div if x >= 0 && y >= 0 => match b {
                Operand::Number(n) if n > 0 => x / n,
                _ => 0,
            },
            Op::Rem if x >= 0 => 0,
            Op::Min => x.min(y),
            Op::Max => x.max(y),
            Op::Sub | Op::Mul | Op::Div | Op::Rem => i64::MIN,
        };
        self.intern(Expression::Binary(op, a, b), least)
    }

    fn record(&mut self, guard: Guard) {
        if self.known.insert(guard) {
            self.guards.push(guard);
        }
    }
}

/// Whether the relation holds at the traced sizes. Leaves a guard unless it is the same for all.
pub(super) fn guard(a: Size, relation: Relation, b: Size) -> bool {
    let holds = relation.holds(a.value, b.value);
    let same = a.term == b.term && a.term != Term::Number;
    if same || (a.term == Term::Number && b.term == Term::Number) {
        return holds;
    }
    with(|trace| {
        let (a, b) = (operand(a), operand(b));
        let proven = match (relation, a, b) {
            // Below the least value: never equal, never less.
            (Relation::Equal, a, Operand::Number(n)) => trace.bound(a) > n,
            (Relation::Equal, Operand::Number(n), b) => trace.bound(b) > n,
            (Relation::Less, a, Operand::Number(n)) => trace.bound(a) >= n,
            (Relation::Less, Operand::Number(n), b) => trace.bound(b) > n,
            (Relation::Equal | Relation::Less, Operand::Expression(_), Operand::Expression(_)) => false,
        };
        if !proven {
            trace.record(Guard { a, relation, b, holds });
        }
    });
    holds
}
