//! Who is asking, against real keys and services on the loopback.
#![allow(clippy::unwrap_used, missing_docs)]

mod key_sets;
mod matrix;
mod service;
mod support;
mod tokens;
mod webhook;
