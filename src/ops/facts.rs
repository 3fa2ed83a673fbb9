//! What is known of a node's outputs from what is known of its inputs.

use super::Operator;
use crate::error::{Error, Result};
use crate::lower::{Fact, Known};
use crate::size::{Size, checked_len};
use crate::tensor::DType;

/// The most elements that a node may yield when it is computed on the host. Guessed: shapes, index tables and masks are
/// smaller, and what is larger is better computed on the device.
const HOST_ELEMENTS: i64 = 1 << 16;

/// Element types and shapes of all outputs of a node that names so many.
///
/// # Errors
/// Those of [`Operator::dtypes`] and [`Operator::shapes`]; `InvalidModel` if the node names more outputs than there are.
pub fn output_types(
    operator: &dyn Operator,
    named: usize,
    inputs: &[Option<&Fact>],
) -> Result<Vec<(DType, Vec<Size>)>> {
    let dtypes: Vec<_> = inputs.iter().map(|fact| fact.map(|fact| fact.dtype)).collect();
    let dtypes = operator.dtypes(&dtypes)?;
    let shapes = operator.shapes(inputs)?;
    if dtypes.len() != shapes.len() || named > shapes.len() {
        let given = shapes.len();
        return Err(Error::invalid_model(format!("the node names {named} outputs, the operator gives {given}")));
    }
    Ok(dtypes.into_iter().zip(shapes).collect())
}

/// The outputs' values, where the host computes them: from values that are known, and of shapes that no symbol changes.
///
/// # Errors
/// Those of [`Operator::integers`] and [`Operator::evaluate`].
pub fn host_values(
    operator: &dyn Operator,
    inputs: &[Option<&Fact>],
    outputs: &[(DType, Vec<Size>)],
) -> Result<Option<Vec<Known>>> {
    if !outputs.iter().all(|(_, shape)| is_fixed(shape)) {
        return Ok(None);
    }
    let elements = |(_, shape): &(DType, Vec<Size>)| checked_len(shape).map_or(i64::MAX, Size::estimate);
    if outputs.iter().map(elements).fold(0, i64::saturating_add) > HOST_ELEMENTS {
        return Ok(None);
    }
    if let Some(values) = operator.integers(inputs)? {
        return Ok(Some(values));
    }
    // Looking at what is known only in part would tie the plan to it for nothing.
    if inputs.iter().flatten().any(|fact| fact.known.is_none()) {
        return Ok(None);
    }
    Ok(operator.evaluate(inputs)?.map(|values| values.into_iter().map(Known::from).collect()))
}

/// Whether no symbol changes a shape.
pub fn is_fixed(shape: &[Size]) -> bool {
    shape.iter().all(|size| size.known().is_some())
}
