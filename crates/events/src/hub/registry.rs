//! The topics of one broker, each with its owner: a task whose end unsubscribes.

use std::{
    collections::{HashMap, hash_map},
    future::Future,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::{
    config::Limits,
    error::EventsError,
    fan::{Fan, Receiver},
    line::Line,
    stats::{Counter, Counters, Stats},
    topic::Topic,
};

/// The distinct topics.
pub(super) struct Registry {
    entries: Mutex<Entries>,
    limits: Limits,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Entries {
    by_topic: HashMap<Topic, Entry>,
    is_closed: bool,
}

struct Entry {
    line: Arc<Line>,
    owner: AbortHandle,
}

impl Registry {
    pub fn new(limits: Limits, counters: Arc<Counters>) -> Arc<Self> {
        Arc::new(Self { entries: Mutex::default(), limits, counters })
    }

    /// One more subscriber. `own` makes what carries a topic that is not there yet.
    pub fn join<F>(
        self: &Arc<Self>,
        topic: &Topic,
        own: impl FnOnce(Arc<Line>) -> F,
    ) -> Result<(Arc<Line>, Receiver, Lease), EventsError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut entries = self.entries.lock();
        if entries.is_closed {
            return Err(EventsError::Closed);
        }
        if let Some(entry) = entries.by_topic.get(topic)
            && let Some(receiver) = entry.line.fan().join()
        {
            self.counters.add(Counter::Subscribed);
            self.counters.add(Counter::Shared);
            return Ok((Arc::clone(&entry.line), receiver, self.lease(&entry.line)));
        }
        let count = entries.by_topic.len();
        let place = entries.by_topic.entry(topic.clone());
        // One that is over but still there gives way.
        if matches!(place, hash_map::Entry::Vacant(_)) && count >= self.limits.topics {
            return Err(EventsError::TooManyTopics(self.limits.topics));
        }
        let (fan, receiver) = Fan::new(self.limits.buffer_bytes);
        let counters = Arc::clone(&self.counters);
        let line = Line::new(topic.clone(), fan, self.limits.message_bytes, counters);
        let line = Arc::new(line);
        let carried = own(Arc::clone(&line));
        let (registry, owned) = (Arc::clone(self), Arc::clone(&line));
        let owner = tokio::spawn(async move {
            tokio::select! {
                () = carried => {}
                () = owned.over() => {}
            }
            registry.remove(&owned);
        });
        let entry = Entry { line: Arc::clone(&line), owner: owner.abort_handle() };
        let former = match place {
            hash_map::Entry::Occupied(mut place) => Some(place.insert(entry)),
            hash_map::Entry::Vacant(place) => {
                place.insert(entry);
                None
            }
        };
        drop(entries);
        if let Some(former) = former {
            former.owner.abort();
        }
        self.counters.add(Counter::Subscribed);
        let lease = self.lease(&line);
        Ok((line, receiver, lease))
    }

    fn lease(self: &Arc<Self>, line: &Arc<Line>) -> Lease {
        Lease { registry: Arc::clone(self), line: Arc::clone(line) }
    }

    /// Takes away a topic, unless another one has its place.
    fn remove(&self, line: &Arc<Line>) -> Option<Entry> {
        let mut entries = self.entries.lock();
        let is_it = |entry: &Entry| Arc::ptr_eq(&entry.line, line);
        if entries.by_topic.get(line.topic()).is_some_and(is_it) {
            entries.by_topic.remove(line.topic())
        } else {
            None
        }
    }

    /// Ends all, and lets nobody in.
    pub fn close(&self) {
        let all = {
            let mut entries = self.entries.lock();
            entries.is_closed = true;
            std::mem::take(&mut entries.by_topic)
        };
        for entry in all.into_values() {
            entry.line.fail(EventsError::Closed);
            entry.owner.abort();
        }
    }

    /// Adds how things stand now.
    pub fn load(&self, stats: Stats) -> Stats {
        let lines: Vec<Arc<Line>> = {
            let entries = self.entries.lock();
            entries.by_topic.values().map(|entry| Arc::clone(&entry.line)).collect()
        };
        lines.iter().fold(stats, |stats, line| {
            let (subscribers, bytes) = line.fan().load();
            Stats {
                topics: stats.topics + 1,
                subscribers: stats.subscribers + subscribers,
                buffered_bytes: stats.buffered_bytes + bytes,
                ..stats
            }
        })
    }
}

/// A subscriber's share in a topic.
pub(super) struct Lease {
    registry: Arc<Registry>,
    line: Arc<Line>,
}

impl Lease {
    /// Leaves. The last one ends the broker's subscription.
    pub fn leave(&self, receiver: Option<Receiver>) {
        // Before the lock, since it holds a waker, which may be the last thing that keeps a task alive
        // whose end comes here too.
        drop(receiver);
        if !self.line.fan().is_over() {
            return;
        }
        if let Some(entry) = self.registry.remove(&self.line) {
            entry.owner.abort();
        }
    }
}
