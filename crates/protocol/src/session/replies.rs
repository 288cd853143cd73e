//! What is said to the client of its operations, and to keep the connection alive.

use bytes::Bytes;
use serde::Deserialize;
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
