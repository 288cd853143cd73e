//! The legacy `graphql-ws` protocol of subscriptions-transport-ws, server role. Its text
//! (PROTOCOL.md) and its reference server disagree in places; this follows what clients rely on.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::deferred::{Deferred, Start};
use super::envelope::{Envelope, Ids};
use super::operations::ClientId;
use super::output::message;
use super::refresh::Answer;
use super::{CloseCode, Output, Phase, Session};
use crate::{GraphQLRequest, json};

impl Session {
    pub(super) fn legacy_text(&mut self, text: &[u8]) {
        let envelope = match Envelope::parse(text) {
            Ok(envelope) => envelope,
            Err(detail) => {
                self.connection_error(Some("null"), &format!("Invalid message: {detail}"));
                return;
            }
        };
        let longest = self.config.max_id_bytes;
        let id = envelope.id(Ids::StringsAndNumbers, longest);
        let compat = self.config.compat;
        let kind = match envelope.kind.as_str() {
            "subscribe" if compat.both_vocabularies => "start",
            "complete" if compat.both_vocabularies => "stop",
            kind => kind,
        };
        match kind {
            "connection_init" => match envelope.object() {
                Ok(payload) => {
                    let payload = payload.map(ToOwned::to_owned);
                    if self.phase == Phase::Authenticating {
                        self.defer(Deferred::Init(payload), text.len());
                    } else {
                        self.authenticate(payload, Answer::Acknowledgement);
                    }
                }
                Err(detail) => self.connection_error(Some("null"), detail),
            },
            "start" => match id {
                Ok(id) => {
                    let payload = envelope.payload.map(ToOwned::to_owned);
                    let start = Start { id, payload, init: self.operation_init(text) };
                    if self.phase == Phase::Ready {
                        self.legacy_start(start);
                    } else {
                        if self.phase == Phase::AwaitInit && compat.implicit_init {
                            self.authenticate(None, Answer::Nothing);
                        }
                        self.forget_deferred_start(&start.id);
                        self.replace(&start.id);
                        self.defer(Deferred::Start(start), text.len());
                    }
                }
                Err(detail) => self.plain_error(envelope.id.map(|_| "null"), detail),
            },
            "stop" => {
                // An unknown id, or none, is ignored.
                if let Ok(id) = id {
                    self.legacy_stop(id);
                }
            }
            "connection_terminate" => self.finish(None, ""),
            "" | "error" | "ka" if compat.ignore_stray => {}
            _ => {
                let id = id.map_or_else(|_| String::from("null"), |id| id.as_json());
                self.plain_error(envelope.id.map(|_| id.as_str()), "Invalid message type!");
            }
        }
    }

    pub(super) fn legacy_start(&mut self, start: Start) {
        let Start { id, payload, init } = start;
        self.replace(&id);
        let text = payload.as_deref().map_or("", RawValue::get);
        let request = if text.is_empty() {
            Err(String::from("`payload` is missing"))
        } else {
            GraphQLRequest::from_json(text.as_bytes()).map_err(|error| error.to_string())
        };
        match request {
            Ok(request) => self.start_with(id, request, init),
            Err(detail) => self.plain_error(Some(&id.as_json()), &detail),
        }
    }

    /// An id in use: the old operation gives way silently.
    fn replace(&mut self, id: &ClientId) {
        if let Some(key) = self.operations.key_of(id) {
            self.operations.remove(key);
            self.out.push_back(Output::Stop { key });
        }
    }

    fn legacy_stop(&mut self, id: ClientId) {
        if let Some(key) = self.operations.key_of(&id) {
            self.forget_deferred_start(&id);
            if let Some(operation) = self.operations.remove(key) {
                self.out.push_back(Output::Stop { key });
                // Clients wait for this (Python's gql).
                self.complete(&operation.id);
            }
        } else if let Some(stopped) = self.forget_deferred_start(&id) {
            self.defer(Deferred::Stopped(stopped), 0);
        }
    }

    /// Init was refused: `connection_error`, then the close frame, in this order on the wire.
    pub(super) fn legacy_refused(&mut self, reason: &str) {
        let reason = if reason.is_empty() { "Prohibited connection!" } else { reason };
        self.connection_error(None, reason);
        let code = match self.config.compat.refusal_closes_4400 {
            true => CloseCode::BAD_REQUEST,
            false => CloseCode::INTERNAL_ERROR,
        };
        self.finish(Some(code), reason);
    }

    /// `connection_error`, with an `id` if one is given as JSON.
    pub(super) fn connection_error(&mut self, id: Option<&str>, text: &str) {
        let id = id.map(|id| format!(r#","id":{id}"#)).unwrap_or_default();
        let text = json::string(text);
        self.send(message(
            format!(r#"{{"type":"connection_error"{id},"payload":"#),
            Bytes::from(match self.config.compat.connection_error_is_string {
                true => text,
                false => format!(r#"{{"message":{text}}}"#),
            }),
        ));
    }

    /// `error` for a message that starts nothing: with its id, null for one that cannot be used, and
    /// without one if it had none (or null).
    fn plain_error(&mut self, id: Option<&str>, text: &str) {
        let id = id.map(|id| format!(r#","id":{id}"#)).unwrap_or_default();
        self.send(message(
            format!(r#"{{"type":"error"{id},"payload":"#),
            Bytes::from(format!(r#"{{"message":{}}}"#, json::string(text))),
        ));
    }
}
