//! The engine: what the rest of the server talks to, and the task that drives
//! the schedule.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::cohort::CohortId;
use crate::config::Config;
use crate::feed::{Change, ChangeFeed};
use crate::flight::Flight;
use crate::observer::Observer;
use crate::plan::Params;
use crate::refetch::{Refetch, caught};
use crate::scheduler::{Scheduler, Stats};
use crate::subscription::{Registry, Subscription};

/// Keeps the results of live queries current.
///
/// Cheap to clone; all clones are one engine. It works as long as a clone or a
/// subscription is left.
pub struct LiveEngine<R: Refetch> {
    inner: Arc<Inner<R>>,
}

/// What all clones share.
pub(crate) struct Inner<R: Refetch> {
    pub(crate) refetch: Arc<R>,
    pub(crate) observer: Arc<dyn Observer>,
    scheduler: Mutex<Scheduler<R::Plan, R::Error>>,
    /// Wakes the driver.
    wake: Arc<Notify>,
    runtime: Handle,
    /// Ends the tasks that read feeds. The value is the number of the feed
    /// attached last.
    feeds: watch::Sender<u64>,
}

impl<R: Refetch> LiveEngine<R> {
    /// Starts an engine on the current Tokio runtime.
    ///
    /// # Panics
    /// If called outside of a Tokio runtime. All other methods may be called
    /// from any thread.
    pub fn new(refetch: Arc<R>, config: Config, observer: Arc<dyn Observer>) -> Self {
        let runtime = Handle::current();
        let wake = Arc::new(Notify::new());
        let inner = Arc::new(Inner {
            refetch,
            observer,
            scheduler: Mutex::new(Scheduler::new(config.sane())),
            wake: Arc::clone(&wake),
            runtime: runtime.clone(),
            feeds: watch::Sender::new(0),
        });
        runtime.spawn(drive(Arc::downgrade(&inner), wake));
        Self { inner }
    }

    /// Follows a change feed, from now on.
    ///
    /// What changed before is not in it, so every cohort is re-run once. When
    /// the feed ends (or panics) that is logged, every cohort is re-run once
    /// more, and from then on every plan is polled at
    /// [`Config::refetch_interval`] until another feed is attached. Several
    /// feeds may be attached at a time; the engine polls once the one attached
    /// last has ended.
    pub fn attach(&self, feed: impl ChangeFeed) {
        if self.inner.scheduler.lock().is_closed() {
            return;
        }
        let mut number = 0;
        self.inner.feeds.send_modify(|feeds| {
            *feeds += 1;
            number = *feeds;
        });
        let stop = self.inner.feeds.subscribe();
        self.inner.with(|scheduler, now| {
            scheduler.set_polling(false, now);
            scheduler.invalidate(&Change::Everything, now);
        });
        let inner = Arc::downgrade(&self.inner);
        self.inner.runtime.spawn(follow(inner, Box::new(feed), number, stop));
    }

    /// Subscribes to the result of a plan for these values.
    ///
    /// The first update is the result as it is now: at once if a current one
    /// is held, otherwise when it has been read.
    pub fn subscribe(&self, plan: Arc<R::Plan>, params: Params) -> Subscription<R::Error> {
        let joined = self.inner.with(|scheduler, now| scheduler.join(plan, params, now));
        let registry: Arc<dyn Registry> = Arc::clone(&self.inner) as _;
        Subscription::new(joined.published, joined.fresh_from, joined.cohort, registry)
    }

    /// Announces a change without a feed.
    pub fn invalidate(&self, change: &Change) {
        self.inner.with(|scheduler, now| scheduler.invalidate(change, now));
    }

    /// The present load.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.scheduler.lock().stats()
    }

    /// Ends all subscriptions (their [`next`](Subscription::next) gives
    /// `None`), forgets the feeds and stops all work, for good.
    pub fn close(&self) {
        let publishers = self.inner.with(|scheduler, _| scheduler.close());
        self.inner.feeds.send_modify(|feeds| *feeds += 1);
        for publisher in publishers {
            publisher.change(|published| {
                published.ended = true;
                true
            });
        }
    }
}

