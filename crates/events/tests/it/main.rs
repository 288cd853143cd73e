//! The hub against real brokers: nats-server and redis-server of Debian, and a scripted Kafka, of which
//! the registries have no server. Servers that are not installed fail the tests: `scripts/install.sh
//! brokers`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod kafka;
mod nats;
mod redis;
mod servers;
mod suite;
