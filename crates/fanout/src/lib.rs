//! What carries one upstream subscription to all who share it, whatever the upstream is: a GraphQL
//! service (`remote`) or a message broker (`events`). It knows neither.
//!
//! | module | subject |
//! |---|---|
//! | [`broadcast`] | from one producer to any number of receivers, each event kept once, within a limit |
//! | [`backoff`] | pauses between attempts to get the upstream subscription back |
//! | [`counters!`] | what is counted meanwhile |
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod backoff;
pub mod broadcast;
mod counters;

pub use broadcast::Broadcast;
