//! GraphQL over Server-Sent Events, distinct connections mode (graphql-sse, PROTOCOL.md;
//! WHATWG HTML section 9.2): encoder, and the parser of an event stream.
//!
//! What real clients need: lines end with LF, the JSON stands in one `data:` line, and `complete`
//! has an empty `data:` line.

mod decoder;

pub use decoder::{SseDecoder, SseError, SseItem};

use bytes::Bytes;

use crate::Message;
use crate::json;

/// Response headers of an event stream. It must not be compressed or buffered on its way.
pub const HEADERS: [(&str, &str); 3] = [
    ("content-type", "text/event-stream"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
];

/// A comment that clients ignore. Send one at once after the headers, so that they are flushed, and
/// then regularly (the reference: every 12 s).
pub fn heartbeat() -> Message {
    Message::whole(Bytes::from_static(b":\n\n"))
}

/// A `next` event with an execution result.
pub fn next(payload: Bytes) -> Message {
    Message::new(
        Bytes::from_static(b"event: next\ndata: "),
        single_line(payload),
        Bytes::from_static(b"\n\n"),
    )
}

/// A `next` event whose result consists of errors only. A request error is sent inside the stream
/// in this way, never as a 4xx.
pub fn next_errors(errors: Bytes) -> Message {
    Message::new(
        Bytes::from_static(b"event: next\ndata: {\"errors\":"),
        single_line(json::error_list(errors)),
        Bytes::from_static(b"}\n\n"),
    )
}

/// The `complete` event, the last one.
pub fn complete() -> Message {
    Message::whole(Bytes::from_static(b"event: complete\ndata:\n\n"))
}

/// A `next` event in single connection mode, where events name their operation.
pub fn next_for(operation_id: &str, payload: Bytes) -> Message {
    let id = json::string(operation_id);
    Message::new(
        Bytes::from(format!("event: next\ndata: {{\"id\":{id},\"payload\":")),
        single_line(payload),
        Bytes::from_static(b"}\n\n"),
    )
}

/// The `complete` event of one operation in single connection mode.
pub fn complete_for(operation_id: &str) -> Message {
    let id = json::string(operation_id);
    Message::whole(Bytes::from(format!("event: complete\ndata: {{\"id\":{id}}}\n\n")))
}

/// The same JSON without line breaks. Inside JSON strings line breaks are always escaped, so the
/// ones that are there are insignificant whitespace. Copies only if there is one.
pub fn single_line(json: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &json).is_none() {
        return json;
    }
    let mut line = Vec::from(json);
    for byte in &mut line {
        if matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    Bytes::from(line)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bytes_of_every_event() {
        let text = |m: Message| String::from_utf8(m.to_bytes().to_vec()).unwrap();
        assert_eq!(
            text(next(Bytes::from(r#"{"data":{"n":1}}"#))),
            "event: next\ndata: {\"data\":{\"n\":1}}\n\n"
        );
        assert_eq!(text(complete()), "event: complete\ndata:\n\n");
        assert_eq!(text(heartbeat()), ":\n\n");
        assert_eq!(
            text(next_errors(Bytes::from(r#"[{"message":"x"}]"#))),
            "event: next\ndata: {\"errors\":[{\"message\":\"x\"}]}\n\n"
        );
        assert_eq!(
            text(next_for("a\"", Bytes::from("{}"))),
            "event: next\ndata: {\"id\":\"a\\\"\",\"payload\":{}}\n\n"
        );
        assert_eq!(text(complete_for("a")), "event: complete\ndata: {\"id\":\"a\"}\n\n");
    }

    #[test]
    fn line_breaks_become_spaces_and_nothing_is_copied_without_need() {
        let clean = Bytes::from(r#"{"data":{"s":"a\nb"}}"#);
        assert_eq!(single_line(clean.clone()).as_ptr(), clean.as_ptr());
        let broken = Bytes::from("{\r\n\"data\":\n{}}");
        assert_eq!(single_line(broken), "{  \"data\": {}}");
    }
}
