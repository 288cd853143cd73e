//! The PostgreSQL backend: pool, catalog, execution, change feed.
//!
//! [`Postgres`] implements [`artesian_database::Backend`] for PostgreSQL 13 and newer.
//!
//! - Parameters travel in PostgreSQL's text format, whatever their type, so that the server's own
//!   input functions read them.
//! - The first run of a statement on a connection is one round trip with an unnamed statement; from
//!   the second run on it is prepared, in a cache of bounded size.
//! - A future that is dropped cancels its statement at the server, and the connection is used again
//!   only when it is certain that the cancellation can hit nothing else.
//! - The catalog is read with a handful of set-based queries that travel in one round trip.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail"))]

mod array;
mod backend;
mod catalog;
mod connection_string;
mod dependencies;
mod endpoint;
mod error;
mod execute;
mod pool;
mod running;
mod settings;
mod text;
mod tls;

pub use backend::Postgres;
pub use settings::{Settings, SettingsError};
