//! The one public error type.

use std::fmt;
use std::path::{Path, PathBuf};

/// A [`Result`](std::result::Result) with fascine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is, for programs that decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file could not be read or written.
    Io,
    /// A model file is damaged or contradicts itself.
    InvalidModel,
    /// A model is sound but needs an operator, type or feature that fascine lacks.
    Unsupported,
    /// Shapes do not fit together, cannot be resolved, or overflow.
    Shape,
    /// A request's inputs or arguments are wrong.
    Input,
    /// A value that the device computed leaves the range in which it can compute.
    Overflow,
    /// A kernel does not parse, validate or relocate.
    Kernel,
    /// Something does not fit into the memory cap.
    Memory,
    /// The adapter lacks a limit or feature.
    Limit,
    /// No adapter matches.
    NoAdapter,
    /// The device failed or was lost.
    Device,
    /// The request was cancelled.
    Cancelled,
    /// The request was dropped, as it could no longer keep its deadline.
    Dropped,
    /// The request was refused when it came, as it was predicted to miss its deadline.
    Rejected,
    /// A later request with the same key took the request's place.
    Superseded,
    /// The request was not taken, as there are as many as [`Options::max_queued`](crate::Options::max_queued) allows. One may be
    /// when another has ended.
    QueueFull,
    /// The runtime is shut down.
    Closed,
    /// A broken invariant of fascine itself.
    Internal,
}

/// An error with its kind and the file, node, operator and shapes concerned, as far as they are known.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    file: Option<PathBuf>,
    node: Option<String>,
    operator: Option<String>,
    shapes: Vec<String>,
}

impl Error {
    /// A new error; `message` is a phrase without a final full stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            file: None,
            node: None,
            operator: None,
            shapes: Vec::new(),
        }))
    }

    /// Says first what it is about.
    #[must_use]
    pub(crate) fn within(mut self, what: impl fmt::Display) -> Self {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Names the file concerned, unless one is named already.
    #[must_use]
    pub fn in_file(mut self, path: impl AsRef<Path>) -> Self {
        self.0.file.get_or_insert_with(|| path.as_ref().to_owned());
        self
    }

    /// Names the node and operator concerned, unless one is named already.
    #[must_use]
    pub fn at_node(mut self, node: impl Into<String>, operator: impl Into<String>) -> Self {
        if self.0.node.is_none() {
            self.0.node = Some(node.into());
            self.0.operator = Some(operator.into());
        }
        self
    }

    /// Adds the operator's input shapes (or any printable description of its inputs), unless given already.
    #[must_use]
    pub fn with_shapes<S: fmt::Display>(mut self, shapes: impl IntoIterator<Item = S>) -> Self {
        if self.0.shapes.is_empty() {
            self.0.shapes = shapes.into_iter().map(|s| s.to_string()).collect();
        }
        self
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without file, node and shapes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file concerned.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The name of the node concerned.
    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// The operator of the node concerned.
    pub fn operator(&self) -> Option<&str> {
        self.0.operator.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind: _, message, file, node, operator, shapes } = &*self.0;
        if let Some(file) = file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(node) = node {
            write!(f, "node '{node}'")?;
            if let Some(operator) = operator {
                write!(f, " ({operator})")?;
            }
            write!(f, ": ")?;
        }
        f.write_str(message)?;
        if !shapes.is_empty() {
            write!(f, " [inputs: {}]", shapes.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident),* $(,)?) => {
        impl Error {
            $($(#[$doc])* pub(crate) fn $name(message: impl Into<String>) -> Self {
                Self::new(ErrorKind::$kind, message)
            })*
        }
    };
}

constructors! {
    invalid_model => InvalidModel,
    unsupported => Unsupported,
    shape => Shape,
    input => Input,
    kernel => Kernel,
    memory => Memory,
    limit => Limit,
    device => Device,
    internal => Internal,
}

impl Error {
    pub(crate) fn io(error: &std::io::Error, path: impl AsRef<Path>) -> Self {
        Self::new(ErrorKind::Io, error.to_string()).in_file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_everything_known_once() {
        let error = Error::shape("cannot broadcast")
            .at_node("/layer1/Add", "Add")
            .at_node("outer", "If")
            .in_file("m.onnx")
            .with_shapes(["f32[2,3]", "f32[4]"]);
        assert_eq!(error.to_string(), "m.onnx: node '/layer1/Add' (Add): cannot broadcast [inputs: f32[2,3], f32[4]]");
        assert_eq!(error.kind(), ErrorKind::Shape);
    }
}
