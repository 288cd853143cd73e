//! Sessions in the client's role: scripts for both protocols, and servers that send anything.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod junk;
mod legacy;
mod runner;
mod transport_ws;
