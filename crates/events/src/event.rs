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

    /// Whether both are clones of one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_read_once_for_all() {
        let counters = Arc::new(Counters::default());
        let event = Event::new(Bytes::from_static(br#"{"a":1}"#), Arc::clone(&counters));
        let other = event.clone();
        assert_eq!(event.json(), Some(&json!({ "a": 1 })));
        assert!(std::ptr::eq(event.json().unwrap(), other.json().unwrap()));
        let junk = Event::new(Bytes::from_static(b"{secret"), Arc::clone(&counters));
        assert_eq!((junk.json(), junk.clone().json()), (None, None));
        assert_eq!(counters.read().junk, 1);
        assert_eq!(format!("{junk:?}"), "Event(7 bytes)");
    }
}
