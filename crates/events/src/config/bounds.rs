//! Times and limits.

use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, scalars::duration};

/// How long everything may take.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Name resolution, TCP, TLS and the login together. Default: 5 s.
    #[serde(deserialize_with = "duration")]
    pub connect: Duration,
    /// From a client's subscription to the broker's confirmation, the time included in which there is no
    /// connection. Default: 10 s.
    #[serde(deserialize_with = "duration")]
    pub subscribe: Duration,
    /// Silence after which the broker is asked whether it is there. Default: 15 s.
    #[serde(deserialize_with = "duration")]
    pub ping_interval: Duration,
    /// How long its answer may take, and that of a request to Kafka. Default: 10 s.
    #[serde(deserialize_with = "duration")]
    pub pong_deadline: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            subscribe: Duration::from_secs(10),
            ping_interval: Duration::from_secs(15),
            pong_deadline: Duration::from_secs(10),
        }
    }
}

impl Timeouts {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (name, time) in [
            ("connect", self.connect),
            ("subscribe", self.subscribe),
            ("ping_interval", self.ping_interval),
            ("pong_deadline", self.pong_deadline),
        ] {
            if time < Duration::from_millis(10) {
                return Err(ConfigError::new(
                    format!("events.timeouts.{name}"),
                    "expected at least 10ms",
                ));
            }
        }
        Ok(())
    }
}

/// How large and how many everything may be.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Distinct topics at a time. Default: 10,000.
    pub topics: usize,
    /// Bytes of a topic's name. Default: 255; Kafka allows no more than 249.
    pub topic_length: usize,
    /// Bytes of a message. Larger ones are dropped, which subscribers are told as a gap. Default: 1 MiB.
    pub message_bytes: usize,
    /// Bytes by which a subscriber may fall behind. Default: 4 MiB.
    pub buffer_bytes: usize,
    /// Queries at a time that supply what messages lack (`complete`); the others wait. Default: 64.
    pub concurrent_completions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            topics: 10_000,
            topic_length: 255,
            message_bytes: 1 << 20,
            buffer_bytes: 4 << 20,
            concurrent_completions: 64,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (name, limit) in [
            ("topics", self.topics),
            ("topic_length", self.topic_length),
            ("message_bytes", self.message_bytes),
            ("buffer_bytes", self.buffer_bytes),
            ("concurrent_completions", self.concurrent_completions),
        ] {
            if limit == 0 {
                return Err(ConfigError::new(
                    format!("events.limits.{name}"),
                    "expected at least 1",
                ));
            }
        }
        Ok(())
    }
}

/// Pauses between attempts to reach the broker: random ones between nothing and `first · 2ⁿ`, at most
/// `longest`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Default: 100 ms.
    #[serde(deserialize_with = "duration")]
    pub first: Duration,
    /// Default: 10 s.
    #[serde(deserialize_with = "duration")]
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(10) }
    }
}
