//! The events that some receiver has not read, in their order.

use std::collections::VecDeque;

use super::{Cost, Last, Load, Sent};

/// Events are numbered from 0. A receiver is the number of the event that it reads next; that one and all
/// later ones count it as waiting.
pub(super) struct Ring<T, E, S> {
    /// The number of the first event that is kept.
    first: u64,
    slots: VecDeque<Slot<T>>,
    bytes: usize,
    limit: usize,
    /// Receivers that have not fallen behind.
    receivers: usize,
    end: Option<E>,
    /// Somebody else's.
    pub state: S,
}

struct Slot<T> {
    event: T,
    /// Receivers that have not read it yet.
    waiting: usize,
}

impl<T, E, S> Ring<T, E, S> {
    /// One with a single receiver.
    pub fn new(limit: usize, state: S) -> Self {
        let (slots, end) = (VecDeque::new(), None);
        Self { first: 0, slots, bytes: 0, limit, receivers: 1, end, state }
    }

    /// Whether it has ended, or everybody is gone; then nobody comes any more.
    pub fn is_over(&self) -> bool {
        self.end.is_some() || self.receivers == 0
    }

    pub fn ended(&self) -> Option<&E> {
        self.end.as_ref()
    }

    pub fn load(&self) -> Load {
        Load { receivers: self.receivers, events: self.slots.len(), bytes: self.bytes }
    }

    /// Ends it, unless it has ended.
    pub fn end(&mut self, end: E) -> bool {
        let is_first = self.end.is_none();
        if is_first {
            self.end = Some(end);
        }
        is_first
    }

    /// One more receiver: the number of its next event.
    pub fn join(&mut self) -> Option<u64> {
        if self.is_over() {
            return None;
        }
        self.receivers += 1;
        Some(self.first + self.slots.len() as u64)
    }
}

impl<T: Cost, E, S> Ring<T, E, S> {
    /// Takes an event, unless nobody is there for it.
    #[inline] // as part of what holds the lock, like `read`: the hot path
    pub fn push(&mut self, event: T, note: impl FnOnce(&mut S, &T)) -> Option<Sent> {
        if self.is_over() {
            return None;
        }
        note(&mut self.state, &event);
        self.bytes += event.cost();
        self.slots.push_back(Slot { event, waiting: self.receivers });
        let mut left_behind = 0;
        while self.bytes > self.limit && self.slots.len() > 1 {
            left_behind += self.leave_behind();
        }
        Some(Sent { receivers: self.receivers, left_behind })
    }

    /// What `pick` makes of the next event for a receiver, or `last` of the end; `None` if it has to wait.
    #[inline]
    pub fn read<R>(
        &mut self,
        next: &mut u64,
        mut pick: impl FnMut(&T) -> Option<R>,
        last: impl FnOnce(Last<'_, E>) -> R,
    ) -> Option<R> {
        let Some(mut at) = self.at(*next) else {
            return Some(last(Last::LeftBehind { limit: self.limit }));
        };
        let read = loop {
            let Some(slot) = self.slots.get_mut(at) else {
                break self.end.as_ref().map(|end| last(Last::End(end)));
            };
            slot.waiting -= 1;
            *next += 1;
            at += 1;
            let picked = pick(&slot.event);
            if picked.is_some() {
                break picked;
            }
        };
        self.trim();
        read
    }

    /// A receiver goes.
    pub fn leave(&mut self, next: u64) {
        // Who has fallen behind is not counted any more.
        let Some(at) = self.at(next) else { return };
        self.receivers -= 1;
        for slot in self.slots.iter_mut().skip(at) {
            slot.waiting -= 1;
        }
        self.trim();
    }

    /// Where the event of that number is; `None` if it was taken away before it was read.
    fn at(&self, number: u64) -> Option<usize> {
        let at = number.checked_sub(self.first)?;
        Some(usize::try_from(at).unwrap_or(usize::MAX))
    }

    /// Lets go of what everybody has read.
    fn trim(&mut self) {
        while let Some(slot) = self.slots.front().filter(|slot| slot.waiting == 0) {
            self.bytes -= slot.event.cost();
            self.first += 1;
            self.slots.pop_front();
        }
        if self.slots.is_empty() {
            // Most have nothing to keep for most of the time.
            self.slots = VecDeque::new();
        }
    }

    /// Takes away the oldest event from those who have not read it. Says how many.
    fn leave_behind(&mut self) -> usize {
        let Some(slot) = self.slots.pop_front() else { return 0 };
        self.bytes -= slot.event.cost();
        self.first += 1;
        self.receivers -= slot.waiting;
        for later in &mut self.slots {
            later.waiting -= slot.waiting;
        }
        self.trim();
        slot.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Byte(u8);

    impl Cost for Byte {
        fn cost(&self) -> usize {
            1
        }
    }

    #[test]
    fn one_without_events_keeps_no_memory() {
        let (mut ring, mut next) = (Ring::<Byte, (), ()>::new(1000, ()), 0);
        for event in 0..100 {
            ring.push(Byte(event), |(), _| {});
        }
        assert!(ring.slots.capacity() >= 100);
        for event in 0..100 {
            assert_eq!(ring.read(&mut next, |byte| Some(byte.0), |_| 255), Some(event));
        }
        assert_eq!(ring.slots.capacity(), 0);
    }
}
