//! The extension `connectionInit` of Mercurius gateways: an identity of an operation's own.
//!
//! A Mercurius gateway has one socket to each service, for all of its clients. What a client said of
//! itself travels with each of its operations, in a list beside the payload (mercurius, issue #268 and
//! `lib/subscription-connection.js`, `handleGQLStart`):
//!
//! ```json
//! {"id":"1","type":"subscribe","payload":{…},"extensions":[{"type":"connectionInit","payload":{…}}]}
//! ```
//!
//! With [`Compat::operation_init`](super::Compat::operation_init) such a payload goes with
//! [`Output::Start`](super::Output::Start), and the driver runs the operation under the identity that
//! comes of it, whatever the socket's own is. In doubt the operation is refused: it must never run as
//! somebody else, and the socket's own identity is the gateway's.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Session, operations::ClientId};
use crate::{GraphQLRequest, json};

/// The only type that is known.
const CONNECTION_INIT: &str = "connectionInit";

/// What the code of a refusal is (`extensions.code`).
const CODE: &str = "BAD_REQUEST";

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    extensions: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Extension<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// What an operation brings of its own, or why it must not run.
pub(super) type OperationInit = Result<Option<Box<RawValue>>, String>;

/// The payload for `connection_init` that an operation brings for itself, from the text of its
/// message: a JSON object. Without one it belongs to the socket's identity.
///
/// # Errors
/// The operation must not run; the text says why.
pub(super) fn read(text: &[u8]) -> OperationInit {
    const REPEATED: &str = "`extensions` must stand once in a message";
    // The envelope was read from the same text, so it is JSON.
    let message: Message<'_> = serde_json::from_slice(text).map_err(|_| REPEATED)?;
    // Anything but a list is passed over, as Mercurius does.
    let Some(list) = message.extensions.filter(|raw| raw.get().starts_with('[')) else {
        return Ok(None);
    };
    const WRONG: &str =
        "`extensions` must be a list of objects, each with a `type` that is a string";
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| WRONG)?;
    let mut found = None;
    for item in list {
        // A derived struct would accept an array as well.
        if !json::is_object(item) {
            return Err(WRONG.into());
        }
        let extension: Extension<'_> = serde_json::from_str(item.get()).map_err(|_| WRONG)?;
        if extension.kind != CONNECTION_INIT {
            // In the words of Mercurius.
            return Err(format!("Unknown extension {}", shortened(&extension.kind)));
        }
        let payload = match extension.payload {
            Some(payload) if json::is_object(payload) => payload.to_owned(),
            Some(_) => return Err(format!("the payload of `{CONNECTION_INIT}` must be an object")),
            None => empty()?,
        };
        if found.replace(payload).is_some() {
            return Err(format!("`{CONNECTION_INIT}` must stand once in `extensions`"));
        }
    }
    Ok(found)
}

/// A client that says nothing of itself is nobody: not the one whose socket it is.
fn empty() -> Result<Box<RawValue>, String> {
    RawValue::from_string(String::from("{}")).map_err(|error| error.to_string())
}

/// Answers must not be much longer than what they answer.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 64;
    name.chars().take(LONGEST).collect()
}

impl Session {
    /// The payload that a `subscribe` or `start` brings for its operation alone, where that is known.
    pub(super) fn operation_init(&self, text: &[u8]) -> OperationInit {
        if self.config.compat.operation_init { read(text) } else { Ok(None) }
    }

    /// Starts an operation, or refuses one whose extensions cannot be followed.
    pub(super) fn start_with(
        &mut self,
        id: ClientId,
        request: GraphQLRequest,
        init: OperationInit,
    ) {
        match init {
            Ok(init) => self.start(id, request, init),
            Err(detail) => self.refuse_operation(&id, json::coded_error_list(&detail, CODE)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(extensions: &str) -> Result<Option<String>, String> {
        let text = format!(r#"{{"id":"1","type":"subscribe","extensions":{extensions}}}"#);
        read(text.as_bytes()).map(|found| found.map(|raw| raw.get().to_owned()))
    }

    #[test]
    fn the_payload_is_taken_as_it_was_written() {
        for payload in [r#"{ "token":"a", "token":"b" }"#, "{}", r#"{"headers":{"a":1e2}}"#] {
            let extensions =
                format!(r#"[ {{"x":1,"type":"connectionInit","payload":{payload}}} ]"#);
            assert_eq!(of(&extensions), Ok(Some(payload.to_owned())));
        }
    }

    #[test]
    fn a_client_without_a_payload_is_nobody() {
        for extension in
            [r#"{"type":"connectionInit"}"#, r#"{"type":"connectionInit","payload":null}"#]
        {
            assert_eq!(of(&format!("[{extension}]")), Ok(Some("{}".to_owned())));
        }
    }

    #[test]
    fn where_there_is_no_list_or_nothing_in_it_the_socket_counts() {
        for extensions in ["null", "[]", "[ ]", "{}", r#"{"connectionInit":{}}"#, "7", r#""[""#] {
            assert_eq!(of(extensions), Ok(None), "{extensions}");
        }
        assert!(read(br#"{"id":"1"}"#).unwrap().is_none());
    }

    #[test]
    fn in_doubt_the_operation_does_not_run() {
        let init = r#"{"type":"connectionInit","payload":{"token":"a"}}"#;
        for extensions in [
            format!("[{init},{init}]"),
            format!("[{init},null]"),
            format!("[{init},[]]"),
            format!(r#"[{init},{{"type":"other"}}]"#),
            r#"[{"type":"connectionInit","type":"connectionInit","payload":{}}]"#.into(),
            r#"[{"type":"connectionInit","payload":{},"payload":{"token":"b"}}]"#.into(),
            r#"[["connectionInit",{}]]"#.into(),
            r#"[{"payload":{}}]"#.into(),
            r#"[{"type":7}]"#.into(),
            r#"[{"type":"connectionInit","payload":[]}]"#.into(),
            r#"[{"type":"connectionInit","payload":"x"}]"#.into(),
        ] {
            assert!(of(&extensions).is_err(), "{extensions}");
        }
        assert!(read(br#"{"extensions":[],"extensions":[]}"#).is_err());
        assert_eq!(of(r#"[{"type":"x"}]"#), Err("Unknown extension x".into()));
        let long = of(&format!(r#"[{{"type":"{}"}}]"#, "é".repeat(1000))).unwrap_err();
        assert!(long.len() < 200);
    }
}
