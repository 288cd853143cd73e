//! Brokers: addresses, credentials, TLS.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{
    ConfigError,
    scalars::{duration, one_or_more},
};
use crate::topic::BrokerKind;

/// A text that is in no log line and no error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    /// Not derived, since its errors would repeat what is there, e.g. a password of digits.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(D::Error::custom("expected a text; put it in quotes")),
        }
    }
}

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// One broker.
#[derive(Clone, Debug)]
pub enum BrokerConfig {
    /// NATS core.
    Nats(NatsConfig),
    /// Redis pub/sub.
    Redis(RedisConfig),
    /// Kafka.
    Kafka(KafkaConfig),
}

impl BrokerConfig {
    /// Which one it is.
    pub fn kind(&self) -> BrokerKind {
        match self {
            Self::Nats(_) => BrokerKind::Nats,
            Self::Redis(_) => BrokerKind::Redis,
            Self::Kafka(_) => BrokerKind::Kafka,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Nats(nats) => nats.check(),
            Self::Redis(redis) => redis.check(),
            Self::Kafka(kafka) => kafka.check(),
        }
    }
}

/// NATS. At most one kind of credentials.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsConfig {
    /// `nats://host:4222` or `tls://host:4222`, or a list of servers of one cluster.
    #[serde(deserialize_with = "one_or_more")]
    pub url: Vec<String>,
    /// A user, with `password`.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// A token.
    pub token: Option<Secret>,
    /// The seed of an nkey, `SU…`.
    pub nkey: Option<Secret>,
    /// A file with a JWT and a seed (`.creds`).
    pub credentials_file: Option<PathBuf>,
}

impl fmt::Debug for NatsConfig {
    /// Without the URLs, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConfig").field("user", &self.user).finish_non_exhaustive()
    }
}

impl NatsConfig {
    fn check(&self) -> Result<(), ConfigError> {
        if self.url.is_empty() {
            return Err(ConfigError::new("events.nats.url", "expected at least one URL"));
        }
        for url in &self.url {
            let scheme = url.split_once("://").map(|(scheme, _)| scheme);
            if !matches!(scheme, Some("nats" | "tls")) {
                let problem = "expected nats://host:port or tls://host:port";
                return Err(ConfigError::new("events.nats.url", problem));
            }
        }
        if self.user.is_some() != self.password.is_some() {
            return Err(ConfigError::new("events.nats", "`user` and `password` go together"));
        }
        let kinds = [
            self.user.is_some(),
            self.token.is_some(),
            self.nkey.is_some(),
            self.credentials_file.is_some(),
        ];
        if kinds.iter().filter(|is_there| **is_there).count() > 1 {
            let problem = "expected one of `user`, `token`, `nkey` and `credentials_file`";
            return Err(ConfigError::new("events.nats", problem));
        }
        Ok(())
    }
}

/// Redis.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:6379[/database]`, or `rediss://` with TLS.
    pub url: String,
    /// A user of the ACL, in place of the URL's.
    pub username: Option<String>,
    /// Its password, in place of the URL's.
    pub password: Option<Secret>,
}

impl fmt::Debug for RedisConfig {
    /// Without the URL, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig").field("username", &self.username).finish_non_exhaustive()
    }
}

impl RedisConfig {
    fn check(&self) -> Result<(), ConfigError> {
        match self.url.split_once("://") {
            Some(("redis" | "rediss", _)) => Ok(()),
            _ => {
                let problem = "expected redis://host:port or rediss://host:port";
                Err(ConfigError::new("events.redis.url", problem))
            }
        }
    }
}

/// Kafka.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// `host:port` of some brokers of the cluster.
    #[serde(deserialize_with = "one_or_more")]
    pub brokers: Vec<String>,
    /// What this client calls itself. Default: `artesian`.
    #[serde(default = "client_id")]
    pub client_id: String,
    /// Credentials.
    pub sasl: Option<Sasl>,
    /// How often the brokers are asked for topics and partitions. Default: 30 s.
    #[serde(default = "refresh", deserialize_with = "duration")]
    pub refresh: Duration,
    /// How much one answer may hold, in bytes; at least one record comes whatever its size. Default: 1 MiB.
    #[serde(default = "fetch_bytes")]
    pub fetch_bytes: u32,
}

fn client_id() -> String {
    "artesian".to_owned()
}

fn refresh() -> Duration {
    Duration::from_secs(30)
}

fn fetch_bytes() -> u32 {
    1 << 20
}

impl KafkaConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let is_address = |broker: &String| {
            broker
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if self.brokers.is_empty() || !self.brokers.iter().all(is_address) {
            return Err(ConfigError::new(
                "events.kafka.brokers",
                "expected host:port, or a list of these",
            ));
        }
        if !(1024..=64 << 20).contains(&self.fetch_bytes) {
            return Err(ConfigError::new("events.kafka.fetch_bytes", "expected 1024 to 67108864"));
        }
        if self.refresh < Duration::from_millis(100) {
            return Err(ConfigError::new("events.kafka.refresh", "expected at least 100ms"));
        }
        Ok(())
    }
}

/// Kafka's credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// How they are shown to the broker.
    pub mechanism: Mechanism,
    /// The user.
    pub username: String,
    /// Its password.
    pub password: Secret,
}

/// SASL's mechanisms.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The password itself (RFC 4616).
    Plain,
    /// A proof of the password (RFC 7677).
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// The same with a longer hash.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// TLS. Its presence switches TLS on for NATS and Kafka; Redis has `rediss://`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// A PEM file with certificate authorities, in addition to the machine's.
    pub ca: Option<PathBuf>,
    /// A PEM file with the certificate that this client shows, with its chain.
    pub cert: Option<PathBuf>,
    /// A PEM file with its key.
    pub key: Option<PathBuf>,
}

impl TlsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.cert.is_some() != self.key.is_some() {
            return Err(ConfigError::new("events.tls", "`cert` and `key` go together"));
        }
        Ok(())
    }
}