impl<R: Refetch> Clone for LiveEngine<R> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<R: Refetch> fmt::Debug for LiveEngine<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveEngine").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl<R: Refetch> Inner<R> {
    /// Does something under the lock, and what follows from it outside.
    pub(crate) fn with<T>(
        &self,
        act: impl FnOnce(&mut Scheduler<R::Plan, R::Error>, Instant) -> T,
    ) -> T {
        let (result, tells, stirred) = {
            let mut scheduler = self.scheduler.lock();
            let result = act(&mut scheduler, Instant::now());
            let (tells, stirred) = scheduler.aftermath();
            (result, tells, stirred)
        };
        for tell in tells {
            let subscribers = tell.publisher.followers();
            if tell.publish() {
                self.observer.pushed(subscribers);
            }
        }
        if stirred {
            self.wake.notify_one();
        }
        result
    }

    /// Starts what can be started. Says when to look again.
    fn dispatch(self: &Arc<Self>) -> Option<Instant> {
        let (batches, tells, deadline) = {
            let mut scheduler = self.scheduler.lock();
            let now = Instant::now();
            scheduler.advance(now);
            let mut batches = Vec::new();
            while let Some(batch) = scheduler.launch(now) {
                batches.push(batch);
            }
            let (tells, _) = scheduler.aftermath();
            (batches, tells, scheduler.deadline())
        };
        for batch in batches {
            let flight = Flight::new(Arc::clone(self), batch);
            self.runtime.spawn(flight.run());
        }
        for tell in tells {
            let subscribers = tell.publisher.followers();
            if tell.publish() {
                self.observer.pushed(subscribers);
            }
        }
        deadline
    }
}

impl<R: Refetch> Registry for Inner<R> {
    fn leave(&self, cohort: CohortId) {
        self.with(|scheduler, _| scheduler.leave(cohort));
    }
}

impl<R: Refetch> Drop for Inner<R> {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// Drives the schedule for as long as the engine is there. Sleeps unless
/// something happened or is due.
async fn drive<R: Refetch>(engine: Weak<Inner<R>>, wake: Arc<Notify>) {
    loop {
        let deadline = match engine.upgrade() {
            Some(inner) => inner.dispatch(),
            None => return,
        };
        match deadline {
            Some(at) => {
                // An earlier wake-up is the point; a later one finds the time
                // passed.
                let _ = tokio::time::timeout_at(at, wake.notified()).await;
            }
            None => wake.notified().await,
        }
    }
}

/// Passes on what a feed announces.
async fn follow<R: Refetch>(
    engine: Weak<Inner<R>>,
    mut feed: Box<dyn ChangeFeed>,
    number: u64,
    mut stop: watch::Receiver<u64>,
) {
    loop {
        let change = tokio::select! {
            biased;
            stopped = stopped(&engine, &mut stop) => return stopped,
            change = caught(async { feed.next().await }) => change,
        };
        let Some(inner) = engine.upgrade() else {
            return;
        };
        match change {
            Ok(Some(change)) => inner.with(|scheduler, now| scheduler.invalidate(&change, now)),
            Ok(None) | Err(_) => {
                tracing::warn!("the change feed ended; live queries are polled instead");
                inner.observer.feed_lost();
                inner.with(|scheduler, now| {
                    if *inner.feeds.borrow() == number {
                        scheduler.set_polling(true, now);
                    }
                    scheduler.invalidate(&Change::Everything, now);
                });
                return;
            }
        }
    }
}

/// Ends when the engine is gone or closed.
async fn stopped<R: Refetch>(engine: &Weak<Inner<R>>, stop: &mut watch::Receiver<u64>) {
    loop {
        if stop.changed().await.is_err() {
            return;
        }
        match engine.upgrade() {
            Some(inner) if !inner.scheduler.lock().is_closed() => {}
            _ => return,
        }
    }
}
