//! Clients of services against scripted services: over streams in memory where time is paused, over
//! the loopback where it is real.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod faults;
mod http;
mod isolation;
mod loopback;
mod model;
mod reconnect;
mod streams;
mod support;
mod websocket;
