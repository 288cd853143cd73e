//! Where changes come from.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Interval, MissedTickBehavior, interval_at};

/// Something was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Rows of these tables changed. The identifiers are those of
    /// [`Dependencies::tables`](crate::Dependencies::tables).
    Tables(Vec<Arc<str>>),
    /// Anything may have changed: a gap in the feed, a change of the schema,
    /// or a feed that knows no better.
    Everything,
}

/// A source of changes, in the order of their commits.
///
/// A change must not be announced before a new statement of
/// [`Refetch`](crate::Refetch) can see it. A feed that hears of commits earlier
/// than that (a replication stream does) has to hold them back.
#[async_trait]
pub trait ChangeFeed: Send + 'static {
    /// The next change, or `None` once the feed has ended for good.
    async fn next(&mut self) -> Option<Change>;
}

/// The feed that knows nothing: it announces [`Change::Everything`] at a fixed
/// interval, which is polling.
#[derive(Debug)]
pub struct PollFeed {
    period: Duration,
    ticks: Option<Interval>,
}

impl PollFeed {
    /// A feed that announces a change of everything each `interval` (at least
    /// one millisecond), starting one interval after it is first asked.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { period: interval.max(Duration::from_millis(1)), ticks: None }
    }
}

#[async_trait]
impl ChangeFeed for PollFeed {
    async fn next(&mut self) -> Option<Change> {
        let period = self.period;
        let ticks = self.ticks.get_or_insert_with(|| {
            let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        ticks.tick().await;
        Some(Change::Everything)
    }
}
