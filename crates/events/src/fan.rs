//! From one topic to all subscribers of it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use artesian_fanout::broadcast::{self, Broadcast, Cost, Last, Sent};

use crate::{
    error::EventsError,
    event::{Event, Message},
};

/// What an event costs beside its bytes.
const OVERHEAD: usize = 128;

/// One topic's events.
pub(crate) struct Fan(Broadcast<Kept, EventsError>);

enum Kept {
    Event(Event),
    Gap,
}

impl Cost for Kept {
    fn cost(&self) -> usize {
        match self {
            Self::Event(event) => OVERHEAD.saturating_add(event.bytes().len()),
            Self::Gap => OVERHEAD,
        }
    }
}

impl Kept {
    fn message(&self) -> Message {
        match self {
            Self::Event(event) => Message::Event(event.clone()),
            Self::Gap => Message::Gap,
        }
    }
}

impl Fan {
    /// A fan whose receivers may fall behind by `limit` bytes, and the first of them.
    pub fn new(limit: usize) -> (Arc<Self>, Receiver) {
        let (broadcast, receiver) = Broadcast::new(limit, ());
        (Arc::new(Self(broadcast)), Receiver(receiver))
    }

    /// An event for all receivers.
    pub fn event(&self, event: Event) -> Sent {
        self.0.send(Kept::Event(event))
    }

    /// Says to all receivers that events may have been lost.
    pub fn gap(&self) -> Sent {
        self.0.send(Kept::Gap)
    }

    /// Ends it for all receivers, once.
    pub fn end(&self, error: EventsError) {
        self.0.end(error);
    }

    /// Why it has ended.
    pub fn ended(&self) -> Option<EventsError> {
        self.0.ended()
    }

    /// Whether it has ended, or all receivers are gone or have fallen behind. Then it stays so.
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Receivers that have not fallen behind, and the bytes that are kept for them.
    pub fn load(&self) -> (usize, usize) {
        let load = self.0.load();
        (load.receivers, load.bytes)
    }

    /// One more receiver, of what comes from now on; none if it is over.
    pub fn join(&self) -> Option<Receiver> {
        self.0.join().map(Receiver)
    }
}

/// One subscriber's end.
pub(crate) struct Receiver(broadcast::Receiver<Kept, EventsError>);

impl Receiver {
    /// The next message; `None` after the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let last = |last: Last<'_, EventsError>| match last {
            Last::End(error) => Message::Failed(error.clone()),
            Last::LeftBehind { limit } => Message::Failed(EventsError::TooSlow(limit)),
        };
        self.0.poll_next(cx, |kept| Some(kept.message()), last)
    }
}

#[cfg(test)]
mod tests;
