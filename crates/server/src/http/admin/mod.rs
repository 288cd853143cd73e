//! The administrator's API.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/sockets?user=&role=&after=&limit=` | a list of sockets |
//! | `DELETE /v1/sockets` with `user`, `role` or both, or `all=true` | how many were told to close |
//! | `GET /v1/sources` | the sources, and how they are |
//! | `POST /v1/sources` with `name`, or `all=true` | what came of reading schemas of services again |

mod question;
mod sockets;
mod sources;
mod times;

use std::sync::Arc;

use artesian_engine::{ErrorCode, Payload};
use artesian_protocol::http::JsonMedia;
use http::{HeaderMap, Method, Request, Response, StatusCode, request::Parts};
use hyper::body::Incoming;
use serde::Serialize;

use self::question::Unclear;
use super::{
    body::Body,
    errors,
    graphql::{self, Answer},
    linger::linger,
    receive,
    reply::Reply,
};
use crate::server::State;

/// What the administrator can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The open sockets.
    Sockets,
    /// Where data comes from.
    Sources,
}

impl Subject {
    /// What is at this path.
    pub fn at(path: &str) -> Option<Self> {
        match path {
            "/v1/sockets" => Some(Self::Sockets),
            "/v1/sources" => Some(Self::Sources),
            _ => None,
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Sockets => "GET, HEAD, DELETE, OPTIONS",
            Self::Sources => "GET, HEAD, POST, OPTIONS",
        }
    }

    fn has(self, method: &Method) -> bool {
        let name = method.as_str();
        self.methods().split(", ").any(|one| one == name)
    }
}

/// Answers a request. Nothing here has CORS headers: pages of other origins can neither read what is
/// listed nor change anything, since browsers ask before they send DELETE (Fetch, section 4.8), and POST
/// from a page needs the proof that GraphQL requests need.
pub(super) async fn handle(
    state: &Arc<State>,
    subject: Subject,
    request: Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let response = if !subject.has(&parts.method) {
        errors::method_not_allowed(subject.methods())
    } else if parts.method == Method::OPTIONS {
        graphql::options(subject.methods())
    } else {
        match receive_and_answer(state, subject, &parts).await {
            Ok(response) => response,
            Err(response) => *response,
        }
    };
    linger(state, body);
    response
}

async fn receive_and_answer(state: &Arc<State>, subject: Subject, parts: &Parts) -> Answer {
    let reply = Reply::for_errors(state);
    if may_be_forged(&parts.headers) {
        receive::check_csrf(state.config.csrf, parts).map_err(|error| reply.malformed(&error))?;
    }
    let client = receive::client(state, parts, None).await;
    let client = client.map_err(|error| reply.unauthorized(&error))?;
    if !client.identity.is_admin() {
        let message = "this is for the role admin only";
        return Ok(errors::response(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, message));
    }
    Ok(match subject {
        Subject::Sockets => sockets::answer(state, parts),
        Subject::Sources => sources::answer(state, parts).await,
    })
}

/// Whether a browser sent it, or something else that keeps cookies. Programs that name their
/// credentials in each request cannot be made to do so by anybody else.
fn may_be_forged(headers: &HeaderMap) -> bool {
    let signs = ["cookie", "origin", "sec-fetch-site"];
    signs.into_iter().any(|name| headers.contains_key(name))
}

fn unclear(error: &Unclear) -> Response<Body> {
    errors::response(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, error.to_string())
}

fn json(value: &impl Serialize) -> Response<Body> {
    json_with(StatusCode::OK, value)
}

fn json_with(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let media = JsonMedia::ApplicationJson.content_type();
    errors::json(status, media, Payload::data(bytes.into()))
}
