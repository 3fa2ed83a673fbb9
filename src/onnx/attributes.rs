//! `AttributeProto` → [`Attr`], and the `Constant` operator's value.

use std::collections::BTreeMap;

use super::proto::{AttributeProto, AttributeType, GraphProto};
use super::tensor::Decoder;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Attr;
use crate::tensor::Tensor;

/// An attribute on its way.
pub(super) enum Decoded<'p> {
    /// What it stands for.
    Attr(Attr),
    /// Graphs, which are built where the names around them are known.
    Graph(&'p GraphProto),
    Graphs(&'p [GraphProto]),
    /// The function's attribute of that name.
    Reference(&'p str),
}

/// Decodes a node's attributes, by name.
pub(super) fn decode<'p>(
    attributes: &'p [AttributeProto],
    decoder: &mut Decoder<'_>,
) -> Result<BTreeMap<&'p str, Decoded<'p>>> {
    let mut attrs = BTreeMap::new();
    for proto in attributes {
        let name = proto.name.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Error::invalid_model("an attribute without a name"))?;
        let attr = decode_one(proto, decoder)
            .map_err(|error| Error::new(error.kind(), format!("attribute '{name}': {}", error.message())))?;
        if attrs.insert(name, attr).is_some() {
            return Err(Error::invalid_model(format!("attribute '{name}' is given twice")));
        }
    }
    Ok(attrs)
}

fn decode_one<'p>(proto: &'p AttributeProto, decoder: &mut Decoder<'_>) -> Result<Decoded<'p>> {
    if let Some(reference) = proto.ref_attr_name.as_deref().filter(|name| !name.is_empty()) {
        return Ok(Decoded::Reference(reference));
    }
    let missing = || Error::invalid_model("has no value of its type");
    let text =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Error::invalid_model("is not text of UTF-8"));
    let code = proto.r#type.unwrap_or_default();
    let stated = AttributeType::try_from(code).map_err(|_| Error::unsupported(format!("type {code} is unknown")))?;
    let attr = match if stated == AttributeType::Undefined { guess(proto) } else { stated } {
        // proto3 writers leave zero values out.
        AttributeType::Int => Attr::Int(proto.i.unwrap_or(0)),
        AttributeType::Float => Attr::Float(proto.f.unwrap_or(0.0)),
        AttributeType::String => Attr::Str(text(proto.s.as_deref().unwrap_or_default())?),
        AttributeType::Tensor => match decoder.shared(proto.t.as_deref().ok_or_else(missing)?) {
            Ok(tensor) => Attr::Tensor(tensor),
            Err(error) if error.kind() == ErrorKind::Unsupported => Attr::Unsupported(error.message().to_owned()),
            Err(error) => return Err(error),
        },
        AttributeType::Graph => return Ok(Decoded::Graph(proto.g.as_deref().ok_or_else(missing)?)),
        AttributeType::Graphs => return Ok(Decoded::Graphs(&proto.graphs)),
        AttributeType::Ints => Attr::Ints(proto.ints.clone()),
        AttributeType::Floats => Attr::Floats(proto.floats.clone()),
        AttributeType::Strings => Attr::Strs(proto.strings.iter().map(|s| text(s)).collect::<Result<_>>()?),
        AttributeType::Undefined
        | AttributeType::Tensors
        | AttributeType::SparseTensor
        | AttributeType::SparseTensors
        | AttributeType::TypeProto
        | AttributeType::TypeProtos => Attr::Unsupported(format!("{} is not supported", kind(stated))),
    };
    Ok(Decoded::Attr(attr))
}

fn kind(stated: AttributeType) -> &'static str {
    match stated {
        AttributeType::Tensors => "a list of tensors",
        AttributeType::SparseTensor => "a sparse tensor",
        AttributeType::SparseTensors => "a list of sparse tensors",
        AttributeType::TypeProto => "a type",
        AttributeType::TypeProtos => "a list of types",
        _ => "this attribute's type",
    }
}

/// The type of an attribute of the first IR version, which did not state it.
fn guess(proto: &AttributeProto) -> AttributeType {
    if proto.i.is_some() {
        AttributeType::Int
    } else if proto.f.is_some() {
        AttributeType::Float
    } else if proto.s.is_some() {
        AttributeType::String
    } else if proto.t.is_some() {
        AttributeType::Tensor
    } else if proto.g.is_some() {
        AttributeType::Graph
    } else if !proto.floats.is_empty() {
        AttributeType::Floats
    } else if !proto.strings.is_empty() {
        AttributeType::Strings
    } else {
        AttributeType::Ints
    }
}

/// The value of a `Constant` node, or why it has none here.
pub(super) fn constant(attrs: &BTreeMap<String, Attr>) -> Result<Result<Tensor, String>> {
    let mut given = attrs.iter();
    let (Some((name, attr)), None) = (given.next(), given.next()) else {
        return Err(Error::invalid_model("a Constant has exactly one attribute"));
    };
    Ok(Ok(match (name.as_str(), attr) {
        ("value", Attr::Tensor(tensor)) => tensor.clone(),
        ("value_int", Attr::Int(value)) => Tensor::new([], vec![*value])?,
        ("value_float", Attr::Float(value)) => Tensor::new([], vec![*value])?,
        ("value_ints", Attr::Ints(values)) => Tensor::new([values.len()], values.clone())?,
        ("value_floats", Attr::Floats(values)) => Tensor::new([values.len()], values.clone())?,
        (_, Attr::Unsupported(why)) => return Ok(Err(why.clone())),
        _ => return Ok(Err(format!("a Constant of '{name}' is not supported"))),
    }))
}
