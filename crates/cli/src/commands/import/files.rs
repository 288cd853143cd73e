//! Files that are read and written.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use super::document::Document;
use crate::{error::CliError, output};

/// The longest file that is read, in bytes. The largest definitions are some megabytes of schema.
const MAX_BYTES: u64 = 64 << 20;

/// The most files of one folder.
const MAX_FILES: usize = 1000;

/// Reads JSON documents: files as they are given, of a folder those whose names end in `.json` or
/// `.conf`, in the order of their names. Folders within a folder are not looked into.
///
/// # Errors
/// A file that cannot be read, is too long or is no JSON, with its name, line and column; a folder
/// without any such file.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Document>, CliError> {
    let mut documents = Vec::new();
    for path in paths {
        if !path.is_dir() {
            documents.push(document(path)?);
            continue;
        }
        let mut files = folder(path)?;
        files.sort();
        if files.is_empty() {
            return Err(usage(path, "has no files that end in .json or .conf"));
        }
        if files.len() > MAX_FILES {
            return Err(usage(path, &format!("has more than {MAX_FILES} files")));
        }
        for file in files {
            documents.push(document(&file)?);
        }
    }
    Ok(documents)
}

fn usage(path: &Path, what: &str) -> CliError {
    CliError::Usage(format!("{} {what}", path.display()))
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    let entries = std::fs::read_dir(path)
        .map_err(|error| usage(path, &format!("cannot be read: {error}")))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|error| usage(path, &format!("cannot be read: {error}")))?.path();
        let is_wanted = file.extension().is_some_and(|end| end == "json" || end == "conf");
        if is_wanted && file.is_file() {
            files.push(file);
        }
    }
    Ok(files)
}

fn document(path: &Path) -> Result<Document, CliError> {
    let unreadable = |error| usage(path, &format!("cannot be read: {error}"));
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(usage(path, &format!("is longer than {MAX_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    // serde_json says where, and never what stands there.
    let json: Json = serde_json::from_slice(&bytes)
        .map_err(|error| usage(path, &format!("is no JSON: {error}")))?;
    let name = path.file_name().map_or_else(|| path.into(), PathBuf::from);
    Ok(Document::new(name.display().to_string(), json))
}

/// Where the result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The YAML to standard output, the report to standard error.
    Standard,
    /// Files in this folder, which is made if need be.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Whether files that are there are replaced.
        force: bool,
    },
}

/// Writes files, all or none as far as can be known before: a file that is there is only replaced if
/// that was asked for. Gives their paths.
///
/// # Errors
/// A file is there already, or cannot be written.
pub fn write(
    folder: &Path,
    force: bool,
    files: &[(String, String)],
) -> Result<Vec<PathBuf>, CliError> {
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(path) = paths.iter().find(|path| !force && path.exists()) {
        return Err(usage(path, "is there already: choose another --output, or add --force"));
    }
    let failed = |path: &Path, error: std::io::Error| {
        CliError::Failed(format!("{} cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (path, (_, text)) in paths.iter().zip(files) {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = options.open(path).map_err(|error| failed(path, error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(path, error))?;
    }
    Ok(paths)
}

/// Writes the YAML to standard output and the report to standard error.
pub fn print(yaml: &str, report: &str) -> Result<(), CliError> {
    output::note(report.trim_end());
    Ok(output::raw(yaml)?)
}
