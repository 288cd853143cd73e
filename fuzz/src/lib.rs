//! What the fuzz targets do with their input. Each checks what must hold for whatever a peer sends,
//! beyond that nothing panics.
#![forbid(unsafe_code)]

pub mod client;
pub mod credentials;
pub mod frames;
pub mod graphql;
pub mod http;
pub mod origins;
mod reference;
pub mod script;
pub mod seeds;
pub mod server;
pub mod streams;
pub mod tokens;
