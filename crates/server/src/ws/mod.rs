//! GraphQL over WebSocket: the upgrade, and one task for each connection.

mod compression;
mod connection;
mod operations;
mod outgoing;

use std::sync::Arc;

use artesian_engine::ErrorCode;
use artesian_protocol::{
    Subprotocol,
    ws::{
        Deflate,
        handshake::{self, Negotiated},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};

pub(crate) use self::compression::Compression;
use self::connection::Connection;
use crate::{
    http::{body::Body, errors},
    identity::Credentials,
    io::Guarded,
    server::State,
};

/// What both sides have agreed on.
#[derive(Clone, Copy)]
struct Agreed {
    protocol: Negotiated,
    deflate: Option<Deflate>,
}

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
    let mut upgrade = match handshake::check(request.method().as_str(), pairs(headers)) {
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
    if state.session_config.compat.first_offered
        && let Some(protocol) = first_offered(headers)
    {
        upgrade.protocol = Negotiated::Selected(protocol);
    }
    if !state.config.websocket.compression {
        upgrade.deflate = None;
    }
    let agreed = Agreed { protocol: upgrade.protocol, deflate: upgrade.deflate };
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
    state.tasks.spawn(run(state.clone(), on_upgrade, agreed, credentials));
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

async fn run(state: Arc<State>, on_upgrade: OnUpgrade, agreed: Agreed, credentials: Credentials) {
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
                Connection::new(state.clone(), stream, &parts.read_buf, agreed, credentials);
            // A task of its own: in this one what the upgrade needed would stay beside it.
            state.tasks.spawn(connection);
        }
        Err(_) => tracing::error!("an upgraded connection is of an unknown kind"),
    }
}
