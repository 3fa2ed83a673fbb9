//! `TypeProto` → element type and shape, as far as stated.

use super::proto::{TypeProto, TypeValue};
use super::tensor::{MAX_RANK, element_type};
use crate::error::{Error, Result};
use crate::graph::Dim;
use crate::tensor::DType;

/// Element type and shape of the tensor of that name.
///
/// # Errors
/// `Unsupported` for what is no tensor and for element types that fascine lacks, `InvalidModel` for what no tensor has.
pub(super) fn tensor_type(proto: Option<&TypeProto>, name: &str) -> Result<(Option<DType>, Option<Vec<Dim>>)> {
    let Some(proto) = proto else { return Ok((None, None)) };
    let other = |what: &str| Err(Error::unsupported(format!("it is {what}; only tensors are supported")));
    let tensor = match &proto.value {
        Some(TypeValue::Tensor(tensor)) => tensor,
        Some(TypeValue::Sequence(_)) => return other("a sequence"),
        Some(TypeValue::Map(_)) => return other("a map"),
        Some(TypeValue::Optional(_)) => return other("an optional"),
        Some(TypeValue::SparseTensor(_)) => return other("a sparse tensor"),
        Some(TypeValue::Opaque(_)) => return other("opaque"),
        None => return other("of no type"),
    };
    let dtype = element_type(tensor.elem_type)?;
    let Some(shape) = &tensor.shape else { return Ok((Some(dtype), None)) };
    if shape.dim.len() > MAX_RANK {
        return Err(Error::unsupported(format!("rank {} is more than {MAX_RANK}", shape.dim.len())));
    }
    let mut dims = Vec::with_capacity(shape.dim.len());
    for (axis, dim) in shape.dim.iter().enumerate() {
        dims.push(match (dim.dim_value, dim.dim_param.as_deref()) {
            (None, Some(symbol)) if !symbol.is_empty() => Dim::Symbol(symbol.to_owned()),
            // A dimension without a name is equal to no other. Old exporters write an open one as -1.
            (None | Some(-1), _) => Dim::Symbol(format!("{name}.{axis}")),
            (Some(size), _) => Dim::Known(
                usize::try_from(size).map_err(|_| Error::invalid_model(format!("dimension {axis} is {size}")))?,
            ),
        });
    }
    Ok((Some(dtype), Some(dims)))
}
