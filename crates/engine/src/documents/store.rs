//! Documents that clients have registered.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use quick_cache::{Weighter, sync::Cache};

use super::Hash;

/// What an entry takes besides its text, about.
const OVERHEAD: usize = 128;

#[derive(Clone)]
struct Bytes;

impl Weighter<Hash, Arc<str>> for Bytes {
    fn weight(&self, _: &Hash, text: &Arc<str>) -> u64 {
        (text.len() + OVERHEAD) as u64
    }
}

/// Documents by their hash, bounded in bytes. It is shared by all: a document is no secret, and who
/// runs it does so with permissions of his own.
pub(crate) struct Store {
    documents: Cache<Hash, Arc<str>, Bytes>,
    hits: AtomicU64,
    misses: AtomicU64,
    stored: AtomicU64,
}

/// Figures of the documents that clients have registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Requests whose document was there.
    pub hits: u64,
    /// Requests whose document was not there.
    pub misses: u64,
    /// Documents that were registered.
    pub stored: u64,
    /// Bytes that are held, about.
    pub bytes: u64,
}

impl Store {
    /// A store of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let documents = Cache::with_weighter(bytes / 1024 + 1, bytes as u64, Bytes);
        let zero = AtomicU64::default;
        Self { documents, hits: zero(), misses: zero(), stored: zero() }
    }

    /// The document with this hash.
    pub fn get(&self, hash: &Hash) -> Option<Arc<str>> {
        let found = self.documents.get(hash);
        let count = if found.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a document that is valid.
    pub fn insert(&self, hash: Hash, text: Arc<str>) {
        if self.documents.get(&hash).is_none() {
            self.documents.insert(hash, text);
            self.stored.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Figures.
    pub fn stats(&self) -> StoreStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StoreStats {
            hits: read(&self.hits),
            misses: read(&self.misses),
            stored: read(&self.stored),
            bytes: self.documents.weight(),
        }
    }
}
