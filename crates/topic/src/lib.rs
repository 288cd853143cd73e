//! A value that any number of tasks watch.
//!
//! What `tokio::sync::watch` is, for very many receivers that wait for a long time: one that waits
//! costs a place in a list (the size of its waker) instead of a future that must be kept, pinned,
//! somewhere else.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// The value and who waits for its next change.
pub struct Topic<V> {
    state: Mutex<State<V>>,
}

struct State<V> {
    value: V,
    followers: usize,
    /// Those who wait. All are taken at a change.
    waiting: Vec<Option<Waker>>,
    /// Places of the list that were given up.
    free: Vec<usize>,
    /// How often all were taken. A place belongs to its holder in one round only.
    round: u64,
}

impl<V> Topic<V> {
    /// A topic without followers.
    pub fn new(value: V) -> Self {
        let state = State { value, followers: 0, waiting: Vec::new(), free: Vec::new(), round: 0 };
        Self { state: Mutex::new(state) }
    }

    /// Changes the value, and wakes all who wait if `change` says that they have to know. Gives what
    /// it said.
    pub fn change(&self, change: impl FnOnce(&mut V) -> bool) -> bool {
        let waiting = {
            let mut state = self.state.lock();
            if !change(&mut state.value) {
                return false;
            }
            state.round += 1;
            state.free = Vec::new();
            // Most come back to wait for the next change.
            let places = Vec::with_capacity(state.waiting.len());
            mem::replace(&mut state.waiting, places)
        };
        waiting.into_iter().flatten().for_each(Waker::wake);
        true
    }

    /// Looks at the value.
    pub fn look<T>(&self, look: impl FnOnce(&V) -> T) -> T {
        look(&self.state.lock().value)
    }

    /// How many follow.
    pub fn followers(&self) -> usize {
        self.state.lock().followers
    }

    /// One more follower, which has seen nothing yet.
    pub fn follow(self: &Arc<Self>) -> Follower<V> {
        self.state.lock().followers += 1;
        Follower { topic: Arc::clone(self), place: None }
    }
}

/// A place in the list of those who wait.
#[derive(Clone, Copy)]
struct Place {
    round: u64,
    at: usize,
}

/// One who watches a topic, in one task at a time.
pub struct Follower<V> {
    topic: Arc<Topic<V>>,
    place: Option<Place>,
}

impl<V> Follower<V> {
    /// Looks at the value, without waiting.
    pub fn look<T>(&self, look: impl FnOnce(&V) -> T) -> T {
        self.topic.look(look)
    }

    /// Looks at the value now. If `look` finds nothing there, the task is woken when somebody has
    /// changed it.
    pub fn poll<T>(&mut self, cx: &mut Context<'_>, look: impl FnOnce(&V) -> Option<T>) -> Poll<T> {
        // Dropped after the lock is released, since it may be the last thing that keeps a task, and
        // so another follower, alive.
        let _replaced;
        let state = &mut *self.topic.state.lock();
        if let Some(found) = look(&state.value) {
            return Poll::Ready(found);
        }
        let held = self.place.filter(|place| place.round == state.round);
        let at = match held {
            Some(place) => place.at,
            None => state.free.pop().unwrap_or(state.waiting.len()),
        };
        self.place = Some(Place { round: state.round, at });
        match state.waiting.get_mut(at) {
            Some(Some(waker)) if waker.will_wake(cx.waker()) => {}
            Some(slot) => _replaced = slot.replace(cx.waker().clone()),
            None => {
                if state.waiting.capacity() == 0 {
                    // Many topics have one follower for all of their life.
                    state.waiting.reserve_exact(1);
                }
                state.waiting.push(Some(cx.waker().clone()));
            }
        }
        Poll::Pending
    }
}

impl<V> Drop for Follower<V> {
    fn drop(&mut self) {
        let mut state = self.topic.state.lock();
        state.followers -= 1;
        let held = self.place.filter(|place| place.round == state.round);
        let waker = held.and_then(|place| {
            state.free.push(place.at);
            state.waiting.get_mut(place.at)?.take()
        });
        if state.followers == 0 {
            state.waiting = Vec::new();
            state.free = Vec::new();
            state.round += 1;
        }
        // In this order for the same reason as above.
        drop(state);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Watcher {
        follower: Follower<u32>,
        count: Arc<Count>,
    }

    impl Watcher {
        fn new(topic: &Arc<Topic<u32>>) -> Self {
            Self { follower: topic.follow(), count: Arc::default() }
        }

        /// Waits for a greater value than this.
        fn poll(&mut self, least: u32) -> Poll<u32> {
            let waker = Waker::from(Arc::clone(&self.count));
            let look = |value: &u32| (*value > least).then_some(*value);
            self.follower.poll(&mut Context::from_waker(&waker), look)
        }

        fn woken(&self) -> usize {
            self.count.0.load(Ordering::SeqCst)
        }
    }

    fn set(topic: &Topic<u32>, to: u32) {
        topic.change(|value| {
            *value = to;
            true
        });
    }

    #[test]
    fn all_who_wait_are_woken_once() {
        let topic = Arc::new(Topic::new(0));
        let mut watchers: Vec<_> = (0..3).map(|_| Watcher::new(&topic)).collect();
        for watcher in &mut watchers {
            assert!(watcher.poll(0).is_pending());
            assert!(watcher.poll(0).is_pending());
        }
        topic.change(|_| false);
        assert!(watchers.iter().all(|w| w.woken() == 0));
        set(&topic, 1);
        set(&topic, 2);
        for watcher in &mut watchers {
            assert_eq!(watcher.woken(), 1);
            assert_eq!(watcher.poll(0), Poll::Ready(2));
            assert!(watcher.poll(2).is_pending());
        }
        set(&topic, 3);
        assert!(watchers.iter().all(|w| w.woken() == 2));
    }

    #[test]
    fn places_are_used_again_and_belong_to_one_at_a_time() {
        let topic = Arc::new(Topic::new(0));
        let mut first = Watcher::new(&topic);
        let mut last = Watcher::new(&topic);
        assert!(first.poll(0).is_pending());
        assert!(last.poll(0).is_pending());
        for _ in 0..100 {
            let mut other = Watcher::new(&topic);
            assert!(other.poll(0).is_pending());
            assert_eq!(topic.followers(), 3);
            drop(other);
        }
        assert_eq!(topic.state.lock().waiting.len(), 3);
        // A place of an earlier round is not given up twice.
        set(&topic, 1);
        assert!(last.poll(1).is_pending());
        drop(first);
        set(&topic, 2);
        assert_eq!(last.woken(), 2);
        drop(last);
        assert_eq!(topic.followers(), 0);
        let state = topic.state.lock();
        assert_eq!((state.waiting.capacity(), state.free.capacity()), (0, 0));
    }
}
