//! The server over real TCP, with a scripted stand-in for the engine.
#![allow(clippy::unwrap_used, missing_docs)]

mod backpressure;
mod batch;
mod byte_rules;
mod compat;
mod compression;
mod console;
mod cors;
mod http;
mod http2;
mod identity;
mod metrics;
mod multipart;
mod reload;
mod shutdown;
mod sse;
mod sse_single;
mod support;
mod websocket;
mod websocket_frames;
