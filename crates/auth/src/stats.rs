//! What authentication did, counted: what the server's metrics show, and what a benchmark of a burst
//! of equal clients looks at.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts since they were made. They outlive an [`Auth`](crate::Auth) that a reload replaces if its
/// successor is [started with them](crate::Auth::start_counting).
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) tokens_verified: Counter,
    pub(crate) tokens_cached: Counter,
    pub(crate) tokens_refused: Counter,
    pub(crate) webhook_allowed: Counter,
    pub(crate) webhook_refused: Counter,
    pub(crate) webhook_failed: Counter,
    pub(crate) webhook_cached: Counter,
    pub(crate) webhook_shared: Counter,
    pub(crate) key_sets_fetched: Counter,
    pub(crate) key_sets_failed: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Tokens whose signature and claims were verified and found good.
    pub tokens_verified: u64,
    /// Tokens that were known to be good, or were being verified for somebody else.
    pub tokens_cached: u64,
    /// Tokens that were refused.
    pub tokens_refused: u64,
    /// Requests to the webhook by their outcome: it said who the client is …
    pub webhook_allowed: u64,
    /// … or that it is nobody (401) …
    pub webhook_refused: u64,
    /// … or did not answer, or nothing that can be used.
    pub webhook_failed: u64,
    /// Clients of whom the webhook had said enough before.
    pub webhook_cached: u64,
    /// Clients who got the answer to a request that was under way already.
    pub webhook_shared: u64,
    /// Key sets that were fetched.
    pub key_sets_fetched: u64,
    /// Key sets that could not be fetched or used.
    pub key_sets_failed: u64,
}

impl Counters {
    /// The counts now. They are read one after the other.
    pub fn read(&self) -> Stats {
        let read = |counter: &Counter| counter.0.load(Relaxed);
        Stats {
            tokens_verified: read(&self.tokens_verified),
            tokens_cached: read(&self.tokens_cached),
            tokens_refused: read(&self.tokens_refused),
            webhook_allowed: read(&self.webhook_allowed),
            webhook_refused: read(&self.webhook_refused),
            webhook_failed: read(&self.webhook_failed),
            webhook_cached: read(&self.webhook_cached),
            webhook_shared: read(&self.webhook_shared),
            key_sets_fetched: read(&self.key_sets_fetched),
            key_sets_failed: read(&self.key_sets_failed),
        }
    }
}
