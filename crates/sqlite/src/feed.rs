//! The change feed: who listens, and what each has yet to hear.

use std::collections::BTreeSet;
use std::sync::Arc;

use artesian_live::{Change, ChangeFeed};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Everybody who listens.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<Vec<Arc<Listener>>>);

#[derive(Default)]
struct Listener {
    unheard: Mutex<Unheard>,
    wake: Notify,
}

/// Changes that were not yet taken. Several commits become one change, so that a slow listener
/// costs no more than the names of all tables.
#[derive(Default)]
struct Unheard {
    tables: BTreeSet<Arc<str>>,
    everything: bool,
    closed: bool,
}

impl Feeds {
    /// Adds a listener. It hears of every change published from now on.
    pub(crate) fn listen(self: &Arc<Self>) -> Feed {
        let listener = Arc::new(Listener::default());
        self.0.lock().push(listener.clone());
        Feed { listener, feeds: self.clone() }
    }

    /// Whether anybody listens.
    pub(crate) fn heard(&self) -> bool {
        !self.0.lock().is_empty()
    }

    /// Tells of changed tables.
    pub(crate) fn tables(&self, tables: &[Arc<str>]) {
        if !tables.is_empty() {
            self.tell(|unheard| unheard.tables.extend(tables.iter().cloned()));
        }
    }

    /// Tells that anything may have changed.
    pub(crate) fn everything(&self) {
        self.tell(|unheard| unheard.everything = true);
    }

    /// Tells that nothing more will come.
    pub(crate) fn close(&self) {
        self.tell(|unheard| unheard.closed = true);
    }

    fn tell(&self, change: impl Fn(&mut Unheard)) {
        for listener in &*self.0.lock() {
            change(&mut listener.unheard.lock());
            listener.wake.notify_one();
        }
    }
}

/// One listener's end.
pub(crate) struct Feed {
    listener: Arc<Listener>,
    feeds: Arc<Feeds>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.feeds.0.lock().retain(|l| !Arc::ptr_eq(l, &self.listener));
    }
}

#[async_trait]
impl ChangeFeed for Feed {
    async fn next(&mut self) -> Option<Change> {
        loop {
            {
                let mut unheard = self.listener.unheard.lock();
                if std::mem::take(&mut unheard.everything) {
                    unheard.tables.clear();
                    return Some(Change::Everything);
                }
                if !unheard.tables.is_empty() {
                    let tables = std::mem::take(&mut unheard.tables);
                    return Some(Change::Tables(tables.into_iter().collect()));
                }
                if unheard.closed {
                    return None;
                }
            }
            self.listener.wake.notified().await;
        }
    }
}
