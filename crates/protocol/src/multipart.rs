//! Apollo's multipart subscriptions (`subscriptionSpec=1.0`): encoder and parser.
//!
//! What real clients need: parts are `application/json`; the first part carries data (one client
//! fails on a leading heartbeat); the boundary that ends a part is sent with it, since clients hand a
//! part on only when they have seen its end; and the closing boundary is always sent.

mod decoder;

pub use decoder::{MultipartDecoder, MultipartError, MultipartItem, boundary};

use bytes::Bytes;

use crate::Message;
use crate::json;

/// Response headers of a multipart subscription.
pub const HEADERS: [(&str, &str); 3] = [
    ("content-type", "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
];

/// What stands before a value, the first boundary included if this is the first part.
macro_rules! prefix {
    ($encoder:expr, $open:literal) => {{
        const FIRST: &str =
            concat!("\r\n--graphql\r\ncontent-type: application/json\r\n\r\n", $open);
        const LATER: &str = concat!("\r\ncontent-type: application/json\r\n\r\n", $open);
        let has_parts = std::mem::replace(&mut $encoder.has_parts, true);
        Bytes::from_static(if has_parts { LATER } else { FIRST }.as_bytes())
    }};
}

/// Encodes one body. After every message the body stands right behind a boundary.
#[derive(Debug, Default)]
pub struct Encoder {
    has_parts: bool,
}

impl Encoder {
    /// An encoder of a body that has no bytes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An execution result: `{"payload":{…}}`.
    pub fn next(&mut self, payload: Bytes) -> Message {
        let prefix = prefix!(self, "{\"payload\":");
        Message::new(prefix, payload, Bytes::from_static(b"}\r\n--graphql"))
    }

    /// A result that consists of errors only: the operation was refused before it ran.
    pub fn next_errors(&mut self, errors: Bytes) -> Message {
        let prefix = prefix!(self, "{\"payload\":{\"errors\":");
        Message::new(prefix, json::error_list(errors), Bytes::from_static(b"}}\r\n--graphql"))
    }

    /// Errors that end a running subscription from the server's side.
    /// [`complete`](Self::complete) must follow.
    pub fn fatal(&mut self, errors: Bytes) -> Message {
        let prefix = prefix!(self, "{\"payload\":null,\"errors\":");
        Message::new(prefix, json::error_list(errors), Bytes::from_static(b"}\r\n--graphql"))
    }

    /// An empty object that keeps the connection alive; `None` before the first part.
    pub fn heartbeat(&self) -> Option<Message> {
        self.has_parts.then(|| {
            let part = b"\r\ncontent-type: application/json\r\n\r\n{}\r\n--graphql";
            Message::whole(Bytes::from_static(part))
        })
    }

    /// What makes the last boundary the closing one.
    pub fn complete(&self) -> Message {
        let end: &[u8] = if self.has_parts { b"--\r\n" } else { b"\r\n--graphql--\r\n" };
        Message::whole(Bytes::from_static(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "\r\ncontent-type: application/json\r\n\r\n";

    fn body(messages: &[Message]) -> String {
        messages.iter().map(|m| String::from_utf8_lossy(&m.to_bytes()).into_owned()).collect()
    }

    #[test]
    fn bytes_of_a_whole_body() {
        let mut encoder = Encoder::new();
        assert_eq!(encoder.heartbeat(), None);
        let messages = [
            encoder.next(Bytes::from(r#"{"data":{"n":1}}"#)),
            encoder.heartbeat().unwrap_or_default(),
            encoder.next(Bytes::from(r#"{"data":{"n":2}}"#)),
            encoder.fatal(Bytes::from("[]")),
            encoder.complete(),
        ];
        let expected = [
            "{\"payload\":{\"data\":{\"n\":1}}}",
            "{}",
            "{\"payload\":{\"data\":{\"n\":2}}}",
            "{\"payload\":null,\"errors\":[{\"message\":\"Internal server error\"}]}",
        ]
        .map(|part| format!("\r\n--graphql{HEAD}{part}"))
        .concat();
        assert_eq!(body(&messages), format!("{expected}\r\n--graphql--\r\n"));
        // A client sees the end of a part as soon as it has the part.
        for message in messages.get(..4).unwrap_or_default() {
            assert!(message.to_bytes().ends_with(b"\r\n--graphql"), "{message:?}");
        }
    }

    #[test]
    fn bodies_that_begin_otherwise() {
        let mut encoder = Encoder::new();
        let refused =
            [encoder.next_errors(Bytes::from("[{\"message\":\"no\"}]")), encoder.complete()];
        let part = "{\"payload\":{\"errors\":[{\"message\":\"no\"}]}}";
        assert_eq!(body(&refused), format!("\r\n--graphql{HEAD}{part}\r\n--graphql--\r\n"));

        let mut encoder = Encoder::new();
        let ended = [encoder.fatal(Bytes::from("[{\"message\":\"no\"}]")), encoder.complete()];
        let part = "{\"payload\":null,\"errors\":[{\"message\":\"no\"}]}";
        assert_eq!(body(&ended), format!("\r\n--graphql{HEAD}{part}\r\n--graphql--\r\n"));

        assert_eq!(body(&[Encoder::new().complete()]), "\r\n--graphql--\r\n");
    }
}
