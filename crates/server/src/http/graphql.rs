//! GraphQL over POST and GET, answered by one result or by an event stream.

use std::sync::Arc;

use artesian_engine::{Allow, ErrorCode, GraphQLError, Identity, OperationKind, Payload};
use artesian_protocol::{
    GraphQLRequest,
    http::{
        Accepts, CsrfRule, HttpError, JsonMedia, Media, Outcome, StatusProfile, StreamMedia,
        decode_get, decode_post,
    },
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{body::Body, errors, sse};
use crate::{
    identity::Credentials,
    limits::{Limit, Refused},
    metrics::{OperationMetrics, Transport},
    run,
    server::State,
    ws,
};

/// Answers a request to the GraphQL endpoint.
pub(super) async fn handle(state: &Arc<State>, request: Request<Incoming>) -> Response<Body> {
    if let Some(response) = state.cors.preflight(&request) {
        return response;
    }
    if ws::is_upgrade(&request) {
        return ws::upgrade(state, request);
    }
    let (parts, body) = request.into_parts();
    let mut response = match parts.method {
        Method::GET | Method::POST => match answer(state, &parts, body).await {
            Ok(response) | Err(response) => response,
        },
        Method::OPTIONS => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
            response
        }
        _ => errors::method_not_allowed(METHODS),
    };
    state.cors.dress(&parts.headers, response.headers_mut());
    response
}

const METHODS: &str = "GET, POST, OPTIONS";

/// How this client is to be answered.
struct Reply<'a> {
    state: &'a Arc<State>,
    /// The media type of a single result; `None` means that it goes into an event stream too.
    json: Option<JsonMedia>,
    /// Whether an event stream was asked for by name.
    events: bool,
    profile: StatusProfile,
}

type Answer = Result<Response<Body>, Response<Body>>;

async fn answer(state: &Arc<State>, parts: &Parts, body: Incoming) -> Answer {
    let Some(reply) = Reply::new(state, &parts.headers) else {
        let error = errors::malformed(&HttpError::NotAcceptable);
        let status = StatusCode::NOT_ACCEPTABLE;
        let media =
            state.config.status_profile.content_type(JsonMedia::ApplicationJson, status.as_u16());
        return Err(errors::json(status, media, errors::refusal(&[error])));
    };
    let identity = state
        .auth
        .identify(Credentials::from_headers(&parts.headers))
        .map_err(|error| reply.denied(error.to_error()))?;
    let request = match parts.method {
        Method::GET => get_request(state.config.csrf, parts),
        _ => post_request(state, parts, body).await?,
    };
    let request = request.map_err(|error| reply.malformed(&error))?;
    execute(state, &reply, &identity, request, parts).await
}

fn get_request(rule: CsrfRule, parts: &Parts) -> Result<GraphQLRequest, HttpError> {
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    rule.check("GET", headers)?;
    decode_get(parts.uri.query().unwrap_or_default())
}

/// The content type is checked before the body is read. Since it must be `application/json`, no page
/// of another site can have sent the request without a preflight.
async fn post_request(
    state: &Arc<State>,
    parts: &Parts,
    body: Incoming,
) -> Result<Result<GraphQLRequest, HttpError>, Response<Body>> {
    let mut types = parts.headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = match (types.next(), types.next()) {
        (Some(one), None) => one.to_str().ok(),
        _ => None,
    };
    if let Err(error @ HttpError::UnsupportedMediaType(_)) = decode_post(content_type, b"{}") {
        return Ok(Err(error));
    }
    let body = read(state, &parts.headers, body).await?;
    Ok(decode_post(content_type, &body))
}

