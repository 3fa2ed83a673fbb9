//! ONNX files: bytes and external data → [`Graph`].
//!
//! [`proto`] has the messages, which prost decodes after `scan` has bounded their number. `body`, `function` and `scope` turn
//! them into a graph: names become values, calls of model-local functions become the nodes of their bodies, subgraphs become graphs
//! within their node. What no output needs is left out before anything is decoded or refused. What a file may say wrongly of
//! the rest is checked here, and every failure is an [`Error`] with the file and the node or tensor concerned.
//!
//! Supported are IR versions 3 to 14 and opsets 7 to 28 of ONNX's own domain.

use std::fs::File;
use std::path::Path;

use prost::Message as _;

use self::file::FileBuf;
use self::proto::ModelProto;
use crate::error::{Error, Result};
use crate::graph::{Graph, LoopLimits};

mod attributes;
mod body;
mod external;
mod file;
mod function;
mod live;
mod model;
pub mod proto;
mod scan;
mod scope;
mod sort;
pub mod synthetic;
mod tensor;
mod types;

pub use tensor::{Elements, parse_elements, parse_tensor};

/// The opset versions of ONNX's own domain that are supported.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=28;

/// The IR versions that are supported.
pub const IR_VERSIONS: std::ops::RangeInclusive<i64> = 3..=14;

/// Bytes of a file at most; protobuf's own limit for a message.
const MAX_FILE: usize = i32::MAX as usize;

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Fill external initialisers that carry a `synthetic` key by the generator that it names, without their file.
    pub synthetic_weights: bool,
    /// With 0 synthetic weights are exactly the file's; any other value gives other weights of the same distribution.
    pub seed: u64,
    /// The most bytes that the model's initialisers may take together. The default, 16 GiB, is a guess.
    pub max_weight_bytes: u64,
    /// The most nodes that loops (`Loop`, `Scan`, `SequenceMap`) become, all together, where their number of trips is known: from
    /// constants when the model is loaded, from shapes when a request is planned. A loop of more runs part by part, as one does whose
    /// number of trips a request's values decide. The default, 4096, is a guess: each is planned, and most are dispatches.
    pub max_unrolled: usize,
    /// The most trips of a loop that runs part by part; a request that needs more fails with `Limit`. The default, 1024, is a guess: each
    /// trip waits for the device.
    pub max_trips: usize,
}

impl Default for LoadOptions {
    fn default() -> Self {
        let LoopLimits { max_unrolled, max_trips } = LoopLimits::default();
        LoadOptions { synthetic_weights: false, seed: 0, max_weight_bytes: 16 << 30, max_unrolled, max_trips }
    }
}

/// Loads a model and its external data.
///
/// # Errors
/// `Io` if a file cannot be read, `InvalidModel` if it is damaged or contradicts itself, `Unsupported` for versions, types
/// and features that fascine lacks, `Memory` if the weights exceed the cap.
pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Graph> {
    let path = path.as_ref();
    load_file(path, options).map_err(|error| error.in_file(path))
}

fn load_file(path: &Path, options: &LoadOptions) -> Result<Graph> {
    let _span = tracing::debug_span!("parse", path = %path.display()).entered();
    let io = |error: std::io::Error| Error::io(&error, path);
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(Error::new(crate::error::ErrorKind::Io, "not a regular file"));
    }
    let len = usize::try_from(metadata.len()).ok().filter(|&len| len <= MAX_FILE);
    let len = len.ok_or_else(|| Error::invalid_model("the file is larger than the 2 GiB that protobuf allows"))?;
    let mut buf = FileBuf::new(&file, len).map_err(io)?;
    let scanned = scan::scan(&mut buf);
    buf.error().map_or(Ok(()), |error| Err(io(error)))?;
    scanned?;
    let mut buf = FileBuf::new(&file, len).map_err(io)?;
    let model = ModelProto::decode(&mut buf);
    buf.error().map_or(Ok(()), |error| Err(io(error)))?;
    // A bare file name has the empty path as its parent.
    let folder = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    model::build(model.map_err(damaged)?, folder, options)
}

/// Parses a model from memory. `folder` is where its external data lies; without it external data is an error.
///
/// # Errors
/// As [`load`].
pub fn parse(bytes: &[u8], folder: Option<&Path>, options: &LoadOptions) -> Result<Graph> {
    scan::scan(&mut &bytes[..])?;
    model::build(ModelProto::decode(bytes).map_err(damaged)?, folder, options)
}

fn damaged(error: prost::DecodeError) -> Error {
    Error::invalid_model(format!("not a valid ONNX file: {error}"))
}
