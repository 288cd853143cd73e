//! The server over real TCP, with a scripted stand-in for the engine.
#![allow(clippy::unwrap_used, missing_docs)]

mod backpressure;
mod console;
mod cors;
mod event_streams;
mod http;
mod http_idle;
mod identity;
mod inbound;
mod limits;
mod metrics;
mod queues;
mod shutdown;
mod sse;
mod support;
mod websocket;
mod websocket_frames;