async fn read(
    state: &Arc<State>,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Bytes, Response<Body>> {
    let limit = state.config.max_body_bytes;
    let too_long = || {
        state.limits.hit(Limit::BodyBytes);
        let message = format!("the request body exceeds the limit of {limit} bytes");
        errors::response(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::LimitExceeded, message)
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if announced.and_then(|v| v.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(too_long());
    }
    match timeout(state.config.read_timeout, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => {
            let message = "the request body could not be read";
            Err(errors::response(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message))
        }
        Err(_) => {
            state.limits.hit(Limit::ReadTimeout);
            let message = "the request body did not arrive in time";
            Err(errors::response(StatusCode::REQUEST_TIMEOUT, ErrorCode::Timeout, message))
        }
    }
}

async fn execute(
    state: &Arc<State>,
    reply: &Reply<'_>,
    identity: &Identity,
    request: GraphQLRequest,
    parts: &Parts,
) -> Answer {
    // A mutation by GET is prepared like any other and refused below, with its own status.
    let allow = Allow { mutations: true, streams: reply.events };
    let prepared = {
        let pass = state.limits.preparations.enter().await;
        let _pass = pass.map_err(|_| state.limits.busy(Limit::Preparations).response())?;
        run::prepare(state, identity, request, allow, reply.transport())
    };
    let operation = prepared.map_err(|errors| reply.refused(errors))?;
    if parts.method == Method::GET && operation.kind() == OperationKind::Mutation {
        OperationMetrics::rejected(&state.metrics, reply.transport());
        return Err(reply.malformed(&HttpError::MutationOverGet));
    }
    let start = |transport| OperationMetrics::of(&state.metrics, &*operation, transport);
    let Some(media) = reply.json.filter(|_| !operation.is_stream()) else {
        let guard = state.limits.open_stream(&parts.extensions, &parts.headers, identity);
        let guard = guard.map_err(Refused::response)?;
        let metrics = start(Transport::Sse);
        let items = run::results(&state.limits, operation, metrics);
        return Ok(sse::response(state, guard.hold(items)));
    };
    let metrics = start(Transport::Http);
    let run = run::once(&state.limits, &*operation, metrics);
    match timeout(state.config.request_timeout, run).await {
        Ok(Ok(payload)) => Ok(reply.result(media, payload)),
        Ok(Err(refused)) => Err(refused.response()),
        Err(_) => {
            state.limits.hit(Limit::RequestTimeout);
            let message = "the operation took too long";
            Err(errors::response(StatusCode::GATEWAY_TIMEOUT, ErrorCode::Timeout, message))
        }
    }
}

impl<'a> Reply<'a> {
    /// `None` if nothing that the client accepts can be produced.
    fn new(state: &'a Arc<State>, headers: &HeaderMap) -> Option<Self> {
        let values = || headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
        let accepts = Accepts::parse(values());
        // A wildcard accepts a stream, but does not ask for one.
        let is_named = values()
            .flat_map(|value| value.split(','))
            .filter_map(|range| range.split(';').next())
            .any(|media| media.trim().eq_ignore_ascii_case("text/event-stream"));
        let events = is_named && accepts.for_subscription() == Some(StreamMedia::EventStream);
        let json = match accepts.for_single_result() {
            Some(Media::Json(json)) => Some(json),
            Some(Media::Stream(StreamMedia::EventStream)) if events => None,
            _ => return None,
        };
        Some(Self { state, json, events, profile: state.config.status_profile })
    }

    fn transport(&self) -> Transport {
        if self.json.is_some() { Transport::Http } else { Transport::Sse }
    }

    /// A result of an operation that ran.
    fn result(&self, media: JsonMedia, payload: Payload) -> Response<Body> {
        let outcome = match &payload {
            Payload { is_error: false, .. } => Outcome::Data { errors: false },
            // The engine writes errors in one of these forms.
            Payload { bytes, .. } if bytes.starts_with(b"{\"data\":null") => Outcome::NullData,
            Payload { bytes, .. } if bytes.starts_with(b"{\"errors\":") => Outcome::RequestError,
            _ => Outcome::Data { errors: true },
        };
        self.json(self.profile.status(media, outcome), media, payload)
    }

    /// A request that is GraphQL but did not run.
    fn refused(&self, errors: Vec<GraphQLError>) -> Response<Body> {
        let outcome = match errors.first().map(|error| &error.extensions) {
            Some(at) if at.code == ErrorCode::ValidationFailed && at.path == "$.query" => {
                Outcome::SyntaxError
            }
            Some(at) => match at.code {
                ErrorCode::PermissionError | ErrorCode::AccessDenied => Outcome::Denied,
                ErrorCode::Unexpected | ErrorCode::PostgresError | ErrorCode::Timeout => {
                    Outcome::InternalError
                }
                _ => Outcome::RequestError,
            },
            None => Outcome::InternalError,
        };
        match self.json {
            Some(media) => {
                self.json(self.profile.status(media, outcome), media, errors::refusal(&errors))
            }
            None => sse::refusal(self.state, errors),
        }
    }

    /// Credentials that are missing or wrong.
    fn denied(&self, error: GraphQLError) -> Response<Body> {
        tracing::info!("request refused: credentials are missing or wrong");
        let is_spec = self.profile == StatusProfile::Spec;
        let media = match self.json {
            Some(media) => media,
            None if is_spec => JsonMedia::ApplicationJson,
            None => return sse::refusal(self.state, vec![error]),
        };
        let status = if is_spec { 401 } else { self.profile.status(media, Outcome::Denied) };
        let mut response = self.json(status, media, errors::refusal(&[error]));
        if is_spec {
            // A 401 must name a way to authenticate (RFC 9110, section 15.5.2).
            let challenge = HeaderValue::from_static("x-hasura-admin-secret");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// A request that is not well-formed. It has no place in an event stream: nothing was asked.
    fn malformed(&self, error: &HttpError) -> Response<Body> {
        let media = self.json.unwrap_or(JsonMedia::ApplicationJson);
        let body = errors::refusal(&[errors::malformed(error)]);
        let mut response = self.json(self.profile.error_status(error), media, body);
        for (name, value) in error.headers() {
            response.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        response
    }

    fn json(&self, status: u16, media: JsonMedia, payload: Payload) -> Response<Body> {
        let label = self.profile.content_type(media, status);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        errors::json(status, label, payload)
    }
}
