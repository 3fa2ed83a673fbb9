//! A bounded map that forgets what was used longest ago.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by key, each with when it was last used.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    most: usize,
    uses: u64,
    entries: HashMap<K, (V, u64)>,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    /// Keeps `most` values, at least one.
    pub(super) fn new(most: usize) -> Self {
        Recent { most: most.max(1), uses: 0, entries: HashMap::new() }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        self.uses += 1;
        let (value, used) = self.entries.get_mut(key)?;
        *used = self.uses;
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.uses += 1;
        if self.entries.len() >= self.most && !self.entries.contains_key(&key) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.entries.remove(&key));
        }
        self.entries.insert(key, (value, self.uses));
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries.retain(|_, (value, _)| keep(value));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays() {
        let mut recent = Recent::new(3);
        (0..3).for_each(|key| recent.insert(key, 10 * key));
        for key in 3..100 {
            assert_eq!(recent.get(&0), Some(&0), "used all the time");
            recent.insert(key, 10 * key);
            assert_eq!(recent.len(), 3);
        }
        assert_eq!(recent.get(&98), Some(&980));
        assert_eq!(recent.get(&97), None);
        recent.insert(98, 1);
        assert_eq!((recent.len(), recent.get(&98)), (3, Some(&1)));
        recent.retain(|value| *value == 1);
        assert_eq!(recent.len(), 1);
    }
}
