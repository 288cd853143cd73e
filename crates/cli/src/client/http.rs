//! GraphQL over HTTP.

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value as Json;

use super::{ClientError, Endpoint, stream};
use crate::commands::Asked;

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 256 << 20;

const ACCEPT: &str = "application/graphql-response+json, application/json;q=0.9";

/// Runs an operation once; gives the answer's JSON.
pub async fn query(endpoint: &Endpoint, asked: &Asked) -> Result<Bytes, ClientError> {
    let response = post(endpoint, asked, ACCEPT).await?;
    let status = response.status();
    let answer =
        |what: String| ClientError::Answer { endpoint: endpoint.http(), what, is_refusal: false };
    let body = Limited::new(response.into_body(), LONGEST_ANSWER);
    let body = body.collect().await.map_err(|error| ClientError::Closed {
        endpoint: endpoint.http(),
        why: error.to_string(),
    })?;
    let bytes = body.to_bytes();
    let is_answer = serde_json::from_slice::<Json>(&bytes)
        .is_ok_and(|json| json.get("data").is_some() || json.get("errors").is_some());
    if is_answer { Ok(bytes) } else { Err(answer(described(status, &bytes))) }
}

/// Sends an operation and gives the answer, whatever it is.
pub async fn post(
    endpoint: &Endpoint,
    asked: &Asked,
    accept: &str,
) -> Result<Response<Incoming>, ClientError> {
    let failed = |why: String| ClientError::Unreachable { endpoint: endpoint.http(), why };
    let mut request = Request::post(endpoint.path.as_str())
        .header(header::HOST, &endpoint.authority)
        .header(header::USER_AGENT, super::USER_AGENT)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, accept);
    for (name, value) in &asked.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(asked.body().to_string())))
        .map_err(|error| failed(error.to_string()))?;
    let stream = stream::connect(endpoint).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed(error.to_string()))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
    let response = sender.send_request(request).await;
    response.map_err(|error| failed(error.to_string()))
}

/// An answer that is no GraphQL, in a few words.
pub fn described(status: http::StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(300)]);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    if text.is_empty() { format!("{status} without a body") } else { format!("{status}: {text}") }
}
