//! From the driver's errors to the backend's.

use std::{error::Error as _, time::Duration};

use artesian_database::BackendError;
use deadpool::managed::{PoolError, TimeoutType};
use tokio_postgres::{
    Error,
    error::{DbError, Severity, SqlState},
};

use crate::{
    pool::OpenError,
    settings::{Settings, SettingsError},
};

impl From<SettingsError> for BackendError {
    fn from(error: SettingsError) -> Self {
        BackendError::Unsupported(error.to_string())
    }
}

/// The backend's error for a statement's, which ran for `elapsed`.
pub(crate) fn of_statement(
    error: &Error,
    elapsed: Duration,
    statement_timeout: Option<Duration>,
) -> BackendError {
    let Some(database) = error.as_db_error() else {
        return BackendError::Unavailable(with_causes(error));
    };
    if database.code() == &SqlState::QUERY_CANCELED {
        match statement_timeout {
            // The clock here started before the server's, so a timeout there has passed here too.
            // The server's message says the same, but in the language of its `lc_messages`.
            Some(limit) if elapsed >= limit => return BackendError::Timeout(milliseconds(limit)),
            _ if database.message().contains("statement timeout") => {
                return BackendError::Timeout(milliseconds(elapsed));
            }
            _ => {}
        }
    }
    of_database(database)
}

/// The backend's error for one that the server reported.
fn of_database(error: &DbError) -> BackendError {
    if is_outage(error.code()) {
        return BackendError::Unavailable(error.message().to_owned());
    }
    let mut detail = Vec::new();
    detail.extend(error.detail().map(str::to_owned));
    detail.extend(error.hint().map(|hint| format!("Hint: {hint}")));
    detail.extend(error.where_().map(|place| format!("Where: {place}")));
    for (what, name) in [
        ("Schema", error.schema()),
        ("Table", error.table()),
        ("Column", error.column()),
        ("Type", error.datatype()),
        ("Constraint", error.constraint()),
    ] {
        detail.extend(name.map(|name| format!("{what}: {name}")));
    }
    BackendError::Rejected {
        code: error.code().code().to_owned(),
        message: error.message().to_owned(),
        detail: (!detail.is_empty()).then(|| detail.join("\n")),
    }
}

/// The backend's error when no connection could be had.
pub(crate) fn of_pool(error: PoolError<OpenError>, settings: &Settings) -> BackendError {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => BackendError::Unavailable(format!(
            "all {} connections were busy for {} ms",
            settings.max_connections,
            settings.acquire_timeout.as_millis()
        )),
        PoolError::Timeout(_) => BackendError::Unavailable(format!(
            "connecting took longer than {} ms",
            settings.connect_timeout.as_millis()
        )),
        PoolError::Backend(OpenError::Driver(error)) => match error.as_db_error() {
            Some(database) => of_database(database),
            None => BackendError::Unavailable(with_causes(&error)),
        },
        PoolError::Backend(error) => BackendError::Unavailable(error.to_string()),
        PoolError::Closed => BackendError::Unavailable("the pool is closed".into()),
        other => BackendError::Unavailable(other.to_string()),
    }
}

/// What the server answered is not what the statement promised.
pub(crate) fn unexpected(message: impl Into<String>) -> BackendError {
    BackendError::Rejected { code: "XX000".into(), message: message.into(), detail: None }
}

/// Whether the connection is of no use after this error.
pub(crate) fn breaks_connection(error: &Error) -> bool {
    match error.as_db_error() {
        None => true,
        Some(error) => {
            let fatal = matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
            fatal || is_outage(error.code())
        }
    }
}

/// Whether the prepared statement must be prepared anew: the server lost it (a pooler, `DISCARD`),
/// or a table has changed so that the result would have another type. Nothing has been executed.
pub(crate) fn is_stale_statement(error: &Error) -> bool {
    error.as_db_error().is_some_and(|error| {
        error.code() == &SqlState::INVALID_SQL_STATEMENT_NAME
            || (error.code() == &SqlState::FEATURE_NOT_SUPPORTED
                && error.routine() == Some("RevalidateCachedQuery"))
    })
}

fn is_outage(code: &SqlState) -> bool {
    let connection = code.code().starts_with("08") && code != &SqlState::PROTOCOL_VIOLATION;
    // 57P05 is idle_session_timeout, which the driver has no name for.
    connection
        || code.code() == "57P05"
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
        ]
        .contains(code)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
