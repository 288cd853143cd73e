//! The end of the server.

use std::time::Duration;

use artesian_server::{ServerConfig, WebSocketConfig};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tokio::{net::TcpStream, time::timeout};

use crate::support::{
    self, LIMIT,
    http::{open, post, request},
    socket::{LEGACY, MODERN, RawSocket},
    start, start_with,
};

#[tokio::test]
async fn sockets_are_told_to_come_back() {
    let mut server = start().await;
    let mut sockets = Vec::new();
    for protocol in [MODERN, LEGACY, MODERN] {
        let mut socket = server.socket(protocol).await;
        socket.subscribe("1", "live a").await;
        socket.result("1").await;
        sockets.push(socket);
    }
    let idle = server.connect(MODERN, &[]).await;
    server.stop();
    for mut socket in sockets {
        // Not a `complete`, which would end the subscription for good.
        let message = socket.message().await;
        let expected = matches!(&message, tokio_tungstenite::tungstenite::Message::Close(Some(frame))
            if u16::from(frame.code) == 1001 && frame.reason == "Going away");
        assert!(expected, "{message:?}");
        socket.closed().await;
    }
    let mut idle = idle;
    assert_eq!(idle.closed().await.0, 1001);
    drop(idle);
    server.fake.happened_times("drop a", 3).await;
    server.stopped().await;
    assert!(TcpStream::connect(server.address).await.is_err());
    let going_away =
        format!("artesian_connections_closed_total{{transport=\"{MODERN}\",code=\"1001\"}}");
    assert_eq!(server.sample(&going_away), 3.0);
}

#[tokio::test]
async fn open_requests_finish() {
    let mut server = start().await;
    let slow = tokio::spawn(open(server.address, post("hang a", &[])));
    server.fake.happened("run a").await;
    server.stop();
    // The listener is closed before the request is done.
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, refused).await.unwrap();
    server.fake.release("a");
    let response = timeout(LIMIT, slow).await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "{\"data\":\"a\"}");
    server.stopped().await;
}

#[tokio::test]
async fn requests_that_do_not_end_are_cut_off() {
    let config = ServerConfig {
        shutdown_grace: Duration::from_millis(20),
        websocket: WebSocketConfig { close_timeout: Duration::ZERO, ..Default::default() },
        ..support::config()
    };
    let mut server = start_with(config).await;
    let slow = tokio::spawn(server_request(server.address));
    server.fake.happened("run a").await;
    server.stop();
    server.stopped().await;
    server.fake.happened("drop a").await;
    assert!(timeout(LIMIT, slow).await.unwrap().unwrap().is_err());
}

async fn server_request(address: std::net::SocketAddr) -> Result<(), ()> {
    let stream = TcpStream::connect(address).await.map_err(|_| ())?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|_| ())?;
    tokio::spawn(connection);
    sender.send_request(post("hang a", &[])).await.map(|_| ()).map_err(|_| ())
}

#[tokio::test]
async fn event_streams_are_cut_so_that_clients_come_back() {
    let mut server = start().await;
    let accept = [("accept", "text/event-stream")];
    let response = open(server.address, post("live a", &accept)).await;
    server.fake.happened("take a").await;
    server.stop();
    assert!(timeout(LIMIT, response.into_body().collect()).await.unwrap().is_err());
    server.fake.happened("drop a").await;
    server.stopped().await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_holds_up_nothing_for_long() {
    let close_timeout = Duration::from_millis(20);
    let websocket = WebSocketConfig { close_timeout, ..Default::default() };
    let mut server = start_with(ServerConfig { websocket, ..support::config() }).await;
    let mut socket = RawSocket::connect(server.address, MODERN, b"").await;
    server.stop();
    assert_eq!(socket.closed().await, 1001);
    server.stopped().await;
}

#[tokio::test]
async fn idle_connections_end_at_once() {
    let mut server = start().await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let response = open(server.address, request(Method::GET, "/healthz", &[], "")).await;
    assert_eq!(response.status(), 200);
    server.sample_becomes("artesian_connections_opened_total{transport=\"http\"}", 2.0).await;
    server.stop();
    server.stopped().await;
    drop(stream);
}

#[tokio::test]
async fn a_server_that_is_dropped_closes_its_sockets() {
    let mut server = start().await;
    let mut socket = server.socket(MODERN).await;
    socket.subscribe("1", "live a").await;
    socket.result("1").await;
    server.abort().await;
    assert_eq!(socket.closed().await.0, 1001);
    server.fake.happened("drop a").await;
}
