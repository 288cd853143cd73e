//! Fair queues in front of what costs much.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Lets so many in at a time; the others wait in the order in which they came.
pub(crate) struct Gate {
    /// None: everybody may pass.
    places: Option<Arc<Semaphore>>,
    waiting: AtomicUsize,
    max_waiting: usize,
    longest_wait: Duration,
    inside: Gauge,
    outside: Gauge,
}

/// Who holds it is inside.
pub(crate) struct Pass {
    _permit: Option<OwnedSemaphorePermit>,
    inside: Gauge,
}

/// Too many wait already, or waited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// One that waits; its drop ends that, also if nobody waits for the end.
struct Waiting<'a>(&'a Gate);

impl Gate {
    /// `places` inside and `max_waiting` outside; 0 of either is no limit.
    pub fn new(
        places: usize,
        max_waiting: usize,
        longest_wait: Duration,
        inside: Gauge,
        outside: Gauge,
    ) -> Self {
        let places = (places > 0).then(|| Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let max_waiting = if max_waiting == 0 { usize::MAX } else { max_waiting };
        let waiting = AtomicUsize::new(0);
        Self { places: places.map(Arc::new), waiting, max_waiting, longest_wait, inside, outside }
    }

    /// Enters if nobody has to wait for it.
    pub fn try_enter(&self) -> Option<Pass> {
        match &self.places {
            None => Some(self.pass(None)),
            Some(places) => {
                places.clone().try_acquire_owned().ok().map(|permit| self.pass(Some(permit)))
            }
        }
    }

    /// Enters, sooner or later.
    pub async fn enter(&self) -> Result<Pass, Busy> {
        // Those who wait come first: the semaphore gives places to them before it has free ones.
        if let Some(pass) = self.try_enter() {
            return Ok(pass);
        }
        let Some(places) = self.places.clone() else { return Err(Busy) };
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.max_waiting {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(Busy);
        }
        self.outside.inc();
        let waiting = Waiting(self);
        let permit = timeout(self.longest_wait, places.acquire_owned()).await;
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => Ok(self.pass(Some(permit))),
            _ => Err(Busy),
        }
    }

    fn pass(&self, permit: Option<OwnedSemaphorePermit>) -> Pass {
        self.inside.inc();
        Pass { _permit: permit, inside: self.inside.clone() }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        self.0.outside.dec();
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.inside.dec();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::{FutureExt, future::join_all};

    use super::*;

    fn gate(places: usize, waiting: usize) -> Gate {
        let wait = Duration::from_secs(10);
        Gate::new(places, waiting, wait, Gauge::default(), Gauge::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_waits_in_order_and_never_more_than_the_places_are_inside() {
        let gate = gate(3, 0);
        let order = parking_lot::Mutex::new(Vec::new());
        let one = async |n: u32| {
            let _pass = gate.enter().await.unwrap();
            order.lock().push(n);
            assert!(gate.inside.get() <= 3);
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        join_all((0..100).map(one)).await;
        assert_eq!(*order.lock(), (0..100).collect::<Vec<_>>());
        assert_eq!((gate.inside.get(), gate.outside.get()), (0, 0));
        // A hundred in rounds of three.
        assert_eq!(gate.waiting.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_in_length_and_time() {
        let gate = gate(1, 2);
        let pass = gate.enter().await.unwrap();
        let (first, second) = (gate.enter(), gate.enter());
        tokio::pin!(first, second);
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(matches!(gate.enter().now_or_never(), Some(Err(Busy))));
        assert_eq!((gate.inside.get(), gate.outside.get()), (1, 2));
        drop(pass);
        let pass = first.await.unwrap();
        let waited = tokio::time::Instant::now();
        assert!(second.await.is_err());
        assert_eq!(waited.elapsed(), Duration::from_secs(10));
        drop(pass);
        assert_eq!((gate.inside.get(), gate.outside.get()), (0, 0));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let gate = gate(1, 1);
        let pass = gate.enter().await.unwrap();
        for _ in 0..10 {
            assert!(gate.enter().now_or_never().is_none());
        }
        assert_eq!((gate.waiting.load(Ordering::SeqCst), gate.outside.get()), (0, 0));
        drop(pass);
        assert!(gate.try_enter().is_some());
    }

    #[tokio::test]
    async fn without_places_nobody_waits() {
        let gate = gate(0, 1);
        let passes: Vec<_> = (0..100).map(|_| gate.enter().now_or_never().unwrap()).collect();
        assert_eq!(gate.inside.get(), 100);
        drop(passes);
        assert_eq!(gate.inside.get(), 0);
    }
}
