//! How clients are told that a limit is reached: as an error in the shape of all others, with the time
//! after which to try again.

use std::time::Duration;

use artesian_engine::{ErrorCode, GraphQLError, ReachedLimit};
use artesian_protocol::http::JsonMedia;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Limit;
use crate::http::{body::Body, errors};

/// Connections beyond the cap that are told so at the same time; those beyond them are just closed.
pub(crate) const TCP_REFUSALS: usize = 64;

/// A limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Which one.
    pub limit: Limit,
    /// After how many seconds to try again. Spread, so that those who were refused together do not
    /// come back together.
    pub retry_after: u64,
}

impl Refused {
    /// What clients read. Short enough for the reason of a close frame.
    pub fn message(self) -> &'static str {
        match self.limit {
            Limit::SocketsPerIp => "too many connections of this address",
            Limit::SocketsPerIdentity => "too many connections of this role and session",
            Limit::ConnectRate => "this address connects too often",
            Limit::OperationsPerIdentity => {
                "too many operations of this role and session are running"
            }
            Limit::RequestRate => "this role and session starts operations too often",
            Limit::Preparations | Limit::Executions => {
                "the server is busy: too many operations are waiting"
            }
            _ => "the server has too many connections",
        }
    }

    /// As a GraphQL error, whose extensions name the limit as metrics do.
    pub fn to_error(self) -> GraphQLError {
        let mut error = GraphQLError::new(ErrorCode::LimitExceeded, self.message());
        let (limit, retry_after) = (self.limit.as_str(), self.retry_after);
        error.extensions.limit = Some(ReachedLimit { limit, retry_after });
        error
    }

    /// 429 if it is about this client, 503 if it is about all of them.
    fn status(self) -> StatusCode {
        match self.limit {
            Limit::SocketsPerIp
            | Limit::SocketsPerIdentity
            | Limit::ConnectRate
            | Limit::OperationsPerIdentity
            | Limit::RequestRate => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// As an answer over HTTP, with `Retry-After`.
    pub fn response(self) -> Response<Body> {
        let media = JsonMedia::ApplicationJson.content_type();
        let payload = errors::refusal(&[self.to_error()]);
        let mut response = errors::json(self.status(), media, payload);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after));
        response
    }
}

/// Answers whatever a connection beyond the cap asks with 503, and closes it.
pub(crate) async fn refuse_tcp(mut stream: TcpStream, refused: Refused) {
    let payload = errors::refusal(&[refused.to_error()]);
    let mut answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: {}\r\nconnection: close\r\n\
         content-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n\r\n",
        refused.retry_after,
        payload.bytes.len()
    )
    .into_bytes();
    answer.extend_from_slice(&payload.bytes);
    let exchange = async {
        let mut request = [0; 4096];
        // An answer before the request, or a close with unread bytes, would be lost as a reset.
        if stream.read(&mut request).await.is_ok_and(|count| count > 0)
            && stream.write_all(&answer).await.is_ok()
            && stream.shutdown().await.is_ok()
        {
            while stream.read(&mut request).await.is_ok_and(|count| count > 0) {}
        }
    };
    let _ = timeout(Duration::from_secs(1), exchange).await;
}
