//! What can go wrong with a service.

mod text;

use std::{sync::Arc, time::Duration};

use artesian_protocol::{
    session::client::{ConnectionEnd, SubscribeError},
    ws::{WsError, handshake::AnswerError},
};
use bytes::Bytes;
use serde::Deserialize;

/// The longest text of a service that becomes part of an error, in bytes.
const MAX_TEXT: usize = 200;

/// What went wrong with a service. Its text is fit for clients: it holds no header, no body, no URL and
/// nothing of the network behind; a reason that the service gave is cut and has no control characters.
/// [`RemoteError::in_detail`] is for those who run the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteError {
    /// No connection came about. What the operating system or TLS said of it, which may name the host
    /// (a certificate for another one): not part of the text.
    Unreachable(Arc<str>),
    /// The connection broke, or the service closed it; the close code of a WebSocket if there was one.
    Lost {
        /// The close code.
        code: Option<u16>,
        /// The reason that the service gave, often empty.
        reason: Arc<str>,
    },
    /// Something took too long.
    Timeout {
        /// What it was to do.
        what: Step,
        /// The time that it had.
        limit: Duration,
    },
    /// The service fell silent: pings were not answered, or its own signs of life stopped.
    Silent,
    /// A response, message, event or part exceeds its limit in bytes.
    TooLarge(usize),
    /// An answer that is not JSON.
    NotJson(u16),
    /// JSON that is no GraphQL response.
    NotGraphQL(u16),
    /// A status that is no success, without a GraphQL response.
    Status(u16),
    /// Status 429 or 503 with `Retry-After` (RFC 9110, section 10.2.3), without a GraphQL response.
    Unavailable {
        /// The status.
        status: u16,
        /// For how long nobody is to ask again. Pauses here are that long, but never longer than
        /// [`Retry::longest`](crate::config::Retry::longest) for that reason.
        retry_after: Duration,
    },
    /// A redirect. None is followed, since credentials would go along.
    Redirect(u16),
    /// These credentials are not let in: 401 or 403 at an upgrade or stream, `connection_error`, or a
    /// close with 4401 or 4403.
    Refused {
        /// The status or close code.
        code: Option<u16>,
        /// The reason that the service gave, often empty.
        reason: Arc<str>,
    },
    /// The service does not speak the protocol that is configured.
    Protocol(Arc<str>),
    /// The client read its events too slowly. The limit in bytes.
    TooSlow(usize),
    /// A limit of ours.
    Busy {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The service has failed several times in a row and is left alone for a while.
    CircuitOpen,
    /// The operation or the credentials cannot be sent.
    Request(Arc<str>),
    /// This client was shut down.
    ShutDown,
}

/// What a service was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// TCP, TLS, the handshake of a WebSocket.
    Connect,
    /// `connection_ack`.
    Acknowledge,
    /// The whole response, or the head of a stream's.
    Respond,
    /// The rest of a message that has begun.
    FinishMessage,
    /// Take what is sent to it.
    Read,
}

