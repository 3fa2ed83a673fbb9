//! `AttributeProto` → [`Attr`], and the `Constant` operator's value.

use std::collections::BTreeMap;

use rten_onnx::onnx::{AttributeProto, AttributeType};

use super::tensor::Decoder;
use crate::error::{Error, Result};
use crate::graph::Attr;
use crate::tensor::Tensor;

/// Decodes a node's attributes.
pub(super) fn decode(attributes: Vec<AttributeProto>, decoder: &mut Decoder<'_>) -> Result<BTreeMap<String, Attr>> {
    let mut attrs = BTreeMap::new();
    for mut proto in attributes {
        let name = proto.name.take().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Error::invalid_model("an attribute without a name"))?;
        let attr = decode_one(proto, decoder)
            .map_err(|error| Error::new(error.kind(), format!("attribute '{name}': {}", error.message())))?;
        if attrs.insert(name.clone(), attr).is_some() {
            return Err(Error::invalid_model(format!("attribute '{name}' is given twice")));
        }
    }
    Ok(attrs)
}

fn decode_one(proto: AttributeProto, decoder: &mut Decoder<'_>) -> Result<Attr> {
    let stated = proto.r#type.filter(|&t| t != AttributeType::UNDEFINED);
    let missing = || Error::invalid_model("has no value of its type");
    Ok(match stated.unwrap_or_else(|| guess(&proto)) {
        // proto3 writers leave zero values out.
        AttributeType::INT => Attr::Int(proto.i.unwrap_or(0)),
        AttributeType::FLOAT => Attr::Float(proto.f.unwrap_or(0.0)),
        AttributeType::STRING => Attr::Str(proto.s.unwrap_or_default()),
        AttributeType::TENSOR => Attr::Tensor(decoder.decode(proto.t.ok_or_else(missing)?)?),
        AttributeType::GRAPH => Attr::Subgraph,
        AttributeType::INTS => Attr::Ints(proto.ints),
        AttributeType::FLOATS => Attr::Floats(proto.floats),
        AttributeType::STRINGS => Attr::Strs(proto.strings),
        other => return Err(Error::unsupported(format!("attribute type {} is not supported", other.0))),
    })
}

/// The type of an attribute of the first IR version, which did not state it.
fn guess(proto: &AttributeProto) -> AttributeType {
    if proto.i.is_some() {
        AttributeType::INT
    } else if proto.f.is_some() {
        AttributeType::FLOAT
    } else if proto.s.is_some() {
        AttributeType::STRING
    } else if proto.t.is_some() {
        AttributeType::TENSOR
    } else if proto.g.is_some() {
        AttributeType::GRAPH
    } else if !proto.floats.is_empty() {
        AttributeType::FLOATS
    } else if !proto.strings.is_empty() {
        AttributeType::STRINGS
    } else {
        AttributeType::INTS
    }
}

/// The value of a `Constant` node.
pub(super) fn constant(attrs: &BTreeMap<String, Attr>) -> Result<Tensor> {
    let mut given = attrs.iter();
    let (Some((name, attr)), None) = (given.next(), given.next()) else {
        return Err(Error::invalid_model("a Constant has exactly one attribute"));
    };
    match (name.as_str(), attr) {
        ("value", Attr::Tensor(tensor)) => Ok(tensor.clone()),
        ("value_int", Attr::Int(value)) => Tensor::new([], vec![*value]),
        ("value_float", Attr::Float(value)) => Tensor::new([], vec![*value]),
        ("value_ints", Attr::Ints(values)) => Tensor::new([values.len()], values.clone()),
        ("value_floats", Attr::Floats(values)) => Tensor::new([values.len()], values.clone()),
        _ => Err(Error::unsupported(format!("a Constant of '{name}' is not supported"))),
    }
}
