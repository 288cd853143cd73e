//! Events of message brokers: NATS, Redis pub/sub and Kafka.
//!
//! A [`Hub`] is one broker: one subscription per distinct topic, however many local subscribers it has.
//! Topics come from [templates](topic::TopicTemplate), who may subscribe and what is passed on from
//! [conditions](predicate::Predicate). The crate knows nothing of GraphQL. See `docs/events.md`.

#![cfg_attr(test, allow(clippy::unwrap_used))]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod broker;
pub mod config;
pub mod context;
mod error;
mod event;
mod fan;
mod hub;
mod line;
pub mod path;
pub mod predicate;
mod stats;
pub mod template;
pub mod topic;

pub use config::{ConfigError, EventsConfig, FieldConfig};
pub use context::{Context, Lookup, Named};
pub use error::{EventsError, StartError};
pub use event::{Event, Message};
pub use hub::{Hub, Subscription};
pub use path::{Path, Root};
pub use predicate::Predicate;
pub use stats::Stats;
pub use template::{Template, ValueTemplate};
pub use topic::{BrokerKind, Topic, TopicTemplate};
