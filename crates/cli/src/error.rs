//! What a command can end with besides success.

use crate::{documents::DocumentsError, metadata::MetadataError, settings::SettingsError};

/// Why a command failed, in words for the person who can mend it.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Settings or arguments that cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Metadata that cannot be read.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// Trusted documents that cannot be used.
    #[error(transparent)]
    Documents(#[from] DocumentsError),
    /// Arguments that cannot be used.
    #[error("{0}")]
    Usage(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
    /// It failed and everything about it has been said.
    #[error("failed")]
    Told(u8),
}

/// Exit codes: 0 done, 1 failed, 2 wrong arguments, settings or metadata.
impl CliError {
    /// It failed and everything about it has been said.
    pub const TOLD: Self = Self::Told(1);

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Told(code) => *code,
            Self::Settings(_) | Self::Metadata(_) | Self::Documents(_) | Self::Usage(_) => 2,
        }
    }

    /// A failure with this message.
    pub fn failed(message: impl ToString) -> Self {
        Self::Failed(message.to_string())
    }
}

/// Writing to a closed pipe (`artesian schema | head`) is no failure to speak of.
impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::TOLD;
        }
        Self::Failed(error.to_string())
    }
}
