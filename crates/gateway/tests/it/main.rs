//! The gateway's parts against scripted services.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod scripted;
mod service;
mod service_faults;
mod service_file;
