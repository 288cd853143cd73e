//! Compression of what is sent (`permessage-deflate`): each payload once, however many sockets get it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, OnceLock},
};

use artesian_protocol::{
    Message,
    ws::{Deflate, Deflated, Opcode, OutFrame},
};
use bytes::Bytes;
use parking_lot::Mutex;

use crate::metrics::CompressionMetrics;

/// The most bytes of payloads that are kept with what they compress to, which is less.
const MAX_BYTES: usize = 8 << 20;

/// The most payloads that are kept.
const MAX_ENTRIES: usize = 1024;

/// Payloads that are longer go as they are: compressing one of this length takes some 40 ms, for which
/// the other sockets of the thread have to wait.
const MAX_PAYLOAD: usize = 4 << 20;

/// Compresses for all sockets of a server.
pub(crate) struct Compression {
    threshold: usize,
    shared: Mutex<Shared>,
    metrics: CompressionMetrics,
}

impl Compression {
    /// Messages shorter than `threshold` bytes go as they are.
    pub fn new(threshold: usize, metrics: CompressionMetrics) -> Self {
        Self { threshold, shared: Mutex::default(), metrics }
    }

    /// The frame of a message for a socket that has agreed on compression.
    pub fn frame(&self, agreed: Deflate, message: Message) -> OutFrame {
        let length = message.payload.len();
        if message.len() < self.threshold || length > MAX_PAYLOAD || !agreed.allows(length) {
            return OutFrame::text(message);
        }
        let deflated = self.deflated(&message.payload);
        let frame = deflated.map(|payload| OutFrame::deflated(Opcode::Text, &message, &payload));
        match frame {
            Some(frame) if frame.len() < message.len() => {
                self.metrics.sent(message.len() - frame.len());
                frame
            }
            _ => OutFrame::text(message),
        }
    }

    fn deflated(&self, payload: &Bytes) -> Option<Deflated> {
        let deflate = || {
            self.metrics.compressed();
            let deflated = Deflated::new(payload);
            (deflated.len() < payload.len()).then_some(deflated)
        };
        // Nobody else has it, so nobody else will ask for it.
        if payload.is_unique() {
            return deflate();
        }
        let entry = self.shared.lock().entry(payload);
        // Outside of the lock; others who want the same payload wait for it here.
        entry.deflated.get_or_init(deflate).clone()
    }
}

/// A payload by its place in memory. An entry holds the payload, so no other can take its place while
/// the entry is there.
type Key = (usize, usize);

struct Entry {
    payload: Bytes,
    /// None inside if it gets no smaller.
    deflated: OnceLock<Option<Deflated>>,
}

