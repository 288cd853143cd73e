//! From a database's errors to GraphQL errors, with Hasura's codes.

use artesian_engine::{ErrorCode, GraphQLError};
use artesian_sql::CompileError;
use serde_json::json;

use crate::BackendError;

/// A backend's error as a client sees it. What only an administrator should see goes into
/// `extensions.internal`.
pub fn backend_error(error: &BackendError) -> GraphQLError {
    let (code, message, internal) = match error {
        BackendError::Unavailable(why) => (
            ErrorCode::Unexpected,
            "the database cannot be reached".to_owned(),
            Some(json!({ "error": why })),
        ),
        BackendError::Timeout(_) => (ErrorCode::Timeout, error.to_string(), None),
        BackendError::Unsupported(_) => (ErrorCode::NotSupported, error.to_string(), None),
        BackendError::Rejected { code, message, detail } => {
            let (class, text) = classify(code, message);
            let internal = json!({ "code": code, "message": message, "detail": detail });
            (class, text, Some(internal))
        }
    };
    let mut error = GraphQLError::new(code, message);
    error.extensions.internal = internal.map(Box::new);
    error
}

/// Code and message for a SQLSTATE (PostgreSQL, appendix A) or one of SQLite's result codes.
fn classify(code: &str, message: &str) -> (ErrorCode, String) {
    match code {
        "23505" => (ErrorCode::ConstraintViolation, format!("Uniqueness violation. {message}")),
        "23503" => (ErrorCode::ConstraintViolation, format!("Foreign key violation. {message}")),
        "23502" => (ErrorCode::ConstraintViolation, format!("Not-NULL violation. {message}")),
        "23P01" => (ErrorCode::ConstraintViolation, format!("Exclusion violation. {message}")),
        "23514" => (ErrorCode::PermissionError, format!("Check constraint violation. {message}")),
        // An escape sequence is the client's text, not its data.
        "22025" => (ErrorCode::BadRequest, message.to_owned()),
        "datatype_mismatch" => (ErrorCode::DataException, message.to_owned()),
        code if code.starts_with("22") => (ErrorCode::DataException, message.to_owned()),
        "42501" => (
            ErrorCode::PermissionError,
            "the database refuses this to the user that the server connects as".to_owned(),
        ),
        _ => (ErrorCode::PostgresError, "database query error".to_owned()),
    }
}

/// A compiler's error as a client sees it.
pub fn compile_error(error: CompileError) -> GraphQLError {
    match error {
        CompileError::Invalid(e) => e.into(),
        CompileError::MissingSession(_) => {
            GraphQLError::new(ErrorCode::NotFound, error.to_string())
        }
        CompileError::Permission { .. } => {
            let mut e = GraphQLError::new(
                ErrorCode::Unexpected,
                "a permission in the metadata is wrong; the administrator sees which",
            );
            e.extensions.internal = Some(Box::new(json!({ "error": error.to_string() })));
            e
        }
    }
}
