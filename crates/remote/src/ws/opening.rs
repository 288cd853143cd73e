//! From nothing to an open WebSocket.

use std::{pin::pin, sync::Arc};

use artesian_protocol::{
    Subprotocol,
    ws::handshake::{AnswerError, ClientHandshake},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1, upgrade::Upgraded};
use hyper_util::rt::TokioIo;

use crate::{
    Credentials, RemoteError,
    config::UpstreamConfig,
    dial::{Dial, Purpose, Target, Wire},
    error::Step,
    retry_after::asked_to_wait,
};

/// An open WebSocket.
pub(super) struct Opened {
    pub io: TokioIo<Upgraded>,
    pub protocol: Subprotocol,
}

/// Connects and shakes hands, within the time for connecting.
pub(super) async fn open(
    config: &UpstreamConfig,
    dial: &Arc<dyn Dial>,
    credentials: &Credentials,
    offered: &[Subprotocol],
) -> Result<Opened, RemoteError> {
    let limit = config.timeouts.connect;
    let opening = async {
        let endpoint = config.subscription_endpoint();
        let target = Target {
            host: endpoint.host().to_owned(),
            port: endpoint.port(),
            tls: endpoint.tls(),
            purpose: Purpose::Stream,
        };
        let wire = dial.dial(target).await.map_err(|error| RemoteError::unreachable(&error))?;
        shake_hands(wire, config, credentials, offered).await
    };
    let too_long = RemoteError::Timeout { what: Step::Connect, limit };
    tokio::time::timeout(limit, opening).await.unwrap_or(Err(too_long))
}

async fn shake_hands(
    wire: Wire,
    config: &UpstreamConfig,
    credentials: &Credentials,
    offered: &[Subprotocol],
) -> Result<Opened, RemoteError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(RemoteError::request)?;
    let handshake = ClientHandshake::new(nonce, offered);
    let request = request(&handshake, config, credentials)?;

    let lost = |error: hyper::Error| RemoteError::unreachable(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire.io)).await.map_err(lost)?;
    let mut connection = Box::pin(connection.with_upgrades());
    let mut upgrade = pin!(async move {
        let response = sender.send_request(request).await.map_err(lost)?;
        let protocol = check(&handshake, &response).map_err(|error| {
            let wait = asked_to_wait(response.status().as_u16(), response.headers());
            wait.unwrap_or_else(|| RemoteError::of_answer(error))
        })?;
        let io = hyper::upgrade::on(response).await.map_err(lost)?;
        Ok(Opened { io: TokioIo::new(io), protocol })
    });
    let closed = tokio::select! {
        biased;
        opened = &mut upgrade => return opened,
        closed = &mut connection => closed,
    };
    drop(connection);
    // The answer has arrived with what ended the connection, or it never will.
    match (upgrade.await, closed) {
        (Err(RemoteError::Unreachable(_)), Err(error)) => Err(lost(error)),
        (opened, _) => opened,
    }
}

fn request(
    handshake: &ClientHandshake,
    config: &UpstreamConfig,
    credentials: &Credentials,
) -> Result<Request<Empty<Bytes>>, RemoteError> {
    let endpoint = config.subscription_endpoint();
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = endpoint.path_and_query().clone().into();
    let headers: &mut HeaderMap = request.headers_mut();
    for (name, value) in credentials.headers_over(&config.headers) {
        headers.append(name, value.clone());
    }
    headers.insert(header::HOST, endpoint.host_header().map_err(RemoteError::request)?);
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("artesian"));
    for (name, value) in handshake.headers() {
        headers.insert(name, HeaderValue::try_from(value).map_err(RemoteError::request)?);
    }
    Ok(request)
}

fn check(
    handshake: &ClientHandshake,
    response: &Response<Incoming>,
) -> Result<Subprotocol, AnswerError> {
    let headers = response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    handshake.check(response.status().as_u16(), headers)
}
