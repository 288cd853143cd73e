//! What the service is told to do.

use std::borrow::Cow;

use bytes::Bytes;

/// What is done with an operation that is alive.
#[derive(Clone, Debug)]
pub enum Act {
    /// A result that says for whom it was made.
    Event(u64),
    /// A message of the operation with this payload, or this payload as an event or part.
    Payload(Cow<'static, str>),
    /// A message of its own on a WebSocket, in which `ID` is the operation's id; bytes of the body of a
    /// stream.
    Raw(Cow<'static, str>),
    /// Bytes of the connection.
    Bytes(Bytes),
    /// The result with this number, one byte a second.
    Trickle(u64),
    /// A result of so many bytes.
    Big(usize),
    /// The end.
    Complete,
    /// The end with the payload of `error`, in the form that the transport has for it.
    Errors(Cow<'static, str>),
    /// A close frame, then the end of the connection. Streams just end.
    Close(u16),
    /// The end of the connection.
    Cut,
    /// Half of a result, then the end of the connection.
    CutInside,
    /// The connection stays, and nothing is ever sent over it again, no pong either.
    Hush,
}

/// What becomes of a connection in the hands of the one who sent these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It ends.
    Cut,
    /// It stays until the client leaves.
    Stay,
    /// The next request is served.
    GoOn,
}

/// Bytes that stand where a response should be.
#[derive(Clone, Debug)]
pub struct Reply {
    /// All of them.
    pub bytes: Bytes,
    /// Whether they come one a second.
    pub is_slow: bool,
    /// What comes after them.
    pub then: Then,
}

impl Reply {
    /// These, and then that.
    pub fn new(bytes: impl Into<Bytes>, then: Then) -> Self {
        Self { bytes: bytes.into(), is_slow: false, then }
    }

    /// One byte a second.
    pub fn slow(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), is_slow: true, then: Then::Stay }
    }

    /// A whole response.
    pub fn whole(status: u16, kind: &str, body: &str) -> Self {
        Self::new(crate::wire::response(status, kind, body), Then::GoOn)
    }
}

/// How a client is let in that opens a WebSocket or a stream.
#[derive(Clone, Debug)]
pub enum Door {
    /// It is not: this is what it hears.
    Reply(Reply),
    /// The WebSocket is opened with this subprotocol, whatever was offered.
    Protocol(Option<&'static str>),
    /// `connection_init` is answered with these messages; `None` closes with that code or without one.
    Init(Vec<&'static str>, Option<Option<u16>>),
}
