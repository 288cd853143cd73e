//! `/v1/sockets`: which sockets are open, and closing those of a user or a role.

use http::{Method, Response, request::Parts};
use serde::Serialize;

use super::{json, question::Question, times, unclear};
use crate::{
    http::body::Body,
    server::State,
    sockets::{Closing, Description, Kind, Listing},
};

/// Answers the administrator.
pub(super) fn answer(state: &State, parts: &Parts) -> Response<Body> {
    let query = parts.uri.query().unwrap_or_default();
    match Question::new(parts.method == Method::DELETE, query) {
        Ok(Question::List(filter, page)) => json(&List::of(&state.sockets.list(&filter, page))),
        Ok(Question::Close(filter)) => {
            let closed = state.sockets.close(&filter, Closing::Revoked);
            tracing::info!(closed, "the administrator closes sockets");
            json(&Closed { closed })
        }
        Err(error) => unclear(&error),
    }
}

#[derive(Serialize)]
struct Closed {
    closed: usize,
}

#[derive(Serialize)]
struct List<'a> {
    sockets: Vec<Socket<'a>>,
    total: usize,
}

/// No session variable but the user is shown: others may be secret.
#[derive(Serialize)]
struct Socket<'a> {
    id: u64,
    kind: &'static str,
    transport: &'static str,
    address: String,
    role: Option<&'a str>,
    user: Option<&'a str>,
    since: String,
    expires: Option<String>,
    operations: u32,
    queued_bytes: u64,
}

impl<'a> List<'a> {
    fn of(listing: &'a Listing) -> Self {
        let socket = |socket: &'a Description| Socket {
            id: socket.id,
            kind: match socket.kind {
                Kind::Socket => "socket",
                Kind::Operation => "operation",
            },
            transport: socket.transport.as_str(),
            address: socket.address.to_string(),
            role: socket.role(),
            user: socket.user(),
            since: times::rfc3339(socket.since),
            expires: socket.expires.map(times::rfc3339),
            operations: socket.operations,
            queued_bytes: socket.queued_bytes,
        };
        Self { sockets: listing.sockets.iter().map(socket).collect(), total: listing.total }
    }
}
