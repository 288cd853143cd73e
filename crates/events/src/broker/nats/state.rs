//! What the library tells of a connection.

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_nats::ServerError;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::{
    error::EventsError,
    line::Line,
    stats::{Counter, Counters},
    topic::BrokerKind,
};

/// What the library's events change.
#[derive(Default)]
pub struct State {
    pub link: watch::Sender<Link>,
    /// By subject, so that a refusal finds those who asked.
    pub lines: Mutex<HashMap<Box<str>, Weak<Line>>>,
    /// Those who wait for a message to themselves, by its subject.
    pub syncs: Mutex<HashMap<String, oneshot::Sender<()>>>,
    pub next_sync: AtomicU64,
    /// Whether the account may not have an inbox, so that nothing can be confirmed.
    pub is_mute: AtomicBool,
}

/// The state of a session's connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Grows with every connection.
    pub epoch: u64,
    pub is_up: bool,
    pub is_over: bool,
}

/// One who waits.
pub struct Waiting<'a> {
    pub state: &'a State,
    pub subject: &'a str,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.state.syncs.lock().remove(self.subject);
    }
}

/// A line that can be found by its subject.
pub struct Registered {
    pub state: Arc<State>,
    pub line: Arc<Line>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut lines = self.state.lines.lock();
        let name = self.line.topic().name();
        let is_it = |line: &Weak<Line>| std::ptr::eq(line.as_ptr(), Arc::as_ptr(&self.line));
        if lines.get(name).is_some_and(is_it) {
            lines.remove(name);
        }
    }
}

impl State {
    pub fn on_event(&self, event: async_nats::Event, counters: &Counters) {
        use async_nats::{ClientError, Event};
        match event {
            Event::Connected => {
                counters.add(Counter::Connected);
                self.link.send_modify(|link| {
                    link.epoch += 1;
                    link.is_up = true;
                });
            }
            Event::Disconnected => {
                counters.add(Counter::Disconnected);
                self.link.send_modify(|link| link.is_up = false);
            }
            Event::Closed | Event::ClientError(ClientError::MaxReconnects) => {
                self.link.send_modify(|link| *link = Link { is_up: false, is_over: true, ..*link });
            }
            // The library dropped messages of one subscription and does not say which.
            Event::SlowConsumer(_) => {
                let lines: Vec<_> = self.lines.lock().values().filter_map(Weak::upgrade).collect();
                lines.iter().for_each(|line| line.gap());
            }
            Event::ServerError(ServerError::Other(text)) => self.on_refusal(&text),
            _ => {}
        }
    }

    /// `Permissions Violation for Subscription to "…"`, or for `Publish`.
    fn on_refusal(&self, text: &str) {
        let Some(subject) = text.split('"').nth(1) else { return };
        let text = text.to_ascii_lowercase();
        if text.starts_with("permissions violation for publish") {
            if let Some(waiting) = self.syncs.lock().remove(subject) {
                let _ = waiting.send(());
            }
        } else if text.starts_with("permissions violation for subscription") {
            let line = self.lines.lock().get(subject).and_then(Weak::upgrade);
            if let Some(line) = line {
                line.fail(EventsError::Refused(BrokerKind::Nats));
            } else if subject.starts_with("_INBOX.") {
                self.is_mute.store(true, Ordering::Relaxed);
                for (_, waiting) in self.syncs.lock().drain() {
                    drop(waiting);
                }
            }
        }
    }
}
