//! What is said to the client of its operations, and to keep the connection alive.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::operations::ClientId;
use super::output::message;
use super::{Output, Session};
use crate::ws::Subprotocol;
use crate::{Message, json};

impl Session {
    pub(super) fn send(&mut self, message: Message) {
        if !self.is_closed() {
            self.out.push_back(Output::Send(message));
        }
    }

    /// The operation did not start.
    pub(super) fn refuse_operation(&mut self, id: &ClientId, errors: Bytes) {
        let compat = self.config.compat;
        if self.protocol == Subprotocol::TransportWs {
            self.error(id, errors);
        } else if !compat.refusal_is_error {
            let prefix = format!(r#"{{"type":"data","id":{},"payload":{{"errors":"#, id.as_json());
            self.errors_object(prefix, errors);
            self.complete(id);
        } else if compat.refusal_has_errors_member {
            let prefix = format!(r#"{{"type":"error","id":{},"payload":{{"errors":"#, id.as_json());
            self.errors_object(prefix, errors);
            self.complete(id);
        } else {
            self.error(id, errors);
        }
    }

    fn errors_object(&mut self, prefix: String, errors: Bytes) {
        let errors = json::error_list(errors);
        self.send(Message::new(Bytes::from(prefix), errors, Bytes::from_static(b"}}")));
    }

    /// `error` of an operation: all errors as a list, or with the legacy protocol the first.
    pub(super) fn error(&mut self, id: &ClientId, errors: Bytes) {
        let id = id.as_json();
        let message = match self.protocol {
            Subprotocol::TransportWs => message(
                format!(r#"{{"id":{id},"type":"error","payload":"#),
                json::error_list(errors),
            ),
            Subprotocol::Legacy => message(
                format!(r#"{{"type":"error","id":{id},"payload":"#),
                match self.config.compat.error_is_list {
                    true => json::error_list(errors),
                    false => json::first_error(&errors),
                },
            ),
        };
        self.send(message);
    }

    pub(super) fn complete(&mut self, id: &ClientId) {
        let id = id.as_json();
        self.send(Message::whole(match self.protocol {
            Subprotocol::TransportWs => format!(r#"{{"id":{id},"type":"complete"}}"#),
            Subprotocol::Legacy => format!(r#"{{"type":"complete","id":{id},"payload":null}}"#),
        }));
    }

    /// `complete` that carries the result once more.
    pub(super) fn complete_with(&mut self, id: &ClientId, result: Bytes) {
        let id = id.as_json();
        let prefix = match self.protocol {
            Subprotocol::TransportWs => format!(r#"{{"id":{id},"type":"complete","payload":"#),
            Subprotocol::Legacy => format!(r#"{{"type":"complete","id":{id},"payload":"#),
        };
        self.send(message(prefix, result));
    }

    /// What is sent at the interval of `ka`, if anything.
    pub(super) fn keep_alive_text(&self) -> Option<&'static str> {
        let compat = self.config.compat;
        match self.protocol {
            Subprotocol::Legacy => Some(r#"{"type":"ka"}"#),
            Subprotocol::TransportWs if compat.ping_keep_alive => {
                Some(r#"{"type":"ping","payload":{"message":"keepalive"}}"#)
            }
            Subprotocol::TransportWs if compat.pong_keep_alive => {
                Some(r#"{"type":"pong","payload":{"type":"heartbeat"}}"#)
            }
            Subprotocol::TransportWs => None,
        }
    }

    pub(super) fn keep_alive(&mut self) {
        if let Some(text) = self.keep_alive_text() {
            self.send(Message::whole(Bytes::from_static(text.as_bytes())));
        }
    }

    /// Whether the first one follows the acknowledgement at once.
    pub(super) fn keeps_alive_at_once(&self) -> bool {
        self.protocol == Subprotocol::Legacy || self.config.compat.ping_keep_alive
    }
}

/// A result whose `data` is null, without that member. Nothing for any other result, which is seen by
/// its first bytes: results are long, and nothing writes errors before data that there are.
pub(super) fn without_null_data(result: &[u8]) -> Option<Bytes> {
    #[derive(Deserialize, Serialize)]
    struct Result<'a> {
        #[serde(borrow, default, skip_serializing)]
        data: Option<&'a RawValue>,
        #[serde(borrow, default)]
        errors: Option<&'a RawValue>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        extensions: Option<&'a RawValue>,
    }
    let start = result.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start();
    if let Some(data) = start.strip_prefix(b"\"data\"") {
        let value = data.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        value.strip_prefix(b"null")?;
    }
    let parsed: Result = serde_json::from_slice(result).ok()?;
    if parsed.data.is_some() || parsed.errors.is_none() {
        return None;
    }
    serde_json::to_vec(&parsed).ok().map(Bytes::from)
}

/// The errors of a result that has no data.
pub(super) fn errors_without_data(result: &[u8]) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Result<'a> {
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
        #[serde(borrow, default)]
        errors: Option<&'a RawValue>,
    }
    let result: Result = serde_json::from_slice(result).ok()?;
    let errors = result.errors.filter(|_| result.data.is_none())?;
    Some(Bytes::copy_from_slice(errors.get().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_data_is_left_out_and_nothing_else() {
        let rows = [
            (
                r#"{"data":null,"errors":[{"message":"x"}]}"#,
                Some(r#"{"errors":[{"message":"x"}]}"#),
            ),
            (
                r#" { "errors" : [1] , "extensions":{"a":1}, "data" : null }"#,
                Some(r#"{"errors":[1],"extensions":{"a":1}}"#),
            ),
            (r#"{"errors":[1],"data":{"a":null}}"#, None),
            (r#"{"data":{"a":null},"errors":[1]}"#, None),
            (r#"{"data":null}"#, None),
            (r#"{"data":nullable}"#, None),
            ("", None),
        ];
        for (result, expected) in rows {
            let got = without_null_data(result.as_bytes());
            assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{result}");
        }
    }
}
