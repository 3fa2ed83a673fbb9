//! A model's weights as they lie on the device, shared by all its plans.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

use super::WeightId;

/// Where a weight's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WeightSource {
    /// A constant of the model, by its key: the same for every plan.
    Value(u64),
    /// A value computed while planning, by its bytes: it may differ with the input shapes.
    Bytes(Arc<[u8]>),
}

/// A constant in one of its device layouts; the empty string is the plain one.
type Key = (WeightSource, String);

/// The weights of one model, in the layouts that its plans want. Each is made once and named by a [`WeightId`].
///
/// Plans of other input shapes share them, so the engine uploads each id once per model.
#[derive(Debug, Default)]
pub struct ModelWeights {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: BTreeMap<Key, WeightId>,
    entries: Vec<Entry>,
    /// By key of a constant of f16: see [`ModelWeights::scale`].
    scales: BTreeMap<u64, Option<i32>>,
}

#[derive(Debug)]
struct Entry {
    len: u64,
    bytes: Option<Arc<[u8]>>,
}

impl ModelWeights {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of weights; their ids are `0..count`.
    pub fn count(&self) -> u32 {
        self.lock().entries.len() as u32
    }

    /// Bytes of all weights together.
    pub fn total_bytes(&self) -> u64 {
        self.lock().entries.iter().map(|entry| entry.len).sum()
    }

    /// Length of a weight in bytes, a multiple of 16. Zero for an unknown id.
    pub fn len_of(&self, id: WeightId) -> u64 {
        self.lock().entries.get(id.0 as usize).map_or(0, |entry| entry.len)
    }

    /// The bytes of a weight, unless they were [released](Self::release).
    pub fn bytes(&self, id: WeightId) -> Option<Arc<[u8]>> {
        self.lock().entries.get(id.0 as usize).and_then(|entry| entry.bytes.clone())
    }

    /// Drops the host's copy of a weight, once it is on the device. The id stays valid.
    pub fn release(&self, id: WeightId) {
        if let Some(entry) = self.lock().entries.get_mut(id.0 as usize) {
            entry.bytes = None;
        }
    }

    /// By which power of two the constant of that key is divided, found by `find` once.
    pub(crate) fn scale(&self, key: u64, find: impl FnOnce() -> Option<i32>) -> Option<i32> {
        if let Some(&scale) = self.lock().scales.get(&key) {
            return scale;
        }
        let scale = find();
        self.lock().scales.insert(key, scale);
        scale
    }

    /// The id for that source and layout, made by `make` if it is new.
    pub(crate) fn intern(
        &self,
        source: WeightSource,
        layout: &str,
        make: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<WeightId> {
        let key = (source, layout.to_owned());
        if let Some(&id) = self.lock().ids.get(&key) {
            return Ok(id);
        }
        // Packing may take long: other planners are not kept waiting, and the first to finish wins.
        let mut bytes = make()?;
        let len = bytes.len().max(1).next_multiple_of(16);
        bytes.resize(len, 0);
        let mut inner = self.lock();
        if let Some(&id) = inner.ids.get(&key) {
            return Ok(id);
        }
        let id = u32::try_from(inner.entries.len()).map_err(|_| Error::internal("more than 2^32 weights"))?;
        inner.entries.push(Entry { len: len as u64, bytes: Some(bytes.into()) });
        inner.ids.insert(key, WeightId(id));
        Ok(WeightId(id))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_per_source_and_layout() {
        let weights = ModelWeights::new();
        let make = |n: u8| move || Ok(vec![n; 20]);
        let plain = weights.intern(WeightSource::Value(3), "", make(1)).unwrap();
        assert_eq!(weights.intern(WeightSource::Value(3), "", make(2)).unwrap(), plain);
        let packed = weights.intern(WeightSource::Value(3), "t", make(3)).unwrap();
        assert_ne!(packed, plain);
        assert_eq!(weights.len_of(plain), 32);
        assert_eq!(weights.bytes(plain).unwrap()[..21], [&[1; 20][..], &[0]].concat());
        weights.release(plain);
        assert!(weights.bytes(plain).is_none());
        assert_eq!((weights.count(), weights.total_bytes()), (2, 64));
    }
}
