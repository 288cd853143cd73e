//! From one upstream operation to all clients that share it.
//!
//! Events are kept once, until the last client has read them. A client that falls behind by more than
//! the limit loses the subscription; it delays nobody and keeps no memory.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use artesian_topic::{Follower, Topic};
use bytes::Bytes;

use super::{End, Event};
use crate::RemoteError;

/// What an event costs beside its bytes.
const OVERHEAD: usize = 64;
/// Smaller events are copied, so that they do not keep the buffer alive that they were read into.
pub(crate) const COPIED: usize = 8 << 10;

/// One operation's events.
pub(crate) struct Fan {
    topic: Arc<Topic<RefCell<Ring>>>,
    limit: usize,
    keeps_latest: bool,
}

struct Ring {
    /// The number of the first event that is kept.
    first: u64,
    slots: VecDeque<Slot>,
    bytes: usize,
    /// Receivers that have not fallen behind.
    receivers: usize,
    latest: Option<Bytes>,
    /// How often the operation was interrupted.
    stretch: u64,
    end: Option<End>,
}

struct Slot {
    event: Kept,
    /// Receivers that have not read it yet.
    waiting: usize,
}

#[derive(Clone)]
enum Kept {
    Next(Bytes),
    /// With the stretch that begins.
    Resumed(u64),
}

impl Kept {
    fn size(&self) -> usize {
        match self {
            Self::Next(payload) => OVERHEAD.saturating_add(payload.len()),
            Self::Resumed(_) => OVERHEAD,
        }
    }
}

impl Ring {
    fn trim(&mut self) {
        while let Some(slot) = self.slots.front().filter(|slot| slot.waiting == 0) {
            self.bytes -= slot.event.size();
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
        self.bytes -= slot.event.size();
        self.first += 1;
        self.receivers -= slot.waiting;
        for later in &mut self.slots {
            later.waiting -= slot.waiting;
        }
        self.trim();
        slot.waiting
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Receivers that are left.
    pub receivers: usize,
    /// Those who fell behind just now.
    pub left_behind: usize,
}

impl Fan {
    /// A fan whose receivers may fall behind by `limit` bytes.
    pub fn new(limit: usize, keeps_latest: bool) -> Arc<Self> {
        let ring = Ring {
            first: 0,
            slots: VecDeque::new(),
            bytes: 0,
            receivers: 0,
            latest: None,
            stretch: 0,
            end: None,
        };
        Arc::new(Self { topic: Arc::new(Topic::new(RefCell::new(ring))), limit, keeps_latest })
    }

    /// A result for all receivers.
    pub fn next(&self, payload: Bytes) -> Pushed {
        let payload =
            if payload.len() < COPIED { Bytes::copy_from_slice(&payload) } else { payload };
        self.push(Kept::Next(payload))
    }

    /// The connection has broken. Who joins from now on has missed nothing.
    pub fn interrupted(&self) {
        self.topic.look(|ring| ring.borrow_mut().stretch += 1);
    }

    /// Says to all receivers that were there before the operation was interrupted that it goes on.
    pub fn resumed(&self) -> Pushed {
        let stretch = self.topic.look(|ring| ring.borrow().stretch);
        self.push(Kept::Resumed(stretch))
    }

    fn push(&self, event: Kept) -> Pushed {
        let mut pushed = Pushed { receivers: 0, left_behind: 0 };
        self.topic.change(|ring| {
            let ring = &mut *ring.borrow_mut();
            if ring.end.is_some() || ring.receivers == 0 {
                return false;
            }
            if let Kept::Next(payload) = &event
                && self.keeps_latest
            {
                ring.latest = Some(payload.clone());
            }
            ring.bytes += event.size();
            ring.slots.push_back(Slot { event, waiting: ring.receivers });
            while ring.bytes > self.limit && ring.slots.len() > 1 {
                pushed.left_behind += ring.leave_behind();
            }
            pushed.receivers = ring.receivers;
            true
        });
        pushed
    }

    /// Ends the operation for all receivers, once.
    pub fn end(&self, end: End) {
        self.topic.change(|ring| {
            let ring = &mut *ring.borrow_mut();
            if ring.end.is_some() {
                return false;
            }
            ring.end = Some(end);
            true
        });
    }

    /// Whether it has ended, or all receivers are gone or have fallen behind.
    pub fn is_over(&self) -> bool {
        self.topic.look(|ring| {
            let ring = ring.borrow();
            ring.end.is_some() || ring.receivers == 0
        })
    }

    /// One more receiver, of what comes from now on.
    pub fn join(self: &Arc<Self>) -> Receiver {
        let follower = self.topic.follow();
        let (next, initial, stretch) = self.topic.look(|ring| {
            let ring = &mut *ring.borrow_mut();
            ring.receivers += 1;
            (ring.first + ring.slots.len() as u64, ring.latest.clone(), ring.stretch)
        });
        let fan = Arc::clone(self);
        Receiver { fan, follower, next, initial, stretch, is_told: false, is_done: false }
    }
}

/// One client's end.
pub(crate) struct Receiver {
    fan: Arc<Fan>,
    follower: Follower<RefCell<Ring>>,
    /// The number of the next event.
    next: u64,
    initial: Option<Bytes>,
    /// The stretch in which it joined.
    stretch: u64,
    /// It was told of an interruption, and no result has come since.
    is_told: bool,
    is_done: bool,
}

impl Receiver {
    /// The next event; `None` after the end.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        if let Some(payload) = self.initial.take() {
            return Poll::Ready(Some(Event::Next(payload)));
        }
        let (next, is_told) = (&mut self.next, &mut self.is_told);
        let (stretch, limit) = (self.stretch, self.fan.limit);
        let event = std::task::ready!(self.follower.poll(cx, |ring| {
            let ring = &mut *ring.borrow_mut();
            let event = loop {
                let Some(at) = next.checked_sub(ring.first) else {
                    return Some(Event::End(End::Failed(RemoteError::TooSlow(limit))));
                };
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let Some(slot) = ring.slots.get_mut(at) else {
                    break ring.end.clone().map(Event::End);
                };
                slot.waiting -= 1;
                *next += 1;
                match &slot.event {
                    Kept::Next(payload) => {
                        *is_told = false;
                        break Some(Event::Next(payload.clone()));
                    }
                    Kept::Resumed(begun) if *begun > stretch && !*is_told => {
                        *is_told = true;
                        break Some(Event::Resumed);
                    }
                    Kept::Resumed(_) => {}
                }
            };
            ring.trim();
            event
        }));
        self.is_done = matches!(event, Event::End(_));
        Poll::Ready(Some(event))
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
