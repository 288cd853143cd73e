//! A message in three pieces, so that one payload can be shared by any number of receivers.

use bytes::{Bytes, BytesMut};

/// A message that consists of a private prefix, a (usually shared) payload and a suffix.
///
/// Cloning and passing on a `Message` never copies the payload. The same type carries WebSocket text
/// messages, Server-Sent Events and multipart parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Bytes that belong to this receiver only, such as `{"id":"1","type":"next","payload":`.
    pub prefix: Bytes,
    /// The shared bytes, such as `{"data":{"n":1}}`.
    pub payload: Bytes,
    /// What closes the message, usually a static string such as `}`.
    pub suffix: Bytes,
}

impl Message {
    /// A message of three pieces.
    pub fn new(prefix: Bytes, payload: Bytes, suffix: Bytes) -> Self {
        Self { prefix, payload, suffix }
    }

    /// A message in one piece.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { prefix: Bytes::new(), payload: bytes.into(), suffix: Bytes::new() }
    }

    /// The length of all pieces together in bytes.
    pub fn len(&self) -> usize {
        self.prefix.len() + self.payload.len() + self.suffix.len()
    }

    /// Whether the message has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces in order. Some may be empty.
    pub fn pieces(self) -> [Bytes; 3] {
        [self.prefix, self.payload, self.suffix]
    }

    /// The whole message in one buffer. This copies; it is meant for tests and for transports that
    /// cannot write vectored.
    pub fn to_bytes(&self) -> Bytes {
        let mut all = BytesMut::with_capacity(self.len());
        all.extend_from_slice(&self.prefix);
        all.extend_from_slice(&self.payload);
        all.extend_from_slice(&self.suffix);
        all.freeze()
    }
}