/// Payloads that several sockets get, the newest of them.
#[derive(Default)]
struct Shared {
    entries: HashMap<Key, Arc<Entry>>,
    /// Oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

impl Shared {
    fn entry(&mut self, payload: &Bytes) -> Arc<Entry> {
        let key = (payload.as_ptr() as usize, payload.len());
        if let Some(entry) = self.entries.get(&key) {
            return entry.clone();
        }
        let entry = Arc::new(Entry { payload: payload.clone(), deflated: OnceLock::new() });
        self.entries.insert(key, entry.clone());
        self.order.push_back(key);
        self.bytes += payload.len();
        while self.bytes > MAX_BYTES || self.order.len() > MAX_ENTRIES {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(gone) = self.entries.remove(&oldest) {
                self.bytes -= gone.payload.len();
            }
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use artesian_protocol::ws::handshake;

    use super::*;
    use crate::Metrics;

    fn agreed(offer: &str) -> Deflate {
        let headers: [(&str, &[u8]); 5] = [
            ("upgrade", b"websocket"),
            ("connection", b"upgrade"),
            ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", b"13"),
            ("sec-websocket-extensions", offer.as_bytes()),
        ];
        handshake::check("GET", headers).unwrap().deflate.unwrap()
    }

    fn payload(length: usize) -> Bytes {
        "0123456789".repeat(length.div_ceil(10)).into_bytes()[..length].to_vec().into()
    }

    fn compression() -> (Compression, CompressionMetrics) {
        let metrics = Metrics::new("test").compression();
        (Compression::new(1024, metrics.clone()), metrics)
    }

    fn message(payload: &Bytes) -> Message {
        Message::new("{\"id\":\"1\",\"payload\":".into(), payload.clone(), "}".into())
    }

    fn is_compressed(frame: &OutFrame) -> bool {
        frame.to_bytes()[0] == 0xc1
    }

    #[test]
    fn a_shared_payload_is_compressed_once_and_a_private_one_is_not_kept() {
        let (compression, metrics) = compression();
        let agreed = agreed("permessage-deflate");
        let shared = payload(5000);
        let first = compression.frame(agreed, message(&shared));
        for _ in 0..100 {
            let frame = compression.frame(agreed, message(&shared));
            assert!(is_compressed(&frame));
            assert_eq!(frame.slices()[2].as_ptr(), first.slices()[2].as_ptr());
        }
        assert_eq!((metrics.payloads(), metrics.messages()), (1, 101));
        let private = Message::whole(payload(5000));
        assert!(is_compressed(&compression.frame(agreed, private)));
        assert_eq!((metrics.payloads(), metrics.messages()), (2, 102));
        assert_eq!(compression.shared.lock().entries.len(), 1);
    }

    #[test]
    fn many_threads_compress_it_once() {
        let (compression, metrics) = compression();
        let (agreed, shared) = (agreed("permessage-deflate"), payload(1 << 20));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| compression.frame(agreed, message(&shared)));
            }
        });
        assert_eq!((metrics.payloads(), metrics.messages()), (1, 4));
    }

    #[test]
    fn what_gets_no_smaller_goes_as_it_is() {
        let (compression, metrics) = compression();
        let mut random = 1_u32;
        let noise = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random as u8
        });
        let noise = Bytes::from_iter(noise.take(5000));
        for _ in 0..3 {
            let frame = compression.frame(agreed("permessage-deflate"), message(&noise));
            assert!(!is_compressed(&frame));
        }
        // That it does not is remembered.
        assert_eq!((metrics.payloads(), metrics.messages()), (1, 0));
    }

    #[test]
    fn short_and_long_messages_go_as_they_are() {
        let (compression, _) = compression();
        let (any, small) =
            (agreed("permessage-deflate"), agreed("permessage-deflate; server_max_window_bits=11"));
        let frame =
            |agreed, length| is_compressed(&compression.frame(agreed, message(&payload(length))));
        let envelope = message(&Bytes::new()).len();
        assert!(!frame(any, 1023 - envelope) && frame(any, 1024 - envelope));
        assert!(frame(any, MAX_PAYLOAD) && !frame(any, MAX_PAYLOAD + 1));
        assert!(frame(small, 2048) && !frame(small, 2049));
    }

    #[test]
    fn what_is_kept_is_bounded_and_its_place_is_not_taken_by_another() {
        let (compression, metrics) = compression();
        let agreed = agreed("permessage-deflate");
        // Each is dropped by everybody else: without the clone in the cache its memory would be used
        // by the next.
        for n in 0..3000_u32 {
            let mut bytes = payload(2000).to_vec();
            bytes[..4].copy_from_slice(&n.to_le_bytes());
            let bytes = Bytes::from(bytes);
            let (again, frame) = (bytes.clone(), compression.frame(agreed, message(&bytes)));
            let expected = Deflated::new(&again);
            let expected = OutFrame::deflated(Opcode::Text, &message(&again), &expected);
            assert_eq!(frame.to_bytes(), expected.to_bytes());
            let shared = compression.shared.lock();
            assert!(shared.entries.len() <= MAX_ENTRIES && shared.bytes <= MAX_BYTES);
        }
        assert_eq!(metrics.payloads(), 3000);
        let large: Vec<Bytes> = (0..9).map(|n| payload((1 << 20) + n)).collect();
        large.iter().for_each(|payload| {
            compression.frame(agreed, message(payload));
        });
        let shared = compression.shared.lock();
        assert_eq!(shared.entries.len(), shared.order.len());
        let bytes: usize = shared.entries.values().map(|entry| entry.payload.len()).sum();
        assert_eq!((shared.entries.len(), shared.bytes), (7, bytes));
    }
}
