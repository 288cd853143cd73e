//! One direction of a connection: in order, with a delay, stalls, and cuts.

use std::collections::VecDeque;

use bytes::Bytes;

/// What travels.
#[derive(Clone, Debug)]
pub enum Packet {
    Text(Bytes),
    Ping,
    Pong,
    Close(Option<u16>, String),
}

/// Times are milliseconds since the beginning.
#[derive(Debug, Default)]
pub struct Link {
    queue: VecDeque<(u64, Packet)>,
    delay: u64,
    stalled_until: u64,
    broken: bool,
}

impl Link {
    pub fn send(&mut self, now: u64, packet: Packet) {
        if !self.broken {
            // Never before what was sent earlier with a longer delay.
            let last = self.queue.back().map_or(0, |(at, _)| *at);
            self.queue.push_back((last.max(now + self.delay), packet));
        }
    }

    pub fn set_delay(&mut self, delay: u64) {
        self.delay = delay;
    }

    pub fn stall(&mut self, until: u64) {
        self.stalled_until = self.stalled_until.max(until);
    }

    /// The first `keep` packets on their way still arrive, and nothing else ever does.
    pub fn cut(&mut self, keep: usize) {
        self.queue.truncate(keep);
        self.broken = true;
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When the next packet arrives.
    pub fn next(&self) -> Option<u64> {
        self.queue.front().map(|(at, _)| (*at).max(self.stalled_until))
    }

    pub fn receive(&mut self) -> Option<Packet> {
        self.queue.pop_front().map(|(_, packet)| packet)
    }
}
