//! Reads Hasura's metadata from a JSON export or from a folder of YAML files into one document.

pub mod yaml;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value as Json};

/// Why metadata could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// There is nothing at the path.
    #[error(
        "the metadata {} does not exist: name a JSON export or the folder that `hasura metadata export` writes",
        .0.display()
    )]
    Missing(PathBuf),
    /// A folder without `version.yaml`.
    #[error(
        "the folder {} holds no metadata: it has no version.yaml. Name the folder that holds version.yaml and databases/",
        .0.display()
    )]
    NotMetadata(PathBuf),
    /// A file that cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that is no YAML or no JSON.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What is wrong there.
        message: String,
    },
    /// A file that includes a file that is not there.
    #[error("{} includes {}, which does not exist", from.display(), path.display())]
    MissingInclude {
        /// The file with the `!include`.
        from: PathBuf,
        /// What it names.
        path: PathBuf,
    },
    /// Files that include each other.
    #[error("{} includes itself", .0.display())]
    Cycle(PathBuf),
    /// An `!include` that leaves the metadata's folder.
    #[error("{} includes \"{path}\", which is outside of the metadata folder", from.display())]
    Outside {
        /// The file with the `!include`.
        from: PathBuf,
        /// What it names.
        path: String,
    },
    /// A document of another form than the file must have.
    #[error("{}: {message}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// The files at the top of a metadata folder and the keys of the document that they hold.
const FILES: [(&str, Option<&str>); 14] = [
    ("databases/databases.yaml", Some("sources")),
    ("inherited_roles.yaml", Some("inherited_roles")),
    ("remote_schemas.yaml", Some("remote_schemas")),
    ("actions.yaml", None),
    ("cron_triggers.yaml", Some("cron_triggers")),
    ("rest_endpoints.yaml", Some("rest_endpoints")),
    ("allow_list.yaml", Some("allowlist")),
    ("query_collections.yaml", Some("query_collections")),
    ("graphql_schema_introspection.yaml", Some("graphql_schema_introspection")),
    ("api_limits.yaml", Some("api_limits")),
    ("network.yaml", Some("network")),
    ("opentelemetry.yaml", Some("opentelemetry")),
    ("metrics_config.yaml", Some("metrics_config")),
    ("backend_configs.yaml", Some("backend_configs")),
];

/// Reads the metadata at a path: a JSON or YAML file with the whole document, or a folder.
pub fn read(path: &Path) -> Result<Json, MetadataError> {
    let is_folder = match std::fs::metadata(path) {
        Ok(found) => found.is_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(MetadataError::Missing(path.to_owned()));
        }
        Err(error) => {
            return Err(MetadataError::Io { path: path.to_owned(), error });
        }
    };
    if is_folder { read_folder(path) } else { read_file(path) }
}

fn text(path: &Path) -> Result<String, MetadataError> {
    std::fs::read_to_string(path)
        .map_err(|error| MetadataError::Io { path: path.to_owned(), error })
}

fn read_file(path: &Path) -> Result<Json, MetadataError> {
    let text = text(path)?;
    let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let json = if is_yaml { yaml::parse(path, &text)? } else { json(path, &text)? };
    if json.is_object() {
        return Ok(json);
    }
    Err(MetadataError::Form {
        path: path.to_owned(),
        message: "metadata is an object with \"version\" and \"sources\"".to_owned(),
    })
}

fn json(path: &Path, text: &str) -> Result<Json, MetadataError> {
    serde_json::from_str(text).map_err(|error| MetadataError::Syntax {
        path: path.to_owned(),
        line: error.line() as u64,
        column: error.column() as u64,
        message: format!("this is not JSON: {error}"),
    })
}

/// One folder, one document: every file is a key of it.
fn read_folder(root: &Path) -> Result<Json, MetadataError> {
    let version = root.join("version.yaml");
    if !version.is_file() {
        return Err(MetadataError::NotMetadata(root.to_owned()));
    }
    let folder = Folder { root };
    let mut document = Map::new();
    match folder.load(&version)? {
        Json::Object(found) => document.extend(found),
        _ => {
            return Err(MetadataError::Form {
                path: version,
                message: "expected `version: 3`".to_owned(),
            });
        }
    }
    for (name, key) in FILES {
        let file = root.join(name);
        if !file.is_file() {
            continue;
        }
        match (key, folder.load(&file)?) {
            // The Hasura CLI writes files of comments or of an empty list for what is not there.
            (_, Json::Null) => {}
            (Some(key), value) => {
                document.insert(key.to_owned(), value);
            }
            (None, Json::Object(mut found)) => {
                for key in ["actions", "custom_types"] {
                    document.extend(found.remove(key).map(|value| (key.to_owned(), value)));
                }
            }
            (None, _) => {
                return Err(MetadataError::Form {
                    path: file,
                    message: "expected an object".to_owned(),
                });
            }
        }
    }
    Ok(Json::Object(document))
}

struct Folder<'a> {
    root: &'a Path,
}

impl Folder<'_> {
    fn load(&self, file: &Path) -> Result<Json, MetadataError> {
        self.load_within(file, &mut BTreeSet::new())
    }

    /// Reads a file and what it includes. `open` are the files that lead here.
    fn load_within(
        &self,
        file: &Path,
        open: &mut BTreeSet<PathBuf>,
    ) -> Result<Json, MetadataError> {
        if !open.insert(file.to_owned()) {
            return Err(MetadataError::Cycle(file.to_owned()));
        }
        let mut value = yaml::parse(file, &text(file)?)?;
        self.include(&mut value, file, open)?;
        open.remove(file);
        Ok(value)
    }

    /// Puts the content of files in the place of `!include path`.
    fn include(
        &self,
        value: &mut Json,
        file: &Path,
        open: &mut BTreeSet<PathBuf>,
    ) -> Result<(), MetadataError> {
        match value {
            Json::String(text) => {
                if let Some(name) = text.strip_prefix("!include ") {
                    *value = self.load_within(&self.included(file, name.trim())?, open)?;
                }
            }
            Json::Array(items) => {
                for item in items {
                    self.include(item, file, open)?;
                }
            }
            Json::Object(fields) => {
                for field in fields.values_mut() {
                    self.include(field, file, open)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The file that an `!include` of another file names: relative to that file, within the folder.
    fn included(&self, from: &Path, name: &str) -> Result<PathBuf, MetadataError> {
        let folder = from.parent().unwrap_or(self.root);
        let path = folder.join(name);
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let (Some(target), Some(root)) = (real(&path), real(self.root)) else {
            return Err(MetadataError::MissingInclude { from: from.to_owned(), path });
        };
        if target.starts_with(root) {
            return Ok(path);
        }
        Err(MetadataError::Outside { from: from.to_owned(), path: name.to_owned() })
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
