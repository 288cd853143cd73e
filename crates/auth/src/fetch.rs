//! One HTTP request to a service of the user's: bounded in time and size, without redirects.

use std::{sync::Arc, time::Duration};

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
            .build(connector);
        Ok(Self { inner })
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
        longest: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let exchange = async {
            let response = self.inner.request(request).await.map_err(|error| describe(&error))?;
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

/// The innermost reason; the outer ones say only that there was an error.
fn describe(error: &dyn std::error::Error) -> FetchError {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    FetchError::Unreachable(innermost.to_string())
}
