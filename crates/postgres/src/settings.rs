//! What an administrator can set.

use std::{fmt, time::Duration};

/// Settings of a PostgreSQL backend.
///
/// ```
/// use artesian_postgres::Settings;
///
/// let mut settings = Settings::new("postgres://app@127.0.0.1/shop");
/// settings.max_connections = 20;
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where the database is: a `postgres://` or `postgresql://` URL in any form libpq has, or a
    /// `key=value` string. Parameters in it win over the other fields.
    pub url: String,
    /// The most connections that are open at a time.
    pub max_connections: usize,
    /// How long opening a connection may take.
    pub connect_timeout: Duration,
    /// How long an operation waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long a statement may run; `None` leaves it to the server's own setting.
    pub statement_timeout: Option<Duration>,
    /// How often live queries run again where changes cannot be seen.
    pub refetch_interval: Duration,
    /// How often to look whether the schema has changed; `None` never looks.
    pub schema_interval: Option<Duration>,
    /// Prepared statements kept per connection. 0 prepares none, which poolers in transaction mode
    /// need.
    pub statement_cache: usize,
    /// Whether the server may compile expressions to machine code. Its cost is larger than its gain
    /// for the small queries of an API.
    pub jit: bool,
    /// The name that `pg_stat_activity` shows.
    pub application_name: String,
}

impl Settings {
    /// Settings for a database, all others at their defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 50,
            connect_timeout: Duration::from_secs(5),
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: None,
            refetch_interval: Duration::from_secs(1),
            schema_interval: Some(Duration::from_secs(5)),
            statement_cache: 500,
            jit: false,
            application_name: "artesian".to_owned(),
        }
    }

    /// The statements that every new session runs.
    pub(crate) fn session_sql(&self) -> String {
        let mut sql = String::from(
            "SET standard_conforming_strings = on; SET client_min_messages = warning; ",
        );
        sql.push_str(if self.jit { "SET jit = on" } else { "SET jit = off" });
        if let Some(timeout) = self.statement_timeout {
            // 0 would mean "no limit" to the server.
            let milliseconds = timeout.as_millis().clamp(1, i32::MAX as u128);
            sql.push_str(&format!("; SET statement_timeout = {milliseconds}"));
        }
        sql
    }
}

/// Leaves out the URL: it can hold a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("refetch_interval", &self.refetch_interval)
            .field("statement_cache", &self.statement_cache)
            .field("jit", &self.jit)
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

/// Why settings cannot be used. No variant repeats the URL, since it can hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The database URL is malformed.
    #[error("the database URL is malformed: {0}")]
    Url(String),
    /// The database URL has a parameter that is not known.
    #[error("the database URL has the unknown parameter `{0}`")]
    UnknownParameter(String),
    /// A parameter of the database URL has a value that is not known.
    #[error("the parameter `{name}` of the database URL cannot be `{value}`: {expected}")]
    InvalidParameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// Certificates or keys for TLS cannot be read.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A number is out of its range.
    #[error("{0}")]
    Range(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_password() {
        let settings = Settings::new("postgres://app:secret@127.0.0.1/shop");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn session_sql_never_switches_the_timeout_off_by_rounding() {
        let mut settings = Settings::new("postgres:///");
        settings.statement_timeout = Some(Duration::from_micros(10));
        assert!(settings.session_sql().ends_with("SET statement_timeout = 1"));
    }
}
