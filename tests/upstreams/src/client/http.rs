//! Requests, each over a connection of its own.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle};

use super::Caller;

/// A response whose body may be under way.
pub struct Answer {
    /// It.
    pub response: Response<Incoming>,
    /// Its connection, which ends when this task is aborted.
    pub connection: JoinHandle<()>,
}

/// Sends a request.
pub async fn send(
    address: SocketAddr,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &Value,
) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(async move {
        let _ = connection.await;
    });
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_null() {
        request = request.header("content-type", "application/json");
    }
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let response =
        sender.send_request(request.body(Full::<Bytes>::from(body)).unwrap()).await.unwrap();
    Answer { response, connection }
}

/// The whole body as text.
pub async fn text(answer: Answer) -> String {
    let bytes = answer.response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

/// Asks once; gives the status and the response.
pub async fn ask(address: SocketAddr, caller: &Caller, request: &Value) -> (u16, Value) {
    let mut headers = caller.pairs();
    headers.push(("accept", "application/json"));
    let answer = send(address, ("POST", "/graphql"), &headers, request).await;
    let status = answer.response.status().as_u16();
    let text = text(answer).await;
    // What is deeper than is read here is a text.
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// What is at a path.
pub async fn get(address: SocketAddr, path: &str) -> String {
    text(send(address, ("GET", path), &[], &Value::Null).await).await
}
