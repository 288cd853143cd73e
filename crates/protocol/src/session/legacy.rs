//! The legacy `graphql-ws` protocol of subscriptions-transport-ws, server role. Its text
//! (PROTOCOL.md) and its reference server disagree in places; this follows what clients rely on.

use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::envelope::{Envelope, Ids};
use super::operations::ClientId;
use super::output::message;
use super::{CloseCode, Output, Phase, Session};
use crate::{GraphQLRequest, Message, json};

/// A message that waits for the acknowledgement. Clients send `start` without waiting for it, and
/// sometimes before `connection_init`; it must not be run before then (CVE-2026-35523).
#[derive(Debug)]
pub(super) enum Deferred {
    /// A further `connection_init` while one is pending.
    Init(Option<Box<RawValue>>),
    /// A `start`.
    Start(ClientId, Option<Box<RawValue>>),
    /// A `start` that was stopped while it waited: it never runs, but its `complete` is owed.
    Stopped(ClientId),
}

/// What a deferred message costs beside its text.
const DEFERRED_OVERHEAD: usize = 64;

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
        match envelope.kind.as_str() {
            "connection_init" => match envelope.object() {
                Ok(payload) => {
                    let payload = payload.map(ToOwned::to_owned);
                    if self.phase == Phase::Authenticating {
                        self.defer(Deferred::Init(payload), text.len());
                    } else {
                        self.authenticate(payload);
                    }
                }
                Err(detail) => self.connection_error(Some("null"), detail),
            },
            "start" => match id {
                Ok(id) => {
                    let payload = envelope.payload.map(ToOwned::to_owned);
                    if self.phase == Phase::Ready {
                        self.legacy_start(id, payload.as_deref());
                    } else {
                        self.forget_deferred_start(&id);
                        self.replace(&id);
                        self.defer(Deferred::Start(id, payload), text.len());
                    }
                }
                Err(detail) => self.plain_error("null", detail),
            },
            "stop" => {
                // An unknown id, or none, is ignored.
                if let Ok(id) = id {
                    self.legacy_stop(id);
                }
            }
            "connection_terminate" => self.finish(None, ""),
            _ => {
                let id = id.map_or_else(|_| String::from("null"), |id| id.as_json());
                self.plain_error(&id, "Invalid message type!");
            }
        }
    }

    fn legacy_start(&mut self, id: ClientId, payload: Option<&RawValue>) {
        self.replace(&id);
        let text = payload.map_or("", RawValue::get);
        let request = if text.is_empty() {
            Err(String::from("`payload` is missing"))
        } else {
            GraphQLRequest::from_json(text.as_bytes()).map_err(|error| error.to_string())
        };
        match request {
            Ok(request) => self.start(id, request),
            Err(detail) => self.plain_error(&id.as_json(), &detail),
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
                let complete = self.complete_message(&operation.id);
                self.send(complete);
            }
        } else if let Some(stopped) = self.forget_deferred_start(&id) {
            self.defer(Deferred::Stopped(stopped), 0);
        }
    }

    /// Puts a message off. The queue is bounded; who fills it is disconnected.
    fn defer(&mut self, message: Deferred, bytes: usize) {
        self.deferred_bytes += bytes + DEFERRED_OVERHEAD;
        if self.deferred_bytes > self.config.pre_ack_queue_bytes {
            self.connection_error(None, "Too many messages before connection_ack");
            let reason = "Too many messages before connection_ack";
            self.finish(Some(CloseCode::POLICY), reason);
            return;
        }
        self.deferred.push_back(message);
    }

    fn forget_deferred_start(&mut self, id: &ClientId) -> Option<ClientId> {
        let at = self.deferred.iter().position(
            |message| matches!(message, Deferred::Start(other, _) if other.text() == id.text()),
        )?;
        match self.deferred.remove(at)? {
            Deferred::Start(id, _) => Some(id),
            _ => None,
        }
    }

    /// After `connection_ack`: the first `ka`, then what had to wait, up to a further init.
    pub(super) fn legacy_acknowledged(&mut self, now: Instant, first: bool) {
        if first && self.config.keep_alive_interval.is_some() {
            self.keep_alive();
            self.timers.start_keep_alive(now, &self.config);
        }
        while self.phase == Phase::Ready {
            match self.deferred.pop_front() {
                None => {
                    self.deferred = Default::default();
                    self.deferred_bytes = 0;
                    break;
                }
                Some(Deferred::Init(payload)) => self.authenticate(payload),
                Some(Deferred::Start(id, payload)) => self.legacy_start(id, payload.as_deref()),
                Some(Deferred::Stopped(id)) => {
                    let complete = self.complete_message(&id);
                    self.send(complete);
                }
            }
        }
    }

    /// Init was refused: `connection_error`, then close 1011, in this order on the wire.
    pub(super) fn legacy_refused(&mut self, reason: &str) {
        let reason = if reason.is_empty() { "Prohibited connection!" } else { reason };
        self.connection_error(None, reason);
        self.finish(Some(CloseCode::INTERNAL_ERROR), reason);
    }

    pub(super) fn keep_alive(&mut self) {
        self.send(Message::whole(Bytes::from_static(br#"{"type":"ka"}"#)));
    }

    /// `connection_error`, with an `id` if one is given as JSON.
    pub(super) fn connection_error(&mut self, id: Option<&str>, text: &str) {
        let id = id.map(|id| format!(r#","id":{id}"#)).unwrap_or_default();
        self.send(message(
            format!(r#"{{"type":"connection_error"{id},"payload":"#),
            Bytes::from(format!(r#"{{"message":{}}}"#, json::string(text))),
        ));
    }

    /// `error` for a message that starts nothing.
    fn plain_error(&mut self, id: &str, text: &str) {
        self.send(message(
            format!(r#"{{"type":"error","id":{id},"payload":"#),
            Bytes::from(format!(r#"{{"message":{}}}"#, json::string(text))),
        ));
    }
}
