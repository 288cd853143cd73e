//! Names of topics, and templates of them.
//!
//! Values in a template come from clients, so they cannot change what the template's author meant: they
//! hold no wildcard, no separator of the broker, and nothing that parts one value of the template from
//! the next. That makes a template injective: two topics are equal only if all values are.

use std::{fmt, sync::Arc};

use serde_json::Value;
use thiserror::Error;

use crate::{
    context::Context,
    path::Root,
    template::{Part, Template, TemplateError},
};

/// The brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BrokerKind {
    /// NATS core: subjects with tokens separated by `.`, and the wildcards `*` and `>`.
    Nats,
    /// Redis pub/sub: channels, and patterns as of `PSUBSCRIBE`.
    Redis,
    /// Kafka: topics of `a-z A-Z 0-9 . _ -`.
    Kafka,
}

impl BrokerKind {
    /// The name in settings, metrics and errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Kafka => "kafka",
        }
    }

    /// The longest name of a topic that the broker takes, in bytes. Kafka has a limit
    /// (`Topic.MAX_NAME_LENGTH`); NATS refuses control lines of more than 4,096 bytes, and those of a
    /// message have its subject and some more in it.
    pub(crate) fn longest_topic(self) -> usize {
        match self {
            Self::Nats => 2048,
            Self::Redis => 64 << 10,
            Self::Kafka => 249,
        }
    }

    /// Characters that part levels of a topic by the broker's rule or by convention.
    fn separators(self) -> &'static [char] {
        match self {
            Self::Nats | Self::Kafka => &['.'],
            Self::Redis => &[':', '.', '/'],
        }
    }
}

impl fmt::Display for BrokerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a broker is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    name: Arc<str>,
    is_pattern: bool,
}

impl Topic {
    /// A topic as its author wrote it, in which wildcards are meant.
    ///
    /// # Errors
    /// The broker has no such topics.
    pub fn new(broker: BrokerKind, name: &str) -> Result<Self, TopicError> {
        check_whole(broker, name)?;
        let is_pattern = match broker {
            BrokerKind::Nats => name.split('.').any(|token| matches!(token, "*" | ">")),
            BrokerKind::Redis => name.contains(['*', '?', '[']),
            BrokerKind::Kafka => false,
        };
        Ok(Self { name: name.into(), is_pattern })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there are wildcards in it.
    pub fn is_pattern(&self) -> bool {
        self.is_pattern
    }

    /// The same name, read as a pattern or not: Redis has a channel and a pattern of every name.
    pub(crate) fn with_pattern(self, is_pattern: bool) -> Self {
        Self { is_pattern, ..self }
    }
}

/// Why there is no topic. The texts name the place in the template and never the value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TopicError {
    /// The template is none.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Topics cannot depend on the message.
    #[error("a topic cannot hold a value of `payload`")]
    UsesPayload,
    /// Two values stand side by side, or with only letters and digits between them.
    #[error("two values of a topic need a separator between them, e.g. `.`")]
    NotSeparated,
    /// There is no topic of this form at the broker.
    #[error("not a topic of {broker}: {problem}")]
    Illegal {
        /// The broker.
        broker: BrokerKind,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// It is longer than the limit `topic_length`.
    #[error("the topic has more than {0} bytes")]
    TooLong(usize),
    /// A value is missing or `null`.
    #[error("the topic needs `{path}`, which is missing")]
    Missing {
        /// Which value.
        path: String,
    },
    /// A value cannot be a part of a topic.
    #[error("`{path}` cannot be part of a topic: {problem}")]
    Value {
        /// Which value.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl TopicError {
    /// The code in `extensions.code` of GraphQL errors.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "limit-exceeded",
            _ => "topic-invalid",
        }
    }
}

/// A template of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicTemplate {
    broker: BrokerKind,
    template: Template,
    /// Whether the author wrote wildcards.
    is_pattern: bool,
    /// What no value may hold, beside what the broker's rules forbid.
    separators: Vec<char>,
    /// In bytes.
    longest: usize,
}

