//! `TypeProto` → element type and shape, as far as stated.

use super::proto::{TypeProto, TypeValue};
use super::tensor::{MAX_RANK, element_type};
use crate::error::{Error, Result};
use crate::graph::{Dim, Kind};
use crate::tensor::DType;

/// What is stated of a value.
#[derive(Default)]
pub(super) struct Stated {
    pub(super) kind: Kind,
    pub(super) dtype: Option<DType>,
    pub(super) shape: Option<Vec<Dim>>,
}

/// What the value of that name is, with element type and shape of its tensors.
///
/// # Errors
/// As [`tensor_type`], and `Unsupported` for a sequence of sequences and the like.
pub(super) fn value_type(proto: Option<&TypeProto>, name: &str) -> Result<Stated> {
    let inner = |elem: &Option<Box<TypeProto>>, kind: Kind, whole: Kind| -> Result<Stated> {
        let stated = value_type(elem.as_deref(), name)?;
        match stated.kind {
            Kind::Tensor => Ok(Stated { kind, ..stated }),
            Kind::Sequence if whole != kind => Ok(Stated { kind: whole, ..stated }),
            other => Err(Error::unsupported(format!("it is {kind} of {other}, which is not supported"))),
        }
    };
    match proto.and_then(|proto| proto.value.as_ref()) {
        Some(TypeValue::Sequence(sequence)) => inner(&sequence.elem_type, Kind::Sequence, Kind::Sequence),
        Some(TypeValue::Optional(optional)) => inner(&optional.elem_type, Kind::Optional, Kind::OptionalSequence),
        _ => {
            let (dtype, shape) = tensor_type(proto, name)?;
            Ok(Stated { kind: Kind::Tensor, dtype, shape })
        }
    }
}

/// Element type and shape of the tensor of that name.
///
/// # Errors
/// `Unsupported` for what is no tensor and for element types that fascine lacks, `InvalidModel` for what no tensor has.
fn tensor_type(proto: Option<&TypeProto>, name: &str) -> Result<(Option<DType>, Option<Vec<Dim>>)> {
    let Some(proto) = proto else { return Ok((None, None)) };
    let other = |what: &str| {
        Err(Error::unsupported(format!(
            "it is {what}; only tensors, and sequences and optionals of them, are supported"
        )))
    };
    let tensor = match &proto.value {
        Some(TypeValue::Tensor(tensor)) => tensor,
        Some(TypeValue::Map(_)) => return other("a map"),
        Some(TypeValue::Sequence(_) | TypeValue::Optional(_)) => return other("a sequence or an optional"),
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
            // `?` and `-1` name nothing, though some exporters write them for every open dimension.
            (None, Some(symbol)) if symbol.contains(char::is_alphabetic) => Dim::Symbol(symbol.to_owned()),
            // A dimension without a name is equal to no other. Old exporters write an open one as -1.
            (None | Some(-1), _) => Dim::Symbol(format!("{name}.{axis}")),
            (Some(size), _) => Dim::Known(
                usize::try_from(size).map_err(|_| Error::invalid_model(format!("dimension {axis} is {size}")))?,
            ),
        });
    }
    Ok((Some(dtype), Some(dims)))
}
