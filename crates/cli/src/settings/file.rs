//! The configuration file as a flat list of values with their places.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;
use serde_saphyr::Spanned;

use super::{
    definitions::{self, Definition, Kind},
    node::{Node, Scalar},
    resolve::{Environment, SettingsError},
    suggest,
};
use crate::metadata::yaml;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A value of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileValue {
    /// The path of its setting, e.g. `server.listen`.
    pub path: String,
    /// Its text, or several of a list.
    pub items: Vec<String>,
    /// Whether it was written as a list.
    pub is_list: bool,
    /// Where it is.
    pub place: Place,
}

/// A source of the file that is no database.
#[derive(Clone, Debug)]
pub struct FileSource {
    /// All of it.
    pub value: Json,
    /// Where it is.
    pub place: Place,
}

/// What a configuration file says.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Settings.
    pub values: Vec<FileValue>,
    /// Sources beside the database.
    pub sources: Vec<FileSource>,
    /// `prefix` of the database.
    pub database_prefix: Option<FileSource>,
}

/// Reads a configuration file.
pub fn read(path: &Path, environment: &Environment) -> Result<File, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| SettingsError::File { path: path.to_owned(), error })?;
    parse(path, &text, environment)
}

/// Reads the text of a configuration file.
pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<File, SettingsError> {
    let blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.lines().all(blank) {
        return Ok(File::default());
    }
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let root: Spanned<Node> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            SettingsError::At {
                origin: Place { file: path.to_owned(), line, column }.to_string(),
                message: yaml::message(&error),
            }
        })?;
    let mut reader = Reader { file: path, environment, read: File::default() };
    reader.read(String::new(), root)?;
    Ok(reader.read)
}

struct Reader<'a> {
    file: &'a Path,
    environment: &'a Environment,
    read: File,
}

/// Keys by which a source is none of the settings here, but a service or a broker's.
const OTHER_SOURCES: [&str; 2] = ["graphql", "events"];