impl RemoteError {
    /// Whether nothing of the request can have reached the service, so that even a mutation may be
    /// repeated.
    pub fn never_sent(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::CircuitOpen | Self::Timeout { what: Step::Connect, .. }
        )
    }

    /// Whether it may go better the next time, without anybody having changed anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Silent | Self::CircuitOpen | Self::Timeout { .. } => true,
            Self::Unavailable { .. } => true,
            Self::Status(status) => matches!(status, 429 | 502..=504),
            Self::Lost { code, .. } => code.is_none_or(close_is_passing),
            _ => false,
        }
    }

    /// Whether this says that the service is in a bad state, whoever asks.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Silent | Self::Timeout { .. } => true,
            Self::Status(status) | Self::Unavailable { status, .. } => {
                matches!(status, 502..=504)
            }
            _ => false,
        }
    }

    /// Whether the service does not let these credentials in; others may be.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Status(401 | 403))
    }

    /// What a program may make of it, as `extensions.code` of an error: `access-denied` asks for fresh
    /// credentials, `service-unavailable` and `timeout` may go better later, `limit-exceeded` is a limit
    /// of ours, `slow-consumer` means that the client read too slowly, and `service-failed` is a fault
    /// of the service or of how it is configured.
    pub fn code(&self) -> &'static str {
        match self {
            _ if self.is_refusal() => "access-denied",
            Self::Unreachable(_)
            | Self::Lost { .. }
            | Self::Silent
            | Self::Unavailable { .. }
            | Self::CircuitOpen
            | Self::ShutDown => "service-unavailable",
            Self::Timeout { .. } => "timeout",
            Self::Busy { .. } => "limit-exceeded",
            Self::TooSlow(_) => "slow-consumer",
            Self::Status(429 | 502..=504) => "service-unavailable",
            _ => "service-failed",
        }
    }

    /// How long the service asks to wait at least; mostly nothing.
    pub(crate) fn least_pause(&self) -> Duration {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => Duration::ZERO,
        }
    }

    /// Whether a request that opens a WebSocket or a stream was answered as by a service that has none
    /// there, whoever asks and whenever.
    pub(crate) fn says_no_such_transport(&self) -> bool {
        match self {
            Self::NotJson(_) | Self::NotGraphQL(_) => true,
            Self::Status(status) => !matches!(status, 401 | 403 | 408 | 429 | 500..),
            _ => false,
        }
    }

    /// Whether the service took an upgrade, and then said nothing for as long as it has for its
    /// acknowledgement.
    pub(crate) fn is_unacknowledged(&self) -> bool {
        matches!(self, Self::Timeout { what: Step::Acknowledge, .. })
    }

    /// Whether it may be that the service wants to be offered another subprotocol.
    pub(crate) fn is_disagreement(&self) -> bool {
        matches!(self, Self::Protocol(_) | Self::Status(400))
    }

    pub(crate) fn unreachable(error: &dyn std::error::Error) -> Self {
        // The outer errors only say that there was one.
        let mut innermost = error;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Self::Unreachable(clean(&innermost.to_string()))
    }

    pub(crate) fn request(error: impl std::fmt::Display) -> Self {
        Self::Request(clean(&error.to_string()))
    }

    /// What a status without a GraphQL response means where a connection or stream was to be opened.
    pub(crate) fn status_of_opening(status: u16) -> Self {
        match status {
            300..=399 => Self::Redirect(status),
            401 | 403 => Self::Refused { code: Some(status), reason: Arc::from("") },
            _ => Self::Status(status),
        }
    }

    /// A payload per operation over something else than a WebSocket: without it the operation would run
    /// as if it were the gateway's own.
    pub(crate) fn no_place_for_payload() -> Self {
        Self::request("only WebSockets carry a payload per operation")
    }

    pub(crate) fn lost() -> Self {
        Self::Lost { code: None, reason: Arc::from("") }
    }

    /// What the end of a WebSocket means.
    pub(crate) fn of_connection(end: &ConnectionEnd, ack: Duration) -> Self {
        match end {
            ConnectionEnd::Disconnected { code, reason } => Self::of_close(*code, reason),
            ConnectionEnd::Refused { payload } => {
                Self::Refused { code: None, reason: message_of(payload.as_ref()) }
            }
            ConnectionEnd::AckTimeout => Self::Timeout { what: Step::Acknowledge, limit: ack },
            ConnectionEnd::Silent => Self::Silent,
            ConnectionEnd::ClosedHere => Self::ShutDown,
        }
    }

    /// What a close frame means. Codes: graphql-ws PROTOCOL.md; RFC 6455, section 7.4.
    pub(crate) fn of_close(code: Option<u16>, reason: &str) -> Self {
        let reason = clean(reason);
        match code {
            Some(4401 | 4403) => Self::Refused { code, reason },
            Some(1002 | 1003 | 1007 | 4400 | 4406 | 4409 | 4429) => {
                let code = code.unwrap_or_default();
                let text = if reason.is_empty() { "no reason" } else { &reason };
                Self::Protocol(format!("it closed the connection with {code}: {text}").into())
            }
            _ => Self::Lost { code, reason },
        }
    }

    pub(crate) fn of_answer(error: AnswerError) -> Self {
        match error {
            AnswerError::Status(status) => Self::status_of_opening(status),
            other => Self::Protocol(other.to_string().into()),
        }
    }

    pub(crate) fn of_frames(error: WsError, limit: usize) -> Self {
        match error {
            WsError::MessageTooBig | WsError::TooManyFragments => Self::TooLarge(limit),
            other => Self::Protocol(other.to_string().into()),
        }
    }

    pub(crate) fn of_subscribe(error: SubscribeError) -> Self {
        match error {
            SubscribeError::Closed => Self::lost(),
            SubscribeError::TooManyOperations(limit) => Self::Busy { what: "operations", limit },
            SubscribeError::TooManyBytes(limit) => {
                Self::Busy { what: "bytes waiting to be sent", limit }
            }
        }
    }
}

/// Which closes clients connect again after: those of the reference client (graphql-ws 6.4,
/// `client.ts`), and 1000 with operations alive, which servers send when they restart.
fn close_is_passing(code: u16) -> bool {
    match code {
        1000 | 1001 | 1005 | 1006 | 1012..=1014 => true,
        1002..=1999 | 4004 | 4005 | 4400 | 4401 | 4406 | 4409 | 4429 | 4500 => false,
        _ => true,
    }
}

/// A text of a service's as part of an error.
pub(crate) fn clean(text: &str) -> Arc<str> {
    let mut clean = String::new();
    for c in text.chars() {
        if clean.len() + c.len_utf8() > MAX_TEXT {
            clean.push('…');
            break;
        }
        clean.push(if c.is_control() { ' ' } else { c });
    }
    clean.trim().into()
}

/// The `message` of a `connection_error`; some servers send a string.
fn message_of(payload: Option<&Bytes>) -> Arc<str> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Payload {
        Text(String),
        Object { message: String },
    }
    let payload = payload.and_then(|bytes| serde_json::from_slice(bytes).ok());
    match payload {
        Some(Payload::Text(text) | Payload::Object { message: text }) => clean(&text),
        None => Arc::from(""),
    }
}

#[cfg(test)]
mod tests;
