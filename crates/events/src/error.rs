//! Why a subscription is not there, or is there no longer.

use thiserror::Error;

use crate::{config::ConfigError, topic::BrokerKind};

/// Why a subscription failed. The texts are for clients: they hold no name of a topic or a machine.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EventsError {
    /// The broker cannot be reached, or does not confirm in time.
    #[error("the {0} broker cannot be reached")]
    Unavailable(BrokerKind),
    /// The broker does not let this server read the topic.
    #[error("the {0} broker refuses the topic")]
    Refused(BrokerKind),
    /// There is no such topic, and no subscription makes one.
    #[error("the {0} broker has no such topic")]
    UnknownTopic(BrokerKind),
    /// The limit of distinct topics.
    #[error("there are subscriptions to {0} different topics already")]
    TooManyTopics(usize),
    /// The limit of a topic's name.
    #[error("the topic has more than {0} bytes")]
    TopicTooLong(usize),
    /// The subscriber fell behind by more than the limit.
    #[error("the client reads too slowly: more than {0} bytes of events wait for it")]
    TooSlow(usize),
    /// The hub was closed.
    #[error("the server no longer reads from this broker")]
    Closed,
}

impl EventsError {
    /// The code in `extensions.code` of GraphQL errors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "broker-unavailable",
            Self::Refused(_) => "topic-refused",
            Self::UnknownTopic(_) => "topic-unknown",
            Self::TooManyTopics(_) | Self::TopicTooLong(_) => "limit-exceeded",
            Self::TooSlow(_) => "too-slow",
            Self::Closed => "shut-down",
        }
    }
}

/// Why a hub does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be read or has something else in it than it should.
    #[error("{setting}: {problem}")]
    File {
        /// Which setting names it.
        setting: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}
