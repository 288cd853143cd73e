//! HTTP connections: one for each request, or one for all.

use std::{net::SocketAddr, time::SystemTime};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    common::{Common, LIMIT},
    credentials::Headers,
};

/// What asks for a single answer.
pub const JSON: &str = "application/json";

/// Where requests of many identities go.
pub enum Link {
    /// A connection for each request.
    Each,
    /// One connection of HTTP/2 for all, at the same time.
    Shared(Option<http2::SendRequest<Full<Bytes>>>),
}

/// A request that is to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// What the client says of itself.
    pub headers: Headers,
    /// Which answers it takes.
    pub accept: &'static str,
    /// A further header.
    pub more: Option<(&'static str, String)>,
    /// JSON; none if it is null.
    pub body: Value,
}

impl Ask {
    /// A POST to the endpoint.
    pub fn post(headers: &Headers, accept: &'static str, body: Value) -> Self {
        let path = "/graphql".to_owned();
        Self { method: Method::POST, path, headers: headers.clone(), accept, more: None, body }
    }

    /// A GET that takes JSON.
    pub fn get(headers: &Headers) -> Self {
        let (method, path, headers) = (Method::GET, String::new(), headers.clone());
        Self { method, path, headers, accept: JSON, more: None, body: Value::Null }
    }

    fn build(&self, authority: Option<SocketAddr>) -> Request<Full<Bytes>> {
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        let uri = match authority {
            Some(address) => format!("http://{address}{}", self.path),
            None => self.path.clone(),
        };
        let mut request = Request::builder().method(self.method.clone()).uri(uri);
        if authority.is_none() {
            request = request.header("host", "localhost");
        }
        if !self.accept.is_empty() {
            request = request.header("accept", self.accept);
        }
        if !self.body.is_null() {
            request = request.header("content-type", "application/json");
        }
        let mut request = request.body(Full::from(body)).unwrap();
        let more = self.more.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain(more)
        {
            let value = HeaderValue::try_from(value).unwrap();
            request.headers_mut().insert(HeaderName::try_from(name).unwrap(), value);
        }
        request
    }
}

/// The head of an answer, and the time within which the server saw the request.
pub struct Answer {
    /// Its body may be under way.
    pub response: Response<Incoming>,
    /// Just before the request was sent.
    pub sent: SystemTime,
    /// Just after the head had come.
    pub heard: SystemTime,
}

impl Link {
    /// Asks; `None` if there is no answer. That is a violation, unless the answer would have been a
    /// stream and was cut off before its head was sent, for a good reason.
    pub async fn ask(&mut self, common: &Common, ask: &Ask) -> Option<Answer> {
        let sent = SystemTime::now();
        let result = timeout(LIMIT, self.send(common.address, ask)).await;
        let heard = SystemTime::now();
        match result {
            Ok(Ok(response)) => Some(Answer { response, sent, heard }),
            Ok(Err(error)) => {
                let is_stream = ask.accept != JSON;
                if !is_stream || !common.judge.may_cut(&ask.headers, sent, heard) {
                    common.report.fail(format!("no answer to {ask:?}: {error:?}"));
                }
                None
            }
            Err(_) => {
                common.report.fail(format!("no answer to {ask:?} in time"));
                None
            }
        }
    }

    async fn send(&mut self, address: SocketAddr, ask: &Ask) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Each => {
                let stream = TcpStream::connect(address).await.unwrap();
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                sender.send_request(ask.build(None)).await
            }
            Self::Shared(shared) => {
                if shared.as_ref().is_none_or(http2::SendRequest::is_closed) {
                    let stream = TcpStream::connect(address).await.unwrap();
                    let io = TokioIo::new(stream);
                    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                    tokio::spawn(connection);
                    *shared = Some(sender);
                }
                let Some(sender) = shared else { unreachable!("it was just made") };
                sender.send_request(ask.build(Some(address))).await
            }
        }
    }
}

/// The whole body as text.
pub async fn body(response: Response<Incoming>) -> String {
    let bytes = timeout(LIMIT, response.into_body().collect()).await.unwrap();
    bytes.map_or_else(
        |error| error.to_string(),
        |bytes| String::from_utf8_lossy(&bytes.to_bytes()).into_owned(),
    )
}
