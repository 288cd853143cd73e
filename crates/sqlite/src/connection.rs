//! Opening connections, all of one make.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::functions;
use crate::settings::Settings;

/// Prepared statements that each connection keeps.
const STATEMENT_CACHE: usize = 256;

/// The file to open: absolute, so that nothing in its name is taken for a URI, and known to exist or
/// to be wanted.
pub(crate) fn checked_path(settings: &Settings) -> Result<PathBuf, OpenError> {
    let path = &settings.path;
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(OpenError::InMemory);
    }
    let failed = |error: std::io::Error| OpenError::Failed {
        path: path.clone(),
        message: error.to_string(),
    };
    let absolute = std::path::absolute(path).map_err(failed)?;
    match std::fs::metadata(&absolute) {
        Ok(found) if found.is_file() => Ok(absolute),
        Ok(_) => Err(OpenError::NotAFile(path.clone())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !settings.create || settings.read_only {
                return Err(OpenError::Missing(path.clone()));
            }
            match absolute.parent() {
                Some(directory) if directory.is_dir() => Ok(absolute),
                _ => Err(OpenError::NoDirectory(path.clone())),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// Opens the writing connection. The answer's second part tells whether it can only read.
pub(crate) fn open_writer(
    path: &Path,
    settings: &Settings,
) -> rusqlite::Result<(Connection, bool)> {
    let flags = if settings.read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    } else if settings.create {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    };
    let connection = open(path, flags, settings)?;
    // Reads the header: tells now whether this is a database at all.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let read_only = connection.is_readonly("main")?;
    if read_only {
        connection.pragma_update(None, "query_only", true)?;
    } else {
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
        connection.pragma_update(None, "foreign_keys", true)?;
    }
    Ok((connection, read_only))
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(path: &Path, settings: &Settings) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, settings)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, access: OpenFlags, settings: &Settings) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(settings.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    functions::register(&connection)?;
    Ok(connection)
}
