//! What `artesian.yaml` says of one source of the gateway: an element of `sources:`.
//!
//! | module | subject |
//! |---|---|
//! | `reader` | objects whose members are all known, errors that say where |
//! | `graphql` | `graphql:` |
//! | `upstream` | times, limits, retries, transports: what [`artesian_remote`] is told |
//! | `identity` | `headers:` and what subscriptions say of the client |
//! | `fields` | which fields are seen, by whom, and which are live |

mod fields;
mod graphql;
mod identity;
mod reader;
mod suggest;
mod upstream;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path, path::PathBuf, sync::Arc, time::Duration};

use artesian_compose::{Pattern, ReadLimits};
use artesian_events::EventsConfig;
use artesian_remote::UpstreamConfig;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use self::reader::At;
pub use self::reader::ConfigError;
use crate::identity::IdentityRules;

/// One source of the gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Its name: letters, digits, `-` and `_`.
    pub name: Arc<str>,
    /// What comes before the names of its fields and types.
    pub prefix: Prefix,
    /// What it is.
    pub kind: SourceKind,
}

/// A message broker.
#[derive(Clone, Debug)]
pub struct EventsSource {
    /// Its settings.
    pub config: EventsConfig,
    /// The same as they were written.
    pub written: Value,
    /// Its schema in the schema definition language.
    pub schema: String,
}

impl PartialEq for EventsSource {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written && self.schema == other.schema
    }
}

impl EventsSource {
    fn read(at: &At<'_>, base_dir: &Path) -> Result<Self, ConfigError> {
        let config = EventsConfig::from_json(at.value).map_err(|error| {
            let path = error.path.strip_prefix("events").unwrap_or(&error.path);
            ConfigError { path: format!("{}{path}", at.path), message: error.problem }
        })?;
        let schema = match (&config.schema, &config.schema_file) {
            (Some(text), _) => text.clone(),
            (None, Some(file)) => {
                let path = base_dir.join(file);
                std::fs::read_to_string(&path)
                    .map_err(|error| at.error(format!("{}: {error}", path.display())))?
            }
            (None, None) => String::new(),
        };
        Ok(Self { config, written: at.value.clone(), schema })
    }
}

/// What a source is.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// A GraphQL service: `graphql:`.
    Service(Box<ServiceConfig>),
    /// Events of a message broker: `events:`.
    Events(Box<EventsSource>),
}

/// What comes before the names of a source's root fields and types. Default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// Before root fields.
    pub root_fields: String,
    /// Before types.
    pub types: String,
}

/// One GraphQL service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceConfig {
    /// How it is reached.
    pub upstream: UpstreamConfig,
    /// Where its schema comes from.
    pub schema: SchemaSource,
    /// How often it is introspected again. `None`: only on demand. Default: 60 s. A file is read again
    /// on demand only.
    pub refresh: Option<Duration>,
    /// How large its schema may be.
    pub read_limits: ReadLimits,
    /// Headers of the introspection alone, which the gateway sends on its own behalf.
    pub introspection_headers: Vec<(HeaderName, HeaderValue)>,
    /// What it is told of a client.
    pub identity: IdentityRules,
    /// Root fields to offer; empty: all.
    pub fields: Fields,
    /// What each role sees of `fields`. `None`: everybody sees all of them. Otherwise a role that is not
    /// named sees nothing, save the administrator, who sees everything.
    pub permissions: Option<BTreeMap<String, Fields>>,
    /// Its queries as live queries.
    pub live: LivePolicy,
    /// Certificate authorities that are trusted beside the machine's, as PEM.
    pub ca: Option<Arc<[u8]>>,
}

/// Where a service's schema comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaSource {
    /// The service is asked.
    Introspection,
    /// A file in the schema definition language.
    File(PathBuf),
}

/// Root fields, by their names at the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Those that are offered; empty: all.
    pub include: Vec<Pattern>,
    /// Those that are left out all the same; directives as `@name`.
    pub exclude: Vec<Pattern>,
}

/// How queries of a service are run as live queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivePolicy {
    /// How often a query is run again whose client names no interval. Default: 1 s.
    pub interval: Duration,
    /// The shortest interval that a client may name. Default: 200 ms.
    pub min_interval: Duration,
    /// Intervals by root field of the query type, by its name at the source. These can be subscribed to as
    /// well. A query of several takes the shortest.
    pub fields: BTreeMap<String, Duration>,
}

impl Default for LivePolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            min_interval: Duration::from_millis(200),
            fields: BTreeMap::new(),
        }
    }
}

impl Prefix {
    /// Reads `prefix:`.
    ///
    /// # Errors
    /// What cannot be used, with its place within it.
    pub fn from_json(value: &Value) -> Result<Self, ConfigError> {
        Self::read(At { path: String::new(), value })
    }

    fn read(at: At<'_>) -> Result<Self, ConfigError> {
        let mut prefix = Self::default();
        let mut object = at.object()?;
        object.set("root_fields", &mut prefix.root_fields, name_prefix)?;
        object.set("types", &mut prefix.types, name_prefix)?;
        object.finish()?;
        Ok(prefix)
    }
}

impl SourceConfig {
    /// Reads an element of `sources:` that has `graphql:` or `events:`. `${…}` has been replaced by
    /// then; relative paths begin at `base_dir`, and the certificates of `tls.ca` are read from there.
    ///
    /// # Errors
    /// What cannot be used, with its place within the element.
    pub fn from_json(value: &Value, base_dir: &Path) -> Result<Self, ConfigError> {
        let at = At { path: String::new(), value };
        let mut source = at.clone().object()?;
        let name = source.need("name")?;
        let text = name.text()?;
        let is_fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if text.is_empty() || text.len() > 64 || !text.chars().all(is_fit) {
            let message = "expected up to 64 letters, digits, `-` or `_`";
            return Err(name.error(message));
        }
        let prefix = source.get("prefix").map(Prefix::read).transpose()?.unwrap_or_default();
        let kind = match (source.get("graphql"), source.get("events")) {
            (Some(at), None) => SourceKind::Service(Box::new(graphql::read(at, base_dir)?)),
            (None, Some(at)) => SourceKind::Events(Box::new(EventsSource::read(&at, base_dir)?)),
            (Some(_), Some(at)) => {
                return Err(at.error("a source has either `graphql` or `events`"));
            }
            (None, None) => {
                // A misspelt `graphql` is worth more than the complaint that there is none.
                source.finish()?;
                return Err(at.error("expected `graphql` or `events`"));
            }
        };
        source.finish()?;
        Ok(Self { name: text.into(), prefix, kind })
    }
}

/// The beginning of a GraphQL name (spec, section 2.1.9).
fn name_prefix(at: &At<'_>) -> Result<String, ConfigError> {
    let text = at.text()?;
    let is_fit = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_fit || text.starts_with(|c: char| c.is_ascii_digit()) || text.starts_with("__") {
        let message = "expected letters, digits and `_`, beginning with a letter";
        return Err(at.error(message));
    }
    Ok(text.to_owned())
}
