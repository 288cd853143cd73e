//! The SQLite backend: one writer, a pool of readers, the catalog, and a feed of changes.
//!
//! [`Sqlite::open`] opens a file; what it offers the engine is [`artesian_database::Backend`].
//! Writes go through [`Writer::transaction`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::sync::Arc;

mod backend;
mod catalog;
mod connection;
pub mod demo;
mod dialect;
mod error;
mod feed;
mod functions;
mod parameters;
mod pool;
mod query;
mod reads;
mod schema;
mod settings;
mod tracker;
mod writer;

pub use backend::Sqlite;
pub use error::OpenError;
pub use settings::Settings;
pub use writer::Writer;

/// The crate that transactions are written with.
pub use rusqlite;

/// What the change feed and dependencies call a table.
fn table_id(name: &str) -> Arc<str> {
    Arc::from(format!("{}.{name}", catalog::SCHEMA))
}
