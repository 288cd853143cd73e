//! Where the database is and how it is opened.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::OpenError;
use crate::parameters::hex_byte;

/// How to open a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The database file.
    pub path: PathBuf,
    /// How many connections read at the same time. Default: one per core, at most 8.
    pub readers: usize,
    /// Create the file if it is missing; otherwise a missing file is an error.
    pub create: bool,
    /// Open for reading only. A file without permission to write is opened so by itself.
    pub read_only: bool,
    /// How long a statement waits for a lock that another process holds. Default: 5 s.
    pub busy_timeout: Duration,
    /// How long one read may run before it is interrupted; zero: without a limit. Default: 30 s.
    ///
    /// It counts from the moment a reader takes the statement up. Transactions of the writer have
    /// no such limit.
    pub statement_timeout: Duration,
    /// How often to look for commits of other processes while somebody listens to the change feed;
    /// zero: never. Default: 100 ms.
    pub data_version_interval: Duration,
}

impl Settings {
    /// The defaults for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            path: path.into(),
            readers: cores.min(8),
            create: false,
            read_only: false,
            busy_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            data_version_interval: Duration::from_millis(100),
        }
    }

    /// The settings that a database URL stands for: `sqlite:app.db`, `sqlite:///srv/app.db`, with
    /// `?mode=ro`, `?mode=rw` (the default) or `?mode=rwc` (create the file if it is missing).
    pub fn from_url(url: &str) -> Result<Self, OpenError> {
        let invalid = |why: &str| OpenError::Url { url: url.to_owned(), why: why.to_owned() };
        let rest = url
            .strip_prefix("sqlite:")
            .or_else(|| url.strip_prefix("file:"))
            .ok_or_else(|| invalid("it must begin with `sqlite:`"))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = percent_decoded(path)
            .ok_or_else(|| invalid("a `%` is not followed by two hex digits"))?;
        if path.is_empty() {
            return Err(invalid("it names no file; write for example `sqlite:app.db`"));
        }
        let mut settings = Self::new(path);
        for option in query.split('&').filter(|o| !o.is_empty()) {
            match option {
                "mode=ro" => settings.read_only = true,
                "mode=rw" => {}
                "mode=rwc" => settings.create = true,
                other => {
                    return Err(invalid(&format!(
                        "`{other}` is not known; there is `mode=ro`, `mode=rw` and `mode=rwc`"
                    )));
                }
            }
        }
        Ok(settings)
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            bytes.push(hex_byte(rest.next()?, rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_files() {
        let path = |url| Settings::from_url(url).unwrap().path;
        assert_eq!(path("sqlite:app.db"), PathBuf::from("app.db"));
        assert_eq!(path("sqlite:./a/b.db"), PathBuf::from("./a/b.db"));
        assert_eq!(path("sqlite:///srv/app.db"), PathBuf::from("/srv/app.db"));
        assert_eq!(path("sqlite:/srv/my%20app.db?mode=rw"), PathBuf::from("/srv/my app.db"));
        assert!(Settings::from_url("sqlite:a.db?mode=rwc").unwrap().create);
        assert!(Settings::from_url("sqlite:a.db?mode=ro").unwrap().read_only);
    }

    #[test]
    fn bad_urls_say_what_is_wrong() {
        let message = |url| Settings::from_url(url).unwrap_err().to_string();
        assert!(message("postgres://x").contains("must begin with `sqlite:`"));
        assert!(message("sqlite:").contains("names no file"));
        assert!(message("sqlite:a.db?mod=ro").contains("`mod=ro` is not known"));
        assert!(message("sqlite:a%2.db").contains("two hex digits"));
        assert!(message("sqlite:a%+1.db").contains("two hex digits"));
    }
}
