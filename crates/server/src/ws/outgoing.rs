//! What waits to be written to a socket: whole frames, bounded in bytes, written vectored.

use std::{collections::VecDeque, io, io::IoSlice, time::Instant};

use artesian_protocol::ws::OutFrame;
use bytes::Buf;
use prometheus_client::metrics::gauge::Gauge;

/// Slices of one vectored write: sixteen frames of four pieces each.
const SLICES: usize = 64;

/// What a waiting frame costs beside its bytes.
const OVERHEAD: usize = std::mem::size_of::<Entry>();

/// How much may wait of answers to the client's own messages before it has to read some.
const MAX_ANSWERS: usize = 256 << 10;

/// Why a frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A result of an operation, taken only while there is room.
    Result,
    /// Anything else: mostly answers to messages of the client.
    Answer,
}

struct Entry {
    frame: OutFrame,
    purpose: Purpose,
}

/// The outgoing queue of one socket.
pub(super) struct Outgoing {
    entries: VecDeque<Entry>,
    /// Bytes that wait, of all frames together.
    bytes: usize,
    /// Cost of the answers among them.
    answers: usize,
    limit: usize,
    /// Since when the socket has taken nothing although something waits.
    stalled_since: Option<Instant>,
    /// Bytes that wait in all queues together.
    total: Gauge,
}

impl Outgoing {
    /// An empty queue that has room up to `limit` bytes.
    pub fn new(limit: usize, total: Gauge) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, answers: 0, limit, stalled_since: None, total }
    }

    /// Adds a frame. Always succeeds; who can wait asks [`has_room`](Self::has_room) first.
    pub fn push(&mut self, frame: OutFrame, purpose: Purpose) {
        self.bytes += frame.len();
        self.total.inc_by(frame.len() as i64);
        if purpose == Purpose::Answer {
            self.answers += frame.len() + OVERHEAD;
        }
        self.entries.push_back(Entry { frame, purpose });
    }

    /// How many bytes wait.
    pub fn queued_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether another result may be added.
    pub fn has_room(&self) -> bool {
        self.bytes + self.entries.len() * OVERHEAD < self.limit
    }

    /// Whether the client sends without reading, so that nothing more should be read from it.
    pub fn is_flooded(&self) -> bool {
        self.answers > MAX_ANSWERS
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Since when the socket takes nothing.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// Writes with `write` until it would block or nothing is left. `Ok(true)` means that nothing is
    /// left.
    pub fn flush(
        &mut self,
        now: Instant,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        while !self.entries.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut used = 0;
            for Entry { frame, .. } in &self.entries {
                let free = slices.get_mut(used..).unwrap_or_default();
                if free.len() < 4 {
                    break;
                }
                used += frame.chunks_vectored(free);
            }
            match write(slices.get(..used).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.advance(count);
                    self.stalled_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stalled_since.get_or_insert(now);
                    return Ok(false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // An idle connection keeps no memory for its queue.
        self.entries = VecDeque::new();
        self.stalled_since = None;
        Ok(true)
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        self.total.dec_by(count as i64);
        while let Some(Entry { frame, purpose }) = self.entries.front_mut() {
            let step = count.min(frame.remaining());
            frame.advance(step);
            count -= step;
            let rest = frame.remaining();
            if *purpose == Purpose::Answer {
                self.answers -= step + if rest == 0 { OVERHEAD } else { 0 };
            }
            if rest > 0 {
                break;
            }
            self.entries.pop_front();
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.total.dec_by(self.bytes as i64);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artesian_protocol::Message;

    use super::*;

    fn text(text: &str) -> OutFrame {
        OutFrame::text(Message::new("<".into(), text.to_owned().into(), ">".into()))
    }

    #[test]
    fn writes_everything_in_order_whatever_the_socket_takes() {
        let expected: Vec<u8> = (0..100).flat_map(|n| text(&n.to_string()).to_bytes()).collect();
        for step in [1, 2, 3, 7, 64, 10_000] {
            let total = Gauge::default();
            let mut queue = Outgoing::new(10, total.clone());
            (0..100).for_each(|n| queue.push(text(&n.to_string()), Purpose::Answer));
            assert_eq!((queue.bytes, total.get()), (expected.len(), expected.len() as i64));
            assert!(!queue.has_room());
            let mut written = Vec::new();
            let mut turn = 0;
            loop {
                let done = queue
                    .flush(Instant::now(), |slices| {
                        turn += 1;
                        if turn % 3 == 0 {
                            return Err(io::ErrorKind::WouldBlock.into());
                        }
                        let all: Vec<u8> = slices.iter().flat_map(|s| s.to_vec()).collect();
                        let take = step.min(all.len());
                        written.extend_from_slice(&all[..take]);
                        Ok(take)
                    })
                    .unwrap();
                if done {
                    break;
                }
                assert!(queue.stalled_since().is_some());
            }
            assert_eq!(written, expected);
            assert_eq!((queue.bytes, queue.answers, total.get()), (0, 0, 0));
            assert!(queue.has_room() && queue.is_empty() && queue.stalled_since().is_none());
        }
    }

    #[test]
    fn a_stall_begins_with_the_first_refusal_and_ends_with_progress() {
        let mut queue = Outgoing::new(10, Gauge::default());
        queue.push(text("abc"), Purpose::Answer);
        let start = Instant::now();
        let block = |_: &[IoSlice<'_>]| Err(io::ErrorKind::WouldBlock.into());
        assert!(!queue.flush(start, block).unwrap());
        let later = start + std::time::Duration::from_secs(1);
        assert!(!queue.flush(later, block).unwrap());
        assert_eq!(queue.stalled_since(), Some(start));
        let mut once = false;
        let done = queue.flush(later, |_| {
            if std::mem::replace(&mut once, true) {
                Err(io::ErrorKind::WouldBlock.into())
            } else {
                Ok(1)
            }
        });
        assert!(!done.unwrap());
        assert_eq!(queue.stalled_since(), Some(later));
    }

    #[test]
    fn room_is_for_results_and_floods_are_of_answers() {
        let total = Gauge::default();
        let mut queue = Outgoing::new(10 << 20, total.clone());
        let big = "x".repeat(1 << 20);
        for _ in 0..10 {
            assert!(queue.has_room());
            queue.push(text(&big), Purpose::Result);
        }
        assert!(!queue.has_room() && !queue.is_flooded());
        while !queue.is_flooded() {
            queue.push(text("pong"), Purpose::Answer);
        }
        assert!(queue.entries.len() < 10_000);
        drop(queue);
        assert_eq!(total.get(), 0);
    }
}
