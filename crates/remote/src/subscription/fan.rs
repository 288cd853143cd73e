//! From one upstream operation to all clients that share it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use artesian_fanout::broadcast::{self, Broadcast, Cost, Last, Sent};
use bytes::Bytes;

use super::{End, Event};
use crate::RemoteError;

/// What an event costs beside its bytes.
const OVERHEAD: usize = 64;
/// Smaller events are copied, so that they do not keep the buffer alive that they were read into.
pub(crate) const COPIED: usize = 8 << 10;

/// One operation's events.
pub(crate) struct Fan {
    events: Broadcast<Kept, End, State>,
    keeps_latest: bool,
}

/// How the operation stands.
#[derive(Clone, Default)]
struct State {
    latest: Option<Bytes>,
    /// How often it was interrupted.
    stretch: u64,
}

enum Kept {
    Next(Bytes),
    /// With the stretch that begins.
    Resumed(u64),
}

impl Cost for Kept {
    fn cost(&self) -> usize {
        match self {
            Self::Next(payload) => OVERHEAD.saturating_add(payload.len()),
            Self::Resumed(_) => OVERHEAD,
        }
    }
}

impl Fan {
    /// A fan whose receivers may fall behind by `limit` bytes, and the first of them.
    pub fn new(limit: usize, keeps_latest: bool) -> (Arc<Self>, Receiver) {
        let (events, first) = Broadcast::new(limit, State::default());
        (Arc::new(Self { events, keeps_latest }), Receiver::new(first, State::default()))
    }

    /// A result for all receivers.
    pub fn next(&self, payload: Bytes) -> Sent {
        let payload =
            if payload.len() < COPIED { Bytes::copy_from_slice(&payload) } else { payload };
        self.events.send_with(Kept::Next(payload), |state, event| {
            if let Kept::Next(payload) = event
                && self.keeps_latest
            {
                state.latest = Some(payload.clone());
            }
        })
    }

    /// The connection has broken. Who joins from now on has missed nothing.
    pub fn interrupted(&self) {
        self.events.with_state(|state| state.stretch += 1);
    }

    /// Says to all receivers that were there before the operation was interrupted that it goes on.
    pub fn resumed(&self) -> Sent {
        let stretch = self.events.with_state(|state| state.stretch);
        self.events.send(Kept::Resumed(stretch))
    }

    /// Ends the operation for all receivers, once.
    pub fn end(&self, end: End) {
        self.events.end(end);
    }

    /// Whether it has ended, or all receivers are gone or have fallen behind. Then it stays so.
    pub fn is_over(&self) -> bool {
        self.events.is_over()
    }

    /// One more receiver, of what comes from now on; none if it is over.
    pub fn join(&self) -> Option<Receiver> {
        let (events, state) = self.events.join_with(|state| state.clone())?;
        Some(Receiver::new(events, state))
    }
}

/// One client's end.
pub(crate) struct Receiver {
    events: broadcast::Receiver<Kept, End, State>,
    initial: Option<Bytes>,
    /// The stretch in which it joined.
    stretch: u64,
    /// It was told of an interruption, and no result has come since.
    is_told: bool,
}

impl Receiver {
    /// One that joins as the operation stands.
    fn new(events: broadcast::Receiver<Kept, End, State>, state: State) -> Self {
        Self { events, initial: state.latest, stretch: state.stretch, is_told: false }
    }

    /// The next event; `None` after the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if let Some(payload) = self.initial.take() {
            return Poll::Ready(Some(Event::Next(payload)));
        }
        let (stretch, is_told) = (self.stretch, &mut self.is_told);
        let pick = |kept: &Kept| match kept {
            Kept::Next(payload) => {
                *is_told = false;
                Some(Event::Next(payload.clone()))
            }
            Kept::Resumed(begun) if *begun > stretch && !*is_told => {
                *is_told = true;
                Some(Event::Resumed)
            }
            Kept::Resumed(_) => None,
        };
        let last = |last: Last<'_, End>| match last {
            Last::End(end) => Event::End(end.clone()),
            Last::LeftBehind { limit } => Event::End(End::Failed(RemoteError::TooSlow(limit))),
        };
        self.events.poll_next(cx, pick, last)
    }
}

#[cfg(test)]
mod tests;
