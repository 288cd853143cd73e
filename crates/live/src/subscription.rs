//! One subscriber of a cohort.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use artesian_topic::Follower;
use bytes::Bytes;

use crate::cohort::{CohortId, Outcome, Published};

/// One result of a live query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The result as the database gave it, shared by all subscribers.
    pub bytes: Bytes,
    /// Tells whether two results of one live query differ.
    pub hash: u128,
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update<E> {
    /// The result changed (or is the first).
    Data(Snapshot),
    /// The result cannot be read at present. The live query goes on: the
    /// next result follows once it can.
    Error(E),
}

/// Where a subscriber says goodbye.
pub(crate) trait Registry: Send + Sync {
    /// One subscriber of this cohort is gone.
    fn leave(&self, cohort: CohortId);
}

/// What this subscriber heard last.
enum Heard<E> {
    Nothing,
    Data(u128),
    /// Rare, and large.
    Error(Box<E>),
}

/// A live query of one subscriber. Dropping it ends it at once.
///
/// Nothing is queued: a subscriber that asks late gets the newest result and
/// never hears of those in between.
pub struct Subscription<E> {
    published: Follower<Published<E>>,
    /// Results of earlier runs than this one were out of date when this
    /// subscriber came.
    fresh_from: u64,
    heard: Heard<E>,
    cohort: CohortId,
    registry: Arc<dyn Registry>,
}

impl<E> Subscription<E> {
    pub(crate) fn new(
        published: Follower<Published<E>>,
        fresh_from: u64,
        cohort: CohortId,
        registry: Arc<dyn Registry>,
    ) -> Self {
        Self { published, fresh_from, heard: Heard::Nothing, cohort, registry }
    }
}

impl<E: Clone + PartialEq> Subscription<E> {
    /// The next thing to tell this subscriber: the newest result, if it is
    /// not the one told last, or an error, told once. `None` once the engine
    /// is closed.
    ///
    /// Cancel-safe: an update is taken only when it is returned.
    pub async fn next(&mut self) -> Option<Update<E>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same as a poll.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Update<E>>> {
        let Self { published, heard, fresh_from, .. } = self;
        let update = ready!(published.poll(cx, |published| {
            if published.ended {
                return Some(None);
            }
            match &published.outcome {
                Outcome::Pending => None,
                Outcome::Data(_) if published.run < *fresh_from => None,
                Outcome::Data(snapshot) => {
                    let told = matches!(heard, Heard::Data(hash) if *hash == snapshot.hash);
                    (!told).then(|| Some(Update::Data(snapshot.clone())))
                }
                Outcome::Error(error) => {
                    let told = matches!(&heard, Heard::Error(told) if **told == *error);
                    (!told).then(|| Some(Update::Error(error.clone())))
                }
            }
        }));
        match &update {
            None => {}
            Some(Update::Data(snapshot)) => *heard = Heard::Data(snapshot.hash),
            Some(Update::Error(error)) => *heard = Heard::Error(Box::new(error.clone())),
        }
        Poll::Ready(update)
    }
}

impl<E> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.registry.leave(self.cohort);
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("cohort", &self.cohort).finish_non_exhaustive()
    }
}
