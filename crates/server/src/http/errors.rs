//! Faults of HTTP itself, told as GraphQL errors.

use artesian_engine::{ErrorCode, GraphQLError, Payload};
use artesian_protocol::http::{HttpError, JsonMedia, RequestError};
use http::{HeaderValue, Response, StatusCode, header};

use super::body::Body;

/// A response with one error.
pub(crate) fn response(
    status: StatusCode,
    code: ErrorCode,
    message: impl Into<String>,
) -> Response<Body> {
    let media = JsonMedia::ApplicationJson.content_type();
    json(status, media, refusal(&[GraphQLError::new(code, message)]))
}

/// The body of a request error.
pub(crate) fn refusal(errors: &[GraphQLError]) -> Payload {
    Payload::request_error(errors)
}

/// A response with a payload, whose bytes are passed on as they are.
pub(crate) fn json(status: StatusCode, media: &'static str, payload: Payload) -> Response<Body> {
    let mut response = Response::new(Body::from(payload.bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Nothing is here.
pub(crate) fn not_found() -> Response<Body> {
    response(StatusCode::NOT_FOUND, ErrorCode::NotFound, "resource does not exist")
}

/// The method is not for this path.
pub(crate) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let message = format!("this method is not allowed here, these are: {allow}");
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = response(status, ErrorCode::BadRequest, message);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// The GraphQL error for a request that is not well-formed.
pub(crate) fn malformed(error: &HttpError) -> GraphQLError {
    let code = match error {
        HttpError::Request(RequestError::InvalidUtf8 | RequestError::MalformedJson(_)) => {
            ErrorCode::InvalidJson
        }
        HttpError::Request(RequestError::Batch) => ErrorCode::NotSupported,
        HttpError::Request(RequestError::BatchTooLong(_)) => ErrorCode::LimitExceeded,
        HttpError::Request(_) => ErrorCode::ParseFailed,
        HttpError::UnsupportedMediaType(_)
        | HttpError::UnsupportedEncoding
        | HttpError::NotAcceptable => ErrorCode::InvalidHeaders,
        HttpError::MethodNotAllowed | HttpError::MutationOverGet => ErrorCode::BadRequest,
        HttpError::PossibleForgery => ErrorCode::AccessDenied,
    };
    GraphQLError::new(code, error.to_string())
}

/// 503 while nothing can be answered: not yet, or no longer. Clients come back by themselves.
pub(crate) fn unavailable(message: &'static str) -> Response<Body> {
    let mut response =
        self::response(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unexpected, message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
