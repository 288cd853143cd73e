//! HTTP: routes, and GraphQL over POST, GET, event streams and multipart.

pub(crate) mod activity;
mod admin;
mod batch;
pub(crate) mod body;
pub(crate) mod channel;
pub(crate) mod cors;
pub(crate) mod errors;
pub(crate) mod expiry;
mod graphql;
mod linger;
mod multipart;
mod receive;
mod reply;
mod sse;
mod stream;

use std::{sync::Arc, time::Duration};

use ::http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;

use self::body::Body;
use crate::{console, server::State};

/// Answers a request.
pub(crate) async fn handle(state: Arc<State>, mut request: Request<Incoming>) -> Response<Body> {
    name_host(&mut request);
    let is_head = request.method() == Method::HEAD;
    let mut response = match request.uri().path() {
        "/graphql" | "/v1/graphql" | "/graphql/stream" | "/v1/graphql/stream"
            if !state.service.is_up() =>
        {
            errors::unavailable("the server is starting: the database has not been reached yet")
        }
        "/graphql" | "/v1/graphql" => graphql::handle(&state, request).await,
        "/graphql/stream" | "/v1/graphql/stream" => channel::handle(&state, request).await,
        path => match (admin::Subject::at(path), request.method()) {
            (Some(subject), _) => admin::handle(&state, subject, request).await,
            (None, &Method::GET | &Method::HEAD) => get(&state, path, &request).await,
            (None, _) => refuse_method(&state, path, &request).await,
        },
    };
    if is_head {
        strip_body(&mut response);
    }
    state.metrics.response(response.status());
    response
}

/// With HTTP/2 the host stands in `:authority` (RFC 9113, section 8.3.1).
fn name_host<B>(request: &mut Request<B>) {
    if request.version() != Version::HTTP_2 {
        return;
    }
    let authority = request.uri().authority().map(|authority| authority.as_str());
    if let Some(host) = authority.and_then(|host| HeaderValue::from_str(host).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
}

async fn get(state: &Arc<State>, path: &str, request: &Request<Incoming>) -> Response<Body> {
    match path {
        "/healthz" if state.service.is_up() => plain(StatusCode::OK, "OK"),
        "/healthz" => plain(StatusCode::SERVICE_UNAVAILABLE, "starting"),
        "/readyz" => ready(state).await,
        "/metrics" => {
            let mut response = Response::new(Body::from(state.metrics.encode()));
            let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
            response
        }
        _ if state.config.console => {
            console::serve(path, request.headers()).unwrap_or_else(errors::not_found)
        }
        _ => errors::not_found(),
    }
}

/// A path that is there with GET refuses other methods; any other path is not there at all.
async fn refuse_method(
    state: &Arc<State>,
    path: &str,
    request: &Request<Incoming>,
) -> Response<Body> {
    let is_known = matches!(path, "/healthz" | "/readyz" | "/metrics")
        || state.config.console && console::serve(path, request.headers()).is_some();
    if is_known { errors::method_not_allowed("GET, HEAD") } else { errors::not_found() }
}

async fn ready(state: &Arc<State>) -> Response<Body> {
    if state.is_stopping() {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "shutting down");
    }
    let limit = Duration::from_secs(5);
    let reason = match tokio::time::timeout(limit, state.service.ready()).await {
        Ok(Ok(())) => return plain(StatusCode::OK, "OK"),
        Ok(Err(reason)) => reason,
        Err(_) => String::from("no answer in time"),
    };
    // The reason may name hosts and users: it is for the log.
    tracing::warn!(reason, "not ready");
    plain(StatusCode::SERVICE_UNAVAILABLE, "a source of data does not answer, see the log")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same response without its body, as HEAD has it.
fn strip_body(response: &mut Response<Body>) {
    let body = std::mem::replace(response.body_mut(), Body::empty());
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}
