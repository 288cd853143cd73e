//! Small helpers for JSON that is passed on as text.

use bytes::Bytes;
use serde_json::value::RawValue;

/// A Rust string as a JSON string token.
pub(crate) fn string(text: &str) -> String {
    // Serialising a string cannot fail; the fallback keeps the function total.
    serde_json::to_string(text).unwrap_or_else(|_| String::from("\"\""))
}

/// Whether a raw JSON value is an object.
pub(crate) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Whether raw text is a JSON object without any member, such as `{ }`.
pub(crate) fn is_empty_object(text: &[u8]) -> bool {
    let mut rest = text.trim_ascii();
    if let Some(inner) = rest.strip_prefix(b"{").and_then(|r| r.strip_suffix(b"}")) {
        rest = inner.trim_ascii();
        return rest.is_empty();
    }
    false
}

/// What is sent in place of an error list that turned out to be empty or no list at all.
pub(crate) const UNKNOWN_ERROR: &str = r#"{"message":"Internal server error"}"#;

/// The errors as a list that is never empty (graphql-transport-ws, `error`: "non-empty array").
pub(crate) fn error_list(errors: Bytes) -> Bytes {
    match serde_json::from_slice::<Vec<&RawValue>>(&errors) {
        Ok(list) if !list.is_empty() => errors,
        _ => Bytes::from(format!("[{UNKNOWN_ERROR}]")),
    }
}

/// The first error of a list as one object (subscriptions-transport-ws, `error`).
pub(crate) fn first_error(errors: &[u8]) -> Bytes {
    match serde_json::from_slice::<Vec<&RawValue>>(errors) {
        Ok(list) => match list.first() {
            Some(first) => Bytes::copy_from_slice(first.get().as_bytes()),
            None => Bytes::from_static(UNKNOWN_ERROR.as_bytes()),
        },
        Err(_) => Bytes::from_static(UNKNOWN_ERROR.as_bytes()),
    }
}

/// A list with a single error that has a message and a code.
pub(crate) fn coded_error_list(message: &str, code: &str) -> Bytes {
    Bytes::from(format!("[{}]", coded_error(message, code)))
}

/// A single error that has a message and a code.
pub(crate) fn coded_error(message: &str, code: &str) -> String {
    format!(r#"{{"message":{},"extensions":{{"code":{}}}}}"#, string(message), string(code))
}
