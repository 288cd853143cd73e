//! The sources of data, as the administrator is shown them.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;

/// The sources of a process.
#[async_trait]
pub trait Sources: Send + Sync {
    /// All sources in the order of the configuration, the database first.
    async fn list(&self) -> Vec<SourceStatus>;

    /// Reads the schema of the service with this name now, or those of all services, and waits until what
    /// is new is served.
    ///
    /// # Errors
    /// Nothing was read, since the name is none of a service.
    async fn refresh(&self, name: Option<&str>) -> Result<Vec<Refreshed>, RefreshError>;
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// PostgreSQL or SQLite.
    Database,
    /// A GraphQL service.
    GraphQL,
    /// A message broker.
    Events,
}

impl SourceKind {
    /// Its key in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::GraphQL => "graphql",
            Self::Events => "events",
        }
    }
}

/// How things stand with a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// What it is.
    pub kind: SourceKind,
    /// Where it is, without credentials. `None`: in several places.
    pub url: Option<Arc<str>>,
    /// `up`, `down`, or `starting` if it is not known yet.
    pub state: &'static str,
    /// Since when that is so, if that is known.
    pub since: Option<SystemTime>,
    /// Why it is down.
    pub error: Option<Arc<str>>,
    /// Of a service.
    pub schema: Option<SchemaStatus>,
}

/// The schema of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaStatus {
    /// Its digest in hexadecimal digits. `None`: there is none yet.
    pub digest: Option<Arc<str>>,
    /// The file that it is read from, if it is not introspected.
    pub file: Option<Arc<str>>,
    /// When it was last read with success.
    pub read: Option<SystemTime>,
    /// When it last became another one.
    pub changed: Option<SystemTime>,
    /// Why the one that was read last is not in use: it conflicts with other sources.
    pub refused: Option<Arc<str>>,
}

/// What came of reading a service's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The name of the source.
    pub name: Arc<str>,
    /// It.
    pub read: Read,
}

/// What came of reading a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// It is as it was.
    Unchanged,
    /// It is the first one.
    Joined,
    /// It is another one; what changed, as one line.
    Changed(Arc<str>),
    /// It could not be read, for this reason. What was read before stays in use.
    Failed(Arc<str>),
    /// It was read, and cannot be used beside the other sources, for this reason.
    Refused(Arc<str>),
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// There is no source of this name.
    #[error("there is no source `{name}`; there are: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A source whose schema is not read from a service.
    #[error(
        "the source `{0}` is no GraphQL service: the tables of a database are read again after SIGHUP, \
         and by themselves when they change; the schema of a broker stands in the configuration"
    )]
    NoService(String),
}
