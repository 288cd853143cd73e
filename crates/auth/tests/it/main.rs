//! Who is asking, against real keys and services on the loopback.
#![allow(clippy::unwrap_used, missing_docs)]

mod inspect;
mod key_sets;
mod matrix;
mod renewal;
mod service;
mod settings;
mod stats;
mod support;
mod tokens;
mod webhook;
