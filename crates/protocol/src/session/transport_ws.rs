//! `graphql-transport-ws` (GraphQL over WebSocket RFC; graphql-ws, PROTOCOL.md), server role.

use bytes::Bytes;

use super::envelope::{Envelope, Ids};
use super::output::message;
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
        let longest = self.config.max_id_bytes;
        match envelope.kind.as_str() {
            "connection_init" => {
                let payload = envelope.object()?;
                if self.phase != Phase::AwaitInit {
                    self.finish(Some(CloseCode::TOO_MANY_INIT), "Too many initialisation requests");
                    return Ok(());
                }
                self.authenticate(payload.map(ToOwned::to_owned));
            }
            "ping" => {
                let pong = match envelope.object()? {
                    Some(payload) => message(
                        &br#"{"type":"pong","payload":"#[..],
                        Bytes::copy_from_slice(payload.get().as_bytes()),
                    ),
                    None => Message::whole(Bytes::from_static(br#"{"type":"pong"}"#)),
                };
                self.send(pong);
            }
            "pong" => {
                // Also legal without a ping, as a heartbeat in one direction.
                envelope.object()?;
            }
            "subscribe" => {
                let id = envelope.id(Ids::Strings, longest)?;
                let payload = envelope.payload.ok_or("`payload` is missing")?;
                let request = GraphQLRequest::from_json(payload.get().as_bytes())
                    .map_err(|error| error.to_string())?;
                if self.phase != Phase::Ready {
                    self.finish(Some(CloseCode::UNAUTHORIZED), "Unauthorized");
                    return Ok(());
                }
                if self.operations.key_of(&id).is_some() {
                    let reason = exists_reason(id.text());
                    self.finish(Some(CloseCode::SUBSCRIBER_EXISTS), &reason);
                    return Ok(());
                }
                self.start(id, request);
            }
            "complete" => {
                let id = envelope.id(Ids::Strings, longest)?;
                // Ids that are unknown or have ended are ignored: our end may have crossed theirs.
                if let Some(key) = self.operations.key_of(&id) {
                    self.operations.remove(key);
                    self.out.push_back(Output::Stop { key });
                }
            }
            "connection_ack" | "next" | "error" => {
                return Err(format!("`{}` is for servers to send", envelope.kind));
            }
            _ => return Err(String::from("unknown `type`")),
        }
        Ok(())
    }
}

/// The id is cut so that the end of the sentence survives.
fn exists_reason(id: &str) -> String {
    let mut end = id.len().min(crate::ws::MAX_REASON - "Subscriber for  already exists".len());
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    format!("Subscriber for {} already exists", id.get(..end).unwrap_or_default())
}
