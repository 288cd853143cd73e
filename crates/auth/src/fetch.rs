//! One HTTP request to a service of the user's: bounded in time and size, without redirects.

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as HyperClient, connect::HttpConnector},
    rt::TokioExecutor,
};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// The service cannot be reached, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// The whole of it took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The body exceeds the limit, in bytes.
    #[error("the answer exceeds {0} bytes")]
    TooLong(usize),
}

/// A client; its clones share connections.
#[derive(Clone)]
pub(crate) struct Client {
    inner: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Makes a connection for each request.
    fresh: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// A client that trusts the machine's certificate authorities.
    pub fn new() -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        let inner = HyperClient::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(connector.clone());
        let fresh =
            HyperClient::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { inner, fresh })
    }

    /// Sends a request and reads the whole answer. What is sent is a question, so it may be sent twice:
    /// a service may close a connection that was kept just when it is used again (RFC 9110,
    /// section 9.2.2).
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
        longest: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let exchange = async {
            let answer = match self.inner.request(request.clone()).await {
                Err(error) if !error.is_connect() && is_broken(&error) => {
                    self.fresh.request(request).await
                }
                answer => answer,
            };
            let response = answer.map_err(|error| describe(&error))?;
            let (parts, body) = response.into_parts();
            match Limited::new(body, longest).collect().await {
                Ok(body) => Ok(Response::from_parts(parts, body.to_bytes())),
                Err(error) if error.is::<LengthLimitError>() => Err(FetchError::TooLong(longest)),
                Err(_) => Err(FetchError::Unreachable("the connection broke".to_owned())),
            }
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(FetchError::Timeout(timeout)))
    }
}

/// Whether the connection ended before an answer began.
fn is_broken(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    }
    if let Some(error) = error.downcast_ref::<io::Error>() {
        let kinds = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected];
        return kinds.contains(&error.kind());
    }
    error.source().is_some_and(is_broken)
}

/// The innermost reason; the outer ones say only that there was an error.
fn describe(error: &dyn StdError) -> FetchError {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    FetchError::Unreachable(innermost.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A service that answers so many requests of a connection, reads one more, and closes. Gives its
    /// URL and how many connections there were.
    async fn fickle(answers: usize) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    for n in 0..=answers {
                        let mut head = Vec::new();
                        while !head.ends_with(b"\r\n\r\n") {
                            head.push(stream.read_u8().await.unwrap());
                        }
                        if n < answers {
                            stream
                                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                                .await
                                .unwrap();
                        }
                    }
                });
            }
        });
        (url, connections)
    }

    async fn get(client: &Client, url: &str) -> Result<Bytes, FetchError> {
        let request = Request::get(url).body(Full::default()).unwrap();
        Ok(client.send(request, Duration::from_secs(20), 100).await?.into_body())
    }

    #[tokio::test]
    async fn a_kept_connection_that_is_closed_is_no_fault() {
        let client = Client::new().unwrap();
        let (url, connections) = fickle(1).await;
        for _ in 0..3 {
            assert_eq!(get(&client, &url).await.unwrap(), "ok");
        }
        assert!(connections.load(Ordering::SeqCst) >= 2);
    }

    #[tokio::test]
    async fn a_service_that_never_answers_is_asked_twice() {
        let client = Client::new().unwrap();
        let (url, connections) = fickle(0).await;
        assert!(matches!(get(&client, &url).await, Err(FetchError::Unreachable(_))));
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }
}
