//! Clients of services against scripted services: over streams in memory where time is paused, over
//! the loopback where it is real.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod authorities;
mod faults;
mod gap;
mod http;
mod isolation;
mod kept;
mod loopback;
mod model;
mod negotiation;
mod poll;
mod poll_model;
mod reconnect;
mod streams;
mod support;
mod waiting;
mod websocket;
