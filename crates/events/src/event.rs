//! A broker's message, shared by all who get it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde_json::Value;

use crate::{
    error::EventsError,
    stats::{Counter, Counters},
};

/// Smaller messages are copied, so that they do not keep the buffer alive that they were read into.
const COPIED: usize = 8 << 10;

/// A message. Clones share it, and what was read of it.
#[derive(Clone)]
pub struct Event(Arc<Inner>);

struct Inner {
    bytes: Bytes,
    /// Read at most once, however many subscribers look at it.
    json: OnceLock<Option<Value>>,
    counters: Arc<Counters>,
}

impl Event {
    pub(crate) fn new(bytes: Bytes, counters: Arc<Counters>) -> Self {
        let bytes = if bytes.len() < COPIED { Bytes::copy_from_slice(&bytes) } else { bytes };
        Self(Arc::new(Inner { bytes, json: OnceLock::new(), counters }))
    }

    /// The message as the broker gave it.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The message as JSON. `None` if it is none; that is counted once.
    pub fn json(&self) -> Option<&Value> {
        let read = || {
            let value = serde_json::from_slice(&self.0.bytes).ok();
            if value.is_none() {
                self.0.counters.add(Counter::Junk);
            }
            value
        };
        self.0.json.get_or_init(read).as_ref()
    }
}

impl fmt::Debug for Event {
    /// Without the message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Event({} bytes)", self.0.bytes.len())
    }
}

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub enum Message {
    /// An event.
    Event(Event),
    /// Events may have been lost here. The subscription is in force again.
    Gap,
    /// The end, for this reason. Nothing follows.
    Failed(EventsError),
}
