//! GraphQL over WebSocket: the upgrade, and one task for each connection.

mod authentication;
mod compression;
mod connection;
pub(crate) mod operations;
mod outgoing;
mod own_identity;
mod socket;

use std::{net::IpAddr, sync::Arc};

use crate::clients::Said;
use artesian_engine::ErrorCode;
use artesian_protocol::{
    Subprotocol,
    ws::{
        Deflate,
        handshake::{self, Negotiated, UpgradeError},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::{body::Incoming, ext::Protocol, upgrade::OnUpgrade};
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};

pub(crate) use self::compression::Compression;
use self::connection::Connection;
use crate::{
    http::{body::Body, errors},
    io::Guarded,
    limits::SocketGuard,
    server::State,
};

/// What both sides have agreed on.
#[derive(Clone, Copy)]
struct Agreed {
    protocol: Negotiated,
    deflate: Option<Deflate>,
}

/// What an upgrade says of the client.
struct Client {
    said: Said,
    address: IpAddr,
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade<B>(request: &Request<B>) -> bool {
    is_connect(request) || handshake::is_upgrade(pairs(request.headers()))
}

/// Whether a request asks for a WebSocket over HTTP/2 (RFC 8441).
fn is_connect<B>(request: &Request<B>) -> bool {
    let protocol = request.extensions().get::<Protocol>();
    request.method() == Method::CONNECT && protocol.is_some_and(|p| p.as_str() == "websocket")
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
    let cookies = match state.cors.upgrade(headers) {
        Ok(cookies) => cookies,
        Err(refused) => {
            let (status, code) = (StatusCode::FORBIDDEN, ErrorCode::AccessDenied);
            return errors::response(status, code, refused.to_string());
        }
    };
    let is_connect = is_connect(&request);
    let checked = if is_connect {
        handshake::check_connect(pairs(headers))
    } else {
        handshake::check(request.method().as_str(), pairs(headers))
    };
    let mut upgrade = match checked {
        Ok(upgrade) => upgrade,
        Err(error) => return refuse(error, is_connect),
    };
    if state.session_config.compat.first_offered
        && let Some(protocol) = first_offered(headers)
    {
        upgrade.protocol = Negotiated::Selected(protocol);
    }
    if !state.config.websocket.compression {
        upgrade.deflate = None;
    }
    let agreed = Agreed { protocol: upgrade.protocol, deflate: upgrade.deflate };
    let mut guard = match state.limits.open_socket(request.extensions(), headers) {
        Ok(guard) => guard,
        Err(refused) => return refused.response(),
    };
    let mut response = Response::new(Body::empty());
    if !is_connect {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    for (name, value) in upgrade.headers() {
        // Both are made of ASCII by the handshake itself.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    let address = state.limits.address(request.extensions(), headers);
    let client = Client { said: Said::new(state, headers, cookies), address };
    let on_upgrade = hyper::upgrade::on(&mut request);
    if is_connect {
        guard.stays_on(request.extensions());
        state.tasks.spawn(run_stream(state.clone(), on_upgrade, agreed, client, guard));
        return response;
    }
    // With these hyper writes header names in the client's own case. PyPI `gql` looks up
    // "Sec-WebSocket-Protocol" with regard to case, and takes the legacy protocol if it finds none.
    *response.extensions_mut() = std::mem::take(request.extensions_mut());
    state.tasks.spawn(run(state.clone(), on_upgrade, agreed, client, guard));
    response
}

fn refuse(error: UpgradeError, is_connect: bool) -> Response<Body> {
    let status = match error.status() {
        // Tells to upgrade, which HTTP/2 cannot.
        426 if is_connect => StatusCode::BAD_REQUEST,
        status => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
    };
    let mut response = errors::response(status, ErrorCode::InvalidHeaders, error.to_string());
    for (name, value) in
        error.headers().iter().filter(|(name, _)| !is_connect || *name != "upgrade")
    {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        response.headers_mut().insert(name, value);
    }
    response
}

/// The first subprotocol of the client's list that we speak.
fn first_offered(headers: &HeaderMap) -> Option<Subprotocol> {
    let values = headers.get_all("sec-websocket-protocol").into_iter();
    let mut offers = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    offers.find_map(|offer| {
        let name = offer.trim_ascii();
        Subprotocol::PREFERENCE.into_iter().find(|known| known.as_str().as_bytes() == name)
    })
}

/// A WebSocket that has a TCP connection of its own.
async fn run(
    state: Arc<State>,
    on_upgrade: OnUpgrade,
    agreed: Agreed,
    client: Client,
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
    match downcast::<TokioIo<Guarded>>(upgraded) {
        Ok(parts) => {
            let stream = parts.io.into_inner().into_inner();
            let connection =
                Connection::new(state.clone(), stream, &parts.read_buf, agreed, client, guard);
            // A task of its own: in this one what the upgrade needed would stay beside it.
            state.tasks.spawn(connection);
        }
        Err(_) => tracing::error!("an upgraded connection is of an unknown kind"),
    }
}

/// A WebSocket that is a stream of an HTTP/2 connection.
async fn run_stream(
    state: Arc<State>,
    on_upgrade: OnUpgrade,
    agreed: Agreed,
    client: Client,
    guard: SocketGuard,
) {
    match on_upgrade.await {
        Ok(stream) => Connection::new(state, stream, &[], agreed, client, guard).await,
        Err(error) => tracing::debug!(%error, "upgrade failed"),
    }
}
