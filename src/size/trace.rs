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
    /// Whether sizes are inferred: comparisons that symbols decide leave no guard, they are noted as undecided.
    pub(super) infers: bool,
    /// Whether symbols decided something of late.
    pub(super) undecided: bool,
    /// The estimate of the last symbol of those that are inferred.
    pub(super) estimate: i64,
}

thread_local! {
    static CURRENT: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// Runs `body` with the symbols' sizes and gives what it computed and what was traced.
///
/// A symbol of size 0 or 1 is that number, and the trace holds for it alone: broadcasting, empty tensors and single rows
/// make such plans different ones anyway. Every other symbol stands for sizes from 2 on.
pub fn trace<R>(symbols: &[i64], body: impl FnOnce(&[Size]) -> R) -> (R, Trace) {
    within(Trace::default(), || {
        let sizes: Vec<Size> = symbols.iter().map(|&value| symbol(value)).collect();
        body(&sizes)
    })
}

/// Runs `body` with that trace under way.
pub(super) fn within<R>(trace: Trace, body: impl FnOnce() -> R) -> (R, Trace) {
    /// Puts the outer trace back, also when `body` unwinds.
    struct Restore(Option<Trace>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let outer = self.0.take();
            CURRENT.with(|current| *current.borrow_mut() = outer);
        }
    }
    let restore = Restore(CURRENT.with(|current| current.borrow_mut().replace(trace)));
    let result = body();
    let traced = CURRENT.with(|current| current.borrow_mut().take()).unwrap_or_default();
    drop(restore);
    (result, traced)
}

fn symbol(value: i64) -> Size {
    with(|trace| {
        let id = trace.new_symbol(2);
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

/// What `body` makes of the trace under way, if there is one.
pub(super) fn with<R>(body: impl FnOnce(&mut Trace) -> R) -> Option<R> {
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
            no_value();
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
        let (op, b) = match (op, b.known().and_then(i64::checked_neg)) {
            (Op::Sub, Some(negative)) => (Op::Add, Size::number(negative)),
            _ => (op, b),
        };
        Term::Expression(trace.combine(op, operand(a), operand(b)))
    });
    Size { value, term: term.unwrap_or(Term::Number) }
}

/// Something has no value at the traced sizes; it might have one at others.
pub(super) fn no_value() {
    with(|trace| (trace.partial, trace.undecided) = (true, true));
}

/// Whether `a` is the smaller of `b` and a positive number.
pub(super) fn bounds(a: Size, b: Size) -> bool {
    with(|trace| match (trace.get(operand(a)), operand(b)) {
        (Some(Expression::Binary(Op::Min, inner, Operand::Number(bound))), b) => inner == b && bound > 0,
        _ => false,
    })
    .unwrap_or(false)
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
        Op::Sub if with(|trace| trace.differ_by_number(operand(a), operand(b))) == Some(true) => {
            Some(Size::number(a.value - b.value))
        }
        Op::Sub => minuend(a, b).map(|term| Size { value: a.value - b.value, term }),
        Op::Min | Op::Max if a.term == b.term && a.term != Term::Number => Some(a),
        Op::Max | Op::Min => {
            let (size, bound) = if a.known().is_some() { (b, a) } else { (a, b) };
            let reaches = bound.known().is_some_and(|bound| least(size) >= bound);
            reaches.then_some(if op == Op::Max { size } else { bound })
        }
        _ => None,
    }
}

/// The other summand, where `a` is a sum of `b`.
fn minuend(a: Size, b: Size) -> Option<Term> {
    let other = with(|trace| match (trace.get(operand(a))?, operand(b)) {
        (Expression::Binary(Op::Add, x, y), b) if x == b => Some(y),
        (Expression::Binary(Op::Add, x, y), b) if y == b => Some(x),
        _ => None,
    })??;
    Some(match other {
        Operand::Number(_) => Term::Number,
        Operand::Expression(id) => Term::Expression(id),
    })
}

fn least(size: Size) -> i64 {
    match size.term {
        Term::Number => size.value,
        Term::Expression(id) => with(|trace| trace.least[id as usize]).unwrap_or(i64::MIN),
    }
}

impl Trace {
    /// One that infers sizes.
    pub(super) fn inferring() -> Trace {
        Trace { infers: true, ..Trace::default() }
    }

