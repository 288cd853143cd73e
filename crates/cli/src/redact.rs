//! Database URLs that never show their password, and messages without secrets.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// What kind of database a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// A database URL. Shown without its password and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    text: String,
    kind: DatabaseKind,
}

impl DatabaseUrl {
    /// Understands what kind of URL it is; the error says what to write, and never repeats the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        let url = |kind| Ok(Self { text: text.to_owned(), kind });
        match scheme {
            "postgres" | "postgresql" => url(DatabaseKind::Postgres),
            "sqlite" | "file" => url(DatabaseKind::Sqlite),
            _ if !text.contains("://") && text.contains('=') => url(DatabaseKind::Postgres),
            "" if text.ends_with(".db")
                || text.ends_with(".sqlite")
                || text.ends_with(".sqlite3") =>
            {
                Err(format!("a database URL has a scheme: write sqlite:{text}"))
            }
            other if text.contains("://") && other.chars().all(|c| c.is_ascii_alphanumeric()) => {
                Err(format!(
                    "`{other}` databases are not supported: write \
                     postgres://user:password@host:5432/name or sqlite:path/to/file.db"
                ))
            }
            _ => Err("this is no database URL: write \
                      postgres://user:password@host:5432/name or sqlite:path/to/file.db"
                .to_owned()),
        }
    }

    /// The URL with all that is in it, for the driver.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The kind of database.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// Gives an SQLite file with a relative path another place.
    pub fn rebase(&mut self, place: impl FnOnce(&Path) -> PathBuf) {
        if self.kind != DatabaseKind::Sqlite {
            return;
        }
        let Some((scheme, rest)) = self.text.split_once(':') else {
            return;
        };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
        let moved = place(Path::new(path));
        let query = query.map_or_else(String::new, |q| format!("?{q}"));
        self.text = format!("{scheme}:{}{query}", moved.display());
    }

    /// What of it is secret: the password, as written and decoded.
    fn secrets(&self) -> Vec<String> {
        if self.kind == DatabaseKind::Sqlite {
            return Vec::new();
        }
        let mut found: Vec<String> = Vec::new();
        if let Some((_, rest)) = self.text.split_once("://") {
            let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
            // A password that holds `?` or `#` must not be seen either.
            for text in [before, rest] {
                if let Some((user, _)) = text.rsplit_once('@')
                    && let Some((_, password)) = user.split_once(':')
                {
                    found.push(password.to_owned());
                }
            }
            let parts = query.split('&').filter_map(|part| part.split_once('='));
            found.extend(
                parts
                    .filter(|(name, _)| is_secret_parameter(name))
                    .map(|(_, value)| value.to_owned()),
            );
        } else {
            found.extend(
                key_values(&self.text)
                    .into_iter()
                    .filter(|(name, _)| is_secret_parameter(name))
                    .map(|(_, value)| value),
            );
        }
        let decoded: Vec<String> = found.iter().map(|text| percent_decoded(text)).collect();
        found.extend(decoded);
        found.retain(|secret| !secret.is_empty());
        found.dedup();
        found
    }

    /// `user@host:port/name`, as far as the URL says it.
    fn place(&self) -> String {
        let Some((_, rest)) = self.text.split_once("://") else {
            let shown = ["host", "hostaddr", "port", "user", "dbname"];
            let parts = key_values(&self.text);
            let parts = parts.iter().filter(|(name, _)| shown.contains(&name.as_str()));
            return parts.map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ");
        };
        let head = rest.split(['?', '#']).next().unwrap_or_default();
        // An `@` after that belongs to a password with a `?` in it: say less rather than too much.
        let is_odd = rest[head.len()..].contains('@');
        match head.rsplit_once('@') {
            _ if is_odd => format!("{}@…", head.split([':', '@']).next().unwrap_or_default()),
            Some((user, place)) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{user}@{place}")
            }
            None => head.to_owned(),
        }
    }
}

fn is_secret_parameter(name: &str) -> bool {
    matches!(name, "password" | "sslpassword" | "sslkey" | "passfile")
}

