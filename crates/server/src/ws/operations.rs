//! The running operations of one socket or stream.
//!
//! They are polled by the connection's own task, and only those that were woken. Removing one drops
//! it at once, whatever it is doing; dropping the set drops them all. An item is taken out before
//! its operation goes on to make the next, so nothing is produced that nobody has room for.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use artesian_engine::Identity;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::items::BoxItems;

/// A set of operations by key, each of which is a stream of items.
pub(crate) struct Operations<K, T> {
    /// Sorted by key: most sockets have one operation or none.
    slots: Vec<(K, Slot<K, T>)>,
    shared: Arc<Shared<K>>,
}

struct Slot<K, T> {
    items: BoxItems<T>,
    waker: Arc<SlotWaker<K>>,
}

struct Shared<K> {
    /// Keys that were woken, in order.
    woken: Mutex<VecDeque<K>>,
    /// The connection's task.
    owner: AtomicWaker,
}

struct SlotWaker<K> {
    key: K,
    /// Whether the key is among `woken` already.
    is_queued: AtomicBool,
    shared: Arc<Shared<K>>,
}

impl<K: Copy> SlotWaker<K> {
    fn queue(&self) -> bool {
        let is_new = !self.is_queued.swap(true, Ordering::AcqRel);
        if is_new {
            self.shared.woken.lock().push_back(self.key);
        }
        is_new
    }
}

impl<K: Copy + Send + Sync + 'static> Wake for SlotWaker<K> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queue() {
            self.shared.owner.wake();
        }
    }
}

