//! A cohort: one plan with one set of values, its place in the schedule, and
//! the result that its subscribers share.

use std::sync::Arc;

use artesian_topic::{Follower, Topic};
use tokio::time::Instant;

use crate::plan::Params;
use crate::subscription::Snapshot;

/// Identity of one life of a plan. Never used again, so that what is still
/// under way for a removed plan cannot reach its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlanId(pub u64);

/// Identity of one life of a cohort. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CohortId(pub u64);

/// What the last run gave.
pub(crate) enum Outcome<E> {
    Pending,
    Data(Snapshot),
    Error(E),
}

/// What the subscribers of a cohort see.
pub(crate) struct Published<E> {
    pub outcome: Outcome<E>,
    /// The run that gave (or confirmed) the outcome.
    pub run: u64,
    /// The newest run that a subscriber came to wait for. Until then it must
    /// hear of each run, even if the result is the same as before.
    pub wanted: u64,
    /// The engine is closed.
    pub ended: bool,
}

/// The sending side of what subscribers see.
pub(crate) type Publisher<E> = Arc<Topic<Published<E>>>;

/// Where a cohort is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The published result is current, as far as the feed knows.
    Clean,
    /// To be re-run, not before this time.
    Waiting(Instant),
    /// To be re-run as soon as a connection is free; the number is its place
    /// in the queue of its plan.
    Ready(u64),
    /// In a batch that is under way.
    Running,
}

/// One plan with one set of values.
pub(crate) struct Cohort<E> {
    pub plan: PlanId,
    pub params: Params,
    pub phase: Phase,
    /// The generation of the plan when the last run started: changes up to
    /// it are in the result of that run.
    pub seen: u64,
    /// Runs that were started.
    pub runs: u64,
    /// Re-runs wait for this time.
    pub not_before: Instant,
    /// Failures in a row, of this cohort on its own. Not zero: quarantined.
    pub failures: u32,
    /// When the last failure happened.
    pub failed_at: Instant,
    /// The retry under way was brought forward by a change.
    pub early: bool,
    pub subscribers: usize,
    pub publisher: Publisher<E>,
}

impl<E> Cohort<E> {
    pub(crate) fn new(plan: PlanId, params: Params, now: Instant) -> Self {
        let published = Published { outcome: Outcome::Pending, run: 0, wanted: 0, ended: false };
        Self {
            plan,
            params,
            phase: Phase::Clean,
            seen: 0,
            runs: 0,
            not_before: now,
            failures: 0,
            failed_at: now,
            early: false,
            subscribers: 0,
            publisher: Arc::new(Topic::new(published)),
        }
    }

    /// Takes in a subscriber that wants the result of the run `fresh_from` or
    /// of a later one.
    pub(crate) fn admit(&mut self, id: CohortId, fresh_from: u64, ended: bool) -> Joined<E> {
        self.subscribers += 1;
        let published = self.publisher.follow();
        self.publisher.change(|published| {
            published.ended |= ended;
            published.wanted = published.wanted.max(fresh_from);
            false
        });
        Joined { cohort: id, published, fresh_from }
    }
}

/// What a new subscriber gets.
pub(crate) struct Joined<E> {
    pub cohort: CohortId,
    pub published: Follower<Published<E>>,
    /// The first run whose result is good enough.
    pub fresh_from: u64,
}

/// Publishes the result of a run. Says whether it differs from what was
/// published before.
pub(crate) fn publish_data<E>(
    publisher: &Topic<Published<E>>,
    run: u64,
    snapshot: Snapshot,
) -> bool {
    let mut differs = false;
    publisher.change(|published| {
        differs = !matches!(&published.outcome, Outcome::Data(old) if old.hash == snapshot.hash);
        if differs {
            published.outcome = Outcome::Data(snapshot);
        }
        let awaited = published.run < published.wanted;
        published.run = run;
        awaited || differs
    });
    differs
}

/// Publishes the failure of a run. Says whether it differs from what was
/// published before.
pub(crate) fn publish_error<E: PartialEq>(
    publisher: &Topic<Published<E>>,
    run: u64,
    error: E,
) -> bool {
    let mut differs = false;
    publisher.change(|published| {
        differs = !matches!(&published.outcome, Outcome::Error(old) if *old == error);
        if differs {
            published.outcome = Outcome::Error(error);
        }
        let awaited = published.run < published.wanted;
        published.run = run;
        awaited || differs
    });
    differs
}

/// An error for a cohort that was not even run, because the database is known
/// to be down.
pub(crate) struct Tell<E> {
    pub publisher: Publisher<E>,
    /// Runs that the cohort had started when this was said.
    pub runs: u64,
    pub error: E,
}

impl<E> Tell<E> {
    /// Publishes the error, unless the cohort has failed already or a later
    /// run has overtaken it. Says whether it was published.
    pub(crate) fn publish(self) -> bool {
        let Self { publisher, runs, error } = self;
        publisher.change(|published| {
            if published.run > runs || matches!(published.outcome, Outcome::Error(_)) {
                return false;
            }
            published.outcome = Outcome::Error(error);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn an_excuse_does_not_overtake_a_result() {
        let cohort = Cohort::new(PlanId(1), Arc::from([]), Instant::now());
        let tell = |runs| Tell { publisher: Arc::clone(&cohort.publisher), runs, error: "down" };
        let data = Snapshot { bytes: Bytes::new(), hash: 7 };
        // Said before the second run, heard after it.
        let late = tell(1);
        assert!(publish_data(&cohort.publisher, 2, data.clone()));
        assert!(!late.publish());
        assert!(!cohort.publisher.change(|p| !matches!(p.outcome, Outcome::Data(_))));
        // In time, but only once; then the next run puts it right.
        assert!(tell(2).publish());
        assert!(!tell(2).publish());
        assert!(publish_data(&cohort.publisher, 3, data.clone()));
        assert!(!publish_data(&cohort.publisher, 4, data));
    }
}
