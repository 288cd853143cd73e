//! How many there are of each key.

use std::{collections::HashMap, hash::Hash};

use parking_lot::Mutex;

/// Counts by key, of keys that have at least one.
pub(crate) struct Counts<K> {
    most: usize,
    counts: Mutex<HashMap<K, usize>>,
}

impl<K: Eq + Hash> Counts<K> {
    /// At most `most` of each key; `None` if that is 0, which stands for no limit.
    pub fn new(most: usize) -> Option<Self> {
        (most > 0).then(|| Self { most, counts: Mutex::default() })
    }

    /// One more, if it may be.
    pub fn try_add(&self, key: K) -> bool {
        let mut counts = self.counts.lock();
        let count = counts.entry(key).or_insert(0);
        let is_free = *count < self.most;
        *count += usize::from(is_free);
        is_free
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
        assert!(Counts::<u32>::new(0).is_none());
        let Some(counts) = Counts::new(2) else { unreachable!() };
        for key in 0..5000 {
            assert!(counts.try_add(key) && counts.try_add(key) && !counts.try_add(key));
        }
        for key in 0..5000 {
            counts.remove(&key);
            assert!(counts.try_add(key) && !counts.try_add(key));
            counts.remove(&key);
            counts.remove(&key);
        }
        assert_eq!(counts.keys(), 0);
        assert!(counts.counts.lock().capacity() < 2048);
    }
}
