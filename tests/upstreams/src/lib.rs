//! The gateway between clients of every transport and a service that does on command whatever a
//! service can do wrong: no client hangs, nobody gets what is another's, memory stays bounded, and every
//! operation ends exactly once or goes on.
//!
//! | module | subject |
//! |---|---|
//! | [`wire`] | one HTTP connection at the service's end, byte by byte |
//! | [`schema`] | the service's schema, and what an operation asks of it |
//! | [`seen`] | what the service was told of a client |
//! | [`script`] | what the service is told to do |
//! | [`service`] | the service: queries, WebSockets, event streams, multipart bodies; what it saw |
//! | [`client`] | clients of the gateway's transports |
//! | [`gateway`] | the binary with a configuration |
//!
//! The service and the clients see real connections of the loopback; the gateway is the binary, found by
//! `ARTESIAN_BIN` or beside this crate's tests.

#![allow(clippy::unwrap_used, reason = "test support: a panic is the report")]

pub mod client;
pub mod gateway;
pub mod schema;
pub mod script;
pub mod seen;
pub mod service;
pub mod wire;
