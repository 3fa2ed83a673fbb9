//! What the host has of an output.

use std::sync::Arc;

use crate::error::Result;
use crate::lower::storage::Storage;
use crate::plan::PlanOutput;
use crate::runtime::stages::Resident;
use crate::tensor::{DType, Tensor};

/// What the host has of an output.
#[derive(Clone)]
pub(super) enum Content {
    Tensor(Tensor),
    /// To make a tensor of it takes time for a large one, which the engine's thread has not.
    ReadBack(Arc<ReadBack>),
}

/// An output's bytes as they lay on the device.
pub(super) struct ReadBack {
    bytes: Vec<u8>,
    storage: Storage,
    dtype: DType,
    shape: Vec<usize>,
}

impl Content {
    pub(super) fn read_back(bytes: Vec<u8>, output: &PlanOutput) -> Self {
        let PlanOutput { storage, dtype, shape, .. } = output;
        let (storage, dtype, shape) = (*storage, *dtype, shape.clone());
        Content::ReadBack(Arc::new(ReadBack { bytes, storage, dtype, shape }))
    }

    /// Of a tensor that stayed on the device.
    pub(super) fn fetched(bytes: Vec<u8>, resident: Resident) -> Self {
        let Resident { dtype, shape, .. } = resident;
        Content::ReadBack(Arc::new(ReadBack { bytes, storage: Storage::of(dtype), dtype, shape }))
    }

    /// The tensor, which is made once.
    ///
    /// # Errors
    /// `Internal` if too few bytes came back.
    pub(super) fn tensor(&mut self) -> Result<Tensor> {
        let tensor = match self {
            Content::Tensor(tensor) => tensor.clone(),
            Content::ReadBack(read) => read.storage.decode(&read.bytes, read.dtype, &read.shape)?,
        };
        *self = Content::Tensor(tensor.clone());
        Ok(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn content(bytes: Vec<u8>) -> Content {
        let read = ReadBack { bytes, storage: Storage::I16, dtype: DType::I16, shape: vec![3] };
        Content::ReadBack(Arc::new(read))
    }

    #[test]
    fn bytes_become_a_tensor_when_somebody_wants_it() {
        let mut once = content([1i16, -2, 3, 9].iter().flat_map(|x| x.to_ne_bytes()).collect());
        let mut other = once.clone();
        for _ in 0..2 {
            assert_eq!(once.tensor().unwrap(), Tensor::new([3], vec![1i16, -2, 3]).unwrap());
            assert!(matches!(once, Content::Tensor(_)) && matches!(other, Content::ReadBack(_)));
        }
        assert_eq!(other.tensor().unwrap(), once.tensor().unwrap());
        assert_eq!(content(vec![0; 5]).tensor().unwrap_err().kind(), ErrorKind::Internal);
    }
}