/// The pairs of a `key=value` string; values may stand in single quotes.
fn key_values(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let mut value = String::new();
        let mut chars = after.char_indices();
        let quoted = after.starts_with('\'');
        if quoted {
            chars.next();
        }
        let mut end = after.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                '\'' if quoted => {
                    end = at + 1;
                    break;
                }
                c if !quoted && c.is_whitespace() => {
                    end = at;
                    break;
                }
                c => value.push(c),
            }
        }
        pairs.push((name.trim().to_owned(), value));
        rest = after[end..].trim_start();
    }
    pairs
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: &u8| char::from(*byte).to_digit(16);
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(high), hex(low)) {
                (Some(high), Some(low)) => {
                    bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                    rest = after;
                    continue;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DatabaseKind::Sqlite => f.write_str(&self.text),
            DatabaseKind::Postgres if self.text.contains("://") => {
                write!(f, "postgres://{}", self.place())
            }
            DatabaseKind::Postgres => write!(f, "postgres ({})", self.place()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Takes secrets out of messages.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    /// This text must not be seen.
    pub fn add(&mut self, secret: &str) {
        // A secret of a letter or two would make every message unreadable and is none.
        if secret.len() > 2 {
            self.secrets.push(secret.to_owned());
            // The longest first, so that a secret that is part of another leaves nothing of it.
            self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// This text must not be seen, nor what it is without percent-encoding.
    pub fn add_encoded(&mut self, secret: &str) {
        self.add(secret);
        let decoded = percent_decoded(secret);
        if decoded != secret {
            self.add(&decoded);
        }
    }

    /// The password of this URL must not be seen.
    pub fn add_url(&mut self, url: &DatabaseUrl) {
        for secret in url.secrets() {
            self.add(&secret);
        }
    }

    /// The message without secrets.
    pub fn clean(&self, message: &str) -> String {
        self.secrets.iter().fold(message.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            (
                "postgres://app:s3cr%40t@db.example.com:5433/shop?sslmode=require",
                "postgres://app@db.example.com:5433/shop",
            ),
            ("postgresql://app@/shop?host=/run/pg&password=s3crt", "postgres://app@/shop"),
            ("postgresql://app@/shop?host=/run/pg&password=s3cr@t", "postgres://app@…"),
            ("postgres://127.0.0.1/shop", "postgres://127.0.0.1/shop"),
            ("postgres://app:p@ss:w/rd@h/db", "postgres://app@h/db"),
            (
                "host=db port=5432 password='s3 cr\\'t' user=app dbname=shop",
                "postgres (host=db port=5432 user=app dbname=shop)",
            ),
            ("postgres://app:s3?cr@h/db", "postgres://app@…"),
            ("postgres://app:s3#cr@h/db", "postgres://app@…"),
            ("sqlite:app.db?mode=ro", "sqlite:app.db?mode=ro"),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown, "{url}");
            assert_eq!(format!("{parsed:?}"), format!("\"{shown}\""));
        }
    }

    #[test]
    fn messages_lose_every_form_of_the_password() {
        let mut redactor = Redactor::default();
        redactor.add_url(&DatabaseUrl::parse("postgres://app:s3cr%40t@h/db").unwrap());
        redactor.add_url(&DatabaseUrl::parse("password='other one' host=h").unwrap());
        redactor.add("admin-secret");
        redactor.add("admin-secret-2");
        let message = "s3cr%40t, s3cr@t, other one, admin-secret-2, admin-secret, host h";
        assert_eq!(redactor.clean(message), "***, ***, ***, ***, ***, host h");
    }

    #[test]
    fn what_is_no_url_is_told_without_repeating_it() {
        let error = |text| DatabaseUrl::parse(text).unwrap_err();
        assert!(error("mysql://root:hush@h/db").starts_with("`mysql` databases are not supported"));
        assert!(error("app.db").contains("write sqlite:app.db"));
        assert!(!error("root:hush@h/db").contains("hush"));
        assert!(!error("").is_empty());
    }

    #[test]
    fn files_of_a_configuration_are_beside_it() {
        let moved = |url: &str| {
            let mut url = DatabaseUrl::parse(url).unwrap();
            url.rebase(|path| Path::new("/etc/artesian").join(path));
            url.reveal().to_owned()
        };
        assert_eq!(moved("sqlite:app.db?mode=ro"), "sqlite:/etc/artesian/app.db?mode=ro");
        assert_eq!(moved("sqlite:/srv/app.db"), "sqlite:/srv/app.db");
        assert_eq!(moved("postgres://h/db"), "postgres://h/db");
    }
}
