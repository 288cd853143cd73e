//! The gateway before services that misbehave, and clients that must not suffer from it.

#![allow(clippy::unwrap_used, missing_docs)]

mod itself;
