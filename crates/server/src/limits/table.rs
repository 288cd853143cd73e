//! Buckets by key in a fixed amount of memory.
//!
//! The table is set-associative, as the cache of a processor is: a key has a few places where it may
//! stand. If all are taken by others, it takes that of the bucket that is nearest to being full, of
//! which the least is forgotten; full buckets are as good as none. So nothing has to be swept, a
//! flood of keys costs no memory, and none can fill the table against others, since nobody knows which
//! keys share their places (the hash is keyed).

use std::{
    hash::{BuildHasher, Hash, RandomState},
    time::Duration,
};

use parking_lot::Mutex;

use super::bucket::{Bucket, Rate, Ticks};

/// Places of one key.
const WAYS: usize = 8;

/// Sets of places: 16,384 buckets of 16 bytes, 256 KiB altogether.
const SETS: usize = 2048;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The hash of the key. Two keys share a bucket only if all 64 bits agree.
    hash: u64,
    bucket: Bucket,
}

/// Buckets of one rate by key.
pub(crate) struct Table {
    rate: Rate,
    hasher: RandomState,
    sets: Box<[Mutex<[Entry; WAYS]>]>,
}

impl Table {
    /// A table of full buckets.
    pub fn new(rate: Rate) -> Self {
        let sets = (0..SETS).map(|_| Mutex::new([Entry::default(); WAYS])).collect();
        Self { rate, hasher: RandomState::new(), sets }
    }

    /// Takes a token of this key's bucket, or says when there will be one.
    pub fn try_take(&self, key: &impl Hash, now: Ticks) -> Result<(), Duration> {
        self.with(key, |bucket| bucket.try_take(self.rate, now)).unwrap_or(Ok(()))
    }

    /// Takes a token whether it is there or not; see [`Bucket::take`].
    pub fn take(&self, key: &impl Hash, now: Ticks, most: Duration) -> Duration {
        self.with(key, |bucket| bucket.take(self.rate, now, 1, most)).unwrap_or_default()
    }

    /// How long it will take until this key's debt is paid.
    pub fn debt(&self, key: &impl Hash, now: Ticks) -> Duration {
        self.with(key, |bucket| bucket.debt(self.rate, now)).unwrap_or_default()
    }

    /// How many tokens this key has.
    pub fn left(&self, key: &impl Hash, now: Ticks) -> u64 {
        self.with(key, |bucket| bucket.left(self.rate, now)).unwrap_or_default()
    }

    fn with<T>(&self, key: &impl Hash, act: impl FnOnce(&mut Bucket) -> T) -> Option<T> {
        let hash = self.hasher.hash_one(key);
        // The upper half chooses the set, so that the lower one still tells keys apart in it.
        let set = usize::try_from(hash >> 32).unwrap_or(0) % SETS;
        let mut entries = self.sets.get(set)?.lock();
        let found = entries.iter().position(|entry| entry.hash == hash);
        let at = found.or_else(|| (0..WAYS).min_by_key(|at| entries.get(*at).map(|e| e.bucket)))?;
        let entry = entries.get_mut(at)?;
        if entry.hash != hash {
            *entry = Entry { hash, bucket: Bucket::default() };
        }
        Some(act(&mut entry.bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::config::RateLimit;

    fn table(per_second: u32, burst: u32) -> Table {
        match Rate::new(RateLimit { per_second, burst }) {
            Some(rate) => Table::new(rate),
            None => unreachable!(),
        }
    }

    #[test]
    fn every_key_has_a_bucket_of_its_own() {
        let table = table(1, 2);
        for key in 0..1000 {
            assert!(table.try_take(&key, 1).is_ok() && table.try_take(&key, 1).is_ok());
            assert!(table.try_take(&key, 1).is_err(), "{key}");
        }
        assert!(table.try_take(&7, 1_000_000_001).is_ok());
    }

    #[test]
    fn a_flood_of_keys_does_not_lock_anybody_out_nor_let_the_worst_go_free() {
        let table = table(1, 4);
        let most = Duration::from_secs(1000);
        // One who has a long debt stays known, however many others come.
        for _ in 0..100 {
            table.take(&"worst", 1, most);
        }
        for key in 0..1_000_000 {
            assert!(table.try_take(&key, 1).is_ok(), "{key}");
        }
        assert!(table.try_take(&"worst", 1).is_err());
    }
}
