//! What a request gives and gets: tensors, sequences and optionals.

use super::device_tensor::DeviceTensor;
use crate::error::{Error, Result};
use crate::graph::{Form, Kind};
use crate::tensor::{DType, Tensor};

/// An input or an output. Nearly all are tensors.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// A tensor that is on the device already.
    Device(DeviceTensor),
    /// A list of tensors of one type.
    Sequence(Vec<Tensor>),
    /// A tensor or a sequence, or nothing.
    Optional(Option<Box<Value>>),
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Value::Tensor(tensor)
    }
}

impl From<DeviceTensor> for Value {
    fn from(tensor: DeviceTensor) -> Self {
        Value::Device(tensor)
    }
}

impl From<&DeviceTensor> for Value {
    fn from(tensor: &DeviceTensor) -> Self {
        Value::Device(tensor.clone())
    }
}

impl From<Vec<Tensor>> for Value {
    fn from(members: Vec<Tensor>) -> Self {
        Value::Sequence(members)
    }
}

impl Value {
    /// An optional with something in it, or nothing.
    pub fn optional(value: Option<impl Into<Value>>) -> Self {
        Value::Optional(value.map(|value| Box::new(value.into())))
    }

    /// The tensor, if it is one on the host.
    pub fn tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Tensor(tensor) => Some(tensor),
            Value::Device(_) | Value::Sequence(_) | Value::Optional(_) => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Value::Tensor(_) | Value::Device(_) => Kind::Tensor,
            Value::Sequence(_) => Kind::Sequence,
            Value::Optional(Some(value)) if matches!(**value, Value::Sequence(_)) => Kind::OptionalSequence,
            Value::Optional(_) => Kind::Optional,
        }
    }

    fn is_on_device(&self) -> bool {
        match self {
            Value::Device(_) => true,
            Value::Optional(Some(value)) => value.is_on_device(),
            _ => false,
        }
    }

    /// The tensors in it, and how it is put together, for an input of that name.
    ///
    /// # Errors
    /// `Input` if the input is of another kind or type.
    pub(super) fn apart(self, name: &str, kind: Kind, dtype: DType) -> Result<(Form, Vec<Tensor>)> {
        let given = self.kind();
        if self.is_on_device() {
            return Err(Error::input(format!(
                "input '{name}': a tensor on the device is given only where a tensor is wanted, not {kind}"
            )));
        }
        let wrong = || Error::input(format!("input '{name}' is {given}, but {kind} is wanted"));
        let (form, tensors) = match (self, kind) {
            (Value::Tensor(tensor), Kind::Tensor) => (Form::Tensor, vec![tensor]),
            (Value::Sequence(members), Kind::Sequence) => (Form::Sequence(members.len()), members),
            (Value::Optional(None), Kind::Optional | Kind::OptionalSequence) => (Form::Absent, Vec::new()),
            (Value::Optional(Some(value)), kind) => match (*value, kind) {
                (Value::Tensor(tensor), Kind::Optional) => (Form::SomeTensor, vec![tensor]),
                (Value::Sequence(members), Kind::OptionalSequence) => (Form::SomeSequence(members.len()), members),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        match tensors.iter().find(|tensor| tensor.dtype() != dtype) {
            None => Ok((form, tensors)),
            Some(other) => Err(Error::input(format!("input '{name}' is {}, but {dtype} is wanted", other.dtype()))),
        }
    }

    /// The value of that form, from the first of these tensors.
    pub(super) fn together(form: Form, tensors: &mut impl Iterator<Item = Tensor>) -> Option<Self> {
        Some(match form {
            Form::Tensor => Value::Tensor(tensors.next()?),
            Form::Sequence(len) => Value::Sequence(tensors.take(len).collect()),
            Form::SomeTensor => Value::optional(Some(tensors.next()?)),
            Form::SomeSequence(len) => Value::optional(Some(tensors.take(len).collect::<Vec<_>>())),
            Form::Absent => Value::Optional(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_is_taken_apart_is_put_together_again() {
        let tensor = |x: f32| Tensor::scalar(x);
        let values = [
            (Value::from(tensor(1.0)), Kind::Tensor),
            (Value::from(vec![tensor(1.0), tensor(2.0)]), Kind::Sequence),
            (Value::Sequence(Vec::new()), Kind::Sequence),
            (Value::optional(Some(tensor(3.0))), Kind::Optional),
            (Value::optional(Some(vec![tensor(3.0)])), Kind::OptionalSequence),
            (Value::Optional(None), Kind::Optional),
            (Value::Optional(None), Kind::OptionalSequence),
        ];
        for (value, kind) in &values {
            let (form, tensors) = value.clone().apart("x", *kind, DType::F32).unwrap();
            assert_eq!(tensors.len(), form.tensors(), "{value:?}");
            assert_eq!(Value::together(form, &mut tensors.into_iter()).as_ref(), Some(value));
            for other in [Kind::Tensor, Kind::Sequence, Kind::Optional, Kind::OptionalSequence] {
                let fits = values.iter().any(|known| known == &(value.clone(), other));
                let error = value.clone().apart("x", other, DType::F32).err();
                assert_eq!(error.map(|error| error.kind()), (!fits).then_some(ErrorKind::Input), "{value:?}, {other}");
            }
        }
        let wrong = Value::from(vec![tensor(1.0), Tensor::scalar(1i64)]).apart("x", Kind::Sequence, DType::F32);
        assert!(wrong.unwrap_err().message().contains("'x' is i64"));
    }
}
