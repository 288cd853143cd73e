//! What can go wrong, in words for the person who can mend it.

use std::path::PathBuf;

use artesian_database::BackendError;
use rusqlite::ErrorCode;

/// Why a database could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be understood.
    #[error("`{url}` is not the URL of an SQLite database: {why}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such file.
    #[error("the database file {path} does not exist; check the path, or ask for it to be created (`mode=rwc`)", path = .0.display())]
    Missing(PathBuf),
    /// The directory that the file should be created in does not exist.
    #[error("the database file {path} cannot be created: its directory does not exist", path = .0.display())]
    NoDirectory(PathBuf),
    /// It is a directory or the like.
    #[error("{path} is not a file, so it cannot be a database", path = .0.display())]
    NotAFile(PathBuf),
    /// The content is something else, or encrypted.
    #[error("{path} is not an SQLite database (or it is encrypted)", path = .0.display())]
    NotADatabase(PathBuf),
    /// In-memory databases cannot be shared by several connections.
    #[error("a database in memory cannot be served; name a file")]
    InMemory,
    /// Anything else, as SQLite says it.
    #[error("the database file {path} cannot be opened: {message}", path = .path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        message: String,
    },
}

impl From<OpenError> for BackendError {
    fn from(error: OpenError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl OpenError {
    /// The error for what SQLite said while the file was being opened.
    pub(crate) fn from_sqlite(path: &std::path::Path, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(path.to_owned()),
            _ => Self::Failed { path: path.to_owned(), message: message_of(error) },
        }
    }
}

/// What a failed call means to whoever asked.
pub(crate) fn backend_error(error: &rusqlite::Error) -> BackendError {
    let message = message_of(error);
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::DiskFull
            | ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed,
        ) => BackendError::Unavailable(message),
        _ => BackendError::Rejected {
            code: code_of(error).to_owned(),
            message,
            detail: detail_of(error),
        },
    }
}

/// An error of a parameter's value.
pub(crate) fn datatype_mismatch(message: String) -> BackendError {
    BackendError::Rejected { code: "datatype_mismatch".to_owned(), message, detail: None }
}

/// An error of Artesian's own, not of SQLite or of the user.
pub(crate) fn internal(message: &str) -> BackendError {
    BackendError::Rejected {
        code: "internal".to_owned(),
        message: message.to_owned(),
        detail: None,
    }
}

fn message_of(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(e, _) if e.code == ErrorCode::DatabaseCorrupt => {
            "the database file is damaged (SQLite: database disk image is malformed); \
             `PRAGMA integrity_check` says where, a backup is the cure"
                .to_owned()
        }
        rusqlite::Error::SqliteFailure(e, _) if e.code == ErrorCode::DatabaseBusy => {
            "another process has locked the database for longer than the busy timeout".to_owned()
        }
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

fn detail_of(error: &rusqlite::Error) -> Option<String> {
    match error {
        rusqlite::Error::SqlInputError { sql, offset, .. } => {
            let from = usize::try_from(*offset).ok()?;
            let near: String = sql.get(from..)?.chars().take(40).collect();
            Some(format!("at byte {offset} of the statement: {near}"))
        }
        _ => None,
    }
}

/// The name of SQLite's primary result code.
fn code_of(error: &rusqlite::Error) -> &'static str {
    let code = match error {
        rusqlite::Error::SqliteFailure(e, _) => e.extended_code,
        rusqlite::Error::SqlInputError { error, .. } => error.extended_code,
        _ => return "SQLITE_MISUSE",
    };
    match code & 0xff {
        2 => "SQLITE_INTERNAL",
        3 => "SQLITE_PERM",
        4 => "SQLITE_ABORT",
        5 => "SQLITE_BUSY",
        6 => "SQLITE_LOCKED",
        7 => "SQLITE_NOMEM",
        8 => "SQLITE_READONLY",
        9 => "SQLITE_INTERRUPT",
        10 => "SQLITE_IOERR",
        11 => "SQLITE_CORRUPT",
        12 => "SQLITE_NOTFOUND",
        13 => "SQLITE_FULL",
        14 => "SQLITE_CANTOPEN",
        15 => "SQLITE_PROTOCOL",
        17 => "SQLITE_SCHEMA",
        18 => "SQLITE_TOOBIG",
        19 => "SQLITE_CONSTRAINT",
        20 => "SQLITE_MISMATCH",
        21 => "SQLITE_MISUSE",
        22 => "SQLITE_NOLFS",
        23 => "SQLITE_AUTH",
        25 => "SQLITE_RANGE",
        26 => "SQLITE_NOTADB",
        _ => "SQLITE_ERROR",
    }
}
