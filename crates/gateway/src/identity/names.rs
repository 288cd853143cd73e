//! Headers that are never the client's to send on.

use artesian_remote::credentials::is_of_client;
use http::{HeaderName, header};

/// Secrets of Artesian's administrators. They go to a service only if a rule names them.
pub const SECRETS: [&str; 3] =
    ["x-hasura-admin-secret", "x-artesian-admin-secret", "x-hasura-access-key"];

/// Levels of objects at which a secret is looked for in a payload. Authentication reads
/// `connectionParams.headers` and nothing deeper.
pub(super) const LEVELS: usize = 4;

/// The secret that a name stands for, in whatever case.
pub(super) fn secret(name: &str) -> Option<&'static str> {
    SECRETS.into_iter().find(|secret| name.eq_ignore_ascii_case(secret))
}

/// Whether a header belongs to one connection (RFC 9110, section 7.6.1), to the message or to the
/// WebSocket handshake. No rule can send it.
pub fn is_of_connection(name: &HeaderName) -> bool {
    !is_of_client(name) || name == "http2-settings" || name.as_str().starts_with("proxy-")
}

/// Whether a header is left out where all of a client's are sent on: those of the connection, those
/// that describe this request's body and the answer it wants, cookies, and Artesian's own secrets.
pub fn is_never_forwarded(name: &HeaderName) -> bool {
    // A conditional or partial answer would be none that GraphQL knows.
    const STARTS: [&str; 4] = ["content-", "accept", "if-", "sec-fetch-"];
    let text = name.as_str();
    is_of_connection(name)
        || *name == header::COOKIE
        || *name == header::RANGE
        || text == "x-graphql-event-stream-token"
        || SECRETS.contains(&text)
        || STARTS.iter().any(|start| text.starts_with(start))
}
