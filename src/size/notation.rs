//! Expressions as people write them.

use super::trace::{Expression, Op, Operand};

/// The most characters of an expression that is shown.
const LONGEST: usize = 80;

/// How tightly a piece of text binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Sum,
    Quotient,
    Product,
    Tightly,
}

/// `operand` in terms of the symbols, whose names `name` gives. `None` if that is too long.
pub(super) fn describe(expressions: &[Expression], operand: Operand, name: &dyn Fn(u32) -> String) -> Option<String> {
    Notation { expressions, name }.text(operand, LONGEST).map(|(text, _)| text)
}

struct Notation<'a> {
    expressions: &'a [Expression],
    name: &'a dyn Fn(u32) -> String,
}

impl Notation<'_> {
    /// The text, which has `room` characters at most, so that the depth and the number of parts are bounded too.
    fn text(&self, operand: Operand, room: usize) -> Option<(String, Binds)> {
        let id = match operand {
            Operand::Number(number) if number < 0 => return Some((format!("({number})"), Binds::Tightly)),
            Operand::Number(number) => return Some((number.to_string(), Binds::Tightly)),
            Operand::Expression(id) => id,
        };
        let (op, a, b) = match *self.expressions.get(id as usize)? {
            Expression::Symbol(number) => return Some(((self.name)(number), Binds::Tightly)),
            Expression::Binary(op, a, b) => (op, a, b),
        };
        // An operator takes at least two characters beside its operands.
        let room = room.checked_sub(2)?;
        let (left, left_binds) = self.text(a, room)?;
        let (right, right_binds) = self.text(b, room.checked_sub(left.chars().count())?)?;
        let within = |text: String, binds: Binds, least: Binds| if binds < least { format!("({text})") } else { text };
        let (text, binds) = match (op, b) {
            (Op::Add, Operand::Number(n)) if n < 0 => (format!("{left} - {}", n.unsigned_abs()), Binds::Sum),
            (Op::Add, _) => (format!("{left} + {right}"), Binds::Sum),
            (Op::Sub, _) => (format!("{left} - {}", within(right, right_binds, Binds::Quotient)), Binds::Sum),
            (Op::Mul, Operand::Number(_)) => {
                (format!("{right}*{}", within(left, left_binds, Binds::Product)), Binds::Product)
            }
            (Op::Mul, _) => {
                let (left, right) =
                    (within(left, left_binds, Binds::Quotient), within(right, right_binds, Binds::Product));
                (format!("{left}*{right}"), Binds::Product)
            }
            (Op::Div | Op::Rem, _) => {
                let (left, right) =
                    (within(left, left_binds, Binds::Quotient), within(right, right_binds, Binds::Tightly));
                (format!("{left}{}{right}", if op == Op::Div { '/' } else { '%' }), Binds::Quotient)
            }
            (Op::Min, _) => (format!("min({left}, {right})"), Binds::Tightly),
            (Op::Max, _) => (format!("max({left}, {right})"), Binds::Tightly),
        };
        (text.chars().count() <= LONGEST).then_some((text, binds))
    }
}
