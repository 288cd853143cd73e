//! `graphql-transport-ws` (GraphQL over WebSocket RFC; graphql-ws, PROTOCOL.md), server role.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::deferred::{Deferred, Start};
use super::envelope::Envelope;
use super::operations::ClientId;
use super::output::message;
use super::refresh::{Answer, Bearer, is_credentials, take_credentials};
use super::{CloseCode, Output, Phase, Session};
use crate::{GraphQLRequest, Message};

impl Session {
    pub(super) fn transport_ws_text(&mut self, text: &[u8]) {
        if let Err(detail) = self.transport_ws_message(text) {
            self.bad_message(&detail);
        }
    }

    /// Closes with 4400. The protocol leaves the reason's text open.
    pub(super) fn bad_message(&mut self, detail: &str) {
        let reason = format!("Invalid message received: {detail}");
        self.finish(Some(CloseCode::BAD_REQUEST), &reason);
    }

    fn transport_ws_message(&mut self, text: &[u8]) -> Result<(), String> {
        let envelope = Envelope::parse(text)?;
        let compat = self.config.compat;
        let longest = self.config.max_id_bytes;
        let kind = match envelope.kind.as_str() {
            "start" if compat.both_vocabularies => "subscribe",
            "stop" if compat.both_vocabularies => "complete",
            kind => kind,
        };
        match kind {
            "connection_init" => {
                let payload = envelope.object()?.map(ToOwned::to_owned);
                match self.phase {
                    Phase::AwaitInit => self.authenticate(payload, Answer::Acknowledgement),
                    Phase::Ready if compat.repeated_init => {
                        self.authenticate(payload, Answer::Acknowledgement);
                    }
                    Phase::Authenticating if compat.repeated_init => {
                        self.defer(Deferred::Init(payload), text.len());
                    }
                    _ => {
                        let reason = "Too many initialisation requests";
                        self.finish(Some(CloseCode::TOO_MANY_INIT), reason);
                    }
                }
            }
            "ping" => {
                let payload = envelope.object()?;
                // Of a client that was not accepted yet it is only a ping.
                match payload.filter(|raw| self.acknowledged && is_credentials(raw)) {
                    Some(credentials) => self.refresh(credentials.to_owned(), Bearer::Ping),
                    None => self.pong(payload),
                }
            }
            "pong" => {
                // Also legal without a ping, as a heartbeat in one direction.
                envelope.object()?;
            }
            "subscribe" => {
                let id = envelope.id(compat.ids(), longest)?;
                let payload = envelope.payload.ok_or("`payload` is missing")?;
                let mut request = read_request(payload)?;
                let mut credentials = take_credentials(&mut request, payload)?;
                let mut init = self.operation_init(text);
                if !matches!(init, Ok(None)) && credentials.take().is_some() && init.is_ok() {
                    init =
                        Err(String::from("an operation can bring one `connectionInit`, not two"));
                }
                if !self.acknowledged {
                    self.finish(Some(CloseCode::UNAUTHORIZED), "Unauthorized");
                } else if self.operations.key_of(&id).is_some() || self.is_deferred(&id) {
                    self.subscriber_exists(&id);
                } else if self.phase == Phase::Ready && credentials.is_none() {
                    self.start_with(id, request, init);
                } else {
                    let start = Start { id, payload: Some(payload.to_owned()), init };
                    match credentials {
                        Some(credentials) => self.refresh_and_start(credentials, start),
                        None => self.defer(Deferred::Start(start), text.len()),
                    }
                }
            }
            "complete" => {
                let id = envelope.id(compat.ids(), longest)?;
                // Ids that are unknown or have ended are ignored: our end may have crossed theirs.
                if let Some(key) = self.operations.key_of(&id) {
                    let operation = self.operations.remove(key);
                    self.out.push_back(Output::Stop { key });
                    if let Some(operation) = operation.filter(|_| compat.echo_complete) {
                        self.complete(&operation.id);
                    }
                } else if let Some(stopped) = self.forget_deferred_start(&id)
                    && compat.echo_complete
                {
                    self.defer(Deferred::Stopped(stopped), 0);
                }
            }
            "connection_terminate" if compat.terminate_everywhere => self.finish(None, ""),
            "" | "error" | "ka" if compat.ignore_stray => {}
            "connection_ack" | "next" | "error" => {
                return Err(format!("`{kind}` is for servers to send"));
            }
            _ => return Err(String::from("unknown `type`")),
        }
        Ok(())
    }

    /// Answers a `ping`.
    pub(super) fn pong(&mut self, payload: Option<&RawValue>) {
        self.send(match payload {
            Some(payload) => message(
                &br#"{"type":"pong","payload":"#[..],
                Bytes::copy_from_slice(payload.get().as_bytes()),
            ),
            None => Message::whole(Bytes::from_static(br#"{"type":"pong"}"#)),
        });
    }

    /// A `subscribe` that waited; it was found to be well-formed when it came, and credentials that
    /// it brought were made use of before.
    pub(super) fn transport_ws_start(&mut self, start: Start) {
        let Start { id, payload, init } = start;
        let request = payload.ok_or_else(String::new).and_then(|payload| {
            let mut request = read_request(&payload)?;
            take_credentials(&mut request, &payload)?;
            Ok(request)
        });
        match request {
            Ok(_) if self.operations.key_of(&id).is_some() => self.subscriber_exists(&id),
            Ok(request) => self.start_with(id, request, init),
            Err(detail) => self.bad_message(&detail),
        }
    }

    fn subscriber_exists(&mut self, id: &ClientId) {
        let reason = exists_reason(id.text());
        self.finish(Some(CloseCode::SUBSCRIBER_EXISTS), &reason);
    }
}

fn read_request(payload: &RawValue) -> Result<GraphQLRequest, String> {
    GraphQLRequest::from_json(payload.get().as_bytes()).map_err(|error| error.to_string())
}

/// The id is cut so that the end of the sentence survives.
fn exists_reason(id: &str) -> String {
    let mut end = id.len().min(crate::ws::MAX_REASON - "Subscriber for  already exists".len());
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    format!("Subscriber for {} already exists", id.get(..end).unwrap_or_default())
}
