//! Requests, upgrades and multipart responses.

use std::{io, time::Duration};

use async_graphql::{
    Data, Executor, Request,
    http::{ALL_WEBSOCKET_PROTOCOLS, create_multipart_mixed_stream, is_accept_multipart_mixed},
};
use async_graphql_axum::{
    GraphQLProtocol, GraphQLRequest, GraphQLResponse, GraphQLWebSocket, rejection::GraphQLRejection,
};
use axum::{
    Router,
    body::Body,
    extract::{
        FromRequest, FromRequestParts, Request as HttpRequest, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::header::{ACCEPT, CONTENT_TYPE, UPGRADE},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use futures_util::{SinkExt, StreamExt, future, stream};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::{
    control,
    schema::{Headers, Init, Services},
    state::{Closing, State, pairs},
};

/// async-graphql sends no boundary behind a part, only before the next; so clients take an event for
/// whole when something follows it, and heartbeats must be frequent.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// `/graphql` and `/control/*`.
pub fn router(schema: Services, state: State) -> Router {
    let controlled = state.clone();
    let control = post(async move |name, body| control::answer(&controlled, name, body));
    let graphql = any(async move |request: HttpRequest| {
        let (schema, state) = (schema.clone(), state.clone());
        if request.headers().contains_key(UPGRADE) {
            upgraded(schema, state, request).await
        } else {
            requested(schema, state, request).await
        }
    });
    Router::new().route("/graphql", graphql).route("/control/{name}", control)
}

async fn upgraded(schema: Services, state: State, request: HttpRequest) -> Response {
    let (mut parts, _) = request.into_parts();
    state.upgraded(&parts.headers);
    let protocol = match GraphQLProtocol::from_request_parts(&mut parts, &()).await {
        Ok(protocol) => protocol,
        Err(refusal) => return refusal.into_response(),
    };
    let headers = Headers(pairs(&parts.headers), "websocket");
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade
            .protocols(ALL_WEBSOCKET_PROTOCOLS)
            .on_upgrade(move |socket| serve(schema, state, headers, socket, protocol)),
        Err(refusal) => refusal.into_response(),
    }
}

/// The life of a socket, which ends at once if tests say so.
async fn serve(
    schema: Services,
    state: State,
    headers: Headers,
    socket: WebSocket,
    protocol: GraphQLProtocol,
) {
    let _counted = state.socket();
    let mut closings = state.closings();
    let (mut sink, incoming) = socket.split();
    let (outgoing, mut messages) = mpsc::channel::<Message>(16);
    let outgoing = PollSender::new(outgoing);
    let mut data = Data::default();
    data.insert(headers);
    let init = async move |payload: serde_json::Value| {
        state.initialised(payload.clone());
        if payload["refuse"].as_bool().unwrap_or_default() {
            return Err("refused".into());
        }
        let mut data = Data::default();
        data.insert(Init(payload));
        Ok(data)
    };
    let served = GraphQLWebSocket::new_with_pair(outgoing, incoming, schema, protocol)
        .with_data(data)
        .on_connection_init(init)
        .serve();
    let write = async {
        while let Some(message) = messages.recv().await {
            sink.send(message).await?;
        }
        Ok::<_, axum::Error>(())
    };
    let closing: Option<Closing> = tokio::select! {
        _ = future::join(served, write) => None,
        closing = closings.recv() => closing.ok(),
    };
    if let Some(Some((code, reason))) = closing {
        let frame = CloseFrame { code, reason: reason.into() };
        // The other end may be gone.
        let _ = sink.send(Message::Close(Some(frame))).await;
    }
}

async fn requested(schema: Services, state: State, request: HttpRequest) -> Response {
    state.requested(request.method().as_str(), request.headers());
    let counted = state.response();
    let headers = Headers(pairs(request.headers()), "http");
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let is_multipart = accept.is_some_and(is_accept_multipart_mixed);
    let request = match GraphQLRequest::<GraphQLRejection>::from_request(request, &()).await {
        Ok(request) => Request::data(request.into_inner(), headers),
        Err(refusal) => return refusal.into_response(),
    };
    if !is_multipart {
        return GraphQLResponse::from(schema.execute(request).await).into_response();
    }
    let results = Executor::execute_stream(&schema, request, None);
    let parts = create_multipart_mixed_stream(results, HEARTBEAT).map(Ok);
    let mut closings = state.closings();
    let cut = stream::once(async move {
        let _ = closings.recv().await;
        Err(io::Error::other("cut"))
    });
    // The end of the parts is the end; the cut may come before.
    let ends = stream::once(future::ready(None));
    let parts = stream::select(parts.map(Some).chain(ends), cut.map(Some))
        .take_while(|part| future::ready(part.is_some()))
        .filter_map(move |part| {
            let _ = &counted;
            future::ready(part)
        });
    Response::builder()
        .header(CONTENT_TYPE, "multipart/mixed; boundary=graphql")
        .body(Body::from_stream(parts))
        .unwrap_or_default()
}
