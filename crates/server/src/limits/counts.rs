//! How many there are of each key.

use std::{collections::HashMap, hash::Hash};

use parking_lot::Mutex;

/// Counts by key, of keys that have at least one.
pub(crate) struct Counts<K> {
    counts: Mutex<HashMap<K, usize>>,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { counts: Mutex::default() }
    }
}

impl<K: Eq + Hash> Counts<K> {
    /// One more, if that is at most `most`.
    pub fn try_add(&self, key: K, most: usize) -> bool {
        let mut counts = self.counts.lock();
        let count = counts.entry(key).or_insert(0);
        let is_free = *count < most;
        *count += usize::from(is_free);
        is_free
    }

    /// One more, however many there are.
    pub fn add(&self, key: K) {
        *self.counts.lock().entry(key).or_insert(0) += 1;
    }

    /// One less.
    pub fn remove(&self, key: &K) {
        let mut counts = self.counts.lock();
        let Some(count) = counts.get_mut(key) else { return };
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
            // A storm leaves no memory behind.
            if counts.capacity() > 1024 && counts.len() < counts.capacity() / 8 {
                counts.shrink_to_fit();
            }
        }
    }

    /// How many keys are counted.
    #[cfg(test)]
    pub fn keys(&self) -> usize {
        self.counts.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_per_key_and_nothing_is_kept_of_those_that_went() {
        let counts = Counts::default();
        for key in 0..5000 {
            assert!(counts.try_add(key, 2) && counts.try_add(key, 2) && !counts.try_add(key, 2));
        }
        for key in 0..5000 {
            counts.remove(&key);
            assert!(counts.try_add(key, 2) && !counts.try_add(key, 2));
            counts.remove(&key);
            counts.remove(&key);
        }
        assert_eq!(counts.keys(), 0);
        assert!(counts.counts.lock().capacity() < 2048);
    }
}
