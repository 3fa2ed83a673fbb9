//! External data: where an initialiser's bytes lie, and reading them without leaving the model's folder.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::proto::TensorProto;
use crate::error::{Error, Result};

/// The entries of `TensorProto.external_data`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Location {
    /// Path relative to the model's folder.
    pub(super) path: String,
    /// Bytes from the file's start.
    pub(super) offset: u64,
    /// Bytes; the rest of the file if not given.
    pub(super) length: Option<u64>,
    /// The generator that can stand in for the file.
    pub(super) synthetic: Option<String>,
}

impl Location {
    pub(super) fn of(tensor: &TensorProto) -> Result<Self> {
        let mut location = Location::default();
        let mut seen = BTreeSet::new();
        for entry in &tensor.external_data {
            let key = entry.key.as_deref().unwrap_or_default();
            let value = entry.value.as_deref().unwrap_or_default();
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| Error::invalid_model(format!("external data's {key} '{value}' is no size")))
            };
            if !seen.insert(key) {
                return Err(Error::invalid_model(format!("external data states '{key}' twice")));
            }
            match key {
                "location" => location.path = value.to_owned(),
                "offset" => location.offset = number()?,
                "length" => location.length = Some(number()?),
                "synthetic" => location.synthetic = Some(value.to_owned()),
                // A checksum, or what another tool added.
                _ => {}
            }
        }
        if location.path.is_empty() {
            return Err(Error::invalid_model("external data without a location"));
        }
        Ok(location)
    }

    /// The file's path, once it is certain to lie within `folder`.
    fn resolve(&self, folder: &Path) -> Result<PathBuf> {
        let refuse = |why: &str| Err(Error::invalid_model(format!("external data path '{}' {why}", self.path)));
        let relative = Path::new(&self.path);
        // A backslash or drive letter is a separator on one system only; refused on all, so that a file means one thing.
        if relative.is_absolute() || self.path.starts_with(['/', '\\']) || self.path.contains([':', '\0']) {
            return refuse("is absolute");
        }
        let leaves = self.path.split(['/', '\\']).any(|part| part == "..");
        if leaves || !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            return refuse("leaves the model's folder");
        }
        let path = folder.join(relative);
        let io = |error: std::io::Error| {
            Error::new(crate::error::ErrorKind::Io, format!("external data '{}': {error}", self.path))
        };
        let real_folder = folder.canonicalize().map_err(io)?;
        let real = path.canonicalize().map_err(io)?;
        if !real.starts_with(&real_folder) {
            return refuse("leaves the model's folder through a link");
        }
        if !real.is_file() {
            return refuse("is not a file");
        }
        Ok(real)
    }
}

/// Reads external data; keeps the last file open, since a model's initialisers usually share one.
pub(super) struct Reader<'a> {
    folder: Option<&'a Path>,
    open: Option<(String, File, u64)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(folder: Option<&'a Path>) -> Self {
        Reader { folder, open: None }
    }

    /// The `bytes` bytes at `location`.
    pub(super) fn read(&mut self, location: &Location, bytes: usize) -> Result<Vec<u8>> {
        let (file, file_len) = self.open(location)?;
        if let Some(length) = location.length
            && length != bytes as u64
        {
            return Err(Error::invalid_model(format!("external data is {length} bytes, its shape needs {bytes}")));
        }
        if location.offset.checked_add(bytes as u64).is_none_or(|end| end > file_len) {
            return Err(Error::invalid_model(format!(
                "external data '{}' is too short: {bytes} bytes at {} wanted, the file has {file_len}",
                location.path, location.offset
            )));
        }
        let io = |error: std::io::Error| {
            Error::new(crate::error::ErrorKind::Io, format!("external data '{}': {error}", location.path))
        };
        file.seek(SeekFrom::Start(location.offset)).map_err(io)?;
        let mut data = Vec::new();
        data.try_reserve_exact(bytes).map_err(|_| Error::memory(format!("no memory for {bytes} bytes of weights")))?;
        file.take(bytes as u64).read_to_end(&mut data).map_err(io)?;
        if data.len() != bytes {
            return Err(Error::invalid_model(format!("external data '{}' ended early", location.path)));
        }
        Ok(data)
    }

    fn open(&mut self, location: &Location) -> Result<(&mut File, u64)> {
        if self.open.as_ref().is_none_or(|(path, ..)| *path != location.path) {
            let folder = self.folder.ok_or_else(|| {
                Error::invalid_model(format!("external data '{}' of a model without a folder", location.path))
            })?;
            let path = location.resolve(folder)?;
            let io = |error: std::io::Error| {
                Error::new(crate::error::ErrorKind::Io, format!("external data '{}': {error}", location.path))
            };
            let file = File::open(&path).map_err(io)?;
            let len = file.metadata().map_err(io)?.len();
            self.open = Some((location.path.clone(), file, len));
        }
        let (_, file, len) = self.open.as_mut().expect("opened above");
        Ok((file, *len))
    }
}
