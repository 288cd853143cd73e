//! How many events of a broker are completed at a time.
//!
//! An event that thousands of identities get is completed once for each. They wait here, in the order in
//! which they came, rather than all at once at a database or a service that refuses what is too much. None
//! waits for longer than its stream is there, and what comes meanwhile waits in the buffer of its topic.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Semaphore;

/// The turns of one broker.
#[derive(Debug)]
pub struct Turns {
    turns: Semaphore,
    waiting: AtomicUsize,
}

impl Turns {
    /// So many at a time.
    pub fn new(limit: usize) -> Self {
        Self {
            turns: Semaphore::new(limit.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// How many wait now.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Runs something when it is its turn. As a task of its own: a turn that is given to a future which
    /// nobody polls, as those of slow clients are not, would be lost to all others meanwhile.
    pub fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send + 'static {
        let turns = Arc::clone(self);
        let running = tokio::spawn(async move {
            let waiting = Waiting::new(&turns.waiting);
            let turn = turns.turns.acquire().await;
            drop(waiting);
            // It is never closed.
            let _turn = turn.ok()?;
            Some(work.await)
        });
        let running = tokio_util::task::AbortOnDropHandle::new(running);
        async move { running.await.ok().flatten() }
    }
}

/// One who waits, counted.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn who_is_not_polled_keeps_its_turn_from_nobody() {
        let turns = Arc::new(Turns::new(1));
        let (go, gone) = oneshot::channel::<()>();
        let first = turns.run(async move { gone.await.is_ok() });
        // This one gets the next turn, and nobody ever looks at it.
        let _ignored = turns.run(async { 1 });
        let third = turns.run(async { 2 });
        while turns.waiting() < 2 {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        assert_eq!(first.await, Some(true));
        assert_eq!(third.await, Some(2));
        assert_eq!(turns.waiting(), 0);
    }

    #[tokio::test]
    async fn who_leaves_gives_its_turn_back() {
        let turns = Arc::new(Turns::new(1));
        let running = turns.run(std::future::pending::<()>());
        let waiting = turns.run(std::future::pending::<()>());
        while turns.waiting() < 1 {
            tokio::task::yield_now().await;
        }
        drop(waiting);
        drop(running);
        assert_eq!(turns.run(async { 3 }).await, Some(3));
        assert_eq!(turns.waiting(), 0);
    }

    #[tokio::test]
    async fn no_more_than_so_many_at_a_time() {
        let turns = Arc::new(Turns::new(3));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let all = (0..50).map(|n| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            turns.run(async move {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::Relaxed);
                n
            })
        });
        let all = futures_util::future::join_all(all).await;
        assert_eq!(all, (0..50).map(Some).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::Relaxed), 3);
    }
}