impl<K: Copy + Ord + Send + Sync + 'static, T> Operations<K, T> {
    /// An empty set.
    pub fn new() -> Self {
        let shared = Shared { woken: Mutex::new(VecDeque::new()), owner: AtomicWaker::new() };
        Self { slots: Vec::new(), shared: Arc::new(shared) }
    }

    /// Adds an operation.
    pub fn insert(&mut self, key: K, items: BoxItems<T>) {
        let is_queued = AtomicBool::new(false);
        let waker = Arc::new(SlotWaker { key, is_queued, shared: self.shared.clone() });
        waker.wake_by_ref();
        if self.slots.is_empty() {
            self.slots.reserve_exact(1);
        }
        let slot = Slot { items, waker };
        match self.place(key) {
            Ok(at) => {
                if let Some((_, old)) = self.slots.get_mut(at) {
                    *old = slot;
                }
            }
            Err(at) => self.slots.insert(at, (key, slot)),
        }
    }

    /// Where a key is among the slots, or would be.
    fn place(&self, key: K) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// Drops an operation.
    pub fn remove(&mut self, key: K) {
        if let Ok(at) = self.place(key) {
            self.slots.remove(at);
        }
        if self.slots.is_empty() {
            self.clear();
        }
    }

    /// Drops all operations.
    pub fn clear(&mut self) {
        self.slots = Vec::new();
    }

    /// The client is somebody else from now on: nothing comes that was made live for the identity
    /// before. Operations that give a single result finish as they are.
    #[allow(dead_code, reason = "for the connection, once its identity can change")]
    pub fn change_identity(&mut self, identity: &Identity) {
        for (_, slot) in &mut self.slots {
            slot.items.as_mut().change_identity(identity);
            slot.waker.wake_by_ref();
        }
    }

    /// Asks all of them again: they may have been held.
    pub fn wake(&self) {
        for (_, slot) in &self.slots {
            slot.waker.wake_by_ref();
        }
    }

    /// The next item of any operation, with its key; `None` instead of an item is the end of that
    /// operation, which is gone from the set then. After `Ready` the caller must ask again before it
    /// relies on being woken.
    ///
    /// With `holds_live` nothing of what runs live is asked for, so its results wait at their sources,
    /// until all are [woken](Self::wake); single results come as ever.
    pub fn poll(&mut self, cx: &mut Context<'_>, holds_live: bool) -> Poll<(K, Option<T>)> {
        self.shared.owner.register(cx.waker());
        // Those that wake themselves while they are polled have woken the owner too: next time.
        let mut turns = self.shared.woken.lock().len();
        while turns > 0 {
            turns -= 1;
            let Some(key) = self.shared.woken.lock().pop_front() else { break };
            let Ok(at) = self.place(key) else { continue };
            let Some((_, slot)) = self.slots.get_mut(at) else { continue };
            slot.waker.is_queued.store(false, Ordering::Release);
            if holds_live && slot.items.is_live() {
                continue;
            }
            let waker = Waker::from(slot.waker.clone());
            match slot.items.as_mut().poll_next(&mut Context::from_waker(&waker)) {
                Poll::Pending => {}
                Poll::Ready(Some(item)) => {
                    // There may be more: it is asked again after the others had their turn.
                    slot.waker.queue();
                    return Poll::Ready((key, Some(item)));
                }
                Poll::Ready(None) => {
                    self.remove(key);
                    return Poll::Ready((key, None));
                }
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::Pin, sync::atomic::AtomicUsize};

    use futures_util::{Stream, StreamExt, stream};
    use tokio::sync::oneshot;

    use super::*;
    use crate::items::Items;

    /// Gives the numbers, and the length of the role's name when the identity changes.
    struct Live<S>(S, Option<u32>);

    impl<S: Stream<Item = u32> + Unpin> Stream for Live<S> {
        type Item = u32;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u32>> {
            match self.1.take() {
                Some(length) => Poll::Ready(Some(length)),
                None => self.0.poll_next_unpin(cx),
            }
        }
    }

    impl<S: Stream<Item = u32> + Unpin + Send> Items<u32> for Live<S> {
        fn is_live(&self) -> bool {
            true
        }

        fn change_identity(mut self: Pin<&mut Self>, identity: &Identity) {
            self.1 = u32::try_from(identity.role.len()).ok();
        }
    }

    async fn next(set: &mut Operations<u32, u32>) -> (u32, Option<u32>) {
        poll_fn(|cx| set.poll(cx, false)).await
    }

    #[tokio::test]
    async fn operations_take_turns_and_end() {
        let mut set = Operations::new();
        for key in [1, 2] {
            set.insert(key, Box::pin(stream::iter([key * 10, key * 10 + 1])));
        }
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(next(&mut set).await);
        }
        let items =
            [(1, Some(10)), (2, Some(20)), (1, Some(11)), (2, Some(21)), (1, None), (2, None)];
        assert_eq!(seen, items);
        assert!(set.slots.is_empty());
    }

    #[tokio::test]
    async fn removal_drops_at_once_and_others_go_on() {
        struct Count(Arc<AtomicUsize>);
        impl Drop for Count {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut set = Operations::new();
        for key in [1, 2, 3] {
            let guard = Count(dropped.clone());
            let hang = async move {
                let _guard = guard;
                std::future::pending::<u32>().await
            };
            set.insert(key, Box::pin(stream::once(hang)));
        }
        let (send, receive) = oneshot::channel();
        set.insert(4, Box::pin(stream::once(async { receive.await.unwrap_or(0) })));
        assert!(futures_util::poll!(std::pin::pin!(next(&mut set))).is_pending());
        set.remove(2);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert!(send.send(7).is_ok());
        assert_eq!(next(&mut set).await, (4, Some(7)));
        drop(set);
        assert_eq!(dropped.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn an_operation_that_wakes_itself_does_not_starve_the_rest() {
        let mut set = Operations::new();
        let restless = async {
            loop {
                tokio::task::yield_now().await;
            }
        };
        set.insert(1, Box::pin(stream::once(restless)));
        set.insert(2, Box::pin(stream::iter([1])));
        assert_eq!(next(&mut set).await, (2, Some(1)));
        assert_eq!(next(&mut set).await, (2, None));
    }

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_change_of_identity_reaches_what_runs_live() {
        let mut set = Operations::new();
        for key in [1, 2] {
            set.insert(key, Box::pin(Live(stream::pending(), None)));
        }
        set.insert(3, Box::pin(stream::once(std::future::pending())));
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(woken.clone());
        let ask =
            |set: &mut Operations<u32, u32>| set.poll(&mut Context::from_waker(&waker), false);
        assert!(ask(&mut set).is_pending());
        let before = woken.0.load(Ordering::SeqCst);
        set.change_identity(&Identity::new("four", Default::default()));
        assert!(woken.0.load(Ordering::SeqCst) > before, "the connection is not woken");
        assert_eq!(ask(&mut set), Poll::Ready((1, Some(4))));
        assert_eq!(ask(&mut set), Poll::Ready((2, Some(4))));
        assert!(ask(&mut set).is_pending());
    }

    #[tokio::test]
    async fn what_runs_live_can_be_held() {
        let mut set = Operations::new();
        set.insert(1, Box::pin(Live(stream::iter([1, 2]), None)));
        set.insert(2, Box::pin(stream::iter([7])));
        assert_eq!(next(&mut set).await, (1, Some(1)));
        async fn held(set: &mut Operations<u32, u32>) -> (u32, Option<u32>) {
            poll_fn(|cx| set.poll(cx, true)).await
        }
        assert_eq!(held(&mut set).await, (2, Some(7)));
        assert_eq!(held(&mut set).await, (2, None));
        assert!(futures_util::poll!(std::pin::pin!(held(&mut set))).is_pending());
        set.change_identity(&Identity::new("four", Default::default()));
        assert!(futures_util::poll!(std::pin::pin!(held(&mut set))).is_pending());
        set.wake();
        assert_eq!(next(&mut set).await, (1, Some(4)));
        assert_eq!(next(&mut set).await, (1, Some(2)));
        assert_eq!(next(&mut set).await, (1, None));
    }
}
