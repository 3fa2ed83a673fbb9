//! Sizes before there is a request: symbols stand for any size from 1 on, and what depends on which one is *undecided*.

use super::Size;
use super::notation::describe;
use super::trace::{self, Operand, Trace};

/// The estimate of the first symbol. It and those after it are primes, so that hardly ever two expressions have one estimate.
const FIRST: i64 = 1009;

/// Runs `body` with sizes of which only the model's symbols, each an [`unknown`], are known. A comparison that symbols decide
/// comes out by their estimates and is noted as undecided, for [`decided`] to ask.
///
/// Empty tensors are left out: where a size of 0 makes a difference, what is inferred holds for all others.
pub fn infer<R>(body: impl FnOnce() -> R) -> R {
    trace::within(Trace::inferring(), body).0
}

/// Whether sizes are inferred, within [`infer`].
fn infers() -> bool {
    trace::with(|trace| trace.infers).unwrap_or(false)
}

/// A size that nobody knows before a request runs: a new symbol while sizes are inferred, and none else.
pub fn unknown() -> Option<Size> {
    new_symbol(1)
}

/// As [`unknown`], of an integer that may be negative.
pub fn unknown_integer() -> Option<Size> {
    new_symbol(i64::MIN)
}

fn new_symbol(least: i64) -> Option<Size> {
    trace::with(|trace| trace.infers.then(|| trace.symbol(least)))?.map(|(id, value)| Size::expression(id, value))
}

/// What `body` gives, if that is the same whatever the sizes of symbols are. While a plan is traced it always is: the trace
/// keeps the guards.
pub fn decided<R>(body: impl FnOnce() -> R) -> Option<R> {
    let Some(outer) = trace::with(|trace| std::mem::take(&mut trace.undecided)) else { return Some(body()) };
    let result = body();
    let undecided = trace::with(|trace| std::mem::replace(&mut trace.undecided, outer)).unwrap_or(false);
    (!undecided).then_some(result)
}

/// Whether a condition holds without which a node makes no sense. While sizes are inferred, what symbols decide is presumed.
pub fn presumed(condition: impl FnOnce() -> bool) -> bool {
    decided(condition).unwrap_or(true)
}

/// The size that `body` computes. While sizes are inferred, an [`unknown`] one where symbols decide which of several
/// expressions it is.
///
/// # Errors
/// Those of `body`, where they are decided.
pub fn determined<E>(body: impl FnOnce() -> Result<Size, E>) -> Result<Size, E> {
    match decided(body) {
        Some(result) => result,
        None => Ok(unknown().unwrap_or(Size::ZERO)),
    }
}

/// The size that both are, or `None` if they differ. While sizes are inferred, sizes that may be the same are presumed to be,
/// and a number is preferred.
pub fn agreed(a: Size, b: Size) -> Option<Size> {
    let same = a.is_same(b) || presumed(|| a == b);
    same.then(|| if a.known().is_none() && infers() { b } else { a })
}

/// Whether two shapes are the same, where a node makes no sense otherwise.
pub fn agree(a: &[Size], b: &[Size]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| agreed(a, b).is_some())
}

/// The size that both broadcast to, or `None` if they do not.
pub fn broadcast(a: Size, b: Size) -> Option<Size> {
    if a.is_same(b) || b.known() == Some(1) {
        return Some(a);
    }
    if a.known() == Some(1) {
        return Some(b);
    }
    let size = decided(|| if a == 1 { Some(b) } else { (b == 1 || a == b).then_some(a) });
    size.unwrap_or_else(|| {
        // What broadcasts with another number than 1 is that number or 1. What broadcasts with `n` and is `n` up to a bound, is `n`.
        match (a.known(), b.known()) {
            (Some(_), _) => Some(a),
            (_, Some(_)) => Some(b),
            (None, None) if trace::bounds(a, b) => Some(b),
            (None, None) if trace::bounds(b, a) => Some(a),
            (None, None) => unknown(),
        }
    })
}

impl Trace {
    /// A new symbol, whose size is at least `least`, and its estimate.
    fn symbol(&mut self, least: i64) -> (u32, i64) {
        let prime = |n: i64| (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
        let estimate = (self.estimate.max(FIRST - 1) + 1..).find(|&n| prime(n)).unwrap_or(i64::MAX);
        self.estimate = estimate;
        (self.new_symbol(least), estimate)
    }
}

/// The number of the symbol that a size of the trace under way is, if it is one. Symbols are numbered as they come.
pub fn symbol(size: Size) -> Option<u32> {
    trace::with(|trace| trace.symbol_of(size))?
}

/// How a size of the trace under way reads, such as `past + 1` or `2*seq`, where `name` gives the names of symbols.
///
/// # Errors
/// A number that it shares with no other size, where that is too long.
pub fn notation(size: Size, name: &dyn Fn(u32) -> String) -> Result<String, u32> {
    let described = trace::with(|trace| match trace::operand(size) {
        Operand::Number(number) => Ok(number.to_string()),
        operand @ Operand::Expression(id) => describe(&trace.expressions, operand, name).ok_or(id),
    });
    described.unwrap_or_else(|| Ok(size.to_string()))
}
