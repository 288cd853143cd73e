//! How results are read: the side of the engine that faces the database.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::plan::{Params, Plan};

/// Why a refetch gave no results.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure<E> {
    /// The database could not be reached, or the connection broke. Says
    /// nothing about the statement: everything is tried again after a pause.
    #[error("the database is unavailable: {0}")]
    Unavailable(E),
    /// The database refused the statement. The batch is bisected until the
    /// cohort that causes it is alone.
    #[error("the statement was rejected: {0}")]
    Rejected(E),
}

/// A refetch that broke its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The future panicked.
    #[error("the query engine panicked")]
    Panicked,
    /// The number of results is not the number of cohorts asked for.
    #[error("expected {expected} results, got {got}")]
    WrongCount {
        /// Cohorts in the batch.
        expected: usize,
        /// Results that came back.
        got: usize,
    },
}

/// Reads the results of a plan for a batch of cohorts.
#[async_trait]
pub trait Refetch: Send + Sync + 'static {
    /// What is read.
    type Plan: Plan;
    /// What subscribers are told when it cannot be read. Equal errors are
    /// told once.
    type Error: Clone + PartialEq + Display + Send + Sync + 'static;

    /// Reads one result for each of `batch`, in the same order, with one
    /// statement for all.
    ///
    /// The statement must see everything that was committed before this call,
    /// and everything that the change feed announced before it.
    async fn refetch(
        &self,
        plan: &Arc<Self::Plan>,
        batch: &[Params],
    ) -> Result<Vec<Bytes>, Failure<Self::Error>>;

    /// The error that subscribers see when [`refetch`](Self::refetch) panicked
    /// or returned the wrong number of results. Such a batch is treated as
    /// [`Failure::Rejected`].
    fn fault(&self, fault: Fault) -> Self::Error;
}

/// The future panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Runs a future to its end, or to its panic.
///
/// A future that panicked is not polled again, and whatever it borrowed is
/// the caller's to judge: here that is only the implementation of a trait,
/// which is told nothing and called afresh.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => std::task::Poll::Ready(Err(Panicked)),
        }
    })
    .await
}
