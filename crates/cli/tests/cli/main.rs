//! The real binary, over SQLite.

#![allow(clippy::unwrap_used)]

mod commands;
mod following;
mod serving;
mod settings;
mod support;
