//! Protocol machines and codecs of Artesian, without any I/O.
//!
//! Nothing here opens a socket, reads a clock or starts a task: bytes, messages and
//! [`std::time::Instant`]s go in, frames and actions come out. The driver (the server's connection
//! task) owns the socket and the timers. Input from a peer never makes these machines panic.
//!
//! | module | subject |
//! |---|---|
//! | [`ws`] | RFC 6455: frame decoder, frame encoder, opening and closing handshake |
//! | [`session`] | the two GraphQL subprotocols, `graphql-transport-ws` and the legacy `graphql-ws`, in both roles |
//! | [`sse`] | GraphQL over Server-Sent Events: encoder, parser |
//! | [`multipart`] | Apollo's multipart subscriptions: encoder, parser |
//! | [`http`] | GraphQL over HTTP: request decoding, content negotiation, status codes, CSRF rule |
//! | [`message`] | a message made of a private prefix, shared payload and suffix |
#![deny(clippy::unwrap_used, clippy::panic)]

pub mod http;
mod json;
pub mod message;
pub mod multipart;
pub mod session;
pub mod sse;
pub mod ws;

pub use http::GraphQLRequest;
pub use message::Message;
pub use session::{OperationKey, Output, Session, SessionConfig};
pub use ws::Subprotocol;