impl Reader<'_> {
    fn place(&self, location: serde_saphyr::Location) -> Place {
        Place { file: self.file.to_owned(), line: location.line(), column: location.column() }
    }

    fn error(&self, location: serde_saphyr::Location, message: String) -> SettingsError {
        SettingsError::At { origin: self.place(location).to_string(), message }
    }

    fn read(&mut self, path: String, node: Spanned<Node>) -> Result<(), SettingsError> {
        let at = node.referenced;
        let Some(setting) = definitions::ALL.iter().find(|d| d.file == path) else {
            return self.inner(path, node);
        };
        let (items, is_list) = match node.value {
            // Templates leave such lines where a value is missing.
            Node::Nothing if setting.says_who_clients_are() => {
                let message = format!("`{path}` is empty: write a value, or take the line away");
                return Err(self.error(at, message));
            }
            Node::Nothing => return Ok(()),
            Node::Scalar(scalar) => (vec![self.item(setting, &scalar, at)?], false),
            value if setting.kind == Kind::SecretJson => {
                (vec![self.json(value, at)?.to_string()], false)
            }
            Node::List(nodes) => {
                let mut items = Vec::new();
                for node in nodes {
                    let Node::Scalar(scalar) = node.value else {
                        let message = format!("`{path}` is a list of plain values");
                        return Err(self.error(node.referenced, message));
                    };
                    items.push(self.item(setting, &scalar, node.referenced)?);
                }
                (items, true)
            }
            Node::Map(_) => return Err(self.error(at, format!("`{path}` needs a plain value"))),
        };
        let place = self.place(at);
        self.read.values.push(FileValue { path, items, is_list, place });
        Ok(())
    }

    /// What is no setting itself.
    fn inner(&mut self, path: String, node: Spanned<Node>) -> Result<(), SettingsError> {
        let at = node.referenced;
        match node.value {
            Node::Nothing => Ok(()),
            Node::List(nodes) if path == "sources" => self.sources(nodes),
            Node::Map(entries) if path != "sources" => self.keys(&path, entries),
            _ if path == "sources" => {
                let message = "`sources` is a list: begin its first entry with `- name: default`";
                Err(self.error(at, message.to_owned()))
            }
            _ if path.is_empty() => {
                Err(self.error(at, "a configuration file consists of keys with values".to_owned()))
            }
            _ => Err(self.error(at, format!("`{path}` holds further keys: {}", list(&path)))),
        }
    }

    /// One plain value of a setting.
    fn item(
        &self,
        setting: &Definition,
        scalar: &Scalar,
        at: serde_saphyr::Location,
    ) -> Result<String, SettingsError> {
        // 0123 would become 123.
        if !scalar.is_text && setting.says_who_clients_are() {
            let path = setting.file;
            let message = format!("`{path}` must be text: write it in quotes, or it is a number");
            return Err(self.error(at, message));
        }
        self.interpolate(&scalar.text, at)
    }

    /// A whole tree as JSON.
    fn json(&self, node: Node, at: serde_saphyr::Location) -> Result<Json, SettingsError> {
        Ok(match node {
            Node::Nothing => Json::Null,
            Node::Scalar(Scalar { text, is_text: true }) => {
                Json::String(self.interpolate(&text, at)?)
            }
            // Numbers and truth values are written alike; others are text for JSON.
            Node::Scalar(Scalar { text, .. }) => {
                serde_json::from_str(&text).unwrap_or(Json::String(text))
            }
            Node::List(nodes) => {
                let items = nodes.into_iter().map(|node| self.json(node.value, node.referenced));
                Json::Array(items.collect::<Result<_, _>>()?)
            }
            Node::Map(entries) => {
                let member = |(key, node): (Spanned<String>, Spanned<Node>)| {
                    Ok((key.value, self.json(node.value, node.referenced)?))
                };
                Json::Object(entries.into_iter().map(member).collect::<Result<_, SettingsError>>()?)
            }
        })
    }

    fn sources(&mut self, nodes: Vec<Spanned<Node>>) -> Result<(), SettingsError> {
        let mut has_database = false;
        for node in nodes {
            let at = node.referenced;
            let Node::Map(mut entries) = node.value else {
                if matches!(node.value, Node::Nothing) {
                    continue;
                }
                let message = format!("an entry of `sources` has keys: {}", list("sources[]"));
                return Err(self.error(at, message));
            };
            let has = |name: &&str| entries.iter().any(|(key, _)| key.value == **name);
            if OTHER_SOURCES.iter().any(has) {
                let value = self.json(Node::Map(entries), at)?;
                self.read.sources.push(FileSource { value, place: self.place(at) });
                continue;
            }
            if let Some(index) = entries.iter().position(|(key, _)| key.value == "prefix") {
                let (_, prefix) = entries.remove(index);
                let at = prefix.referenced;
                let value = self.json(prefix.value, at)?;
                self.read.database_prefix = Some(FileSource { value, place: self.place(at) });
            }
            self.keys("sources[]", entries)?;
            if std::mem::replace(&mut has_database, true) {
                let message = "two databases are not supported by this version: a source with \
                               `graphql` is a service, one with `events` a broker";
                return Err(self.error(at, message.to_owned()));
            }
        }
        Ok(())
    }

    fn keys(
        &mut self,
        path: &str,
        entries: Vec<(Spanned<String>, Spanned<Node>)>,
    ) -> Result<(), SettingsError> {
        for (key, node) in entries {
            let at = key.referenced;
            let below = join(path, &key.value);
            let known = children(path);
            if !known.iter().any(|k| *k == key.value) {
                let hint = elsewhere(&key.value)
                    .filter(|_| suggest::closest(&key.value, known.iter().copied()).is_none())
                    .map_or_else(
                        || suggest::hint(&key.value, known.iter().copied()),
                        |path| format!("; did you mean `{path}`?"),
                    );
                let message = format!("unknown key `{below}`{hint} (known here: {})", list(path));
                return Err(self.error(at, message));
            }
            self.read(below, node)?;
        }
        Ok(())
    }

    /// Replaces `${NAME}` by the environment's value, `${NAME:-text}` by the text if there is none,
    /// and `$$` by `$`.
    fn interpolate(&self, text: &str, at: serde_saphyr::Location) -> Result<String, SettingsError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('$') {
            out.push_str(&rest[..start]);
            rest = &rest[start..];
            if let Some(after) = rest.strip_prefix("$$") {
                out.push('$');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("${") {
                let end = after
                    .find('}')
                    .ok_or_else(|| self.error(at, "`${` without a closing `}`".to_owned()))?;
                let inner = &after[..end];
                let (name, default) =
                    inner.split_once(":-").map_or((inner, None), |(n, d)| (n, Some(d)));
                match (self.environment.get(name).filter(|v| !v.is_empty()), default) {
                    (Some(value), _) => out.push_str(value),
                    (None, Some(default)) => out.push_str(default),
                    (None, None) => {
                        let message = format!(
                            "the environment variable `{name}` is not set; set it, or write \
                             `${{{name}:-default}}`"
                        );
                        return Err(self.error(at, message));
                    }
                }
                rest = &after[end + 1..];
            } else {
                out.push('$');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The keys that may stand below a path.
fn children(path: &str) -> Vec<&'static str> {
    let mut keys: Vec<&'static str> = Vec::new();
    for definition in definitions::ALL {
        let rest = if path.is_empty() {
            Some(definition.file)
        } else {
            definition.file.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'))
        };
        let key = rest.and_then(|rest| rest.split('.').next());
        let key = key.map(|key| key.trim_end_matches("[]")).filter(|key| !key.is_empty());
        keys.extend(key.filter(|key| !keys.contains(key)));
    }
    if path == "sources[]" {
        keys.extend(OTHER_SOURCES.into_iter().chain(["prefix"]));
    }
    keys
}

fn list(path: &str) -> String {
    children(path).join(", ")
}

/// The setting that somebody wrote in the wrong place, or by its flag's name.
fn elsewhere(key: &str) -> Option<&'static str> {
    let flag = key.replace('_', "-");
    definitions::ALL
        .iter()
        .find(|d| d.name == flag || d.file.rsplit('.').next() == Some(key))
        .map(|d| d.file)
}