    /// The expression of a new symbol, whose size is at least `least`.
    pub(super) fn new_symbol(&mut self, least: i64) -> u32 {
        let number = self.symbols;
        self.symbols += 1;
        self.intern(Expression::Symbol(number), least)
    }

    /// The number of the symbol that it is, if it is one.
    pub(super) fn symbol_of(&self, size: Size) -> Option<u32> {
        match self.get(operand(size)) {
            Some(Expression::Symbol(number)) => Some(number),
            _ => None,
        }
    }

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

    /// Whether the difference of two is the same at all sizes.
    fn differ_by_number(&self, a: Operand, b: Operand) -> bool {
        self.split(Op::Add, a).0 == self.split(Op::Add, b).0
    }

    /// The expression in a sum or product with a number, and the number.
    fn split(&self, op: Op, operand: Operand) -> (Option<Operand>, Option<i64>) {
        match (operand, self.get(operand)) {
            (Operand::Number(number), _) => (None, Some(number)),
            (_, Some(Expression::Binary(own, inner, Operand::Number(number)))) if own == op => {
                (Some(inner), Some(number))
            }
            (expression, _) => (Some(expression), None),
        }
    }

    fn bound(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Number(n) => n,
            Operand::Expression(id) => self.least[id as usize],
        }
    }

    /// The expression. Of sums and products the number comes last, once; that much alone is brought to a normal form.
    fn combine(&mut self, op: Op, a: Operand, b: Operand) -> u32 {
        use Operand::{Expression as Id, Number};
        if matches!(op, Op::Add | Op::Mul) {
            let ((x, m), (y, n)) = (self.split(op, a), self.split(op, b));
            let number = match (m, n) {
                (Some(m), Some(n)) => op.apply(m, n),
                (only, None) | (None, only) => only,
            };
            let inner = match (x, y) {
                (Some(x), Some(y)) if m.is_some() || n.is_some() => number.map(|_| Id(self.combine(op, x, y))),
                (Some(_), Some(_)) => None,
                (only, None) | (None, only) => only,
            };
            return match (inner, number) {
                (Some(Id(id)), Some(0)) if op == Op::Add => id,
                (Some(Id(id)), Some(1)) if op == Op::Mul => id,
                (Some(inner), Some(number)) => self.insert(op, inner, Number(number)),
                _ => self.insert_ordered(op, a, b),
            };
        }
        match (op, self.get(a), b) {
            (Op::Div, Some(Expression::Binary(Op::Div, inner, Number(m))), Number(n)) if m > 0 && n > 0 => {
                match m.checked_mul(n) {
                    Some(divisor) => self.insert(op, inner, Number(divisor)),
                    None => self.insert(op, a, b),
                }
            }
            (Op::Div, Some(Expression::Binary(Op::Mul, inner, Number(m))), Number(n)) if n > 0 && m % n == 0 => {
                self.combine(Op::Mul, inner, Number(m / n))
            }
            (Op::Min | Op::Max, ..) => self.insert_ordered(op, a, b),
            _ => self.insert(op, a, b),
        }
    }

    /// As [`Trace::insert`], of what is the same in either order.
    fn insert_ordered(&mut self, op: Op, a: Operand, b: Operand) -> u32 {
        match (a, b) {
            (Operand::Number(_), _) => self.insert(op, b, a),
            (Operand::Expression(x), Operand::Expression(y)) if y < x => self.insert(op, b, a),
            _ => self.insert(op, a, b),
        }
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
    if a.term == Term::Number && b.term == Term::Number {
        return holds;
    }
    with(|trace| {
        let (a, b) = (operand(a), operand(b));
        // Those compare alike at all sizes.
        if trace.differ_by_number(a, b) {
            return;
        }
        let proven = match (relation, a, b) {
            // Below the least value: never equal, never less.
            (Relation::Equal, a, Operand::Number(n)) => trace.bound(a) > n,
            (Relation::Equal, Operand::Number(n), b) => trace.bound(b) > n,
            (Relation::Less, a, Operand::Number(n)) => trace.bound(a) >= n,
            (Relation::Less, Operand::Number(n), b) => trace.bound(b) > n,
            (Relation::Equal | Relation::Less, Operand::Expression(_), Operand::Expression(_)) => false,
        };
        match proven {
            true => {}
            false if trace.infers => trace.undecided = true,
            false => trace.record(Guard { a, relation, b, holds }),
        }
    });
    holds
}
