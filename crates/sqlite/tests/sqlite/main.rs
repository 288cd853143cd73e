//! The SQLite backend against real files.
#![allow(clippy::unwrap_used)]

mod catalog;
mod demo;
mod dependencies;
mod feed;
mod feed_other_processes;
mod files;
mod queries;
mod support;
