//! The gateway before services that misbehave, and clients that must not suffer from it.
//!
//! `UPSTREAMS_SEED` and `UPSTREAMS_STEPS` make other and longer runs of the crowd; `UPSTREAMS_CASE`
//! leaves only the faults with this in their names.

#![allow(clippy::unwrap_used, missing_docs)]

mod circuit;
mod crowd;
mod faults;
mod isolation;
mod itself;
mod life;
mod negotiation;
mod sharing;
mod silence;
mod sources;
mod support;
mod unreachable;
