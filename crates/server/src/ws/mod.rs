//! GraphQL over WebSocket: the upgrade, and one task for each connection.

mod connection;
mod operations;
mod outgoing;

use std::sync::Arc;

use artesian_engine::ErrorCode;
use artesian_protocol::ws::handshake::{self, Negotiated};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};

use self::connection::Connection;
use crate::{
    http::{body::Body, errors},
    identity::Credentials,
    io::Guarded,
    limits::SocketGuard,
    server::State,
};

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade<B>(request: &Request<B>) -> bool {
    handshake::is_upgrade(pairs(request.headers()))
}

/// Answers an upgrade request; the connection goes on in a task of its own.
pub(crate) fn upgrade(state: &Arc<State>, mut request: Request<Incoming>) -> Response<Body> {
    let headers = request.headers();
    if !state.config.websocket.enabled {
        let message = "WebSocket connections are switched off";
        return errors::response(StatusCode::BAD_REQUEST, ErrorCode::NotSupported, message);
    }
    if state.is_stopping() {
        return errors::unavailable("the server is shutting down");
    }
    if !state.cors.admits_upgrade(headers) {
        let message = "pages of this origin may not connect";
        return errors::response(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, message);
    }
    let upgrade = match handshake::check(request.method().as_str(), pairs(headers)) {
        Ok(upgrade) => upgrade,
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response =
                errors::response(status, ErrorCode::InvalidHeaders, error.to_string());
            for (name, value) in error.headers() {
                let (name, value) =
                    (HeaderName::from_static(name), HeaderValue::from_static(value));
                response.headers_mut().insert(name, value);
            }
            return response;
        }
    };
    let guard = match state.limits.open_socket(request.extensions(), headers) {
        Ok(guard) => guard,
        Err(refused) => return refused.response(),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in upgrade.headers() {
        // Both are made of ASCII by the handshake itself.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    let credentials = Credentials::from_headers(headers);
    let on_upgrade = hyper::upgrade::on(&mut request);
    // With these hyper writes header names in the client's own case. PyPI `gql` looks up
    // "Sec-WebSocket-Protocol" with regard to case, and takes the legacy protocol if it finds none.
    *response.extensions_mut() = std::mem::take(request.extensions_mut());
    state.tasks.spawn(run(state.clone(), on_upgrade, upgrade.protocol, credentials, guard));
    response
}

async fn run(
    state: Arc<State>,
    on_upgrade: OnUpgrade,
    protocol: Negotiated,
    credentials: Credentials,
    guard: SocketGuard,
) {
    let upgraded = match on_upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => {
            tracing::debug!(%error, "upgrade failed");
            return;
        }
    };
    // The raw socket is taken back, since hyper's buffers would stay for as long as it lives.
    let connection = match downcast::<TokioIo<Guarded>>(upgraded) {
        Ok(parts) => {
            let stream = parts.io.into_inner().into_inner();
            Connection::new(state, stream, &parts.read_buf, protocol, credentials, guard)
        }
        Err(_) => {
            tracing::error!("an upgraded connection is of an unknown kind");
            return;
        }
    };
    connection.await;
}
