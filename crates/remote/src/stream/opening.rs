//! The request that opens a stream, and what its answer is.

use artesian_protocol::{
    multipart::{MultipartDecoder, boundary},
    sse::SseDecoder,
};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

use super::format::Format;
use crate::{
    Credentials, Operation, RemoteError, Response,
    config::{Method, UpstreamConfig},
    error::Step,
    http::{Answer, HttpClient, Repeat, classify, collect, headers},
    retry_after::asked_to_wait,
};

/// What services need to see to answer with an event stream (graphql-sse, PROTOCOL.md).
const ACCEPT_SSE: &str = "text/event-stream";
/// What they need to see for multipart (Apollo, "Multipart protocol for GraphQL subscriptions").
const ACCEPT_MULTIPART: &str =
    "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0, application/json";

/// Which kind of stream is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// An event stream.
    Sse(Method),
    /// A multipart body.
    Multipart,
}

/// An answer that has begun well.
pub(super) enum Opened {
    /// A stream; some services send one with a status that is no success, to say what is wrong in it.
    Stream { status: StatusCode, format: Format, body: Incoming },
    /// A response like a query's.
    Single(Response),
}

/// Opens a stream, within the time for responses.
pub(super) async fn open(
    config: &UpstreamConfig,
    client: &HttpClient,
    asked: Asked,
    operation: &Operation,
    credentials: &Credentials,
) -> Result<Opened, RemoteError> {
    let request = request(config, asked, operation, credentials)?;
    let limit = config.timeouts.request;
    let opening = async {
        let answer = client.send(request, Repeat::Safe).await?;
        read(config, answer).await
    };
    let too_long = RemoteError::Timeout { what: Step::Respond, limit };
    tokio::time::timeout(limit, opening).await.unwrap_or(Err(too_long))
}

fn request(
    config: &UpstreamConfig,
    asked: Asked,
    operation: &Operation,
    credentials: &Credentials,
) -> Result<Request<Full<Bytes>>, RemoteError> {
    let endpoint = config.subscription_endpoint();
    let is_get = asked == Asked::Sse(Method::Get);
    let query = is_get.then(|| operation.to_query_string());
    let uri = endpoint.http_uri(query.as_deref()).map_err(RemoteError::request)?;
    let body = if is_get { Bytes::new() } else { operation.to_json()? };
    let mut request = Request::new(Full::new(body));
    *request.uri_mut() = uri;
    let accept = match asked {
        Asked::Sse(_) => ACCEPT_SSE,
        Asked::Multipart => ACCEPT_MULTIPART,
    };
    *request.headers_mut() = headers(config, credentials, accept);
    if !is_get {
        *request.method_mut() = http::Method::POST;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    Ok(request)
}

/// Which format the answer has. The service says so; what was asked for does not matter here.
async fn read(config: &UpstreamConfig, answer: Answer) -> Result<Opened, RemoteError> {
    let status = answer.status();
    if status.is_redirection() {
        return Err(RemoteError::Redirect(status.as_u16()));
    }
    let kind = answer.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let limit = config.limits.message_bytes;
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let format = if essence.eq_ignore_ascii_case("text/event-stream") {
        Some(Format::Sse(SseDecoder::new(limit)))
    } else {
        let boundary = boundary(&kind);
        boundary.map(|name| Format::Multipart(MultipartDecoder::new(name.as_bytes(), limit)))
    };
    if let Some(format) = format {
        return Ok(Opened::Stream { status, format, body: answer.into_body() });
    }
    let wait = asked_to_wait(status.as_u16(), answer.headers());
    let body = collect(answer.into_body(), config.limits.response_bytes).await?;
    classify(status.as_u16(), &body).map(Opened::Single).map_err(|error| match error {
        RemoteError::Status(status) => {
            wait.unwrap_or_else(|| RemoteError::status_of_opening(status))
        }
        other => other,
    })
}
