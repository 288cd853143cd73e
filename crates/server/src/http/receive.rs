//! Reading requests.

use std::sync::Arc;

use artesian_auth::{AuthError, Authenticated};
use artesian_engine::ErrorCode;
use artesian_protocol::{
    GraphQLRequest,
    http::{
        CsrfRule, HttpError, Posted, RequestError, check_content_encoding, check_content_type,
        decode_get,
    },
};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{body::Body, errors, reply::Reply};
use crate::{clients::Said, limits::Limit, server::State};

/// Who is asking; `request` is the text of the request in JSON, where it is known.
pub(super) async fn client(
    state: &State,
    parts: &Parts,
    request: Option<&Bytes>,
) -> Result<Authenticated, AuthError> {
    let said = Said::new(state, &parts.headers, state.cors.cookies(parts));
    let (auth, wants) = (state.auth.load_full(), state.service.wants());
    said.authenticate(auth, wants, None, request.cloned()).await
}

/// Who is asking by GET or POST, and what. Nothing is read from a stranger, unless the webhook wants
/// to see the request.
pub(super) async fn client_and_request(
    state: &Arc<State>,
    reply: &Reply<'_>,
    parts: &Parts,
    body: &mut Incoming,
    max_batch: usize,
) -> Result<(Authenticated, Posted), Box<Response<Body>>> {
    let denied = |error: AuthError| reply.denied(&error);
    if !state.auth.load().reads_requests() {
        let client = client(state, parts, None).await.map_err(denied)?;
        return Ok((client, request(state, reply, parts, body, max_batch).await?));
    }
    let (posted, text) = request_and_text(state, reply, parts, body, max_batch).await?;
    let client = client(state, parts, Some(&text)).await.map_err(denied)?;
    Ok((client, posted))
}

/// What was asked by GET or POST; an answer if that is nothing which could be executed.
pub(super) async fn request(
    state: &Arc<State>,
    reply: &Reply<'_>,
    parts: &Parts,
    body: &mut Incoming,
    max_batch: usize,
) -> Result<Posted, Box<Response<Body>>> {
    request_and_text(state, reply, parts, body, max_batch).await.map(|(posted, _)| posted)
}

async fn request_and_text(
    state: &Arc<State>,
    reply: &Reply<'_>,
    parts: &Parts,
    body: &mut Incoming,
    max_batch: usize,
) -> Result<(Posted, Bytes), Box<Response<Body>>> {
    let request = match parts.method {
        Method::GET => get_request(state.config.csrf, parts).map(|one| {
            let text = Bytes::from(serde_json::to_vec(&one).unwrap_or_default());
            (Posted::One(Box::new(one)), text)
        }),
        _ => post_request(state, parts, body, max_batch).await?,
    };
    request.map_err(|error| {
        if matches!(error, HttpError::Request(RequestError::BatchTooLong(_))) {
            state.limits.hit(Limit::BatchSize);
        }
        reply.malformed(&error).into()
    })
}

/// Whether a page of another site could have sent this request.
pub(super) fn check_csrf(rule: CsrfRule, parts: &Parts) -> Result<(), HttpError> {
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    rule.check(parts.method.as_str(), headers)
}

fn get_request(rule: CsrfRule, parts: &Parts) -> Result<GraphQLRequest, HttpError> {
    check_csrf(rule, parts)?;
    decode_get(parts.uri.query().unwrap_or_default())
}

/// The content type is checked before the body is read. Since it must be `application/json`, no page
/// of another site can have sent the request without a preflight.
async fn post_request(
    state: &Arc<State>,
    parts: &Parts,
    body: &mut Incoming,
    max_batch: usize,
) -> Result<Result<(Posted, Bytes), HttpError>, Box<Response<Body>>> {
    let mut types = parts.headers.get_all(header::CONTENT_TYPE).iter();
    let content_type = match (types.next(), types.next()) {
        (Some(one), None) => one.to_str().ok(),
        _ => None,
    };
    let encodings = parts.headers.get_all(header::CONTENT_ENCODING).iter();
    let checked = check_content_type(content_type)
        .and_then(|()| check_content_encoding(encodings.map(|value| value.as_bytes())));
    if let Err(error) = checked {
        return Ok(Err(error));
    }
    let body = read(state, &parts.headers, body).await?;
    let posted = Posted::from_json(&body, max_batch).map_err(HttpError::from);
    Ok(posted.map(|posted| (posted, body)))
}

async fn read(
    state: &Arc<State>,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Bytes, Box<Response<Body>>> {
    let limit = state.config.max_body_bytes;
    let too_long = || {
        state.limits.hit(Limit::BodyBytes);
        let message = format!("the request body exceeds the limit of {limit} bytes");
        errors::response(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::LimitExceeded, message)
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    if announced.and_then(|v| v.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(too_long().into());
    }
    match timeout(state.config.read_timeout, Limited::new(body, limit).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long().into()),
        Ok(Err(_)) => {
            let message = "the request body could not be read";
            Err(errors::response(StatusCode::BAD_REQUEST, ErrorCode::BadRequest, message).into())
        }
        Err(_) => {
            state.limits.hit(Limit::ReadTimeout);
            let message = "the request body did not arrive in time";
            Err(errors::response(StatusCode::REQUEST_TIMEOUT, ErrorCode::Timeout, message).into())
        }
    }
}
