//! The `events:` part of a source in `artesian.yaml`.
//!
//! `${VAR}` is replaced before it comes here. The schema is a text that this crate does not read.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::{
    context::Context,
    path::Root,
    predicate::{Predicate, PredicateError},
    template::{TemplateError, ValueTemplate},
    topic::{BrokerKind, Topic, TopicError, TopicTemplate},
};

mod bounds;
mod broker;
mod scalars;

pub use bounds::{Limits, Retry, Timeouts};
pub use broker::{
    BrokerConfig, KafkaConfig, Mechanism, NatsConfig, RedisConfig, Sasl, Secret, TlsConfig,
};

/// One broker and the fields that it feeds.
#[derive(Clone, Debug)]
pub struct EventsConfig {
    /// Which broker, and how it is reached.
    pub broker: BrokerConfig,
    /// SDL of the source.
    pub schema: Option<String>,
    /// A file with it, instead.
    pub schema_file: Option<String>,
    /// Certificate authorities and the certificate of this client.
    pub tls: Option<TlsConfig>,
    /// How long everything may take.
    pub timeouts: Timeouts,
    /// How large and how many everything may be.
    pub limits: Limits,
    /// Pauses between attempts.
    pub retry: Retry,
    /// The subscription fields, by name.
    pub fields: BTreeMap<String, FieldConfig>,
}

/// A subscription field that is fed by a broker.
#[derive(Clone, Debug)]
pub struct FieldConfig {
    /// Where its events come from; at least one.
    pub topics: Vec<TopicTemplate>,
    /// Who may subscribe. `None`: everybody who sees the source.
    pub roles: Option<Vec<String>>,
    /// What must hold before anything is subscribed to.
    pub require: Option<Predicate>,
    /// Which events are passed on.
    pub filter: Option<Predicate>,
    /// What of the message is the value. `None`: all of it.
    pub payload: Option<ValueTemplate>,
    /// Where the rest of the value comes from.
    pub complete: Option<Complete>,
}

/// A root query field of the gateway that supplies what the message lacks.
#[derive(Clone, Debug)]
pub struct Complete {
    /// Its name.
    pub field: String,
    /// Its arguments: an object.
    pub arguments: ValueTemplate,
}

/// What is wrong with the settings. Values of settings that may be secret are not repeated.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{path}: {problem}")]
pub struct ConfigError {
    /// Which setting, from `events` on, e.g. `events.fields.orderChanged.topic`.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(path: impl Into<String>, problem: impl ToString) -> Self {
        Self { path: path.into(), problem: problem.to_string() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    nats: Option<NatsConfig>,
    redis: Option<RedisConfig>,
    kafka: Option<KafkaConfig>,
    schema: Option<String>,
    schema_file: Option<String>,
    tls: Option<TlsConfig>,
    #[serde(default)]
    timeouts: Timeouts,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    fields: BTreeMap<String, RawField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    topic: Option<String>,
    topics: Option<Vec<String>>,
    roles: Option<Vec<String>>,
    require: Option<Value>,
    filter: Option<Value>,
    payload: Option<Value>,
    complete: Option<RawComplete>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawComplete {
    field: String,
    #[serde(default)]
    arguments: Value,
}

/// The most topics of one field.
const MOST_TOPICS: usize = 100;

impl EventsConfig {
    /// Reads the value of `events:`.
    ///
    /// # Errors
    /// Something is unknown, missing, of the wrong type or without sense; the error names the setting.
    pub fn from_json(value: &Value) -> Result<Self, ConfigError> {
        let raw: Raw = serde_path_to_error::deserialize(value).map_err(|error| {
            let path = match error.path().to_string().as_str() {
                "." => "events".to_owned(),
                path => format!("events.{path}"),
            };
            ConfigError::new(path, error.inner())
        })?;
        let broker = match (raw.nats, raw.redis, raw.kafka) {
            (Some(nats), None, None) => BrokerConfig::Nats(nats),
            (None, Some(redis), None) => BrokerConfig::Redis(redis),
            (None, None, Some(kafka)) => BrokerConfig::Kafka(kafka),
            _ => {
                return Err(ConfigError::new(
                    "events",
                    "expected one of `nats`, `redis` and `kafka`",
                ));
            }
        };
        broker.check()?;
        raw.limits.check()?;
        raw.timeouts.check()?;
        if let Some(tls) = &raw.tls {
            tls.check()?;
        }
        if raw.schema.is_some() == raw.schema_file.is_some() {
            return Err(ConfigError::new("events", "expected either `schema` or `schema_file`"));
        }
        let (kind, longest) = (broker.kind(), raw.limits.topic_length);
        let fields = raw.fields.into_iter().map(|(name, field)| {
            let path = format!("events.fields.{name}");
            Ok((name, field.compile(kind, longest, &path)?))
        });
        Ok(Self {
            broker,
            schema: raw.schema,
            schema_file: raw.schema_file,
            tls: raw.tls,
            timeouts: raw.timeouts,
            limits: raw.limits,
            retry: raw.retry,
            fields: fields.collect::<Result<_, ConfigError>>()?,
        })
    }
}

impl FieldConfig {
    /// Whether clients of this role may subscribe.
    pub fn is_open_to(&self, role: &str) -> bool {
        self.roles.as_ref().is_none_or(|roles| roles.iter().any(|open| open == role))
    }

    /// Whether `require` holds. The context has everything but the message.
    pub fn is_allowed(&self, context: &Context<'_>) -> bool {
        self.require.as_ref().is_none_or(|require| require.holds(context))
    }

    /// The topics for these values, in the order of the settings.
    ///
    /// # Errors
    /// A value is missing, or cannot be part of a topic.
    pub fn topics(&self, context: &Context<'_>) -> Result<Vec<Topic>, TopicError> {
        self.topics.iter().map(|topic| topic.expand(context)).collect()
    }

    /// Whether an event is passed on. The context has the message, too.
    pub fn passes(&self, context: &Context<'_>) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.holds(context))
    }

    /// The value of the field; `null` if `payload` names something that is missing.
    pub fn value<'a>(&'a self, context: &Context<'a>, message: &'a Value) -> Cow<'a, Value> {
        match &self.payload {
            Some(payload) => payload.expand(context).unwrap_or(Cow::Owned(Value::Null)),
            None => Cow::Borrowed(message),
        }
    }
}

