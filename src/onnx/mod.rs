//! ONNX files: bytes and external data → [`Graph`].
//!
//! rten-onnx decodes the messages. Before it sees a file, `scan` has checked every length, varint and nesting depth of
//! the fields that it decodes, so that no file can make it hang, overflow or allocate more than the file's size warrants.
//! What a file may say wrongly after that is checked here, and every failure is an [`Error`] with the file and the node or
//! tensor concerned.
//!
//! Supported are IR versions 3 to 13 and opsets 7 to 23 of ONNX's own domain.

use std::fs::File;
use std::io::{BufReader, Cursor, Seek};
use std::path::Path;

use rten_onnx::onnx::ModelProto;

use crate::error::{Error, Result};
use crate::graph::Graph;

mod attributes;
mod external;
mod model;
mod scan;
mod sort;
pub mod synthetic;
mod tensor;

/// The opset versions of ONNX's own domain that are supported.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=23;

/// The IR versions that are supported.
pub const IR_VERSIONS: std::ops::RangeInclusive<i64> = 3..=13;

/// How a model is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Fill external initialisers that carry a `synthetic` key by the generator that it names, without their file.
    pub synthetic_weights: bool,
    /// With 0 synthetic weights are exactly the file's; any other value gives other weights of the same distribution.
    pub seed: u64,
    /// The most bytes that the model's initialisers may take together. The default, 16 GiB, is a guess.
    pub max_weight_bytes: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        LoadOptions { synthetic_weights: false, seed: 0, max_weight_bytes: 16 << 30 }
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
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(Error::new(crate::error::ErrorKind::Io, "not a regular file"));
    }
    let scan = scan::scan(&mut BufReader::new(&file), metadata.len())?;
    file.rewind().map_err(io)?;
    let model = ModelProto::parse_file(file).map_err(|error| Error::invalid_model(error.to_string()))?;
    // A bare file name has the empty path as its parent.
    let folder = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    model::build(model, &scan, folder, options)
}

/// Parses a model from memory. `folder` is where its external data lies; without it external data is an error.
///
/// # Errors
/// As [`load`].
pub fn parse(bytes: &[u8], folder: Option<&Path>, options: &LoadOptions) -> Result<Graph> {
    let scan = scan::scan(&mut Cursor::new(bytes), bytes.len() as u64)?;
    let model = ModelProto::parse_buf(bytes).map_err(|error| Error::invalid_model(error.to_string()))?;
    model::build(model, &scan, folder, options)
}
