//! The administrator's API: which sockets are open, and closing those of a user or a role.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/sockets?user=&role=&after=&limit=` | a list of sockets |
//! | `DELETE /v1/sockets` with `user`, `role` or both, or `all=true` | how many were told to close |

mod question;
mod times;

use std::sync::Arc;

use artesian_engine::{ErrorCode, Identity, Payload};
use artesian_protocol::http::JsonMedia;
use http::{HeaderMap, Method, Request, Response, StatusCode, request::Parts};
use hyper::body::Incoming;
use serde::Serialize;

use self::question::Question;
use super::{
    body::Body,
    errors,
    graphql::{self, Answer},
    linger::linger,
    receive,
    reply::Reply,
};
use crate::{
    server::State,
    sockets::{Closing, Description, Kind, Listing},
};

/// The path of the list of sockets.
pub(super) const SOCKETS: &str = "/v1/sockets";

const METHODS: &str = "GET, HEAD, DELETE, OPTIONS";

/// Answers a request to [`SOCKETS`]. Nothing here has CORS headers: pages of other origins can neither
/// read what is listed nor close anything, since browsers ask before they send DELETE (Fetch,
/// section 4.8).
pub(super) async fn handle(state: &Arc<State>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let response = match parts.method {
        Method::GET | Method::HEAD | Method::DELETE => {
            match receive_and_answer(state, &parts).await {
                Ok(response) => response,
                Err(response) => *response,
            }
        }
        Method::OPTIONS => graphql::options(METHODS),
        _ => errors::method_not_allowed(METHODS),
    };
    linger(state, body);
    response
}

async fn receive_and_answer(state: &Arc<State>, parts: &Parts) -> Answer {
    let reply = Reply::for_errors(state);
    if may_be_forged(&parts.headers) {
        receive::check_csrf(state.config.csrf, parts).map_err(|error| reply.malformed(&error))?;
    }
    let client = receive::client(state, parts, None).await;
    let client = client.map_err(|error| reply.unauthorized(&error))?;
    Ok(answer(state, parts, &client.identity))
}

/// Whether a browser sent it, or something else that keeps cookies. Programs that name their
/// credentials in each request cannot be made to do so by anybody else.
fn may_be_forged(headers: &HeaderMap) -> bool {
    let signs = ["cookie", "origin", "sec-fetch-site"];
    signs.into_iter().any(|name| headers.contains_key(name))
}

/// Answers a client that was told apart.
fn answer(state: &State, parts: &Parts, identity: &Identity) -> Response<Body> {
    if !identity.is_admin() {
        let message = "this is for the role admin only";
        return errors::response(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, message);
    }
    let query = parts.uri.query().unwrap_or_default();
    match Question::new(parts.method == Method::DELETE, query) {
        Ok(Question::List(filter, page)) => json(&List::of(&state.sockets.list(&filter, page))),
        Ok(Question::Close(filter)) => {
            let closed = state.sockets.close(&filter, Closing::Revoked);
            tracing::info!(closed, "the administrator closes sockets");
            json(&Closed { closed })
        }
        Err(error) => {
            errors::response(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, error.to_string())
        }
    }
}

fn json(value: &impl Serialize) -> Response<Body> {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let media = JsonMedia::ApplicationJson.content_type();
    errors::json(StatusCode::OK, media, Payload::data(bytes.into()))
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
