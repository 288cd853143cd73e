//! One source over several: GraphQL services, a database, events of message brokers.
//!
//! | module | subject |
//! |---|---|
//! | [`config`] | what artesian.yaml says of a service |
//! | [`identity`] | what a service is told of a client |
//! | [`source`] | the source of the engine |
//! | [`service`] | a service with the schema that was read of it last |
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod config;
pub mod identity;
pub mod service;
pub mod source;

pub use source::{DatabaseMember, EventsMember, Gateway, GatewayError, Member, Refreshed, Sources};
