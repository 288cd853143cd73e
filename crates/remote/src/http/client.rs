//! Requests over HTTP. Connections are pooled: a connection carries requests of any client, since
//! nothing of a request outlives it there. No redirect is followed, and no cookie is kept.
//!
//! A service may close a kept connection in the moment in which the next request goes out over it. That
//! says nothing of the service and is no failure of the request, which goes out again at once over
//! another connection if it may be repeated (RFC 9110, section 9.2.2, and RFC 9112, section 9.3.1).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::{TokioExecutor, TokioTimer},
};

use super::connector::{Connector, Used};
use crate::{
    Credentials, RemoteError,
    config::UpstreamConfig,
    dial::{Dial, Purpose},
};

/// How long a connection without a request is kept; servers tend to close theirs after a minute.
const IDLE: Duration = Duration::from_secs(30);

/// How many kept connections may turn out to be closed before a request is given up.
const MOST_KEPT: usize = 8;

/// A response whose body may still be on its way.
pub(crate) type Answer = Response<Incoming>;

/// A client; its clones share connections.
#[derive(Clone)]
pub(crate) struct HttpClient {
    inner: Client<Connector, Full<Bytes>>,
}

impl HttpClient {
    pub fn new(dial: Arc<dyn Dial>, config: &UpstreamConfig, purpose: Purpose) -> Self {
        let connector = Connector { dial, timeout: config.timeouts.connect, purpose };
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).timer(TokioTimer::new());
        if let Some(interval) = config.timeouts.ping_interval {
            builder.http2_keep_alive_interval(interval);
            builder.http2_keep_alive_timeout(config.timeouts.pong_deadline);
        }
        Self { inner: builder.build(connector) }
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        repeat: Repeat,
    ) -> Result<Answer, RemoteError> {
        let (mut next, mut repeats) = (request, 0);
        loop {
            let may_repeat = repeat == Repeat::Safe && repeats < MOST_KEPT;
            let spare = may_repeat.then(|| next.clone());
            let error = match self.inner.request(next).await {
                Ok(answer) => {
                    if let Some(used) = answer.extensions().get::<Used>() {
                        used.set();
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            match spare {
                Some(spare) if was_used(&error) => next = spare,
                _ => return Err(describe(&error)),
            }
            repeats += 1;
        }
    }
}

/// Whether the service may get a request twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// What only reads.
    Safe,
    /// What may change something.
    Unsafe,
}

/// Whether the error is the end of a connection that had carried an answer before.
fn was_used(error: &ClientError) -> bool {
    let Some(connected) = error.connect_info() else { return false };
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    extras.get::<Used>().is_some_and(Used::get)
}

/// The whole body, of at most `limit` bytes.
pub(crate) async fn collect(body: Incoming, limit: usize) -> Result<Bytes, RemoteError> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(RemoteError::TooLarge(limit)),
        Err(_) => Err(RemoteError::lost()),
    }
}

/// The headers of a request: what the service is told of the client, and what is accepted as an answer.
pub(crate) fn headers(
    config: &UpstreamConfig,
    credentials: &Credentials,
    accept: &'static str,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in credentials.headers_over(&config.headers) {
        headers.append(name, value.clone());
    }
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("artesian"));
    headers
}

fn describe(error: &ClientError) -> RemoteError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        // What our connector says.
        if let Some(known) = inner.downcast_ref::<RemoteError>() {
            return known.clone();
        }
        source = inner.source();
    }
    // With HTTP/2 the connector's success is followed by a handshake.
    if error.is_connect() { RemoteError::unreachable(error) } else { RemoteError::lost() }
}
