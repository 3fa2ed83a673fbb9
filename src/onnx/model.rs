//! `ModelProto` → [`Graph`]: versions, imports, and the importer's entry.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use super::body::Importer;
use super::proto::{ModelProto, OperatorSetIdProto};
use super::tensor::Decoder;
use super::{IR_VERSIONS, LoadOptions, OPSETS};
use crate::error::{Error, Result};
use crate::graph::{Graph, LoopLimits};

/// Opset versions by domain.
pub(super) type Opsets = Rc<BTreeMap<String, i64>>;

/// Builds the graph of `model`.
pub(super) fn build(model: ModelProto, folder: Option<&Path>, options: &LoadOptions) -> Result<Graph> {
    let ModelProto { ir_version, opset_import, graph, functions } = model;
    let Some(mut graph) = graph else {
        return Err(Error::invalid_model("not an ONNX model: it has no graph"));
    };
    match ir_version {
        Some(version) if IR_VERSIONS.contains(&version) => {}
        Some(version) => {
            return Err(Error::unsupported(format!(
                "IR version {version} is not supported, only {} to {}",
                IR_VERSIONS.start(),
                IR_VERSIONS.end()
            )));
        }
        None => return Err(Error::invalid_model("not an ONNX model: it states no IR version")),
    }
    let opsets = opsets(&opset_import)?;
    // The model's own weights are given away one by one, so that file and tensors do not lie in memory together.
    let weights = std::mem::take(&mut graph.initializer);
    let graph = Importer::new(Decoder::new(folder, options), &functions)?.import(&graph, weights, opsets)?;
    let limits = LoopLimits { max_unrolled: options.max_unrolled, max_trips: options.max_trips };
    Ok(Graph { limits, ..graph })
}

/// The imports of a model or a function.
pub(super) fn opsets(imports: &[OperatorSetIdProto]) -> Result<Opsets> {
    let mut opsets = BTreeMap::new();
    for import in imports {
        let domain = domain(import.domain.as_deref());
        let version = import.version.unwrap_or(0);
        if domain.is_empty() && !OPSETS.contains(&version) {
            return Err(Error::unsupported(format!(
                "opset {version} is not supported, only {} to {}",
                OPSETS.start(),
                OPSETS.end()
            )));
        }
        match opsets.insert(domain.to_owned(), version) {
            Some(other) if other != version => {
                let message = format!("opset domain '{domain}' is imported twice, as version {other} and {version}");
                return Err(Error::invalid_model(message));
            }
            _ => {}
        }
    }
    Ok(Rc::new(opsets))
}

/// ONNX's own domain has two names.
pub(super) fn domain(name: Option<&str>) -> &str {
    match name {
        None | Some("ai.onnx") => "",
        Some(name) => name,
    }
}
