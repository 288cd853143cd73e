//! Results: immutable shared bytes, and errors in the field's own shape.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::value::RawValue;

/// An execution result, `{"data":…}` or `{"data":null,"errors":[…]}` as JSON text, shared by all who
/// get it. May hold line feeds as insignificant white space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The JSON object.
    pub bytes: Bytes,
    /// Whether it carries `errors` (decided where it was made; the bytes are never parsed).
    pub is_error: bool,
}

/// A GraphQL error with Hasura's `extensions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphQLError {
    /// For people.
    pub message: String,
    /// For programs.
    pub extensions: ErrorExtensions,
    /// An error of a service, as it wrote it: a JSON object, which is what clients get.
    pub foreign: Option<Arc<str>>,
}

impl Serialize for GraphQLError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = &self.foreign
            && let Ok(raw) = serde_json::from_str::<&RawValue>(text)
        {
            return raw.serialize(serializer);
        }
        let mut error = serializer.serialize_struct("GraphQLError", 2)?;
        error.serialize_field("message", &self.message)?;
        error.serialize_field("extensions", &self.extensions)?;
        error.end()
    }
}

/// `extensions` of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorExtensions {
    /// Where, e.g. `$.selectionSet.author.args.where.name._ne`.
    pub path: String,
    /// A code of Hasura's list, e.g. `validation-failed`.
    pub code: ErrorCode,
    /// Which limit is reached, if it is one that has a time to come back.
    #[serde(flatten)]
    pub limit: Option<ReachedLimit>,
    /// Details for the administrator only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal: Option<Box<serde_json::Value>>,
}

/// A limit that a client may come back after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReachedLimit {
    /// Its name.
    pub limit: &'static str,
    /// After how many seconds, as in the header `Retry-After`.
    #[serde(rename = "retryAfter")]
    pub retry_after: u64,
}

/// The codes that errors carry (Hasura's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The document does not fit the schema, or does not parse.
    ValidationFailed,
    /// The request's body is not what it must be.
    ParseFailed,
    /// JSON that is none.
    InvalidJson,
    /// Headers that are wrong.
    InvalidHeaders,
    /// The role may not do this.
    PermissionError,
    /// A unique, foreign key, not-null or exclusion constraint.
    ConstraintViolation,
    /// The database refused a value.
    DataException,
    /// Something named is not there, e.g. a session variable.
    NotFound,
    /// Something that is not offered.
    NotSupported,
    /// Any other fault of the request.
    BadRequest,
    /// A fault of ours or of the database.
    Unexpected,
    /// Not authenticated.
    AccessDenied,
    /// A token that cannot be trusted.
    InvalidJwt,
    /// Claims of a token that are not as configured.
    JwtInvalidClaims,
    /// A token without the claims about roles.
    JwtMissingRoleClaims,
    /// An operation could not start on a socket.
    StartFailed,
    /// Any other refusal by PostgreSQL.
    PostgresError,
    /// A service behind this server failed, or said something that cannot be used.
    RemoteSchemaError,
    /// It took too long.
    Timeout,
    /// A limit was exceeded.
    LimitExceeded,
    /// No document has this hash: send it along (Apollo's name).
    #[serde(rename = "PERSISTED_QUERY_NOT_FOUND")]
    PersistedQueryNotFound,
    /// No document can be registered: send the document alone (Apollo's name).
    #[serde(rename = "PERSISTED_QUERY_NOT_SUPPORTED")]
    PersistedQueryNotSupported,
    /// The client does not read its events fast enough, so that some are missing.
    SlowConsumer,
}

impl GraphQLError {
    /// An error without a place in the document.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::at("$", code, message)
    }

    /// An error at a path.
    pub fn at(path: impl Into<String>, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            extensions: ErrorExtensions { path: path.into(), code, limit: None, internal: None },
            foreign: None,
        }
    }

    /// An error of a service: a JSON object as it wrote it.
    pub fn foreign(text: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Message {
            message: String,
        }
        let message = serde_json::from_str::<Message>(text).map(|error| error.message);
        let message = message.unwrap_or_else(|_| "the service gave an error".to_owned());
        Self { foreign: Some(text.into()), ..Self::new(ErrorCode::RemoteSchemaError, message) }
    }

    /// The JSON array of one error, as `error` messages carry it.
    pub fn array_json(errors: &[GraphQLError]) -> Bytes {
        Bytes::from(serde_json::to_vec(errors).unwrap_or_else(|_| b"[]".to_vec()))
    }
}

impl From<artesian_graphql::Error> for GraphQLError {
    fn from(error: artesian_graphql::Error) -> Self {
        use artesian_graphql::error::Code;
        let code = match error.code {
            Code::ValidationFailed => ErrorCode::ValidationFailed,
            Code::ParseFailed => ErrorCode::ParseFailed,
            Code::NotSupported => ErrorCode::NotSupported,
            Code::LimitExceeded => ErrorCode::LimitExceeded,
        };
        Self::at(error.path, code, error.message)
    }
}

impl Payload {
    /// A result of the database: `{"data":…}`.
    pub fn data(bytes: Bytes) -> Self {
        Self { bytes, is_error: false }
    }

    /// A request error over HTTP: `{"errors":[…]}` without `data` (the operation never ran).
    pub fn request_error(errors: &[GraphQLError]) -> Self {
        Self::with_prefix(b"{\"errors\":", errors)
    }

    /// An execution error: `{"data":null,"errors":[…]}`.
    pub fn execution_error(errors: &[GraphQLError]) -> Self {
        Self::with_prefix(b"{\"data\":null,\"errors\":", errors)
    }

    fn with_prefix(prefix: &[u8], errors: &[GraphQLError]) -> Self {
        let array = GraphQLError::array_json(errors);
        let mut out = Vec::with_capacity(prefix.len() + array.len() + 1);
        out.extend_from_slice(prefix);
        out.extend_from_slice(&array);
        out.push(b'}');
        Self { bytes: out.into(), is_error: true }
    }
}
