//! Sizes that remember where they come from, so that a plan made at some shapes serves others.
//!
//! A [`Size`] is an integer together with the expression over the model's symbols (`batch`, `sequence`, ...) that gave it. While
//! a plan is traced, arithmetic on sizes builds expressions, and every comparison is remembered as a *guard*: what the plan
//! does is right for all sizes of the symbols for which every comparison comes out as it did. Operators therefore compute with
//! sizes as with numbers, and cannot look at one without the plan knowing. Where a choice is right whatever the sizes are
//! (which buffers share memory), [`Size::estimate`] looks without a guard; where a number must be known, [`Size::pin`] makes
//! the plan one for that number alone.
//!
//! When a model is loaded there are no sizes yet. Its shapes are then [inferred](infer()) by the operators' own rules, with an
//! estimate for each symbol; what would leave a guard is undecided.
//!
//! Outside of a trace all sizes are plain numbers.

use std::cmp::Ordering;
use std::fmt;
use std::iter::{Product, Sum};
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Rem, Sub, SubAssign};

mod infer;
mod notation;
mod program;
mod trace;

pub use infer::{
    agree, agreed, broadcast, decided, determined, infer, notation, presumed, symbol, unknown, unknown_integer,
};
pub use program::{Program, Values};
pub use trace::{Trace, trace};

use trace::{Op, Relation, combine, guard, no_value};

/// An integer, and how it follows from the sizes of the model's symbols. See the [module](self).
#[derive(Clone, Copy)]
pub struct Size {
    value: i64,
    term: Term,
}

/// What a size is: a number whatever the symbols are, or an expression of the trace under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Term {
    Number,
    Expression(u32),
}

impl Size {
    /// Zero.
    pub const ZERO: Size = Size::number(0);
    /// One.
    pub const ONE: Size = Size::number(1);

    /// A number that no symbol changes.
    pub const fn number(value: i64) -> Size {
        Size { value, term: Term::Number }
    }

    /// An expression of the trace under way.
    const fn expression(id: u32, value: i64) -> Size {
        Size { value, term: Term::Expression(id) }
    }

    /// The number, if no symbol changes it.
    pub fn known(self) -> Option<i64> {
        (self.term == Term::Number).then_some(self.value)
    }

    /// The number at the shapes that are traced, for choices that are right whatever it is.
    pub fn estimate(self) -> i64 {
        self.value
    }

    /// The number as an index or count of host data. The plan then serves this number alone.
    pub fn pin(self) -> usize {
        let value = self.pin_signed();
        usize::try_from(value).unwrap_or(0)
    }

    /// As [`Size::pin`], for numbers that may be negative.
    pub fn pin_signed(self) -> i64 {
        guard(self, Relation::Equal, Size::number(self.value));
        self.value
    }

    /// Whether it is the same expression, and so the same number at all sizes; no guard.
    pub fn is_same(self, other: Size) -> bool {
        self.term == other.term && (self.term != Term::Number || self.value == other.value)
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self == Size::ZERO
    }

    /// Whether `divisor` divides it.
    pub fn is_multiple_of(self, divisor: impl Into<Size>) -> bool {
        self % divisor.into() == Size::ZERO
    }

    /// The quotient, rounded up. The divisor must be positive.
    #[must_use]
    pub fn div_ceil(self, divisor: impl Into<Size>) -> Size {
        let divisor = divisor.into();
        (self + divisor - 1) / divisor
    }

    /// The least multiple of `factor` that is not smaller.
    #[must_use]
    pub fn next_multiple_of(self, factor: impl Into<Size>) -> Size {
        let factor = factor.into();
        self.div_ceil(factor) * factor
    }

    /// The smaller one; no guard.
    #[must_use]
    pub fn min(self, other: impl Into<Size>) -> Size {
        combine(Op::Min, self, other.into())
    }

    /// The larger one; no guard.
    #[must_use]
    pub fn max(self, other: impl Into<Size>) -> Size {
        combine(Op::Max, self, other.into())
    }

    /// The difference, or zero where it would be negative; no guard.
    #[must_use]
    pub fn saturating_sub(self, other: impl Into<Size>) -> Size {
        (self - other.into()).max(0)
    }
}

/// Numbers of elements of a shape.
///
/// # Errors
/// `None` if it exceeds what can be addressed.
pub fn checked_len(shape: &[Size]) -> Option<Size> {
    let len = shape.iter().try_fold(1i64, |len, size| len.checked_mul(size.value));
    let fits = len.is_some_and(|len| (0..=i64::MAX / 16).contains(&len)) || shape.iter().any(|size| size.value == 0);
    if !fits && shape.iter().any(|size| size.known().is_none()) {
        no_value();
    }
    fits.then(|| shape.iter().copied().product())
}

