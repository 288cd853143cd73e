//! The subscriptions of one service, each with its owner: a task whose end unsubscribes.

use std::{collections::HashMap, future::Future, sync::Arc};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::{Fan, Key, Subscription, fan::Receiver};
use crate::stats::{Counter, Counters};

/// The distinct subscriptions.
pub(crate) struct Registry {
    entries: Mutex<Entries>,
    counters: Arc<Counters>,
    limit: usize,
    keeps_latest: bool,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    serial: u64,
}

struct Entry {
    fan: Arc<Fan>,
    owner: AbortHandle,
}

impl Registry {
    /// Receivers may fall behind by `limit` bytes.
    pub fn new(limit: usize, keeps_latest: bool, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { entries: Mutex::default(), counters, limit, keeps_latest })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.lock().by_key.len()
    }

    /// One more client. `own` makes what carries a subscription that is not there yet.
    pub fn join<F>(
        self: &Arc<Self>,
        mut key: Key,
        is_shared: bool,
        own: impl FnOnce(Arc<Fan>) -> F,
    ) -> Subscription
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.counters.add(Counter::Subscribed);
        let mut entries = self.entries.lock();
        if !is_shared {
            entries.serial += 1;
            key.serial = entries.serial;
        }
        if let Some(entry) = entries.by_key.get(&key)
            && let Some(receiver) = entry.fan.join()
        {
            self.counters.add(Counter::Shared);
            return Subscription::new(receiver, self.lease(key, &entry.fan));
        }
        let (fan, receiver) = Fan::new(self.limit, self.keeps_latest);
        let carried = own(Arc::clone(&fan));
        let (registry, of, ended) = (Arc::clone(self), key.clone(), Arc::clone(&fan));
        let owner = tokio::spawn(async move {
            carried.await;
            registry.remove(&of, &ended);
        });
        let lease = self.lease(key.clone(), &fan);
        // One that is over but still there gives way.
        let former = entries.by_key.insert(key, Entry { fan, owner: owner.abort_handle() });
        drop(entries);
        if let Some(former) = former {
            former.owner.abort();
        }
        Subscription::new(receiver, lease)
    }

    fn lease(self: &Arc<Self>, key: Key, fan: &Arc<Fan>) -> Lease {
        Lease { registry: Arc::clone(self), key, fan: Arc::clone(fan) }
    }

    /// Takes away a subscription, unless another one has its place.
    fn remove(&self, key: &Key, fan: &Arc<Fan>) -> Option<Entry> {
        let mut entries = self.entries.lock();
        let is_it = entries.by_key.get(key).is_some_and(|entry| Arc::ptr_eq(&entry.fan, fan));
        if is_it { entries.by_key.remove(key) } else { None }
    }
}

/// A client's share in a subscription.
pub(super) struct Lease {
    registry: Arc<Registry>,
    key: Key,
    fan: Arc<Fan>,
}

impl Lease {
    /// Leaves. The last one ends the subscription.
    pub fn leave(&self, receiver: Option<Receiver>) {
        // Before the lock, since it holds a waker, which may be the last thing that keeps a task alive
        // whose end comes here too.
        drop(receiver);
        let mut entries = self.registry.entries.lock();
        let is_it = |entry: &&Entry| Arc::ptr_eq(&entry.fan, &self.fan) && self.fan.is_over();
        if entries.by_key.get(&self.key).filter(is_it).is_some() {
            let entry = entries.by_key.remove(&self.key);
            drop(entries);
            if let Some(entry) = entry {
                entry.owner.abort();
            }
        }
    }
}
