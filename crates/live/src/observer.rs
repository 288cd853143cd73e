//! What the engine tells its metrics.

use std::time::Duration;

/// Hears what the engine does, for metrics. Called from the engine's tasks
/// without any lock held; must return quickly.
pub trait Observer: Send + Sync + 'static {
    /// A statement ran for so many cohorts.
    fn rerun(&self, cohorts: usize, took: Duration, ok: bool) {
        let _ = (cohorts, took, ok);
    }

    /// A new result (or an error) of a cohort went out to so many subscribers.
    fn pushed(&self, subscribers: usize) {
        let _ = subscribers;
    }

    /// A re-run of a cohort gave the same result as before.
    fn unchanged(&self) {}

    /// A cohort failed on its own and is retried with growing pauses. Heard
    /// again for each retry that fails.
    fn quarantined(&self) {}

    /// The database could not be reached.
    fn unavailable(&self) {}

    /// A change feed ended: the engine polls from now on.
    fn feed_lost(&self) {}
}

/// The observer that does not listen.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