/// Whether a shape has no elements.
pub fn is_empty(shape: &[Size]) -> bool {
    shape.iter().any(|size| size.is_zero())
}

/// Whether two shapes are the same.
pub fn same_shape(a: &[Size], b: &[Size]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

/// The shape at the shapes that are traced, for messages.
pub fn estimates(shape: &[Size]) -> Vec<usize> {
    shape.iter().map(|size| usize::try_from(size.value).unwrap_or(0)).collect()
}

/// The sizes as numbers. The plan then serves these alone.
pub fn pins(shape: &[Size]) -> Vec<usize> {
    shape.iter().map(|size| size.pin()).collect()
}

/// Numbers as sizes.
pub fn sizes(shape: &[usize]) -> Vec<Size> {
    shape.iter().map(|&size| Size::from(size)).collect()
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.value)
    }
}

impl Default for Size {
    fn default() -> Self {
        Size::ZERO
    }
}

macro_rules! from {
    ($($int:ty),*) => {
        $(impl From<$int> for Size {
            /// A number; one that exceeds 63 bits becomes the largest, which no tensor has.
            fn from(value: $int) -> Size {
                Size::number(i64::try_from(value).unwrap_or(i64::MAX))
            }
        })*
    };
}

from!(i32, i64, u8, u16, u32, u64, usize);

macro_rules! arithmetic {
    ($($trait:ident, $method:ident, $op:expr;)*) => {
        $(impl<T: Into<Size>> $trait<T> for Size {
            type Output = Size;
            fn $method(self, other: T) -> Size {
                combine($op, self, other.into())
            }
        }
        impl $trait<Size> for usize {
            type Output = Size;
            fn $method(self, other: Size) -> Size {
                combine($op, Size::from(self), other)
            }
        })*
    };
}

arithmetic! {
    Add, add, Op::Add;
    Sub, sub, Op::Sub;
    Mul, mul, Op::Mul;
    Div, div, Op::Div;
    Rem, rem, Op::Rem;
}

impl<T: Into<Size>> AddAssign<T> for Size {
    fn add_assign(&mut self, other: T) {
        *self = *self + other.into();
    }
}

impl<T: Into<Size>> SubAssign<T> for Size {
    fn sub_assign(&mut self, other: T) {
        *self = *self - other.into();
    }
}

impl<T: Into<Size>> MulAssign<T> for Size {
    fn mul_assign(&mut self, other: T) {
        *self = *self * other.into();
    }
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Size>>(iter: I) -> Size {
        iter.fold(Size::ZERO, Size::add)
    }
}

impl Product for Size {
    fn product<I: Iterator<Item = Size>>(iter: I) -> Size {
        iter.fold(Size::ONE, Size::mul)
    }
}

impl<'a> Sum<&'a Size> for Size {
    fn sum<I: Iterator<Item = &'a Size>>(iter: I) -> Size {
        iter.copied().sum()
    }
}

impl<'a> Product<&'a Size> for Size {
    fn product<I: Iterator<Item = &'a Size>>(iter: I) -> Size {
        iter.copied().product()
    }
}

/// Compares, and leaves a guard unless the answer is the same for all sizes.
impl PartialEq for Size {
    fn eq(&self, other: &Size) -> bool {
        guard(*self, Relation::Equal, *other)
    }
}

impl PartialEq<usize> for Size {
    fn eq(&self, other: &usize) -> bool {
        *self == Size::from(*other)
    }
}

/// Compares, and leaves a guard unless the answer is the same for all sizes.
impl PartialOrd for Size {
    fn partial_cmp(&self, other: &Size) -> Option<Ordering> {
        Some(match (self < other, self == other) {
            (true, _) => Ordering::Less,
            (false, true) => Ordering::Equal,
            (false, false) => Ordering::Greater,
        })
    }

    fn lt(&self, other: &Size) -> bool {
        guard(*self, Relation::Less, *other)
    }

    fn le(&self, other: &Size) -> bool {
        !guard(*other, Relation::Less, *self)
    }

    fn gt(&self, other: &Size) -> bool {
        guard(*other, Relation::Less, *self)
    }

    fn ge(&self, other: &Size) -> bool {
        !guard(*self, Relation::Less, *other)
    }
}

impl PartialOrd<usize> for Size {
    fn partial_cmp(&self, other: &usize) -> Option<Ordering> {
        self.partial_cmp(&Size::from(*other))
    }

    fn lt(&self, other: &usize) -> bool {
        *self < Size::from(*other)
    }

    fn le(&self, other: &usize) -> bool {
        *self <= Size::from(*other)
    }

    fn gt(&self, other: &usize) -> bool {
        *self > Size::from(*other)
    }

    fn ge(&self, other: &usize) -> bool {
        *self >= Size::from(*other)
    }
}
