//! What a session asks its driver to do.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::OperationKey;
use crate::{GraphQLRequest, Message};

/// An action for the driver.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a text message.
    Send(Message),
    /// Send a WebSocket ping frame.
    WsPing,
    /// Find out who the client is and call [`Session::authenticated`](super::Session::authenticated).
    /// At most one is pending at a time. With the legacy protocol it may come again later; a refusal
    /// then closes the connection too, and what starts later belongs to the new identity.
    Authenticate {
        /// The payload of `connection_init`, a JSON object.
        payload: Option<Box<RawValue>>,
    },
    /// Run an operation and report through the `operation_…` calls, once it ends with exactly one of
    /// [`operation_error`](super::Session::operation_error),
    /// [`operation_failed`](super::Session::operation_failed) and
    /// [`operation_complete`](super::Session::operation_complete).
    Start {
        /// The operation's name from here on.
        key: OperationKey,
        /// What to run.
        request: Box<GraphQLRequest>,
    },
    /// Cancel an operation: no one wants its results any more.
    Stop {
        /// The operation.
        key: OperationKey,
    },
    /// Send a close frame and end the connection. Nothing follows.
    Close {
        /// The close code; without one the peer sees 1005.
        code: Option<u16>,
        /// The reason, at most 123 bytes.
        reason: String,
    },
}

/// `prefix`, `payload` and the closing brace of the message object.
pub(super) fn message(prefix: impl Into<Bytes>, payload: Bytes) -> Message {
    Message::new(prefix.into(), payload, Bytes::from_static(b"}"))
}
