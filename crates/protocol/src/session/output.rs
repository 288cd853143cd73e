//! What a session asks its driver to do.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{AuthenticateKind, OperationKey};
use crate::{GraphQLRequest, Message};

/// An action for the driver.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a text message.
    Send(Message),
    /// Send a WebSocket ping frame.
    WsPing,
    /// Find out who the client is and call [`Session::authenticated`](super::Session::authenticated).
    /// At most one is pending at a time. It may come again later; a refusal then closes the
    /// connection too. What started before goes on under the new identity, which is for the driver to
    /// see to, and what starts later belongs to it: no [`Start`](Self::Start) comes while one is
    /// pending.
    Authenticate {
        /// The payload of `connection_init`, or what stands for it: a JSON object.
        payload: Option<Box<RawValue>>,
        /// Whether it is the first, and if not, what brought it about.
        kind: AuthenticateKind,
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
        /// The payload of a `connection_init` that is this operation's alone, a JSON object: it runs
        /// under the identity that this payload proves, in the place of the connection's own, or is
        /// refused with [`operation_failed`](super::Session::operation_failed). Only with
        /// [`Compat::operation_init`](super::Compat::operation_init).
        init: Option<Box<RawValue>>,
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
