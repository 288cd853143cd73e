//! What is wrong with a request.

/// A fault of a document or of its variables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at {path})")]
pub struct Error {
    /// Where, e.g. `$.selectionSet.author.args.where.name._ne`.
    pub path: String,
    /// The code in `extensions.code`.
    pub code: Code,
    /// For people.
    pub message: String,
}

/// The class of an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Does not parse, or does not fit the schema.
    ValidationFailed,
    /// A value has the right type but cannot be what it is.
    ParseFailed,
    /// Something that is not offered.
    NotSupported,
    /// A limit was exceeded.
    LimitExceeded,
}

impl Error {
    /// A validation error at a path.
    pub fn validation(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), code: Code::ValidationFailed, message: message.into() }
    }

    /// A limit that was exceeded.
    pub fn limit(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), code: Code::LimitExceeded, message: message.into() }
    }
}
