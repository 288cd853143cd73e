//! GraphQL over POST and GET, answered by one result or by a stream of them.

use std::sync::Arc;

use artesian_auth::Authenticated;
use artesian_engine::{Allow, ErrorCode, OperationKind};
use artesian_protocol::{
    GraphQLRequest,
    http::{HttpError, Media, Posted},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{
    batch,
    body::Body,
    errors,
    expiry::{deadline, until},
    linger::linger,
    receive,
    reply::Reply,
    stream,
};
use crate::{
    limits::{ClientKey, Limit, Refused},
    metrics::{OperationMetrics, Transport},
    run::{self, NotPrepared},
    server::State,
    ws,
};

/// Answers a request to the GraphQL endpoint.
pub(super) async fn handle(state: &Arc<State>, request: Request<Incoming>) -> Response<Body> {
    if let Some(response) = state.cors.preflight(&request, "GET, POST") {
        return response;
    }
    if ws::is_upgrade(&request) {
        return ws::upgrade(state, request);
    }
    let (parts, mut body) = request.into_parts();
    let mut response = match parts.method {
        Method::GET | Method::POST => match answer(state, &parts, &mut body).await {
            Ok(response) => response,
            Err(response) => *response,
        },
        Method::OPTIONS => options(METHODS),
        _ => errors::method_not_allowed(METHODS),
    };
    // Who did not send in time is not waited for again.
    if response.status() != StatusCode::REQUEST_TIMEOUT {
        linger(state, body);
    }
    state.cors.dress(&parts.headers, response.headers_mut());
    response
}

const METHODS: &str = "GET, POST, OPTIONS";

/// The answer to OPTIONS that is no preflight request.
pub(super) fn options(methods: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

/// An answer either way; that of a refusal ends the work at once.
pub(super) type Answer = Result<Response<Body>, Box<Response<Body>>>;

/// Answers a GET or a POST.
pub(super) async fn answer(state: &Arc<State>, parts: &Parts, body: &mut Incoming) -> Answer {
    let reply = Reply::new(state, &parts.headers)?;
    let max_batch = state.config.max_batch_size;
    let (client, posted) =
        receive::client_and_request(state, &reply, parts, body, max_batch).await?;
    let from = state.limits.client(&parts.extensions, &parts.headers);
    let mut answer = match posted {
        Posted::One(request) => execute(state, &reply, &client, from, *request, parts).await,
        Posted::Batch(requests) => {
            batch::execute(state, &reply, &client.identity, from, requests).await
        }
    };
    let (Ok(response) | Err(response)) = answer.as_mut().map_err(Box::as_mut);
    state.limits.tell_rate(response.headers_mut(), &client.identity, from);
    for cookie in &*client.set_cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    answer
}

async fn execute(
    state: &Arc<State>,
    reply: &Reply<'_>,
    client: &Authenticated,
    from: ClientKey,
    request: GraphQLRequest,
    parts: &Parts,
) -> Answer {
    let identity = &client.identity;
    // A mutation by GET is prepared like any other and refused below, with its own status.
    let allow = Allow { mutations: true, streams: reply.stream.is_some() };
    let operation = run::prepare_in_turn(state, identity, from, request, allow, reply.transport())
        .await
        .map_err(|error| match error {
            NotPrepared::Busy(refused) => refused.response(),
            NotPrepared::Refused(errors) => reply.refused(errors),
        })?;
    if parts.method == Method::GET && operation.kind() == OperationKind::Mutation {
        OperationMetrics::rejected(&state.metrics, reply.transport());
        return Err(reply.malformed(&HttpError::MutationOverGet).into());
    }
    let media = match (operation.is_stream(), reply.single, reply.stream) {
        (true, _, Some(media)) | (_, Media::Stream(media), _) => {
            let guard = state.limits.open_stream(&parts.extensions, &parts.headers, identity);
            let guard = guard.map_err(Refused::response)?;
            let metrics =
                OperationMetrics::of(&state.metrics, &*operation, stream::transport(media));
            let items = run::results(&state.limits, operation, metrics);
            let items = guard.hold(until(deadline(client), items));
            let entry = stream::entry(state, media, parts, client);
            return Ok(stream::response(state, media, items, Some(entry)));
        }
        (_, Media::Json(media), _) => media,
    };
    let metrics = OperationMetrics::of(&state.metrics, &*operation, Transport::Http);
    let run = run::once(&state.limits, &*operation, metrics);
    match timeout(state.config.request_timeout, run).await {
        Ok(Ok(payload)) => Ok(reply.result(media, payload)),
        Ok(Err(refused)) => Err(refused.response().into()),
        Err(_) => Err(took_too_long(state, "the operation took too long").into()),
    }
}

/// A single answer that could not be given in time.
pub(super) fn took_too_long(state: &State, message: &'static str) -> Response<Body> {
    state.limits.hit(Limit::RequestTimeout);
    errors::response(StatusCode::GATEWAY_TIMEOUT, ErrorCode::Timeout, message)
}
