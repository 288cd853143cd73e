//! What a client's session asks its driver to do, and tells it.

use bytes::Bytes;

use crate::Message;
use crate::session::OperationKey;

/// An action for the driver, or news for whoever subscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientOutput {
    /// Send a text message.
    Send(Message),
    /// Send a WebSocket ping frame.
    WsPing,
    /// The server accepted the connection. Comes at most once.
    Acknowledged {
        /// The payload of `connection_ack` as JSON, if there is one.
        payload: Option<Bytes>,
    },
    /// A result of an operation.
    Next {
        /// The operation.
        key: OperationKey,
        /// The result as the server wrote it: a JSON object. Shares the memory of the message.
        payload: Bytes,
    },
    /// An operation ended with errors.
    Error {
        /// The operation.
        key: OperationKey,
        /// A JSON array of objects that is never empty, whatever shape the server chose.
        errors: Bytes,
    },
    /// An operation ended by itself. There may have been no result at all.
    Complete {
        /// The operation.
        key: OperationKey,
    },
    /// An operation ended because the connection did.
    Lost {
        /// The operation.
        key: OperationKey,
        /// Why, the same for all operations of the connection.
        reason: ConnectionEnd,
    },
    /// Send a close frame and end the connection. Nothing follows.
    Close {
        /// The close code.
        code: u16,
        /// The reason, at most 123 bytes.
        reason: String,
    },
}

/// Why a connection to a server ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionEnd {
    /// The server, or something on the way, closed the connection.
    #[error("the server closed the connection{}", code_and_reason(*.code, .reason))]
    Disconnected {
        /// The code of its close frame. `None`: there was none, or no close frame at all.
        code: Option<u16>,
        /// The reason of its close frame, at most 123 bytes.
        reason: String,
    },
    /// The server answered `connection_init` with `connection_error`.
    #[error("the server refused the connection")]
    Refused {
        /// The payload of `connection_error` as JSON, if there is one.
        payload: Option<Bytes>,
    },
    /// `connection_ack` did not come in time.
    #[error("the server did not acknowledge the connection in time")]
    AckTimeout,
    /// A ping was not answered in time, or `ka` stopped coming.
    #[error("the server fell silent")]
    Silent,
    /// The driver called [`ClientSession::close`](super::ClientSession::close).
    #[error("the connection was closed on this side")]
    ClosedHere,
}

fn code_and_reason(code: Option<u16>, reason: &str) -> String {
    match code {
        Some(code) if reason.is_empty() => format!(" ({code})"),
        Some(code) => format!(" ({code}: {reason})"),
        None => String::new(),
    }
}

/// Why an operation was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The connection has ended.
    #[error("the connection is closed")]
    Closed,
    /// [`ClientConfig::max_operations`](super::ClientConfig::max_operations) are alive.
    #[error("too many operations on this connection (limit: {0})")]
    TooManyOperations(usize),
    /// More than [`ClientConfig::max_waiting_bytes`](super::ClientConfig::max_waiting_bytes) would
    /// wait for the acknowledgement.
    #[error("too many bytes wait for the acknowledgement of this connection (limit: {0})")]
    TooManyBytes(usize),
}
