//! Trusted documents: from a file, and from the metadata's allow list.

use std::{path::PathBuf, sync::Arc};

use artesian_engine::{EngineConfig, Scope, Trusted, TrustedError, TrustedMode};
use artesian_sql::metadata::Metadata;

use crate::settings::Settings;

/// Why documents cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    /// The file cannot be read.
    #[error("the trusted documents {} cannot be read: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is of no use.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        error: TrustedError,
    },
    /// A document of the allow list does not parse.
    #[error("the allow list of the metadata, {name}: {error}")]
    Allowlist {
        /// The collection and the query.
        name: String,
        /// What is wrong with it.
        error: TrustedError,
    },
    /// The allow list names what is not there.
    #[error("the allow list of the metadata names the collection \"{0}\", which is not there")]
    Collection(String),
    /// Everything would be refused.
    #[error(
        "trusted-documents-mode is `only`, but trusted-documents names no file: nothing could be run"
    )]
    Nothing,
}

/// The limits and switches of the engine, trusted documents included.
pub fn engine(
    settings: &Settings,
    metadata: Option<&Metadata>,
) -> Result<EngineConfig, DocumentsError> {
    let wanted = &settings.documents;
    let mut trusted = Trusted::default();
    if let Some(path) = wanted.trusted.as_ref().filter(|_| wanted.mode != TrustedMode::Off) {
        let text = std::fs::read_to_string(path)
            .map_err(|error| DocumentsError::Io { path: path.clone(), error })?;
        trusted
            .add_manifest(&text)
            .map_err(|error| DocumentsError::File { path: path.clone(), error })?;
    } else if wanted.mode == TrustedMode::Only && !wanted.allowlist {
        return Err(DocumentsError::Nothing);
    }
    if let Some(metadata) = metadata.filter(|_| wanted.allowlist) {
        let allowed = metadata
            .allowed_documents()
            .map_err(|collection| DocumentsError::Collection(collection.to_owned()))?;
        for document in allowed {
            let scope = match document.roles {
                None => Scope::All,
                Some(roles) => Scope::Roles(roles.iter().cloned().collect()),
            };
            trusted
                .add(None, document.text, &scope)
                .map_err(|error| DocumentsError::Allowlist { name: document.name, error })?;
        }
    }
    let trusted_mode = if wanted.allowlist { TrustedMode::Only } else { wanted.mode };
    let trusted_mode = if trusted.is_empty() && trusted_mode == TrustedMode::Prefer {
        TrustedMode::Off
    } else {
        trusted_mode
    };
    Ok(EngineConfig { trusted: Arc::new(trusted), trusted_mode, ..settings.engine.clone() })
}
