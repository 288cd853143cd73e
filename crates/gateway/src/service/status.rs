//! How things stand with a service.

use std::{fmt::Write, sync::Arc, time::SystemTime};

use artesian_compose::Digest;
use artesian_remote::RemoteError;
use parking_lot::Mutex;

use super::{Outcome, ServiceError};
use crate::config::{SchemaSource, ServiceConfig};

/// Whether the schema could be read the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It has not been tried to the end yet.
    Starting,
    /// It could.
    Up,
    /// It could not. A schema that was read before is still in use.
    Down,
}

impl State {
    /// The word for status pages and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// How things stand with a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The name of the source.
    pub name: Arc<str>,
    /// Where it is, without query.
    pub url: Arc<str>,
    /// The file that its schema is read from, if it is not introspected.
    pub schema_file: Option<Arc<str>>,
    /// Whether its schema could be read the last time.
    pub state: State,
    /// Since when that is so.
    pub since: SystemTime,
    /// Why it could not be read the last time.
    pub error: Option<Arc<str>>,
    /// The digest of the schema in use, in hexadecimal digits. `None`: there is no schema.
    pub digest: Option<Arc<str>>,
    /// When the schema last became another one.
    pub changed: Option<SystemTime>,
    /// When the schema was last read with success.
    pub read: Option<SystemTime>,
    /// How often it was read.
    pub reads: u64,
    /// How often it could not be read.
    pub failures: u64,
}

/// Where the status is kept.
pub(super) struct Board(Mutex<Status>);

/// Whether something is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IsNews(pub bool);

impl Board {
    pub fn new(name: &Arc<str>, config: &ServiceConfig) -> Self {
        let schema_file = match &config.schema {
            SchemaSource::Introspection => None,
            SchemaSource::File(path) => Some(path.display().to_string().into()),
        };
        Self(Mutex::new(Status {
            name: Arc::clone(name),
            url: config.upstream.url.to_string().into(),
            schema_file,
            state: State::Starting,
            since: SystemTime::now(),
            error: None,
            digest: None,
            changed: None,
            read: None,
            reads: 0,
            failures: 0,
        }))
    }

    pub fn status(&self) -> Status {
        self.0.lock().clone()
    }

    /// The schema was read. Whether it could not be before.
    pub fn succeeded(&self, outcome: &Outcome, digest: Digest) -> IsNews {
        let now = SystemTime::now();
        let mut status = self.0.lock();
        status.reads = status.reads.saturating_add(1);
        status.read = Some(now);
        status.error = None;
        if *outcome != Outcome::Unchanged {
            status.changed = Some(now);
            let mut text = String::new();
            for byte in digest.as_bytes() {
                // Writing to a text cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            status.digest = Some(text.into());
        }
        enter(&mut status, State::Up, now)
    }

    /// It was not read. Whether it could be before.
    pub fn failed(&self, error: &ServiceError) -> IsNews {
        let mut status = self.0.lock();
        status.failures = status.failures.saturating_add(1);
        // Why the service is left alone is more than that it is.
        let is_left_alone = *error == ServiceError::Remote { error: RemoteError::CircuitOpen };
        if status.error.is_none() || !is_left_alone {
            status.error = Some(error.to_string().into());
        }
        enter(&mut status, State::Down, SystemTime::now())
    }
}

fn enter(status: &mut Status, state: State, now: SystemTime) -> IsNews {
    let is_new = status.state != state;
    if is_new {
        status.state = state;
        status.since = now;
    }
    IsNews(is_new)
}