impl RawField {
    fn compile(
        self,
        kind: BrokerKind,
        longest: usize,
        at: &str,
    ) -> Result<FieldConfig, ConfigError> {
        let texts = match (self.topic, self.topics) {
            (Some(topic), None) => vec![(format!("{at}.topic"), topic)],
            (None, Some(topics)) if (1..=MOST_TOPICS).contains(&topics.len()) => {
                let named = |(index, topic)| (format!("{at}.topics[{index}]"), topic);
                topics.into_iter().enumerate().map(named).collect()
            }
            (None, Some(_)) => {
                return Err(ConfigError::new(
                    format!("{at}.topics"),
                    format!("expected 1 to {MOST_TOPICS} topics"),
                ));
            }
            _ => return Err(ConfigError::new(at, "expected either `topic` or `topics`")),
        };
        let topics = texts.into_iter().map(|(path, text)| {
            TopicTemplate::parse(kind, &text, longest)
                .map_err(|error: TopicError| ConfigError::new(path, error))
        });
        let topics = topics.collect::<Result<_, _>>()?;
        let condition = |name: &str, value: Option<Value>| {
            let compiled = value.map(|value| Predicate::compile(&value)).transpose();
            compiled.map_err(|error: PredicateError| match error.at.as_str() {
                "" => ConfigError::new(format!("{at}.{name}"), error.problem),
                place => ConfigError::new(format!("{at}.{name}.{place}"), error.problem),
            })
        };
        let template = |name: &str, value: &Value| {
            ValueTemplate::compile(value)
                .map_err(|error: TemplateError| ConfigError::new(format!("{at}.{name}"), error))
        };
        let require = condition("require", self.require)?;
        if require.as_ref().is_some_and(|require| require.uses(Root::Payload)) {
            let problem = "is checked before there is a message, so it cannot use `payload`";
            return Err(ConfigError::new(format!("{at}.require"), problem));
        }
        let complete = self.complete.map(|complete| {
            let name = "complete.arguments";
            let arguments = match complete.arguments {
                Value::Null => Value::Object(serde_json::Map::new()),
                Value::Object(members) => Value::Object(members),
                _ => return Err(ConfigError::new(format!("{at}.{name}"), "expected an object")),
            };
            Ok(Complete { field: complete.field, arguments: template(name, &arguments)? })
        });
        Ok(FieldConfig {
            topics,
            roles: self.roles,
            require,
            filter: condition("filter", self.filter)?,
            payload: self.payload.as_ref().map(|value| template("payload", value)).transpose()?,
            complete: complete.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests;
