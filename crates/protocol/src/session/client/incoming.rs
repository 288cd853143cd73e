//! What servers send. Servers differ from the protocols' texts and from one another, so whatever can
//! be understood is, and the rest is ignored.

use std::time::Instant;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ClientOutput, ClientSession, ConnectionEnd, Phase};
use crate::session::envelope::Envelope;
use crate::session::output::message;
use crate::session::{CloseCode, OperationKey};
use crate::ws::Subprotocol;
use crate::{Message, json};

/// Why a message was ignored.
struct Ignored;

impl ClientSession {
    /// A text message arrived. Never ends the connection, except for a `connection_error` before
    /// the acknowledgement.
    ///
    /// The names of results in both protocols are understood in both (`next`, `data`): some servers
    /// go by the first protocol offered whatever was agreed on (Mercurius).
    pub fn handle_text(&mut self, now: Instant, text: Bytes) {
        if self.is_closed() {
            return;
        }
        self.timers.message(now, &self.config);
        if self.understand(now, &text).is_err() {
            self.ignored += 1;
        }
    }

    /// A binary message arrived. It is read as if it were text, as a few servers send it.
    pub fn handle_binary(&mut self, now: Instant, bytes: Bytes) {
        self.handle_text(now, bytes);
    }

    fn understand(&mut self, now: Instant, text: &Bytes) -> Result<(), Ignored> {
        let envelope = Envelope::parse(text).map_err(|_| Ignored)?;
        let payload = envelope.payload;
        match envelope.kind.as_str() {
            "connection_ack" if self.phase == Phase::AwaitAck => {
                self.acknowledged(now, payload.map(|raw| part(text, raw)));
            }
            "connection_ack" if self.owed_acks > 0 => self.owed_acks -= 1,
            // Later it is about a message of ours that the server did not understand, it does not
            // say which, and the connection goes on.
            "connection_error" if self.phase == Phase::AwaitAck => {
                let end = ConnectionEnd::Refused { payload: payload.map(|raw| part(text, raw)) };
                self.finish(end, CloseCode::NORMAL, "");
            }
            "next" | "data" => {
                let key = own_key(&envelope)?;
                let payload = payload.filter(|raw| json::is_object(raw)).ok_or(Ignored)?;
                self.result(now, key, part(text, payload))?;
            }
            "error" => {
                let key = own_key(&envelope)?;
                self.operations.forget(key);
                self.end(key)?;
                let errors = errors(text, payload);
                self.out.push_back(ClientOutput::Error { key, errors });
            }
            "complete" => {
                let key = own_key(&envelope)?;
                self.operations.forget(key);
                // The result of a query may ride in its `complete` (Tyk's documentation), perhaps
                // for the second time.
                if let Some(payload) = payload
                    && self.operations.get_mut(key).is_some_and(|live| !live.delivered)
                    && is_result(payload)
                {
                    self.result(now, key, part(text, payload))?;
                }
                self.end(key)?;
                self.out.push_back(ClientOutput::Complete { key });
            }
            "ping" if self.protocol == Subprotocol::TransportWs => {
                let pong = match payload.filter(|raw| json::is_object(raw)) {
                    Some(payload) => {
                        message(&br#"{"type":"pong","payload":"#[..], part(text, payload))
                    }
                    None => Message::whole(Bytes::from_static(br#"{"type":"pong"}"#)),
                };
                self.out.push_back(ClientOutput::Send(pong));
            }
            "pong" => {}
            "ka" if self.protocol == Subprotocol::Legacy => {
                self.timers.keep_alive_received(now, &self.config);
            }
            _ => return Err(Ignored),
        }
        Ok(())
    }

    fn result(&mut self, now: Instant, key: OperationKey, payload: Bytes) -> Result<(), Ignored> {
        if self.phase == Phase::Ready
            && let Some(live) = self.operations.get_mut(key)
        {
            live.delivered = true;
            self.out.push_back(ClientOutput::Next { key, payload });
            return Ok(());
        }
        // Either our cancellation and this result have crossed, or the server has missed it.
        let patience = self.config.cancel_again_after;
        if let Some(at) = self.operations.cancelled_at(key)
            && now.saturating_duration_since(*at) >= patience
        {
            *at = now;
            self.send_cancel(key);
        }
        Err(Ignored)
    }

    /// An end that the server announces counts only for what it knows of.
    fn end(&mut self, key: OperationKey) -> Result<(), Ignored> {
        if self.phase == Phase::Ready && self.operations.remove(key) {
            return Ok(());
        }
        Err(Ignored)
    }
}

/// A part of a message, without a copy.
fn part(text: &Bytes, raw: &RawValue) -> Bytes {
    // Raw values that are borrowed from a text lie within it.
    text.slice_ref(raw.get().as_bytes())
}

/// The operation that an id of ours names. Ours are decimal strings; a server may turn them into
/// numbers.
fn own_key(envelope: &Envelope<'_>) -> Result<OperationKey, Ignored> {
    let raw = envelope.id.ok_or(Ignored)?.get();
    let digits = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Ignored);
    }
    digits.parse().map(OperationKey::new).map_err(|_| Ignored)
}

/// Whether a payload has a result's members.
fn is_result(payload: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Members<'a> {
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
        #[serde(borrow, default)]
        errors: Option<&'a RawValue>,
    }
    json::is_object(payload)
        && serde_json::from_str(payload.get())
            .is_ok_and(|Members { data, errors }| data.is_some() || errors.is_some())
}

/// The errors as an array of objects that is never empty. Servers send an array
/// (`graphql-transport-ws`), an object (subscriptions-transport-ws), a string (Mercurius before 15)
/// or nothing.
fn errors(text: &Bytes, payload: Option<&RawValue>) -> Bytes {
    let Some(payload) = payload else {
        return list([json::UNKNOWN_ERROR.to_owned()]);
    };
    match serde_json::from_str::<Vec<&RawValue>>(payload.get()) {
        Ok(errors) if errors.is_empty() => list([json::UNKNOWN_ERROR.to_owned()]),
        Ok(errors) if errors.iter().all(|error| json::is_object(error)) => part(text, payload),
        Ok(errors) => list(errors.into_iter().map(error)),
        Err(_) => list([error(payload)]),
    }
}

/// One error as an object.
fn error(raw: &RawValue) -> String {
    match raw.get() {
        object if json::is_object(raw) => object.to_owned(),
        text if text.starts_with('"') => format!(r#"{{"message":{text}}}"#),
        _ => json::UNKNOWN_ERROR.to_owned(),
    }
}

fn list(errors: impl IntoIterator<Item = String>) -> Bytes {
    let errors: Vec<String> = errors.into_iter().collect();
    Bytes::from(format!("[{}]", errors.join(",")))
}
