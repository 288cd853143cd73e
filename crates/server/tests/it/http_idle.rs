//! HTTP connections that are not used, or whose requests do not come to their end.

use std::time::Duration;

use artesian_server::{LimitsConfig, ServerConfig};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    self, LIMIT, TestServer,
    http::{open, post, request},
    start_with,
};

const SOON: Duration = Duration::from_millis(100);
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

async fn server(idle: Duration, read_timeout: Duration) -> TestServer {
    let limits = LimitsConfig { http_idle_timeout: idle, ..Default::default() };
    let sse_heartbeat = SOON / 4;
    start_with(ServerConfig { limits, read_timeout, sse_heartbeat, ..support::config() }).await
}

/// A connection with one request behind it.
async fn used(server: &TestServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nOK") {
        answer.push(timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap());
    }
    stream
}

async fn ended(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn who_asks_nothing_more_is_let_go() {
    let server = server(SOON, LIMIT).await;
    let mut stream = used(&server).await;
    ended(&mut stream).await;
    assert_eq!(server.hits("http_idle"), 1.0);

    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    let mut healthz = request(http::Method::GET, "/healthz", &[], "");
    *healthz.uri_mut() = "http://localhost/healthz".parse().unwrap();
    let response = timeout(LIMIT, sender.send_request(healthz)).await.unwrap().unwrap();
    drop(response);
    timeout(LIMIT, connection).await.unwrap().unwrap().unwrap();
    assert_eq!(server.hits("http_idle"), 2.0);
    drop(sender);
}

#[tokio::test]
async fn who_is_still_answered_is_not_idle() {
    let server = server(SOON, SOON).await;
    let accept = [("accept", "text/event-stream")];
    let mut response = open(server.address, post("live a", &accept)).await;
    let mut heartbeats = 0;
    // More than twice the time of either limit.
    while heartbeats < 10 {
        let frame = timeout(LIMIT, response.body_mut().frame()).await.unwrap();
        heartbeats += usize::from(frame.unwrap().unwrap().into_data().unwrap()[..] == *b":\n\n");
    }
    assert_eq!(server.hits("http_idle") + server.hits("read_timeout"), 0.0);
}

#[tokio::test]
async fn heads_that_do_not_end_are_cut() {
    let server = server(LIMIT, SOON).await;
    // The first, with a byte now and then.
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let drip = async {
        for byte in REQUEST.iter().cycle() {
            if first.write_all(&[*byte | 1]).await.is_err() {
                return;
            }
            tokio::time::sleep(SOON / 10).await;
        }
    };
    timeout(LIMIT, drip).await.unwrap();
    // A later one; before it the connection may be quiet for longer.
    let mut stream = used(&server).await;
    tokio::time::sleep(SOON * 2).await;
    stream.write_all(&REQUEST[..10]).await.unwrap();
    ended(&mut stream).await;
    // One that says nothing at all.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    ended(&mut silent).await;
    assert_eq!(server.hits("read_timeout"), 3.0);
}
