//! The server over real TCP, with a scripted stand-in for the engine.
#![allow(clippy::unwrap_used, missing_docs)]

mod admin;
mod authentication;
mod backpressure;
mod batch;
mod byte_rules;
mod compat;
mod compression;
mod console;
mod cors;
mod event_streams;
mod http;
mod http2;
mod http_idle;
mod identity;
mod identity_limits;
mod inbound;
mod limits;
mod metrics;
mod multipart;
mod open_sockets;
mod own_identity;
mod queues;
mod reload;
#[path = "../../../auth/tests/it/service.rs"]
mod service;
mod shutdown;
mod sse;
mod sse_single;
mod support;
mod websocket;
mod websocket_frames;
