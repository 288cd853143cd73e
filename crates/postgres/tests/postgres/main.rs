//! The PostgreSQL backend against a real server. How to get one: see [`common::server_url`].

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail, and may say how long it took"
)]

mod batches;
mod cancellation;
mod catalog;
mod common;
mod execution;
mod restart;
mod schema_changes;
mod selection;
mod tls;
mod views;
