//! Apollo's multipart subscriptions (`subscriptionSpec=1.0`): encoder.
//!
//! What real clients need: parts are `application/json`, the first part should carry data (one
//! client fails on a leading heartbeat), and the closing boundary is always sent.

use bytes::Bytes;

use crate::Message;
use crate::json;

/// Response headers of a multipart subscription.
pub const HEADERS: [(&str, &str); 3] = [
    ("content-type", "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0"),
    ("cache-control", "no-cache, no-transform"),
    ("x-accel-buffering", "no"),
];

const PART: &str = "--graphql\r\ncontent-type: application/json\r\n\r\n";

/// An empty object that keeps the connection alive. Do not send it before the first result.
pub fn heartbeat() -> Message {
    Message::whole(Bytes::from_static(b"--graphql\r\ncontent-type: application/json\r\n\r\n{}\r\n"))
}

/// An execution result.
pub fn next(payload: Bytes) -> Message {
    Message::new(
        Bytes::from_static(b"--graphql\r\ncontent-type: application/json\r\n\r\n{\"payload\":"),
        payload,
        Bytes::from_static(b"}\r\n"),
    )
}

/// An error that ends the subscription from the transport's side. [`complete`] must follow.
pub fn fatal(errors: Bytes) -> Message {
    Message::new(
        Bytes::from(format!("{PART}{{\"payload\":null,\"errors\":")),
        json::error_list(errors),
        Bytes::from_static(b"}\r\n"),
    )
}

/// The closing boundary.
pub fn complete() -> Message {
    Message::whole(Bytes::from_static(b"--graphql--\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_whole_body() {
        let body = [
            next(Bytes::from(r#"{"data":{"n":1}}"#)).to_bytes(),
            heartbeat().to_bytes(),
            fatal(Bytes::from("[]")).to_bytes(),
            complete().to_bytes(),
        ]
        .concat();
        let head = "--graphql\r\ncontent-type: application/json\r\n\r\n";
        let expected = format!(
            "{head}{{\"payload\":{{\"data\":{{\"n\":1}}}}}}\r\n{head}{{}}\r\n{head}\
             {{\"payload\":null,\"errors\":[{{\"message\":\"Internal server error\"}}]}}\r\n--graphql--\r\n"
        );
        assert_eq!(body, expected.as_bytes());
    }
}
