//! What there is to know of a WebSocket.

use std::time::SystemTime;

use crate::{credentials::Headers, judge::Grant, watch::Watch};

/// A subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `graphql-transport-ws`
    Modern,
    /// `graphql-ws`
    Legacy,
}

impl Protocol {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Modern => "graphql-transport-ws",
            Self::Legacy => "graphql-ws",
        }
    }
}

/// What shows that credentials are in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// `connection_ack`
    Ack,
    /// `pong` with this number.
    Pong(u64),
    /// Any message of an operation that was sent with them or after them.
    Operation,
}

/// Credentials that were sent.
pub struct Pending {
    /// The number of the message.
    pub seq: u64,
    /// What counts, that of the upgrade included.
    pub headers: Headers,
    /// When.
    pub sent: SystemTime,
    /// How the answer looks.
    pub sign: Sign,
}

/// Who the client was found to be.
pub struct Held {
    /// The number of the message that said so.
    pub seq: u64,
    /// What the credentials meant, by all settings that may have counted; the identity is the same.
    pub grants: Vec<Grant>,
    /// When it was heard.
    pub since: SystemTime,
}

impl Held {
    /// Whether this holds of anything that they may have meant.
    pub fn may(&self, f: impl Fn(&Grant) -> bool) -> bool {
        self.grants.iter().any(f)
    }
}

/// An operation.
pub struct Operation {
    /// The number of its message.
    pub seq: u64,
    /// What comes of it.
    pub watch: Watch,
    /// The client has stopped it: until this is heard, something may come.
    pub stopped: Option<Stop>,
}

/// What ends a stopped operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `complete`
    Complete,
    /// `pong` with this number, since nothing else is said.
    Pong(u64),
}
