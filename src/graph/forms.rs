//! What is put together of tensors: sequences and optionals.

use std::fmt;

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A tensor.
    #[default]
    Tensor,
    /// A list of tensors of one type.
    Sequence,
    /// A tensor, or nothing.
    Optional,
    /// A sequence, or nothing.
    OptionalSequence,
}

/// How a value is put together of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// It is one.
    Tensor,
    /// So many.
    Sequence(usize),
    /// An optional with a tensor.
    SomeTensor,
    /// An optional with a sequence of so many.
    SomeSequence(usize),
    /// An optional without anything.
    Absent,
}

impl Form {
    /// How many tensors it takes.
    pub fn tensors(self) -> usize {
        match self {
            Form::Tensor | Form::SomeTensor => 1,
            Form::Sequence(len) | Form::SomeSequence(len) => len,
            Form::Absent => 0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Tensor => "a tensor",
            Kind::Sequence => "a sequence",
            Kind::Optional => "an optional",
            Kind::OptionalSequence => "an optional sequence",
        })
    }
}
