//! From one producer to any number of receivers.
//!
//! What `tokio::sync::broadcast` is, with other bounds: what waits is limited in bytes instead of events,
//! nothing is kept that everybody has read, and a receiver that falls behind by more than the limit has
//! ended: it delays nobody and keeps no memory. A receiver costs a place in the list of a
//! [`Topic`] while it waits.
//!
//! ```
//! # use std::task::{Context, Poll, Waker};
//! use artesian_fanout::broadcast::{Broadcast, Cost, Last};
//!
//! struct Line(&'static str);
//!
//! impl Cost for Line {
//!     fn cost(&self) -> usize {
//!         self.0.len()
//!     }
//! }
//!
//! let (lines, mut receiver) = Broadcast::<Line, String>::new(1024, ());
//! assert_eq!(lines.send(Line("hello")).receivers, 1);
//! lines.end("that was all".to_owned());
//! let mut poll = || {
//!     let mut cx = Context::from_waker(Waker::noop());
//!     let last = |last: Last<'_, String>| match last {
//!         Last::End(end) => end.clone(),
//!         Last::LeftBehind { limit } => format!("more than {limit} bytes were waiting"),
//!     };
//!     receiver.poll_next(&mut cx, |line| Some(line.0.to_owned()), last)
//! };
//! assert_eq!(poll(), Poll::Ready(Some("hello".to_owned())));
//! assert_eq!(poll(), Poll::Ready(Some("that was all".to_owned())));
//! assert_eq!(poll(), Poll::Ready(None));
//! ```

mod ring;

use std::{
    cell::RefCell,
    sync::Arc,
    task::{Context, Poll},
};

use artesian_topic::{Follower, Topic};

use ring::Ring;

/// What an event costs while it is kept.
pub trait Cost {
    /// Bytes, counted against the limit of the [`Broadcast`]. It is asked for when an event comes and when
    /// it goes, and must be the same both times.
    fn cost(&self) -> usize;
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Receivers that are left; 0 if it is over, and then it stays so.
    pub receivers: usize,
    /// Those who fell behind just now.
    pub left_behind: usize,
}

/// How things stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Receivers that have not fallen behind, those included that have read the end.
    pub receivers: usize,
    /// Events that some receiver has not read.
    pub events: usize,
    /// What these cost, in bytes.
    pub bytes: usize,
}

/// Why nothing comes any more to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last<'a, E> {
    /// The producer has ended it.
    End(&'a E),
    /// The receiver has fallen behind by more than `limit` bytes.
    LeftBehind {
        /// The limit of the [`Broadcast`].
        limit: usize,
    },
}

/// The producer's end: events `T`, at last an end `E`, and beside them a state `S` that changes under the
/// same lock. It has to be ended: receivers are not told when it is dropped.
///
/// All closures are called and all events are dropped within that lock: neither may come back to the
/// broadcast.
pub struct Broadcast<T: Cost, E, S = ()> {
    topic: Arc<Topic<RefCell<Ring<T, E, S>>>>,
}

impl<T: Cost, E, S> Broadcast<T, E, S> {
    /// One whose receivers may fall behind by `limit` bytes, and the first of them. A single event may cost
    /// more.
    pub fn new(limit: usize, state: S) -> (Self, Receiver<T, E, S>) {
        let topic = Arc::new(Topic::new(RefCell::new(Ring::new(limit, state))));
        let receiver = Receiver { follower: topic.follow(), next: 0, is_done: false };
        (Self { topic }, receiver)
    }

    /// An event for all receivers that are there.
    pub fn send(&self, event: T) -> Sent {
        self.send_with(event, |_, _| {})
    }

    /// An event for all receivers that are there, of which `note` takes note in the state. If nobody is
    /// there or it has ended, the event is dropped and not noted.
    pub fn send_with(&self, event: T, note: impl FnOnce(&mut S, &T)) -> Sent {
        let mut sent = None;
        self.topic.change(|ring| {
            sent = ring.borrow_mut().push(event, note);
            sent.is_some()
        });
        sent.unwrap_or_default()
    }

    /// Ends it for all receivers, once. They get what was sent before, and then this.
    pub fn end(&self, end: E) {
        self.topic.change(|ring| ring.borrow_mut().end(end));
    }

    /// How it has ended.
    pub fn ended(&self) -> Option<E>
    where
        E: Clone,
    {
        self.topic.look(|ring| ring.borrow().ended().cloned())
    }

    /// Whether it has ended, or all receivers are gone or have fallen behind. Then it stays so.
    pub fn is_over(&self) -> bool {
        self.topic.look(|ring| ring.borrow().is_over())
    }

    /// How things stand.
    pub fn load(&self) -> Load {
        self.topic.look(|ring| ring.borrow().load())
    }

    /// Looks at the state, or changes it. Nobody is woken.
    pub fn with_state<V>(&self, with: impl FnOnce(&mut S) -> V) -> V {
        self.topic.look(|ring| with(&mut ring.borrow_mut().state))
    }

    /// One more receiver, of what comes from now on. `None` if it is over.
    pub fn join(&self) -> Option<Receiver<T, E, S>> {
        self.join_with(|_| ()).map(|(receiver, ())| receiver)
    }

    /// One more receiver, and what `look` finds in the state at the same moment. `None` if it is over.
    pub fn join_with<V>(&self, look: impl FnOnce(&mut S) -> V) -> Option<(Receiver<T, E, S>, V)> {
        let follower = self.topic.follow();
        let (next, found) = follower.look(|ring| {
            let ring = &mut *ring.borrow_mut();
            let next = ring.join()?;
            Some((next, look(&mut ring.state)))
        })?;
        Some((Receiver { follower, next, is_done: false }, found))
    }
}

/// One receiver's end, in one task at a time. Dropping it is leaving.
pub struct Receiver<T: Cost, E, S = ()> {
    follower: Follower<RefCell<Ring<T, E, S>>>,
    /// The number of the next event.
    next: u64,
    is_done: bool,
}

impl<T: Cost, E, S> Receiver<T, E, S> {
    /// What `pick` makes of the next event, or `last` of the end; `None` after that. Events of which `pick`
    /// makes nothing are passed over.
    pub fn poll_next<R>(
        &mut self,
        cx: &mut Context<'_>,
        pick: impl FnMut(&T) -> Option<R>,
        last: impl FnOnce(Last<'_, E>) -> R,
    ) -> Poll<Option<R>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let (next, is_done) = (&mut self.next, &mut self.is_done);
        let last = |end: Last<'_, E>| {
            *is_done = true;
            last(end)
        };
        self.follower.poll(cx, |ring| ring.borrow_mut().read(next, pick, last)).map(Some)
    }
}

impl<T: Cost, E, S> Drop for Receiver<T, E, S> {
    fn drop(&mut self) {
        self.follower.look(|ring| ring.borrow_mut().leave(self.next));
    }
}

#[cfg(test)]
mod tests;
