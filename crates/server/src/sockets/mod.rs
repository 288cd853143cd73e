//! The open WebSockets and event streams: who they are, and closing those of one client.
//!
//! There may be very many: an open socket costs one allocation ([`entry::Slot`]) and a pointer to it
//! in one of [`SHARDS`](registry::SHARDS) lists. What changes often is written without any lock.

mod entry;
mod registry;

#[cfg(test)]
mod tests;

pub(crate) use entry::{Closing, Entry, Kind};
pub(crate) use registry::{Description, Filter, Listing, Page, Sockets};