impl TopicTemplate {
    /// Reads a template of topics that have at most `longest` bytes.
    ///
    /// # Errors
    /// It is no template, depends on the message, or no value makes it a topic of the broker.
    pub fn parse(broker: BrokerKind, text: &str, longest: usize) -> Result<Self, TopicError> {
        let template = Template::parse(text)?;
        if template.uses(Root::Payload) {
            return Err(TopicError::UsesPayload);
        }
        let mut separators = Vec::new();
        let mut example = String::new();
        let count = template.parts().len();
        for (at, part) in template.parts().iter().enumerate() {
            match part {
                Part::Value(_) => {
                    let next = at.checked_add(1).and_then(|at| template.parts().get(at));
                    if matches!(next, Some(Part::Value(_))) {
                        return Err(TopicError::NotSeparated);
                    }
                    example.push('a');
                }
                Part::Text(text) => {
                    let is_between = at > 0 && at + 1 < count;
                    let mut parts = text.chars().filter(|c| !c.is_alphanumeric()).peekable();
                    if is_between && parts.peek().is_none() {
                        return Err(TopicError::NotSeparated);
                    }
                    let counts = |c: &char| is_between || broker.separators().contains(c);
                    separators.extend(parts.filter(counts));
                    example.push_str(text);
                }
            }
        }
        if broker == BrokerKind::Nats {
            separators.push('.');
        }
        separators.sort_unstable();
        separators.dedup();
        let longest = longest.min(broker.longest_topic());
        let is_pattern = Topic::new(broker, &example)?.is_pattern;
        if example.len() > longest {
            return Err(TopicError::TooLong(longest));
        }
        Ok(Self { broker, template, is_pattern, separators, longest })
    }

    /// The topic for these values.
    ///
    /// # Errors
    /// A value is missing, or cannot be part of a topic.
    pub fn expand(&self, context: &Context<'_>) -> Result<Topic, TopicError> {
        let mut name = String::new();
        for part in self.template.parts() {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Value(path) => {
                    let missing = || TopicError::Missing { path: path.to_string() };
                    let value = context.look(path).ok_or_else(missing)?;
                    self.check_value(&value, name.is_empty(), &mut name)
                        .map_err(|problem| TopicError::Value { path: path.to_string(), problem })?;
                }
            }
            if name.len() > self.longest {
                return Err(TopicError::TooLong(self.longest));
            }
        }
        check_whole(self.broker, &name)?;
        Ok(Topic { name: name.into(), is_pattern: self.is_pattern })
    }

    /// Whether there is a value of this root in it.
    pub fn uses(&self, root: Root) -> bool {
        self.template.uses(root)
    }

    /// Appends a value to the topic if it can be a part of it.
    fn check_value(
        &self,
        value: &Value,
        is_first: bool,
        to: &mut String,
    ) -> Result<(), &'static str> {
        let number;
        let text = match value {
            Value::String(text) => text.as_str(),
            Value::Number(value) => {
                number = value.to_string();
                &number
            }
            Value::Bool(true) => "true",
            Value::Bool(false) => "false",
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err("expected a string, a number or a boolean");
            }
        };
        if text.is_empty() {
            return Err("it is empty");
        }
        if text.len() > self.longest {
            return Err("it is too long");
        }
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("it holds white space or control characters");
        }
        if text.contains(self.separators.as_slice()) {
            return Err("it holds a separator of the topic");
        }
        match self.broker {
            BrokerKind::Nats if text.contains(['*', '>']) => return Err("it holds a wildcard"),
            BrokerKind::Nats if is_first && text.starts_with(['$', '_']) => {
                return Err("it would begin a name that the server keeps for itself");
            }
            BrokerKind::Redis if text.contains(['*', '?', '[', ']', '\\', '^']) => {
                return Err("it holds a character of patterns");
            }
            BrokerKind::Kafka if !text.bytes().all(is_of_kafka) => {
                return Err("it holds other characters than a-z A-Z 0-9 . _ -");
            }
            BrokerKind::Kafka if is_first && text.starts_with('_') => {
                return Err("it would begin a name that the broker keeps for itself");
            }
            BrokerKind::Nats | BrokerKind::Redis | BrokerKind::Kafka => {}
        }
        to.push_str(text);
        Ok(())
    }
}

fn is_of_kafka(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Whether the broker has such topics: NATS's rules of subjects, Kafka's `Topic.validate`.
fn check_whole(broker: BrokerKind, name: &str) -> Result<(), TopicError> {
    let illegal = |problem| Err(TopicError::Illegal { broker, problem });
    if name.is_empty() {
        return illegal("it is empty");
    }
    if name.len() > broker.longest_topic() {
        return Err(TopicError::TooLong(broker.longest_topic()));
    }
    match broker {
        BrokerKind::Nats => {
            if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return illegal("white space and control characters are not allowed");
            }
            let mut tokens = name.split('.').peekable();
            while let Some(token) = tokens.next() {
                if token.is_empty() {
                    return illegal("there is nothing before, after or between two `.`");
                }
                if token.len() > 1 && token.contains(['*', '>']) {
                    return illegal("`*` and `>` stand alone between two `.`");
                }
                if token == ">" && tokens.peek().is_some() {
                    return illegal("`>` stands at the end");
                }
            }
        }
        BrokerKind::Redis => {
            if name.contains(char::is_control) {
                return illegal("control characters are not allowed");
            }
        }
        BrokerKind::Kafka => {
            if !name.bytes().all(is_of_kafka) {
                return illegal("only a-z A-Z 0-9 . _ - are allowed");
            }
            if matches!(name, "." | "..") {
                return illegal("`.` and `..` are not allowed");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
