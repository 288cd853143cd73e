//! From one topic to all subscribers of it, as in the crate `remote`.
//!
//! Events are kept once, until the last subscriber has read them. One that falls behind by more than
//! the limit loses the subscription; it delays nobody and keeps no memory.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, ready},
};

use artesian_topic::{Follower, Topic};

use crate::{
    error::EventsError,
    event::{Event, Message},
};

/// What an event costs beside its bytes.
const OVERHEAD: usize = 128;

/// One topic's events.
pub(crate) struct Fan {
    topic: Arc<Topic<RefCell<Ring>>>,
    limit: usize,
}

struct Ring {
    /// The number of the first event that is kept.
    first: u64,
    slots: VecDeque<Slot>,
    bytes: usize,
    /// Receivers that have not fallen behind.
    receivers: usize,
    /// Whether nobody has joined so far.
    is_fresh: bool,
    end: Option<EventsError>,
}

struct Slot {
    kept: Kept,
    /// Receivers that have not read it yet.
    waiting: usize,
}

#[derive(Clone)]
enum Kept {
    Event(Event),
    Gap,
}

impl Kept {
    fn size(&self) -> usize {
        match self {
            Self::Event(event) => OVERHEAD.saturating_add(event.bytes().len()),
            Self::Gap => OVERHEAD,
        }
    }

    fn message(&self) -> Message {
        match self {
            Self::Event(event) => Message::Event(event.clone()),
            Self::Gap => Message::Gap,
        }
    }
}

impl Ring {
    /// Whether it has ended, or everybody is gone; then nobody comes any more.
    fn is_over(&self) -> bool {
        self.end.is_some() || (self.receivers == 0 && !self.is_fresh)
    }

    fn trim(&mut self) {
        while let Some(slot) = self.slots.front().filter(|slot| slot.waiting == 0) {
            self.bytes -= slot.kept.size();
            self.first += 1;
            self.slots.pop_front();
        }
        if self.slots.is_empty() {
            self.slots = VecDeque::new();
        }
    }

    /// Takes away the oldest event from those who have not read it. Says how many.
    fn leave_behind(&mut self) -> usize {
        let Some(slot) = self.slots.pop_front() else { return 0 };
        self.bytes -= slot.kept.size();
        self.first += 1;
        self.receivers -= slot.waiting;
        for later in &mut self.slots {
            later.waiting -= slot.waiting;
        }
        self.trim();
        slot.waiting
    }
}

impl Fan {
    /// A fan whose receivers may fall behind by `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        let ring = Ring {
            first: 0,
            slots: VecDeque::new(),
            bytes: 0,
            receivers: 0,
            is_fresh: true,
            end: None,
        };
        Arc::new(Self { topic: Arc::new(Topic::new(RefCell::new(ring))), limit })
    }

    /// An event for all receivers. Gives how many fell behind just now.
    pub fn event(&self, event: Event) -> usize {
        self.push(Kept::Event(event))
    }

    /// Says to all receivers that events may have been lost.
    pub fn gap(&self) -> usize {
        self.push(Kept::Gap)
    }

    fn push(&self, kept: Kept) -> usize {
        let mut left_behind = 0;
        self.topic.change(|ring| {
            let ring = &mut *ring.borrow_mut();
            if ring.end.is_some() || ring.receivers == 0 {
                return false;
            }
            ring.bytes += kept.size();
            ring.slots.push_back(Slot { kept, waiting: ring.receivers });
            while ring.bytes > self.limit && ring.slots.len() > 1 {
                left_behind += ring.leave_behind();
            }
            true
        });
        left_behind
    }

    /// Ends it for all receivers, once.
    pub fn end(&self, error: EventsError) {
        self.topic.change(|ring| {
            let ring = &mut *ring.borrow_mut();
            let is_first = ring.end.is_none();
            if is_first {
                ring.end = Some(error);
            }
            is_first
        });
    }

    /// Why it has ended.
    pub fn ended(&self) -> Option<EventsError> {
        self.topic.look(|ring| ring.borrow().end.clone())
    }

    /// Whether it has ended, or all receivers are gone or have fallen behind. Then it stays so.
    pub fn is_over(&self) -> bool {
        self.topic.look(|ring| {
            let ring = ring.borrow();
            ring.is_over()
        })
    }

    /// Receivers that have not fallen behind, and the bytes that are kept for them.
    pub fn load(&self) -> (usize, usize) {
        self.topic.look(|ring| {
            let ring = ring.borrow();
            (ring.receivers, ring.bytes)
        })
    }

    /// One more receiver, of what comes from now on; none if it is over.
    pub fn join(self: &Arc<Self>) -> Option<Receiver> {
        let follower = self.topic.follow();
        let next = self.topic.look(|ring| {
            let ring = &mut *ring.borrow_mut();
            if ring.is_over() {
                return None;
            }
            ring.is_fresh = false;
            ring.receivers += 1;
            Some(ring.first + ring.slots.len() as u64)
        });
        let fan = Arc::clone(self);
        next.map(|next| Receiver { fan, follower, next, is_done: false })
    }
}

/// One subscriber's end.
pub(crate) struct Receiver {
    fan: Arc<Fan>,
    follower: Follower<RefCell<Ring>>,
    /// The number of the next event.
    next: u64,
    is_done: bool,
}

impl Receiver {
    /// The next message; `None` after the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let (next, limit) = (&mut self.next, self.fan.limit);
        let message = ready!(self.follower.poll(cx, |ring| {
            let ring = &mut *ring.borrow_mut();
            let Some(at) = next.checked_sub(ring.first) else {
                return Some(Message::Failed(EventsError::TooSlow(limit)));
            };
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let Some(slot) = ring.slots.get_mut(at) else {
                return ring.end.clone().map(Message::Failed);
            };
            slot.waiting -= 1;
            *next += 1;
            let message = slot.kept.message();
            ring.trim();
            Some(message)
        }));
        self.is_done = matches!(message, Message::Failed(_));
        Poll::Ready(Some(message))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let next = self.next;
        self.fan.topic.look(|ring| {
            let ring = &mut *ring.borrow_mut();
            // Who has fallen behind is not counted any more.
            if let Some(at) = next.checked_sub(ring.first) {
                ring.receivers -= 1;
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                for slot in ring.slots.iter_mut().skip(at) {
                    slot.waiting -= 1;
                }
                ring.trim();
            }
        });
    }
}

#[cfg(test)]
mod tests;
