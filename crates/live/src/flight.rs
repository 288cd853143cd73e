//! One batch under way: runs the statement, bisects it if it is rejected, and
//! brings the results to the subscribers.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_128;

use crate::cohort::{CohortId, publish_data, publish_error};
use crate::engine::Inner;
use crate::plan::Params;
use crate::refetch::{Failure, Fault, Refetch, caught};
use crate::scheduler::{Batch, Seat};
use crate::subscription::Snapshot;

/// A batch under way. Whatever ends it, even a panic or the end of the
/// runtime, its cohorts go back to the schedule and its connection is free.
pub(crate) struct Flight<R: Refetch> {
    inner: Arc<Inner<R>>,
    batch: Batch<R::Plan>,
    /// Parts of the batch that are still to be run.
    parts: Vec<Vec<CohortId>>,
    /// The part that is being run.
    current: Vec<CohortId>,
}

impl<R: Refetch> Flight<R> {
    pub(crate) fn new(inner: Arc<Inner<R>>, mut batch: Batch<R::Plan>) -> Self {
        let parts = vec![std::mem::take(&mut batch.cohorts)];
        Self { inner, batch, parts, current: Vec::new() }
    }

    pub(crate) async fn run(mut self) {
        while let Some(part) = self.parts.pop() {
            self.current = part;
            self.statement().await;
        }
    }

    async fn statement(&mut self) {
        let inner = Arc::clone(&self.inner);
        let (params, seats): (Vec<Params>, Vec<Seat<R::Error>>) = inner
            .with(|scheduler, _| scheduler.begin(self.batch.id, &self.current))
            .into_iter()
            .unzip();
        self.current.clear();
        self.current.extend(seats.iter().map(|seat| seat.cohort));
        if seats.is_empty() {
            return;
        }

        let started = Instant::now();
        // The call is inside, since it may panic before there is a future.
        let plan = Arc::clone(&self.batch.plan);
        let answer = caught(async { inner.refetch.refetch(&plan, &params).await }).await;
        let took = started.elapsed();
        let answer = match answer {
            Ok(Ok(results)) if results.len() == seats.len() => Ok(results),
            Ok(Ok(results)) => Err(Failure::Rejected(
                inner
                    .refetch
                    .fault(Fault::WrongCount { expected: seats.len(), got: results.len() }),
            )),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(Failure::Rejected(inner.refetch.fault(Fault::Panicked))),
        };
        inner.observer.rerun(seats.len(), took, answer.is_ok());

        let flight = self.batch.flight;
        match answer {
            Ok(results) => {
                self.publish(&seats, results);
                inner.with(|scheduler, now| {
                    scheduler.reached(flight);
                    scheduler.succeeded(self.current.drain(..), started, took, now);
                });
            }
            Err(Failure::Rejected(_)) if seats.len() > 1 => {
                inner.with(|scheduler, _| scheduler.reached(flight));
                let second = self.current.split_off(seats.len() / 2);
                self.parts.push(second);
                self.parts.push(std::mem::take(&mut self.current));
            }
            Err(Failure::Rejected(error)) => {
                tracing::warn!(%error, "a live query failed and is quarantined");
                self.tell(&seats, &error);
                inner.observer.quarantined();
                inner.with(|scheduler, now| {
                    scheduler.reached(flight);
                    for cohort in self.current.drain(..) {
                        scheduler.failed(cohort, now);
                    }
                });
            }
            Err(Failure::Unavailable(error)) => {
                tracing::warn!(%error, "the database is unavailable; live queries will be retried");
                self.tell(&seats, &error);
                inner.observer.unavailable();
                inner.with(|scheduler, now| {
                    let left = self.current.drain(..).chain(self.parts.drain(..).flatten());
                    scheduler.unreached(flight, left, &error, now);
                });
            }
        }
    }

    fn publish(&self, seats: &[Seat<R::Error>], results: Vec<Bytes>) {
        for (seat, bytes) in seats.iter().zip(results) {
            let hash = xxh3_128(&bytes);
            if publish_data(&seat.publisher, seat.run, Snapshot { bytes, hash }) {
                self.inner.observer.pushed(seat.publisher.followers());
            } else {
                self.inner.observer.unchanged();
            }
        }
    }

    fn tell(&self, seats: &[Seat<R::Error>], error: &R::Error) {
        for seat in seats {
            if publish_error(&seat.publisher, seat.run, error.clone()) {
                self.inner.observer.pushed(seat.publisher.followers());
            }
        }
    }
}

impl<R: Refetch> Drop for Flight<R> {
    fn drop(&mut self) {
        let flight = self.batch.flight;
        let left = self.current.drain(..).chain(self.parts.drain(..).flatten());
        self.inner.with(|scheduler, now| scheduler.landed(flight, left, now));
    }
}
