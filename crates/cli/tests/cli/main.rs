//! The real binary, over SQLite.

#![allow(clippy::unwrap_used)]

mod commands;
mod following;
mod reloading;
mod serving;
mod settings;
mod support;
