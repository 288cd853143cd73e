//! Splitting and joining against a reference, and a small gateway over services on loopback.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod choices;
mod executor;
mod gateway;
mod loopback;
mod operations;
mod property;
mod schemas;
mod services;
mod values;
