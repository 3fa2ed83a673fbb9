//! Shape arithmetic: elementwise operators on integers that follow from sizes.

use crate::error::Result;
use crate::lower::{Fact, Known};
use crate::ops::broadcast::broadcast_shapes;
use crate::size::{Size, pins};
use crate::tensor::{DType, Tensor};

/// The result of operator `name`, where it computes integers of integers and a symbol may change one of them. Others are computed as
/// numbers.
pub(super) fn integers(name: &str, inputs: &[Option<&Fact>]) -> Result<Option<Vec<Known>>> {
    let changes = |fact: &&Fact| fact.known.as_ref().is_some_and(|known| known.elements().is_some());
    let facts: Option<Vec<&Fact>> = inputs.iter().copied().collect();
    let Some(facts) = facts.filter(|facts| facts.iter().any(changes)) else { return Ok(None) };
    let shape = pins(&broadcast_shapes(facts.iter().map(|fact| fact.shape.as_slice()))?);
    let binary: Option<fn(Size, Size) -> Size> = match name {
        "Add" => Some(|a, b| a + b),
        "Sub" => Some(|a, b| a - b),
        "Mul" => Some(|a, b| a * b),
        "Max" => Some(|a, b| a.max(b)),
        "Min" => Some(|a, b| a.min(b)),
        _ => None,
    };
    let len: usize = shape.iter().product();
    // Operands of other shapes than one element or all are rare in shape arithmetic.
    let spread = |fact: &Fact| match fact.integers() {
        Some(only) if only.len() == 1 => Some(vec![only[0]; len]),
        Some(all) if all.len() == len && fact.shape.len() == shape.len() => Some(all),
        _ => None,
    };
    let (first, rest) = match facts.split_first() {
        Some(split) => split,
        None => return Ok(None),
    };
    let dtype = first.dtype;
    let compares: Option<fn(Size, Size) -> bool> = match name {
        "Equal" => Some(|a, b| a == b),
        "Less" => Some(|a, b| a < b),
        "Greater" => Some(|a, b| a > b),
        _ => None,
    };
    if let (Some(compares), &[second]) = (compares, rest) {
        let Some((a, b)) = spread(first).zip(spread(second)) else { return Ok(None) };
        let results: Vec<bool> = a.into_iter().zip(b).map(|(a, b)| compares(a, b)).collect();
        return Ok(Some(vec![Tensor::new(shape, results)?.into()]));
    }
    let elements = match (name, rest) {
        ("Neg", []) => spread(first).map(|list| list.into_iter().map(|x| Size::ZERO - x).collect()),
        // Truncation differs from the quotient of sizes where one is negative.
        ("Div", [second]) => spread(first).zip(spread(second)).and_then(|(a, b)| {
            let plain = a.iter().all(|&x| x >= Size::ZERO) && b.iter().all(|&x| x > Size::ZERO);
            plain.then(|| a.into_iter().zip(b).map(|(a, b)| a / b).collect())
        }),
        ("Where", [yes, no]) => {
            let Some(condition) = first.value().filter(|c| c.dtype() == DType::Bool && c.shape() == shape) else {
                return Ok(None);
            };
            let condition = condition.as_slice::<bool>()?;
            let picked = spread(yes).zip(spread(no)).map(|(yes, no)| {
                condition.iter().zip(yes).zip(no).map(|((&c, yes), no)| if c { yes } else { no }).collect()
            });
            return Ok(picked.and_then(|list| Known::integers(yes.dtype, &shape, list)).map(|known| vec![known]));
        }
        _ => match binary {
            Some(op) => rest
                .iter()
                .try_fold(spread(first), |done, next| {
                    let (done, next) = (done?, spread(next)?);
                    Some(Some(done.into_iter().zip(next).map(|(a, b)| op(a, b)).collect()))
                })
                .flatten(),
            None => None,
        },
    };
    Ok(elements.and_then(|list: Vec<Size>| Known::integers(dtype, &shape, list)).map(|known| vec![known]))
}
