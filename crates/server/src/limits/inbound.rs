//! How fast one WebSocket is read.
//!
//! Who sends faster than it may is read more slowly, and TCP passes that on. Nothing is lost and
//! nobody is disconnected: a client that floods us slows down itself.

use std::time::{Duration, Instant};

use super::{
    Limit, Limits,
    bucket::{Bucket, Rate},
};

/// The longest that a socket is left unread at a time.
const LONGEST: Duration = Duration::from_secs(5);

/// The two buckets of a socket.
#[derive(Clone, Copy, Default)]
pub(crate) struct Inbound {
    messages: Bucket,
    bytes: Bucket,
}

impl Inbound {
    /// Bytes were read.
    pub fn bytes(&mut self, limits: &Limits, now: Instant, count: usize) {
        if let Some(rate) = limits.byte_rate {
            let now = limits.ticks(now);
            let before = self.bytes.debt(rate, now);
            let debt = self.bytes.take(rate, now, count as u64, LONGEST);
            note(limits, Limit::ByteRate, before, debt);
        }
    }

    /// A message was read.
    pub fn message(&mut self, limits: &Limits, now: Instant) {
        if let Some(rate) = limits.message_rate {
            let now = limits.ticks(now);
            let before = self.messages.debt(rate, now);
            let debt = self.messages.take(rate, now, 1, LONGEST);
            note(limits, Limit::MessageRate, before, debt);
        }
    }

    /// When the next message may be looked at, if that is not now.
    pub fn held_until(&self, limits: &Limits, now: Instant) -> Option<Instant> {
        let ticks = limits.ticks(now);
        let debt = |bucket: Bucket, rate: Option<Rate>| {
            rate.map_or(Duration::ZERO, |rate| bucket.debt(rate, ticks))
        };
        let wait = debt(self.messages, limits.message_rate).max(debt(self.bytes, limits.byte_rate));
        (!wait.is_zero()).then(|| now + wait)
    }
}

/// Once for each time that a socket has to wait, not for each message.
fn note(limits: &Limits, limit: Limit, before: Duration, debt: Duration) {
    if before.is_zero() && !debt.is_zero() {
        limits.hit(limit);
    }
}
