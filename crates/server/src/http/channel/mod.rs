//! GraphQL over server-sent events, single connection mode (graphql-sse, PROTOCOL.md): a stream is
//! reserved, opened, and then carries the results of operations that come in requests of their own.
//!
//! | request | answer |
//! |---|---|
//! | `PUT` | 201 and a token |
//! | `GET` or `POST`, token, `Accept: text/event-stream` | the stream |
//! | `GET` or `POST`, token, an operation with `extensions.operationId` | 202 |
//! | `DELETE ?operationId=`, token | 200; the operation is stopped |
//!
//! A token is worth nothing to another identity than the one that reserved the stream.

mod registry;
mod source;

use std::sync::Arc;

use artesian_auth::Authenticated;
use artesian_engine::{Allow, ErrorCode, GraphQLError, Identity, OperationKind};
use artesian_protocol::{
    GraphQLRequest,
    http::{HttpError, Media, Posted, StreamMedia, accepts, query_parameter},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use serde_json::Value;

pub(crate) use self::registry::Channels;
use self::{
    registry::{Channel, Full, NotStarted},
    source::ChannelSource,
};
use super::{
    body::Body,
    errors,
    expiry::{deadline, until},
    graphql::{self, Answer},
    linger::linger,
    receive,
    reply::Reply,
    stream,
};
use crate::{
    limits::{Limit, Refused},
    metrics::{OperationMetrics, Transport},
    run::{self, NotPrepared},
    server::State,
};

const METHODS: &str = "GET, POST, PUT, DELETE, OPTIONS";
pub(super) const TOKEN_HEADER: &str = "x-graphql-event-stream-token";
/// The longest id of an operation, in bytes.
const MAX_ID: usize = 256;

/// Answers a request to the endpoint of event streams.
pub(super) async fn handle(state: &Arc<State>, request: Request<Incoming>) -> Response<Body> {
    if let Some(response) = state.cors.preflight(&request, "GET, POST, PUT, DELETE") {
        return response;
    }
    let (parts, mut body) = request.into_parts();
    let token = token(&parts);
    let answer = match (&parts.method, token) {
        (&Method::PUT, _) => reserve(state, &parts).await,
        (&Method::GET | &Method::POST, Some(token)) => {
            open_or_start(state, &parts, &mut body, &token).await
        }
        (&Method::GET | &Method::POST, None) => distinct(state, &parts, &mut body).await,
        (&Method::DELETE, token) => stop(state, &parts, token.as_deref()).await,
        (&Method::OPTIONS, _) => Ok(graphql::options(METHODS)),
        _ => Err(errors::method_not_allowed(METHODS).into()),
    };
    let mut response = match answer {
        Ok(response) => response,
        Err(response) => *response,
    };
    if response.status() != StatusCode::REQUEST_TIMEOUT {
        linger(state, body);
    }
    state.cors.dress(&parts.headers, response.headers_mut());
    response
}

/// The header counts before the query string. A token that is given twice is none that we know.
fn token(parts: &Parts) -> Option<String> {
    let mut headers = parts.headers.get_all(TOKEN_HEADER).iter();
    match (headers.next(), headers.next()) {
        (Some(one), None) => Some(one.to_str().unwrap_or_default().to_owned()),
        (Some(_), Some(_)) => Some(String::new()),
        (None, _) => query_parameter(parts.uri.query().unwrap_or_default(), "token"),
    }
}

async fn identify(
    state: &State,
    parts: &Parts,
    reply: &Reply<'_>,
) -> Result<Authenticated, Box<Response<Body>>> {
    let client = receive::client(state, parts, None).await;
    client.map_err(|error| reply.unauthorized(&error).into())
}

/// The same answer whether there is no such stream or it is somebody else's.
fn find(
    state: &State,
    token: &str,
    identity: &Identity,
    reply: &Reply<'_>,
) -> Result<Arc<Channel>, Box<Response<Body>>> {
    state.channels.find(token, identity).ok_or_else(|| no_stream(reply).into())
}

fn no_stream(reply: &Reply<'_>) -> Response<Body> {
    reply.fault(404, ErrorCode::NotFound, "event stream not found: reserve one with PUT")
}

async fn reserve(state: &Arc<State>, parts: &Parts) -> Answer {
    let reply = Reply::for_errors(state);
    let values = parts.headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    if !accepts(values, "text", "plain") {
        return Err(reply.malformed(&HttpError::NotAcceptable).into());
    }
    let client = identify(state, parts, &reply).await?;
    if state.is_stopping() {
        return Err(errors::unavailable("the server is shutting down").into());
    }
    let token = Channels::reserve(state, &client.identity).map_err(|full| {
        let status = match full {
            Full::Identity => 429,
            Full::Server | Full::Random => 503,
        };
        let mut response = reply.fault(status, ErrorCode::LimitExceeded, &full.to_string());
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        response
    })?;
    let mut response = Response::new(Body::from(token));
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Without a token a request for events is an operation of its own, as at `/graphql`.
async fn distinct(state: &Arc<State>, parts: &Parts, body: &mut Incoming) -> Answer {
    let reply = Reply::new(state, &parts.headers)?;
    if matches!(reply.single, Media::Stream(StreamMedia::EventStream)) {
        return graphql::answer(state, parts, body).await;
    }
    identify(state, parts, &reply).await?;
    Err(no_stream(&reply).into())
}

async fn open_or_start(
    state: &Arc<State>,
    parts: &Parts,
    body: &mut Incoming,
    token: &str,
) -> Answer {
    let reply = Reply::new(state, &parts.headers)?;
    let client = identify(state, parts, &reply).await?;
    let channel = find(state, token, &client.identity, &reply)?;
    match reply.single {
        Media::Stream(StreamMedia::EventStream) => open(state, parts, channel, &client, &reply),
        Media::Stream(_) => Err(reply.malformed(&HttpError::NotAcceptable).into()),
        Media::Json(_) => {
            let request = match receive::request(state, &reply, parts, body, 0).await? {
                Posted::One(request) => *request,
                Posted::Batch(_) => return Err(reply.malformed(&HttpError::NotAcceptable).into()),
            };
            start(state, &reply, &channel, &client, request, parts).await
        }
    }
}

/// A body that comes with it is not read: the stream is for operations that come by themselves.
fn open(
    state: &Arc<State>,
    parts: &Parts,
    channel: Arc<Channel>,
    client: &Authenticated,
    reply: &Reply<'_>,
) -> Answer {
    receive::check_csrf(state.config.csrf, parts).map_err(|error| reply.malformed(&error))?;
    // Who finds no room may try again: the reservation stays.
    let guard = state.limits.open_stream(&parts.extensions, &parts.headers, &client.identity);
    let guard = guard.map_err(Refused::response)?;
    if !state.channels.open(state, &channel) {
        let message = "the event stream is open already";
        return Err(reply.fault(409, ErrorCode::BadRequest, message).into());
    }
    let source = ChannelSource::new(state.clone(), channel, guard);
    let entry = stream::entry(state, StreamMedia::EventStream, parts, client);
    Ok(stream::respond(state, StreamMedia::EventStream, Box::new(source), Some(entry)))
}

/// 202 means that everything else is told in the stream. A refusal is told there too where a plain
/// answer would have the status 200, which clients of this mode take for a failure of the network.
async fn start(
    state: &Arc<State>,
    reply: &Reply<'_>,
    channel: &Arc<Channel>,
    client: &Authenticated,
    request: GraphQLRequest,
    parts: &Parts,
) -> Answer {
    let id = operation_id(&request).ok_or_else(|| {
        let message =
            format!("extensions.operationId must be a text of 1 to {MAX_ID} bytes, or a number");
        reply.fault(400, ErrorCode::BadRequest, &message)
    })?;
    let max = state.config.websocket.max_operations;
    let not_started = |error: NotStarted| match error {
        NotStarted::Closed => no_stream(reply),
        NotStarted::Duplicate => reply.fault(409, ErrorCode::BadRequest, &error.to_string()),
        NotStarted::TooMany(_) => {
            state.limits.hit(Limit::SocketOperations);
            OperationMetrics::rejected(&state.metrics, Transport::Sse);
            reply.fault(429, ErrorCode::LimitExceeded, &error.to_string())
        }
    };
    channel.check(&id, max).map_err(not_started)?;
    let identity = &client.identity;
    let from = state.limits.client(&parts.extensions, &parts.headers);
    let prepared =
        run::prepare_in_turn(state, identity, from, request, Allow::ALL, Transport::Sse).await;
    let is_get = parts.method == Method::GET;
    let items = match prepared {
        Ok(operation) if is_get && operation.kind() == OperationKind::Mutation => {
            OperationMetrics::rejected(&state.metrics, Transport::Sse);
            return Err(reply.malformed(&HttpError::MutationOverGet).into());
        }
        Ok(operation) => {
            let metrics = OperationMetrics::of(&state.metrics, &*operation, Transport::Sse);
            until(deadline(client), run::results(&state.limits, operation, metrics))
        }
        Err(NotPrepared::Busy(refused)) => {
            let mut response = refused.response();
            state.limits.tell_rate(response.headers_mut(), identity, from);
            return Err(response.into());
        }
        Err(NotPrepared::Refused(errors)) if reply.refusal_status(&errors) == 200 => {
            run::refusal(errors)
        }
        Err(NotPrepared::Refused(errors)) => return Err(reply.refused(errors).into()),
    };
    channel.start(&id, max, items).map_err(not_started)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    state.limits.tell_rate(response.headers_mut(), identity, from);
    Ok(response)
}

/// The reference server takes any value for a text; of those only numbers make sense.
fn operation_id(request: &GraphQLRequest) -> Option<String> {
    let id = match request.extensions.as_ref()?.get("operationId")? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (1..=MAX_ID).contains(&id.len()).then_some(id)
}

/// Stopping what is not there is no error: it may have ended while the request was on its way.
async fn stop(state: &Arc<State>, parts: &Parts, token: Option<&str>) -> Answer {
    let reply = Reply::for_errors(state);
    let client = identify(state, parts, &reply).await?;
    let channel = find(state, token.unwrap_or_default(), &client.identity, &reply)?;
    let query = parts.uri.query().unwrap_or_default();
    let Some(id) = query_parameter(query, "operationId") else {
        let message = "the operation's id is missing: DELETE ?operationId=…";
        return Err(reply.fault(400, ErrorCode::BadRequest, message).into());
    };
    channel.stop(&id);
    Ok(Response::new(Body::empty()))
}

/// As a result without data.
fn error_result(errors: &[GraphQLError]) -> bytes::Bytes {
    errors::refusal(errors).bytes
}
