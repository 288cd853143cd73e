//! Clients of GraphQL services: what a gateway needs to ask the services behind it.
//!
//! An [`Upstream`] is one service. [`Upstream::request`] runs queries and mutations over HTTP,
//! [`Upstream::subscribe`] carries subscriptions over a WebSocket with either subprotocol, an event
//! stream or a multipart body, and [`Upstream::poll`] makes live queries of queries. Services are treated with leniency and are not trusted: whatever one
//! sends, every operation ends exactly once, nobody gets what is another's, and memory stays bounded.
//!
//! | module | subject |
//! |---|---|
//! | [`config`] | settings and limits |
//! | [`operation`], [`credentials`] | what is asked, and for whom: together the key of everything that is shared |
//! | `http` | queries and mutations: connections, retries, what counts as a response |
//! | `ws` | the pool of sockets, the task of each, the opening handshake |
//! | `stream` | event streams and multipart bodies |
//! | [`subscription`] | owners of upstream operations, and the fan from one to many clients |
//! | [`poll`] | queries that are run again and again for all who want to hear of changes |
//! | `circuit` | leaving a service alone that fails |
//! | [`dial`] | TCP and TLS |
//! | [`error`] | what can go wrong |
//!
//! No value of a header, payload of `connection_init` or body is ever part of an error or of a log line.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod circuit;
pub mod config;
pub mod credentials;
pub mod dial;
pub mod endpoint;
pub mod error;
mod http;
pub mod operation;
pub mod poll;
mod response;
mod retry_after;
mod stats;
mod stream;
pub mod subscription;
mod upstream;
mod ws;

pub use artesian_fanout::backoff::pause;
pub use circuit::CircuitState;
pub use config::{Reconnect, Sharing, Transport, UpstreamConfig};
pub use credentials::Credentials;
pub use endpoint::Endpoint;
pub use error::RemoteError;
pub use operation::{Kind, Operation};
pub use poll::{Poll, Update};
pub use response::Response;
pub use stats::Stats;
pub use subscription::{End, Event, Subscription};
pub use upstream::Upstream;
