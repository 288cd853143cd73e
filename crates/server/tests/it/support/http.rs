//! HTTP requests.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{LIMIT, TestServer};

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The code of the first error; checks the shape of all.
    pub fn error_code(&self) -> String {
        let json = self.json();
        let errors = json["errors"].as_array().unwrap_or_else(|| panic!("no errors: {json}"));
        for error in errors {
            assert!(error["message"].is_string() && error["extensions"]["path"].is_string());
        }
        errors[0]["extensions"]["code"].as_str().unwrap().to_owned()
    }
}

pub fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::from(body.to_owned()));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert("host", "localhost".parse().unwrap());
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    request
}

/// A POST of a document.
pub fn post(query: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let body = serde_json::json!({ "query": query }).to_string();
    let mut request = request(Method::POST, "/graphql", headers, &body);
    let json = "application/json".parse().unwrap();
    request.headers_mut().entry("content-type").or_insert(json);
    request
}

/// Sends a request on a connection of its own; the response's body may still be under way.
pub async fn open(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap()
}

pub async fn read(response: Response<Incoming>) -> Reply {
    let (parts, body) = response.into_parts();
    let body = timeout(LIMIT, body.collect()).await.unwrap().unwrap().to_bytes();
    Reply { status: parts.status, headers: parts.headers, body }
}

impl TestServer {
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        read(open(self.address, request).await).await
    }

    /// The same over HTTP/2 with prior knowledge.
    pub async fn send_http2(&self, mut request: Request<Full<Bytes>>) -> Reply {
        let path = request.uri().path_and_query().unwrap().to_string();
        *request.uri_mut() = format!("http://localhost{path}").parse().unwrap();
        request.headers_mut().remove("host");
        let stream = TcpStream::connect(self.address).await.unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        read(timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap()).await
    }

    pub async fn post(&self, query: &str) -> Reply {
        self.send(post(query, &[])).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(request(Method::GET, path, &[], "")).await
    }

    /// Writes bytes and reads to the end of the connection.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut all = Vec::new();
        timeout(LIMIT, stream.read_to_end(&mut all)).await.unwrap().unwrap();
        String::from_utf8_lossy(&all).into_owned()
    }
}
