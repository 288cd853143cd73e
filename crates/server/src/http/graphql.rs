//! GraphQL over POST and GET, answered by one result or by a stream of them.

use std::sync::Arc;

use artesian_engine::{Allow, ErrorCode, GraphQLError, Identity, OperationKind};
use artesian_protocol::{
    GraphQLRequest,
    http::{HttpError, Media, Posted},
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{batch, body::Body, errors, linger::linger, receive, reply::Reply, stream};
use crate::{
    metrics::{OperationMetrics, Transport},
    run,
    server::State,
    service::Prepared,
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
    let identity =
        receive::identity(state, &parts.headers).map_err(|error| reply.denied(error.to_error()))?;
    let max_batch = state.config.max_batch_size;
    match receive::request(state, &reply, parts, body, max_batch).await? {
        Posted::One(request) => {
            let is_get = parts.method == Method::GET;
            execute(state, &reply, &identity, *request, is_get).await
        }
        Posted::Batch(requests) => batch::execute(state, &reply, &identity, requests).await,
    }
}

/// Prepares an operation: the one policy, whatever the transport.
pub(super) fn prepare(
    state: &State,
    identity: &Identity,
    request: GraphQLRequest,
    allow: Allow,
    transport: Transport,
) -> Result<Box<dyn Prepared>, Vec<GraphQLError>> {
    let prepared = state.service.prepare(run::request(request), identity, allow);
    prepared.inspect_err(|errors| {
        run::log_refusal(errors);
        OperationMetrics::rejected(&state.metrics, transport);
    })
}

/// Counts an operation that starts to run.
pub(super) fn start(
    state: &State,
    operation: &dyn Prepared,
    transport: Transport,
) -> OperationMetrics {
    let (kind, is_stream) = (operation.kind(), operation.is_stream());
    OperationMetrics::start(state.metrics.clone(), transport, kind, is_stream)
}

async fn execute(
    state: &Arc<State>,
    reply: &Reply<'_>,
    identity: &Identity,
    request: GraphQLRequest,
    is_get: bool,
) -> Answer {
    // A mutation by GET is prepared like any other and refused below, with its own status.
    let allow = Allow { mutations: true, streams: reply.stream.is_some() };
    let operation = prepare(state, identity, request, allow, reply.transport())
        .map_err(|errors| reply.refused(errors))?;
    if is_get && operation.kind() == OperationKind::Mutation {
        OperationMetrics::rejected(&state.metrics, reply.transport());
        return Err(reply.malformed(&HttpError::MutationOverGet).into());
    }
    let media = match (operation.is_stream(), reply.single, reply.stream) {
        (true, _, Some(media)) | (_, Media::Stream(media), _) => {
            let metrics = start(state, &*operation, stream::transport(media));
            return Ok(stream::response(state, media, run::results(operation, metrics)));
        }
        (_, Media::Json(media), _) => media,
    };
    let metrics = start(state, &*operation, Transport::Http);
    match timeout(state.config.request_timeout, run::once(&*operation, metrics)).await {
        Ok(payload) => Ok(reply.result(media, payload)),
        Err(_) => Err(took_too_long("the operation took too long").into()),
    }
}

/// A single answer that could not be given in time.
pub(super) fn took_too_long(message: &'static str) -> Response<Body> {
    errors::response(StatusCode::GATEWAY_TIMEOUT, ErrorCode::Timeout, message)
}
